"""The connection to Valkey or Redis: short deadlines, no hidden retries, a circuit that opens.

Rule 1: everything that can go wrong leaves here as StoreError.
Rule 2: a call that may have run is never run again by the client: scripts change things.
Rule 3: while the store is lost, calls fail at once; one a second is let through to look.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache, partial
from hashlib import sha1
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisClusterException, RedisError

from guardproxy.core.errors import SettingsError, StoreError
from guardproxy.store.batch import Argument, Batches

DEADLINE = 0.2  # seconds; a script takes 0.1 ms, and an answer is promised within 0.3 s
SLICES = 4  # of the deadline: see `within`
PAUSE = 1.0  # seconds between looks at a lost store
MEETING = 3.0  # seconds to learn a cluster's nodes and commands, once: some 0.3 s on a busy machine
GONE = (RedisError, RedisClusterException, OSError, TimeoutError)  # one is no kind of the other
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


def _told(lost: Callable[[StoreError], None], answer: "asyncio.Future[Any]") -> None:
    """Tell of an answer that did not come."""
    error = StoreError("stopped") if answer.cancelled() else answer.exception()
    if isinstance(error, StoreError):
        lost(error)


class Connection:
    """Runs commands and scripts, or raises StoreError in time."""

    def __init__(self, url: str, clock: Callable[[], float]) -> None:
        """`clock`: monotonic seconds, for the circuit."""
        self._client = client(url)
        self._clock = clock
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._meeting = asyncio.Lock()
        self._met = not isinstance(self._client, RedisCluster)
        self._look_at: float | None = None  # when the next call may look at a lost store
        # a cluster's scripts go to many nodes: there each is a call of its own
        self._batches = (
            Batches(self._client, deadline=partial(within, DEADLINE), lost=self._lost, up=self._up)
            if isinstance(self._client, Redis)
            else None
        )

    @property
    def up(self) -> bool:
        """Whether the last call got an answer."""
        return self._look_at is None

    async def run(self, name: str, keys: Sequence[str], args: Sequence[Argument]) -> Any:
        """One script of `scripts/`."""
        text, digest = script(name)
        if self._batches is not None:
            self._admit()
            return await self._batches.ask(text, digest, keys, args)

        async def call() -> Any:
            try:
                return await self._client.evalsha(digest, len(keys), *keys, *args)
            except NoScriptError:
                return await self._client.eval(text, len(keys), *keys, *args)

        return await self._guarded(call)

    async def leave(
        self, name: str, keys: Sequence[str], args: Sequence[Argument],
        lost: Callable[[StoreError], None],
    ) -> None:  # fmt: skip
        """One script whose answer nobody needs: it is on its way before the caller goes on, and
        every later call sees what it did. `lost` is told when the store did not answer.
        """
        if self._batches is None:
            try:
                await self.run(name, keys, args)
            except StoreError as error:
                lost(error)
            return
        self._admit()
        text, digest = script(name)
        answer = self._batches.ask(text, digest, keys, args)
        answer.add_done_callback(partial(_told, lost))

    async def do(self, command: str, *args: str | float, at: Any = None) -> Any:
        """One plain command; `at`: one of the `nodes`, else wherever its key lies. It sees what
        every script asked before it has done.
        """
        where = {} if at is None else {"target_nodes": at}
        if self._batches is not None:
            await self._batches.settled()

        async def call() -> Any:
            return await self._client.execute_command(command, *args, **where)

        return await self._guarded(call)

    async def nodes(self) -> tuple[Any, ...]:
        """What has to be walked to see every key: a cluster's primaries, else the one store."""
        if not isinstance(self._client, RedisCluster):
            return (None,)
        await self._meet()
        return tuple(self._client.get_primaries())

    async def _guarded(self, call: Callable[[], Any]) -> Any:
        """Within the deadline, and only when the circuit lets it through."""
        async with self._turns:
            await self._meet()
            self._admit()
            try:
                async with within(DEADLINE):
                    answer = await call()
            except GONE as error:
                raise self._lost(error) from error
            self._up()
            return answer

    async def _meet(self) -> None:
        """Learn a cluster's nodes before the first call: redis-py would do so within that call, and
        closes every connection when the call's deadline is over meanwhile.
        """
        if self._met:
            return
        async with self._meeting:
            if self._met:
                return
            self._admit()
            try:
                async with within(MEETING):
                    await self._client.initialize()
            except GONE as error:
                raise self._lost(error) from error
            self._met = True
            self._up()

    def _lost(self, error: Exception) -> StoreError:
        """Open the circuit; what callers are told."""
        self._look_at = self._clock() + PAUSE
        return StoreError(f"the store did not answer: {type(error).__name__}: {error}")

    def _up(self) -> None:
        """Close the circuit."""
        self._look_at = None

    def _admit(self) -> None:
        """Fail at once while the store is lost, but let one call a second look."""
        if self._look_at is None:
            return
        if self._clock() < self._look_at:
            message = "the store is lost; it is looked for every second"
            raise StoreError(message)
        self._look_at = self._clock() + PAUSE

    async def close(self) -> None:
        """Close the connections, those to Sentinels too, when what was asked is answered."""
        if self._batches is not None:
            await self._batches.close()
        await self._client.aclose()
        pool = getattr(self._client, "connection_pool", None)
        if isinstance(pool, SentinelConnectionPool):
            for watcher in pool.sentinel_manager.sentinels:
                await watcher.aclose()
