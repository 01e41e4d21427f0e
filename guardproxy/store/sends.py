"""The account of messages on their way out: none is forgotten, and none is sent twice.

Before a send its intent is written down, after it what came of it. Where nothing came of it (a
broken connection, a killed process) a status webhook settles it later, or it is overdue and goes
to a person; it is never sent again blindly.
"""

from collections.abc import Iterable
from typing import Any

from guardproxy.core.ledger import Overdue, Send
from guardproxy.store import keys
from guardproxy.store.redis import Connection

KNOWN = 8 * 86_400  # seconds: Meta redelivers for up to seven days
SETTLES = 300.0  # seconds: statuses come within some; Meta brings them again while we are away
AGAIN = 30.0  # seconds until an overdue send is looked at again, should handing it over fail
AT_ONCE = 50  # overdue sends of a shard in one look
SKEW = 5.0  # seconds the clocks of the store and of Meta may differ; Meta's stamps are whole ones


class Sends:
    """What is open, what was heard of it, what is overdue."""

    def __init__(self, connection: Connection) -> None:
        """`connection` is shared with the rest of the store."""
        self._connection = connection

    async def intend(self, send: Send) -> None:
        """About to send it: from here on its outcome is open."""
        fields = [
            "business", send.business, "turn", send.turn, "part", str(send.part),
            "number", send.number, "person", send.person, "theirs", send.theirs,
            "address", send.address,
        ]  # fmt: skip
        await self._step(send, "intend", SETTLES, *fields)

    async def sent(self, send: Send, wamid: str) -> None:
        """It went out, with WhatsApp's id for it."""
        await self._step(send, "sent", wamid)

    async def refused(self, send: Send) -> None:
        """It was refused for certain: it may be tried again."""
        await self._step(send, "refused")

    async def unknown(self, send: Send) -> bool:
        """Nobody knows how it ended; False when a status has settled it already."""
        return await self._step(send, "unknown")

    async def lost(self, send: Send, why: str) -> None:
        """It certainly did not arrive, and is not tried again: it is overdue at once."""
        await self._step(send, "lost", why)

    async def done(self, send: Send) -> bool:
        """Somebody else knows of it now; False when that was so already."""
        return await self._step(send, "done")

    async def _step(self, send: Send, step: str, what: str | float = "", *fields: str) -> bool:
        """One step of a send's account."""
        places = [
            keys.reply(send.business, send.turn),
            keys.sends(keys.shard(send.business)),
            keys.send(send.business, send.id),
            keys.seen(send.business, f"{what}/theirs"),
        ]
        args: list[str | float] = [step, send.id, send.part, what, KNOWN, *fields]
        return bool(await self._connection.run("account", places, args))

    async def status(
        self, business: str, wamid: str, state: str, *, tag: str, person: str, at: float
    ) -> str:
        """What Meta says of a send: duplicate, kept, settled or undelivered.

        `tag`: what came back of `biz_opaque_callback_data`; `at`: seconds since 1970, by Meta.
        """
        shard = keys.shard(business)
        places = [
            keys.seen(business, f"{wamid}/{state}"),
            keys.sends(shard),
            keys.seen(business, f"{wamid}/theirs"),
        ]
        args: list[str | float] = [shard, KNOWN, state, tag, wamid, business, person, at, SKEW]
        return str(await self._connection.run("status", places, args))

    async def overdue(self, businesses: Iterable[str]) -> tuple[Overdue, ...]:
        """Sends of these businesses whose outcome should be known by now."""
        wanted = set(businesses)
        found: list[list[Any]] = []
        for tag in sorted({keys.shard(business) for business in wanted}):
            args: list[str | float] = [tag, AGAIN, AT_ONCE]
            found += await self._connection.run("overdue", [keys.sends(tag)], args)
        return tuple(_overdue(one) for one in found if one[0] in wanted)


def _overdue(fields: list[Any]) -> Overdue:
    """What the script said of one, typed."""
    business, turn, part, number, person, address, at, why = map(str, fields)
    send = Send(
        business=business, turn=turn, part=int(part), number=number, person=person, address=address
    )  # fmt: skip
    return Overdue(send=send, at=float(at), why=why)
