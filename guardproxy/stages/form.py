"""May this leave as it is? Links, personal numbers, secrets of the business, length."""

import base64
import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from guardproxy.core.finding import Check, Finding
from guardproxy.core.message import Turn
from guardproxy.core.text import fold, sentences
from guardproxy.core.trace import Decision
from guardproxy.core.verdict import Redirect, Rewrite
from guardproxy.policy.compiled import Policy


class FormReader(Protocol):
    """Finds what may not leave."""

    def mask(self, text: str, kinds: Mapping[str, str]) -> tuple[str, tuple[Finding, ...]]:
        """The text with the named kinds of number masked, and what was masked."""

    def links(self, text: str) -> tuple[str, ...]:
        """The hosts of the links in a text, lower case."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The answer as it may leave, what was masked, foreign links, and a secret if one is in it."""

    text: str
    masked: tuple[Finding, ...]
    foreign: tuple[str, ...]
    secret: str | None
    leaked: bool = False  # words of the scope prompt


class Canary:
    """Finds the scope prompt's own word in an answer, plain or disguised."""

    def __init__(self, word: str) -> None:
        """All the ways to write it that are looked for."""
        self._letters = (word, word[::-1], codecs.encode(word, "rot13"))
        # what is certain of its base64 whatever stands before it: three alignments (RFC 4648)
        self._coded = tuple(
            base64.b64encode(b" " * shift + word.encode()).decode()[skip : skip + 16]
            for shift, skip in ((0, 0), (1, 2), (2, 3))
        )
        self._hex = word.encode().hex()

    def is_in(self, text: str) -> bool:
        """Whether the text holds it: spaced, in capitals, backwards, by rot13, base64 or hex."""
        letters = _NOT_LETTERS.sub("", text.lower())
        if any(word in letters for word in self._letters):
            return True
        joined = "".join(text.split())
        return any(word in joined for word in self._coded) or self._hex in joined.lower()


_NOT_LETTERS = re.compile(r"[^a-z]+")


_LEAK = Decision(
    verdict=Redirect("output.prompt"), check=Check.HIT, findings=(Finding("form", "prompt"),)
)


class Form:
    """Trims and masks what can be mended, refuses what cannot."""

    name = "form"

    def __init__(self, policy: Policy, reader: FormReader) -> None:
        """Secrets of the business are compared folded, so that spelling does not hide them."""
        self._output = policy.output
        self._reader = reader
        self._canary = Canary(policy.canary)
        self._never = tuple((fold(secret), secret) for secret in policy.business.never)

    async def gather(self, turn: Turn) -> Shape:
        """Look at the answer."""
        return self.look(turn.answer or "")

    def look(self, answer: str) -> Shape:
        """The same, without waiting."""
        text, masked = self._reader.mask(answer, self._output.pii)
        allowed = self._output.links
        foreign: tuple[str, ...] = ()
        if allowed is not None:
            foreign = tuple(host for host in self._reader.links(text) if not _under(host, allowed))
        folded = fold(text)
        secret = next((secret for key, secret in self._never if key and key in folded), None)
        return Shape(
            shorten(text, self._output.max_chars),
            masked,
            foreign,
            secret,
            self._canary.is_in(answer),
        )

    def leak(self, text: str) -> Decision | None:
        """What it means when a text holds the prompt's own word, None when it does not."""
        return _LEAK if text and self._canary.is_in(text) else None

    def decide(self, evidence: Shape, turn: Turn) -> Decision:
        """A foreign link or a secret is refused; a number is masked, a long answer cut."""
        if evidence.leaked:
            return _LEAK
        if evidence.secret is not None:
            finding = Finding("form", "never", quote=evidence.secret)
            return Decision(
                verdict=Redirect("business.never"), check=Check.HIT, findings=(finding,)
            )
        if evidence.foreign:
            finding = Finding("form", "link", quote=evidence.foreign[0])
            return Decision(verdict=Redirect("output.links"), check=Check.HIT, findings=(finding,))
        if evidence.text == turn.answer:
            return Decision()
        rule = "output.pii" if evidence.masked else "output.max_chars"
        return Decision(
            verdict=Rewrite(rule, evidence.text), check=Check.HIT, findings=evidence.masked
        )


def _under(host: str, allowed: tuple[str, ...]) -> bool:
    """Whether a host is one of the allowed ones or below one."""
    return any(host == name or host.endswith(f".{name}") for name in allowed)


def shorten(text: str, most: int) -> str:
    """Whole sentences up to `most` characters; the first one hard cut when it alone is longer."""
    if len(text) <= most:
        return text
    kept = ""
    for sentence in sentences(text):
        if len(kept) + len(sentence) + 1 > most:
            break
        kept = f"{kept} {sentence}" if kept else sentence
    return kept or text[: most - 1] + "…"
