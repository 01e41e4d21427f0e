"""The small types of a policy file: durations, shares, switches, hours, secrets by name."""

import re
from datetime import time
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from guardproxy.policy.compiled import Hours

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(
    r"(?:(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))?\s+)?(?P<open>\d{1,2}:\d{2})-(?P<close>\d{1,2}:\d{2})"
)


def duration(value: Any) -> float:
    """Seconds of "90s", "1m", "12h", "30d"; ValueError says how to write one."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    match = _DURATION.fullmatch(str(value).strip())
    if match is None or float(match[1]) == 0:
        raise ValueError(f"{value!r} is not a duration; write a number and s, m, h or d, as in 12h")
    return float(match[1]) * _UNITS[match[2]]


def percent(value: Any) -> float:
    """0..1 of "1%"."""
    if isinstance(value, float):
        return value
    match = _PERCENT.fullmatch(str(value).strip())
    if match is None or not 0 < float(match[1]) <= 50:
        raise ValueError(f"{value!r} is not a share from 0 to 50 %; write it as in 1%")
    return float(match[1]) / 100


def switch(value: Any) -> bool:
    """True or False; other words are text in YAML 1.2, and the error says so."""
    if isinstance(value, bool):
        return value
    if str(value) in ("true", "True", "TRUE"):
        return True
    if str(value) in ("false", "False", "FALSE"):
        return False
    raise ValueError(f"{value!r} is text, not a switch; write true or false")


def one_or_many(value: Any) -> Any:
    """A single text where a list may stand."""
    return [value] if isinstance(value, str) else value


def hours(value: Any) -> tuple[Hours, ...]:
    """Spans such as "10:00-22:00" and "mon-fri 09:00-18:00", one or a list of them."""
    if isinstance(value, tuple):
        return value
    return tuple(_hours(str(text)) for text in one_or_many(value))


def _hours(text: str) -> Hours:
    """One span of hours."""
    match = _HOURS.fullmatch(text.strip().lower())
    wrong = f'{text!r} are not hours; write "10:00-22:00" or "mon-fri 09:00-18:00"'
    if match is None:
        raise ValueError(wrong)
    try:
        opens, closes = _clock(match["open"]), _clock(match["close"])
        first = DAYS.index(match["first"]) if match["first"] else 0
        last = DAYS.index(match["last"]) if match["last"] else (first if match["first"] else 6)
    except ValueError as error:
        raise ValueError(wrong) from error
    days = frozenset((first + step) % 7 for step in range((last - first) % 7 + 1))
    return Hours(opens, closes, days)


def _clock(text: str) -> time:
    """HH:MM; 24:00 is the last moment of the day."""
    hour, minute = (int(part) for part in text.split(":"))
    return time.max if (hour, minute) == (24, 0) else time(hour, minute)


def secret(value: Any) -> str:
    """The NAME of an environment variable, given as `env:NAME`."""
    text = str(value)
    if not re.fullmatch(r"env:[A-Za-z_][A-Za-z0-9_]*", text):
        raise ValueError("a secret in clear; write env:NAME and set NAME in the environment")
    return text


def address(value: Any) -> str:
    """A URL, or the NAME of a variable that holds one."""
    text = str(value)
    if text.startswith(("https://", "http://")) or re.fullmatch(r"env:[A-Za-z_]\w*", text):
        return text
    raise ValueError(f"{text!r} is no address; write https://... or env:NAME")


def _text(examples: list[str], description: str) -> WithJsonSchema:
    """A text in the JSON Schema."""
    return WithJsonSchema({"type": "string", "examples": examples, "description": description})


def _texts(**more: Any) -> WithJsonSchema:
    """A text or a list of them in the JSON Schema."""
    listed = {"type": "array", "items": {"type": "string"}}
    return WithJsonSchema({"anyOf": [{"type": "string"}, listed], **more})


Duration = Annotated[float, BeforeValidator(duration), _text(["1m", "12h"], "a duration")]
Percent = Annotated[float, BeforeValidator(percent), _text(["1%"], "a share")]
Switch = Annotated[bool, BeforeValidator(switch)]
Secret = Annotated[str, BeforeValidator(secret), _text(["env:NAME"], "a variable's name")]
Address = Annotated[str, BeforeValidator(address), _text(["env:NAME"], "a URL, or its variable")]
Texts = Annotated[tuple[str, ...], BeforeValidator(one_or_many), _texts()]
OpenHours = Annotated[
    tuple[Hours, ...],
    BeforeValidator(hours),
    _texts(examples=["10:00-22:00", "mon-fri 09:00-18:00"]),
]
Line = Annotated[str, Field(min_length=1, max_length=2000)]
Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
