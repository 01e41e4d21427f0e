"""What becomes of each event of a webhook before it is acknowledged: kept, counted, or acted on.

Nothing here waits for a model. Whatever the store did not take raises, and Meta sends it again.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

from guardproxy.core.identity import person_key
from guardproxy.core.ledger import Send
from guardproxy.core.phases import Move
from guardproxy.edges.whatsapp.bridge import Letters
from guardproxy.edges.whatsapp.wire import (
    Call,
    Echo,
    Event,
    Inbound,
    Moved,
    Other,
    Passed,
    Piece,
    Preference,
    Revoked,
    Status,
    Who,
    alarm_of,
)
from guardproxy.people.address import Address
from guardproxy.pipeline.guard import Guard
from guardproxy.pipeline.shelf import Shelf

STOPPED = 131050  # the customer stopped marketing messages
OWN = "wa_"  # the turns of the bridge
ACCOUNT = "account"  # the conversation of events that are nobody's


class People(Protocol):
    """What is kept of customers. Everything raises StoreError when the store is lost."""

    async def meet(
        self, business: str, ids: tuple[str, ...], *, wrote: float | None = None, number: str = "",
        limits: tuple[str, ...] = (),
    ) -> str:  # fmt: skip
        """The one name of whoever has these ids."""

    async def moved(
        self, business: str, before: str, after: str, limits: tuple[str, ...] = ()
    ) -> str:
        """One id replaced another."""

    async def passed(
        self, business: str, number: str, person: str, event: str, move: Move, resume_after: float
    ) -> bool:
        """A conversation went to a person, or came back."""

    async def marketing(self, business: str, person: str, *, stops: float | None) -> None:
        """Marketing stopped or resumed."""

    async def alarm(self, business: str, kind: str, now: float) -> str:
        """An escalation to the operator."""


class Sends(Protocol):
    """The account of sends. Everything raises StoreError when the store is lost."""

    async def status(
        self, business: str, wamid: str, state: str, *, tag: str, person: str, at: float
    ) -> str:
        """What Meta says of one: duplicate, kept, settled or undelivered."""

    async def intend(self, send: Send) -> None:
        """Its outcome is open."""

    async def lost(self, send: Send, why: str) -> None:
        """It did not arrive: somebody has to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbox:
    """Where events go. `seen(kind, outcome)` counts events, `sent(outcome)` sends, `alarmed(kind)`
    alarms; `tell(event, **fields)` logs, `clock` gives seconds since 1970; `seal` hides addresses.
    """

    shelf: Shelf
    letters: Letters
    people: People
    sends: Sends
    secret: bytes
    seal: Callable[[Address], str]
    seen: Callable[[str, str], None]
    sent: Callable[[str], None]
    tell: Callable[..., None]
    alarmed: Callable[[str], None]
    clock: Callable[[], float]

    async def keep(self, piece: Piece) -> None:
        """One event. StoreError when it could not be kept."""
        event = piece.event
        warned = alarm_of(event)
        guards = self._guards(event.number, account=bool(warned) or not event.number)
        kind = _kind(event)
        if not guards:
            self.seen(kind, "unknown_number" if event.number else "ignored")
            return
        for guard in guards:
            if warned:
                await self._warn(warned, guard)
            outcome = await self._take(piece, guard)
            self.seen(kind, outcome)

    def _guards(self, number: str, *, account: bool) -> tuple[Guard, ...]:
        """Whom an event concerns: the number's business, or all of the account's."""
        if number:
            guard = self.shelf.numbered(number)
            return (guard,) if guard else ()
        return tuple(g for g in self.shelf.guards if g.policy.whatsapp) if account else ()

    async def _warn(self, kind: str, guard: Guard) -> None:
        """Metric, log line, and a case for the operator."""
        business = guard.policy.name
        case = await self.people.alarm(business, kind, self.clock())
        self.alarmed(kind)
        self.tell("alarm", kind=kind, business=business, escalation=case)

    async def _take(self, piece: Piece, guard: Guard) -> str:
        """One event for one business; how it ended."""
        event = piece.event
        match event:
            case Inbound() | Revoked():
                return await self._letter(event, piece.body, guard)
            case _:
                outcome = await self._act(event, guard)
        if _is_relay(guard) and piece.body:
            await self._forward(piece, guard)
        return outcome

    async def _act(self, event: Event, guard: Guard) -> str:  # noqa: PLR0911  one per kind
        """What an event that is no message changes here."""
        business = guard.policy.name
        match event:
            case Status():
                return await self._status(event, business)
            case Echo():
                return await self._passed(event, Move.ECHO, guard)
            case Passed():
                return await self._passed(event, Move.GAIN if event.ours else Move.LOSE, guard)
            case Preference():
                person = await self._person(event.who, business)
                stops = self.clock() if event.stops else None
                await self.people.marketing(business, person, stops=stops)
                self.tell("marketing", business=business, person=person, stops=event.stops)
                return "kept"
            case Moved():
                before, after = (person_key(self.secret, i) for i in (event.before, event.after))
                await self.people.moved(business, before, after, _limits(guard))
                return "kept"
            case Call():
                await self._person(event.who, business, wrote=event.at)
                return "kept"
            case _:
                return "ignored"

    async def _passed(self, event: Echo | Passed, move: Move, guard: Guard) -> str:
        """A conversation that somebody else has now, or gave back."""
        business = guard.policy.name
        person = await self._person(event.who, business)
        resume = guard.policy.escalation.resume_after
        if not await self.people.passed(business, event.number, person, event.id, move, resume):
            return "duplicate"
        self.tell("passed", business=business, person=person, move=move.value)
        return "resumed" if move is Move.GAIN else "paused"

    async def _status(self, status: Status, business: str) -> str:
        """What became of a send, once for each state; it settles one whose outcome is unknown."""
        person = await self._person(status.who, business) if status.who.known else ""
        outcome = await self.sends.status(
            business, status.id, status.state, tag=status.tag, person=person, at=status.at
        )
        if outcome == "duplicate":
            return outcome
        if outcome != "kept":
            self.sent(outcome)
            self.tell("send_settled", decision=status.tag, outcome=outcome)
        if STOPPED in status.codes and person:
            await self.people.marketing(business, person, stops=self.clock())
        if status.state == "failed":
            self.tell("send_status", business=business, decision=status.tag, codes=status.codes)
            if outcome == "kept" and status.tag.startswith(OWN) and person:
                await self._undelivered(status, business, person)
        return status.state if status.state in STATES else "kept"

    async def _undelivered(self, status: Status, business: str, person: str) -> None:
        """A reply of ours that Meta took and could not deliver."""
        turn, _, part = status.tag.partition(".")
        who = Address(number=status.number, phone=status.who.phone, bsuid=status.who.bsuid)
        send = Send(
            business=business, turn=turn, number=status.number, person=person,
            part=int(part) if part.isdecimal() else 0, address=self.seal(who),
        )  # fmt: skip
        await self.sends.intend(send)
        await self.sends.lost(send, f"code {next(iter(status.codes), 0)}")

    async def _person(
        self, who: Who, business: str, *, wrote: float | None = None, number: str = ""
    ) -> str:
        """The one name of a customer, as a keyed hash."""
        ids = tuple(person_key(self.secret, one) for one in (who.phone, who.bsuid) if one)
        guard = self.shelf.named(business)
        return await self.people.meet(
            business, ids or (ACCOUNT,), wrote=wrote, number=number,
            limits=_limits(guard) if guard else (),
        )  # fmt: skip

    async def _letter(self, event: Inbound | Revoked, body: dict[str, Any], guard: Guard) -> str:
        """A customer's message into its mailbox."""
        business = guard.policy.name
        at = event.at if isinstance(event, Inbound) else None
        wrote = min(at, self.clock()) if at else None
        person = await self._person(event.who, business, wrote=wrote, number=event.number)
        letter = _letter(event, person, self.clock())
        if _is_relay(guard):
            letter["body"] = body
        whatsapp = guard.policy.whatsapp
        wait = whatsapp.merge if whatsapp and whatsapp.hop == "bridge" else 0.0
        new = await self.letters.accept(business, person, event.id, letter, wait)
        return "accepted" if new else "duplicate"

    async def _forward(self, piece: Piece, guard: Guard) -> None:
        """An event for the business's own agent, behind what came before it."""
        business = guard.policy.name
        who = getattr(piece.event, "who", Who())
        person = await self._person(who, business) if who.known else ACCOUNT
        changes = [entry.get("changes") for entry in piece.body["entry"]]
        name = sha256(json.dumps(changes, sort_keys=True).encode()).hexdigest()[:32]
        letter = {"what": "event", "id": name, "person": person, "number": piece.event.number,
                  "body": piece.body, "kept": self.clock()}  # fmt: skip
        await self.letters.accept(business, person, f"event.{name}", letter)


