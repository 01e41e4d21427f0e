"""Answers the mail of businesses without an agent of their own: mailbox to turn, reply to Graph.

A message leaves its mailbox when its reply has gone out. Whatever breaks on the way, a restart
goes on where it stopped; a send whose outcome is unknown is not made again.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from guardproxy.core.errors import SendError, StoreError
from guardproxy.core.identity import person_key
from guardproxy.core.message import Message, Turn
from guardproxy.edges.llm import chat, messages
from guardproxy.edges.llm.dialect import Dialect
from guardproxy.edges.whatsapp.graph import Graph, may_try_again
from guardproxy.edges.whatsapp.markup import parts, whatsapp
from guardproxy.pipeline.answer import Answer
from guardproxy.pipeline.guard import Guard
from guardproxy.pipeline.shelf import Shelf
from guardproxy.pipeline.turn import run_turn
from guardproxy.upstream.client import Upstream

SPEAKS: dict[str, Dialect] = {"openai": chat, "anthropic": messages}  # by UPSTREAM_API
AT_ONCE = 32  # conversations answered side by side in one process: an LLM's usual concurrency
POLL = 0.25  # seconds between looks for mail of other processes, and for run-out leases
BEAT = 1.5  # seconds between renewals of a 5 s lease: three may be missed
AGAIN = 2.0  # seconds before a send that failed for now is tried again
RESTS = 30.0  # seconds before a message that broke its turn is taken up again


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


class Taken(Protocol):
    """A message this process works on."""

    @property
    def letter(self) -> dict[str, Any]:
        """The message as it was accepted."""

    @property
    def business(self) -> str:
        """Whose it is."""


class Letters(Protocol):
    """The mailbox as the bridge needs it. Everything raises StoreError when the store is lost."""

    async def accept(
        self, business: str, conversation: str, message: str, letter: dict[str, Any]
    ) -> bool:
        """Keep a message; False when it was known."""

    async def claim(self, businesses: Iterable[str]) -> Any:
        """The next message, None when there is none."""

    async def renew(self, taken: Any) -> bool:
        """Keep it for another lease."""

    async def finish(self, taken: Any) -> bool:
        """Done with it."""

    async def later(self, taken: Any, seconds: float) -> bool:
        """Put it back."""

    async def pending(self, business: str, turn: str) -> Any:
        """What is to be sent for a turn; None while it is not closed."""

    async def intend(self, business: str, turn: str, part: int) -> None:
        """About to send a part."""

    async def sent(self, business: str, turn: str, part: int, wamid: str) -> None:
        """A part went out."""

    async def not_sent(self, business: str, turn: str) -> None:
        """A part did not go out, for certain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """What the bridge works with. `tell(event, fields)` logs; `count(outcome)` counts sends;
    `clock` gives seconds since 1970.
    """

    shelf: Shelf
    letters: Letters
    upstream: Upstream
    graph: Graph
    secret: bytes
    clock: Callable[[], float]
    tell: Callable[..., None]
    count: Callable[[str], None]
    mail: asyncio.Event

    async def run(self) -> None:
        """Answer mail until cancelled."""
        slots = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as group:
            while True:
                await slots.acquire()
                self.mail.clear()
                taken = await self._claim()
                if taken is None:
                    slots.release()
                    await self._wait()
                    continue
                group.create_task(self._serve(taken)).add_done_callback(
                    lambda _done: slots.release()
                )

    async def _claim(self) -> Taken | None:
        """The next message; none while the store is lost."""
        try:
            found: Taken | None = await self.letters.claim(self.shelf.names)
        except StoreError:
            return None
        return found

    async def _wait(self) -> None:
        """Until there may be mail."""
        try:
            async with asyncio.timeout(POLL):
                await self.mail.wait()
        except TimeoutError:
            pass

    async def _serve(self, taken: Taken) -> None:
        """One message, its lease kept alive while it is worked on."""
        try:
            async with asyncio.TaskGroup() as group:
                beat = group.create_task(self._beat(taken))
                await self._answer(taken)
                beat.cancel()
        except* StoreError as errors:
            # its lease runs out, and whoever takes it up goes on from what is written down
            self.tell("turn_interrupted", cause=str(errors.exceptions[0]))
        except* Exception as errors:  # noqa: BLE001  the mailbox's boundary: one turn breaks alone
            cause = errors.exceptions[0]
            self.tell("turn_broke", cause=f"{type(cause).__name__}: {cause}")
            await self._rest(taken)
        self.mail.set()

    async def _rest(self, taken: Taken) -> None:
        """Put a message back that broke its turn; it is not lost, and does not spin."""
        try:
            await self.letters.later(taken, RESTS)
        except StoreError as error:
            self.tell("turn_interrupted", cause=str(error))

    async def _beat(self, taken: Taken) -> None:
        """Renew the lease."""
        while True:
            await asyncio.sleep(BEAT)
            await self.letters.renew(taken)

    async def _answer(self, taken: Taken) -> None:
        """From the message to the last part of its reply."""
        letter = taken.letter
        guard = self.shelf.named(taken.business)
        if guard is None:
            await self.letters.later(taken, RESTS)  # its policy is away for now
            return
        turn = self._turn(letter, guard)
        pending: Pending | None = await self.letters.pending(taken.business, turn.id)
        if pending is None:
            outcome = await run_turn(turn, guard, self._model)
            pending = await self.letters.pending(taken.business, turn.id)
            if pending is None:  # the store was lost while the turn was closed
                message = f"turn {outcome.decision} could not be written down"
                raise StoreError(message)
        if await self._send(pending, letter, turn, guard):
            await self.letters.finish(taken)
        else:
            await self.letters.later(taken, AGAIN)

    def _turn(self, letter: dict[str, Any], guard: Guard) -> Turn:
        """The message as a turn; the same message always gives the same turn id."""
        digest = hashlib.sha256(letter["id"].encode()).hexdigest()[:24]
        person = person_key(self.secret, letter["person"])
        return Turn(
            id=f"wa_{digest}",
            business=guard.policy.name,
            surface="whatsapp",
            messages=(
                Message(id=letter["id"], text=letter["text"], kind=letter["kind"], at=letter["at"]),
            ),
            now=self.clock(),
            person=person,
            conversation=person,
            caller="whatsapp",
        )

    async def _model(self, turn: Turn, prompt: str) -> Answer:
        """Ask the backend, with the conversation so far."""
        api = SPEAKS[self.upstream.api]

        def asked(model: str) -> bytes:
            return api.question(prompt, turn.recalled.history, turn.text, model)

        told = api.told((await self.upstream.post(api.PATH, asked)).body)
        return Answer(told.texts[0], told.tokens)

    async def _send(
        self, pending: Pending, letter: dict[str, Any], turn: Turn, guard: Guard
    ) -> bool:
        """Send what is left of a reply; False when it has to be tried again later."""
        said = parts(whatsapp(pending.text)) if pending.text else []
        for number, part in enumerate(said):
            if number < pending.sent:
                continue
            if pending.unknown and number == pending.sent:
                self.count("unknown")
                self.tell("send_unknown", decision=turn.id)
                pending = _past(pending)
                continue
            if not await self._send_part(number, part, letter, turn, guard):
                return False
        return True

    async def _send_part(
        self, number: int, part: str, letter: dict[str, Any], turn: Turn, guard: Guard
    ) -> bool:
        """One message to Graph: the intent first, what became of it after."""
        token = guard.policy.whatsapp.access_token if guard.policy.whatsapp else None
        await self.letters.intend(turn.business, turn.id, number)
        try:
            wamid = await self.graph.send_text(
                letter["number"], letter["sender"], part, token=token, tag=turn.id
            )
        except SendError as error:
            return await self._not_sent(error, turn, number)
        self.count("sent")
        await self.letters.sent(turn.business, turn.id, number, wamid)
        return True

    async def _not_sent(self, error: SendError, turn: Turn, number: int) -> bool:
        """A failed send: tried again when that cannot double it, else given up and said."""
        if may_try_again(error):
            self.count("later")
            await self.letters.not_sent(turn.business, turn.id)
            return False
        self.count("failed" if error.known else "unknown")
        self.tell("send_failed", decision=turn.id, code=error.code, known=error.known)
        await self.letters.sent(turn.business, turn.id, number, "")
        return True


@dataclass(frozen=True, slots=True)
class _Left:
    """What is left to send after a part whose outcome is unknown."""

    text: str | None
    sent: int
    unknown: bool


def _past(pending: Pending) -> _Left:
    """The same, past the part that was tried."""
    return replace(_Left(pending.text, pending.sent, pending.unknown), unknown=False)
