"""A policy to start from: a kind of business in a language, written as a person would write it."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

import yaml

_FOLDER = "guardproxy.policy.templates"
_COMMON = "common"


@cache
def templates() -> tuple[str, ...]:
    """The kinds of business there is a starting point for, sorted."""
    names = (entry.name.removesuffix(".yaml") for entry in resources.files(_FOLDER).iterdir()
             if entry.name.endswith(".yaml"))  # fmt: skip
    return tuple(sorted(name for name in names if name != _COMMON))


@cache
def starter_languages() -> tuple[str, ...]:
    """The languages of the starting points, in the order of their file."""
    return tuple(_read(_COMMON))


@cache
def _read(name: str) -> dict[str, Any]:
    """One file of starting points, as texts."""
    path = resources.files(_FOLDER) / f"{name}.yaml"
    raw: dict[str, Any] = yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)  # noqa: S506
    return raw


def starter(template: str, language: str) -> str:
    """The text of a policy file that passes `check` and its own tests.

    KeyError when there is no such template or language (ask `templates()` first).
    """
    file, place = _read(template), _read(_COMMON)[language]
    return "\n".join(_lines(template, language, file[language], file["purposes"], place)) + "\n"


def _lines(
    template: str, language: str, words: Mapping[str, Any], purposes: Mapping[str, str],
    place: Mapping[str, str],
) -> Iterator[str]:  # fmt: skip
    """The file, line by line."""
    yield "# yaml-language-server: $schema=./guardproxy.schema.json"
    yield "# Change what is not yours, and write the examples as your customers write."
    yield f"version: 1\nname: my-{template}\ntimezone: {place['timezone']}"
    yield f"languages: [{language if language == 'en' else f'{language}, en'}]"
    yield f"business:\n  name: {_text(words['name'])}\n  does: {_text(words['does'])}"
    yield "  facts: []  # what the bot may rely on: opening hours, prices, delivery areas"
    yield "  never: []  # what it must never tell"
    yield '# whatsapp: {phone_number_id: "..."}  # Meta\'s id of your number'
    yield "scope:\n  topics:"
    for key, topic in words["topics"].items():
        yield _part(key, topic, f"purpose: {purposes[key]}, ")
    yield "  refuse:"
    for key, refusal in words["refuse"].items():
        yield _part(key, refusal, "")
    yield "limits:\n  - {id: burst, per: user, max: 10, in: 1m, then: throttle}"
    yield "  - {id: daily, per: user, max: 200, in: 1d, then: throttle}"
    yield "escalation:\n  default: team\n  channels:"
    yield '    team: {kind: human, hours: "mon-fri 09:00-18:00", sla: 15m, else: phone}'
    yield f"    phone: {{kind: phone, to: {_text(place['phone'])}}}  # your own number here"
    yield from _tests(words, place)


def _tests(words: Mapping[str, Any], place: Mapping[str, str]) -> Iterator[str]:
    """A test for each topic and refusal, and for what is the same everywhere."""
    yield "tests:"
    for key, topic in words["topics"].items():
        yield f"  - {{say: {_text(topic['examples'][0])}, expect: allow, topic: {key}}}"
    for key, refusal in words["refuse"].items():
        said = _text(refusal["examples"][0])
        yield f"  - {{say: {said}, expect: redirect, rule: scope.refuse.{key}}}"
    yield f"  - {{say: {_text(place['thanks'])}, expect: allow}}"
    yield f"  - {{say: {_text(place['bot'])}, expect: allow}}"
    yield f"  - {{say: {_text(place['off'])}, expect: redirect}}"
    yield f"  - {{say: {_text(place['mind'])}, expect: redirect, rule: input.injection}}"
    yield f"  - {{say: {_text(place['person'])}, expect: escalate, rule: escalation.ask}}"


def _part(key: str, part: Mapping[str, Any], more: str) -> str:
    """A topic or a refusal."""
    examples = ", ".join(_text(line) for line in part["examples"])
    return f"    {key}: {{about: {_text(part['about'])}, {more}examples: [{examples}]}}"


def _text(text: str) -> str:
    """A text in double quotes, which YAML reads as JSON does."""
    return json.dumps(text, ensure_ascii=False)
