"""Which stage said what about a text: the steps of a judgement as lines a person can read."""

from collections.abc import Iterator

from guardproxy.core.trace import Step
from guardproxy.pipeline.guard import Guard
from guardproxy.pipeline.judge import Judged
from guardproxy.stages.scope import ScopeReading


def explained(judged: Judged, reading: ScopeReading | None, guard: Guard) -> Iterator[str]:
    """The lines of an explanation: verdict, where its rule stands, steps, nearest examples."""
    policy, rule = guard.policy, judged.verdict.rule
    place = f" ({policy.path}:{line_of(rule, guard)})" if rule else ""
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


def line_of(rule: str, guard: Guard) -> int:
    """The line of the policy file a rule id stands on: its own, or the nearest key above it."""
    parts = rule.split(".")
    for length in range(len(parts), 0, -1):
        line = guard.policy.lines.get(".".join(parts[:length]))
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
