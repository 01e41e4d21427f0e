"""An existing agent's prompt against WhatsApp's rule of 2026: what it invites, what it leaves out.

A sentence is what it means, not how it is worded: each is compared with lines of `review.yaml` in
the sentence encoder's space, so that a paraphrase or a translation is read alike; a few phrasings
that mean one thing only are looked for as patterns too.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal, Protocol

import numpy as np
import re2
import yaml
from numpy.typing import NDArray

from guardproxy.core.text import fold, sentences

# Cosines: one meaning in two languages has 0.35 to 0.9, unrelated sentences less than 0.3. What is
# quoted against somebody has to be nearer than what only shows that something is there.
NEAR, NEAR_ENOUGH_TO_QUOTE = 0.35, 0.42
WORDS = 3  # a heading of one or two words says nothing
MOST = 300  # characters of a sentence that is compared; the rest adds little
Severity = Literal["high", "medium", "low"]
Floats = NDArray[np.float32]


class Encoder(Protocol):
    """What is needed of the sentence encoder."""

    def encode(self, texts: Sequence[str]) -> Floats:
        """One unit vector per text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing the rule asks: what is wrong, how bad it is, and what to write."""

    severity: Severity
    says: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """One finding; `line` 0 and `quote` "" where something is missing from the whole prompt."""

    code: str
    severity: Severity
    says: str
    fix: str
    line: int = 0
    quote: str = ""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of the prompt, its line (from 1), its kind and how near it is to it."""

    text: str
    line: int
    kind: str
    near: float


RULES = {
    "open_invitation": Rule(
        severity="high",
        says="invites any question: Meta forbids general-purpose assistants since January 2026",
        fix="name what the bot is for, and take the invitation out",
    ),
    "missing_scope": Rule(
        severity="high",
        says="nothing says what the bot must not answer",
        fix='add "Only help with ...; decline anything else and say whom to ask"',
    ),
    "missing_business": Rule(
        severity="high",
        says="no business is named that the bot speaks for",
        fix='start with "You are the assistant of NAME, which ..."',
    ),
    "missing_person": Rule(
        severity="high",
        says="no way to a person: Meta asks for one that is clear and direct",
        fix='add "When asked for a person, or unable to help: hand over, or give PHONE"',
    ),
    "missing_disclosure": Rule(
        severity="medium",
        says="customers are not told that a bot is talking",
        fix="say so in the first message and when asked (EU AI Act, art. 50)",
    ),
    "hides_the_bot": Rule(
        severity="high",
        says="denies or hides that a bot is talking",
        fix="take it out: the EU's AI Act, art. 50, forbids it",
    ),
    "collects_secrets": Rule(
        severity="high",
        says="asks for card, bank or identity numbers in a chat",
        fix="send customers to a payment or sign-in page instead",
    ),
    "uses_data": Rule(
        severity="high",
        says="passes on or keeps customers' data: Meta's terms forbid training and profiling",
        fix="take it out; use messages for answering them only",
    ),
    "missing_privacy": Rule(
        severity="low",
        says="nothing is said about personal data",
        fix='add "Never ask for card numbers, passwords or identity papers"',
    ),
}
QUOTED = {
    "open": "open_invitation", "hides": "hides_the_bot", "collects": "collects_secrets",
    "uses": "uses_data",
}  # fmt: skip
NEEDED = {
    "missing_scope": ("scope",),
    "missing_business": ("business",),
    "missing_person": ("person",),
    "missing_disclosure": ("disclosure",),
    "missing_privacy": ("privacy",),
}
ORDER = {"high": 0, "medium": 1, "low": 2}
_OPEN = re2.compile(
    r"\b(?:ask me anything|(?:answer|discuss|help with|talk about) (?:any|every|all) "
    r"(?:question|questions|topic|topics|subject|subjects|task|tasks|kinds? of)|"
    r"large language model trained|general[- ]purpose (?:ai |assistant)|wide range of (?:topics|"
    r"tasks|subjects))"
)
_PARTS = re2.compile(r"[;:]\s|\s[–—-]\s|,\s(?:and|y|et|und|e|dan|ve)\s")
_NOT = re2.compile(r"\b(?:not|never|only|dont|don't|cannot|can't|refuse|decline|unless)\b")


@cache
def _kinds() -> Mapping[str, Sequence[str]]:
    """The lines of each kind."""
    path = resources.files("guardproxy.rehearsal") / "review.yaml"
    raw: dict[str, list[str]] = yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)  # noqa: S506
    return raw


def read_prompt(text: str, encoder: Encoder) -> tuple[Sentence, ...]:
    """Each sentence of a prompt with its line and its kind."""
    placed = list(_placed(text))
    if not placed:
        return ()
    names = [kind for kind, lines in _kinds().items() for _ in lines]
    known = encoder.encode([line for lines in _kinds().values() for line in lines])
    near = encoder.encode([said[:MOST] for said, _ in placed]) @ known.T
    return tuple(
        _kind(said, line, row, names) for (said, line), row in zip(placed, near, strict=True)
    )


def _placed(text: str) -> Iterator[tuple[str, int]]:
    """The sentences of a text with their lines, and the parts of those that say several things."""
    for number, line in enumerate(text.splitlines(), start=1):
        for said in sentences(line.strip().lstrip("-*•#>0123456789.) \t")):
            parts = [part.strip() for part in _PARTS.split(said) if len(part.split()) >= WORDS]
            for part in (said, *(part for part in parts if part != said)):
                if len(part.split()) >= WORDS or not part.isascii():
                    yield part, number


def _kind(said: str, line: int, near: Floats, names: Sequence[str]) -> Sentence:
    """A sentence's kind: its nearest line's, if that is near enough."""
    folded = fold(said)
    if _OPEN.search(folded) and not _NOT.search(folded):
        return Sentence(said, line, "open", 1.0)
    best = int(near.argmax())
    score = float(near[best])
    needed = NEAR_ENOUGH_TO_QUOTE if names[best] in QUOTED else NEAR
    return Sentence(said, line, names[best] if score >= needed else "neutral", score)


def review(prompt: Sequence[Sentence]) -> tuple[Noted, ...]:
    """The findings on a prompt, the gravest first; one quote per line and code."""
    quoted: dict[tuple[str, int], Sentence] = {}
    for sentence in prompt:
        if sentence.kind in QUOTED:
            quoted.setdefault((sentence.kind, sentence.line), sentence)
    found = [_noted(QUOTED[kind], sentence) for (kind, _), sentence in quoted.items()]
    there = {sentence.kind for sentence in prompt}
    missing = {code for code, kinds in NEEDED.items() if not there.intersection(kinds)}
    if "hides" in there:
        missing.discard("missing_disclosure")  # told as the graver thing already
    found += [_noted(code) for code in NEEDED if code in missing]
    return tuple(sorted(found, key=lambda noted: (ORDER[noted.severity], noted.line)))


def _noted(code: str, at: Sentence | None = None) -> Noted:
    """A finding of a rule."""
    rule = RULES[code]
    return Noted(
        code=code, severity=rule.severity, says=rule.says, fix=rule.fix,
        line=at.line if at else 0, quote=at.text[:200] if at else "",
    )  # fmt: skip
