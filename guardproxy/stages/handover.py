"""Is a person asked for, due, or already talking?

A request for a person is read before everything else and always escalates: no model, limit or
score is asked first.
"""

from dataclasses import dataclass
from typing import Protocol

from guardproxy.core.finding import Check, Finding
from guardproxy.core.message import Role, Turn
from guardproxy.core.phases import Phase
from guardproxy.core.trace import Decision
from guardproxy.core.verdict import Drop, Escalate
from guardproxy.policy.compiled import Policy


class Listener(Protocol):
    """Hears what customers say about persons, in every language guardproxy knows."""

    def wants_person(self, text: str) -> Finding | None:
        """A request for a person."""

    def affirms(self, text: str) -> bool:
        """A plain yes."""

    def offers_person(self, answer: str) -> bool:
        """The bot's own "shall I connect you?"."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard: a request, or a yes to an offer of the channel `accepted`."""

    asked: Finding | None
    accepted: str | None


class Handover:
    """Sends a customer who wants a person to one, and keeps the bot out of a person's talk."""

    name = "handover"

    def __init__(self, policy: Policy, listener: Listener) -> None:
        """`listener` knows the policy's own `ask_words` too."""
        self._policy = policy
        self._listener = listener

    async def gather(self, turn: Turn) -> Heard:
        """Listen to the new text."""
        return self.hear(turn)

    def hear(self, turn: Turn) -> Heard:
        """Listen without waiting: admission needs to know it before the store is asked."""
        text = turn.text
        asked = self._listener.wants_person(text)
        offered = self._offered(turn)
        accepted = offered if offered and self._listener.affirms(text) else None
        return Heard(asked, accepted)

    def _offered(self, turn: Turn) -> str | None:
        """The channel the bot's last words offered: remembered, or read in the context."""
        if turn.recalled.offered in self._policy.escalation.channels:
            return turn.recalled.offered
        if turn.context and turn.context[-1].role is Role.ASSISTANT:
            last = turn.context[-1].text
            if self._listener.offers_person(last):
                return self._policy.escalation.default
        return None

    def decide(self, evidence: Heard, turn: Turn) -> Decision:
        """Escalate what asks for a person; stay silent while one is due or talking."""
        if evidence.asked is not None:
            verdict = Escalate("escalation.ask")
            return Decision(verdict=verdict, check=Check.HIT, findings=(evidence.asked,), score=0.0)
        if evidence.accepted is not None:
            verdict = Escalate("escalation.offer", to=evidence.accepted)
            return Decision(verdict=verdict, check=Check.HIT, score=0.0)
        if turn.recalled.phase is not Phase.BOT:
            return Decision(verdict=Drop("escalation.paused"), check=Check.HIT)
        return Decision()
