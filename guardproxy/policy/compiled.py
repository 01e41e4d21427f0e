"""The policy as the hot path uses it: plain, frozen, complete; built once at load."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, time
from typing import Literal
from zoneinfo import ZoneInfo

from guardproxy.core.ledger import Errand, Limit
from guardproxy.policy.pack import Pack

SUMMED = 60.0  # seconds a summary is tried; other messages wait a tenth of it for the summary
PATIENCE = 900.0  # seconds a case is tried where no `sla` is given
OURS = 4.0  # seconds a case is left to the process that opened it: the customer waits for that
HUMAN_KINDS = ("human", "phone", "email", "web_form", "web_support", "in_store")  # Meta's six
Hit = Literal["redirect", "allow", "escalate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Business:
    """Who the bot speaks for, what it may say, and what it must not."""

    name: str
    does: str
    facts: tuple[str, ...] = ()
    never: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatsApp:
    """The business's numbers and credentials; secrets are already read from the environment.

    `templates`: name -> marketing, utility or authentication; `outside_window`: the name and the
    language of the template that goes instead of a free-form message.
    """

    numbers: tuple[str, ...]
    hop: Literal["bridge", "relay"] = "bridge"
    forward_to: str | None = None
    secret: str | None = None
    access_token: str | None = None
    merge: float = 0.0  # seconds
    templates: Mapping[str, str] = field(default_factory=dict)
    outside_window: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One thing the bot is for. `then`/`to`: what happens when a customer raises it."""

    key: str
    about: str
    purpose: str = "support"
    examples: tuple[str, ...] = ()
    then: Literal["allow", "escalate", "redirect"] = "allow"
    to: str | None = None
    shadow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One thing the business does not want answered, though it may sound close."""

    key: str
    about: str
    examples: tuple[str, ...] = ()
    then: Literal["redirect", "escalate"] = "redirect"
    to: str | None = None
    shadow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A conversation has left the business when `off_topic` of its last `window` turns have."""

    window: int = 6
    off_topic: int = 3
    then: Literal["redirect", "escalate"] = "redirect"
    shadow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """When a rule of the business matches: all conditions that are given must hold."""

    any_word: tuple[str, ...] = ()
    matches: str | None = None  # a linear-time (RE2) expression
    topic: str | None = None  # a key of scope.topics
    kind: tuple[str, ...] = ()  # kinds of message
    language: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One of the business's own rules; the first that matches decides, before scope."""

    id: str
    when: When
    then: Literal["allow", "redirect", "escalate", "drop"]
    to: str | None = None
    shadow: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """What may come in. `pii`: kind of number -> what is done with it; `unscannable`: kind of
    message -> what is done with it.
    """

    max_chars: int = 1500
    injection: Hit = "redirect"
    injection_shadow: bool = False
    pii: Mapping[str, Literal["mask", "allow"]]
    unscannable: Mapping[str, Literal["allow", "redirect", "escalate"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What may go out. `links` None: any; else hosts (and their subdomains) that may be named."""

    off_topic: Hit = "redirect"
    shadow: bool = False
    links: tuple[str, ...] | None = None
    max_chars: int = 1000
    pii: Mapping[str, Literal["mask", "allow"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OnFailure:
    """What an unchecked question and an unchecked answer mean."""

    question: Literal["redirect", "allow", "escalate"] = "redirect"
    answer: Literal["redirect", "allow", "escalate"] = "redirect"


@dataclass(frozen=True, slots=True)
class Hours:
    """When somebody is there: a start and an end on some weekdays (0 is Monday).

    An end before the start runs over midnight.
    """

    opens: time
    closes: time
    days: frozenset[int] = frozenset(range(7))

    def covers(self, moment: datetime) -> bool:
        """Whether a local moment falls inside."""
        clock, day = moment.time(), moment.weekday()
        if self.opens <= self.closes:
            return day in self.days and self.opens <= clock < self.closes
        if clock >= self.opens:
            return day in self.days
        return (day - 1) % 7 in self.days and clock < self.closes


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One way to a person."""

    id: str
    kind: Literal["human", "phone", "email", "web_form", "web_support", "in_store"]
    to: str = ""
    via: Literal["inbox", "webhook", "chatwoot", "thread_control"] = "inbox"
    url: str | None = None
    secret: str | None = None
    account: int | None = None
    inbox: int | None = None
    notify: str | None = None
    hours: tuple[Hours, ...] = ()  # none: always
    sla: float | None = None  # seconds
    otherwise: str | None = None  # `else`: the channel to use when this one is closed

    @property
    def pauses(self) -> bool:
        """Only a person in the chat silences the bot."""
        return self.kind == "human"

    @property
    def carried(self) -> bool:
        """Whether the case has to arrive elsewhere than in guardproxy's own inbox."""
        return self.pauses and self.via != "inbox"

    @property
    def errands(self) -> tuple[Errand, ...]:
        """What is to be done about a new case of this channel."""
        patience = PATIENCE if self.sla is None else self.sla
        found = []
        if self.carried:
            found.append(Errand(what="case", channel=self.id, patience=patience, wait=OURS))
        elif self.kind == "email":
            found.append(Errand(what="mail", channel=self.id, patience=patience))
        if self.notify:
            found.append(Errand(what="notify", channel=self.id, patience=patience))
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """The ways to a person."""

    default: str
    channels: Mapping[str, Channel]
    ask_words: Mapping[str, tuple[str, ...]]
    resume_after: float = 43_200.0  # 12 h, in seconds
    summary: bool = False

    def errands(self, channel: Channel) -> tuple[Errand, ...]:
        """What is to be done about a new case that goes to a channel."""
        if not self.summary:
            return channel.errands
        summary = Errand(what="summary", channel=channel.id, patience=SUMMED)
        others = (e if e.what == "case" else replace(e, wait=SUMMED / 10) for e in channel.errands)
        return (summary, *others)


@dataclass(frozen=True, slots=True, kw_only=True)
class Privacy:
    """What is kept of people, and for how long (seconds)."""

    numbers: Literal["hash", "keep"] = "hash"
    text: Literal["mask", "keep", "drop"] = "mask"
    keep: float = 30 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A policy that is tried beside the policy `of`; it decides for `people` (numbers, hashes)."""

    of: str
    people: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One business's whole policy. `rev`: 12 hex digits of the effective policy."""

    name: str
    rev: str
    path: str
    shadow: bool
    timezone: ZoneInfo
    languages: tuple[str, ...]
    business: Business
    whatsapp: WhatsApp | None
    examples: tuple[str, ...]
    topics: tuple[Topic, ...]
    refuse: tuple[Refusal, ...]
    smalltalk: Hit
    off_topic: Hit
    off_topic_shadow: bool
    mixed: Literal["redirect", "answer_fair_part"]
    unsure: Literal["judge", "allow", "redirect", "clarify"]
    false_blocks: float  # 0..1
    drift: Drift
    rules: tuple[Rule, ...]
    input: Input
    output: Output
    on_failure: OnFailure
    limits: tuple[Limit, ...]
    escalation: Escalation
    packs: Mapping[str, Pack]  # per language of `languages`; `replies:` already laid over
    disclosure_first_turn: bool
    privacy: Privacy
    lines: Mapping[str, int]  # dotted path -> line of the file, for explain and error messages
    trial: Trial | None = None

    @property
    def ref(self) -> str:
        """`name@rev`, as headers and records give it."""
        return f"{self.name}@{self.rev}"

    @property
    def canary(self) -> str:
        """A word that stands in the scope prompt and nowhere else: an answer that holds it leaks
        the prompt. The same for the same business, so that prompt caches hold.
        """
        named = f"canary {self.name} {self.business.name} {self.business.does}"
        digest = hashlib.sha256(named.encode()).digest()
        return "".join(chr(ord("a") + byte % 26) for byte in digest[:16])

    def pack(self, language: str) -> Pack:
        """The words for a language, or for the first language when it is not one of ours."""
        return self.packs.get(language) or self.packs[self.languages[0]]

    def topic(self, key: str) -> Topic | None:
        """The topic of that key."""
        return next((topic for topic in self.topics if topic.key == key), None)

    def open_channel(self, wanted: str | None, now: float) -> Channel:
        """The channel that is open now, following `else` from the wanted (or default) one.

        A chain with nobody there ends at its last channel that takes messages at any time, else
        at its last: a customer is always told one way. `now` in seconds since 1970.
        """
        return self.open_ways(wanted, now)[0]

    def open_ways(self, wanted: str | None, now: float) -> tuple[Channel, ...]:
        """The channels to try one after the other, the open one first; there is always one."""
        local = datetime.fromtimestamp(now, self.timezone)
        chain: list[Channel] = []
        step: str | None = wanted or self.escalation.default
        while step and all(step != seen.id for seen in chain):
            channel = self.escalation.channels[step]
            chain.append(channel)
            step = channel.otherwise
        there = [c for c in chain if not c.hours or any(h.covers(local) for h in c.hours)]
        always = [c for c in self.escalation.channels.values() if not c.hours and not c.pauses]
        return (*there, *(c for c in always if c not in there)) or (chain[-1],)
