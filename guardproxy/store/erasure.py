"""Erases one person from the store: every key that is theirs, whatever it keeps."""

import base64
import binascii
import json
from dataclasses import dataclass, field

from guardproxy.store import keys
from guardproxy.store.decisions import scanned, texts
from guardproxy.store.redis import Connection


@dataclass(slots=True)
class _Theirs:
    """What is known of a person: who they are, in which conversations, in which turns."""

    person: str
    digits: str
    conversations: set[str] = field(default_factory=set)
    turns: set[str] = field(default_factory=set)
    cases: set[str] = field(default_factory=set)


async def forget(connection: Connection, person: str, *, number: str = "") -> int:
    """Erase a person (a keyed hash); how many keys were erased. Erasing twice does no harm.

    `number`: the phone number in clear: ids of WhatsApp messages hold it. The opt-out goes too:
    nothing is left to say who had opted out. StoreError when the store is lost.
    """
    theirs = _Theirs(person, "".join(char for char in number if char.isdigit()), {person})
    names: set[str] = set()
    async for found in scanned(connection, "*:alias:*"):
        names |= await _aliases(connection, found, theirs)
    async for found in scanned(connection, "*:dec:*"):
        names |= await _decisions(connection, found, theirs)
    async for found in scanned(connection, "*:case:*"):
        names |= await _cases(connection, found, theirs)
    async for found in scanned(connection, "*"):
        names |= {name for name in found if _is_theirs(name, theirs)}
    for tag in keys.tags():
        await _lists(connection, tag, theirs)
    # one by one: they may lie in several slots of a cluster
    return sum([int(await connection.do("DEL", name)) for name in sorted(names)])


async def _aliases(connection: Connection, found: list[str], theirs: _Theirs) -> set[str]:
    """The person's ids among some, and the one name they lead to."""
    mine: set[str] = set()
    for name, kept in zip(found, await texts(connection, found), strict=True):
        one = kept or ""
        if theirs.person in (name.rpartition(":")[2], one):
            mine.add(name)
            theirs.conversations |= {one} - {""}
    return mine


async def _decisions(connection: Connection, found: list[str], theirs: _Theirs) -> set[str]:
    """The records of the person among some, and what they tell of them."""
    mine: set[str] = set()
    for name, kept in zip(found, await texts(connection, found), strict=True):
        record = json.loads(kept) if kept else {}
        if {record.get("person"), record.get("conversation")} & theirs.conversations:
            mine.add(name)
            theirs.turns.add(str(record.get("id", "")))
            theirs.turns.add(name.rpartition(":dec:")[2])
            if record.get("conversation"):
                theirs.conversations.add(record["conversation"])
    return mine


async def _cases(connection: Connection, found: list[str], theirs: _Theirs) -> set[str]:
    """The person's escalations among some."""
    mine: set[str] = set()
    for name in found:
        person, conversation = await connection.do("HMGET", name, "person", "conversation")
        if {person, conversation} & theirs.conversations:
            mine.add(name)
            theirs.cases.add(name.rpartition(":case:")[2])
    return mine


def _is_theirs(name: str, theirs: _Theirs) -> bool:
    """Whether a key's name is of the person, one of their conversations or one of their turns."""
    kind, _, rest = name.partition(":")[2].partition(":")
    last = rest.removesuffix(":n").rpartition(":")[2]
    if kind in ("conv", "hist", "talk", "out", "win", "live", "nomkt", "pair"):
        return last in theirs.conversations
    if kind == "lim":
        return last.startswith(("p.", "c.")) and last[2:] in theirs.conversations
    if kind in ("box", "lease"):
        return rest.rpartition("|")[2] in theirs.conversations
    if kind == "dlv":
        return rest.partition(":")[0] in theirs.cases
    if kind in ("reply", "send", "mark"):
        return last.partition(".")[0] in theirs.turns
    return kind == "seen" and bool(theirs.digits) and theirs.digits in _number_in(last)


def _number_in(message: str) -> str:
    """What a WhatsApp message id holds in clear: `wamid.` and base64 with the number in it."""
    try:
        coded = message.removeprefix("wamid.")
        return base64.b64decode(coded + "=" * (-len(coded) % 4)).decode("latin-1")
    except (binascii.Error, ValueError):
        return message


async def _lists(connection: Connection, tag: str, theirs: _Theirs) -> None:
    """Take the person out of a shard's lists: open cases, open sends, conversations with work."""
    if theirs.cases:
        await connection.do("ZREM", keys.cases(tag), *sorted(theirs.cases))
    for name in await connection.do("ZRANGE", keys.deliveries(tag), 0, -1):
        if name.partition(":")[0] in theirs.cases:
            await connection.do("ZREM", keys.deliveries(tag), name)
    for member in await connection.do("ZRANGE", keys.sends(tag), 0, -1):
        if member.partition(".")[0] in theirs.turns:
            await connection.do("ZREM", keys.sends(tag), member)
    for member in await connection.do("ZRANGE", keys.due(tag), 0, -1):
        if member.rpartition("|")[2] in theirs.conversations:
            await connection.do("ZREM", keys.due(tag), member)
