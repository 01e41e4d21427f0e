"""One turn end to end: recall, question checks, the model, answer checks, reply, record.

This is what every edge calls. Edges give a Turn and a way to ask the model; they get an Outcome.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Literal

from guardproxy.core.errors import StoreError, UpstreamError
from guardproxy.core.finding import Failed
from guardproxy.core.ledger import Case, Closing, Said, Ticket
from guardproxy.core.message import Line, Memory, Role, Turn
from guardproxy.core.phases import Phase
from guardproxy.core.trace import Step, Trace
from guardproxy.core.verdict import Allow, Drop, Escalate, Redirect, Rewrite, Verdict
from guardproxy.pipeline.answer import Answer
from guardproxy.pipeline.doubt import beside, is_unsure
from guardproxy.pipeline.guard import Guard
from guardproxy.pipeline.record import record_of
from guardproxy.pipeline.reply import disclosure, reply_to
from guardproxy.policy.compiled import Channel, Policy
from guardproxy.stages import Patterns

OFF_TOPIC = ("scope.", "drift", "output.off_topic", "input.injection")  # rules that count as drift
SCREENFUL = 500  # characters of a case's texts: what whoever takes it reads at a glance
MASKED = {"card": "mask", "iban": "mask", "id_number": "mask", "phone": "mask", "email": "mask"}


Model = Callable[[Turn, str], Awaitable[Answer]]  # (turn, scope prompt) -> answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a turn ended.

    `reply` is what the customer reads instead of the answer; None with an `answer`: the answer
    goes out unchanged; both None: nothing is said. `overhead` in seconds, without the upstream.
    """

    turn: Turn
    policy: Policy
    verdict: Verdict
    trace: Trace
    reply: str | None
    answer: Answer | None
    case: str | None
    language: str
    overhead: float

    @property
    def decision(self) -> str:
        """The id of the decision record."""
        return self.turn.id

    @property
    def text(self) -> str | None:
        """What the customer reads, or None when nothing is said."""
        if self.reply is not None:
            return self.reply
        return self.answer.text if self.answer and isinstance(self.verdict, Allow) else None


async def run_turn(turn: Turn, guard: Guard, model: Model) -> Outcome:
    """Judge a turn, ask the model when it is fair, judge the answer, write it all down.

    Raises UpstreamError when the model gave no usable answer; the turn is then closed as failed.
    """
    started = guard.clock()
    turn = await recall(turn, guard)
    trace = Trace() if _stands(turn) else await guard.question.run(turn)
    verdict: Verdict = trace.verdict
    answer, waited = None, 0.0
    if isinstance(verdict, Allow):
        asked = guard.clock()
        try:
            answer, ruled = await _ask(turn, guard, model, trace)
            trace += ruled
            verdict = verdict if is_plain(ruled.verdict) else ruled.verdict
        except UpstreamError:
            if turn.surface != "whatsapp":
                raise  # the caller's API has words for it; a customer needs ours
            verdict = Redirect("on_failure.upstream")
        waited = guard.clock() - asked
    if answer is not None and not answer.text and turn.surface == "whatsapp":
        answer, verdict = None, Redirect("on_failure.upstream")  # silence would leave them waiting
    if answer is not None:
        turn = turn.answered(answer.text)
        second = await judge_parts(turn, answer, guard)
        trace += second
        verdict = verdict if is_plain(second.verdict) else second.verdict
    ended = Ended(turn, verdict, trace, answer, guard.clock() - started - waited)
    return await conclude(ended, guard)


def _stands(turn: Turn) -> bool:
    """Whether the verdict of another hop holds: it let the turn in, and nothing silences since."""
    memory = turn.recalled
    return turn.judged and memory.phase is Phase.BOT and not memory.opted_out


