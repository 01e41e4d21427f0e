"""Hands sends to a person of which nothing was heard in time, or that certainly did not arrive."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from guardproxy.core.errors import StoreError
from guardproxy.core.ledger import Overdue, Send
from guardproxy.core.message import Turn
from guardproxy.pipeline.hand_over import hand_over
from guardproxy.pipeline.shelf import Shelf

LOOK = 2.0  # seconds between looks: one cheap call for each shard in use


class Sends(Protocol):
    """The account of sends. Both raise StoreError when the store is lost."""

    async def overdue(self, businesses: Iterable[str]) -> tuple[Overdue, ...]:
        """Sends whose outcome should be known by now."""

    async def done(self, send: Send) -> bool:
        """Somebody knows of it; False when that was so already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """`count(outcome)` counts sends, `tell(event, **fields)` logs; `clock`: seconds since 1970."""

    shelf: Shelf
    sends: Sends
    count: Callable[[str], None]
    tell: Callable[..., None]
    clock: Callable[[], float]

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await self.look()
            except StoreError as error:
                self.tell("watch_interrupted", cause=str(error))
            await asyncio.sleep(LOOK)

    async def look(self) -> None:
        """Hand over all that is overdue now."""
        for one in await self.sends.overdue(self.shelf.names):
            await self._hand_over(one)

    async def _hand_over(self, one: Overdue) -> None:
        """One send to a person; a second time changes nothing."""
        send, guard = one.send, self.shelf.named(one.send.business)
        if guard is None:
            return  # its policy is away for now
        turn = Turn(
            id=f"{send.id}.send", business=send.business, surface="whatsapp", messages=(),
            now=self.clock(), person=send.person, conversation=send.person, caller="whatsapp",
            address=send.address,
        )  # fmt: skip
        rule = "send.undelivered" if one.why else "send.unknown"
        reason = f"{REASONS[rule]} {f'({one.why}) ' if one.why else ''}[{send.id}]"
        case = await hand_over(turn, guard, rule, reason)
        if await self.sends.done(send):
            self.count("handed_over")
            self.tell("send_handed_over", decision=send.turn, rule=rule, escalation=case)


REASONS = {
    "send.unknown": "It is not known whether a message to this customer arrived.",
    "send.undelivered": "A message to this customer did not arrive.",
}
