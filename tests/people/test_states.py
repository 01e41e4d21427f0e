"""Who talks: the phone app and Meta's routing move a conversation, and nothing goes in circles."""

import pytest

from guardproxy.core.phases import Phase
from guardproxy.edges.whatsapp import wire
from guardproxy.store import keys
from tests.conftest import Rig, said, webhook
from tests.people.test_desk import HOTEL, asked

POOL = "is the pool heated?"


def changed(field: str, **value) -> dict:
    """A webhook of one change that is no message."""
    value = {"messaging_product": "whatsapp", **value}
    return {"object": "whatsapp_business_account",
            "entry": [{"id": "1", "changes": [{"value": value, "field": field}]}]}  # fmt: skip


def metadata() -> dict:
    return {"metadata": {"display_phone_number": "15557820114", "phone_number_id": HOTEL}}


def echo(number: str, wamid: str) -> dict:
    """The owner wrote from the phone app."""
    message = {"from": "15557820114", "to": number, "id": wamid, "timestamp": "1795000060",
               "type": "text", "text": {"body": "Hi, this is Tom, I take over."}}  # fmt: skip
    return changed("smb_message_echoes", **metadata(), message_echoes=[message])


def standby(number: str, wamid: str) -> dict:
    """The customer wrote while another app has the thread."""
    message = {"from": number, "id": wamid, "timestamp": "1795000000", "type": "text",
               "text": {"body": "do you deliver?"}}  # fmt: skip
    return changed("standby", **metadata(), standby={"messages": [message]})


def standby_echo(number: str, wamid: str) -> dict:
    """The other app answered, in the shape that has the message one level down."""
    message = {"to": number, "type": "text", "text": {"body": "We do."}}
    return changed("standby", **metadata(),
                   standby={"message_echoes": [{"id": wamid, "message": message}]})  # fmt: skip


def handover(number: str, wamid: str, **roles: str) -> dict:
    """Control was passed."""
    return changed(
        "messaging_handovers", type="control_passed", timestamp=wamid,
        sender={"phone_number": number}, recipient={"phone_number_id": HOTEL}, control_passed=roles,
    )  # fmt: skip


def to_people(number: str, wamid: str) -> dict:
    return handover(number, wamid, previous_owner_role="ai_agent", new_owner_role="escalation")


def to_bot(number: str, wamid: str) -> dict:
    return handover(number, wamid, previous_owner_role="escalation", new_owner_role="ai_agent")


def from_meta(number: str, wamid: str) -> dict:
    """The older shape, which names the previous owner only."""
    return handover(number, wamid, previous_owner_app_role="meta_business_agent")


async def phase(rig: Rig, name: str) -> Phase:
    case = (await rig.at.desk.case(name)).case
    key = keys.conversation(case.business, case.conversation)
    return Phase(await rig.at.program.connection.do("HGET", key, "phase") or "bot")


ELSEWHERE = {
    "echo": (echo, "phone app"),
    "standby": (standby, "another app"),
    "standby echo": (standby_echo, "another app"),
    "control passed": (to_people, "another app"),
    "control passed by an AI": (from_meta, "another app"),
}


@pytest.mark.parametrize(("event", "by"), ELSEWHERE.values(), ids=ELSEWHERE)
async def test_who_answers_elsewhere_has_the_case_and_the_bot_is_silent(rig, event, by):
    number, name = await asked(rig)
    assert await phase(rig, name) is Phase.WAITING
    assert await rig.deliver(event(number, rig.fresh("wamid.x"))) == 200
    assert await phase(rig, name) is Phase.HUMAN
    case = (await rig.at.desk.case(name)).case
    assert (case.status, case.by) == ("taken", by)
    asked_before = rig.calls_with(POOL)
    await rig.deliver(webhook(said(number, POOL, rig.fresh("wamid")), number=HOTEL))
    assert rig.calls_with(POOL) == asked_before


async def test_control_that_comes_back_resolves_the_case_and_the_bot_answers(rig):
    number, name = await asked(rig)
    await rig.deliver(to_people(number, rig.fresh("1")))
    back = to_bot(number, rig.fresh("2"))
    assert await rig.deliver(back) == 200
    assert await phase(rig, name) is Phase.BOT
    assert (await rig.at.desk.case(name)).case.status == "resolved"
    before = len(rig.sent_to(number))
    await rig.deliver(webhook(said(number, POOL, rig.fresh("wamid")), number=HOTEL))
    assert len(await rig.sends(number, before + 1)) == before + 1
    # the same event again moves nothing: it may come days later
    await rig.at.desk.kept.waits(
        (await rig.at.desk.case(name)).case,
        rig.at.shelf.policy("palm-court-hotel").escalation.channels["desk"], resume=60.0, keep=60.0,
    )  # fmt: skip
    assert await rig.deliver(back) == 200
    assert await phase(rig, name) is Phase.WAITING


async def test_an_echo_of_our_own_words_is_nobody_else_talking(rig):
    number, name = await asked(rig)
    wamid = await rig.at.desk.reply(name, "hello", "sri", key="k")
    await rig.at.desk.hand_back(name, "sri")
    await rig.deliver(echo(number, wamid))
    assert await phase(rig, name) is Phase.BOT


@pytest.mark.parametrize(
    ("passed", "ours"),
    [
        ({"previous_owner_app_role": "business_app"}, True),
        ({"previous_owner_role": "escalation", "new_owner_role": "ai_agent"}, True),
        ({"previous_owner_app_role": "meta_business_agent"}, False),
        ({"new_owner_role": "escalation"}, False),
    ],
)
def test_the_roles_say_whose_the_thread_is(passed, ours):
    body = handover("4915112340077", "1795000000", **passed)
    event = wire._whole("messaging_handovers", body["entry"][0]["changes"][0]["value"])
    assert isinstance(event, wire.Passed)
    assert event.ours is ours


@pytest.mark.parametrize("passed", [{}, {"metadata": "end"}])
def test_a_handover_that_does_not_say_whose_it_is_moves_nothing(passed):
    body = handover("4915112340077", "1795000000", **passed)
    event = wire._whole("messaging_handovers", body["entry"][0]["changes"][0]["value"])
    assert isinstance(event, wire.Other)
