"""Decision records, by the id that headers and logs give."""

import json
from typing import Any

from guardproxy.store import keys
from guardproxy.store.redis import Connection


async def decision(connection: Connection, turn: str) -> dict[str, Any] | None:
    """The record of a turn, None when none is kept (any more)."""
    for tag in keys.tags():
        kept = await connection.do("GET", keys.decision(tag, turn))
        if kept:
            record: dict[str, Any] = json.loads(kept)
            return record
    return None
