"""Where the program listens, and how long: sockets, background tasks, the signal to stop."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from uuid import uuid4

from aiohttp import web

from guardproxy.core.errors import SettingsError
from guardproxy.edges.llm import answers
from guardproxy.edges.llm.caller import request_id
from guardproxy.observe import log

GRACE = 20.0  # seconds for turns under way when told to stop


@web.middleware
async def in_api_shape(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Whatever goes wrong leaves as JSON in the API's shape; nothing ends the process."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return answers.error(error.status, f"{request.method} {request.path}: {error.reason}")
    except Exception:  # noqa: BLE001  aiohttp's boundary: one request fails alone
        log.log.exception("request")
        return answers.error(500, "guardproxy could not serve this request; its log says why")


async def numbered(request: web.Request, response: web.StreamResponse) -> None:
    """Give every answer a name: the caller's own for the request, else the decision's."""
    told = response.headers.get("x-guardproxy-decision", "")
    response.headers["x-request-id"] = request_id(request) or told or uuid4().hex


@asynccontextmanager
async def background() -> AsyncIterator[asyncio.TaskGroup]:
    """Tasks that live as long as the program, and end with it."""

    async def until_cancelled(ready: asyncio.Event, held: list[asyncio.TaskGroup]) -> None:
        async with asyncio.TaskGroup() as group:
            held.append(group)
            ready.set()
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as outer:
        ready: asyncio.Event = asyncio.Event()
        held: list[asyncio.TaskGroup] = []
        keeper = outer.create_task(until_cancelled(ready, held))
        await ready.wait()
        try:
            yield held[0]
        finally:
            keeper.cancel()


async def listen(
    stack: AsyncExitStack,
    app: web.Application,
    where: tuple[str, int] | Path,
    *,
    share: bool = False,
) -> str:
    """Listen, and stop with the stack; the address, with the port that was really taken."""
    runner = web.AppRunner(
        app, access_log=None, handler_cancellation=True, shutdown_timeout=GRACE,
        logger=logging.getLogger("aiohttp"),
    )  # fmt: skip
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    if isinstance(where, Path):
        await web.UnixSite(runner, str(where)).start()
        return str(where)
    host, port = where
    try:
        await web.TCPSite(runner, host, port, reuse_port=share or None).start()
    except OSError as error:
        message = f"cannot listen on {host}:{port}: {error.strerror}; choose another port"
        raise SettingsError(message) from error
    address = runner.addresses[0]
    shown = f"[{address[0]}]" if ":" in address[0] else address[0]
    return f"http://{shown}:{address[1]}"


async def told_to_stop() -> None:
    """Until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    await stop.wait()
