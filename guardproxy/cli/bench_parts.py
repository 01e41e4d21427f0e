"""What `guardproxy bench` measures with: a stub backend, a bare proxy, processes, their cost."""

import asyncio
import json
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import ClientError, ClientSession, TCPConnector, web

from guardproxy.app import listen, told_to_stop
from guardproxy.core.errors import SettingsError
from guardproxy.upstream import shapes

TEXT = "Gladly! A table for 8 is booked. What time would you like to come?"


async def serve(app: web.Application, port: int) -> None:
    """A part of the bench in a process of its own."""
    async with AsyncExitStack() as stack:
        await listen(stack, app, ("127.0.0.1", port))
        await told_to_stop()


def stub() -> web.Application:
    """A backend that costs next to nothing: two bodies made once."""
    says = shapes.Says(1, TEXT)
    whole = json.dumps(shapes.chat(says)).encode()
    events = b"".join(shapes.chat_events(says, {}))

    async def answer(request: web.Request) -> web.Response:
        streamed = b'"stream": true' in await request.read()
        kind = "text/event-stream" if streamed else "application/json"
        return web.Response(body=events if streamed else whole, content_type=kind)

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    return app


def bare(upstream: str) -> web.Application:
    """The least a proxy in Python can do: read, send on, send back as it comes."""
    session: list[ClientSession] = []

    async def opened(_app: web.Application) -> AsyncIterator[None]:
        async with ClientSession(connector=TCPConnector(limit=0)) as made:
            session.append(made)
            yield

    async def pass_on(request: web.Request) -> web.StreamResponse:
        url, body = upstream + request.path, await request.read()
        async with session[0].post(url, data=body) as response:
            if response.content_type != "text/event-stream":
                kind = response.content_type
                return web.Response(body=await response.read(), content_type=kind)
            out = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await out.prepare(request)
            async for chunk in response.content.iter_any():
                await out.write(chunk)
            await out.write_eof()
            return out

    app = web.Application()
    app.cleanup_ctx.append(opened)
    app.router.add_post("/{path:.*}", pass_on)
    return app


@asynccontextmanager
async def process(
    command: Sequence[str], port: int, home: Path, *, upstream: str = ""
) -> AsyncIterator[int]:
    """A part that is up, as its process id; stopped on the way out."""
    quiet = {"GUARDPROXY_UPSTREAM_URL": upstream, "GUARDPROXY_DATA_DIR": str(home / f"at-{port}")}
    made = subprocess.Popen(  # noqa: S603, ASYNC220  our own verbs; it does not wait
        command, cwd=home, env={**os.environ, **quiet},  # noqa: TID251  passed on, not read
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await _up(made, port)
        yield made.pid
    finally:
        made.send_signal(signal.SIGTERM)
        await asyncio.to_thread(made.wait, 30)


async def _up(made: "subprocess.Popen[bytes]", port: int) -> None:
    """Until a port is listened on."""
    async with asyncio.timeout(120):  # seconds: a busy machine takes a minute to load the model
        while made.poll() is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except (OSError, ClientError):
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
    raise SettingsError(f"bench: a part did not start (exit code {made.poll()})")


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU seconds a part has taken: its own (all its workers'), and its store's."""

    own: float
    store: float


def spent(pid: int | None) -> Spent | None:
    """What a process and those it started have taken (Linux's /proc; None elsewhere)."""
    try:
        own, store = 0.0, 0.0
        for one in _family(pid) if pid is not None else ():
            stat = Path(f"/proc/{one}/stat").read_text("ascii")
            name, told = stat.partition(" (")[2].rsplit(")", 1)
            fields = told.split()
            seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            if name.startswith(("valkey", "redis")):
                store += seconds
            else:
                own += seconds
    except OSError:
        return None
    return Spent(own, store) if pid is not None else None


def resident(pid: int | None) -> float | None:
    """Megabytes a process and its workers hold, its store's apart."""
    try:
        pages = 0
        for one in _family(pid) if pid is not None else ():
            if not Path(f"/proc/{one}/comm").read_text("ascii").startswith(("valkey", "redis")):
                pages += int(Path(f"/proc/{one}/statm").read_text("ascii").split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6 if pid is not None else None


def _family(pid: int) -> list[int]:
    """A process and all it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    return [pid, *(one for child in children for one in _family(int(child)))]


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on now."""
    found = [socket.socket() for _ in range(count)]
    try:
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in found]
    finally:
        for one in found:
            one.close()
