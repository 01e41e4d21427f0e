"""A language pack: the words guardproxy says and listens for in one language."""

from collections.abc import Mapping
from dataclasses import dataclass

REPLIES = (
    "redirect",  # off scope: {topics} {channel}
    "escalate_human",  # a colleague will answer here
    "escalate_told",  # the way to a person outside this chat: {channel}
    "escalate_noted",  # nobody could be reached yet; it is tried on: {topics}
    "throttle",  # too many messages: {minutes}
    "clarify",  # unsure: asks what about {topics} is meant
    "on_failure",  # a check could not look: {channel}
    "unscannable",  # a voice note, a picture: cannot be read here: {channel}
    "too_long",  # {channel}
    "opted_out",  # confirms that nothing more will be sent
    "disclosure",  # {business}: an automated assistant, and a person is within reach
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How a request for a person is worded: words that name a person, and whole phrasings.

    `people` are nouns ("human", "agent"); `phrases` and `not_phrases` are RE2 expressions over
    folded text (lower case, accents stripped, spaces single): one of `phrases` must match, none
    of `not_phrases` ("are you a human?", "is the agent's fee included?").
    """

    people: tuple[str, ...]
    phrases: tuple[str, ...]
    not_phrases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """One language's words. Texts may hold {topics}, {channel}, {business}, {minutes}."""

    language: str  # BCP 47: en, id, hi, hi-Latn
    name: str
    asking: Asking
    yes: tuple[str, ...]
    no: tuple[str, ...]
    opt_out: tuple[str, ...]
    opt_in: tuple[str, ...]
    smalltalk: tuple[str, ...]  # example lines: greetings, thanks, goodbyes
    complaints: tuple[str, ...]  # example lines
    bot_questions: tuple[str, ...]  # RE2: "are you a bot?"
    marks: tuple[str, ...]  # frequent short words that tell this language from others
    replies: Mapping[str, str]
    human: str  # {channel} for a person here in the chat
    joins: tuple[str, str]  # between list items, and before the last: (", ", " and ")
    offers: tuple[str, ...]  # RE2: a bot's own offer of a person ("shall I connect you?")

    def join(self, items: tuple[str, ...]) -> str:
        """A list as the language writes it."""
        if len(items) < 2:  # one item, or none, needs no joining
            return "".join(items)
        return self.joins[0].join(items[:-1]) + self.joins[1] + items[-1]
