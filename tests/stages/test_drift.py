"""Did the conversation, or the answer, leave the business?"""

import pytest

from guardproxy.core.finding import Check
from guardproxy.core.verdict import Allow, Escalate, Redirect
from guardproxy.policy.compiled import Drift as Rule
from guardproxy.stages.drift import AnswerDrift, Drift
from guardproxy.stages.scope import Scope, ScopeReading
from tests.stages.fakes import Reader, policy, turn


async def decided(score: float, off_topic: int, reader: Reader | None = None, **rule):
    made = policy(drift=Rule(**rule))
    reader = reader or Reader(score=score)
    stage, of = Drift(made, Scope(made, reader, reader), 0.7), turn(off_topic=off_topic)
    return stage.decide(await stage.gather(of), of)


@pytest.mark.parametrize(
    ("score", "before", "drifted"),
    [(0.9, 2, True), (0.9, 1, False), (0.1, 5, False), (0.69, 9, False), (0.7, 3, True)],
)
async def test_off_scope_once_more_and_often_enough(score, before, drifted):
    assert ((await decided(score, before)).verdict == Redirect("drift")) is drifted


async def test_drift_may_go_to_a_person():
    decision = await decided(0.9, 2, then="escalate")
    assert decision.verdict == Escalate("drift")
    assert decision.findings[0].quote == "3"


async def test_small_talk_never_drifts():
    assert (await decided(1.0, 5, Reader(score=1.0, greets=True))).verdict == Allow()


async def test_in_shadow_it_is_recorded_only():
    assert (await decided(0.9, 2, shadow=True)).shadow


async def answered(answer: str, reading: ScopeReading, more: str = ""):
    stage, of = AnswerDrift(policy(more), Reader(reading=reading)), turn().answered(answer)
    return stage.decide(await stage.gather(of), of)


@pytest.mark.parametrize(
    ("word", "verdict"),
    [("redirect", Redirect("output.off_topic")), ("escalate", Escalate("output.off_topic")),
     ("allow", Allow())],
)  # fmt: skip
async def test_a_drifted_answer_leads_where_the_policy_says(word, verdict):
    decision = await answered(
        "def f(): ...", ScopeReading(score=0.7), f"output: {{off_topic: {word}}}"
    )
    assert (decision.verdict, decision.findings[0].code) == (verdict, "off_topic")


async def test_a_drifted_answer_that_may_leave_is_still_looked_at_for_its_form():
    decision = await answered("off", ScopeReading(score=1.0), "output: {off_topic: allow}")
    assert (decision.check, decision.ends) == (Check.HIT, False)


async def test_a_fair_answer_passes_with_its_score():
    decision = await answered("Rye is 3 euros.", ScopeReading(score=0.69))
    assert (decision.verdict, decision.score) == (Allow(), 0.69)


@pytest.mark.parametrize("answer", ["", "  \n"])
async def test_an_empty_answer_has_nothing_to_read(answer):
    assert (await answered(answer, ScopeReading(score=1.0))).score is None
