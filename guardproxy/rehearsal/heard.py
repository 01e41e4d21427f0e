"""What a record says of a turn's words, in place of the detectors that heard them.

The stages ask these readers as they ask the detectors. A step that a record holds has been looked
at: what was seen there stands, and is truer than another look at a text that was masked since.
Where the record has no such step, or the business's own words are others now, the text is read.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from guardproxy.core.finding import Finding
from guardproxy.core.message import Turn
from guardproxy.core.text import fold
from guardproxy.policy.compiled import Policy
from guardproxy.rehearsal.records import Recorded, Stepped
from guardproxy.stages import Lexicon, Patterns, Readers, ScopeReader
from guardproxy.stages.scope import ScopeReading

NO_WORDS = "·"  # stands for a text that was not kept: nothing is heard in it
GREETING = 8  # words: no greeting is longer
FAIR = "scope.fair."  # findings of messages that no score was needed for


class Memory:
    """The row that is being decided, shared by the readers below."""

    def __init__(self) -> None:
        """No row yet."""
        self.row = Recorded(id="", verdict="allow")
        self._steps: dict[str, Stepped] = {}

    def turn_to(self, row: Recorded) -> None:
        """The next row."""
        self.row = row
        self._steps = {step.stage: step for step in row.steps}

    def step(self, stage: str) -> Stepped | None:
        """What the record says of a stage, None when it was not run."""
        return self._steps.get(stage)


class HeardWords:
    """The lexicon, as far as the record does not know better."""

    def __init__(self, inner: Lexicon, memory: Memory, policy: Policy) -> None:
        """The policy's own words for a person are always listened for: they may be new."""
        self._inner = inner
        self._memory = memory
        own = (word for words in policy.escalation.ask_words.values() for word in words)
        self._own = tuple(fold(word).split()[0] for word in own if fold(word).strip())

    def wants_person(self, text: str) -> Finding | None:
        """A turn that got past handover asked for nobody, unless by a word that is new."""
        if self._memory.step("handover") is not None:
            folded = fold(text) if self._own else ""
            if not any(word in folded for word in self._own):
                return None
        return self._inner.wants_person(text)

    def opts_out(self, text: str) -> bool:
        """A turn that was admitted, or refused for another reason, did not leave."""
        return self._memory.step("admission") is None and self._inner.opts_out(text)

    def opts_in(self, text: str) -> bool:
        """The same for coming back."""
        return self._memory.step("admission") is None and self._inner.opts_in(text)

    def asks_if_bot(self, text: str) -> bool:
        """The scope step says why it needed no score."""
        step = self._memory.step("scope")
        if step is None:
            return self._inner.asks_if_bot(text)
        return f"{FAIR}bot_question" in step.findings

    def smalltalk(self, text: str) -> bool:
        """The same; a policy that did not let greetings pass has not listened for them."""
        step = self._memory.step("scope")
        if step is not None and f"{FAIR}smalltalk" in step.findings:
            return True
        return len(text.split()) <= GREETING and self._inner.smalltalk(text)

    def affirms(self, text: str) -> bool:
        """A plain yes."""
        return self._inner.affirms(text)

    def offers_person(self, answer: str) -> bool:
        """The bot's own offer of a person."""
        return self._inner.offers_person(answer)

    def language(self, text: str, fallback: str) -> str:
        """The language of a text."""
        return self._inner.language(text, fallback)


class HeardPatterns:
    """What was found by its form."""

    def __init__(self, inner: Patterns, memory: Memory) -> None:
        """Masks and links are of answers, which are not replayed."""
        self._inner = inner
        self._memory = memory

    def injection(self, text: str) -> tuple[Finding, ...]:
        """The attempts that were seen."""
        step = self._memory.step("injection")
        if step is None:
            return self._inner.injection(text)
        named = (name.partition(".") for name in step.findings)
        return tuple(Finding(part, code, step.score or 0.0) for part, _, code in named)

    def mask(self, text: str, kinds: Mapping[str, str]) -> tuple[str, tuple[Finding, ...]]:
        """Numbers masked."""
        return self._inner.mask(text, kinds)

    def links(self, text: str) -> tuple[str, ...]:
        """The hosts of the links."""
        return self._inner.links(text)


class HeardScope:
    """The scope model's readings: recorded, read again beforehand, or read now.

    `changed`: the revisions whose words are not the policy's. `again`: texts and their readings.
    `looked`: how the last row's was come by: record | text | nothing.
    """

    def __init__(
        self, inner: ScopeReader, memory: Memory, changed: AbstractSet[str],
        again: Mapping[str, ScopeReading],
    ) -> None:  # fmt: skip
        """The thresholds are the new policy's."""
        self._inner = inner
        self._memory = memory
        self._changed = changed
        self._again = again
        self.looked = ""
        self.low, self.high, self.answer_high = inner.low, inner.high, inner.answer_high

    def false_blocks(self, score: float) -> float:
        """As the new policy's thresholds go."""
        return self._inner.false_blocks(score)

    async def question(self, turn: Turn) -> ScopeReading:
        """The recorded reading, as long as it holds."""
        row = self._memory.row
        if holds(row, self._changed):
            self.looked = "record"
            return _reading(row)
        if turn.text == NO_WORDS:
            self.looked = "nothing"
            return ScopeReading(score=0.0)
        self.looked = "text"
        return self._again.get(turn.text) or await self._inner.question(turn)

    async def answer(self, turn: Turn) -> ScopeReading:
        """Answers are not read again."""
        return await self._inner.answer(turn)

    async def topic(self, turn: Turn) -> str | None:
        """The topic of the reading."""
        return (await self.question(turn)).topic


def holds(row: Recorded, changed: AbstractSet[str]) -> bool:
    """Whether a record has a score of the scope model's that is worth something still."""
    return row.scope_score is not None and not row.was_fair and row.policy not in changed


def _reading(row: Recorded) -> ScopeReading:
    """A reading from a record."""
    rule = row.rule or ""
    refuse = rule.removeprefix("scope.refuse.") if rule.startswith("scope.refuse.") else None
    codes = [code for step in row.steps if step.stage == "scope" for code in step.findings]
    return ScopeReading(
        score=row.scope_score or 0.0, topic=row.topic, refuse=refuse, mixed="scope.mixed" in codes
    )


def readers(inner: Readers, policy: Policy, memory: Memory, scope: HeardScope) -> Readers:
    """All of them, as the stages take them."""
    return Readers(
        HeardWords(inner.lexicon, memory, policy), scope, HeardPatterns(inner.patterns, memory)
    )
