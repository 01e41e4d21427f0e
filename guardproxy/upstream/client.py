"""The LLM backend: one deadline per wait, errors with a status to answer with, no retries after
the first byte. The key is added here and removed from everything that comes back.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aiohttp import ClientError, ClientSession, ClientTimeout, hdrs

from guardproxy.core.errors import UpstreamError

CONNECT = 5.0  # seconds to reach the backend
IDLE = 60.0  # seconds between two bytes: long thinking sends none for a while
MOST = 32 << 20  # bytes of one answer; the longest answers there are stay under 1 MiB
TRIES = 2  # a connection that was refused is tried once more: nothing was sent
PAUSE = 0.25  # seconds before that
RELAYED = frozenset({400, 404, 409, 413, 422, 429})  # the caller's own doing: its status is kept


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer of the backend."""

    body: bytes
    content_type: str


class Upstream:
    """One backend behind one base URL."""

    def __init__(
        self, session: ClientSession, url: str, key: str, *, model: str = "", total: float = 120.0,
        clock: Callable[[], float], took: Callable[[str, float], None],
    ) -> None:  # fmt: skip
        """`url` up to /v1; `model` replaces what callers name; `total` seconds for an answer.

        `took(outcome, seconds)` is told of every request: "ok" or "failed", by `clock`.
        """
        self._clock = clock
        self._took = took
        self._session = session
        self._url = url.rstrip("/")
        self._key = key
        self.model = model
        self._timeout = ClientTimeout(total=total, sock_connect=CONNECT, sock_read=IDLE)

    async def post(self, path: str, body: bytes) -> Reply:
        """POST JSON. UpstreamError when there is no usable answer."""
        return await self._ask(hdrs.METH_POST, path, body)

    async def get(self, path: str) -> Reply:
        """GET. UpstreamError when there is no usable answer."""
        return await self._ask(hdrs.METH_GET, path, None)

    async def _ask(self, method: str, path: str, body: bytes | None) -> Reply:
        """One request, timed."""
        started, outcome = self._clock(), "failed"
        try:
            reply = await self._tries(method, path, body)
            outcome = "ok"
            return reply
        finally:
            self._took(outcome, self._clock() - started)

    async def _tries(self, method: str, path: str, body: bytes | None) -> Reply:
        """One request; only a connection that could not be made is tried again."""
        if not self._url:
            message = "no LLM backend is set; set GUARDPROXY_UPSTREAM_URL to its base URL"
            raise UpstreamError(message, status=503)
        for attempt in range(TRIES):
            try:
                return await self._once(method, path, body)
            except _NotReached as error:
                if attempt == TRIES - 1:
                    message = f"the LLM backend cannot be reached: {error}"
                    raise UpstreamError(message, status=502) from error
                await asyncio.sleep(PAUSE)
        raise AssertionError  # the loop returns or raises

    async def _once(self, method: str, path: str, body: bytes | None) -> Reply:
        """One request."""
        headers = {hdrs.CONTENT_TYPE: "application/json", hdrs.ACCEPT_ENCODING: "identity"}
        if self._key:
            headers[hdrs.AUTHORIZATION] = f"Bearer {self._key}"
        try:
            async with self._session.request(
                method, self._url + path, data=body, headers=headers, timeout=self._timeout,
                allow_redirects=False,
            ) as response:  # fmt: skip
                raw = await response.content.read(MOST + 1)
                while chunk := await response.content.read(MOST + 1 - len(raw)):
                    raw += chunk
                    if len(raw) > MOST:
                        raise UpstreamError("the LLM backend's answer is too long")
                return self._checked(response.status, raw, response.headers)
        except TimeoutError as error:
            raise UpstreamError("the LLM backend did not answer in time", status=504) from error
        except ClientError as error:
            if isinstance(error, OSError):
                raise _NotReached(type(error).__name__) from error
            message = f"the LLM backend broke off: {type(error).__name__}"
            raise UpstreamError(message) from error

    def _checked(self, status: int, raw: bytes, headers: Mapping[str, str]) -> Reply:
        """A 2xx answer, or the error that fits."""
        kind = headers.get(hdrs.CONTENT_TYPE, "")
        if 200 <= status < 300:
            return Reply(raw, kind)
        body = raw.replace(self._key.encode(), b"***") if self._key else raw
        shown = body if "json" in kind else b""
        message = f"the LLM backend answered {status}"
        raise UpstreamError(message, status=status if status in RELAYED else 502, body=shown)


class _NotReached(Exception):
    """No connection was made."""
