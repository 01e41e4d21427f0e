"""The policy file as types: every key, its default, and what it means.

The description of a key is its documentation: the JSON Schema and `docs/policy.md` carry it.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from guardproxy.policy.kinds import (
    Address,
    Duration,
    Key,
    Line,
    OpenHours,
    Percent,
    Secret,
    Switch,
    Texts,
)

Mode = Literal["enforce", "shadow"]
Then = Literal["redirect", "allow", "escalate"]
Category = Literal["marketing", "utility", "authentication"]
Purpose = Literal[
    "support", "booking", "order_tracking", "notification", "sales", "lead", "authentication"
]


class Part(BaseModel):
    """A part of a policy: frozen, and no key but its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _key(default: Any, says: str, **more: Any) -> Any:
    """A key with its default and its meaning."""
    return Field(default, description=says, **more)


class BusinessPart(Part):
    """Who the bot speaks for."""

    name: Line = _key(..., "the business's name, as customers know it")
    does: Line = _key(..., "what it does, in a sentence: the scope in plain words")
    facts: tuple[Line, ...] = _key((), "facts the model may rely on")
    never: tuple[Line, ...] = _key((), "what is never told: given to the model, and looked for")


class OutsidePart(Part):
    """What goes out instead of a free-form message when the customer-service window is closed."""

    template: Line = _key(..., "the template's name, as Meta approved it; it takes no parameters")
    language: Line = _key(..., "its language code, as Meta has it")


class WhatsAppPart(Part):
    """The business's WhatsApp numbers."""

    phone_number_id: Texts = _key(..., "Meta's id of the number, or a list of them")
    hop: Literal["bridge", "relay"] = _key("bridge", "bridge: no agent of its own; relay: forward")
    forward_to: str | None = _key(None, "relay: the agent's own webhook, https://...")
    secret: Secret | None = _key(None, "env:NAME of an app secret of its own")
    access_token: Secret | None = _key(None, "env:NAME of an access token of its own")
    merge: Duration = _key(
        "1.5s", "bridge: messages within this time are one turn",
        validate_default=True,
    )  # fmt: skip
    templates: dict[str, Category] = _key(
        {}, "templates an agent sends, by name, and their categories; others count as marketing"
    )
    outside_window: OutsidePart | None = _key(
        None, "the template that goes instead of a free-form message after 24 hours; none: refused"
    )


class TopicPart(Part):
    """One thing the bot is for."""

    about: Line = _key(..., "the subject in a few words; customers read it in refusals")
    purpose: Purpose = _key("support", "which permitted purpose it serves; the report counts it")
    examples: tuple[Line, ...] = _key((), "what customers write about it")
    then: Then = _key("allow", "what happens when a customer raises it")
    to: str | None = _key(None, "escalate: the channel")
    mode: Mode = _key("enforce", "shadow: decide and record, never act")


class RefusePart(Part):
    """One thing that is not answered, though it may sound close."""

    about: Line = _key(..., "what is refused, in a few words")
    examples: tuple[Line, ...] = _key((), "what customers write about it")
    then: Literal["redirect", "escalate"] = _key("redirect", "what happens instead")
    to: str | None = _key(None, "escalate: the channel")
    mode: Mode = _key("enforce", "shadow: decide and record, never act")


class DriftPart(Part):
    """When a whole conversation has left the business."""

    window: int = _key(6, "how many of the customer's last turns are looked at", ge=1, le=50)
    off_topic: int = _key(3, "how many of them must be off scope", ge=1, le=50)
    then: Literal["redirect", "escalate"] = _key("redirect", "what happens then")
    mode: Mode = _key("enforce", "shadow: decide and record, never act")


class ScopePart(Part):
    """What the bot is for."""

    examples: tuple[Line, ...] = _key((), "in scope, not tied to a topic")
    topics: dict[Key, TopicPart] = _key({}, "the subjects, by a short key")
    refuse: dict[Key, RefusePart] = _key({}, "close but refused, by a short key")
    smalltalk: Then = _key("allow", "greetings, thanks, goodbyes")
    off_topic: Then = _key("redirect", "everything that is not in scope")
    mixed: Literal["redirect", "answer_fair_part"] = _key(
        "redirect", "a fair request with an off-scope rider"
    )
    unsure: Literal["judge", "allow", "redirect", "clarify"] = _key(
        "judge", "in doubt; with no judge configured it is allowed and counted"
    )
    false_blocks: Percent = _key(
        "1%", "aimed share of fair messages refused", validate_default=True
    )
    drift: DriftPart = _key(DriftPart(), "when a conversation has left the business")
    mode: Mode = _key("enforce", "shadow: off-scope verdicts are recorded, not acted on")


