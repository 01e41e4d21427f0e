"""A full disk: what cannot be written down is not acknowledged, and all goes on when there is room."""

import asyncio
import resource

import psutil
import pytest

from tests.conftest import said, until, webhook
from tests.faults.process import FAIR, Served, served

__all__ = ["served"]  # the fixture, where pytest finds it
pytestmark = pytest.mark.faults


def message(number: int) -> dict:
    """A fair message of a customer, by number."""
    return webhook(said(f"155504{number:05d}", f"{FAIR} nomor {number}", f"wamid.f{number}"))


@pytest.mark.timeout(200)
async def test_a_store_that_cannot_write_acknowledges_nothing_and_loses_nothing(served: Served):
    await served.start()
    assert await served.deliver(message(0)) == 200
    written = sum(f.stat().st_size for f in (served.home / "data").rglob("*.aof"))
    valkey = psutil.Process(served.valkey().pid)
    valkey.rlimit(resource.RLIMIT_FSIZE, (written + 4000, written + 4000))  # a few messages' worth
    taken = {number: await served.deliver(message(number)) for number in range(1, 25)}
    refused = [number for number, status in taken.items() if status == 503]
    assert refused
    assert set(taken.values()) <= {200, 503}
    assert not valkey.is_running() or valkey.status() == psutil.STATUS_ZOMBIE
    # the store is started again by itself (there is room: the limit was the old process's)
    for number in refused:
        for _ in range(100):  # as Meta does: again until it is taken
            if await served.deliver(message(number)) == 200:
                break
            await asyncio.sleep(0.2)
    wanted = {f"155504{number:05d}" for number in range(25)}
    assert await until(lambda: {to for to, _ in served.sent()} == wanted, 30.0), served.told()
    await asyncio.sleep(1.0)
    assert len(served.sent()) == len(wanted)
    log = (served.home / "log").read_text("utf-8")
    assert '"store_ended"' in log
    assert "MiB are free" in log
    assert await served.becomes("ready", 10.0)
