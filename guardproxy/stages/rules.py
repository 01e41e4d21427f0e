"""The business's own rules, in order; the first that matches decides."""

from dataclasses import dataclass
from typing import Protocol

import re2

from guardproxy.core.finding import Check, Finding
from guardproxy.core.message import Turn
from guardproxy.core.text import fold
from guardproxy.core.trace import Decision
from guardproxy.core.verdict import Allow, Drop, Escalate, Redirect, Verdict
from guardproxy.policy.compiled import Policy, Rule, When


class TopicReader(Protocol):
    """Names the topic a text is about."""

    async def topic(self, turn: Turn) -> str | None:
        """The key of the policy's topic, None when it is none of them."""


class LanguageReader(Protocol):
    """Names the language of a text."""

    def language(self, text: str, fallback: str) -> str:
        """A BCP 47 tag among the policy's languages."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What rules ask about: the folded text, its topic, language, and the kinds of message."""

    text: str
    topic: str | None
    language: str
    kinds: frozenset[str]


class Matcher:
    """One rule's condition, compiled: all that is given must hold."""

    def __init__(self, when: When) -> None:
        """Words match whole, in folded text; `matches` sees the text as it was written."""
        self._when = when
        words = "|".join(re2.escape(fold(word)) for word in when.any_word)
        # \b knows ASCII only in RE2, so word ends are spelled out
        self._words = re2.compile(rf"(?:^|[^\pL\pN])(?:{words})(?:$|[^\pL\pN])") if words else None
        self._matches = re2.compile(when.matches) if when.matches else None

    def quote(self, facts: Facts, written: str) -> str | None:
        """The words it matched in, "" when it matched on something else, None when it did not."""
        when, quote = self._when, ""
        if when.topic is not None and facts.topic != when.topic:
            return None
        if when.language and facts.language not in when.language:
            return None
        if when.kind and not facts.kinds & frozenset(when.kind):
            return None
        for pattern, text in ((self._words, facts.text), (self._matches, written)):
            if pattern is None:
                continue
            found = pattern.search(text)
            if found is None:
                return None
            quote = found.group(0).strip()
        return quote


class Rules:
    """Runs the policy's `rules:`."""

    name = "rules"

    def __init__(self, policy: Policy, topics: TopicReader, languages: LanguageReader) -> None:
        """Topics and languages are only read when a rule asks for one: both cost a look."""
        self._policy = policy
        self._topics = topics
        self._languages = languages
        self._matchers = tuple((rule, Matcher(rule.when)) for rule in policy.rules)
        self._asks_topic = any(rule.when.topic is not None for rule in policy.rules)
        self._asks_language = any(rule.when.language for rule in policy.rules)

    async def gather(self, turn: Turn) -> Facts | None:
        """The facts the rules need; None when there are no rules."""
        if not self._matchers:
            return None
        topic = await self._topics.topic(turn) if self._asks_topic else None
        language = self._policy.languages[0]
        if self._asks_language:
            language = self._languages.language(turn.text, language)
        kinds = frozenset(message.kind for message in turn.messages)
        return Facts(fold(turn.text), topic, language, kinds)

    def decide(self, evidence: Facts | None, turn: Turn) -> Decision:
        """First match wins; a rule in shadow is recorded and the next ones are tried."""
        if evidence is None:
            return Decision()
        shadowed: Decision | None = None
        for rule, matcher in self._matchers:
            quote = matcher.quote(evidence, turn.text)
            if quote is None:
                continue
            decision = Decision(
                verdict=_verdict(rule),
                check=Check.HIT,
                findings=(Finding("rules", rule.id, quote=quote[:80]),),
                shadow=rule.shadow,
            )
            if not rule.shadow:
                return decision
            shadowed = shadowed or decision
        return shadowed or Decision()


def _verdict(rule: Rule) -> Verdict:
    """A rule's `then` as a verdict."""
    name = f"rules.{rule.id}"
    table: dict[str, Verdict] = {
        "allow": Allow(name),
        "redirect": Redirect(name),
        "escalate": Escalate(name, to=rule.to),
        "drop": Drop(name),
    }
    return table[rule.then]
