"""One turn end to end: recall, question checks, the model, answer checks, reply, record.

This is what every edge calls. Edges give a Turn and a way to ask the model; they get an Outcome.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from guardproxy.core.errors import StoreError, UpstreamError
from guardproxy.core.finding import Failed
from guardproxy.core.ledger import Ticket
from guardproxy.core.message import Memory, Turn
from guardproxy.core.phases import Phase
from guardproxy.core.trace import Trace
from guardproxy.core.verdict import Allow, Redirect, Verdict
from guardproxy.pipeline.answer import Answer
from guardproxy.pipeline.doubt import beside, is_unsure
from guardproxy.pipeline.ending import Ended, Outcome, close, conclude, nothing_said, sent
from guardproxy.pipeline.guard import Guard
from guardproxy.pipeline.parts import is_plain, judge_parts

Model = Callable[[Turn, str], Awaitable[Answer]]  # (turn, scope prompt) -> answer


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
    return guard.tokens.count(sent(turn, guard)) + guard.policy.output.max_chars // 4


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
        await close(replace(nothing_said(turn, trace, guard), failed=True), guard)
        raise


def _as_forwarded(turn: Turn, guard: Guard) -> Turn:
    """The turn with numbers masked as the policy says."""
    masked = [guard.mask(message.text)[0] for message in turn.messages]
    if all(text == message.text for text, message in zip(masked, turn.messages, strict=True)):
        return turn
    pairs = zip(turn.messages, masked, strict=True)
    return replace(turn, messages=tuple(replace(m, text=text) for m, text in pairs))
