"""An agent's message through the guard: may it leave now, what does it say, what goes instead."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from aiohttp import ClientConnectorError as Unreached
from aiohttp import ClientError, web

from guardproxy.core.identity import person_key
from guardproxy.core.ledger import Send
from guardproxy.core.message import Line, Memory, Role, Turn
from guardproxy.core.verdict import Allow, Rewrite
from guardproxy.edges.llm import answers
from guardproxy.edges.whatsapp import outgoing
from guardproxy.edges.whatsapp.faults import fault
from guardproxy.edges.whatsapp.graph import ALARMING, UNKNOWN, wamid_of
from guardproxy.edges.whatsapp.markup import parts
from guardproxy.edges.whatsapp.outbox import FREE
from guardproxy.edges.whatsapp.outgoing import Outgoing
from guardproxy.people.address import Address
from guardproxy.pipeline.answer import Answer
from guardproxy.pipeline.ending import Outcome
from guardproxy.pipeline.guard import Guard
from guardproxy.pipeline.halves import run_answer
from guardproxy.pipeline.reply import disclosure

ALONE = 32  # characters: a caption, a title or a button below this says too little to be judged
TOGETHER = 40  # characters: so many of them say something as the customer reads them, together
STOPPED = 131050  # Meta: the customer stopped marketing messages

Forward = Callable[[dict[str, Any]], Awaitable[tuple[int, Any]]]

# Why a message may not leave: Graph's code, its HTTP status, and what to do.
AGAINST = {
    "paused": (131026, 409, "a person is talking to this customer: the bot's messages are held"),
    "opted_out": (131050, 400, "this customer asked to hear nothing; do not try again"),
    "window": (131047, 400, "over 24 hours since the customer wrote: send an approved template"),
    "pair": (131056, 400, "too many messages to this customer: 45 at once, then one in 6 seconds"),
    "number": (130429, 400, "too many messages of this number in one second"),
}


class People(Protocol):
    """What is kept of customers. Everything raises StoreError when the store is lost."""

    async def meet(
        self, business: str, ids: tuple[str, ...], *, wrote: float | None = None, number: str = "",
        limits: tuple[str, ...] = (),
    ) -> str:  # fmt: skip
        """The one name of whoever has these ids."""

    async def leave(
        self, business: str, number: str, person: str, *, kind: str = "service",
        agent: bool = True, now: float | None = None,
    ) -> Any:  # fmt: skip
        """Its `why`, `wait` and `month`."""

    async def disclosed(self, business: str, person: str) -> None:
        """The person has been told that a bot talks."""

    async def heard(self, business: str, person: str, line: Line) -> None:
        """Remember what was said."""

    async def marketing(self, business: str, person: str, *, stops: float | None) -> None:
        """Marketing stopped or resumed."""

    async def alarm(self, business: str, kind: str, now: float) -> str:
        """An escalation to the operator."""


class Sends(Protocol):
    """The account of sends. Everything raises StoreError when the store is lost."""

    async def intend(self, send: Send) -> None:
        """About to send it."""

    async def sent(self, send: Send, wamid: str) -> None:
        """It went out."""

    async def refused(self, send: Send) -> None:
        """It did not go out."""

    async def unknown(self, send: Send) -> bool:
        """Nobody knows; False when a status has settled it already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """`count(outcome)` counts sends, `carried(category)` messages, `alarmed(kind)` alarms;
    `tell(event, **fields)` logs; `seal` hides a customer's number where it is kept.
    """

    people: People
    sends: Sends
    secret: bytes
    seal: Callable[[Address], str]
    on_refusal: Literal["completion", "error"]
    clock: Callable[[], float]
    new_id: Callable[[], str]
    tell: Callable[..., None]
    count: Callable[[str], None]
    carried: Callable[[str], None]
    alarmed: Callable[[str], None]

    async def send(
        self, body: Any, forward: Forward, guard: Guard, *, number: str, caller: str,
        marketing: bool,
    ) -> web.Response:  # fmt: skip
        """One message. WireError when it is none, StoreError when nothing can be known of it."""
        message = outgoing.read(body)
        wrong = outgoing.misshapen(message.body)
        if wrong:
            self.count("malformed")
            return fault(131009, wrong)
        business = guard.policy.name
        ids = (message.group,) if message.group else (message.who.phone, message.who.bsuid)
        hashed = tuple(person_key(self.secret, one) for one in ids if one)
        limits = tuple(limit.id for limit in guard.policy.limits)
        person = await self.people.meet(business, hashed, limits=limits)
        category = _category(message, guard, marketing=marketing)
        may = await self._may(business, number, person, category)
        whatsapp = guard.policy.whatsapp
        if may.why == "window" and whatsapp and whatsapp.outside_window:
            self.count("substituted")
            told = outgoing.with_template(message.body, *whatsapp.outside_window)
            return await self.send(
                told, forward, guard, number=number, caller=caller, marketing=False
            )
        if may.why != "ok":
            return self._held(may)
        turn = Turn(
            id=self.new_id(), business=business, surface="graph", messages=(), now=self.clock(),
            person=person, conversation=person, caller=caller, counted=False,
            address=self.seal(
                Address(number=number, phone=message.who.phone, bsuid=message.who.bsuid)
            ) if message.who.known else "",
        )  # fmt: skip
        outcome = (
            await self._judge(turn, message, guard) if message.texts or message.links else None
        )
        told, refusal = self._told(message, outcome, guard)
        if refusal is not None:
            self.count("refused")
            return refusal
        memory = outcome.turn.recalled if outcome else Memory()
        if outcome and guard.policy.disclosure_first_turn and not memory.disclosed:
            words = disclosure(guard.policy, outcome.language)
            told, before = outgoing.opened(told, words), told
            if told != before and not message.group:
                await self.people.disclosed(business, person)
        send = Send(
            business=business, turn=turn.id, number=number, person=person, address=turn.address,
            theirs=str(told.get("biz_opaque_callback_data") or ""),
        )  # fmt: skip
        response = await self._out(told, forward, outcome, send)
        if response.status < 300:
            self.carried(category)
        return response

    async def _may(self, business: str, number: str, person: str, category: str) -> Any:
        """Whether a message may leave now; it takes its place in Meta's limits if so."""
        of = category if category in ("service", "marketing") else "template"
        may = await self.people.leave(business, number, person, kind=of)
        if may.why == "ok" and may.month == FREE and of == "service":
            self.tell("budget", business=business, messages=FREE)
        return may

    def _held(self, may: Any) -> web.Response:
        """The refusal of a message that may not leave now."""
        self.count(f"held_{may.why}")
        code, status, details = AGAINST[may.why]
        return fault(code, details, status=status, wait=may.wait)

    async def _judge(self, turn: Turn, message: Outgoing, guard: Guard) -> Outcome:
        """What the message says: each text by itself, so that none hides behind another; short
        ones (titles, buttons, names) together, as the customer reads them.
        """
        said = [t for t in message.texts if len(t) >= ALONE or message.kind == "text"]
        labels = "\n".join(text for text in message.texts if text not in said)
        if len(labels) >= TOGETHER:
            said.append(labels)
        answer = Answer("\n".join(said), parts=tuple(said) if len(said) > 1 else ())
        form = "\n".join((labels, *message.links)).strip()
        return await run_answer(turn, answer, guard.for_person(turn.person), form)

    def _told(
        self, message: Outgoing, outcome: Outcome | None, guard: Guard
    ) -> tuple[dict[str, Any], web.Response | None]:
        """What goes out in the end, or the error that is answered instead."""
        if outcome is None or isinstance(outcome.verdict, Allow):
            return message.body, None
        if isinstance(outcome.verdict, Rewrite):
            return outgoing.rewritten(message.body, guard.mend), None
        # a template is no free-form text: it may be outside the window, where only it may go
        if self.on_refusal == "error" or message.kind == "template" or not outcome.reply:
            details = f"guardproxy: {outcome.verdict.name} by {outcome.verdict.rule}"
            return message.body, fault(131009, details, headers=answers.headers(outcome))
        return outgoing.with_text(message.body, outcome.reply), None

    async def _out(
        self, told: dict[str, Any], forward: Forward, outcome: Outcome | None, first: Send
    ) -> web.Response:
        """To Graph, a long text in parts; the first answer, or the first that failed."""
        answered: web.Response | None = None
        for count, part in enumerate(_split(told)):
            if count:
                may = await self._may(first.business, first.number, first.person, "service")
                if may.why != "ok":
                    return self._held(may)
            send = replace(first, part=count)
            tagged = part if send.theirs else part | {"biz_opaque_callback_data": send.id}
            status, answer = await self._forwarded(tagged, forward, send)
            headers = answers.headers(outcome) if outcome else {}
            response = web.json_response(answer, status=status, headers=headers)
            if status >= 300:
                return response
            answered = answered or response
            await self._remember(part, send)
        assert answered is not None  # noqa: S101  there is at least one part
        return answered

    async def _forwarded(
        self, body: dict[str, Any], forward: Forward, send: Send
    ) -> tuple[int, Any]:
        """One message to Graph, its intent written down before and what came of it after."""
        await self.sends.intend(send)
        try:
            status, answer = await forward(body)
        except Unreached:
            self.count("failed")
            await self.sends.refused(send)
            raise
        except (ClientError, TimeoutError):
            await self._unknown(send, None)
            raise
        code = _code(answer)
        if status < 300:
            self.count("sent")
            await self.sends.sent(send, wamid_of(answer))
        elif code in UNKNOWN or (code is None and status >= 500):
            await self._unknown(send, code)
        else:
            self.count("failed")
            await self.sends.refused(send)
        await self._learn(code, send.business, send.person)
        return status, answer

    async def _remember(self, told: dict[str, Any], send: Send) -> None:
        """What the customer now reads, for whoever judges what comes after."""
        words = "\n".join(outgoing.read(told).texts)
        if words:
            line = Line(Role.ASSISTANT, words, (send.id,))
            await self.people.heard(send.business, send.person, line)

    async def _unknown(self, send: Send, code: int | None) -> None:
        """Nobody knows how it ended: a status settles it, or a person looks."""
        known = not await self.sends.unknown(send)
        self.count("settled" if known else "unknown")
        if not known:
            self.tell("send_unknown", decision=send.turn, part=send.part, code=code)

    async def _learn(self, code: int | None, business: str, person: str) -> None:
        """What an error of Graph's says beyond the one send."""
        if code in ALARMING:
            kind = f"error.{code}"
            case = await self.people.alarm(business, kind, self.clock())
            self.alarmed(kind)
            self.tell("alarm", kind=kind, business=business, escalation=case)
        if code == STOPPED:
            await self.people.marketing(business, person, stops=self.clock())


def _category(message: Outgoing, guard: Guard, *, marketing: bool) -> str:
    """What a message counts as; a template the policy does not name may be marketing."""
    if marketing:
        return "marketing"
    if message.kind != "template":
        return "service"
    known = guard.policy.whatsapp.templates if guard.policy.whatsapp else {}
    return known.get(outgoing.template_of(message.body), "marketing")


def _code(answer: Any) -> int | None:
    """The error code of an answer of Graph's, None for none."""
    found = answer.get("error") if isinstance(answer, dict) else None
    code = found.get("code") if isinstance(found, dict) else None
    return code if isinstance(code, int) else None


def _split(told: dict[str, Any]) -> list[dict[str, Any]]:
    """A text longer than one message in several, cut at sentences."""
    text = told.get("text")
    if told.get("type", "text") != "text" or not isinstance(text, dict):
        return [told]
    return [told | {"text": text | {"body": part}} for part in parts(text["body"])]
