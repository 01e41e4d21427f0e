"""The effective policy line by line, and where each line comes from."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from guardproxy.policy import packs
from guardproxy.policy.document import Path as Where
from guardproxy.policy.load import merged_document

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ ./+%-]*")
_WORDS = frozenset({"null", "~", "true", "false"})


def effective_lines(path: Path) -> Iterator[tuple[str, str]]:
    """(line, origin) of the effective document: `file:line`, a pack, or "" on a bare key.

    PolicyError when the file cannot be read.
    """
    merged, origins = merged_document(path)
    merged = {**merged, "replies": _replies(merged, origins)}
    yield from _mapping(merged, (), origins, 0)


def _replies(merged: Mapping[str, Any], origins: dict[Where, str]) -> dict[str, dict[str, Any]]:
    """The replies with those of the language packs under them; their origins are noted."""
    own = merged.get("replies") or {}
    found: dict[str, dict[str, Any]] = {}
    for language in merged.get("languages") or ["en"]:
        words = packs.pack(language).replies
        found[language] = {**words, **own.get(language, {})}
        for word in words:
            origins.setdefault(("replies", language, word), f"packs/lang/{language}.yaml")
    return found


def _mapping(
    value: Mapping[str, Any], path: Where, origins: Mapping[Where, str], depth: int
) -> Iterator[tuple[str, str]]:
    """The lines of a mapping."""
    for key, part in value.items():
        yield from _entry(f"{'  ' * depth}{_scalar(key)}:", part, (*path, key), origins, depth)


def _entry(
    head: str, part: Any, path: Where, origins: Mapping[Where, str], depth: int
) -> Iterator[tuple[str, str]]:
    """A key or a dash with what belongs to it."""
    origin = origins.get(path, "")
    if isinstance(part, dict) and part:
        yield head, ""
        yield from _mapping(part, path, origins, depth + 1)
    elif isinstance(part, list) and part:
        yield head, ""
        for index, item in enumerate(part):
            dash = f"{'  ' * (depth + 1)}-"
            yield from _entry(dash, item, (*path, index), origins, depth + 1)
    else:
        yield f"{head} {_scalar(part)}", origin


def _scalar(value: Any) -> str:
    """A text as YAML reads it back; empty collections as they are."""
    if value is None:
        return "null"
    if isinstance(value, dict | list):
        return "{}" if isinstance(value, dict) else "[]"
    text = str(value)
    plain = _PLAIN.fullmatch(text) and text == text.strip() and text.lower() not in _WORDS
    return text if plain else json.dumps(text, ensure_ascii=False)
