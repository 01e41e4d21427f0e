"""Cases move, and the conversation they are about moves with them."""

import pytest

from guardproxy.core.errors import IllegalMove
from guardproxy.core.ledger import Said
from guardproxy.core.phases import Move, Phase
from guardproxy.store.conversations import Conversations
from guardproxy.store.escalations import AlreadyResolved, AlreadyTaken, Escalations, NoSuchCase
from tests.store.test_conversations import admit, case, close, fresh


@pytest.fixture
async def opened(connection):
    """A conversation that waits for a person, and its case."""
    who = {"business": fresh("b"), "caller": "k", "person": fresh("p"), "conversation": fresh("c")}
    name = fresh("esc_m")
    store = Conversations(connection)
    await close(store, who, verdict="escalate", case=case(name), now=None)
    return store, Escalations(connection), who, name


async def phase(store, who) -> Phase:
    return (await admit(store, who, now=None)).phase


async def test_take_and_resolve(opened):
    store, cases, who, name = opened
    taken = await cases.move(name, Move.TAKE, "sri")
    assert (taken.status, taken.by, await phase(store, who)) == ("taken", "sri", Phase.HUMAN)
    assert name in [one.id for one in await cases.open()]
    resolved = await cases.move(name, Move.RESOLVE, "sri")
    assert (resolved.status, await phase(store, who)) == ("resolved", Phase.BOT)
    assert name not in [one.id for one in await cases.open()]
    assert (await admit(store, who, now=None)).escalation == ""


async def test_hand_back_returns_the_conversation(opened):
    store, cases, who, name = opened
    await cases.move(name, Move.TAKE, "sri")
    assert (await cases.move(name, Move.HAND_BACK, "sri")).status == "resolved"
    assert await phase(store, who) is Phase.BOT


async def test_a_colleague_may_take_over(opened):
    store, cases, who, name = opened
    await cases.move(name, Move.TAKE, "sri")
    with pytest.raises(AlreadyTaken, match="taken by sri") as told:
        await cases.move(name, Move.TAKE, "budi")
    assert told.value.by == "sri"
    assert (await cases.move(name, Move.TAKE, "budi", over=True)).by == "budi"
    assert await phase(store, who) is Phase.HUMAN


async def test_what_is_resolved_cannot_be_moved_again(opened):
    store, cases, who, name = opened
    await cases.move(name, Move.RESOLVE, "sri")
    for move in (Move.TAKE, Move.RESOLVE, Move.HAND_BACK):
        with pytest.raises(AlreadyResolved, match="resolved already, by sri"):
            await cases.move(name, move, "budi")
    assert await phase(store, who) is Phase.BOT


async def test_what_the_bot_has_cannot_be_handed_back(connection):
    who = {"business": fresh("b"), "caller": "k", "person": fresh("p"), "conversation": fresh("c")}
    name, store = fresh("esc_told"), Conversations(connection)
    await close(store, who, verdict="escalate", case=case(name, pauses=False), now=None)
    with pytest.raises(IllegalMove, match="phase 'bot' cannot 'hand_back'"):
        await Escalations(connection).move(name, Move.HAND_BACK, "sri")
    assert await phase(store, who) is Phase.BOT


async def test_what_led_to_a_person_does_not_lead_there_again_at_once(opened):
    store, cases, who, name = opened
    await close(store, who, verdict="redirect", off_topic=True, offered="human", now=None)
    await cases.move(name, Move.RESOLVE, "sri")
    memory = await admit(store, who, now=None)
    assert (memory.off_topic, memory.offered) == (0, "")


async def test_the_transcript_has_what_was_refused_too(opened, connection):
    store, cases, who, name = opened
    said = (Said(who="customer", text="a poem!", at=1.0), Said(who="bot", text="no", at=1.0))
    await close(store, who, verdict="redirect", talk=who["conversation"], said=said, now=None)
    file = await cases.show(name)
    assert await cases.transcript(file) == said
    await cases.spoke(file, Said(who="person", text="hello", at=2.0, by="sri"))
    assert (await cases.transcript(file))[-1].by == "sri"
    assert (await cases.show(name)).replies == 1


async def test_of_some_businesses_only_theirs_are_listed(opened):
    _, cases, who, name = opened
    assert [one.id for one in await cases.open([who["business"]])] == [name]
    assert await cases.open([fresh("other")]) == ()


async def test_a_person_who_asks_while_one_talks_keeps_the_person(opened):
    store, cases, who, name = opened
    await cases.move(name, Move.TAKE, "sri")
    await close(store, who, verdict="escalate", case=case(fresh("esc_m")), now=None)
    assert await phase(store, who) is Phase.HUMAN
    assert (await cases.show(name)).asks == 2


async def test_the_bot_goes_on_though_nobody_resolved_the_case(connection, opened):
    store, _, who, name = opened
    await Escalations(connection, resume_after=-1.0).move(name, Move.TAKE, "sri")
    assert await phase(store, who) is Phase.BOT


async def test_the_start_of_an_id_is_enough_while_it_fits_one(opened):
    _, cases, _, name = opened
    assert (await cases.show(name)).id == name
    with pytest.raises(NoSuchCase, match=r"escalations begin with 'esc_m'|no escalation"):
        await cases.show("esc_m")
        await cases.show("esc_")
    with pytest.raises(NoSuchCase, match="no escalation 'nobody'"):
        await cases.show("nobody")


async def test_the_oldest_comes_first(opened, connection):
    _, cases, _, _ = opened
    opened_at = [one.opened for one in await cases.open()]
    assert opened_at == sorted(opened_at)
