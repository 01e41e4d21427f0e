"""Did the conversation, or the answer, leave the business?"""

from typing import Protocol

from guardproxy.core.finding import Check, Finding
from guardproxy.core.message import Turn
from guardproxy.core.trace import Decision
from guardproxy.core.verdict import Allow, Escalate, Redirect, Verdict
from guardproxy.policy.compiled import Policy
from guardproxy.stages.scope import Asked, Scope, ScopeReading


class Drift:
    """Counts off-scope turns of a conversation; the fair turn in between is never stopped."""

    name = "drift"

    def __init__(self, policy: Policy, scope: Scope, high: float) -> None:
        """Reads what `scope` reads (its reading is kept, so nothing is computed twice)."""
        self._drift = policy.drift
        self._scope = scope
        self._high = high

    async def gather(self, turn: Turn) -> Asked:
        """The same reading the scope stage decides on."""
        return await self._scope.gather(turn)

    def decide(self, evidence: Asked, turn: Turn) -> Decision:
        """Off scope once more, and often enough of late."""
        off = evidence.reading is not None and evidence.reading.score >= self._high
        count = turn.recalled.off_topic + 1
        if not off or evidence.reading is None or count < self._drift.off_topic:
            return Decision()
        verdict: Verdict = Redirect("drift")
        if self._drift.then == "escalate":
            verdict = Escalate("drift")
        finding = Finding("drift", "off_topic_turns", evidence.reading.score, str(count))
        return Decision(
            verdict=verdict,
            check=Check.HIT,
            findings=(finding,),
            score=evidence.reading.score,
            shadow=self._drift.shadow,
        )


class AnswerReader(Protocol):
    """Reads what the model answered, for one policy."""

    @property
    def answer_high(self) -> float:
        """From this score on an answer has left the business."""

    async def answer(self, turn: Turn) -> ScopeReading:
        """One reading of the answer, with the question as context."""


class AnswerDrift:
    """The second, independent look: what would leave is read, whatever was asked."""

    name = "answer"

    def __init__(self, policy: Policy, reader: AnswerReader) -> None:
        """`output.off_topic` says what a drifted answer leads to."""
        self._reader = reader
        self._shadow = policy.output.shadow
        table: dict[str, Verdict] = {
            "allow": Allow(),  # noted, and its form is looked at all the same
            "redirect": Redirect("output.off_topic"),
            "escalate": Escalate("output.off_topic"),
        }
        self._verdict = table[policy.output.off_topic]

    async def gather(self, turn: Turn) -> ScopeReading | None:
        """Read the answer; an empty one has nothing to read."""
        return await self._reader.answer(turn) if turn.answer and turn.answer.strip() else None

    def decide(self, evidence: ScopeReading | None, turn: Turn) -> Decision:  # noqa: ARG002
        """Off at or over the threshold."""
        if evidence is None:
            return Decision()
        if evidence.score < self._reader.answer_high:
            return Decision(score=evidence.score)
        finding = Finding("answer", evidence.archetype or "off_topic", evidence.score)
        return Decision(
            verdict=self._verdict,
            check=Check.HIT,
            findings=(finding,),
            score=evidence.score,
            shadow=self._shadow,
        )
