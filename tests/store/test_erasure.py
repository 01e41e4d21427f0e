"""One person erased: nothing of theirs is left, nothing of anybody else's is gone."""

import base64
import json

import pytest
from cryptography.fernet import Fernet

from guardproxy import app
from guardproxy.core.ledger import Errand, Limit, Said, Send
from guardproxy.core.message import Line, Role
from guardproxy.store.conversations import Conversations
from guardproxy.store.decisions import decisions, scanned
from guardproxy.store.erasure import forget
from guardproxy.store.mailbox import Mailbox
from guardproxy.store.people import People
from guardproxy.store.sends import Sends
from tests.store.test_conversations import admit, case, close, fresh

NUMBER = "15550001234"
LIMITS = (
    Limit(id="a", per="user", max=9, seconds=600.0),
    Limit(id="b", per="conversation", max=9, seconds=600.0),
    Limit(id="t", per="user", max=9000, seconds=600.0, of="tokens"),
)


@pytest.fixture
async def connection(store):
    """A store with nothing in it: every key is looked at."""
    made = app.connect(store)
    for node in await made.nodes():
        await made.do("FLUSHALL", "ASYNC", at=node)
    yield made
    await made.close()


@pytest.fixture
def ledger(connection) -> Conversations:
    return Conversations(connection)


async def everything(connection) -> set[str]:
    """Every key of the store but the counts of a number's traffic, which are nobody's."""
    found = {name async for names in scanned(connection, "*") for name in names}
    return {name for name in found if not name.partition(":")[2].startswith(("rate:", "month:"))}


READ = {"string": ("GET",), "hash": ("HGETALL",), "list": ("LRANGE", 0, -1), "set": ("SMEMBERS",),
        "zset": ("ZRANGE", 0, -1), "stream": ("XRANGE", "-", "+")}  # fmt: skip


async def contents(connection) -> str:
    """All that the store holds, names and values."""
    told = []
    for name in await everything(connection):
        command, *rest = READ[await connection.do("TYPE", name)]
        told.append(f"{name} {await connection.do(command, name, *rest)}")
    return "\n".join(told)


async def live(connection, ledger, business: str, person: str, talk: str) -> None:
    """A customer who leaves something in every kind of key."""
    who = {"business": business, "caller": "k", "person": person, "conversation": talk}
    turn = fresh("t")
    await admit(ledger, who, *LIMITS, turn=turn, tokens=5, now=None)
    record = {"id": turn, "at": 5.0, "person": person, "conversation": talk, "business": business}
    await close(
        ledger, who, turn=turn, record=record, verdict="escalate", now=None, opted_out=True,
        case=case(fresh("esc"), errands=(Errand(what="case", channel="hook", patience=60.0),)),
        lines=(Line(Role.USER, "hello"),), to_send=True, reply="hi", talk=talk,
        said=(Said(who="customer", text="hello", at=1.0),),
    )  # fmt: skip
    box = Mailbox(connection, Fernet(Fernet.generate_key()), "w")
    digits = NUMBER if person == "them" else "15559998888"
    wamid = "wamid." + base64.b64encode(b"\x19\x0b" + digits.encode() + b"\x15").decode()
    await box.accept(business, talk, wamid, {"text": "hello"})
    people = People(connection)
    if person == talk:  # on WhatsApp: under the name of their phone number, known by another id too
        await people.meet(business, (person, f"{person}-bsuid"), wrote=5.0)
        await people.marketing(business, person, stops=6.0)
        await people.goes_live(business, person, turn)
        await people.leave(business, f"n-{person}", person, agent=False)
        await Sends(connection).intend(
            Send(business=business, turn=turn, number="n", person=person, part=1)
        )


async def test_nothing_of_the_person_is_left_and_all_of_the_others(connection, ledger):
    business = fresh("b")
    await live(connection, ledger, business, "others", "others")
    before = await everything(connection)
    await live(connection, ledger, business, "them", "talk9")
    await live(connection, ledger, fresh("b"), "them", "them")
    assert len(await everything(connection)) > len(before) + 10
    assert await forget(connection, "them", number=f"+{NUMBER}") > 10
    assert await everything(connection) == before
    held = await contents(connection)
    assert "'others'" in held or '"others"' in held
    for theirs in ("talk9", NUMBER, '"them"', ":them", "|them"):
        assert theirs not in held
    for tag in range(64):
        members = await connection.do("ZRANGE", f"{{s{tag}}}:due", 0, -1)
        assert not [one for one in members if one.endswith(("|them", "|talk9"))]
    assert [record["person"] for record in await decisions(connection)] == ["others"]
    assert await forget(connection, "them") == 0


async def test_records_are_listed_by_time_within_a_period(connection, ledger):
    for at in (30.0, 10.0, 20.0):
        turn = fresh("t")
        who = {"business": "b", "caller": "k", "person": "p", "conversation": "c"}
        await close(ledger, who, turn=turn, record={"id": turn, "at": at})
    assert [row["at"] for row in await decisions(connection)] == [10.0, 20.0, 30.0]
    assert [row["at"] for row in await decisions(connection, 10.0, 30.0)] == [10.0, 20.0]
    assert json.dumps(await decisions(connection, 99.0)) == "[]"
