"""Where a policy's own threshold belongs, by the business's own labelled messages.

The scores of fair messages say which threshold refuses the aimed share of them; those of the others
what is missed there. `scope.false_blocks` is the key that moves the threshold, so the answer is a
value for it, found among the values it may have.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from guardproxy.rehearsal.figures import Scored

ENOUGH = 30  # fair messages: with fewer, an aim of a few percent is less than one of them
AIMS = (0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12)  # shares a business may aim at
SHOWN = 5  # messages of a kind: what a person adds to a file at a time
SCOPE = ("scope.", "drift")
Threshold = Callable[[float], float]  # false_blocks (0..1) -> the score from which a text is off


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """One policy's figures.

    `threshold`: now; `wanted`: the score at which `aim` of the fair messages are refused; both
    0..1. `refused`, `missed`: shares now; `would_refuse`, `would_miss`: at `wanted`. `write`: the
    value for `scope.false_blocks` that comes nearest from the safe side, None when none does.
    `add`: fair messages that are refused now; `refuse`: others that are not; the clearest first.
    """

    policy: str
    fair: int
    off: int
    aim: float
    threshold: float
    wanted: float
    refused: float
    missed: float
    would_refuse: float
    would_miss: float
    write: float | None
    add: tuple[str, ...]
    refuse: tuple[str, ...]

    @property
    def enough(self) -> bool:
        """Whether there are fair messages enough for the aim to mean something."""
        return self.fair >= max(ENOUGH, round(1 / self.aim) if self.aim else 0)


def calibrate(
    rows: Sequence[Scored], texts: dict[str, str], *, policy: str, aim: float, threshold: Threshold
) -> Calibration | None:
    """The calibration of one policy on its customers' rows; None without any fair one.

    `texts`: row id -> what was said. What other stages refused is none of the threshold's doing.
    """
    mine = [row for row in rows if row.policy == policy and row.direction == "user"
            and (row.rule is None or row.rule.startswith(SCOPE))]  # fmt: skip
    fair = sorted((row for row in mine if row.fair), key=lambda row: -row.score)
    off = sorted((row for row in mine if not row.fair), key=lambda row: row.score)
    if not fair:
        return None
    now, wanted = threshold(aim), score_for(fair, aim)
    fits = [share for share in AIMS if threshold(share) >= wanted]
    return Calibration(
        policy=policy, fair=len(fair), off=len(off), aim=aim, threshold=now, wanted=wanted,
        refused=_over(fair, now), missed=1 - _over(off, now) if off else 0.0,
        would_refuse=_over(fair, wanted), would_miss=1 - _over(off, wanted) if off else 0.0,
        write=max(fits, default=None),
        add=tuple(texts[row.id] for row in fair if row.score >= now)[:SHOWN],
        refuse=tuple(texts[row.id] for row in off if row.score < now)[:SHOWN],
    )  # fmt: skip


def score_for(fair: Sequence[Scored], aim: float) -> float:
    """The least threshold that refuses no more than `aim` of fair messages, clearest first."""
    allowed = int(aim * len(fair))
    return min(1.0, fair[allowed].score + 1e-6) if allowed < len(fair) else 0.0


def _over(rows: Sequence[Scored], threshold: float) -> float:
    """The share of rows from a threshold on."""
    return sum(row.score >= threshold for row in rows) / len(rows)
