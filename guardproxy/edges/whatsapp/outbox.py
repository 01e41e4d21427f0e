"""Sends what a turn left to be said: the intent first, what became of it after.

What a failed send leads to is looked up by Meta's error code; a send whose outcome is unknown is
never made again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from guardproxy.core.errors import SendError
from guardproxy.edges.whatsapp.graph import ALARMING, CLOSED, Graph, may_try_again
from guardproxy.edges.whatsapp.markup import parts, whatsapp

REST = 60.0  # seconds a number whose token or account Meta refuses is left alone
LONGEST = 256.0  # seconds between two tries: Meta's 4^X for one recipient, at X = 4
GIVEN_UP = 86_400.0  # seconds: after a day the customer-service window is closed
FREE = 1000  # service messages of a number a month that cost nothing


class Pending(Protocol):
    """What a closed turn left to be sent."""

    @property
    def text(self) -> str | None:
        """The words; None is nothing."""

    @property
    def sent(self) -> int:
        """Parts that went out."""

    @property
    def unknown(self) -> bool:
        """Whether the next part was tried already, and nobody knows how that ended."""


class Sends(Protocol):
    """The account of sends. Everything raises StoreError when the store is lost."""

    async def intend(self, business: str, turn: str, part: int) -> None:
        """About to send a part."""

    async def sent(self, business: str, turn: str, part: int, wamid: str) -> None:
        """A part went out."""

    async def not_sent(self, business: str, turn: str) -> None:
        """A part did not go out, for certain."""


class Leaves(Protocol):
    """Says whether a message may go out now."""

    async def leave(
        self, business: str, number: str, person: str, *, kind: str = "service",
        agent: bool = True, now: float | None = None,
    ) -> Any:  # fmt: skip
        """Its `why`, `wait` and `month`."""

    async def alarm(self, business: str, kind: str, now: float) -> str:
        """An escalation to the operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One reply on its way: whose, to whom, with which token, and since when (1970)."""

    business: str
    turn: str
    number: str
    person: str
    to: str
    token: str | None
    since: float


@dataclass(slots=True, kw_only=True)
class Outbox:
    """`count(outcome)` counts sends, `alarmed(kind)` alarms; `tell(event, **fields)` logs."""

    letters: Sends
    people: Leaves
    graph: Graph
    clock: Callable[[], float]
    tell: Callable[..., None]
    count: Callable[[str], None]
    alarmed: Callable[[str], None]
    resting: dict[str, float] = field(default_factory=dict)  # number -> until when

    async def send(self, pending: Pending, post: Post) -> float | None:
        """Send what is left of a reply; seconds until it has to be tried again, None: all done."""
        said = parts(whatsapp(pending.text)) if pending.text else []
        if not said:
            return None
        late = self.clock() - post.since > GIVEN_UP
        for number, part in enumerate(said):
            if number < pending.sent:
                continue
            if pending.unknown and number == pending.sent:
                self.count("unknown")
                self.tell("send_unknown", decision=post.turn)
                pending = _Left(pending.text, pending.sent, unknown=False)
                continue
            if late:
                self.count("failed")
                self.tell("send_given_up", decision=post.turn)
                return None
            wait = await self._part(number, part, post)
            if wait is not None:
                return wait
        return None

    async def _part(self, number: int, part: str, post: Post) -> float | None:
        """One message to Graph, when Meta's limits allow it."""
        rest = self.resting.get(post.number, 0.0) - self.clock()
        if rest > 0:
            return rest
        may = await self.people.leave(post.business, post.number, post.person, agent=False)
        if may.why != "ok":
            self.count("later")
            return float(may.wait)
        if may.month == FREE:
            self.tell("budget", business=post.business, messages=FREE)
        await self.letters.intend(post.business, post.turn, number)
        try:
            wamid = await self.graph.send_text(
                post.number, post.to, part, token=post.token, tag=post.turn
            )
        except SendError as error:
            return await self._failed(error, post, number)
        self.count("sent")
        await self.letters.sent(post.business, post.turn, number, wamid)
        return None

    async def _failed(self, error: SendError, post: Post, number: int) -> float | None:
        """A failed send: tried again when that cannot double it, else given up and said."""
        if error.code in ALARMING or error.code in CLOSED:
            self.resting[post.number] = self.clock() + REST
            kind = f"error.{error.code}"
            case = await self.people.alarm(post.business, kind, self.clock())
            self.alarmed(kind)
            self.tell("alarm", kind=kind, business=post.business, escalation=case)
        if may_try_again(error) or error.code in CLOSED:
            self.count("later")
            await self.letters.not_sent(post.business, post.turn)
            age = max(0.0, self.clock() - post.since)
            return REST if error.code in CLOSED else min(1.0 + 3.0 * age, LONGEST)
        self.count("failed" if error.known else "unknown")
        self.tell("send_failed", decision=post.turn, code=error.code, known=error.known)
        await self.letters.sent(post.business, post.turn, number, "")
        return None


@dataclass(frozen=True, slots=True)
class _Left:
    """What is left to send after a part whose outcome is unknown."""

    text: str | None
    sent: int
    unknown: bool
