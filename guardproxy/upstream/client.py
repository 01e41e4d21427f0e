"""The LLM backend: a deadline for each kind of wait, errors with a status to answer with.

Tried again only before its first byte, and only when it was not reached, asked for patience, or
broke (408, 429 with a short Retry-After, 5xx); then the next backend of the list. The key is added
here and removed from everything that comes back. The host is the settings' alone: no caller's
field, header or redirect chooses one.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, hdrs

from guardproxy.core.errors import UpstreamError

MOST = 32 << 20  # bytes of one answer; the longest answers there are stay under 1 MiB
SHOWN = 16 << 10  # bytes of an error's body that are passed on: messages are short
TRIES = 2  # per backend: a second try mends what is momentary, a third delays the next backend
PAUSE = 0.25  # seconds before the second try
PATIENT = 2.0  # seconds of Retry-After that are waited here; longer ones are the caller's to wait
RELAYED = frozenset({400, 404, 409, 413, 422, 429})  # the caller's own doing: its status is kept
MOMENTARY = frozenset({408, 429, 500, 502, 503, 504, 529})
VERSION = "2023-06-01"  # of Anthropic's API, where a caller names none


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer of the backend."""

    body: bytes
    content_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """Seconds: to connect, from the start to the first byte, between two bytes, altogether."""

    connect: float = 5.0
    first_byte: float = 60.0
    idle: float = 60.0
    total: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """One base URL up to /v1, its key, and the model it is asked for ("" the caller's)."""

    url: str
    key: str = field(default="", repr=False)
    model: str = ""


Make = Callable[[str], bytes]  # the model a backend is asked for, "" the caller's -> the body


