"""Several worker processes behind one port: one count, one readiness, one set of figures."""

import asyncio

import psutil
import pytest

from tests.faults.process import FAIR, Served, served

__all__ = ["served"]  # the fixture, where pytest finds it
pytestmark = pytest.mark.slow


async def test_three_thousand_at_once_against_six_in_ten_minutes_are_six_with_two_workers(
    served: Served,
):
    text = served.policy.read_text("utf-8")
    burst = "{id: burst, per: user, max: 6, in: 1m, then: throttle}"
    assert burst in text
    served.policy.write_text(text.replace(burst, burst.replace("1m", "10m")), "utf-8")
    await served.start("--workers", "2")
    calls = asyncio.Semaphore(200)  # sockets of this process; all of them knock at once

    async def call() -> str:
        async with calls:
            return (await served.chat(FAIR, "flood"))[1]["x-guardproxy-verdict"]

    verdicts = await asyncio.gather(*(call() for _ in range(3000)))
    # a busy machine may keep the store over its deadline for a few: they are refused, not let in
    assert verdicts.count("allow") == 6
    assert verdicts.count("throttle") > 2000
    assert set(verdicts) <= {"allow", "throttle", "redirect"}
    assert len(served.stub.calls) == 6
    async with served.session.get(f"{served.admin}/metrics") as response:
        figures = await response.text()
    (line,) = [
        line for line in figures.splitlines()
        if line.startswith("guardproxy_turns_total{") and 'verdict="throttle"' in line
    ]  # fmt: skip
    assert float(line.rsplit(" ", 1)[1]) == verdicts.count("throttle")


async def test_a_worker_that_dies_is_started_again(served: Served):
    await served.start("--workers", "2")
    assert served.process
    workers = [c for c in psutil.Process(served.process.pid).children() if "valkey" not in c.name()]
    assert len(workers) == 2
    workers[0].kill()
    assert await served.becomes("unready", 10.0)
    assert await served.becomes("ready", 60.0)
    assert (await served.chat(FAIR, "after"))[0] == 200
