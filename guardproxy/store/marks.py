"""What people think of decisions: right, or wrong and what should have been said instead.

A mark holds no words: they stay with the decision, and both are gone together.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

from guardproxy.store import keys
from guardproxy.store.decisions import decision, scanned
from guardproxy.store.redis import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """`expect`: the verdict there should have been; the decision's own when it was right."""

    decision: str
    right: bool
    expect: str
    by: str
    at: float


class Marks:
    """Kept beside the decisions they are about, for as long as those."""

    def __init__(self, connection: Connection) -> None:
        """`connection` is shared with the rest of the store."""
        self._connection = connection

    async def put(self, business: str, mark: Mark) -> None:
        """Mark a decision, or mark it anew. StoreError when the store is lost."""
        tag = keys.shard(business)
        left = await self._connection.do("PTTL", keys.decision(tag, mark.decision))
        name, text = keys.mark(tag, mark.decision), json.dumps(asdict(mark))
        await self._connection.do("SET", name, text, *(("PX", left) if left > 0 else ()))

    async def remove(self, business: str, name: str) -> None:
        """Take a mark back."""
        await self._connection.do("DEL", keys.mark(keys.shard(business), name))

    async def of(self, business: str, names: list[str]) -> dict[str, Mark]:
        """The marks of some decisions of one business."""
        if not names:
            return {}
        tag = keys.shard(business)
        kept = await self._connection.do("MGET", *(keys.mark(tag, name) for name in names))
        return {name: _mark(raw) for name, raw in zip(names, kept, strict=True) if raw}

    async def all(self) -> list[tuple[Mark, dict[str, Any]]]:
        """Every mark with the record of its decision, the oldest first."""
        found = []
        async for names in scanned(self._connection, "*:mark:*"):
            for name in names:
                raw = await self._connection.do("GET", name)
                record = await decision(self._connection, name.rpartition(":mark:")[2])
                if raw and record:
                    found.append((_mark(raw), record))
        found = list({mark.decision: (mark, record) for mark, record in found}.values())
        return sorted(found, key=lambda pair: pair[0].at)


def _mark(raw: str) -> Mark:
    """A mark as it was written."""
    return Mark(**json.loads(raw))
