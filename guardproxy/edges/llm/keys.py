"""The file of caller keys: SHA-256 of each key, what it may do, never the key itself.

A key is 256 random bits, so that a plain hash of it cannot be turned back; nothing here is slow.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from guardproxy.core.errors import SettingsError
from guardproxy.core.ledger import Limit
from guardproxy.policy.kinds import Duration

PREFIX = "gp_"  # so that people and secret scanners know one when they see it


class KeyLimit(BaseModel):
    """At most `max` messages or tokens through one key in any window of `in`."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    max: int = Field(gt=0)
    window: Duration = Field(alias="in")
    of: Literal["messages", "tokens"] = "messages"


class Key(BaseModel):
    """One caller key: its id, the policy it is bound to, who hears its answers, its limits."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    policy: str = ""
    audience: Literal["customer", "internal"] = "customer"
    graph: bool = False  # also swapped for Meta's token on the Graph API hop
    limits: tuple[KeyLimit, ...] = ()

    def as_limits(self) -> tuple[Limit, ...]:
        """The limits as the store counts them."""
        return tuple(
            Limit(id=f"key-{self.id}-{number}", per="key", max=limit.max, seconds=limit.window,
                  of=limit.of)
            for number, limit in enumerate(self.limits)
        )  # fmt: skip


Keys = Mapping[str, Key]  # SHA-256 (hex) of a key -> its entry
_FILE = TypeAdapter(dict[str, Key])


def digest(key: str) -> str:
    """What the file keeps of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def read(path: Path) -> dict[str, Key]:
    """The keys of a file. SettingsError when it cannot be read or is not of the shape."""
    try:
        return _FILE.validate_python(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        message = (
            f"GUARDPROXY_API_KEYS: {path}: {error}; `guardproxy keys new NAME` writes such a file"
        )
        raise SettingsError(message) from error


def write(path: Path, keys: Keys) -> None:
    """Replace the file in one step, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    text = json.dumps(
        {name: json.loads(key.model_dump_json(by_alias=True)) for name, key in keys.items()},
        indent=1,
    )
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")
    fresh.replace(path)


def fresh() -> str:
    """A new key."""
    return PREFIX + secrets.token_urlsafe(32)
