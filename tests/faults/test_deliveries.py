"""A case on its way survives kill -9: the help desk gets it, under one key."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from guardproxy import app
from tests.conftest import said, until, webhook
from tests.faults.process import POLICY, Served, served
from tests.people.helpdesk import NUMBER, SECRET, WORDS, HelpDesk, write

__all__ = ["served"]  # a fixture, where pytest finds it
ONLY = "    hook: {kind: human, via: webhook, url: env:T_HOOK, secret: env:T_SECRET, sla: 5m}"

pytestmark = pytest.mark.faults


async def test_kill_9_in_the_middle_of_a_delivery(served: Served, monkeypatch):
    async with AsyncExitStack() as stack:
        desk = HelpDesk()
        at = await app.listen(stack, desk.app(), ("127.0.0.1", 0))
        monkeypatch.setenv("T_HOOK", f"{at}/cases")
        monkeypatch.setenv("T_SECRET", SECRET)
        served.policy.unlink()
        served.policy.parent.rmdir()
        write(served.policy.parent, POLICY, ways=ONLY, default="hook")
        await served.start()
        desk.faults["cases"] = [60.0]  # seconds of silence: it is killed while it waits
        message = said("4915112340077", WORDS["hook"], "wamid.k1")
        assert await served.deliver(webhook(message, number=NUMBER)) == 200
        assert await until(lambda: desk.tries, 20.0)
        served.kill()
        assert desk.tickets == []
        await served.start()
        # the lease of the dead process runs out within half a minute
        assert await until(lambda: desk.tickets, 60.0), served.told()
        await asyncio.sleep(2.0)
        assert len(desk.tickets) == 1
        assert len({body["id"] for _, body in desk.cases}) == 1
        assert await until(lambda: len(served.sent()) == 1, 20.0)
