"""Several worker processes behind one port: starts them, minds them, answers for all of them."""

import asyncio
import shutil
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from aiohttp import ClientError, ClientSession, ClientTimeout, UnixConnector
from prometheus_client.multiprocess import mark_process_dead

from guardproxy import app
from guardproxy.core.errors import SettingsError
from guardproxy.edges.admin import health
from guardproxy.edges.admin.listener import Parts, listener, must_be_closed
from guardproxy.edges.admin.passing import passed_on
from guardproxy.keeping import mind
from guardproxy.listening import background
from guardproxy.observe import log
from guardproxy.observe.figures import History
from guardproxy.observe.metrics import Metrics
from guardproxy.settings import Settings, environment
from guardproxy.store.embedded import Embedded

REFUSED = 78  # a worker that refuses its configuration will refuse it again
PAUSE = 1.0  # seconds before a worker that died is started again
ASK = ClientTimeout(total=2.0)  # seconds for a worker to say how it is


async def serve(settings: Settings, options: app.Options) -> None:
    """Run `options.workers` processes until told to stop."""
    url, started = app.own_store(settings)
    secret = app.secret_key(settings)
    home = Path(tempfile.mkdtemp(prefix="guardproxy-workers-"))
    given = {
        "GUARDPROXY_REDIS_URL": url,
        "GUARDPROXY_SECRET_KEY": secret.decode(),
        "GUARDPROXY_METRICS_DIR": str(home),
        "PROMETHEUS_MULTIPROC_DIR": str(home),  # read by prometheus_client when it is imported
    }
    try:
        async with AsyncExitStack() as stack:
            await _admin(stack, settings, options, home)
            await _mind(started, options, home, given)
    finally:
        shutil.rmtree(home, ignore_errors=True)
        if started is not None:
            started.stop()


async def _mind(
    own: Embedded | None, options: app.Options, home: Path, given: dict[str, str]
) -> None:
    """Keep the workers and the embedded store running until told to stop, then let them finish."""
    refused: list[int] = []
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_worker(number, options, home, given, refused))
            for number in range(options.workers)
        ]
        minder = group.create_task(mind(own, log.event))
        stop = group.create_task(app.told_to_stop())
        await asyncio.wait({stop, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in (stop, minder, *tasks):
            task.cancel()
    if refused:
        message = "the workers refuse this configuration; what they said stands above"
        raise SettingsError(message)


async def _worker(
    number: int, options: app.Options, home: Path, given: dict[str, str], refused: list[int]
) -> None:
    """One worker, started again when it dies. Returns when it refuses its configuration."""
    command = [
        sys.executable, "-m", "guardproxy", "serve", "--policies", str(options.policies),
        "--listen", f"{options.listen[0]}:{options.listen[1]}",
        "--worker-socket", str(home / f"{number}.sock"),
        *(["--shadow"] if options.shadow else []),
    ]  # fmt: skip
    while True:
        process = await asyncio.create_subprocess_exec(*command, env={**environment(), **given})
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            process.terminate()
            await process.wait()
            raise
        if code == REFUSED:
            refused.append(number)
            return
        log.event("worker_died", worker=number, code=code)
        # its gauges go, its counters stay
        mark_process_dead(process.pid, str(home))  # type: ignore[no-untyped-call]
        (home / f"{number}.sock").unlink(missing_ok=True)
        await asyncio.sleep(PAUSE)


async def _admin(
    stack: AsyncExitStack, settings: Settings, options: app.Options, home: Path
) -> None:
    """The admin listener for all workers: figures of its own, the rest by whichever answers."""
    metrics = Metrics()
    token = settings.admin_token.get_secret_value()
    must_be_closed(token, options.admin[0])

    async def figures() -> bytes:
        return metrics.text(str(home))

    history = History(figures, time.time)
    parts = Parts(
        token=token, clock=time.monotonic, history=history, figures=figures,
        examine=partial(_examine, options.workers, home, token),
    )  # fmt: skip
    sockets = [home / f"{number}.sock" for number in range(options.workers)]
    passing = await stack.enter_async_context(passed_on(sockets, token))
    await app.listen(stack, listener(parts, extra=passing), options.admin)
    group = await stack.enter_async_context(background())
    group.create_task(history.run())


async def _examine(workers: int, home: Path, token: str) -> health.Report:
    """The worst of what the workers say."""
    reports = [await _ask(home / f"{number}.sock", token) for number in range(workers)]
    order = ("unready", "degraded", "ready")
    worst = min(reports, key=lambda report: order.index(report.status))
    problems = tuple(dict.fromkeys(p for report in reports for p in report.problems))
    return health.Report(
        status=worst.status, store=worst.store, policies=worst.policies, problems=problems
    )


async def _ask(socket: Path, token: str) -> health.Report:
    """What one worker says of itself."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        async with (
            ClientSession(connector=UnixConnector(str(socket)), timeout=ASK) as session,
            session.get("http://worker/readyz", headers=headers) as response,
        ):
            said = await response.json()
            return health.Report(
                status=said["status"], store=said["store"], policies=tuple(said["policies"]),
                problems=tuple(said["problems"]),
            )  # fmt: skip
    except (ClientError, OSError, TimeoutError, KeyError, ValueError) as error:
        why = f"worker {socket.stem} does not answer: {type(error).__name__}"
        return health.Report(status="unready", store="?", policies=(), problems=(why,))
