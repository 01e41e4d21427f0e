"""Scripts sent together: what many turns ask of the store at once is one write and one read.

Rule 1: one connection, one batch under way; what is asked meanwhile goes with the next one, in the
        order it was asked.
Rule 2: a script that may have run is never sent again; one the store does not know has not run.
Rule 3: a caller that leaves takes nothing with it: its script runs, and nobody waits for it.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

import hiredis
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import NoScriptError, RedisError, ResponseError

MOST = 64  # scripts of one batch: some 6 ms of the store, a thirtieth of the deadline
Argument = str | bytes | int | float


@dataclass(frozen=True, slots=True)
class Call:
    """One script to run: its command on the wire, the same with the script's whole text, and
    whoever waits for the answer.
    """

    packed: bytes
    whole: Callable[[], bytes]
    answer: "asyncio.Future[Any]"

    def end(self, answer: Any) -> None:
        """Give the answer, or raise it where it is an error, to whoever still waits."""
        if self.answer.done():
            return
        if isinstance(answer, Exception):
            self.answer.set_exception(answer)
        else:
            self.answer.set_result(answer)


class Batches:
    """Runs scripts on one connection of a client's pool."""

    def __init__(
        self,
        client: Redis,
        *,
        deadline: Callable[[], AbstractAsyncContextManager[None]],
        lost: Callable[[Exception], Exception],
        up: Callable[[], None],
    ) -> None:
        """`deadline` is put around each batch. `lost` is told what broke one, and says what its
        callers get; `up` is told of each that went well.
        """
        self._pool: Any = client.connection_pool
        self._deadline = deadline
        self._lost = lost
        self._up = up
        self._connection: AbstractConnection | None = None
        self._waiting: list[Call] = []
        self._sender: asyncio.Task[None] | None = None
        self._latest: asyncio.Future[Any] | None = None

    def ask(
        self, text: str, digest: str, keys: Sequence[str], args: Sequence[Argument]
    ) -> "asyncio.Future[Any]":
        """The answer to come; it is on its way to the store with this turn of the loop."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        rest: tuple[Any, ...] = (len(keys), *keys, *args)
        packed = _packed(("EVALSHA", digest, *rest))
        whole = partial(_packed, ("EVAL", text, *rest))
        self._waiting.append(Call(packed, whole, answer))
        self._latest = answer
        if self._sender is None or self._sender.done():
            self._sender = loop.create_task(self._send_all())  # lives no longer than its queue
        return answer

    async def settled(self) -> None:
        """When all that was asked up to now is answered."""
        if self._latest is not None and not self._latest.done():
            await asyncio.wait({self._latest})

    async def close(self) -> None:
        """Send what is waiting, then give the connection back."""
        if self._sender is not None:
            await asyncio.wait({self._sender})
        if self._connection is not None:
            await self._connection.disconnect()
            await self._pool.release(self._connection)
            self._connection = None

    async def _send_all(self) -> None:
        """Batch after batch, until nothing waits."""
        while self._waiting:
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            try:
                async with self._deadline():
                    await self._send(batch)
            except (RedisError, OSError, TimeoutError) as error:
                batch += self._waiting  # who waits behind a lost store is told at once
                self._waiting = []
                for call in batch:
                    call.end(self._lost(error))
                await self._drop()
            else:
                self._up()
            finally:
                for call in batch:
                    call.answer.cancel()  # only where something unforeseen ends the sender

    async def _send(self, batch: list[Call], *, whole: bool = False) -> None:
        """One batch: written at once, answered in order."""
        connection = await self._ready()
        commands = b"".join(call.whole() if whole else call.packed for call in batch)
        await connection.send_packed_command(commands, check_health=False)
        unknown = []
        for call in batch:
            try:
                answer = await connection.read_response(disconnect_on_error=False)
            except NoScriptError:
                unknown.append(call)
            except ResponseError as error:
                call.end(self._lost(error))
            else:
                call.end(answer)
        if unknown:
            await self._send(unknown, whole=True)

    async def _ready(self) -> AbstractConnection:
        """The connection, made where there is none."""
        if self._connection is None:
            self._connection = await self._pool.get_connection()
        elif not self._connection.is_connected:
            await self._connection.connect()  # type: ignore[no-untyped-call]
        return self._connection

    async def _drop(self) -> None:
        """Close a connection on which answers may still come."""
        if self._connection is not None:
            await self._connection.disconnect(nowait=True)


def _packed(command: tuple[Any, ...]) -> bytes:
    """A command as it goes on the wire; TypeError for what is neither text nor number."""
    packed: bytes = hiredis.pack_command(command)
    return packed
