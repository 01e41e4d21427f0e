"""Works through the mailboxes: message to turn, reply to Graph, or on to the business's agent.

A message leaves its mailbox when its reply has gone out. Whatever breaks on the way, a restart
goes on where it stopped; a send whose outcome is unknown is not made again.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from guardproxy.core.errors import SendError, StoreError, UpstreamError
from guardproxy.core.message import Line, Message, Role, Turn
from guardproxy.edges.llm import chat, messages
from guardproxy.edges.llm.dialect import Dialect
from guardproxy.edges.whatsapp.graph import Graph
from guardproxy.edges.whatsapp.outbox import GIVEN_UP, Outbox, Pending, Post
from guardproxy.edges.whatsapp.relay import Relay
from guardproxy.edges.whatsapp.watch import Watch
from guardproxy.people.address import Address
from guardproxy.pipeline.answer import Answer
from guardproxy.pipeline.ending import Outcome
from guardproxy.pipeline.guard import Guard
from guardproxy.pipeline.halves import run_question
from guardproxy.pipeline.shelf import Shelf
from guardproxy.pipeline.turn import run_turn
from guardproxy.upstream.client import Reply, Upstream

SPEAKS: dict[str, Dialect] = {"openai": chat, "anthropic": messages}  # by UPSTREAM_API
AT_ONCE = 256  # conversations under way in one process: slow answers hold up nobody's request
ASKING = 32  # of them, those the LLM works on: its usual concurrency
JUDGING = 2  # of them, those being judged: a judgement takes 10 ms, and webhooks wait meanwhile
POLL = 0.25  # seconds between looks for mail of other processes, and for run-out leases
BEAT = 1.5  # seconds between renewals of a 5 s lease: three may be missed
AGAIN = 1.0  # seconds before an event an agent did not take is handed to it again
RESTS = 30.0  # seconds before a message that broke its turn is taken up again


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
        self, business: str, conversation: str, message: str, letter: dict[str, Any],
        wait: float = 0.0,
    ) -> bool:  # fmt: skip
        """Keep a message, due after `wait` seconds; False when it was known."""

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

    async def decided(self, business: str, turn: str) -> tuple[str, str]:
        """The verdict and the rule of a closed turn, "" for none."""

    async def burst(self, taken: Any) -> tuple[dict[str, Any], ...]:
        """All that waits in the conversation, the taken message first."""

    async def merge(self, taken: Any, letter: dict[str, Any], count: int) -> Any:
        """One message in the place of the oldest `count`; None when the lease is gone."""


class Remembers(Protocol):
    """What is changed of a conversation beside its turns."""

    async def revoke(self, business: str, person: str, message: str) -> bool:
        """Take a message out of the history."""

    async def goes_live(self, business: str, person: str, turn: str) -> None:
        """A judged message goes to the business's own agent."""

    async def heard(self, business: str, person: str, line: Line) -> None:
        """Remember what it was told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """What the bridge works with. `tell(event, fields)` logs; `clock`: seconds since 1970; `seal`
    hides a customer's number where it is kept.
    """

    shelf: Shelf
    letters: Letters
    people: Remembers
    upstream: Upstream
    graph: Graph
    outbox: Outbox
    watch: Watch
    relay: Relay
    seal: Callable[[Address], str]
    clock: Callable[[], float]
    tell: Callable[..., None]
    mail: asyncio.Event
    asking: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(ASKING))
    judging: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(JUDGING))

    async def run(self) -> None:
        """Answer mail until cancelled."""
        slots = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.watch.run())
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
        """From a letter to the last thing it leads to."""
        guard = self.shelf.named(taken.business)
        if guard is None:
            await self.letters.later(taken, RESTS)  # its policy is away for now
            return
        letter = taken.letter
        match letter["what"]:
            case "message":
                taken = await self._merged(taken, guard)
                wait = await self._message(taken.letter, guard)
            case "revoke":
                await self.people.revoke(guard.policy.name, letter["person"], letter["original"])
                wait = await self._forward(letter, guard)
            case _:
                wait = await self._forward(letter, guard)
        if wait is None:
            await self.letters.finish(taken)
        else:
            await self.letters.later(taken, wait)

    async def _merged(self, taken: Taken, guard: Guard) -> Taken:
        """The message with those that came in one burst with it; nothing of it for an agent."""
        whatsapp = guard.policy.whatsapp
        if whatsapp is None or whatsapp.hop == "relay" or not whatsapp.merge:
            return taken
        letters = await self.letters.burst(taken)
        if letters and letters[0].get("merged"):
            return taken  # by whoever had it before
        together = together_of(letters, whatsapp.merge)
        if len(together) < 2:
            return taken
        one = merged(together)
        found: Taken | None = await self.letters.merge(taken, one, len(together))
        if found is None:
            message = "the lease of a conversation was lost"
            raise StoreError(message)
        return found

    async def _message(self, letter: dict[str, Any], guard: Guard) -> float | None:
        """One turn; seconds until it has to be taken up again, None when it is over."""
        business = guard.policy.name
        turn = self._turn(letter, guard)
        pending: Pending | None = await self.letters.pending(business, turn.id)
        if pending is None:
            for gone in filter(None, (one["edits"] for one in _each(letter))):
                await self.people.revoke(business, letter["person"], gone)
            outcome = await self._judge(turn, letter, guard.for_person(turn.person))
            pending = await self.letters.pending(business, turn.id)
            if pending is None:  # the store was lost while the turn was closed
                message = f"turn {outcome.decision} could not be written down"
                raise StoreError(message)
        if pending.text is None and _is_relay(guard):
            verdict, rule = await self.letters.decided(business, turn.id)
            if verdict == "allow" or (verdict, rule) == ("drop", "escalation.paused"):
                await self.people.goes_live(business, letter["person"], turn.id)
                ids = tuple(message.id for message in turn.messages)
                line = Line(Role.USER, guard.mask(turn.text)[0], ids)
                await self.people.heard(business, letter["person"], line)
                return await self._forward(letter, guard)
        token = guard.policy.whatsapp.access_token if guard.policy.whatsapp else None
        post = Post(
            business=business, turn=turn.id, number=letter["number"], person=letter["person"],
            to=letter["phone"] or letter["bsuid"], token=token, since=letter["kept"],
            address=turn.address,
        )  # fmt: skip
        return await self.outbox.send(pending, post)

    async def _judge(self, turn: Turn, letter: dict[str, Any], guard: Guard) -> Outcome:
        """The turn through the guard; an agent's answer comes by the Graph hop."""
        place = _Place(self.judging)

        async def model(asked: Turn, prompt: str) -> Answer:
            place.leave()
            try:
                async with self.asking:
                    return await self._model(asked, prompt, letter, guard)
            finally:
                await place.take()

        await place.take()
        try:
            if _is_relay(guard):
                return await run_question(turn, guard)
            return await run_turn(turn, guard, model)
        finally:
            place.leave()

    async def _forward(self, letter: dict[str, Any], guard: Guard) -> float | None:
        """Hand an event to the agent; seconds until the next try, None when it is over."""
        if not _is_relay(guard) or "body" not in letter:
            return None
        if await self.relay.forward(letter["body"], guard):
            return None
        age: float = max(0.0, self.clock() - letter["kept"])
        if age > GIVEN_UP:
            self.tell("relay_given_up", business=guard.policy.name)
            return None
        self.tell("relay_later", business=guard.policy.name)
        return min(AGAIN + age / 2, RESTS)

    def _turn(self, letter: dict[str, Any], guard: Guard) -> Turn:
        """The message as a turn; the same message always gives the same turn id."""
        digest = hashlib.sha256(letter["id"].encode()).hexdigest()[:24]
        return Turn(
            id=f"wa_{digest}",
            business=guard.policy.name,
            surface="whatsapp",
            messages=tuple(
                Message(id=one["id"], text=one["text"], kind=one["kind"], at=one["at"])
                for one in _each(letter)
            ),
            now=self.clock(),
            person=letter["person"],
            conversation=letter["person"],
            caller="whatsapp",
            address=self.seal(
                Address(number=letter["number"], phone=letter["phone"], bsuid=letter["bsuid"])
            ),
        )

    async def _model(self, turn: Turn, prompt: str, letter: dict[str, Any], guard: Guard) -> Answer:
        """Ask the backend, with the conversation so far; the customer sees that it is worked on."""
        api = SPEAKS[self.upstream.api]

        def asked(model: str) -> bytes:
            return api.question(prompt, turn.recalled.history, turn.text, model)

        async with asyncio.TaskGroup() as group:
            group.create_task(self._typing(letter, guard))
            reply = await _kept(self.upstream.post(api.PATH, asked))
        if isinstance(reply, UpstreamError):
            raise reply
        told = api.told(reply.body)
        return Answer(told.texts[0], told.tokens)

    async def _typing(self, letter: dict[str, Any], guard: Guard) -> None:
        """The typing indicator; without it nothing is lost."""
        token = guard.policy.whatsapp.access_token if guard.policy.whatsapp else None
        try:
            await self.graph.typing(letter["number"], _each(letter)[-1]["id"], token=token)
        except SendError as error:
            self.tell("typing", cause=str(error))


