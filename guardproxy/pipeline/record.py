"""The decision record: one flat, JSON-able account of a turn, read by logs, metrics, reports."""

from functools import lru_cache
from typing import Any

from guardproxy.core.finding import Finding
from guardproxy.core.message import Turn
from guardproxy.core.trace import Step, Trace
from guardproxy.core.verdict import Verdict
from guardproxy.policy.compiled import Policy


def record_of(
    turn: Turn, policy: Policy, verdict: Verdict, trace: Trace, *, language: str, overhead: float
) -> dict[str, Any]:
    """What was decided about a turn, by which steps. No message text, no number: see `text_of`."""
    score, topic, steps = _account(trace.steps)
    return {
        "id": turn.id,
        "at": turn.now,
        "policy": policy.ref,
        "business": turn.business,
        "surface": turn.surface,
        "conversation": turn.conversation,
        "person": turn.person,
        "caller": turn.caller,
        "request": turn.request,
        "verdict": verdict.name,
        "rule": verdict.rule,
        "score": score,
        "topic": topic,
        "language": language,
        "kinds": sorted({message.kind for message in turn.messages}),
        "overhead_ms": round(overhead * 1000, 3),
        "steps": steps,
    }


@lru_cache(maxsize=2048)  # turns that are judged alike share their steps
def _account(steps: tuple[Step, ...]) -> tuple[float, str | None, list[dict[str, Any]]]:
    """What steps come to: the score, the topic, each step told. Shared, so never changed."""
    trace = Trace(steps)
    return round(trace.score, 4), topic_of(trace.findings), [step_of(step) for step in steps]


def step_of(step: Step) -> dict[str, Any]:
    """One step of a trace; quotes of the customer's words stay out."""
    decision = step.decision
    return {
        "stage": step.stage,
        "check": decision.check.value,
        "verdict": decision.verdict.name,
        "rule": decision.verdict.rule,
        "score": None if decision.score is None else round(decision.score, 4),
        "shadow": decision.shadow,
        "ms": round(step.took * 1000, 3),
        "findings": [f"{finding.detector}.{finding.code}" for finding in decision.findings],
        "why": [f.quote for f in decision.findings if f.code == "failed"],
    }


def detail_of(step: Step) -> dict[str, Any]:
    """One step with its findings whole, quotes included: for whoever sent the text."""
    return step_of(step) | {"findings": [found(finding) for finding in step.decision.findings]}


def found(finding: Finding) -> dict[str, Any]:
    """One finding."""
    return {
        "detector": finding.detector,
        "code": finding.code,
        "score": round(finding.score, 4),
        "quote": finding.quote,
    }


def topic_of(findings: tuple[Finding, ...]) -> str | None:
    """The key of the topic a scope finding names."""
    codes = (finding.code for finding in findings if finding.detector == "scope")
    return next((code.removeprefix("topic.") for code in codes if code.startswith("topic.")), None)
