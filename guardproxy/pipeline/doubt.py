"""The judge's part in a turn: asked beside the model, only where the local verdict is unsure."""

import asyncio
from collections.abc import Awaitable, Callable

from guardproxy.core.errors import UpstreamError
from guardproxy.core.finding import Check, Failed, Finding
from guardproxy.core.message import Turn
from guardproxy.core.trace import PLAIN, Decision, Step, Trace
from guardproxy.core.verdict import Escalate, Redirect, Verdict
from guardproxy.pipeline.answer import Answer
from guardproxy.pipeline.guard import Doubt, Guard, Ruling

BEFORE = 6  # lines of the talk a judge is shown: three exchanges
RULE = "scope.off_topic"


def is_unsure(trace: Trace, guard: Guard) -> bool:
    """Whether the scope model was in doubt and the policy leaves doubt to a judge."""
    unsure = any(f.detector == "scope" and f.code == "unsure" for f in trace.findings)
    return unsure and guard.policy.unsure == "judge"


async def beside(
    model: Callable[[], Awaitable[Answer]], turn: Turn, guard: Guard
) -> tuple[Answer | None, Trace]:
    """The model's answer and the judge's step, waited for together; a ruling of "off" ends the
    call to the model at once. UpstreamError when the model failed and the judge let it.
    """
    started = guard.clock()
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(_kept(model))
        decision = _decision(await _ruling(turn, guard), guard)
        if decision.ends:
            asking.cancel()
    trace = Trace((Step(stage="judge", decision=decision, took=guard.clock() - started),))
    if asking.cancelled():
        return None, trace
    answer = asking.result()
    if isinstance(answer, UpstreamError):
        raise answer
    return (None if decision.ends else answer), trace


async def _ruling(turn: Turn, guard: Guard) -> Ruling | Failed:
    """What the judge says."""
    if guard.judge is None:
        return Failed("judge", "there is none")
    return await guard.judge.rule(_doubt(turn, guard))


async def _kept(model: Callable[[], Awaitable[Answer]]) -> Answer | UpstreamError:
    """A failure as a value: a group of tasks would wrap it."""
    try:
        return await model()
    except UpstreamError as error:
        return error


def _doubt(turn: Turn, guard: Guard) -> Doubt:
    """What a judge is asked; the same words give the same doubt."""
    policy = guard.policy
    lines = (turn.context or turn.recalled.history)[-BEFORE:]
    subjects = "; ".join(topic.about for topic in policy.topics) or "; ".join(policy.examples[:8])
    refused = "; ".join(refusal.about for refusal in policy.refuse)
    business = f"{policy.business.name}: {policy.business.does}. Subjects: {subjects}."
    return Doubt(
        business=f"{business} Never: {refused}." if refused else business,
        context=tuple((line.role.value, guard.mask(line.text)[0]) for line in lines),
        text=turn.text,
    )


def _decision(ruling: Ruling | Failed, guard: Guard) -> Decision:
    """A failed judge leaves the local verdict, and is counted as letting through."""
    if isinstance(ruling, Failed):
        finding = Finding("judge", "failed", 0.0, ruling.why)
        return Decision(check=Check.FAIL_OPEN, findings=(finding,))
    if ruling.in_scope:
        return Decision(findings=(Finding("judge", "in_scope", 0.0),))
    table: dict[str, Verdict] = {
        "allow": PLAIN, "redirect": Redirect(RULE), "escalate": Escalate(RULE),
    }  # fmt: skip
    return Decision(
        verdict=table[guard.policy.off_topic],
        check=Check.HIT,
        findings=(Finding("judge", "off_topic", 1.0, ruling.reason[:80]),),
        score=1.0,
        shadow=guard.policy.off_topic_shadow or guard.policy.shadow,
    )
