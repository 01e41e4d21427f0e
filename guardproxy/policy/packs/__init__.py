"""The language packs that ship: read once, checked whole, then shared."""

from functools import cache
from importlib import resources
from typing import Any

import yaml

from guardproxy.policy.pack import REPLIES, Asking, Pack

_LANG = resources.files(__package__) / "lang"
LISTS = ("yes", "no", "opt_out", "opt_in", "smalltalk", "complaints", "bot_questions", "marks",
         "offers")  # fmt: skip


@cache
def languages() -> tuple[str, ...]:
    """The languages there is a pack for, sorted."""
    names = (entry.name for entry in _LANG.iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml")))


@cache
def pack(language: str) -> Pack:
    """A language's pack; KeyError when there is none (ask `languages()` first)."""
    if language not in languages():
        raise KeyError(language)
    # BaseLoader: every scalar is text, so that "no" is a word and not a boolean
    raw = yaml.load((_LANG / f"{language}.yaml").read_text("utf-8"), Loader=yaml.BaseLoader)  # noqa: S506
    missing = [key for key in REPLIES if key not in raw["replies"]]
    if missing:
        raise ValueError(f"packs/lang/{language}.yaml: replies lack {', '.join(missing)}")
    return Pack(language=language, **_fields(raw))


def _fields(raw: dict[str, Any]) -> dict[str, Any]:
    """A pack's fields from its file."""
    asking = raw["asking"]
    return {
        "name": raw["name"],
        "asking": Asking(
            people=tuple(asking["people"]),
            phrases=tuple(asking["phrases"]),
            not_phrases=tuple(asking["not_phrases"]),
        ),
        "replies": dict(raw["replies"]),
        "human": raw["human"],
        "joins": (raw["joins"][0], raw["joins"][1]),
        **{key: tuple(raw[key]) for key in LISTS},
    }


@cache
def others() -> tuple[Asking, ...]:
    """How a person is asked for in languages that have no pack of their own yet."""
    path = resources.files(__package__) / "others.yaml"
    raw = yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)  # noqa: S506  text only
    return tuple(
        Asking(
            people=tuple(asking["people"]),
            phrases=tuple(asking["phrases"]),
            not_phrases=tuple(asking["not_phrases"]),
        )
        for asking in raw.values()
    )


BASE = "whatsapp-business-2026"  # laid under every policy


@cache
def base() -> dict[str, Any]:
    """The values every policy starts from, as texts."""
    path = resources.files(__package__) / f"{BASE}.yaml"
    raw: dict[str, Any] = yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)  # noqa: S506
    return raw
