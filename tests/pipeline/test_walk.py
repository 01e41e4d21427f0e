"""Stages in order; "could not look" is never "clean"; shadow is recorded and not obeyed."""

import asyncio
import itertools
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from guardproxy.core.finding import Check, Failed
from guardproxy.core.trace import Decision
from guardproxy.core.verdict import Allow, Drop, Escalate, Redirect
from guardproxy.pipeline.walk import Walk
from tests.stages.fakes import turn


@dataclass
class Scripted:
    """A stage that finds what it is told; `asked` counts the looks."""

    name: str
    evidence: Any = None
    decision: Decision = field(default_factory=Decision)
    asked: int = 0

    async def gather(self, _turn: Any) -> Any:
        self.asked += 1
        if isinstance(self.evidence, BaseException):
            raise self.evidence
        if self.evidence == "stuck":
            await asyncio.Event().wait()
        return self.evidence

    def decide(self, _evidence: Any, _turn: Any) -> Decision:
        return self.decision


def walk(
    *stages: Scripted, on_failure: str = "redirect", shadow: bool = False, side="question"
) -> Walk:
    ticks = itertools.count()
    return Walk(
        side=side, stages=stages, on_failure=on_failure, shadow=shadow,
        clock=lambda: float(next(ticks)), deadline=0.01,
    )  # fmt: skip


REFUSES = Decision(verdict=Redirect("x"), check=Check.HIT)


async def test_the_first_decision_ends_the_walk():
    first, second = Scripted("a", decision=REFUSES), Scripted("b")
    trace = await walk(first, second).run(turn())
    assert (trace.verdict, len(trace.steps), second.asked) == (Redirect("x"), 1, 0)


async def test_all_stages_run_when_asked_to_and_the_first_still_decides():
    other = Scripted("b", decision=Decision(verdict=Drop("y"), score=0.5))
    trace = await walk(Scripted("a", decision=REFUSES), other).run(turn(), through=True)
    assert (trace.verdict, len(trace.steps), trace.score) == (Redirect("x"), 2, 0.5)


@pytest.mark.parametrize(
    "evidence", ["stuck", RuntimeError("boom"), Failed("a", "lost"), OSError()]
)
@pytest.mark.parametrize(
    ("on_failure", "verdict", "check"),
    [
        ("redirect", Redirect("on_failure.question"), Check.FAIL_CLOSED),
        ("escalate", Escalate("on_failure.question"), Check.FAIL_CLOSED),
        ("allow", Allow(), Check.FAIL_OPEN),
    ],
)
async def test_a_stuck_or_broken_detector_is_not_a_pass(evidence, on_failure, verdict, check):
    trace = await walk(Scripted("a", evidence), on_failure=on_failure).run(turn())
    (step,) = trace.steps
    assert (trace.verdict, step.decision.check) == (verdict, check)
    assert step.decision.findings[0].code == "failed"


async def test_a_failed_answer_check_is_named_as_such():
    trace = await walk(Scripted("a", "stuck"), side="answer").run(turn())
    assert trace.verdict == Redirect("on_failure.answer")


async def test_a_cancelled_turn_is_no_failed_look():
    with pytest.raises(asyncio.CancelledError):
        await walk(Scripted("a", asyncio.CancelledError())).run(turn())


async def test_in_shadow_everything_is_recorded_and_nothing_obeyed():
    first, second = Scripted("a", decision=REFUSES), Scripted("b", decision=REFUSES)
    trace = await walk(first, second, shadow=True).run(turn())
    assert trace.verdict == Allow()
    assert [step.decision.shadow for step in trace.steps] == [True, True]
    assert [step.decision.verdict for step in trace.steps] == [Redirect("x")] * 2


async def test_each_step_is_timed():
    trace = await walk(Scripted("a"), Scripted("b")).run(turn())
    assert [step.took for step in trace.steps] == [1.0, 1.0]


async def test_a_turn_like_one_before_is_judged_as_that_one_was_and_not_looked_at_again():
    stage = Scripted("a", decision=REFUSES)
    judged = walk(stage)
    first, second = await judged.run(turn()), await judged.run(turn())
    assert (second.verdict, stage.asked) == (first.verdict, 1)
    assert [step.took for step in second.steps] == [0.0]
    await judged.run(turn(), through=True)
    assert stage.asked == 2


async def test_a_look_that_failed_is_made_again():
    stage = Scripted("a", RuntimeError("boom"))
    judged = walk(stage)
    await judged.run(turn())
    stage.evidence = None
    assert (await judged.run(turn())).verdict == Allow()
    assert stage.asked == 2


async def test_a_copy_of_a_walk_remembers_nothing_of_it():
    judged, other = walk(Scripted("a", decision=REFUSES)), Scripted("b")
    await judged.run(turn())
    assert (await replace(judged, stages=(other,)).run(turn())).verdict == Allow()
