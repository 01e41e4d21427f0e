"""`guardproxy bench`: what the guard costs on this machine, beside a bare proxy and no proxy."""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from aiohttp import ClientSession, TCPConnector
from rich.console import Console
from rich.table import Column, Table

from guardproxy.app import run
from guardproxy.cli import bench_parts as parts
from guardproxy.core.errors import SettingsError

WIDE = 120  # columns: figures cut to an ellipsis are none
PEOPLE = 5000  # customers taking turns, so that the default limits count and none is reached
POLICY = """\
version: 1
name: bench
business: {name: Bench Cafe, does: restaurant with table booking and delivery}
scope:
  topics: {booking: {about: table bookings, examples: ["book a table for 8", "table for two at 7"]}}
escalation: {default: phone, channels: {phone: {kind: phone, to: "+1 555 010 0000"}}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One path measured: requests a second, milliseconds to the first byte and to the end, CPU
    milliseconds a request of the proxy and of its store, megabytes it holds; None: not told.
    """

    path: str
    requests: int
    per_second: float
    first_p50_ms: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float | None
    store_cpu_ms: float | None
    rss_mb: float | None


@dataclass(frozen=True, slots=True)
class Way:
    """One path to measure: where, whose cost, what is said in request n, streamed or not."""

    name: str
    url: str
    process: int | None
    said: Callable[[int], str]
    stream: bool = False


def add_to(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("bench")
    def _bench(
        seconds: Annotated[float, typer.Option(min=0.5, help="for each path")] = 3.0,
        connections: Annotated[int, typer.Option(min=1, max=512, help="at once")] = 16,
        workers: Annotated[int, typer.Option(min=1, max=64, help="of the guard")] = 1,
        role: Annotated[str, typer.Option(hidden=True)] = "",
        port: Annotated[int, typer.Option(hidden=True)] = 0,
        upstream: Annotated[str, typer.Option(hidden=True)] = "",
        *,
        as_json: Annotated[bool, typer.Option("--json", help="machine-readable")] = False,
    ) -> None:
        """Measure direct, bare proxy and guarded, one after the other, against a local stub."""
        if role:
            run(parts.serve(parts.stub() if role == "stub" else parts.bare(upstream), port))
            return
        found = asyncio.run(_measure(seconds, connections, workers))
        if as_json:
            typer.echo(json.dumps([asdict(one) for one in found]))
            return
        Console(width=WIDE).print(_table(found))


def _table(found: list[Figures]) -> Table:
    """The figures for people: times beside the direct path, CPU beside the bare proxy."""
    table = Table(Column("path", no_wrap=True), "req/s", "added p50 ms", "added p99 ms",
                  "added first byte ms", "CPU ms", "x bare", "store CPU ms", "RSS MB")  # fmt: skip
    direct = {one.path.endswith("stream"): one for one in found if one.path.startswith("direct")}
    bare = {one.path.endswith("stream"): one for one in found if one.path.startswith("bare")}
    for one in found:
        streamed = one.path.endswith("stream")
        base, least = direct[streamed], bare[streamed].cpu_ms
        times = "" if one.cpu_ms is None or not least else f"{one.cpu_ms / least:.2f}"
        table.add_row(
            one.path, f"{one.per_second:.0f}", f"{one.p50_ms - base.p50_ms:.2f}",
            f"{one.p99_ms - base.p99_ms:.2f}", f"{one.first_p50_ms - base.first_p50_ms:.2f}",
            _shown(one.cpu_ms), times, _shown(one.store_cpu_ms), _shown(one.rss_mb, 0),
        )  # fmt: skip
    return table


def _shown(value: float | None, digits: int = 3) -> str:
    """A figure, or nothing."""
    return "" if value is None else f"{value:.{digits}f}"


async def _measure(seconds: float, connections: int, workers: int) -> list[Figures]:
    """Every path, its parts in processes of their own."""
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="guardproxy-bench-")))
        (home / "policies").mkdir()
        (home / "policies" / "bench.yaml").write_text(POLICY, "utf-8")
        session = await stack.enter_async_context(ClientSession(connector=TCPConnector(limit=0)))
        ports = parts.free_ports(4)
        stub, bare, guard = (f"http://127.0.0.1:{port}" for port in ports[:3])
        me = [sys.executable, "-m", "guardproxy"]
        role = [*me, "bench", "--role"]
        serve = [*me, "serve", "--policies", "policies", "--workers", str(workers)]
        serve += ["--listen", f"127.0.0.1:{ports[2]}", "--admin", f"127.0.0.1:{ports[3]}"]
        await stack.enter_async_context(
            parts.process([*role, "stub", "--port", str(ports[0])], ports[0], home)
        )
        thin = await stack.enter_async_context(
            parts.process([*role, "bare", "--port", str(ports[1]), "--upstream", stub],
                          ports[1], home)
        )  # fmt: skip
        full = await stack.enter_async_context(
            parts.process(serve, ports[2], home, upstream=f"{stub}/v1")
        )
        paths = _paths(stub, (bare, thin), (guard, full))
        for path in paths:
            await _load(session, path, min(1.0, seconds), connections)  # warm
        return [await _path(session, path, seconds, connections) for path in paths]


