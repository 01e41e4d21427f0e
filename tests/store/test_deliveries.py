"""The outbox of cases: each delivery once, whoever dies, in whatever process."""

import asyncio

import pytest

from guardproxy.core.ledger import Errand
from guardproxy.policy.compiled import Channel
from guardproxy.store import keys
from guardproxy.store.conversations import Conversations
from guardproxy.store.deliveries import Deliveries, Delivery, named
from guardproxy.store.escalations import Escalations
from tests.store.test_conversations import admit, case, close, fresh

HOOK = Errand(what="case", channel="hook", patience=60.0)
WOOT = Errand(what="case", channel="woot", patience=60.0)


@pytest.fixture
async def opened(connection):
    """A case with one errand: its business, its id, and the outbox of two workers."""
    who = {"business": fresh("b"), "caller": "k", "person": fresh("p"), "conversation": fresh("c")}
    name = fresh("esc_d")
    await close(
        Conversations(connection), who, verdict="escalate", now=None,
        case=case(name, pauses=False, errands=(HOOK,)),
    )  # fmt: skip
    return who, name, Deliveries(connection, "one"), Deliveries(connection, "two")


async def let_lease_run_out(connection, business: str, name: str) -> None:
    """What a killed worker leaves, half a minute later."""
    tag = keys.shard(business)
    await connection.do("HSET", keys.delivery(tag, name), "lease", 0)
    await connection.do("ZADD", keys.deliveries(tag), 0, name)


async def test_a_case_and_its_errands_are_written_in_one_step(opened):
    who, name, one, two = opened
    taken = await one.next([who["business"]])
    assert (taken.id, taken.channel, taken.what, taken.tries) == (
        f"{name}:hook:case",
        "hook",
        "case",
        1,
    )
    assert await two.next([who["business"]]) is None
    assert await two.take(who["business"], name, HOOK) == "busy"
    assert await one.arrived(taken)
    assert await two.take(who["business"], name, HOOK) == "done"
    assert await two.pending([who["business"]]) == 0


async def test_asking_again_brings_no_second_ticket(opened, connection):
    who, _, one, _ = opened
    more = case(fresh("esc_d"), pauses=False, errands=(HOOK,))
    await close(Conversations(connection), who, verdict="escalate", now=None, case=more)
    assert await one.pending([who["business"]]) == 1


async def test_of_many_workers_one_gets_it(opened, connection):
    who, _, *_ = opened
    boxes = [Deliveries(connection, f"w{i}") for i in range(20)]
    found = await asyncio.gather(*(box.next([who["business"]]) for box in boxes))
    # businesses that share a slot share its deliveries
    assert len([one for one in found if one and one.business == who["business"]]) == 1


async def test_a_dead_workers_delivery_is_taken_up_with_its_steps_and_its_key(opened, connection):
    who, _, one, two = opened
    first = await one.next([who["business"]])
    await one.mark(first, "note")
    await let_lease_run_out(connection, who["business"], first.id)
    second = await two.next([who["business"]])
    assert (second.id, second.tries, second.done) == (first.id, 2, frozenset({"note"}))
    assert not await one.arrived(first)  # the dead come too late
    assert await two.arrived(second)


async def test_what_failed_for_good_goes_to_the_next_channel_in_the_same_step(opened, connection):
    who, name, one, _ = opened
    first = await one.next([who["business"]])
    assert await one.failed(first, "answered 410", WOOT)
    second = await one.next([who["business"]])
    assert second.id == named(name, WOOT)
    assert (await Escalations(connection).of(who["business"], name)).channel == "woot"
    assert await one.failed(second, "answered 410")
    assert (await Escalations(connection).of(who["business"], name)).undelivered
    assert (await one.told(who["business"], name, HOOK))["cause"] == "answered 410"


async def test_later_is_later(opened):
    who, name, one, _ = opened
    first = await one.next([who["business"]])
    await one.later(first, 60.0, "answered 503")
    assert await one.next([who["business"]]) is None
    again = await one.take(who["business"], name, HOOK)
    assert isinstance(again, Delivery)
    assert again.tries == 2


async def test_a_case_that_has_arrived_makes_its_conversation_wait(opened, connection):
    who, name, *_ = opened
    store, kept = Conversations(connection), Escalations(connection)
    assert (await admit(store, who, now=None)).phase == "bot"
    found = await kept.of(who["business"], name)
    channel = Channel(id="hook", kind="human", via="webhook")
    await kept.waits(found, channel, resume=60.0, keep=60.0)
    assert (await admit(store, who, now=None)).phase == "waiting"
    assert (await kept.of(who["business"], name)).channel == "hook"
