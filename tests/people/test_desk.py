"""What colleagues do with cases, from the customer's words to the bot's return, on a real store."""

import asyncio

import pytest

from guardproxy.core.errors import SendError
from guardproxy.people.address import Address
from guardproxy.people.desk import (
    AlreadyResolved,
    AlreadyTaken,
    CannotReply,
    NoAddress,
    NoSuchCase,
    WindowClosed,
)
from guardproxy.store import keys
from guardproxy.store.conversations import Conversations
from tests.conftest import Rig, said, webhook
from tests.store.test_conversations import case, close, fresh

HOTEL = "106540352242925"  # policies/palm-court-hotel.yaml has a human channel at all hours
ASK = "I want to talk to a human"


async def asked(rig: Rig, *texts: str) -> tuple[str, str]:
    """A customer of the hotel who ends with asking for a person: their number, and the case."""
    number = rig.number()
    for count, text in enumerate((*texts, ASK), 1):
        await rig.deliver(webhook(said(number, text, rig.fresh("wamid")), number=HOTEL))
        await rig.sends(number, count)
    mine = [r for r in rig.records if r["verdict"] == "escalate"][-1]
    return number, f"esc_{mine['id']}"


async def test_the_whole_journey_from_the_bot_and_back(rig):
    number, name = await asked(rig, "is the pool heated?")
    desk = rig.at.desk
    assert name in [one.id for one in await desk.cases()]
    file = await desk.case(name)
    assert [line.who for line in file.transcript] == ["customer", "bot"] * 2
    assert [line.text for line in file.transcript[::2]] == ["is the pool heated?", ASK]
    assert (file.case.status, file.case.rule, file.can_reply) == ("open", "escalation.ask", True)
    await desk.take(name, "sri")
    await desk.reply(name, "Hello, this is Sri. 50 % off *today*", "sri", key="1")
    assert rig.sent_to(number)[-1] == "Hello, this is Sri. 50 % off *today*"
    await rig.deliver(webhook(said(number, "thank you", rig.fresh("wamid")), number=HOTEL))
    await asyncio.sleep(0.5)
    assert (await desk.case(name)).transcript[-1].text == "thank you"
    before = len(rig.sent_to(number))
    assert (await desk.hand_back(name, "sri")).status == "resolved"
    await rig.deliver(
        webhook(said(number, "is the pool heated?", rig.fresh("wamid")), number=HOTEL)
    )
    assert len(await rig.sends(number, before + 1)) == before + 1


async def test_who_it_is_shows_masked_and_the_number_is_kept_sealed(rig, connection):
    number, name = await asked(rig)
    file = await rig.at.desk.case(name)
    assert file.who == f"+{number[:3]}•••••{number[-3:]}"
    kept = str(await connection.do("HGETALL", keys.case(keys.shard(file.case.business), name)))
    assert number not in kept


async def test_a_reply_takes_the_case_and_is_said_once_for_its_key(rig):
    number, name = await asked(rig)
    before = len(rig.sent_to(number))
    first = await rig.at.desk.reply(name, "coming", "sri", key="k")
    again = await rig.at.desk.reply(name, "coming", "sri", key="k")
    assert (bool(first), again) == (True, "")
    assert len(rig.sent_to(number)) == before + 1
    assert (await rig.at.desk.case(name)).case.by == "sri"
    with pytest.raises(AlreadyTaken):
        await rig.at.desk.reply(name, "me too", "budi", key="b")
    await rig.at.desk.resolve(name, "sri")
    with pytest.raises(AlreadyResolved):
        await rig.at.desk.reply(name, "one more thing", "sri", key="c")


async def test_after_a_day_of_silence_nothing_is_sent(rig, connection):
    number, name = await asked(rig)
    found = (await rig.at.desk.case(name)).case
    window = keys.window(found.business, found.conversation)
    await connection.do("SET", window, f"{found.opened - 86_400:.3f}")
    with pytest.raises(WindowClosed, match="template"):
        await rig.at.desk.reply(name, "still there?", "sri", key="k")
    assert (await rig.at.desk.case(name)).can_reply is False
    assert "still there?" not in rig.sent_to(number)


async def test_a_case_of_an_api_of_their_own_cannot_be_answered_here(rig):
    await rig.chat(ASK, policy="palm-court-hotel")
    mine = [r for r in rig.records if r["verdict"] == "escalate"][-1]
    with pytest.raises(NoAddress):
        await rig.at.desk.reply(f"esc_{mine['id']}", "hi", "sri", key="k")


@pytest.mark.parametrize("text", ["", "  ", "a" * 4097])
async def test_a_reply_has_words_that_fit(rig, text):
    _, name = await asked(rig)
    with pytest.raises(CannotReply, match="1 to 4096"):
        await rig.at.desk.reply(name, text, "sri", key="k")


class Silent:
    """A Graph that refuses, or breaks off."""

    def __init__(self, *, known: bool) -> None:
        self.known, self.tries = known, 0

    async def say(self, business: str, address: Address, text: str, *, tag: str) -> str:
        self.tries += 1
        raise SendError("the Graph API answered 400", known=self.known)


@pytest.mark.parametrize(("known", "tries"), [(True, 2), (False, 1)])
async def test_what_may_have_arrived_is_not_said_again(rig, known, tries):
    _, name = await asked(rig)
    desk, mouth = rig.at.desk, Silent(known=known)
    whole, desk.mouth = desk.mouth, mouth
    try:
        with pytest.raises(SendError):
            await desk.reply(name, "hi", "sri", key="k")
        if known:
            with pytest.raises(SendError):
                await desk.reply(name, "hi", "sri", key="k")
        else:
            assert await desk.reply(name, "hi", "sri", key="k") == ""
    finally:
        desk.mouth = whole
    assert mouth.tries == tries


async def test_unknown_cases_and_policies_that_are_gone(rig, connection):
    with pytest.raises(NoSuchCase):
        await rig.at.desk.take("nobody", "sri")
    who = {"business": fresh("gone"), "caller": "k", "person": fresh("p"), "conversation": "c"}
    name = fresh("esc_gone")
    await close(Conversations(connection), who, verdict="escalate", case=case(name), now=None)
    assert (await rig.at.desk.take(name, "sri")).status == "taken"