class WhenPart(Part):
    """When a rule matches: all that is given must hold."""

    any_word: Texts = _key((), "one of these words or phrases")
    matches: str | None = _key(None, "a regular expression (RE2)")
    topic: str | None = _key(None, "a key of scope.topics")
    kind: Texts = _key((), "kinds of message: text, image, audio, ...")
    language: Texts = _key((), "languages of the message")


class RulePart(Part):
    """A rule of the business's own."""

    id: Key = _key(..., "its name in reports: rules.ID")
    when: WhenPart = _key(..., "when it matches")
    then: Literal["allow", "redirect", "escalate", "drop"] = _key(..., "what happens")
    to: str | None = _key(None, "escalate: the channel")
    mode: Mode = _key("enforce", "shadow: decide and record, never act")
    why: str = _key("", "for colleagues: the reason")


class InputPart(Part):
    """What may come in."""

    max_chars: int = _key(1500, "longer messages are refused kindly", ge=50, le=20_000)
    injection: Then = _key("redirect", "attempts to take over the prompt")
    injection_mode: Mode = _key("enforce", "shadow: attempts are recorded, not acted on")
    pii: dict[Literal["card", "iban", "id_number", "phone", "email"], Literal["mask", "allow"]] = (
        _key({"card": "mask"}, "numbers masked before the message is forwarded")
    )
    unscannable: dict[Key, Then] = _key({}, "kinds of message without text, such as audio")


class LinksPart(Part):
    """Which links may be named."""

    allow: tuple[str, ...] = _key((), "hosts; their subdomains too")


class OutputPart(Part):
    """What may go out."""

    off_topic: Then = _key("redirect", "an answer that has left the business")
    mode: Mode = _key("enforce", "shadow: drifted answers are recorded, not held back")
    links: LinksPart | None = _key(None, "the links an answer may hold; absent: any")
    max_chars: int = _key(1000, "longer answers are cut at a sentence", ge=50, le=20_000)
    pii: dict[Literal["card", "iban", "id_number", "phone", "email"], Literal["mask", "allow"]] = (
        _key({"card": "mask"}, "numbers masked in answers")
    )


class OnFailurePart(Part):
    """What it means when a check could not look."""

    question: Then = _key("redirect", "an unchecked question")
    answer: Then = _key("redirect", "an unchecked answer")


class LimitPart(Part):
    """At most so many in any window of that length."""

    id: Key = _key(..., "its name in reports: limits.ID")
    per: Literal["user", "conversation", "business", "key"] = _key("user", "whose messages count")
    max: int = _key(..., "how many fit", ge=1, le=100_000_000)
    in_: Duration = Field(..., alias="in", description="the window, exact and sliding")
    of: Literal["messages", "tokens"] = _key("messages", "what is counted")
    then: Literal["throttle", "redirect", "escalate", "drop"] = _key("throttle", "what is done")
    to: str | None = _key(None, "escalate: the channel")
    mode: Mode = _key("enforce", "shadow: count and record, never act")


class ChannelPart(Part):
    """One way to a person."""

    kind: Literal["human", "phone", "email", "web_form", "web_support", "in_store"] = _key(
        ..., "one of Meta's six ways; only human pauses the bot"
    )
    to: str = _key("", "what the customer reads: a number, an address, a link, a place")
    via: Literal["inbox", "webhook", "chatwoot", "thread_control"] = _key(
        "inbox", "human: how colleagues get the case"
    )
    url: Address | None = _key(
        None, "webhook: where cases go; chatwoot: its address; https://... or env:NAME"
    )
    secret: Secret | None = _key(
        None, "env:NAME; webhook: what signs requests; chatwoot: an agent's access token"
    )
    account: int | None = _key(None, "chatwoot: the account's number", ge=1)
    inbox: int | None = _key(None, "chatwoot: the inbox for customers it does not know", ge=1)
    notify: Secret | None = _key(
        None, "env:NAME of an address told of each new case: https://..., or apprise's"
    )
    hours: OpenHours = _key((), "when somebody is there, local time; absent: always")
    sla: Duration | None = _key(None, "how soon a person should answer; a case is tried so long")
    else_: str | None = Field(
        None, alias="else", description="the channel when this one is closed, or cannot be reached"
    )


