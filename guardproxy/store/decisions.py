"""Decision records, by the id that headers and logs give."""

import json
from collections.abc import AsyncIterator
from typing import Any

from guardproxy.store import keys
from guardproxy.store.redis import Connection

AT_ONCE = 500  # keys looked at in one step: about a millisecond of the store's time


async def decision(connection: Connection, turn: str) -> dict[str, Any] | None:
    """The record of a turn, None when none is kept (any more)."""
    for tag in keys.tags():
        kept = await connection.do("GET", keys.decision(tag, turn))
        if kept:
            record: dict[str, Any] = json.loads(kept)
            return record
    return None


async def decisions(
    connection: Connection, start: float = 0.0, end: float = float("inf")
) -> list[dict[str, Any]]:
    """The records of turns from `start` (seconds since 1970) up to before `end`, by time."""
    found = []
    async for names in scanned(connection, "*:dec:*"):
        for kept in await texts(connection, names):
            record: dict[str, Any] = json.loads(kept) if kept else {}
            if record and start <= float(record.get("at", 0.0)) < end:
                found.append(record)
    return sorted(found, key=lambda record: float(record.get("at", 0.0)))


async def scanned(connection: Connection, pattern: str) -> AsyncIterator[list[str]]:
    """The keys that match, some at a time; a key may come twice while the store grows."""
    for node in await connection.nodes():
        cursor = "0"
        while True:
            given, names = await connection.do(
                "SCAN", cursor, "MATCH", pattern, "COUNT", AT_ONCE, at=node
            )
            # a cluster's client says of which node it is
            cursor = str(next(iter(given.values())) if isinstance(given, dict) else given)
            yield names
            if cursor == "0":
                break


async def texts(connection: Connection, names: list[str]) -> list[str | None]:
    """The texts under some keys, in their order; one call for each slot they lie in."""
    slots: dict[str, list[str]] = {}
    for name in names:
        slots.setdefault(name.partition(":")[0], []).append(name)
    found: dict[str, str | None] = {}
    for own in slots.values():
        found |= zip(own, await connection.do("MGET", *own), strict=True)
    return [found[name] for name in names]
