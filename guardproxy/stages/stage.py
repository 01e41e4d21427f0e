"""What a stage is: one question, asked of a turn by two functions side by side.

Rule 1: `gather` may wait; it returns evidence and decides nothing.
Rule 2: `decide` never waits and reads no clock; the same evidence gives the same decision.
Rule 3: a stage that could not look returns `Failed` (or raises); what that means is the policy's
        word (`on_failure`), said in one place: the walk.
"""

from typing import Any, Literal, Protocol

from guardproxy.core.finding import Failed
from guardproxy.core.message import Turn
from guardproxy.core.trace import Decision


class Stage(Protocol):
    """One question about a turn. `E` of gather and decide are the same type, private to a stage."""

    @property
    def name(self) -> str:
        """The stage's word in traces and metrics."""

    async def gather(self, turn: Turn) -> Any | Failed:
        """The evidence, or Failed when there was no look."""

    def decide(self, evidence: Any, turn: Turn) -> Decision:
        """What the evidence means."""


Side = Literal["question", "answer"]
