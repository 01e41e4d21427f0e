"""Is this an attempt to take over the prompt?"""

import asyncio
from typing import Protocol

from guardproxy.core.finding import Check, Finding
from guardproxy.core.message import Turn
from guardproxy.core.trace import Decision
from guardproxy.core.verdict import Allow, Escalate, Redirect, Verdict
from guardproxy.policy.compiled import Policy

INLINE = 10_000  # characters: some 10 ms; a longer look would hold up other turns


class InjectionReader(Protocol):
    """Finds the wordings of take-over attempts, disguised ones too."""

    def injection(self, text: str) -> tuple[Finding, ...]:
        """What was found, strongest first."""


class Injection:
    """Looks for "ignore your instructions" in its many forms."""

    name = "injection"

    def __init__(self, policy: Policy, reader: InjectionReader) -> None:
        """`input.injection` says what an attempt leads to."""
        self._reader = reader
        self._shadow = policy.input.injection_shadow
        table: dict[str, Verdict] = {
            "allow": Allow(),
            "redirect": Redirect("input.injection"),
            "escalate": Escalate("input.injection"),
        }
        self._verdict = table[policy.input.injection]

    async def gather(self, turn: Turn) -> tuple[Finding, ...]:
        """Read everything new, tool results included: they can carry an attempt too."""
        text = turn.carried
        if len(text) > INLINE:
            return await asyncio.to_thread(self._reader.injection, text)
        return self._reader.injection(text)

    def decide(self, evidence: tuple[Finding, ...], turn: Turn) -> Decision:  # noqa: ARG002
        """Any finding is a hit."""
        if not evidence:
            return Decision()
        return Decision(
            verdict=self._verdict,
            check=Check.HIT,
            findings=evidence,
            score=max(finding.score for finding in evidence),
            shadow=self._shadow,
        )
