"""What happened to a turn, step by step: the one record that logs, headers and reports read."""

from dataclasses import dataclass

from guardproxy.core.finding import Check, Finding
from guardproxy.core.verdict import Allow, Verdict

PLAIN = Allow()  # nothing to say


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What one stage made of its evidence. `score` 0..1, higher is more off scope, None: no score.

    A `shadow` decision is recorded and not obeyed.
    """

    verdict: Verdict = PLAIN
    check: Check = Check.PASS
    findings: tuple[Finding, ...] = ()
    score: float | None = None
    shadow: bool = False

    @property
    def ends(self) -> bool:
        """Whether a walk stops here: something was decided, and not only in shadow."""
        plain = isinstance(self.verdict, Allow) and self.verdict.rule is None
        return not plain and not self.shadow


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Step:
    """One stage's part in a turn; `took` in seconds. It happened once, and equals itself alone."""

    stage: str
    decision: Decision
    took: float


@dataclass(frozen=True, slots=True)
class Trace:
    """The steps of a walk in order."""

    steps: tuple[Step, ...] = ()

    def __add__(self, other: "Trace") -> "Trace":
        """One walk after the other."""
        return Trace(self.steps + other.steps)

    @property
    def verdict(self) -> Verdict:
        """What the first step that ended the walk decided; a plain allow when none did."""
        for step in self.steps:
            if step.decision.ends:
                return step.decision.verdict
        return Allow()

    @property
    def score(self) -> float:
        """The highest score any stage gave, 0 when none did."""
        return max(
            (s.decision.score for s in self.steps if s.decision.score is not None), default=0
        )

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything that was seen, in order."""
        return tuple(finding for step in self.steps for finding in step.decision.findings)
