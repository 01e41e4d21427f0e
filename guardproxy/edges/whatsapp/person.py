"""A colleague's words to a customer: sent as they are, within Meta's limits, counted apart."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from guardproxy.core.identity import person_key
from guardproxy.edges.whatsapp.graph import Graph
from guardproxy.people.address import Address
from guardproxy.people.desk import CannotReply


class Leaves(Protocol):
    """Says whether a message may go out now. Everything raises StoreError."""

    async def meet(
        self, business: str, ids: tuple[str, ...], *, wrote: float | None = None, number: str = ""
    ) -> str:
        """The one name of whoever has these ids."""

    async def leave(
        self, business: str, number: str, person: str, *, kind: str = "service",
        agent: bool = True, now: float | None = None,
    ) -> Any:  # fmt: skip
        """Its `why` and `wait`."""

    async def once(self, business: str, event: str) -> bool:
        """Whether an event is new; it is known from here on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """`token_of(business)`: Meta's token where the policy has its own; `count(outcome)` counts."""

    people: Leaves
    graph: Graph
    secret: bytes
    token_of: Callable[[str], str | None]
    count: Callable[[str], None]

    async def say(self, business: str, address: Address, text: str, *, tag: str) -> str:
        """WhatsApp's id for it. CannotReply while Meta's limits are used up, else SendError."""
        ids = tuple(person_key(self.secret, one) for one in (address.phone, address.bsuid) if one)
        name = await self.people.meet(business, ids)
        may = await self.people.leave(business, address.number, name, agent=False)
        if may.why != "ok":
            wait = max(1, round(may.wait))
            raise CannotReply(f"too many messages to this customer: try again in {wait} s")
        wamid = await self.graph.send_text(
            address.number, address.to, text, token=self.token_of(business), tag=tag
        )
        self.count("person")
        await self.people.once(business, wamid)  # an echo of it is nobody else speaking
        return wamid
