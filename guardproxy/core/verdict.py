"""The six things that can be decided about a message. A verdict is a value, never an exception."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Allow:
    """Goes on as it is; `rule` only where one of the business's own rules said so."""

    name: ClassVar[str] = "allow"
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class Rewrite:
    """The answer goes out trimmed or masked, as `text`."""

    name: ClassVar[str] = "rewrite"
    rule: str
    text: str


@dataclass(frozen=True, slots=True)
class Redirect:
    """Refused in the policy's words, with what the bot can do and one way to a person."""

    name: ClassVar[str] = "redirect"
    rule: str


@dataclass(frozen=True, slots=True)
class Escalate:
    """Goes to a person: `to` names a channel of the policy, None the default one."""

    name: ClassVar[str] = "escalate"
    rule: str
    to: str | None = None


@dataclass(frozen=True, slots=True)
class Throttle:
    """Over a limit; fits again after `retry_after` seconds."""

    name: ClassVar[str] = "throttle"
    rule: str
    retry_after: float


@dataclass(frozen=True, slots=True)
class Drop:
    """Nothing is said: a person is talking, the customer opted out, or it was said before."""

    name: ClassVar[str] = "drop"
    rule: str


Verdict = Allow | Rewrite | Redirect | Escalate | Throttle | Drop
