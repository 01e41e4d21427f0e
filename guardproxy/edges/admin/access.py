"""Who may use the admin listener: the token, a session made of it, and a lock against guessing.

Rule 1: without a token only this machine may ask, and only by a name of this machine.
Rule 2: what changes something is asked for by a program with the token, or by our own page.
Rule 3: whoever guesses is locked out for a while, right or wrong.
"""

import hashlib
import hmac
import ipaddress
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware
from pydantic import Field

from guardproxy.edges.admin.operation import Answer, Asked, Operation

COOKIE = "guardproxy_session"
LIFE = 12 * 3600.0  # seconds of a session: a working day
SESSIONS = 1000  # at most; the oldest go first
TRIES = 5  # wrong tokens from one address before it is locked
LOCKED = 900.0  # seconds, from the last wrong one
ADDRESSES = 1000  # remembered at most: a flood of addresses does not fill the memory
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
SESSION = "/api/session"
OPEN = frozenset({"/livez", "/readyz", SESSION})  # asked before anybody is known
PAGES = ("/", "/static/")  # the console's own files hold nothing of anyone's

By = Literal["", "bearer", "session", "loopback"]
TRUSTED = web.RequestKey("trusted", bool)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Token(Asked):
    """What signs in."""

    token: str = Field(max_length=1000)


class Who(Answer):
    """Whether this browser may ask; `csrf` goes with its changes as X-CSRF-Token."""

    signed_in: bool
    token_needed: bool
    csrf: str = ""


