"""What colleagues do with escalations: list, read, take, answer, resolve, hand back.

The console, the admin API and the command line all call these, so that they agree. Everything
raises StoreError when the store is lost, and the errors named here where a colleague must know.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.fernet import Fernet

from guardproxy.core.errors import GuardproxyError, SendError
from guardproxy.core.ledger import Said
from guardproxy.core.phases import Move
from guardproxy.detectors import patterns
from guardproxy.people.address import Address, unseal
from guardproxy.pipeline.ending import as_kept
from guardproxy.policy.compiled import Policy
from guardproxy.store.escalations import (
    AlreadyResolved,
    AlreadyTaken,
    Escalation,
    Escalations,
    NoSuchCase,
)

WINDOW = 86_400.0  # seconds after the customer's last message in which free text may be sent
MOST = 4096  # characters of a reply: one WhatsApp message


class CannotReply(GuardproxyError):
    """A reply that may not or cannot be sent; the message says why and what to do instead."""


class WindowClosed(CannotReply):
    """Over 24 hours since the customer wrote: WhatsApp takes approved templates only.

    `closed`: since when (1970), None where the last message is not known any more.
    """

    def __init__(self, closed: float | None) -> None:
        """Say what to do."""
        message = "over 24 hours since the customer wrote: call them, or send an approved template"
        super().__init__(message)
        self.closed = closed


class NoAddress(CannotReply):
    """The conversation came by an API of the business's own, with no number to answer to."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("this conversation has no WhatsApp number here: answer where it came from")


class Mouth(Protocol):
    """Says something to a customer on WhatsApp, as a person."""

    async def say(self, business: str, address: Address, text: str, *, tag: str) -> str:
        """WhatsApp's id for it. CannotReply, or SendError when Graph refused or nobody knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A case with all that whoever answers it needs. Times in seconds since 1970.

    `who`: the customer, masked unless the policy keeps numbers. `window_expires`: until when a
    reply may be sent, None where there is no number to send to. `address`: opened, for whoever
    delivers the case; it is shown to nobody.
    """

    case: Escalation
    who: str
    transcript: tuple[Said, ...]
    window_expires: float | None
    can_reply: bool
    address: Address | None = field(default=None, repr=False)

    @property
    def summary(self) -> str:
        """What an assistant made of it for colleagues, "" for nothing; no customer sees it."""
        return self.case.summary

    @property
    def suggestion(self) -> str:
        """A reply an assistant suggests, "" for none; nothing sends it by itself."""
        return self.case.suggestion

    @property
    def deadline(self) -> float | None:
        """When a colleague should have answered."""
        return self.case.deadline


@dataclass(slots=True, kw_only=True)
class Desk:
    """`policy_of(business)`: the policy served now, None when there is none. `seal` opens
    addresses; `clock` gives seconds since 1970; `tell(event, **fields)` logs.
    """

    kept: Escalations
    policy_of: Callable[[str], Policy | None]
    seal: Fernet
    mouth: Mouth
    clock: Callable[[], float]
    tell: Callable[..., None]

    async def cases(self, businesses: Iterable[str] = ()) -> tuple[Escalation, ...]:
        """The open and the taken cases, the oldest first; of some businesses, or of all."""
        return await self.kept.open(businesses)

    async def case(self, name: str) -> File:
        """One case by its id, or the start of it. NoSuchCase."""
        return await self.file(await self.kept.show(name))

    async def file(self, found: Escalation) -> File:
        """All there is about a case."""
        address = unseal(found.address, self.seal)
        expires = await self._expires(found) if address else None
        policy = self.policy_of(found.business)
        open_number = policy is not None and policy.privacy.numbers == "keep"
        shown = "" if address is None else address.to if open_number else address.shown
        return File(
            case=found,
            who=shown or found.conversation[:8],
            transcript=await self.kept.transcript(found),
            window_expires=expires,
            can_reply=expires is not None and self.clock() < expires,
            address=address,
        )

    async def _expires(self, case: Escalation) -> float | None:
        """When the customer-service window of a case's customer closes."""
        wrote = await self.kept.wrote(case)
        return None if wrote is None else wrote + WINDOW

    async def take(self, name: str, by: str, *, over: bool = False) -> Escalation:
        """The case is `by`'s, and the bot stays silent.

        `over`: also when another colleague has it. NoSuchCase, AlreadyTaken, AlreadyResolved.
        """
        return await self._move(name, Move.TAKE, by, over=over)

    async def resolve(self, name: str, by: str) -> Escalation:
        """Done: the bot goes on. NoSuchCase, AlreadyTaken by somebody else, AlreadyResolved."""
        return await self._move(name, Move.RESOLVE, by)

    async def hand_back(self, name: str, by: str) -> Escalation:
        """Return the conversation to the bot. As `resolve`, and IllegalMove when it has it."""
        return await self._move(name, Move.HAND_BACK, by)

    async def _move(self, name: str, move: Move, by: str, *, over: bool = False) -> Escalation:
        """One move of the table."""
        case = await self.kept.show(name)
        policy = self.policy_of(case.business)
        resume = policy.escalation.resume_after if policy else None
        moved = await self.kept.move(case.id, move, by, over=over, resume=resume)
        self.tell(f"escalation_{move.value}", escalation=case.id, business=case.business, by=by)
        return moved

    async def reply(self, name: str, text: str, by: str, *, key: str) -> str:
        """Say something to the customer as a person; takes the case first. WhatsApp's id for it.

        Not scope-checked. `key`: the same key twice says it once ("" comes back the second time).
        WindowClosed, NoAddress, CannotReply, NoSuchCase, AlreadyTaken, AlreadyResolved;
        SendError, whose `known` says whether it may have arrived all the same.
        """
        said = text.strip()
        if not said or len(said) > MOST:
            message = f"a reply has 1 to {MOST} characters, this one {len(said)}"
            raise CannotReply(message)
        case = await self.kept.show(name)
        address = unseal(case.address, self.seal)
        if address is None:
            raise NoAddress
        expires = await self._expires(case)
        if expires is None or self.clock() >= expires:
            raise WindowClosed(expires)
        case = await self.take(case.id, by)
        return await self._say(case, address, said, by, key)

    async def _say(self, case: Escalation, address: Address, text: str, by: str, key: str) -> str:
        """The words themselves, once for each key."""
        if not await self.kept.speaks(case, key):
            return ""
        try:
            wamid = await self.mouth.say(case.business, address, text, tag=case.id)
        except GuardproxyError as error:
            if not isinstance(error, SendError) or error.known:
                await self.kept.speaks_not(case, key)  # it did not go out: the key may try again
            raise
        policy = self.policy_of(case.business)
        words = as_kept(text, policy.privacy.text if policy else "mask", patterns)
        await self.kept.spoke(case, Said(who="person", text=words, at=self.clock(), by=by))
        self.tell("escalation_reply", escalation=case.id, business=case.business, by=by)
        return wamid


__all__ = [
    "AlreadyResolved", "AlreadyTaken", "CannotReply", "Desk", "File", "Mouth", "NoAddress",
    "NoSuchCase", "WindowClosed",
]  # fmt: skip