async def judge_parts(turn: Turn, answer: Answer, guard: Guard) -> Trace:
    """Each part of an answer through the checks; the first that is refused ends it."""
    leak = guard.form.leak(answer.beside)
    if leak is not None:
        return Trace((Step(stage=guard.form.name, decision=leak, took=0.0),))
    if len(answer.parts) < 2:
        return await guard.answer.run(turn)
    refused, mended = Trace(), Trace()
    for part in answer.parts:
        trace = await guard.answer.run(turn.answered(part))
        if isinstance(trace.verdict, Rewrite):
            mended += trace
        else:
            refused += trace
            if not isinstance(trace.verdict, Allow):
                break
    return refused + mended


def is_plain(verdict: Verdict) -> bool:
    """Whether a walk decided nothing."""
    return isinstance(verdict, Allow) and verdict.rule is None


async def recall(turn: Turn, guard: Guard) -> Turn:
    """Ask the store once: count the turn and recall its conversation."""
    if guard.conversations is None:
        return turn
    heard = guard.handover.hear(turn)
    policy = guard.policy
    ticket = Ticket(
        business=turn.business,
        turn=turn.id,
        caller=turn.caller,
        person=turn.person,
        conversation=turn.conversation,
        limits=policy.limits,
        exempt=heard.asked is not None,
        counted=turn.counted,
        tokens=estimate(turn, guard),
        drift_window=policy.drift.window,
        resume_after=policy.escalation.resume_after,
    )
    memory: Memory | Failed
    try:
        memory = await guard.conversations.admit(ticket)
    except StoreError as error:
        memory = Failed("store", str(error))
    return turn.remembering(memory)


def estimate(turn: Turn, guard: Guard) -> int:
    """Tokens to reserve for a turn: all that is sent, and the longest answer that may leave; 0
    where no limit counts tokens.
    """
    if all(limit.of != "tokens" for limit in guard.policy.limits):
        return 0
    return guard.tokens.count(_sent(turn, guard)) + guard.policy.output.max_chars // 4


def spent(turn: Turn, answer: Answer | None, guard: Guard) -> int:
    """Tokens a turn took: as the backend counted, else as they are counted here."""
    if answer is None:
        return 0
    sent = _sent(turn, guard)
    if answer.tokens:
        guard.tokens.learn(len(sent) + len(answer.text), answer.tokens)
        return answer.tokens
    return guard.tokens.count(sent) + guard.tokens.count(answer.text)


def _sent(turn: Turn, guard: Guard) -> str:
    """All that the backend reads."""
    return "\n".join((guard.prompt, *(line.text for line in turn.context), turn.carried))


async def _ask(turn: Turn, guard: Guard, model: Model, trace: Trace) -> tuple[Answer | None, Trace]:
    """The model's answer to the turn as it may be forwarded, and the judge's step where the turn
    was in doubt; a failure closes the turn first.
    """
    try:
        asked = _as_forwarded(turn, guard)
        if guard.judge is None or not is_unsure(trace, guard):
            return await model(asked, guard.prompt), Trace()
        return await beside(lambda: model(asked, guard.prompt), asked, guard)
    except BaseException:
        if turn.surface == "whatsapp":
            raise  # the mailbox still has the message: it is taken up again, or told so
        # gone, cancelled or failed: what was reserved is given back before it is reported
        ended = Ended(turn, Allow(), trace, None, 0.0)
        closing = _closing(ended, guard, _Said(None, "", None, disclosed=False))
        await _close(replace(closing, failed=True), guard)
        raise


def _as_forwarded(turn: Turn, guard: Guard) -> Turn:
    """The turn with numbers masked as the policy says."""
    masked = [guard.mask(message.text)[0] for message in turn.messages]
    if all(text == message.text for text, message in zip(masked, turn.messages, strict=True)):
        return turn
    pairs = zip(turn.messages, masked, strict=True)
    return replace(turn, messages=tuple(replace(m, text=text) for m, text in pairs))


@dataclass(frozen=True, slots=True)
class Ended:
    """A turn that has been judged, before anything is said. `overhead` in seconds."""

    turn: Turn
    verdict: Verdict
    trace: Trace
    answer: Answer | None
    overhead: float


@dataclass(frozen=True, slots=True)
class _Said:
    """What the customer is told, in which language, and which channel it names."""

    reply: str | None
    language: str
    channel: Channel | None
    disclosed: bool


