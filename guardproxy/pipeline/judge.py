"""A verdict and nothing else: for `/v1/checks`, policy tests, `eval` and `explain`.

Nothing is opened, counted or remembered. What a live conversation would remember is worked out
again from the `context` given, so that the verdict is the same as live.
"""

from dataclasses import dataclass, replace
from typing import Literal

from guardproxy.core.finding import Check
from guardproxy.core.message import Line, Memory, Message, Role, Turn
from guardproxy.core.trace import Trace
from guardproxy.core.verdict import Allow, Escalate, Redirect, Verdict
from guardproxy.pipeline.ending import OFF_TOPIC
from guardproxy.pipeline.guard import Guard
from guardproxy.pipeline.reply import reply_to


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One text to judge: what a customer wrote, or what the bot answered (`direction`)."""

    id: str
    direction: Literal["user", "assistant"]
    text: str
    context: tuple[Line, ...] = ()
    now: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The verdict, its score 0..1, the reply a customer would read, and every step."""

    turn: Turn
    verdict: Verdict
    score: float
    reply: str | None
    language: str
    trace: Trace


async def judge(case: Case, guard: Guard, memory: Memory | None = None) -> Judged:
    """Judge one text by all stages of its side. `memory` None: recollected from the context."""
    if case.direction == "user":
        turn = _turn(case, guard, case.text, case.context)
        if memory is None:
            memory = await recollect(case, guard)
        turn = turn.remembering(memory)
        trace = await guard.question.run(turn, through=True)
    else:
        asked = _last_question(case.context)
        turn = _turn(case, guard, asked, case.context).answered(case.text)
        trace = await guard.answer.run(turn, through=True)
    verdict = trace.verdict
    language = guard.readers.lexicon.language(turn.text or case.text, guard.policy.languages[0])
    wanted = verdict.to if isinstance(verdict, Escalate) else None
    channel = guard.policy.open_channel(wanted, case.now)
    return Judged(
        turn=turn,
        verdict=verdict,
        score=score_of(trace, verdict, guard),
        reply=reply_to(
            verdict, guard.policy, language=language, channel=channel, phase=turn.recalled.phase
        ),
        language=language,
        trace=trace,
    )


def score_of(trace: Trace, verdict: Verdict, guard: Guard) -> float:
    """The probability that this must not be served.

    A request for a person scores 0; an injection or a hit of form at least the off threshold.
    """
    rule = verdict.rule or ""
    if isinstance(verdict, Escalate) and rule in ("escalation.ask", "escalation.offer"):
        return 0.0
    score = trace.score
    hit = any(
        step.decision.check is Check.HIT and step.stage in ("injection", "form")
        for step in trace.steps
        if isinstance(step.decision.verdict, Redirect | Escalate)
    )
    return max(score, guard.readers.scope.high) if hit else score


async def recollect(case: Case, guard: Guard) -> Memory:
    """What a live conversation would remember at this point, from its lines alone."""
    memory = Memory()
    offs: list[bool] = []
    for index, line in enumerate(case.context):
        if line.role is not Role.USER:
            continue
        before = case.context[:index]
        turn = _turn(case, guard, line.text, before).remembering(memory)
        verdict = (await guard.question.run(turn)).verdict
        rule = verdict.rule or ""
        offs.append(not isinstance(verdict, Allow) and rule.startswith(OFF_TOPIC))
        memory = replace(
            memory,
            last_verdict=verdict.name,
            last_rule=rule,
            off_topic=sum(offs[-guard.policy.drift.window :]),
            turns=memory.turns + 1,
        )
    return memory


def _turn(case: Case, guard: Guard, text: str, context: tuple[Line, ...]) -> Turn:
    """A turn of nobody in particular."""
    return Turn(
        id=case.id,
        business=guard.policy.name,
        surface="rehearsal",
        messages=(Message(id=case.id, text=text),),
        now=case.now,
        context=context,
    )


def _last_question(context: tuple[Line, ...]) -> str:
    """What the customer asked last, "" when the context has no question."""
    return next((line.text for line in reversed(context) if line.role is Role.USER), "")
