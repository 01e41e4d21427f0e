"""Readers that find what they are told to, and turns to hand them to."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from guardproxy.core.finding import Finding
from guardproxy.core.message import Line, Memory, Message, Role, Turn
from guardproxy.policy.compiled import Policy
from guardproxy.policy.load import load_policy
from guardproxy.stages.scope import ScopeReading

BASE = """\
version: 1
name: bakery
languages: [en, id]
business: {name: Rye Bakery, does: bread and cakes, never: [secret dough]}
scope:
  topics:
    bread: {about: bread, examples: [do you have rye bread?]}
    cakes: {about: cakes, examples: [a cake for 20], then: escalate, to: form}
    jobs: {about: jobs, examples: [are you hiring?], then: redirect, mode: shadow}
  refuse:
    diets: {about: diets, examples: [is rye good for me?]}
    news: {about: news, examples: [what happened today?], then: escalate, to: form}
escalation:
  default: desk
  channels:
    desk: {kind: human}
    phone: {kind: phone, to: "+31 30 555 0101"}
    form: {kind: web_form, to: "https://rye.example/form"}
"""


def policy(more: str = "", **fields: object) -> Policy:
    """The bakery's policy, with more keys or other fields."""
    return replace(load_policy(Path("bakery.yaml"), text=BASE + more), **fields)


@dataclass
class Reader:
    """All detectors at once."""

    score: float = 0.0
    reading: ScopeReading | None = None
    asks: bool = False
    yes: bool = False
    offers: bool = False
    stop: bool = False
    start: bool = False
    bot: bool = False
    greets: bool = False
    attempts: tuple[Finding, ...] = ()
    hosts: tuple[str, ...] = ()
    tongue: str = "en"
    looks: list[str] = field(default_factory=list)
    low: float = 0.3
    high: float = 0.7
    answer_high: float = 0.7

    def wants_person(self, _text: str) -> Finding | None:
        return Finding("lexicon", "wants_person") if self.asks else None

    def affirms(self, _text: str) -> bool:
        return self.yes

    def offers_person(self, _answer: str) -> bool:
        return self.offers

    def opts_out(self, _text: str) -> bool:
        return self.stop

    def opts_in(self, _text: str) -> bool:
        return self.start

    def asks_if_bot(self, _text: str) -> bool:
        return self.bot

    def smalltalk(self, _text: str) -> bool:
        return self.greets

    def language(self, _text: str, _fallback: str) -> str:
        return self.tongue

    def injection(self, _text: str) -> tuple[Finding, ...]:
        return self.attempts

    def mask(self, text: str, kinds: object) -> tuple[str, tuple[Finding, ...]]:
        found = (Finding("pii", "card"),) if "4111" in text and kinds else ()
        return text.replace("4111", "****") if found else text, found

    def links(self, _text: str) -> tuple[str, ...]:
        return self.hosts

    async def question(self, turn: Turn) -> ScopeReading:
        self.looks.append(turn.text)
        return self.reading or ScopeReading(score=self.score)

    async def answer(self, turn: Turn) -> ScopeReading:
        self.looks.append(turn.answer or "")
        return self.reading or ScopeReading(score=self.score)

    async def topic(self, turn: Turn) -> str | None:
        return (await self.question(turn)).topic


def turn(text: str = "hello", *, kind: str = "text", **memory: object) -> Turn:
    """A customer's turn, with what is remembered before it."""
    message = Message(id="m", text=text, kind=kind)
    return Turn(
        id="t", business="bakery", surface="whatsapp", messages=(message,), now=0.0,
        memory=Memory(**memory),
    )  # fmt: skip


def after(turn: Turn, *lines: str) -> Turn:
    """The same turn after lines of the bot."""
    return replace(turn, context=tuple(Line(Role.ASSISTANT, line) for line in lines))
