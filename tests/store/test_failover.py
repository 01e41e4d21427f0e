"""A failover in the middle: the store is away for seconds, and nothing acknowledged is lost."""

import asyncio
import itertools
import time

import pytest
from cryptography.fernet import Fernet

from guardproxy import app
from guardproxy.core.errors import StoreError
from guardproxy.store.mailbox import Mailbox
from tests.store import servers
from tests.store.test_conversations import fresh

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
AWAY = 40.0  # seconds: it takes Sentinel about two on an idle machine


@pytest.fixture
def watched(tmp_path):
    started = servers.Servers(tmp_path, servers.valkey())
    try:
        yield servers.sentinels(started)
    finally:
        started.end()


async def test_mail_goes_on_where_it_was_when_sentinel_names_another_master(watched):
    connection = app.connect(watched.url)
    box, shop, count = Mailbox(connection, Fernet(Fernet.generate_key()), "w"), fresh("s"), 40
    kept: list[int] = []
    failed = 0

    async def deliver(number: int) -> None:
        """As Meta does: again until it is taken."""
        nonlocal failed
        for _ in itertools.count():
            try:
                await box.accept(shop, f"c{number % 5}", f"{shop}{number}", {"n": number})
            except StoreError:
                failed += 1
                await asyncio.sleep(0.1)
            else:
                kept.append(number)
                return

    async with asyncio.timeout(AWAY + 60):
        for number in range(count // 2):
            await deliver(number)
        await asyncio.to_thread(servers.until, watched.caught_up)
        watched.master.kill()
        away = time.monotonic()
        await deliver(count // 2)
        away = time.monotonic() - away
        for number in range(count // 2 + 1, count):
            await deliver(number)
        assert not await box.accept(shop, "c0", f"{shop}0", {"n": 0})  # known from before
        found = []
        while (taken := await box.claim([shop])) is not None:
            found.append(taken.letter["n"])
            assert await box.finish(taken)
    assert sorted(found) == list(range(count))
    for conversation in range(5):
        own = [n for n in found if n % 5 == conversation]
        assert own == sorted(own)
    assert failed > 0, "the failover was not noticed"
    assert away < AWAY
    assert connection.up
    await connection.close()
