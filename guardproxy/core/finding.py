"""What a look at a message found, and what it means when there was no look."""

from dataclasses import dataclass
from enum import StrEnum


class Check(StrEnum):
    """How one check ended. "Could not look" is never "clean"."""

    PASS = "pass"  # noqa: S105  looked, found nothing
    HIT = "hit"
    FAIL_OPEN = "fail_open"  # could not look, let through because the policy says so
    FAIL_CLOSED = "fail_closed"  # could not look, held back
    NOT_RUN = "not_run"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a detector saw: `score` 0..1, `quote` the few words it was seen in."""

    detector: str
    code: str
    score: float = 1.0
    quote: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """Evidence that is missing: `detector` could not look, and why."""

    detector: str
    why: str
