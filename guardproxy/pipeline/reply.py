"""The words the customer reads for each verdict. Pure: the same verdict gives the same words."""

from math import ceil
from typing import assert_never

from guardproxy.core.phases import Phase
from guardproxy.core.verdict import Allow, Drop, Escalate, Redirect, Rewrite, Throttle, Verdict
from guardproxy.policy.compiled import Channel, Policy
from guardproxy.policy.pack import Pack

TOPICS = 4  # a reply names up to four subjects: more is a menu, not a sentence

# Which words a redirect uses; anything else is "off scope".
WORDS = {
    "input.max_chars": "too_long",
    "input.unscannable": "unscannable",
    "on_failure": "on_failure",
    "scope.unsure": "clarify",
}


def reply_to(
    verdict: Verdict, policy: Policy, *, language: str, channel: Channel, phase: Phase,
    reached: bool = True,
) -> str | None:  # fmt: skip
    """What the customer reads instead of an answer; None: the answer goes out, or nothing does.

    `channel` is the way to a person that is open now, `phase` the conversation's before the turn.
    `reached` False: the person has been called, and nobody knows whether it was heard.
    """
    if isinstance(verdict, Rewrite):
        return verdict.text
    word = _word(verdict, policy, channel, phase)
    if word == "escalate_human" and not reached:
        word = "escalate_noted"
    if word is None:
        return None
    seconds = verdict.retry_after if isinstance(verdict, Throttle) else 0.0
    return _say(policy.pack(language), word, policy, channel, minutes=max(1, ceil(seconds / 60)))


def _word(
    verdict: Allow | Redirect | Escalate | Throttle | Drop,
    policy: Policy,
    channel: Channel,
    phase: Phase,
) -> str | None:
    """The key of the words for a verdict; None: nothing is said in the bot's place."""
    word: str | None
    match verdict:
        case Allow():
            word = None
        case Redirect(rule=rule):
            word = _redirect_word(policy, rule)
        case Escalate() if phase is Phase.HUMAN:
            word = None  # the person is reading; the bot does not talk over them
        case Escalate():
            word = "escalate_human" if channel.pauses else "escalate_told"
        case Throttle():
            word = "throttle"
        case Drop(rule=rule):
            word = "opted_out" if rule == "opt_out.stop" else None
        case _:
            assert_never(verdict)
    return word


def _redirect_word(policy: Policy, rule: str) -> str:
    """The key of the words for a rule: the longest dotted start that has its own."""
    parts = rule.split(".")
    for length in range(len(parts), 0, -1):
        word = WORDS.get(".".join(parts[:length]))
        if word == "clarify" and policy.unsure != "clarify":
            return "redirect"
        if word:
            return word
    return "redirect"


def _say(pack: Pack, word: str, policy: Policy, channel: Channel, *, minutes: int = 1) -> str:
    """One reply of a pack with its blanks filled."""
    return (
        pack.replies[word]
        .replace("{topics}", topics_of(policy, pack))
        .replace("{channel}", readable(channel, pack))
        .replace("{business}", policy.business.name)
        .replace("{minutes}", str(minutes))
    )


def refusals(policy: Policy) -> frozenset[str]:
    """Every text that tells a customer no, in each language and with each way to a person. A
    question back ("did you mean...?") is none: what follows leans on it.
    """
    words = {"redirect", *WORDS.values()} - {"clarify"}
    return frozenset(
        _say(pack, word, policy, channel).strip()
        for pack in policy.packs.values()
        for channel in policy.escalation.channels.values()
        for word in words
    )


def topics_of(policy: Policy, pack: Pack) -> str:
    """Up to four subjects, joined as the language does."""
    about = tuple(topic.about for topic in policy.topics)[:TOPICS]
    return pack.join(about or (policy.business.does,))


def readable(channel: Channel, pack: Pack) -> str:
    """A channel as a customer reads it: its target, or the words for a person in this chat."""
    return pack.human if channel.pauses else channel.to


def disclosure(policy: Policy, language: str) -> str:
    """The sentence that says an automated assistant is talking, and how to reach a person."""
    pack = policy.pack(language)
    channel = policy.escalation.channels[policy.escalation.default]
    return _say(pack, "disclosure", policy, channel)