@dataclass(slots=True)
class _Place:
    """A turn's place among those being judged, given up while the LLM is asked."""

    judging: asyncio.Semaphore
    held: bool = False

    async def take(self) -> None:
        """Wait for a place."""
        await self.judging.acquire()
        self.held = True

    def leave(self) -> None:
        """Give it up, if it is held: who was cancelled while waiting has none."""
        if self.held:
            self.held = False
            self.judging.release()


async def _kept(reply: Awaitable[Reply]) -> Reply | UpstreamError:
    """A failure as a value: a group of tasks would wrap it."""
    try:
        return await reply
    except UpstreamError as error:
        return error


def _is_relay(guard: Guard) -> bool:
    """Whether the business has an agent of its own."""
    return guard.policy.whatsapp is not None and guard.policy.whatsapp.hop == "relay"


def _each(letter: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages of a letter: one, or a burst's."""
    found: list[dict[str, Any]] = letter.get("merged") or [letter]
    return found


def together_of(letters: Sequence[dict[str, Any]], merge: float) -> list[dict[str, Any]]:
    """The messages at the head that came within `merge` seconds of the first, oldest first; a
    revoked one of them is never said.
    """
    first = letters[0]["kept"] if letters else 0.0
    found: list[dict[str, Any]] = []
    for letter in letters:
        if letter["what"] != "message" or letter["kept"] - first > merge:
            break
        found.append(letter)
    return sorted(found, key=lambda letter: float(letter["at"]))


def merged(letters: list[dict[str, Any]]) -> dict[str, Any]:
    """One letter of several; it goes by the first one's id."""
    kept = ("id", "text", "kind", "at", "edits")
    return letters[0] | {"merged": [{key: one[key] for key in kept} for one in letters]}
