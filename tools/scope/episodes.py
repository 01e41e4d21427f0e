"""What one step of the adapter's training sees: three businesses, what is written to them, what
their bots answer, and general requests that belong to none.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from tools.scope.corpus import DOES, EXAMPLE, TOPIC, Business, General

BUSINESSES = 3
# how many of each kind a step takes from each business
QUESTIONS = {"lines": 6, "sounds_like": 3, "short": 1, "complaints": 1, "person": 1,
             "laundered": 4, "near_miss": 3, "riders": 2, "general": 1, "other": 1}  # fmt: skip
ANSWERS = {"answer": 3, "drifted": 4}
LIBRARY = {"plain": 8, "disguised": 5, "long": 2, "answers": 4}
EXAMPLES = (5, 8, 10)  # owners give few or many


@dataclass(frozen=True, slots=True)
class Asked:
    """A customer's text; `owner`: which business of the step it was written to, -1 none."""

    text: str
    kind: str
    owner: int
    off: bool
    general: str = ""  # the library's kind


@dataclass(frozen=True, slots=True)
class Told:
    """A bot's text and what it answers; the same `owner`."""

    question: str
    text: str
    owner: int
    off: bool


@dataclass(slots=True)
class Episode:
    """One step."""

    support: list[list[str]] = field(default_factory=list)  # examples, then topics, then `does`
    examples: list[int] = field(default_factory=list)  # how many of the lines are examples
    trades: list[str] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)


class Deck:
    """Items in turn, shuffled anew when all were drawn."""

    def __init__(self, items: Sequence, rng: random.Random) -> None:
        self._items, self._rng, self._left = list(items), rng, []

    def draw(self, count: int) -> list:
        """The next ones; fewer when there are none at all."""
        drawn = []
        while len(drawn) < count and self._items:
            if not self._left:
                self._left = self._rng.sample(self._items, len(self._items))
            drawn.append(self._left.pop())
        return drawn


class Dealer:
    """Deals episodes."""

    def __init__(self, ours: Sequence[Business], library: Sequence[General],
                 rng: random.Random) -> None:  # fmt: skip
        """`ours` as read from the files, without what `corpus.mix` adds."""
        self._rng = rng
        self._turn = Deck(ours, rng)
        self._questions = {
            (b.id, kind): Deck([q for q in b.queries if q.kind == kind], rng)
            for b in ours for kind in QUESTIONS
        }  # fmt: skip
        self._answers = {
            (b.id, kind): Deck([a for a in b.answers if a.kind == kind], rng)
            for b in ours for kind in ANSWERS
        }  # fmt: skip
        self._library = {f: Deck([g for g in library if g.form == f], rng) for f in LIBRARY}

    def deal(self) -> Episode:
        """The next step's texts."""
        one = Episode()
        for owner, business in enumerate(self._turn.draw(BUSINESSES)):
            self._support(one, business)
            for kind, count in QUESTIONS.items():
                for q in self._questions[business.id, kind].draw(count):
                    one.asked.append(Asked(q.text, kind, owner, bool(q.off)))
            for kind, count in ANSWERS.items():
                for a in self._answers[business.id, kind].draw(count):
                    one.told.append(Told(a.question, a.text, owner, bool(a.off)))
        for form, deck in self._library.items():
            for g in deck.draw(LIBRARY[form]):
                if form == "answers":
                    one.told.append(Told("", g.text, -1, True))
                else:
                    one.asked.append(Asked(g.text, f"lib_{form}", -1, True, g.kind))
        return one

    def _support(self, one: Episode, business: Business) -> None:
        """Some of the lines an owner gave."""
        by_kind = lambda kind: [text for k, text in business.lines if k == kind]
        examples, topics = by_kind(EXAMPLE), by_kind(TOPIC)
        some = self._rng.sample(examples, min(len(examples), self._rng.choice(EXAMPLES)))
        about = self._rng.sample(topics, min(len(topics), 5))
        one.support.append(some + about + by_kind(DOES))
        one.examples.append(len(some))
        one.trades.append(business.group)
