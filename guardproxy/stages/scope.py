"""Is this about the business?"""

from dataclasses import dataclass
from typing import Protocol

from guardproxy.core.finding import Check, Finding
from guardproxy.core.message import TAPPED, Turn
from guardproxy.core.trace import Decision
from guardproxy.core.verdict import Allow, Escalate, Redirect, Verdict
from guardproxy.policy.compiled import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeReading:
    """What the scope model made of a text. Scores are calibrated: the probability, 0..1, that the
    text is off scope and must not be served.
    """

    score: float
    topic: str | None = None  # key of the nearest topic
    refuse: str | None = None  # key of the nearest `scope.refuse` entry, when that is what it is
    archetype: str | None = None  # the kind of general request it resembles most, if any
    nearest: tuple[tuple[str, float], ...] = ()  # the policy's own lines, similarity
    clauses: tuple[tuple[str, float], ...] = ()  # parts of the text, score of each
    mixed: bool = False  # a fair part and an off-scope rider


class QuestionReader(Protocol):
    """Reads what a customer wrote, for one policy."""

    @property
    def low(self) -> float:
        """Below this score a text is in scope."""

    @property
    def high(self) -> float:
        """From this score on a text is off scope; between the two it is unsure."""

    def false_blocks(self, score: float) -> float:
        """The `scope.false_blocks` from which on this score is off scope."""

    async def question(self, turn: Turn) -> ScopeReading:
        """One reading of everything new in the turn."""


class AlwaysFair(Protocol):
    """Hears what is fair for every business."""

    def asks_if_bot(self, text: str) -> bool:
        """Whether the customer asks what they are talking to: that is answered, truthfully."""

    def smalltalk(self, text: str) -> bool:
        """Greetings, thanks, goodbyes, as the whole message."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the customer asked: a reading, or the reason why none was needed."""

    reading: ScopeReading | None
    fair: str = ""  # tapped | bot_question | smalltalk | wordless


class Scope:
    """Three answers, by two thresholds: in, off, unsure."""

    name = "scope"

    def __init__(self, policy: Policy, reader: QuestionReader, always: AlwaysFair) -> None:
        """The verdict of each kind of off-scope text is looked up, not worked out."""
        self._policy = policy
        self._reader = reader
        self._always = always
        self._refuse = {refusal.key: refusal for refusal in policy.refuse}

    async def gather(self, turn: Turn) -> Asked:
        """Ask the model, unless the message is fair whatever it says."""
        customer = [message for message in turn.messages if message.kind != "tool"]
        if not any(message.text for message in customer):
            return Asked(None, "wordless")  # tool results, and media that admission let through
        if all(message.kind in TAPPED for message in customer):
            return Asked(None, "tapped")
        if self._always.asks_if_bot(turn.text):
            return Asked(None, "bot_question")
        if self._policy.smalltalk == "allow" and self._always.smalltalk(turn.text):
            return Asked(None, "smalltalk")
        return Asked(await self._reader.question(turn))

    def decide(self, evidence: Asked, turn: Turn) -> Decision:
        """Off at or over the high threshold, unsure between the two, else in scope."""
        reading = evidence.reading
        if reading is None:
            return Decision(findings=(Finding("scope", f"fair.{evidence.fair}", 0.0),), score=0.0)
        if reading.score >= self._reader.high:
            return self._off(reading)
        if self._follows_refusal(reading, turn):
            finding = Finding("scope", "follows_refusal", reading.score)
            return Decision(
                verdict=Redirect(turn.recalled.last_rule or "scope.off_topic"),
                check=Check.HIT,
                findings=(finding,),
                score=max(reading.score, self._reader.high),
                shadow=self._policy.off_topic_shadow,
            )
        if reading.score >= self._reader.low:
            return self._unsure(reading)
        return self._topic(reading)

    def _off(self, reading: ScopeReading) -> Decision:
        """Refused by the entry of `scope.refuse` it matches, else as off topic."""
        refusal = self._refuse.get(reading.refuse or "")
        shadow = self._policy.off_topic_shadow
        if refusal is not None:
            rule, shadow = f"scope.refuse.{refusal.key}", refusal.shadow
            verdict = _verdict(refusal.then, rule, refusal.to)
        elif reading.mixed and self._policy.mixed == "answer_fair_part":
            verdict = Allow("scope.mixed")
        else:
            verdict = _verdict(self._policy.off_topic, "scope.off_topic", None)
        code = reading.archetype or ("mixed" if reading.mixed else "off_topic")
        return Decision(
            verdict=verdict,
            check=Check.HIT,
            findings=(Finding("scope", code, reading.score, _worst(reading)),),
            score=reading.score,
            shadow=shadow,
        )

    def _follows_refusal(self, reading: ScopeReading, turn: Turn) -> bool:
        """After a refused turn, "make it shorter": short, and nothing of the business in it."""
        refused = turn.recalled.last_verdict == "redirect"
        on_scope = turn.recalled.last_rule.startswith(("scope.", "drift"))
        short = len(turn.text.split()) <= 8
        return refused and on_scope and short and reading.score >= self._reader.low

    def _unsure(self, reading: ScopeReading) -> Decision:
        """In doubt the policy decides; with no judge, doubt goes on and is counted."""
        table: dict[str, Verdict] = {
            "judge": Allow(),
            "allow": Allow(),
            "redirect": Redirect("scope.unsure"),
            "clarify": Redirect("scope.unsure"),
        }
        finding = Finding("scope", "unsure", reading.score, _worst(reading))
        return Decision(
            verdict=table[self._policy.unsure], findings=(finding,), score=reading.score
        )

    def _topic(self, reading: ScopeReading) -> Decision:
        """In scope: the topic may say that a person should take it."""
        topic = self._policy.topic(reading.topic or "")
        findings = (Finding("scope", f"topic.{topic.key}", reading.score),) if topic else ()
        if topic is None or topic.then == "allow":
            return Decision(findings=findings, score=reading.score)
        rule = f"scope.topics.{topic.key}"
        return Decision(
            verdict=_verdict(topic.then, rule, topic.to),
            check=Check.HIT,
            findings=findings,
            score=reading.score,
            shadow=topic.shadow,
        )


def _verdict(then: str, rule: str, to: str | None) -> Verdict:
    """A `then` of the policy as a verdict."""
    if then == "escalate":
        return Escalate(rule, to=to)
    return Redirect(rule) if then == "redirect" else Allow(rule)


def _worst(reading: ScopeReading) -> str:
    """The clause that weighed most, cut to a quote."""
    if not reading.clauses:
        return ""
    return max(reading.clauses, key=lambda clause: clause[1])[0][:80]  # a quote, not the message
