"""`guardproxy bench`: what the guard costs on this machine, beside a bare proxy and no proxy."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from aiohttp import ClientError, ClientSession, TCPConnector, web
from rich.console import Console
from rich.table import Table

from guardproxy.app import listen, told_to_stop
from guardproxy.core.errors import SettingsError
from guardproxy.upstream import shapes

TEXT = "Gladly! A table for 8 is booked. What time would you like to come?"
POLICY = """\
version: 1
name: bench
business: {name: Bench Cafe, does: restaurant with table booking and delivery}
scope:
  topics: {booking: {about: table bookings, examples: ["book a table for 8", "table for two at 7"]}}
limits: []
escalation: {default: phone, channels: {phone: {kind: phone, to: "+1 555 010 0000"}}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One path measured: requests a second, milliseconds to the answer, CPU of the proxy alone."""

    path: str
    requests: int
    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float | None  # per request; None where the system does not tell


def add_to(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("bench")
    def _bench(
        seconds: Annotated[float, typer.Option(min=0.5, help="for each path")] = 3.0,
        connections: Annotated[int, typer.Option(min=1, max=512, help="at once")] = 16,
        role: Annotated[str, typer.Option(hidden=True)] = "",
        port: Annotated[int, typer.Option(hidden=True)] = 0,
        upstream: Annotated[str, typer.Option(hidden=True)] = "",
        *,
        as_json: Annotated[bool, typer.Option("--json", help="machine-readable")] = False,
    ) -> None:
        """Measure direct, bare proxy and guarded, interleaved, against a local stub."""
        if role:
            asyncio.run(_serve(_stub() if role == "stub" else _bare(upstream), port))
            return
        found = asyncio.run(_measure(seconds, connections))
        if as_json:
            typer.echo(json.dumps([asdict(one) for one in found]))
            return
        table = Table("path", "requests/s", "p50 ms", "p99 ms", "CPU ms/request")
        for one in found:
            cpu = "?" if one.cpu_ms is None else f"{one.cpu_ms:.2f}"
            table.add_row(one.path, f"{one.per_second:.0f}", f"{one.p50_ms:.2f}",
                          f"{one.p99_ms:.2f}", cpu)  # fmt: skip
        Console().print(table)


async def _serve(app: web.Application, port: int) -> None:
    """A part of the bench in a process of its own."""
    async with AsyncExitStack() as stack:
        await listen(stack, app, ("127.0.0.1", port))
        await told_to_stop()


def _stub() -> web.Application:
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


def _bare(upstream: str) -> web.Application:
    """The least a proxy in Python can do: read, send on, send back."""
    session: list[ClientSession] = []

    async def opened(_app: web.Application) -> AsyncIterator[None]:
        async with ClientSession(connector=TCPConnector(limit=0)) as made:
            session.append(made)
            yield

    async def pass_on(request: web.Request) -> web.Response:
        url, body = upstream + request.path, await request.read()
        async with session[0].post(url, data=body) as response:
            return web.Response(body=await response.read(), content_type=response.content_type)

    app = web.Application()
    app.cleanup_ctx.append(opened)
    app.router.add_post("/{path:.*}", pass_on)
    return app


async def _measure(seconds: float, connections: int) -> list[Figures]:
    """Every path, its parts in processes of their own."""
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="guardproxy-bench-")))
        (home / "policies").mkdir()
        (home / "policies" / "bench.yaml").write_text(POLICY, "utf-8")
        session = await stack.enter_async_context(ClientSession(connector=TCPConnector(limit=0)))
        ports = _free_ports(4)
        stub, bare, guard = (f"http://127.0.0.1:{port}" for port in ports[:3])
        me = [sys.executable, "-m", "guardproxy"]
        await stack.enter_async_context(
            _process([*me, "bench", "--role", "stub", "--port", str(ports[0])], ports[0], home)
        )
        thin = await stack.enter_async_context(
            _process([*me, "bench", "--role", "bare", "--port", str(ports[1]), "--upstream", stub],
                     ports[1], home)
        )  # fmt: skip
        guarded = await stack.enter_async_context(
            _process(
                [*me, "serve", "--policies", "policies", "--listen", f"127.0.0.1:{ports[2]}",
                 "--admin", f"127.0.0.1:{ports[3]}"],
                ports[2], home, upstream=f"{stub}/v1",
            )
        )  # fmt: skip
        paths: list[tuple[str, str, int | None, Callable[[int], str]]] = [
            ("direct", stub, None, lambda _number: "book a table for 8"),
            ("bare aiohttp proxy", bare, thin, lambda _number: "book a table for 8"),
            ("guarded, text seen before", guard, guarded, lambda _number: "book a table for 8"),
            ("guarded, fresh text", guard, guarded, lambda n: f"book a table for 8, name {n * 37}"),
        ]
        for _, url, _, said in paths:
            await _load(session, url, said, min(1.0, seconds), connections)  # warm
        return [
            await _path(session, name, (url, process), said, (seconds, connections))
            for name, url, process, said in paths
        ]


async def _path(
    session: ClientSession, name: str, where: tuple[str, int | None],
    said: Callable[[int], str], load: tuple[float, int],
) -> Figures:  # fmt: skip
    """One path under load."""
    url, process = where
    before, started = _cpu(process), time.perf_counter()
    took = sorted(await _load(session, url, said, *load))
    elapsed = time.perf_counter() - started
    after = _cpu(process)
    cpu = None if before is None or after is None else (after - before) * 1000 / len(took)
    return Figures(
        path=name, requests=len(took), per_second=len(took) / elapsed,
        p50_ms=took[len(took) // 2] * 1000, p99_ms=took[int(len(took) * 0.99)] * 1000, cpu_ms=cpu,
    )  # fmt: skip


async def _load(
    session: ClientSession, url: str, said: Callable[[int], str], seconds: float, connections: int
) -> list[float]:
    """A closed loop: each connection asks again when it has its answer; seconds each took."""
    took: list[float] = []
    clock = time.perf_counter
    end = clock() + seconds

    async def one(worker: int) -> None:
        number = worker
        while clock() < end:
            number += connections
            body = {"model": "m", "messages": [{"role": "user", "content": said(number)}]}
            started = clock()
            async with session.post(f"{url}/v1/chat/completions", json=body) as response:
                if response.status != 200:
                    raise SettingsError(f"bench: {url} answered {response.status}")
                await response.read()
            took.append(clock() - started)

    async with asyncio.TaskGroup() as group:
        for worker in range(connections):
            group.create_task(one(worker))
    return took


@asynccontextmanager
async def _process(
    command: list[str], port: int, home: Path, *, upstream: str = ""
) -> AsyncIterator[int]:
    """A part that is up, as its process id; stopped on the way out."""
    quiet = {"GUARDPROXY_UPSTREAM_URL": upstream, "GUARDPROXY_DATA_DIR": str(home / "data")}
    process = subprocess.Popen(  # noqa: S603, ASYNC220  our own verbs; it does not wait
        command, cwd=home, env={**os.environ, **quiet},  # noqa: TID251  passed on, not read
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await _up(process, port)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait, 30)


async def _up(process: "subprocess.Popen[bytes]", port: int) -> None:
    """Until a port is listened on."""
    async with asyncio.timeout(60):
        while process.poll() is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except (OSError, ClientError):
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
    raise SettingsError(f"bench: a part did not start (exit code {process.poll()})")


def _cpu(process: int | None) -> float | None:
    """CPU seconds a process has taken (Linux's /proc; its store is a process of its own)."""
    try:
        told = Path(f"/proc/{process}/stat").read_text("ascii").rsplit(")", 1)[1].split()
    except OSError:
        return None
    return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")


def _free_ports(count: int) -> list[int]:
    """Ports nobody listens on now."""
    found = [socket.socket() for _ in range(count)]
    try:
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in found]
    finally:
        for one in found:
            one.close()