def is_loopback(host: str) -> bool:
    """Whether a host name is this machine's own: 127.0.0.0/8, ::1, localhost."""
    name = host.strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody signed in; `csrf` goes with every change they ask for."""

    csrf: str
    ends: float


@dataclass(slots=True)
class Lock:
    """Wrong tokens by where they came from."""

    clock: Callable[[], float]
    wrong: OrderedDict[str, tuple[int, float]] = field(default_factory=OrderedDict)

    def left(self, address: str) -> float:
        """Seconds an address stays locked, 0 when it is not."""
        count, last = self.wrong.get(address, (0, 0.0))
        return max(0.0, last + LOCKED - self.clock()) if count >= TRIES else 0.0

    def note(self, address: str) -> None:
        """One more wrong token; what is older than the lock is forgotten."""
        count, last = self.wrong.pop(address, (0, 0.0))
        now = self.clock()
        self.wrong[address] = (count + 1 if now - last < LOCKED else 1, now)
        while len(self.wrong) > ADDRESSES:
            self.wrong.popitem(last=False)


class Access:
    """Knows the token and the sessions of one admin listener."""

    def __init__(self, token: str, clock: Callable[[], float], *, named: bool = True) -> None:
        """`token` "": open to this machine. `clock`: monotonic seconds. `named` False: a socket
        file that only our own processes can reach, where the Host header says nothing.
        """
        self._token = token
        self._clock = clock
        self._named = named
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._lock = Lock(clock)

    def operations(self) -> list[Operation]:
        """Who am I, sign in, sign out."""
        path = SESSION
        return [
            Operation(method="GET", path=path, summary="Whether this browser is signed in",
                      handle=self._who, answer=Who),
            Operation(method="POST", path=path, summary="Sign in; the answer sets a cookie",
                      handle=self._sign_in, asked=Token, answer=Who),
            Operation(method="DELETE", path=path, summary="Sign out",
                      handle=self._sign_out, answer=Who),
        ]  # fmt: skip

    @property
    def middleware(self) -> Middleware:
        """Lets through whoever may ask, and says 401, 403 or 429 to the rest."""

        @web.middleware
        async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
            by = self._by(request)
            request[TRUSTED] = bool(by)
            if not by and not _is_open(request.path):
                raise web.HTTPUnauthorized(
                    reason="sign in, or send Authorization: Bearer with GUARDPROXY_ADMIN_TOKEN",
                    headers={hdrs.WWW_AUTHENTICATE: "Bearer"},
                )
            if request.method not in SAFE and by != "bearer":
                self._must_be_ours(request, by)
            return await handler(request)

        return check

    def _by(self, request: web.Request) -> By:
        """What a request is trusted by, "" when by nothing."""
        given = request.headers.get(hdrs.AUTHORIZATION, "")
        if self._token and given:
            return "bearer" if self._guess(request, given.removeprefix("Bearer ")) else ""
        if not self._token:
            host = urlsplit(f"//{request.host}").hostname or ""
            return "loopback" if not self._named or is_loopback(host) else ""
        return "session" if self._session(request) else ""

    def _guess(self, request: web.Request, token: str) -> bool:
        """Whether a token is the right one; 429 for an address that has guessed too often."""
        address = _address(request)
        left = self._lock.left(address)
        if left:
            raise web.HTTPTooManyRequests(
                reason=f"too many wrong tokens from here; try again in {left:.0f} s",
                headers={hdrs.RETRY_AFTER: f"{left:.0f}"},
            )
        right = hmac.compare_digest(token.encode(), self._token.encode())
        if not right:
            self._lock.note(address)
        return right

    def _session(self, request: web.Request) -> Session | None:
        """The session of a request's cookie, while it lasts."""
        session = self._sessions.get(_hashed(request.cookies.get(COOKIE, "")))
        return session if session and session.ends > self._clock() else None

    def _must_be_ours(self, request: web.Request, by: By) -> None:
        """403 for a change that another site's page asks for.

        A browser names the page's origin with every such request; a program names none.
        """
        origin = request.headers.get(hdrs.ORIGIN)
        site = request.headers.get("Sec-Fetch-Site", "same-origin")
        foreign = origin is not None and urlsplit(origin).netloc != request.host
        if foreign or site not in ("same-origin", "none"):
            raise web.HTTPForbidden(reason="another site's page may change nothing here")
        if request.path == SESSION and request.method == "POST":
            return  # signing in: the token in the body says more than one in a header
        session = self._session(request) if by == "session" else None
        given = request.headers.get("X-CSRF-Token", "")
        if session and not hmac.compare_digest(given.encode(), session.csrf.encode()):
            raise web.HTTPForbidden(reason="X-CSRF-Token is missing or old; reload the page")

    async def _who(self, request: web.Request, _asked: object) -> Who:
        session = self._session(request) if self._token else None
        return Who(
            signed_in=bool(request.get(TRUSTED, False)),
            token_needed=bool(self._token),
            csrf=session.csrf if session else "",
        )

    async def _sign_in(self, request: web.Request, asked: Token) -> web.Response:
        if not self._token:
            return _told(Who(signed_in=True, token_needed=False))
        if not self._guess(request, asked.token):
            raise web.HTTPUnauthorized(reason="this is not the admin token")
        name, session = _new(), Session(_new(), self._clock() + LIFE)
        self._sessions[_hashed(name)] = session
        while len(self._sessions) > SESSIONS:
            self._sessions.popitem(last=False)
        answer = _told(Who(signed_in=True, token_needed=True, csrf=session.csrf))
        answer.set_cookie(
            COOKIE, name, max_age=int(LIFE), httponly=True, samesite="Strict", path="/",
            secure=request.secure or request.headers.get("X-Forwarded-Proto") == "https",
        )  # fmt: skip
        return answer

    async def _sign_out(self, request: web.Request, _asked: object) -> web.Response:
        """The session ends here, whoever has kept its cookie."""
        self._sessions.pop(_hashed(request.cookies.get(COOKIE, "")), None)
        answer = _told(Who(signed_in=not self._token, token_needed=bool(self._token)))
        answer.del_cookie(COOKIE, path="/")
        return answer


def _told(who: Who) -> web.Response:
    """An answer that a cookie can go with."""
    return web.json_response(who.model_dump(), headers={hdrs.CACHE_CONTROL: "no-store"})


def _is_open(path: str) -> bool:
    """Whether a path may be asked for by anybody."""
    return path in OPEN or path == PAGES[0] or path.startswith(PAGES[1])


def _new() -> str:
    """A name nobody can guess."""
    return secrets.token_urlsafe(24)


def _hashed(name: str) -> str:
    """A session's name as it is kept: a dump of the memory holds no cookie that works."""
    return hashlib.sha256(name.encode()).hexdigest()


def _address(request: web.Request) -> str:
    """Where a request comes from; a whole /64 of IPv6 counts as one: it is one customer's."""
    remote = request.remote or ""
    try:
        address = ipaddress.ip_address(remote)
    except ValueError:
        return remote
    if address.version == 6:
        return str(ipaddress.ip_network(f"{remote}/64", strict=False))
    return remote