async def conclude(ended: Ended, guard: Guard) -> Outcome:
    """Find the words, close the turn in one step, and tell whoever watches."""
    said = _say(ended, guard)
    closing = _closing(ended, guard, said)
    if _is_uneventful(closing, ended):
        case, kept = await _leave(closing, guard)
    else:
        case, kept = await _close(closing, guard)
    if not kept and closing.case is not None and closing.case.pauses:
        said = replace(said, reply=_another_way(ended, guard, said))
    guard.observe(closing.record)
    return Outcome(
        turn=ended.turn,
        policy=guard.policy,
        verdict=ended.verdict,
        trace=ended.trace,
        reply=said.reply,
        answer=ended.answer,
        case=case,
        language=said.language,
        overhead=ended.overhead,
    )


def _say(ended: Ended, guard: Guard) -> _Said:
    """The reply in the customer's language, the disclosure before it where one is due."""
    turn, policy, memory = ended.turn, guard.policy, ended.turn.recalled
    fallback = memory.language or policy.languages[0]
    language = guard.readers.lexicon.language(turn.text, fallback)
    wanted = ended.verdict.to if isinstance(ended.verdict, Escalate) else None
    channel = policy.open_channel(wanted, turn.now)
    reply = reply_to(ended.verdict, policy, language=language, channel=channel, phase=memory.phase)
    body = reply if reply is not None else (ended.answer.text if ended.answer else None)
    speaks = body is not None and not isinstance(ended.verdict, Drop)
    if turn.surface != "whatsapp" or not speaks:
        return _Said(reply, language, channel, disclosed=False)
    due = policy.disclosure_first_turn and not memory.disclosed
    if not due and not guard.readers.lexicon.asks_if_bot(turn.text):
        return _Said(reply, language, channel, disclosed=False)
    return _Said(f"{disclosure(policy, language)}\n\n{body}", language, channel, disclosed=True)


def _closing(ended: Ended, guard: Guard, said: _Said) -> Closing:
    """What this turn leaves behind."""
    turn, verdict, policy = ended.turn, ended.verdict, guard.policy
    answered = ended.answer is not None and isinstance(verdict, Allow | Rewrite)
    own = turn.surface == "whatsapp"  # other surfaces bring their history, and send themselves
    rule = verdict.rule
    record = record_of(
        turn, policy, verdict, ended.trace, language=said.language, overhead=ended.overhead
    )
    record["text"] = kept_text(turn.text, guard)
    return Closing(
        business=turn.business,
        turn=turn.id,
        caller=turn.caller,
        person=turn.person,
        conversation=turn.conversation,
        verdict=verdict.name,
        rule=rule,
        record=record,
        keep=policy.privacy.keep,
        lines=_lines(ended, said) if answered and own else (),
        talk=turn.conversation or turn.person,
        said=_spoken(ended, guard, said),
        off_topic=not isinstance(verdict, Allow) and verdict.rule.startswith(OFF_TOPIC),
        offered=_offered(ended, guard, said),
        language=said.language,
        disclosed=said.disclosed or turn.recalled.disclosed,
        case=_case(ended, guard, said),
        opted_out=_opted(ended, guard),
        limits=policy.limits,
        spent=spent(turn, ended.answer, guard),
        to_send=own,
        reply=spoken(said.reply, ended) if own else None,
        resume_after=policy.escalation.resume_after,
    )


def spoken(reply: str | None, ended: Ended) -> str | None:
    """What the customer hears: the reply, else the answer that passed, else nothing."""
    if reply is None and ended.answer is not None and isinstance(ended.verdict, Allow):
        return ended.answer.text
    return reply


def _lines(ended: Ended, said: _Said) -> tuple[Line, ...]:
    """The two lines an answered turn adds to the conversation."""
    answer = ended.answer.text if ended.answer else ""
    if isinstance(ended.verdict, Rewrite):
        answer = said.reply or answer
    ids = tuple(message.id for message in ended.turn.messages)
    return (Line(Role.USER, ended.turn.text, ids), Line(Role.ASSISTANT, answer, ids))