def _paths(stub: str, bare: tuple[str, int], guard: tuple[str, int]) -> list[Way]:
    """What is measured; each guarded path beside the two that do less."""

    def same(_number: int) -> str:
        return "book a table for 8"

    def fresh(number: int) -> str:
        return f"book a table for 8, name {number * 37}"

    return [
        Way("direct", stub, None, same),
        Way("bare aiohttp proxy", *bare, same),
        Way("guarded, text seen before", *guard, same),
        Way("guarded, fresh text", *guard, fresh),
        Way("direct, stream", stub, None, same, stream=True),
        Way("bare aiohttp proxy, stream", *bare, same, stream=True),
        Way("guarded, text seen before, stream", *guard, same, stream=True),
    ]


async def _path(session: ClientSession, path: Way, seconds: float, connections: int) -> Figures:
    """One path under load."""
    before, started = parts.spent(path.process), time.perf_counter()
    took = await _load(session, path, seconds, connections)
    elapsed = time.perf_counter() - started
    after = parts.spent(path.process)
    whole, first = sorted(end for end, _ in took), sorted(head for _, head in took)
    count = len(took)
    cost = None
    if before is not None and after is not None:
        cost = parts.Spent((after.own - before.own) / count, (after.store - before.store) / count)
    return Figures(
        path=path.name, requests=count, per_second=count / elapsed,
        first_p50_ms=first[count // 2] * 1000,
        p50_ms=whole[count // 2] * 1000, p99_ms=whole[int(count * 0.99)] * 1000,
        cpu_ms=cost.own * 1000 if cost else None,
        store_cpu_ms=cost.store * 1000 if cost else None,
        rss_mb=parts.resident(path.process),
    )  # fmt: skip


async def _load(
    session: ClientSession, path: Way, seconds: float, connections: int
) -> list[tuple[float, float]]:
    """A closed loop: each connection asks again when it has its answer. Seconds each took to the
    end, and to the first byte.
    """
    took: list[tuple[float, float]] = []
    clock = time.perf_counter
    end = clock() + seconds

    async def one(worker: int) -> None:
        number = worker
        while clock() < end:
            number += connections
            body: dict[str, object] = {
                "model": "m",
                "messages": [{"role": "user", "content": path.said(number)}],
            }
            body |= {"stream": True} if path.stream else {}
            who = {"x-guardproxy-user": f"+1555{number % PEOPLE:07d}"}
            started = clock()
            async with session.post(
                f"{path.url}/v1/chat/completions", json=body, headers=who
            ) as response:
                if response.status != 200:
                    raise SettingsError(f"bench: {path.url} answered {response.status}")
                await response.content.readany()
                first = clock()
                await response.read()
            took.append((clock() - started, first - started))

    async with asyncio.TaskGroup() as group:
        for worker in range(connections):
            group.create_task(one(worker))
    return took
