"""A trace ends at the first decision that is obeyed."""

from guardproxy.core.errors import Fault, PolicyError
from guardproxy.core.finding import Check, Finding
from guardproxy.core.trace import Decision, Step, Trace
from guardproxy.core.verdict import Allow, Drop, Redirect


def step(decision: Decision) -> Step:
    return Step(stage="s", decision=decision, took=0.0)


REFUSED = Decision(verdict=Redirect("scope.off_topic"), check=Check.HIT, score=0.9)
SHADOWED = Decision(verdict=Drop("rules.x"), check=Check.HIT, score=0.2, shadow=True)


def test_a_plain_allow_ends_nothing_and_one_by_a_rule_does():
    assert not Decision().ends
    assert Decision(verdict=Allow("rules.ours")).ends


def test_a_decision_in_shadow_is_kept_and_not_obeyed():
    trace = Trace((step(SHADOWED), step(REFUSED)))
    assert not SHADOWED.ends
    assert trace.verdict == Redirect("scope.off_topic")
    assert Trace((step(SHADOWED),)).verdict == Allow()


def test_the_first_that_ends_decides_and_the_highest_score_counts():
    trace = Trace((step(REFUSED),)) + Trace((step(Decision(verdict=Drop("x"), score=1.0)),))
    assert trace.verdict == Redirect("scope.off_topic")
    assert trace.score == 1.0
    assert Trace().score == 0


def test_findings_come_in_order():
    seen = [Finding("a", "1"), Finding("b", "2")]
    trace = Trace(tuple(step(Decision(findings=(finding,))) for finding in seen))
    assert list(trace.findings) == seen


def test_a_fault_without_a_line_is_one_line():
    fault = Fault("p.yaml", 3, 1, "GP101", "unknown key 'x'")
    assert str(fault) == "p.yaml:3:1: error[GP101] unknown key 'x'"
    assert str(PolicyError((fault, fault))).count("\n") == 1
