"""The bridge's inbox: every message once, in order, one turn at a time per conversation.

A message stays in its mailbox until its reply has gone out. What is to be sent is written by the
script that closes the turn, how far sending has come by the account of sends: a restarted process
goes on where the dead one stopped.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from cryptography.fernet import Fernet, InvalidToken

from guardproxy.core.errors import StoreError
from guardproxy.store import keys
from guardproxy.store.redis import Connection

KNOWN = 8 * 86_400  # seconds: Meta redelivers for up to seven days
TOGETHER = 20  # messages of one turn: nobody writes more in one burst
LEASE = 5.0  # seconds; renewed every second while a turn is worked on


@dataclass(frozen=True, slots=True)
class Taken:
    """A conversation's oldest message, taken by this worker for a lease's time."""

    tag: str
    member: str
    letter: dict[str, Any]

    @property
    def business(self) -> str:
        """Whose conversation it is."""
        return self.member.partition("|")[0]


@dataclass(frozen=True, slots=True)
class Pending:
    """What is to be said for a closed turn: `text` None is nothing. `sent`: parts that went out,
    `unknown`: the next part was tried, and nobody knows how it ended; `settled`: Meta told.
    """

    text: str | None
    sent: int
    unknown: bool
    settled: bool = False


class Mailbox:
    """Accepts messages and hands them out."""

    def __init__(self, connection: Connection, seal: Fernet, worker: str) -> None:
        """`seal` encrypts messages at rest: they hold the customer's number."""
        self._connection = connection
        self._seal = seal
        self._worker = worker

    async def accept(
        self, business: str, conversation: str, message: str, letter: dict[str, Any],
        wait: float = 0.0,
    ) -> bool:  # fmt: skip
        """Keep one message durably, due after `wait` seconds; False when it was accepted before."""
        member = f"{business}|{conversation}"
        tag = keys.shard(business)
        sealed = self._seal.encrypt(json.dumps(letter).encode()).decode()
        places = [
            keys.seen(business, message),
            keys.mailbox(business, conversation),
            keys.due(tag),
        ]
        args: list[str | float] = [member, sealed, KNOWN, wait]
        return bool(await self._connection.run("accept", places, args))

    async def claim(self, businesses: Iterable[str]) -> Taken | None:
        """The next message of any of these businesses, None when nothing is due."""
        for tag in sorted({keys.shard(business) for business in businesses}):
            found = await self._connection.run("claim", [keys.due(tag)], [tag, self._worker, LEASE])
            if found:
                return Taken(tag, found[0], self._opened(found[1]))
        return None

    def _opened(self, sealed: str) -> dict[str, Any]:
        """A message as it was accepted."""
        try:
            letter: dict[str, Any] = json.loads(self._seal.decrypt(sealed.encode()))
        except InvalidToken as error:
            message = "a message cannot be read: SECRET_KEY is not the one it was kept with"
            raise StoreError(message) from error
        return letter

    async def burst(self, taken: Taken) -> tuple[dict[str, Any], ...]:
        """What waits in a taken conversation, oldest first, at most what one turn holds."""
        place = keys.mailbox(taken.business, taken.member.partition("|")[2])
        found = await self._connection.do("LRANGE", place, 0, TOGETHER - 1)
        return tuple(self._opened(sealed) for sealed in found)

    async def merge(self, taken: Taken, letter: dict[str, Any], count: int) -> Taken | None:
        """One message in the place of the oldest `count`; None when the lease is gone."""
        sealed = self._seal.encrypt(json.dumps(letter).encode()).decode()
        places = [
            keys.mailbox(taken.business, taken.member.partition("|")[2]),
            keys.lease(taken.tag, taken.member),
        ]
        held = await self._connection.run("merge", places, [self._worker, count, sealed])
        return replace(taken, letter=letter) if held else None

    async def decided(self, business: str, turn: str) -> tuple[str, str]:
        """The verdict and the rule a turn was closed with, "" for none."""
        raw = await self._connection.do("GET", keys.decision(keys.shard(business), turn))
        kept = json.loads(raw) if raw else {}
        return str(kept.get("verdict") or ""), str(kept.get("rule") or "")

    async def renew(self, taken: Taken) -> bool:
        """Keep a message for another lease; False when somebody else has it by now."""
        return await self._settle(taken, "renew", LEASE)

    async def finish(self, taken: Taken) -> bool:
        """The message is done with; the conversation's next one may be taken."""
        return await self._settle(taken, "finish", 0)

    async def later(self, taken: Taken, seconds: float) -> bool:
        """Put the message back, to be taken again after `seconds`."""
        return await self._settle(taken, "later", seconds)

    async def _settle(
        self, taken: Taken, what: Literal["renew", "finish", "later"], seconds: float
    ) -> bool:
        """One step with a taken message."""
        conversation = taken.member.partition("|")[2]
        places = [
            keys.due(taken.tag),
            keys.mailbox(taken.business, conversation),
            keys.lease(taken.tag, taken.member),
        ]
        args: list[str | float] = [taken.member, self._worker, what, seconds]
        return bool(await self._connection.run("settle", places, args))

    async def pending(self, business: str, turn: str) -> Pending | None:
        """What a turn's closing left to be sent; None when the turn is not closed."""
        flat = await self._connection.do("HGETALL", keys.reply(business, turn))
        kept = flat if isinstance(flat, dict) else dict(zip(flat[::2], flat[1::2], strict=True))
        if not kept:
            return None
        sent = int(kept.get("sent", 0))
        tried = int(kept.get("trying", -1)) == sent
        settled = tried and f"status{sent}" in kept  # Meta told what became of it
        return Pending(kept.get("text"), sent, unknown=tried and not settled, settled=settled)

    async def waiting(self, businesses: Iterable[str]) -> int:
        """Conversations with unanswered messages."""
        tags = {keys.shard(business) for business in businesses}
        return sum([int(await self._connection.do("ZCARD", keys.due(tag))) for tag in tags])
