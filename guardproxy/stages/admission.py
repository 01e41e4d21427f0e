"""May this customer speak now, and can what was sent be read at all?"""

from dataclasses import dataclass
from typing import Protocol

from guardproxy.core.finding import Check, Failed, Finding
from guardproxy.core.ledger import Limit
from guardproxy.core.message import Memory, Turn
from guardproxy.core.trace import Decision
from guardproxy.core.verdict import Allow, Drop, Escalate, Redirect, Throttle, Verdict
from guardproxy.policy.compiled import Policy


class OptListener(Protocol):
    """Hears customers leave and come back."""

    def opts_out(self, text: str) -> bool:
        """STOP and its like, as the whole message."""

    def opts_in(self, text: str) -> bool:
        """START and its like, as the whole message."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the store remembers, and what the message says of staying or leaving."""

    memory: Memory
    leaves: bool
    returns: bool


class Admission:
    """Opt-outs, limits, length, and kinds of message that cannot be read."""

    name = "admission"

    def __init__(self, policy: Policy, listener: OptListener) -> None:
        """Limits by id, for what each does when it is over."""
        self._policy = policy
        self._listener = listener
        self._limits = {limit.id: limit for limit in policy.limits}

    async def gather(self, turn: Turn) -> Arrival | Failed:
        """What is remembered was fetched in the one round trip before the walk."""
        if isinstance(turn.memory, Failed):
            return turn.memory
        text = turn.text
        return Arrival(turn.memory, self._listener.opts_out(text), self._listener.opts_in(text))

    def decide(self, evidence: Arrival, turn: Turn) -> Decision:
        """The first reason not to go on."""
        if evidence.memory.duplicate:
            return Decision(verdict=Drop("duplicate"), check=Check.HIT)
        if evidence.leaves:
            return Decision(verdict=Drop("opt_out.stop"), check=Check.HIT)
        if evidence.memory.opted_out and not evidence.returns:
            return Decision(verdict=Drop("opt_out.silent"), check=Check.HIT)
        return self._over(evidence.memory) or self._unreadable(turn) or Decision()

    def _over(self, memory: Memory) -> Decision | None:
        """The limit that is over, if any; a limit in shadow only when no other is."""
        over = [count for count in memory.counts if count.over and count.limit in self._limits]
        over.sort(key=lambda count: self._limits[count.limit].shadow)
        if not over:
            return None
        limit, count = self._limits[over[0].limit], over[0]
        finding = Finding("limits", limit.id, quote=f"{count.used} of {limit.max}")
        return Decision(
            verdict=_beyond(limit, count.reset_in),
            check=Check.HIT,
            findings=(finding,),
            shadow=limit.shadow,
        )

    def _unreadable(self, turn: Turn) -> Decision | None:
        """Too long to read, or a kind without any text to read."""
        most = self._policy.input.max_chars
        if len(turn.text) > most:
            finding = Finding("size", "max_chars", quote=f"{len(turn.text)} of {most}")
            return Decision(
                verdict=Redirect("input.max_chars"), check=Check.HIT, findings=(finding,)
            )
        for message in turn.messages:
            if message.text or message.kind in ("text", "tool"):
                continue
            verdict = self._by_kind(message.kind)
            if not isinstance(verdict, Allow) or verdict.rule is not None:
                return Decision(verdict=verdict, check=Check.HIT)
        return None

    def _by_kind(self, kind: str) -> Verdict:
        """What the policy says of a kind of message that carries no text."""
        rule = f"input.unscannable.{kind}"
        table: dict[str, Verdict] = {
            "allow": Allow(),
            "redirect": Redirect(rule),
            "escalate": Escalate(rule),
        }
        return table[self._policy.input.unscannable.get(kind, "redirect")]


def _beyond(limit: Limit, reset_in: float) -> Verdict:
    """What a limit does with a message over it. `reset_in` in seconds."""
    rule = f"limits.{limit.id}"
    if limit.then == "escalate":
        return Escalate(rule, to=limit.to)
    if limit.then == "redirect":
        return Redirect(rule)
    if limit.then == "drop":
        return Drop(rule)
    return Throttle(rule, retry_after=reset_in)
