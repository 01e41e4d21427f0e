"""What a bot was allowed to do and did, for a period: the entries of an evidence file."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from guardproxy.pipeline.guard import Guard
from guardproxy.policy.cases import load_cases
from guardproxy.policy.compiled import Policy
from guardproxy.rehearsal.cases import Result
from guardproxy.rehearsal.exemptions import in_force
from guardproxy.rehearsal.records import Recorded

Entry = tuple[str, Any]
SAYS = (
    "This file shows what the bot was allowed to do and what it did. It lowers the risk of "
    "breaking WhatsApp's rule on general-purpose assistants; it cannot promise Meta's view."
)
ALL_KINDS = dict.fromkeys(("card", "iban", "email", "phone", "id_number"), "mask")
SAMPLES = ("redirect", "escalate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From `start` up to before `end`, seconds since 1970; `made`: when it was written."""

    start: float
    end: float
    made: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One policy: its guard, how its tests ended, and who changed its file, if that is known."""

    guard: Guard
    tests: tuple[Result, ...] = ()
    changes: tuple[str, ...] = ()


def entries(
    rows: Sequence[Recorded], subjects: Mapping[str, Subject], period: Period, *,
    samples: int = 5, more: Sequence[Entry] = (),
) -> Iterator[Entry]:  # fmt: skip
    """The entries in order: what it is, scopes, figures, samples, then every decision.

    `more`: what the caller knows beside the records: eval results, who reads customers' words.
    """
    yield "about", {"says": SAYS, **asdict(period), "decisions": len(rows)}
    yield "exemptions", in_force(period.start, period.end)
    yield from more
    for name, subject in subjects.items():
        mine = [row for row in rows if row.business == name]
        yield "scope", scope_of(subject) | {"revisions": revisions(mine)}
        yield "figures", {"policy": name} | figures(mine, subject.guard.policy)
    for verdict in SAMPLES:
        for row in _spread([row for row in rows if row.verdict == verdict and row.text], samples):
            masked = subjects[row.business].guard if row.business in subjects else None
            yield "sample", _decision(row) | {"text": _redacted(row.text, masked)}
    for row in rows:
        yield "decision", _decision(row)


def scope_of(subject: Subject) -> dict[str, Any]:
    """What a policy allows, its ways to a person, and how its tests ended."""
    policy = subject.guard.policy
    passed = {result.line for result in subject.tests if not result.problem}
    asked = [case.line for case in load_cases(Path(policy.path)) if "escalate" in case.expect]
    return {
        "policy": policy.name,
        "rev": policy.rev,
        "business": {"name": policy.business.name, "does": policy.business.does},
        "topics": [{"about": t.about, "purpose": t.purpose} for t in policy.topics],
        "refused": [refusal.about for refusal in policy.refuse],
        "off_topic": policy.off_topic,
        "mode": "shadow" if policy.shadow else "enforce",
        "limits": [f"{li.max} {li.of} in {li.seconds:g} s per {li.per}" for li in policy.limits],
        "ways_to_a_person": [
            {"kind": channel.kind, "to": channel.to}
            for channel in policy.escalation.channels.values()
        ],
        "disclosure": policy.disclosure_first_turn,
        "tests": {
            "run": len(subject.tests),
            "passed": len(passed),
            "of_escalation": len(asked),
            "of_escalation_passed": sum(line in passed for line in asked),
        },
        "changes": list(subject.changes),
    }


def revisions(rows: Sequence[Recorded]) -> list[dict[str, Any]]:
    """Which revisions decided, from when to when, how many turns."""
    seen: dict[str, list[float]] = {}
    for row in rows:
        seen.setdefault(row.policy, []).append(row.at)
    return [
        {"policy": ref, "first": min(times), "last": max(times), "turns": len(times)}
        for ref, times in sorted(seen.items(), key=lambda pair: min(pair[1]))
    ]


def figures(rows: Sequence[Recorded], policy: Policy) -> dict[str, Any]:
    """Decisions by verdict and by rule, and the share of permitted purposes among answers."""
    purpose = {topic.key: topic.purpose for topic in policy.topics}
    served = [row for row in rows if row.verdict in ("allow", "rewrite")]
    by = Counter(purpose[row.topic] for row in served if row.topic in purpose)
    total = sum(by.values())
    return {
        "turns": len(rows),
        "verdicts": dict(sorted(Counter(row.verdict for row in rows).items())),
        "rules": dict(Counter(row.rule or "-" for row in rows).most_common()),
        "purposes": {name: round(count / total, 4) for name, count in by.most_common()},
        "without_topic": len(served) - total,
        "opt_outs": sum(row.rule == "opt_out.stop" for row in rows),
        "silent_after_opt_out": sum(row.rule == "opt_out.silent" for row in rows),
    }


def _decision(row: Recorded) -> dict[str, Any]:
    """One decision without its words."""
    return {
        "id": row.id, "at": row.at, "policy": row.policy, "person": row.person,
        "verdict": row.verdict, "rule": row.rule, "topic": row.topic, "language": row.language,
    }  # fmt: skip


def _spread(rows: Sequence[Recorded], count: int) -> Sequence[Recorded]:
    """Some of the rows, evenly over the period."""
    if len(rows) <= count:
        return rows
    return [rows[index * len(rows) // count] for index in range(count)]


def _redacted(text: str, guard: Guard | None) -> str:
    """A sample's words without any number of a person; none where nobody can mask them."""
    if guard is None:
        return ""
    mask: Callable[[str, Mapping[str, str]], tuple[str, Any]] = guard.readers.patterns.mask
    return mask(text, ALL_KINDS)[0][:300]
