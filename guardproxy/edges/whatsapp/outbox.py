"""Sends what a turn left to be said: the intent first, what became of it after.

What a failed send leads to is looked up by Meta's error code; a send whose outcome is unknown is
never made again: a status webhook settles it, or it goes to a person.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from guardproxy.core.errors import SendError
from guardproxy.core.ledger import Send
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

    @property
    def settled(self) -> bool:
        """Whether it was tried, and Meta has told how that ended."""


class Sends(Protocol):
    """The account of sends. Everything raises StoreError when the store is lost."""

    async def intend(self, send: Send) -> None:
        """About to send it."""

    async def sent(self, send: Send, wamid: str) -> None:
        """It went out."""

    async def refused(self, send: Send) -> None:
        """It did not go out, and may be tried again."""

    async def unknown(self, send: Send) -> bool:
        """Nobody knows; False when a status has settled it already."""

    async def lost(self, send: Send, why: str) -> None:
        """It did not go out, and is not tried again: somebody has to know."""


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
    """One reply on its way: whose, to whom, with which token, and since when (1970). `address` is
    `to`, sealed.
    """

    business: str
    turn: str
    number: str
    person: str
    to: str
    token: str | None
    since: float
    address: str = ""

    def part(self, number: int) -> Send:
        """One part of it, for the account."""
        return Send(business=self.business, turn=self.turn, number=self.number,
                    person=self.person, part=number, address=self.address)  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Outbox:
    """`count(outcome)` counts sends, `carried(category)` messages, `alarmed(kind)` alarms;
    `tell(event, **fields)` logs.
    """

    sends: Sends
    people: Leaves
    graph: Graph
    clock: Callable[[], float]
    tell: Callable[..., None]
    count: Callable[[str], None]
    carried: Callable[[str], None]
    alarmed: Callable[[str], None]
    resting: dict[str, float] = field(default_factory=dict)  # number -> until when

    async def send(self, pending: Pending, post: Post) -> float | None:
        """Send what is left of a reply; seconds until it has to be tried again, None: all done."""
        said = parts(whatsapp(pending.text)) if pending.text else []
        done = pending.sent
        if pending.settled:
            self.count("settled")
            done += 1
        elif pending.unknown:
            await self._unknown(post.part(done), None)
            done += 1
        late = self.clock() - post.since > GIVEN_UP
        for number, part in enumerate(said[done:], start=done):
            if late:
                self.count("failed")
                self.tell("send_given_up", decision=post.turn)
                await self.sends.intend(post.part(number))
                await self.sends.lost(post.part(number), "late")
                return None
            wait = await self._part(part, post.part(number), post)
            if wait is not None:
                return wait
        return None

    async def _part(self, text: str, send: Send, post: Post) -> float | None:
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
        await self.sends.intend(send)
        try:
            wamid = await self.graph.send_text(
                post.number, post.to, text, token=post.token, tag=send.id
            )
        except SendError as error:
            return await self._failed(error, send, post)
        self.count("sent")
        self.carried("service")
        await self.sends.sent(send, wamid)
        return None

    async def _failed(self, error: SendError, send: Send, post: Post) -> float | None:
        """A failed send: tried again when that cannot double it, else given up and said."""
        if error.code in ALARMING or error.code in CLOSED:
            self.resting[post.number] = self.clock() + REST
            kind = f"error.{error.code}"
            case = await self.people.alarm(post.business, kind, self.clock())
            self.alarmed(kind)
            self.tell("alarm", kind=kind, business=post.business, escalation=case)
        if may_try_again(error) or error.code in CLOSED:
            self.count("later")
            await self.sends.refused(send)
            age = max(0.0, self.clock() - post.since)
            return REST if error.code in CLOSED else min(1.0 + 3.0 * age, LONGEST)
        if not error.known:
            await self._unknown(send, error.code)
            return None
        self.count("failed")
        self.tell("send_failed", decision=send.turn, code=error.code)
        await self.sends.lost(send, f"code {error.code}")
        return None

    async def _unknown(self, send: Send, code: int | None) -> None:
        """A send of which nobody knows: it is not made again; a status or a person settles it."""
        if not await self.sends.unknown(send):
            self.count("settled")
            return
        self.count("unknown")
        self.tell("send_unknown", decision=send.turn, part=send.part, code=code)
