"""Who calls: keys, the policy a key is bound to, the person and the conversation it speaks for."""

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote

from aiohttp import hdrs, web

from guardproxy.core.errors import WireError
from guardproxy.edges.llm import keys
from guardproxy.edges.llm.keys import Key, Keys
from guardproxy.pipeline.guard import Guard, for_audience
from guardproxy.pipeline.shelf import Shelf

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/+=-]{0,127}\Z")  # as gateways and traces write them


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: a key's id, or "local" for whoever is on this machine."""

    id: str
    key: Key | None = None

    @property
    def policy(self) -> str:
        """The policy it is bound to, "" for none."""
        return self.key.policy if self.key else ""

    @property
    def is_internal(self) -> bool:
        """Whether no customer sees what it gets."""
        return self.key is not None and self.key.audience == "internal"


class Callers:
    """The keys there are; without a file, callers on this machine need none."""

    def __init__(self, path: Path | None) -> None:
        """`path`: the file of keys; None: loopback callers only. SettingsError."""
        self._path = path
        self._keys: Keys | None = keys.read(path) if path is not None else None

    def reload(self) -> None:
        """Read the file again. SettingsError when it is broken: the keys stay as they were."""
        if self._path is not None:
            self._keys = keys.read(self._path)

    def known(self, request: web.Request, given: str = "") -> Caller:
        """The caller of a request. WireError 401 or 403 when it may not call.

        `given`: its key, where the API takes it elsewhere than in a header.
        """
        if self._keys is None:
            if not _is_local(request.remote):
                message = "no caller keys are set up: only callers on this machine are served"
                raise WireError(message, status=403)
            return Caller("local")
        held = request.headers.get(hdrs.AUTHORIZATION, "").removeprefix("Bearer ").strip()
        held = given or held or request.headers.get("x-api-key", "")
        key = self._keys.get(keys.digest(held))
        if key is None:
            raise WireError("the API key is missing or unknown", status=401)
        return Caller(key.id, key)


@lru_cache(maxsize=1024)
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
        return _for_key(guard, caller)
    there = ", ".join(shelf.names)
    if name:
        raise WireError(f"no policy {name!r}; there is: {there}", status=404)
    message = f"several policies are loaded: call /t/NAME/v1/..., NAME one of: {there}"
    raise WireError(message)


def named_person(request: web.Request, body_says: str | None) -> str | None:
    """The person a request speaks for: the header before the body."""
    return request.headers.get("x-guardproxy-user", "").strip() or body_says


def request_id(request: web.Request) -> str:
    """The caller's own name for a request, "" for none that can be told again."""
    given = request.headers.get("x-request-id", "")
    return given if _NAME.match(given) else ""


def customer_words(request: web.Request) -> str | None:
    """The customer's own words, where the request's text is the agent's: plain or %-encoded."""
    given = request.headers.get("x-guardproxy-input")
    return unquote(given) if given else None


@lru_cache(maxsize=512)  # keys times policies of one installation; a reload makes new guards
def _kept(guard: Guard, key: Key) -> Guard:
    """A guard with a key's own limits, and for its audience."""
    return for_audience(guard, key.as_limits(), internal=key.audience == "internal")


def _for_key(guard: Guard, caller: Caller) -> Guard:
    """The guard as it judges what comes through a key."""
    key = caller.key
    return guard if key is None or not (key.limits or caller.is_internal) else _kept(guard, key)
