"""A policy to start from, made of what an agent's prompt says about its business."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from guardproxy.core.text import fold
from guardproxy.rehearsal.review import Sentence

_NAME = re.compile(
    r"(?:\b(?:of|for|at|de|da|do|della|di|von|bei|für|chez|dari|untuk|named|called)\s+)"
    r"((?:[A-Z][\w'’&.-]*)(?:\s+[A-Z&][\w'’&.-]*)*)"
)
_CAPITALS = re.compile(r"(?<=\s)((?:[A-Z][\w'’&-]+)(?:\s+[A-Z&][\w'’&-]*)*)")
_LIST = re.compile(
    r"\b(?:about|with|to|on|regarding|sobre|con|com|de|sur|für|über|zu|su|soal|tentang)\b(.+)",
    re.IGNORECASE,
)
_AND = re.compile(r",|\b(?:and|or|y|o|e|ou|et|und|oder|dan|ve|atau)\b")
_ARTICLE = re.compile(
    r"^(?:the|our|your|el|la|los|las|le|les|die|der|das|il|o|a|os|as)\s+", re.IGNORECASE
)
_PHONE = re.compile(r"\+\d[\d ()./-]{6,18}\d")
_EMAIL = re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b")
MOST_TOPICS = 8  # more are read by nobody
MOST_EXAMPLES = 16  # of past messages: what the scope model gains by


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A drafted policy: its name and its text."""

    name: str
    text: str


def draft(prompt: Sequence[Sentence], *, language: str, said: Sequence[str] = ()) -> Draft:
    """A policy of what the prompt says; `said`: messages of customers that were in scope."""
    whole = " ".join(sentence.text for sentence in prompt)
    business = [sentence.text for sentence in prompt if sentence.kind == "business"]
    scope = [sentence.text for sentence in prompt if sentence.kind == "scope"]
    does = (business or scope or [whole or "our business"])[0][:500]
    name = _name(does)
    slug = re.sub(r"[^a-z0-9]+", "-", fold(name)).strip("-")[:60] or "my-business"
    examples = list(dict.fromkeys(line.strip() for line in said if line.strip()))[:MOST_EXAMPLES]
    lines = _lines(slug, name, does, _topics(scope or business), examples or [does], language)
    return Draft(name=slug, text="\n".join([*lines, *_ways(whole)]) + "\n")


def _name(does: str) -> str:
    """The business's name: the capitals after "of" or "for", or any that start no sentence."""
    found = _NAME.search(does) or _CAPITALS.search(does)
    return found.group(1).strip(" .'’") if found else "My business"


def _topics(sentences: Sequence[str]) -> dict[str, str]:
    """The subjects a sentence lists, by a key."""
    topics: dict[str, str] = {}
    for sentence in sentences:
        listed = _LIST.search(re.split(r"[;:.]", sentence)[0])
        for part in _AND.split(listed.group(1)) if listed else ():
            about = _ARTICLE.sub("", part.strip(" ,."))
            key = re.sub(r"[^a-z0-9]+", "_", fold(about)).strip("_")[:40]
            if key and len(about.split()) <= 5:  # longer is a clause, not a subject
                topics.setdefault(key, about)
    return dict(list(topics.items())[:MOST_TOPICS])


def _lines(
    slug: str, name: str, does: str, topics: dict[str, str], examples: Sequence[str], language: str
) -> Iterator[str]:
    """The file without its ways to a person."""
    yield "# yaml-language-server: $schema=./guardproxy.schema.json"
    yield "# Drafted from a prompt: read every line, and add examples as customers write them."
    yield f"version: 1\nname: {slug}\nlanguages: [{language}]"
    yield f"business:\n  name: {_text(name)}\n  does: {_text(does)}\nscope:\n  examples:"
    yield from (f"    - {_text(line[:300])}" for line in examples)
    if topics:
        yield "  topics:"
        yield from (f"    {key}: {{about: {_text(about)}}}" for key, about in topics.items())


def _ways(whole: str) -> Iterator[str]:
    """The ways to a person the prompt names; a colleague in the chat when it names none."""
    phone, email = _PHONE.search(whole), _EMAIL.search(whole)
    channels = {"team": "{kind: human}"}
    if phone:
        channels["phone"] = f"{{kind: phone, to: {_text(phone.group(0))}}}"
    if email:
        channels["email"] = f"{{kind: email, to: {_text(email.group(0))}}}"
    if len(channels) > 1:
        del channels["team"]
        yield "# A colleague in this chat: team: {kind: human, hours: ..., else: ...}"
    yield f"escalation:\n  default: {next(iter(channels))}\n  channels:"
    yield from (f"    {key}: {channel}" for key, channel in channels.items())


def _text(text: str) -> str:
    """A text in double quotes, which YAML reads as JSON does."""
    return json.dumps(text, ensure_ascii=False)