def _limits(guard: Guard) -> tuple[str, ...]:
    """The ids of a business's limits."""
    return tuple(limit.id for limit in guard.policy.limits)


STATES = frozenset({"sent", "delivered", "read", "played", "failed"})
KINDS = {Revoked: "revoke", Echo: "echo", Status: "status", Preference: "preferences",
         Moved: "identity", Call: "call"}  # fmt: skip


def _kind(event: Event) -> str:
    """The label an event is counted under."""
    return event.kind if isinstance(event, Inbound | Other | Passed) else KINDS[type(event)]


def _is_relay(guard: Guard) -> bool:
    """Whether the business has an agent of its own."""
    whatsapp = guard.policy.whatsapp
    return whatsapp is not None and whatsapp.hop == "relay"


def _letter(event: Inbound | Revoked, person: str, now: float) -> dict[str, Any]:
    """A message as the mailbox keeps it: what is needed to judge it and to answer."""
    kept = {"id": event.id, "number": event.number, "person": person, "phone": event.who.phone,
            "bsuid": event.who.bsuid, "kept": now}  # fmt: skip
    if isinstance(event, Revoked):
        return kept | {"what": "revoke", "original": event.original}
    said = {"kind": event.kind, "text": event.text, "at": event.at, "edits": event.edits}
    return kept | {"what": "message", **said}
