"""Which stage said what about a text: the steps of a judgement as lines a person can read."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from guardproxy.core.trace import Step
from guardproxy.pipeline.guard import Guard
from guardproxy.pipeline.judge import Judged
from guardproxy.policy.compiled import Policy
from guardproxy.stages.scope import ScopeReading


def explained(judged: Judged, reading: ScopeReading | None, guard: Guard) -> Iterator[str]:
    """The lines of an explanation: verdict, where its rule stands, steps, nearest examples."""
    policy, rule = guard.policy, judged.verdict.rule
    place = f" ({policy.path}:{line_of(rule, policy)})" if rule else ""
    yield f"{judged.verdict.name}  rule {rule or '-'}{place}  score {judged.score:.3f}"
    scope = guard.readers.scope
    yield f"thresholds  in scope below {scope.low:.3f}, off scope from {scope.high:.3f}"
    for step in judged.trace.steps:
        yield _step(step)
    if reading is not None:
        yield from _reading(reading)
    if reading is not None and judged.turn.answer is None:
        yield from _otherwise(reading, guard)
    if judged.reply:
        yield f"reply  {judged.reply}"


def recalled(record: Mapping[str, Any], place: str) -> Iterator[str]:
    """The lines of a recorded decision; `place`: where its rule stands."""
    rule, at = record.get("rule"), datetime.fromtimestamp(float(record.get("at", 0)), UTC)
    yield f"{record.get('policy')}  {at:%Y-%m-%d %H:%M:%S} UTC  {record.get('surface')}"
    where = f" ({place})" if rule else ""
    score = float(record.get("score", 0))
    yield f"{record.get('verdict')}  rule {rule or '-'}{where}  score {score:.3f}"
    for step in record.get("steps", ()):
        scored = "" if step.get("score") is None else f"  score {step['score']:.3f}"
        shadow = "  (shadow)" if step.get("shadow") else ""
        found = ", ".join([*step.get("findings", ()), *step.get("why", ())])
        line = f"  {step['stage']:<10} {step['check']:<11}{scored}  {step['ms']:.1f} ms{shadow}"
        yield f"{line}  {found}".rstrip()
    rival = record.get("trial")
    if rival:
        yield f"on trial  {rival['policy']}  {rival['verdict']}  rule {rival['rule'] or '-'}"
    yield f"text  {record.get('text') or '(not kept)'}"


def _otherwise(reading: ScopeReading, guard: Guard) -> Iterator[str]:
    """What would change the scope verdict."""
    scope = guard.readers.scope
    share = scope.false_blocks(reading.score)
    if reading.refuse:
        yield f"  to let it pass   remove or narrow scope.refuse.{reading.refuse}"
    elif reading.score >= scope.high:
        clause = max(reading.clauses, key=lambda c: c[1])[0] if reading.clauses else ""
        if clause:
            yield f"  it is the clause {clause!r}"
        yield (f"  to let it pass   name it among the examples of a topic, or set "
               f"scope.false_blocks below {share:.2%}")  # fmt: skip
    else:
        yield (f"  to refuse it     name it in scope.refuse, or set scope.false_blocks to "
               f"{min(share, 1):.0%} or more")  # fmt: skip


def line_of(rule: str, policy: Policy) -> int:
    """The line of the policy file a rule id stands on: its own, or the nearest key above it."""
    parts = rule.split(".")
    for length in range(len(parts), 0, -1):
        line = policy.lines.get(".".join(parts[:length]))
        if line is not None:
            return line
    return 1


def _step(step: Step) -> str:
    """One stage in one line."""
    decision = step.decision
    score = "" if decision.score is None else f"  score {decision.score:.3f}"
    quotes = ", ".join(
        f"{f.detector}.{f.code}" + (f" {f.quote!r}" if f.quote else "") for f in decision.findings
    )
    shadow = "  (shadow)" if decision.shadow else ""
    took = f"{step.took * 1000:.1f} ms"
    return (
        f"  {step.stage:<10} {decision.check.value:<11}{score}  {took}{shadow}  {quotes}".rstrip()
    )


def _reading(reading: ScopeReading) -> Iterator[str]:
    """What the scope model compared the text with."""
    if reading.topic:
        yield f"  nearest topic    {reading.topic}"
    for line, similarity in reading.nearest[:3]:  # three show the neighbourhood
        yield f"  nearest example  {similarity:.2f}  {line!r}"
    if reading.archetype:
        yield f"  resembles        {reading.archetype} (a kind of general request)"
    for clause, score in reading.clauses:
        yield f"  clause           {score:.2f}  {clause!r}"
