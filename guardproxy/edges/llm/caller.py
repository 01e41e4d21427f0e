"""Who calls: keys, the policy a key is bound to, the person and the conversation it speaks for."""

import hashlib
import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from aiohttp import hdrs, web
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from guardproxy.core.errors import SettingsError, WireError
from guardproxy.pipeline.guard import Guard
from guardproxy.pipeline.shelf import Shelf


class Key(BaseModel):
    """One caller key: its id, the policy it is bound to, and who hears its answers."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str
    policy: str = ""
    audience: str = "customer"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: a key's id, or "local" for whoever is on this machine."""

    id: str
    policy: str = ""


class Callers:
    """The keys there are; without a file, callers on this machine need none."""

    def __init__(self, keys: Mapping[str, Key] | None) -> None:
        """`keys`: SHA-256 (hex) of a key -> the key's entry; None: loopback callers only."""
        self._keys = keys

    def known(self, request: web.Request) -> Caller:
        """The caller of a request. WireError 401 or 403 when it may not call."""
        if self._keys is None:
            if not _is_local(request.remote):
                message = "no caller keys are set up: only callers on this machine are served"
                raise WireError(message, status=403)
            return Caller("local")
        given = request.headers.get(hdrs.AUTHORIZATION, "").removeprefix("Bearer ").strip()
        given = given or request.headers.get("x-api-key", "")
        key = self._keys.get(hashlib.sha256(given.encode("utf-8", "surrogateescape")).hexdigest())
        if key is None:
            raise WireError("the API key is missing or unknown", status=401)
        return Caller(key.id, key.policy)


def read_keys(path: Path | None) -> Callers:
    """The keys of a file: JSON, SHA-256 (hex) -> {id, policy, audience}."""
    if path is None:
        return Callers(None)
    try:
        raw = json.loads(path.read_text("utf-8"))
        return Callers(TypeAdapter(dict[str, Key]).validate_python(raw))
    except (OSError, ValueError, ValidationError) as error:
        message = f"GUARDPROXY_API_KEYS: {path}: {error}"
        raise SettingsError(message) from error


def _is_local(address: str | None) -> bool:
    """Whether an address is this machine's own."""
    try:
        return ipaddress.ip_address(address or "").is_loopback
    except ValueError:
        return False


def guard_for(shelf: Shelf, caller: Caller, named: str | None) -> Guard:
    """The guard of the policy that applies: the key's, else the path's, else the only one."""
    if caller.policy and named and named != caller.policy:
        raise WireError(f"this key serves the policy {caller.policy!r} only", status=403)
    name = caller.policy or named
    guard = shelf.named(name) if name else shelf.only()
    if guard is not None:
        return guard
    there = ", ".join(shelf.names)
    if name:
        raise WireError(f"no policy {name!r}; there is: {there}", status=404)
    message = f"several policies are loaded: call /t/NAME/v1/..., NAME one of: {there}"
    raise WireError(message)


def named_person(request: web.Request, body_says: str | None) -> str | None:
    """The person a request speaks for: the header before the body."""
    return request.headers.get("x-guardproxy-user", "").strip() or body_says


def customer_words(request: web.Request) -> str | None:
    """The customer's own words, where the request's text is the agent's: plain or %-encoded."""
    given = request.headers.get("x-guardproxy-input")
    return unquote(given) if given else None
