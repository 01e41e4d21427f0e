"""The bridge's extras: bursts, the typing indicator, and what a failed send leads to."""

import asyncio
import itertools
from contextlib import AsyncExitStack

import pytest

from guardproxy.core.errors import SendError
from guardproxy.edges.whatsapp.bridge import together_of
from guardproxy.edges.whatsapp.graph import may_try_again
from tests.conftest import said, start_rig, until, webhook
from tests.edges import shop
from tests.edges.graphs import WideGraph
from tests.edges.shop import NUMBER

ASKS = "my order is late, where is it?"
_serial = itertools.count()


@pytest.fixture
async def bridge(store, tmp_path):
    """A rig that merges what comes within 0.4 s."""
    name = f"burst-shop-{next(_serial)}"
    policies = shop.write(tmp_path / "policies", name=name)
    async with AsyncExitStack() as stack:
        yield await start_rig(
            stack, store, tmp_path, policies=policies, graph=WideGraph(), merge=0.4
        )


def ask(phone, text, at):
    message = said(phone, text, f"wamid.b{next(_serial)}")
    return message | {"timestamp": str(at)}


async def test_a_burst_is_one_turn_in_the_order_it_was_written(bridge):
    phone = "49155400001"
    messages = [ask(phone, f"{ASKS} {word}", 1_790_000_000 + at)
                for word, at in (("second", 2), ("first", 1), ("third", 3))]  # fmt: skip
    for message in messages:
        await bridge.deliver(webhook(message, number=NUMBER))
    assert await bridge.sends(phone, 1)
    await asyncio.sleep(0.8)
    assert len(bridge.sent_to(phone)) == 1
    (asked,) = bridge.stub.calls
    told = asked["messages"][-1]["content"]
    assert told.index("first") < told.index("second") < told.index("third")


async def test_typing_is_shown_once_for_an_answer_and_not_for_a_refusal(bridge):
    phone = "49155400002"
    await bridge.deliver(webhook(ask(phone, ASKS, 1), number=NUMBER))
    assert await bridge.sends(phone, 1)
    assert [one["typing_indicator"] for one in bridge.graph.read] == [{"type": "text"}]
    await bridge.deliver(webhook(ask(phone, "write me a python script", 2), number=NUMBER))
    assert await bridge.sends(phone, 2)
    assert len(bridge.graph.read) == 1


def test_only_what_came_in_time_is_merged():
    letters = [{"what": "message", "kept": at, "at": at} for at in (0.0, 1.0, 1.5, 1.6)]
    assert len(together_of(letters, 1.5)) == 3
    letters.insert(1, {"what": "revoke", "kept": 0.5})
    assert len(together_of(letters, 1.5)) == 1
    assert together_of([], 1.5) == []


@pytest.mark.parametrize(
    ("code", "known", "again"),
    [(131056, True, True), (130429, True, True), (131016, True, True), (2, True, True),
     (1, False, False), (131000, False, False), (None, False, False), (131047, True, False),
     (131026, True, False), (131009, True, False), (368, True, False)],
)  # fmt: skip
def test_what_is_tried_again(code, known, again):
    assert may_try_again(SendError("x", code=code, known=known)) is again


@pytest.mark.parametrize(("code", "sends"), [(131016, 1), (131000, 0), (131026, 0)])
async def test_a_failed_send_is_doubled_by_nothing(bridge, code, sends):
    phone = f"4915540{code}"
    fault = {"error": {"message": "x", "type": "OAuthException", "code": code}}
    ok = {"success": True}  # the typing indicator's
    bridge.graph.faults += [(200, ok), (400, fault)]
    await bridge.deliver(webhook(ask(phone, ASKS, 1), number=NUMBER))
    assert await until(lambda: not bridge.graph.faults)
    await bridge.sends(phone, 1, 4.0)
    assert len(bridge.sent_to(phone)) == sends
