"""The latest decisions of all processes, for whoever watches: their ids in one short stream.

The records stay where they are: what expired or was erased is gone here, too.
"""

import asyncio
import json
from collections import deque
from dataclasses import dataclass
from typing import Any

from guardproxy.core.errors import StoreError
from guardproxy.store import keys
from guardproxy.store.redis import Connection

MOST = 2000  # ids kept: some hours of a busy shop, 200 kB of the store
HELD = 5000  # ids a process holds while the store is away; the oldest go first
EVERY = 0.2  # seconds between two writes: a page feels live, and a turn waits for none of it
AT_ONCE = 500  # ids of one write or read
START = "0-0"  # before the first entry


@dataclass(frozen=True, slots=True)
class Entry:
    """One decision's place in the stream, and its record."""

    place: str
    record: dict[str, Any]


class Feed:
    """Written by every process, read by the one that shows it."""

    def __init__(self, connection: Connection) -> None:
        """`connection` is shared with the rest of the store."""
        self._connection = connection
        self._new: deque[tuple[str, str]] = deque(maxlen=HELD)

    def note(self, record: dict[str, Any]) -> None:
        """A finished turn; never waits."""
        self._new.append((keys.shard(str(record["business"])), str(record["id"])))

    async def run(self) -> None:
        """Write what was noted, for as long as the process lives."""
        while True:
            await asyncio.sleep(EVERY)
            await self.write()

    async def write(self) -> None:
        """Write what was noted; what the store does not take now is tried again."""
        while self._new:
            some = [self._new.popleft() for _ in range(min(AT_ONCE, len(self._new)))]
            try:
                flat = [part for pair in some for part in pair]
                await self._connection.run("note", [keys.feed()], [MOST, *flat])
            except StoreError:
                self._new.extendleft(reversed(some))
                return

    async def last(self, count: int, before: str = "") -> list[Entry]:
        """The newest decisions, or the newest before a place; newest first."""
        end = f"({before}" if before else "+"
        rows = await self._connection.do("XREVRANGE", keys.feed(), end, "-", "COUNT", count)
        return await self._entries(rows)

    async def after(self, place: str) -> tuple[str, list[Entry]]:
        """(the place reached, decisions after a place, oldest first)."""
        rows = await self._connection.do("XRANGE", keys.feed(), f"({place}", "+", "COUNT", AT_ONCE)
        return (_place(rows[-1]) if rows else place), await self._entries(rows)

    async def end(self) -> str:
        """The place of the newest entry."""
        rows = await self._connection.do("XREVRANGE", keys.feed(), "+", "-", "COUNT", 1)
        return _place(rows[0]) if rows else START

    async def _entries(self, rows: Any) -> list[Entry]:
        """The rows whose records are kept (still); one read per shard."""
        wanted = [(_place(row), *_named(row)) for row in rows]
        by_tag: dict[str, list[str]] = {}
        for _, tag, name in wanted:
            by_tag.setdefault(tag, []).append(name)
        records: dict[str, dict[str, Any]] = {}
        for tag, names in by_tag.items():
            kept = await self._connection.do("MGET", *(keys.decision(tag, n) for n in names))
            records |= {n: json.loads(raw) for n, raw in zip(names, kept, strict=True) if raw}
        return [Entry(place, records[name]) for place, _, name in wanted if name in records]


def _place(row: Any) -> str:
    """A row's id."""
    return str(row[0])


def _named(row: Any) -> tuple[str, str]:
    """A row's shard and decision."""
    fields = row[1]
    flat = fields if isinstance(fields, dict) else dict(zip(fields[::2], fields[1::2], strict=True))
    return str(flat["tag"]), str(flat["id"])
