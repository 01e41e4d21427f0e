"""How good a guard was on labelled rows: recall per kind, false blocks, AUROC, by group."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

MUST_PASS = frozenset({"in_scope", "chitchat"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One judged row: what it was, and what became of it."""

    id: str
    direction: str
    label: str
    kind: str
    lang: str
    policy: str
    verdict: str
    rule: str | None
    score: float
    ms: float

    @property
    def fair(self) -> bool:
        """Whether it must pass."""
        return self.label in MUST_PASS

    @property
    def stopped(self) -> bool:
        """Whether it was not served. A fair request that a person takes is served."""
        if self.verdict == "escalate":
            return not self.fair
        return self.verdict not in ("allow", "rewrite")


def auroc(off: Sequence[float], fair: Sequence[float]) -> float | None:
    """The chance that an off-scope row scores above a fair one; None when a side is empty.

    Mann-Whitney U by mid-ranks (Hanley & McNeil 1982): ties count one half.
    """
    if not off or not fair:
        return None
    marked = sorted([(score, True) for score in off] + [(score, False) for score in fair])
    ranks, start = 0.0, 0
    while start < len(marked):
        end = start
        while end < len(marked) and marked[end][0] == marked[start][0]:
            end += 1
        middle = (start + 1 + end) / 2
        ranks += middle * sum(is_off for _, is_off in marked[start:end])
        start = end
    return (ranks - len(off) * (len(off) + 1) / 2) / (len(off) * len(fair))


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One group's figures; shares are 0..1, None where the group has no such rows."""

    rows: int
    auroc: float | None
    recall: float | None
    false_blocks: float | None


def figures(rows: Iterable[Scored]) -> Figures:
    """The figures of one group of rows."""
    rows = list(rows)
    off = [row for row in rows if not row.fair]
    fair = [row for row in rows if row.fair]
    return Figures(
        rows=len(rows),
        auroc=auroc([row.score for row in off], [row.score for row in fair]),
        recall=_share(off),
        false_blocks=_share(fair),
    )


def _share(rows: Sequence[Scored]) -> float | None:
    """The share of rows that were stopped."""
    return sum(row.stopped for row in rows) / len(rows) if rows else None


def grouped(rows: Iterable[Scored], key: Callable[[Scored], str]) -> dict[str, Figures]:
    """Figures per group, by the group's name."""
    groups: dict[str, list[Scored]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return {name: figures(group) for name, group in sorted(groups.items())}


def macro_auroc(groups: Mapping[str, Figures]) -> float | None:
    """The mean AUROC over groups that have one: a large business does not drown a small one."""
    values = [group.auroc for group in groups.values() if group.auroc is not None]
    return sum(values) / len(values) if values else None


def report(rows: Sequence[Scored]) -> dict[str, dict[str, Figures]]:
    """Section -> group -> figures, for each direction that has rows."""
    sections: dict[str, dict[str, Figures]] = {}
    for direction in ("user", "assistant"):
        part = [row for row in rows if row.direction == direction]
        if not part:
            continue
        sections[direction] = {"all": figures(part)}
        sections[f"{direction} by kind"] = grouped(part, lambda row: row.kind or "-")
        sections[f"{direction} by language"] = grouped(part, lambda row: row.lang or "-")
        sections[f"{direction} by policy"] = grouped(part, lambda row: row.policy)
    return sections


def flat(sections: Mapping[str, Mapping[str, Figures]]) -> dict[str, float]:
    """The figures by the names `--fail-under` takes.

    `auroc`, `recall`, `false_blocks` (of the user side; `assistant.auroc` for answers),
    `auroc.macro` over policies, `recall.KIND` and `false_blocks.KIND`.
    """
    found: dict[str, float] = {}
    for direction in ("user", "assistant"):
        prefix = "" if direction == "user" else "assistant."
        if direction not in sections:
            continue
        groups = {"": sections[direction]["all"]}
        groups |= {f".{kind}": part for kind, part in sections[f"{direction} by kind"].items()}
        for suffix, part in groups.items():
            for name in ("auroc", "recall", "false_blocks"):
                value = getattr(part, name)
                if value is not None:
                    found[f"{prefix}{name}{suffix}"] = value
        macro = macro_auroc(sections[f"{direction} by policy"])
        if macro is not None:
            found[f"{prefix}auroc.macro"] = macro
    return found