class Upstream:
    """The backends that speak one dialect, the first that answers."""

    def __init__(
        self, session: ClientSession, backends: Sequence[Backend], *, api: str = "openai",
        clock: Callable[[], float], took: Callable[[str, float], None],
        waits: Waits | None = None,
    ) -> None:  # fmt: skip
        """`backends` in the order they are tried; `api` openai or anthropic.

        `took(outcome, seconds)` is told of every request: "ok" or "failed", by `clock`.
        """
        self._clock = clock
        self._took = took
        self._session = session
        self._backends = tuple(backend for backend in backends if backend.url)
        self._waits = waits = waits or Waits()
        self._connecting = ClientTimeout(total=None, sock_connect=waits.connect, sock_read=None)
        self.api = api

    async def post(self, path: str, body: Make, headers: Mapping[str, str] | None = None) -> Reply:
        """POST JSON. UpstreamError when there is no usable answer."""
        return await self._ask(hdrs.METH_POST, path, body, headers or {})

    async def get(self, path: str) -> Reply:
        """GET. UpstreamError when there is no usable answer."""
        return await self._ask(hdrs.METH_GET, path, lambda _model: b"", {})

    async def _ask(self, method: str, path: str, body: Make, headers: Mapping[str, str]) -> Reply:
        """One request, to each backend in turn until one answers."""
        if not self._backends:
            message = "no LLM backend is set; set GUARDPROXY_UPSTREAM_URL to its base URL"
            raise UpstreamError(message, status=503)
        started, outcome = self._clock(), "failed"
        try:
            async with asyncio.timeout(self._waits.total):
                reply = await self._in_turn(method, path, body, headers)
            outcome = "ok"
        except TimeoutError as error:
            raise UpstreamError("the LLM backend did not answer in time", status=504) from error
        finally:
            self._took(outcome, self._clock() - started)
        return reply

    async def _in_turn(
        self, method: str, path: str, body: Make, headers: Mapping[str, str]
    ) -> Reply:
        """The first answer, or the last backend's error."""
        last: UpstreamError | None = None
        for backend in self._backends:
            for attempt in range(TRIES):
                try:
                    return await self._once(backend, method, path, body(backend.model), headers)
                except _Momentary as error:
                    last = error.meant
                    if attempt == TRIES - 1 or error.wait > PATIENT:
                        break
                    await asyncio.sleep(max(error.wait, PAUSE))
        assert last is not None  # noqa: S101  there is a backend, and it did not return
        raise last

    async def _once(
        self, backend: Backend, method: str, path: str, body: bytes,
        headers: Mapping[str, str],
    ) -> Reply:  # fmt: skip
        """One request. _Momentary when it may be made again."""
        try:
            async with asyncio.timeout(self._waits.first_byte):
                response = await self._session.request(
                    method, backend.url.rstrip("/") + path, data=_data(body),
                    allow_redirects=False, headers=self._headers(backend, headers),
                    timeout=self._connecting,
                )  # fmt: skip
        except (TimeoutError, ClientError, OSError) as error:
            late = isinstance(error, TimeoutError)
            said = "did not answer in time" if late else f"cannot be reached: {_name(error)}"
            meant = UpstreamError(f"the LLM backend {said}", status=504 if late else 502)
            if late and "connect" not in _name(error).lower():
                raise meant from error  # it has the request: a second one would cost twice
            raise _Momentary(meant) from error
        async with response:
            return self._checked(response, await self._read(response), backend)

    def _headers(self, backend: Backend, passed: Mapping[str, str]) -> dict[str, str]:
        """What goes with a request: the caller's few, and the key as the API wants it."""
        headers = {**passed, hdrs.CONTENT_TYPE: "application/json"}
        headers[hdrs.ACCEPT_ENCODING] = "identity"
        if self.api == "anthropic":
            headers.setdefault("anthropic-version", VERSION)
            headers |= {"x-api-key": backend.key} if backend.key else {}
        elif backend.key:
            headers[hdrs.AUTHORIZATION] = f"Bearer {backend.key}"
        return headers

    async def _read(self, response: ClientResponse) -> bytes:
        """The whole body, a deadline between any two bytes. It has begun: no second try."""
        chunks: list[bytes] = []
        size, idle = 0, self._waits.idle
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(idle) as limit:
                while chunk := await response.content.readany():
                    chunks.append(chunk)
                    size += len(chunk)
                    if size > MOST:
                        raise UpstreamError("the LLM backend's answer is too long")
                    limit.reschedule(loop.time() + idle)
            return b"".join(chunks)
        except TimeoutError as error:
            message = "the LLM backend fell silent in the middle of its answer"
            raise UpstreamError(message, status=504) from error
        except (ClientError, OSError) as error:
            raise UpstreamError(f"the LLM backend broke off: {_name(error)}") from error

    def _checked(self, response: ClientResponse, raw: bytes, backend: Backend) -> Reply:
        """A 2xx answer, or the error that fits."""
        status, kind = response.status, response.headers.get(hdrs.CONTENT_TYPE, "")
        if backend.key and backend.key.encode() in raw:
            raw = raw.replace(backend.key.encode(), b"***")
        if 200 <= status < 300:
            return Reply(raw, kind)
        shown = status in RELAYED and "json" in kind and len(raw) <= SHOWN
        after = response.headers.get(hdrs.RETRY_AFTER, "")
        meant = UpstreamError(
            f"the LLM backend answered {status}",
            status=status if status in RELAYED else 504 if status in (408, 504) else 502,
            body=raw if shown else b"",
            retry_after=after if after.isdigit() else "",
        )
        wait = float(after) if after.isdigit() else 0.0
        if status in MOMENTARY and not (status == 429 and not after.isdigit()):
            raise _Momentary(meant, wait)
        raise meant


def _data(body: bytes) -> bytes | BytesIO | None:
    """A body as aiohttp takes it without holding up the loop: long ones in pieces."""
    return BytesIO(body) if len(body) > 1 << 20 else body or None  # aiohttp warns from 1 MiB on


def _name(error: Exception) -> str:
    """The kind of a foreign error: its text may hold addresses."""
    return type(error).__name__


class _Momentary(Exception):
    """Nothing of an answer came: it may be asked again after `wait` seconds."""

    def __init__(self, meant: UpstreamError, wait: float = 0.0) -> None:
        """`meant`: what is raised when it is not."""
        super().__init__(str(meant))
        self.meant = meant
        self.wait = wait