def _spoken(ended: Ended, guard: Guard, said: _Said) -> tuple[Said, ...]:
    """What was said this turn, for the colleague who may have to go on from here."""
    turn = ended.turn
    answer = spoken(said.reply, ended) or ""
    return (
        Said(who="customer", text=kept_text(turn.text, guard), at=turn.now),
        Said(who="bot", text=kept_text(answer, guard), at=turn.now),
    )


def _offered(ended: Ended, guard: Guard, said: _Said) -> str:
    """The channel the customer was just offered; a yes to it will be a request."""
    if isinstance(ended.verdict, Redirect) and said.channel is not None:
        return said.channel.id
    if ended.answer and isinstance(ended.verdict, Allow | Rewrite):
        offers = guard.readers.lexicon.offers_person(ended.answer.text)
        return guard.policy.escalation.default if offers else ""
    return ""


def _case(ended: Ended, guard: Guard, said: _Said) -> Case | None:
    """The case an escalation opens."""
    verdict, channel = ended.verdict, said.channel
    if not isinstance(verdict, Escalate) or channel is None:
        return None
    return Case(
        id=f"esc_{ended.turn.id}",
        channel=channel.id,
        kind=channel.kind,
        rule=verdict.rule,
        pauses=channel.pauses,
        language=said.language,
        reason=kept_text(ended.turn.text, guard)[:SCREENFUL],
        sla=channel.sla,
        policy=guard.policy.ref,
        surface=ended.turn.surface,
        score=round(ended.trace.score, 4),
        draft=kept_text(ended.answer.text if ended.answer else "", guard)[:SCREENFUL],
        address=ended.turn.address,
    )


def kept_text(text: str, guard: Guard) -> str:
    """A customer's words as the policy lets them be kept."""
    return as_kept(text, guard.policy.privacy.text, guard.readers.patterns)


def as_kept(text: str, how: Literal["mask", "keep", "drop"], patterns: Patterns) -> str:
    """Words as they may be kept: `privacy.text` says masked, whole, or not at all."""
    match how:
        case "mask":
            return patterns.mask(text, MASKED)[0]
        case "keep":
            return text
        case "drop":
            return ""


def _opted(ended: Ended, guard: Guard) -> bool | None:
    """Whether the customer just left or came back."""
    if isinstance(ended.verdict, Drop) and ended.verdict.rule == "opt_out.stop":
        return True
    back = ended.turn.recalled.opted_out and guard.readers.lexicon.opts_in(ended.turn.text)
    return False if back else None


def _is_uneventful(closing: Closing, ended: Ended) -> bool:
    """Whether nothing said now or next depends on how the closing is taken: the answer went out as
    it came, by the caller's own hand. Such a turn does not wait for it to be written down.
    """
    return (
        ended.answer is not None
        and is_plain(ended.verdict)
        and closing.opted_out is None
        and not closing.offered
        and not closing.to_send
    )


async def _leave(closing: Closing, guard: Guard) -> tuple[None, bool]:
    """The closing on its way to the store; whether it could be sent at all."""
    if guard.conversations is None:
        return None, True
    try:
        await guard.conversations.leave_turn(closing)
    except StoreError as error:
        return None, _unkept(closing, error)
    return None, True


async def _close(closing: Closing, guard: Guard) -> tuple[str | None, bool]:
    """The open case, and whether it could be written down at all."""
    if guard.conversations is None:
        return None, True
    try:
        return await guard.conversations.close_turn(closing), True
    except StoreError as error:
        return None, _unkept(closing, error)


def _unkept(closing: Closing, error: StoreError) -> bool:
    """Note on a record why it is not kept; False."""
    closing.record["store"] = str(error)
    return False


def _another_way(ended: Ended, guard: Guard, said: _Said) -> str | None:
    """Words that hold when a person could not be called: a way that needs no store, if any."""
    told = [c for c in guard.policy.escalation.channels.values() if not c.pauses]
    if not told:
        return said.reply
    return reply_to(
        ended.verdict,
        guard.policy,
        language=said.language,
        channel=told[0],
        phase=ended.turn.recalled.phase,
    )
