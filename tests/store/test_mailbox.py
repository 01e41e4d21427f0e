"""The bridge's inbox: every message once, in order, one turn at a time per conversation."""

import asyncio

import pytest
from cryptography.fernet import Fernet

from guardproxy.core.errors import StoreError
from guardproxy.core.ledger import Send
from guardproxy.edges.whatsapp.bridge import Letters
from guardproxy.store import keys
from guardproxy.store.mailbox import Mailbox
from guardproxy.store.sends import Sends
from tests.store.test_conversations import fresh

SEAL = Fernet(Fernet.generate_key())


@pytest.fixture
def boxes(connection):
    """Two workers' mailboxes, and a business of their own."""
    one, two = Mailbox(connection, SEAL, "one"), Mailbox(connection, SEAL, "two")
    _: Letters = one
    return one, two, fresh("mail")


async def test_messages_come_in_order_one_at_a_time(boxes):
    one, two, shop = boxes
    for i in range(3):
        assert await one.accept(shop, "ann", f"{shop}{i}", {"n": i})
    taken = await one.claim([shop])
    assert (taken.letter, taken.business) == ({"n": 0}, shop)
    assert await two.claim([shop]) is None
    assert await one.finish(taken)
    assert (await two.claim([shop])).letter == {"n": 1}


async def test_conversations_are_served_side_by_side(boxes):
    one, two, shop = boxes
    for name in ("ann", "bob"):
        await one.accept(shop, name, fresh("w"), {"from": name})
    found = [await one.claim([shop]), await two.claim([shop])]
    assert sorted(taken.letter["from"] for taken in found) == ["ann", "bob"]
    assert await one.waiting([shop]) == 2


async def test_a_message_is_accepted_once(boxes):
    one, two, shop = boxes
    again = await asyncio.gather(*(box.accept(shop, "ann", "w", {}) for box in (one, two) * 25))
    assert sum(again) == 1
    taken = await one.claim([shop])
    await one.finish(taken)
    assert not await two.accept(shop, "ann", "w", {})
    assert await one.claim([shop]) is None


async def lapse(connection, taken) -> None:
    """Time passes: the lease of a worker that is gone runs out."""
    await connection.do("DEL", keys.lease(taken.tag, taken.member))
    await connection.do("ZADD", keys.due(taken.tag), 0, taken.member)


async def test_a_dead_workers_message_is_taken_over_and_it_cannot_finish_it(boxes, connection):
    one, two, shop = boxes
    await one.accept(shop, "ann", fresh("w"), {"n": 1})
    stale = await one.claim([shop])
    await lapse(connection, stale)
    taken = await two.claim([shop])
    assert taken.letter == {"n": 1}
    assert not await one.renew(stale)
    assert not await one.finish(stale)
    assert await two.renew(taken)
    assert await two.finish(taken)
    assert await one.claim([shop]) is None


async def test_a_message_put_off_is_not_due_and_not_lost(boxes):
    one, _, shop = boxes
    await one.accept(shop, "ann", fresh("w"), {"n": 1})
    assert await one.later(await one.claim([shop]), 60.0)
    assert await one.claim([shop]) is None
    assert await one.waiting([shop]) == 1


async def test_a_message_of_another_business_is_not_claimed(boxes, connection):
    one, _, shop = boxes
    other = next(n for n in (f"q{i}" for i in range(999)) if keys.shard(n) != keys.shard(shop))
    await one.accept(shop, "ann", fresh("w"), {"n": 1})
    assert await one.claim([other]) is None
    assert await one.claim([other, shop])


async def test_mail_is_unreadable_in_the_store_and_without_the_key(boxes, connection):
    one, _, shop = boxes
    await one.accept(shop, "ann", fresh("w"), {"sender": "15550100123"})
    kept = await connection.do("LRANGE", keys.mailbox(shop, "ann"), 0, -1)
    assert "15550100123" not in str(kept)
    stranger = Mailbox(connection, Fernet(Fernet.generate_key()), "three")
    with pytest.raises(StoreError, match="SECRET_KEY"):
        await stranger.claim([shop])


async def test_how_far_a_reply_has_come_is_known(boxes, connection):
    one, _, shop = boxes
    turn = fresh("turn")
    assert await one.pending(shop, turn) is None
    await connection.do("HSET", keys.reply(shop, turn), "text", "hello", "sent", 0)
    first = await one.pending(shop, turn)
    assert (first.text, first.sent, first.unknown) == ("hello", 0, False)
    sends, send = Sends(connection), Send(business=shop, turn=turn, number="1", person="ann")
    await sends.intend(send)
    assert (await one.pending(shop, turn)).unknown
    await sends.refused(send)
    assert not (await one.pending(shop, turn)).unknown
    await sends.intend(send)
    await sends.status(shop, fresh("w"), "sent", tag=turn, person="ann", at=1.0)
    told = await one.pending(shop, turn)
    assert (told.sent, told.unknown, told.settled) == (0, False, True)
    await sends.sent(send, "wamid.1")
    after = await one.pending(shop, turn)
    assert (after.sent, after.unknown, after.settled) == (1, False, False)
