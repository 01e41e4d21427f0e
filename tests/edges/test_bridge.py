"""The bridge's extras: bursts, the typing indicator, and what a failed send leads to."""

import asyncio
import itertools
from contextlib import AsyncExitStack

import pytest

from guardproxy.core.errors import SendError
from guardproxy.edges.whatsapp.bridge import together_of
from guardproxy.edges.whatsapp.graph import may_try_again
from guardproxy.store import keys
from guardproxy.store.escalations import Escalations
from tests.conftest import said, start_rig, until, webhook
from tests.edges import shop
from tests.edges.graphs import WideGraph, sent_as
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


def fault(code):
    """A send refused with one of Meta's codes."""
    return (400, {"error": {"message": "x", "type": "OAuthException", "code": code}})


TYPED = (200, {"success": True})  # the typing indicator's answer


@pytest.mark.parametrize(("code", "sends"), [(131016, 1), (131000, 0), (131026, 0)])
async def test_a_failed_send_is_doubled_by_nothing(bridge, code, sends):
    phone = f"4915540{code}"
    bridge.graph.faults += [TYPED, fault(code)]
    await bridge.deliver(webhook(ask(phone, ASKS, 1), number=NUMBER))
    assert await until(lambda: not bridge.graph.faults)
    await bridge.sends(phone, 1, 4.0)
    assert len(bridge.sent_to(phone)) == sends


async def fails(rig, phone, code) -> str:
    """A customer asks, and the send of the answer fails; the turn's id."""
    count = len(rig.records)
    rig.graph.faults += [TYPED, fault(code)]
    await rig.deliver(webhook(ask(phone, ASKS, 1), number=NUMBER))
    assert await until(lambda: len(rig.records) > count and not rig.graph.faults)
    await asyncio.sleep(0.2)  # until what came of it is written down
    return rig.records[count]["id"]


async def case_of(rig, turn, seconds=6.0):
    """The case about a send of a turn, once there is one."""
    end = asyncio.get_running_loop().time() + seconds
    while True:
        cases = await Escalations(rig.at.program.connection).open()
        found = next((case for case in cases if turn in case.reason), None)
        if found or asyncio.get_running_loop().time() > end:
            return found
        await asyncio.sleep(0.1)


def status(wamid, tag, state="delivered"):
    told = {"id": wamid, "status": state, "timestamp": "1795000000", "recipient_id": "1",
            "biz_opaque_callback_data": tag}  # fmt: skip
    value = {"metadata": {"phone_number_id": NUMBER}, "statuses": [told]}
    return {"object": "whatsapp_business_account",
            "entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}]}  # fmt: skip


async def lapse(rig, turn):
    """Minutes pass without a status."""
    for business in rig.at.shelf.names:
        place = keys.sends(keys.shard(business))
        await rig.at.program.connection.do("ZADD", place, "XX", 0, turn)


async def test_a_send_nobody_knows_of_is_settled_by_its_status(bridge):
    turn = await fails(bridge, "49155400021", 131000)
    assert await sent_as(bridge, "unknown") == 1
    await bridge.deliver(status("wamid.late", turn))
    assert await sent_as(bridge, "settled") == 1
    await lapse(bridge, turn)
    assert await case_of(bridge, turn, 2.5) is None
    assert bridge.sent_to("49155400021") == []


async def test_a_send_nobody_hears_of_goes_to_a_person_once_and_the_bot_goes_on(bridge):
    phone = "49155400022"
    turn = await fails(bridge, phone, 131000)
    await lapse(bridge, turn)
    case = await case_of(bridge, turn)
    assert (case.rule, case.status, case.channel) == ("send.unknown", "open", "desk")
    assert case.conversation == bridge.records[0]["conversation"]
    assert case.address  # a colleague can answer from the case
    assert await sent_as(bridge, "handed_over") == 1
    await bridge.deliver(webhook(ask(phone, "which kettle is quiet?", 2), number=NUMBER))
    assert len(await bridge.sends(phone, 1)) == 1
    assert (await case_of(bridge, turn)).asks == 1


@pytest.mark.parametrize("how", ["refused", "told"])
async def test_a_reply_that_did_not_arrive_goes_to_a_person_at_once(bridge, how):
    phone = f"49155400023{len(how)}"
    if how == "refused":
        turn = await fails(bridge, phone, 131026)
    else:
        await bridge.deliver(webhook(ask(phone, ASKS, 1), number=NUMBER))
        assert await bridge.sends(phone, 1)
        turn = bridge.records[0]["id"]
        await bridge.deliver(status("wamid.x", turn, "failed"))
    case = await case_of(bridge, turn)
    assert (case.rule, case.asks) == ("send.undelivered", 1)
