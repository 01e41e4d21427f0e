"""The account of sends: what is open is settled by a status, or overdue; nothing is forgotten."""

import pytest

from guardproxy.core.ledger import Send
from guardproxy.edges.whatsapp import inbox, outbox, sending, watch
from guardproxy.store import keys
from guardproxy.store.sends import Sends
from tests.store.test_conversations import fresh


@pytest.fixture
def sends(connection) -> Sends:
    made = Sends(connection)
    _: tuple[inbox.Sends, outbox.Sends, sending.Sends, watch.Sends] = (made, made, made, made)
    return made


def one(**more) -> Send:
    """A send of a business of its own."""
    return Send(**{"business": fresh("b"), "turn": fresh("wa_"), "number": "1", "person": "ann"}
                | more)  # fmt: skip


async def lapse(connection, send: Send) -> None:
    """Minutes pass, and nothing is heard."""
    await connection.do("ZADD", keys.sends(keys.shard(send.business)), 0, send.id)


async def overdue(sends: Sends, send: Send) -> list[tuple[Send, str]]:
    return [(late.send, late.why) for late in await sends.overdue([send.business])]


async def heard(sends: Sends, send: Send, state: str, **more) -> str:
    told = {"tag": send.theirs or send.id, "person": send.person, "at": 9e9} | more
    return await sends.status(send.business, told.pop("wamid", fresh("wamid")), state, **told)


async def test_a_send_that_went_out_or_was_refused_is_no_longer_open(sends, connection):
    for close in (lambda s: sends.sent(s, "wamid.1"), sends.refused, sends.done):
        send = one()
        await sends.intend(send)
        await lapse(connection, send)
        await close(send)
        assert await overdue(sends, send) == []
        assert not await sends.done(send)


async def test_what_nobody_knows_is_overdue_later_and_given_out_again_until_done(sends, connection):
    send = one(part=2)
    await sends.intend(send)
    assert await sends.unknown(send)
    assert await overdue(sends, send) == []
    for _ in range(2):
        await lapse(connection, send)
        assert await overdue(sends, send) == [(send, "")]
        assert await overdue(sends, send) == []  # another worker does not take it up as well
    assert await sends.done(send)
    assert await overdue(sends, send) == []


@pytest.mark.parametrize("state", ["sent", "delivered", "read", "played"])
async def test_a_status_settles_what_nobody_knows_once(sends, connection, state):
    send = one()
    await sends.intend(send)
    await sends.unknown(send)
    assert await heard(sends, send, state, wamid="w") == "settled"
    assert await heard(sends, send, state, wamid="w") == "duplicate"
    await lapse(connection, send)
    assert await overdue(sends, send) == []


async def test_a_status_that_comes_before_the_connection_breaks_settles_it_too(sends):
    send = one()
    await sends.intend(send)
    assert await heard(sends, send, "sent") == "kept"
    assert not await sends.unknown(send)


async def test_a_status_of_another_part_or_turn_settles_nothing(sends, connection):
    send = one()
    await sends.intend(send)
    await sends.unknown(send)
    for tag in (f"{send.turn}.1", fresh("wa_"), ""):
        assert await heard(sends, send, "sent", tag=tag) == "kept"
    await lapse(connection, send)
    assert await overdue(sends, send) == [(send, "")]


async def test_a_failed_status_and_a_certain_failure_are_overdue_at_once(sends):
    told, failed = one(), one()
    for send in (told, failed):
        await sends.intend(send)
    assert await heard(sends, told, "failed") == "undelivered"
    await sends.lost(failed, "code 131026")
    assert await overdue(sends, told) == [(told, "failed")]
    assert await overdue(sends, failed) == [(failed, "code 131026")]


async def test_with_a_tag_of_the_agents_own_person_and_time_tell_which_send(sends):
    shop = fresh("b")
    first, second, other = (
        one(business=shop, theirs="campaign", person=who) for who in ("ann", "ann", "bob")
    )
    for send in (first, second, other):
        await sends.intend(send)
    await sends.sent(second, "wamid.second")
    await sends.unknown(first)
    await sends.unknown(other)
    say = {"state": "sent"}
    assert await heard(sends, first, **say, wamid="wamid.second") == "kept"  # known to be another's
    assert await heard(sends, first, **say, at=5.0) == "kept"  # before it was sent
    assert await heard(sends, first, **say, person="eve") == "kept"
    assert await heard(sends, first, **say, tag="else") == "kept"
    assert await heard(sends, first, **say, wamid="wamid.first") == "settled"
    assert await heard(sends, first, "read", wamid="wamid.first") == "kept"
    assert await heard(sends, other, **say) == "settled"


async def test_a_reply_knows_what_meta_told_of_its_parts(sends, connection):
    send = one(part=1)
    place = keys.reply(send.business, send.turn)
    await connection.do("HSET", place, "text", "hello", "sent", 1)
    await sends.intend(send)
    assert await connection.do("HGET", place, "trying") == "1"
    await heard(sends, send, "delivered")
    assert await connection.do("HGET", place, "status1") == "delivered"
    await sends.sent(send, "wamid.1")
    assert await connection.do("HMGET", place, "sent", "wamid1") == ["2", "wamid.1"]
