"""The connection to Valkey or Redis: short deadlines, no hidden retries, a circuit that opens.

Rule 1: everything that can go wrong leaves here as StoreError.
Rule 2: a call that may have run is never run again by the client: scripts change things.
Rule 3: while the store is lost, calls fail at once; one a second is let through to look.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from hashlib import sha1
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from guardproxy.core.errors import SettingsError, StoreError

DEADLINE = 0.2  # seconds; a script takes 0.1 ms, and an answer is promised within 0.3 s
SLICES = 4  # of the deadline: see `within`
PAUSE = 1.0  # seconds between looks at a lost store
AT_ONCE = 16  # connections; further calls queue here, where waiting costs nothing


@cache
def script(name: str) -> tuple[str, str]:
    """A Lua script's text and its SHA-1, as EVALSHA names it."""
    text = (files("guardproxy.store") / "scripts" / f"{name}.lua").read_text("utf-8")
    return text, sha1(text.encode(), usedforsecurity=False).hexdigest()


def client(url: str) -> Any:
    """A client for any topology: `redis://`, `rediss://`, `unix://`, `redis+sentinel://host:port,
    host:port/service`, `redis+cluster://`.
    """
    options: dict[str, Any] = {
        # none of its own: it would use asyncio.wait_for, which on Python 3.11 can swallow the
        # cancellation of a task (cpython issue 81839); `within` has the deadline
        "socket_timeout": None,
        "socket_connect_timeout": None,
        "retry": Retry(NoBackoff(), 0),
        "decode_responses": True,
        "max_connections": AT_ONCE + 8,  # a few more than calls: health checks do not queue
    }
    scheme, _, topology = urlsplit(url).scheme.partition("+")
    plain = urlunsplit(urlsplit(url)._replace(scheme=scheme))
    try:
        if topology == "cluster":
            return RedisCluster.from_url(plain, **options)
        if topology == "sentinel":
            return _by_sentinel(plain, options)
        return Redis.from_url(plain, **options)
    except (ValueError, RedisError) as error:
        message = f"GUARDPROXY_REDIS_URL: {error}; write redis://host:6379/0"
        raise SettingsError(message) from error


def _by_sentinel(url: str, options: dict[str, Any]) -> Any:
    """The master of a service that sentinels watch."""
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    service = parts.path.strip("/").split("/")[0] or "mymaster"
    places = [host.rpartition(":") for host in hosts.split(",")]
    watchers = [(name or port, int(port) if name else 26379) for name, _, port in places]
    password = login.partition(":")[2] or None
    sentinel = Sentinel(watchers, **options)  # type: ignore[no-untyped-call]
    return sentinel.master_for(service, password=password)


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """A deadline that counts only the time in which this loop could have heard an answer.

    It runs in slices, one timer after the other: a loop held up by a thousand new requests
    loses one slice, not the whole deadline, and does not take its own lag for a lost store.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as limit:

        def slice_over(left: int) -> None:
            if left:
                timers.append(loop.call_later(seconds / SLICES, slice_over, left - 1))
            else:
                limit.reschedule(loop.time())

        timers = [loop.call_later(seconds / SLICES, slice_over, SLICES - 1)]
        try:
            yield
        finally:
            timers[-1].cancel()


class Connection:
    """Runs commands and scripts, or raises StoreError in time."""

    def __init__(self, url: str, clock: Callable[[], float]) -> None:
        """`clock`: monotonic seconds, for the circuit."""
        self._client = client(url)
        self._clock = clock
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._look_at: float | None = None  # when the next call may look at a lost store

    @property
    def up(self) -> bool:
        """Whether the last call got an answer."""
        return self._look_at is None

    async def run(self, name: str, keys: Sequence[str], args: Sequence[str | float]) -> Any:
        """One script of `scripts/`."""
        text, digest = script(name)

        async def call() -> Any:
            try:
                return await self._client.evalsha(digest, len(keys), *keys, *args)
            except NoScriptError:
                return await self._client.eval(text, len(keys), *keys, *args)

        return await self._guarded(call)

    async def do(self, command: str, *args: str | float, at: Any = None) -> Any:
        """One plain command; `at`: one of the `nodes`, else wherever its key lies."""
        where = {} if at is None else {"target_nodes": at}

        async def call() -> Any:
            return await self._client.execute_command(command, *args, **where)

        return await self._guarded(call)

    async def nodes(self) -> tuple[Any, ...]:
        """What has to be walked to see every key: a cluster's primaries, else the one store."""
        if not isinstance(self._client, RedisCluster):
            return (None,)
        await self._guarded(self._client.initialize)
        return tuple(self._client.get_primaries())

    async def _guarded(self, call: Callable[[], Any]) -> Any:
        """Within the deadline, and only when the circuit lets it through."""
        async with self._turns:
            self._admit()
            try:
                async with within(DEADLINE):
                    answer = await call()
            except (RedisError, OSError, TimeoutError) as error:
                self._look_at = self._clock() + PAUSE
                message = f"the store did not answer: {type(error).__name__}: {error}"
                raise StoreError(message) from error
            self._look_at = None
            return answer

    def _admit(self) -> None:
        """Fail at once while the store is lost, but let one call a second look."""
        if self._look_at is None:
            return
        if self._clock() < self._look_at:
            message = "the store is lost; it is looked for every second"
            raise StoreError(message)
        self._look_at = self._clock() + PAUSE

    async def close(self) -> None:
        """Close the connections, those to Sentinels too."""
        await self._client.aclose()
        pool = getattr(self._client, "connection_pool", None)
        if isinstance(pool, SentinelConnectionPool):
            for watcher in pool.sentinel_manager.sentinels:
                await watcher.aclose()