class EscalationPart(Part):
    """The ways to a person."""

    default: str = _key(..., "the channel used when nothing else is said")
    channels: dict[Key, ChannelPart] = _key(..., "the ways, by a short key", min_length=1)
    ask_words: dict[str, Texts] = _key({}, "more words for a person, by language")
    summary: Switch = _key(False, "the LLM writes a summary and a suggested reply for colleagues")
    resume_after: Duration = _key("12h", "silence of the bot at most", validate_default=True)


class DisclosurePart(Part):
    """Saying that an automated assistant is talking."""

    first_turn: Switch = _key(True, "say it before the first answer, on WhatsApp")


class PrivacyPart(Part):
    """What is kept of people."""

    numbers: Literal["hash", "keep"] = _key("hash", "phone numbers in records")
    text: Literal["mask", "keep", "drop"] = _key("mask", "what customers wrote, in records")
    keep: Duration = _key("30d", "how long records are kept", validate_default=True)


class TrialPart(Part):
    """A policy tried beside the one that is served."""

    of: str = _key(..., "the name of the policy it may replace")
    people: Texts = _key((), "who gets it: phone numbers, or hashes as records show them")


class TestPart(Part):
    """One test: what is said, and what must come of it."""

    __test__ = False  # not a test class of pytest's
    say: str | None = _key(None, "what a customer writes (with `bot`: the question before it)")
    bot: str | None = _key(None, "what the model answers")
    chat: tuple[str, ...] = _key((), "several customer messages of one conversation")
    expect: Texts = _key(..., "the verdict; for a chat one per message")
    topic: str | None = _key(None, "the topic it must be found under")
    rule: str | None = _key(None, "the rule that must have decided")
    lang: str | None = _key(None, "the language of the reply")
    at: str | None = _key(None, "the time it is said at: 2026-01-31 22:30, local")
    todo: str | None = _key(None, "known to fail: why")


class PolicyFile(Part):
    """One business's policy."""

    model_config = ConfigDict(title="guardproxy policy")
    version: Literal["1"] = _key(..., "the format's version: 1")
    name: str = _key(
        ...,
        "the policy's name in headers, reports and paths",
        pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$",
    )
    extends: tuple[str, ...] = _key((), "packs laid under this file")
    mode: Mode = _key("enforce", "shadow: decide and record, never act")
    timezone: str = _key("UTC", "for hours and days: Asia/Jakarta")
    languages: tuple[str, ...] = _key(("en",), "the first is the fallback", min_length=1)
    business: BusinessPart = _key(..., "who the bot speaks for")
    whatsapp: WhatsAppPart | None = _key(None, "the WhatsApp numbers")
    scope: ScopePart = _key(..., "what the bot is for")
    rules: tuple[RulePart, ...] = _key((), "own rules, before scope; the first match decides")
    input: InputPart = _key(InputPart(), "what may come in")
    output: OutputPart = _key(OutputPart(), "what may go out")
    on_failure: OnFailurePart = _key(OnFailurePart(), "when a check could not look")
    limits: tuple[LimitPart, ...] | None = _key(
        None, "message limits; absent: 20 a minute and 300 a day per user; []: none"
    )
    escalation: EscalationPart = _key(..., "the ways to a person")
    replies: dict[str, dict[str, str]] = _key({}, "own words, by language")
    disclosure: DisclosurePart = _key(DisclosurePart(), "saying that a bot is talking")
    privacy: PrivacyPart = _key(PrivacyPart(), "what is kept of people")
    trial: TrialPart | None = _key(
        None, "not served by itself: tried beside another policy on the same traffic"
    )
    tests: tuple[TestPart, ...] = _key((), "run by `guardproxy test`")


def schema() -> dict[str, Any]:
    """The JSON Schema of a policy file (draft 2020-12), for editors."""
    made = PolicyFile.model_json_schema(by_alias=True)
    made["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    made["properties"]["version"] = {"const": 1, "description": "the format's version"}
    return made
