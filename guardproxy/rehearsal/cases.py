"""Runs the `tests:` of a policy, and says which of its parts no test has tried."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from guardproxy.core.message import Line, Role
from guardproxy.pipeline.guard import Guard
from guardproxy.pipeline.judge import Case, Judged, judge
from guardproxy.pipeline.record import topic_of
from guardproxy.policy.cases import TestCase, load_cases


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How one test ended; `problem` "" is a pass. `tried`: parts of the policy it touched."""

    path: str
    line: int
    said: str
    problem: str
    tried: frozenset[str]
    todo: str | None = None


async def run_cases(guard: Guard, now: float) -> tuple[Result, ...]:
    """Every test of a policy's file. `now`: seconds since 1970."""
    path = guard.policy.path
    return tuple([await _run(test, guard, path, now) for test in load_cases(Path(path))])


async def _run(test: TestCase, guard: Guard, path: str, now: float) -> Result:
    """One test: each of its messages in turn, with those before it as context."""
    context: list[Line] = []
    problems, tried = [], set[str]()
    if test.bot and test.say:  # the question that the answer is given to
        context.append(Line(Role.USER, test.say))
    lines = list(test.chat) or [test.bot or test.say or ""]
    direction: Literal["user", "assistant"] = "assistant" if test.bot else "user"
    expected = test.expect if len(test.expect) == len(lines) else test.expect * len(lines)
    judged: Judged | None = None
    for number, (text, wanted) in enumerate(zip(lines, expected, strict=False)):
        case = Case(
            id=f"{test.line}.{number}", direction=direction, text=text, context=tuple(context),
            now=now,
        )  # fmt: skip
        judged = await judge(case, guard)
        context.append(Line(Role.ASSISTANT if test.bot else Role.USER, text))
        tried |= _touched(judged)
        if judged.verdict.name != wanted:
            problems.append(
                f"{text!r}: expected {wanted}, got {judged.verdict.name} "
                f"({judged.verdict.rule or 'no rule'}, score {judged.score:.2f})"
            )
    if judged is not None:
        problems += _details(test, judged)
    return Result(
        path=path, line=test.line, said=lines[-1], problem="; ".join(problems),
        tried=frozenset(tried), todo=test.todo,
    )  # fmt: skip


def _details(test: TestCase, judged: Judged) -> Iterable[str]:
    """What a test says beside the verdict."""
    if test.rule and judged.verdict.rule != test.rule:
        yield f"expected rule {test.rule}, got {judged.verdict.rule}"
    topic = topic_of(judged.trace.findings)
    if test.topic and topic != test.topic:
        yield f"expected topic {test.topic}, got {topic}"


def _touched(judged: Judged) -> set[str]:
    """The parts of a policy a judgement went through."""
    topic = topic_of(judged.trace.findings)
    found = {f"topic {topic}"} if topic else set()
    rule = judged.verdict.rule or ""
    if rule.startswith("rules."):
        found.add(f"rule {rule.removeprefix('rules.')}")
    if rule.startswith("scope.refuse."):
        found.add(f"refuse {rule.removeprefix('scope.refuse.')}")
    if rule.startswith("scope.topics."):
        found.add(f"topic {rule.removeprefix('scope.topics.')}")
    return found


def untried(guard: Guard, results: Sequence[Result]) -> tuple[tuple[str, ...], float]:
    """The parts no test has touched, and the share of those that were."""
    policy = guard.policy
    parts = {f"topic {topic.key}" for topic in policy.topics}
    parts |= {f"refuse {refusal.key}" for refusal in policy.refuse}
    parts |= {f"rule {rule.id}" for rule in policy.rules}
    tried = frozenset().union(*(result.tried for result in results))
    missing = tuple(sorted(parts - tried))
    return missing, 1 - len(missing) / len(parts) if parts else 1.0
