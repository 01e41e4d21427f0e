"""Builds the running program; the only module that knows every other one."""

import asyncio
import signal
import time
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, TCPConnector, web
from cryptography.fernet import Fernet
from watchfiles import awatch

from guardproxy import backends, escalating
from guardproxy.core.errors import GuardproxyError, PolicyError, SettingsError, StoreError
from guardproxy.core.identity import known_by
from guardproxy.detectors import patterns
from guardproxy.detectors.lexicon import Lexicon
from guardproxy.detectors.reading import Reading
from guardproxy.detectors.scope_model.model import ScopeModel
from guardproxy.detectors.tokens import counter
from guardproxy.edges.admin import health
from guardproxy.edges.admin.listener import Parts, listener, must_be_closed
from guardproxy.edges.llm import routes as llm
from guardproxy.edges.llm.caller import Callers
from guardproxy.edges.llm.hop import Hop
from guardproxy.edges.whatsapp import hops
from guardproxy.keeping import (
    connect,
    keep_revisions,
    mind,
    own_store,
    seal,
    secret_key,
    store_url,
)
from guardproxy.listening import background, in_api_shape, listen, numbered, told_to_stop
from guardproxy.observe import log
from guardproxy.observe.figures import History
from guardproxy.observe.metrics import ALARMS, KINDS, Metrics
from guardproxy.people.desk import Desk
from guardproxy.pipeline.calling import Caller
from guardproxy.pipeline.guard import Conversations as Remembers
from guardproxy.pipeline.guard import Guard, Judge, Observe, Tokens, build
from guardproxy.pipeline.shelf import Shelf
from guardproxy.policy import load, packs
from guardproxy.policy.compiled import Policy
from guardproxy.settings import Settings, environment, read_settings
from guardproxy.stages import Readers
from guardproxy.store.conversations import Conversations
from guardproxy.store.embedded import Embedded
from guardproxy.store.people import People
from guardproxy.store.redis import Connection
from guardproxy.watching import Console

BODY = 4 << 20  # bytes of one request: Meta's largest webhook is 3 MiB, prompts stay below


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says: the policies' folder, the two listeners, how many processes."""

    policies: Path
    listen: tuple[str, int]
    admin: tuple[str, int]
    workers: int = 1
    shadow: bool = False
    default: str = ""  # the policy of callers who name none, where there are several
    merge: float | None = None  # seconds of one burst, whatever the policies say


@cache
def model(encoders: str = "auto") -> ScopeModel:
    """The scope model, once per process. `encoders`: auto, use, or use+e5."""
    return ScopeModel.open(encoders)


def readers(policy: Policy, scope_model: ScopeModel) -> Readers:
    """The detectors for one policy."""
    every = tuple(packs.pack(language) for language in packs.languages())
    lexicon = Lexicon(
        tuple(policy.packs.values()),
        every=every,
        others=packs.others(),
        ask_words=policy.escalation.ask_words,
    )
    return Readers(lexicon, Reading(scope_model.prepare(policy)), patterns)


def policy_files(paths: Iterable[Path]) -> tuple[Path, ...]:
    """The policy files that files and folders stand for."""
    return load.policy_files(paths)


async def bench_guard(path: Path) -> Guard:
    """A guard for one policy file that remembers nothing; PolicyError with all its faults."""
    scope_model = model(read_settings().scope_encoders)
    policy = load.load_policy(path, scope_model=scope_model.rev)
    return build(policy, readers(policy, scope_model), clock=time.perf_counter)


def now() -> float:
    """Seconds since 1970."""
    return time.time()


@dataclass(slots=True, kw_only=True)
class Program:
    """One running process: its parts, and how to make guards of policies."""

    settings: Settings
    options: Options
    secret: bytes
    connection: Connection
    metrics: Metrics
    conversations: Remembers
    tokens: Tokens
    judge: Judge | None
    mail: asyncio.Event = field(default_factory=asyncio.Event)
    caller: Caller | None = None
    watch: list[Observe] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)  # `name@rev` -> the file's

    @property
    def scope_model(self) -> ScopeModel:
        """The scope model that the settings ask for."""
        return model(self.settings.scope_encoders)

    def load(self, path: Path) -> Policy:
        """One policy file as it is served here."""
        text = load.text_of(path)
        policy = load.load_policy(path, environment(), text=text, scope_model=self.scope_model.rev)
        self.texts[policy.ref] = text
        if self.options.merge is not None and policy.whatsapp:
            whatsapp = replace(policy.whatsapp, merge=self.options.merge)
            policy = replace(policy, whatsapp=whatsapp)
        return replace(policy, shadow=True) if self.options.shadow else policy

    async def guard(self, policy: Policy) -> Guard:
        """A guard that remembers; its lines are encoded in a thread, turns go on meanwhile."""
        return build(
            policy,
            await asyncio.to_thread(readers, policy, self.scope_model),
            clock=time.perf_counter,
            tokens=self.tokens,
            judge=self.judge,
            conversations=self.conversations,
            caller=self.caller,
            observe=self.observe,
        )

    def observe(self, record: dict[str, object]) -> None:
        """A finished turn: figures, the log, whoever else watches."""
        for one in (self.metrics.count_turn, log.log_turn, *self.watch):
            try:
                one(record)
            except Exception:  # noqa: BLE001  watching must not cost a customer the reply
                log.log.exception("observe")

    async def examine(self, shelf: Shelf) -> health.Report:
        """Whether traffic may come."""
        store = "up"
        try:
            await self.connection.do("PING")
        except StoreError as error:
            store = str(error)
        self.metrics.store_up.set(store == "up")
        stale = tuple(shelf.stale.values())
        self.metrics.degraded.set(bool(stale))
        status = "degraded" if stale else "ready"
        return health.Report(
            status=status if store == "up" and shelf.names else "unready",
            store=store,
            policies=tuple(guard.policy.ref for guard in shelf.guards),
            problems=stale,
        )

    def sent(self, outcome: str) -> None:
        """Count a send."""
        self.metrics.sends.labels(outcome).inc()

    def carried(self, category: str) -> None:
        """Count a message to a customer: service, utility, marketing or authentication."""
        self.metrics.messages.labels(category).inc()

    def delivered(self, what: str, outcome: str) -> None:
        """Count a try to bring a case to a person."""
        self.metrics.deliveries.labels(what, outcome).inc()

    def alarmed(self, kind: str) -> None:
        """Count what Meta warns of; its own words are no labels."""
        self.metrics.alarms.labels(kind if kind in ALARMS else "account.other").inc()

    def seen(self, kind: str, outcome: str) -> None:
        """Count what a webhook held; kinds come from outside, so only known ones are labels."""
        known = kind if kind in KINDS else "other"
        if kind == "webhook":
            self.metrics.webhooks.labels(outcome).inc()
        else:
            self.metrics.events.labels(known, outcome).inc()


@dataclass(frozen=True, slots=True)
class Running:
    """A started program: its shelf, its parts, the addresses it listens on, and the desk that
    colleagues work at.
    """

    shelf: Shelf
    program: Program
    public: str
    admin: str
    desk: Desk


@asynccontextmanager
async def running(
    settings: Settings, options: Options, url: str, *, worker: Path | None = None,
    watch: Sequence[Observe] = (), own: Embedded | None = None,
) -> AsyncIterator[Running]:  # fmt: skip
    """Everything up and listening; closed in order on the way out.

    `url`: the store's. `worker`: the socket of a worker's admin listener. `own`: an embedded store
    to mind. Raises what refuses a start: PolicyError, SettingsError, WeightsError, OSError.
    """
    secret = secret_key(settings)
    async with AsyncExitStack() as stack:
        connection = connect(url)
        stack.push_async_callback(connection.close)
        metrics = Metrics()
        program = Program(
            settings=settings, options=options, secret=secret, connection=connection,
            metrics=metrics, conversations=Conversations(connection, partial(_unkept, metrics)),
            watch=list(watch),
            tokens=counter(environment().get("TIKTOKEN_CACHE_DIR", "")),
            judge=await backends.judge(settings, metrics, stack),
        )  # fmt: skip
        shelf = Shelf(
            program.load, program.guard, default=options.default, key=partial(known_by, secret)
        )
        files = policy_files([options.policies])
        if not options.policies.exists() or not files:
            message = f"no policy files in {options.policies}; `guardproxy demo` shows one at work"
            raise SettingsError(message)
        session = await stack.enter_async_context(
            ClientSession(connector=TCPConnector(limit=0), auto_decompress=True)
        )
        desk = escalating.desk(
            settings, connection, session, shelf.policy, program.sent
        )  # fmt: skip
        upstream = backends.upstream(settings, session, metrics)
        courier = escalating.courier(
            settings, connection, session, desk, upstream, lambda: shelf.names, program.delivered
        )  # fmt: skip
        program.caller = courier
        await shelf.fill(files)
        await keep_revisions(connection, shelf.policies, program.texts, time.time())
        callers = Callers(settings.api_keys)
        hop = Hop(
            shelf=shelf, upstream=upstream, callers=callers, secret=secret,
            on_refusal=settings.on_refusal, clock=time.time, new_id=lambda: uuid.uuid4().hex,
            models=settings.upstream_models,
            alive=settings.keep_alive, people=People(connection),
        )  # fmt: skip
        mail, bridge = hops.build(
            hops.Parts(
                settings=settings, shelf=shelf, session=session, connection=connection,
                upstream=upstream, callers=callers, secret=secret, seal=Fernet(seal(secret)),
                mail=program.mail, tell=log.event, seen=program.seen, sent=program.sent,
                carried=program.carried, alarmed=program.alarmed,
            )
        )  # fmt: skip
        public = web.Application(client_max_size=BODY, middlewares=[in_api_shape])
        public.on_response_prepare.append(numbered)
        public.add_routes([*llm.routes(hop), *mail])
        console = Console(connection, shelf, metrics, desk)
        program.watch.append(console.feed.note)
        admin = _watched(program, shelf, console, named=worker is None)
        group = await stack.enter_async_context(background())
        group.create_task(mind(own, log.event))
        group.create_task(bridge.run())
        group.create_task(courier.run())
        group.create_task(console.run())
        if worker is None:
            group.create_task(admin.history.run())
        group.create_task(_reload_on_change(shelf, program, callers))
        at = await listen(stack, public, options.listen, share=worker is not None)
        admin_at = await listen(stack, admin.app, worker or options.admin)
        log.event(
            "serving", public=at, admin=admin_at, policies=[g.policy.ref for g in shelf.guards]
        )
        yield Running(shelf, program, at, admin_at, desk)


def _unkept(metrics: Metrics, turn: str, error: StoreError) -> None:
    """Tell of a turn whose record was on its way when the store went."""
    metrics.unkept.inc()
    log.event("record_lost", id=turn, store=str(error))


@dataclass(frozen=True, slots=True)
class Watched:
    """The admin listener's application, and the history that it draws."""

    app: web.Application
    history: History


def _watched(program: Program, shelf: Shelf, console: Console, *, named: bool) -> Watched:
    """The admin listener; `named` False: on a worker's socket."""
    settings = program.settings
    token = settings.admin_token.get_secret_value()
    must_be_closed(token, program.options.admin[0])

    async def figures() -> bytes:
        program.metrics.store_up.set(program.connection.up)
        return program.metrics.text(settings.metrics_dir or None)

    history = History(figures, time.time)
    parts = Parts(
        token=token, clock=time.monotonic, examine=partial(program.examine, shelf),
        figures=figures, history=history, named=named,
    )  # fmt: skip
    return Watched(listener(parts, console.operations), history)


async def _reload_on_change(shelf: Shelf, program: Program, callers: Callers) -> None:
    """Take up policy and key files as they change, and all of them on SIGHUP."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, asked.set)

    async def on_disk() -> None:
        keys = program.settings.api_keys
        places = [program.options.policies, *([keys.parent] if keys else [])]
        async for _ in awatch(*places, step=50, recursive=False):
            asked.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(on_disk())
        while True:
            await asked.wait()
            asked.clear()
            try:
                callers.reload()
            except SettingsError as error:
                log.event("keys", refused=str(error))
            await refresh(shelf, program)


async def refresh(shelf: Shelf, program: Program) -> None:
    """Take up what changed; what is broken keeps its last good guard, and is said."""
    try:
        refused = await shelf.refresh(policy_files([program.options.policies]))
    except (GuardproxyError, OSError) as error:
        refused = (str(error),)
    await keep_revisions(program.connection, shelf.policies, program.texts, time.time())
    program.metrics.reloads.labels("refused" if refused else "taken").inc()
    program.metrics.degraded.set(bool(shelf.stale))
    log.event(
        "policies", refused=list(refused), serving=[guard.policy.ref for guard in shelf.guards]
    )


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run the program to its end; on uvloop where the system has it: a third less CPU a request."""
    loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    if find_spec("uvloop"):  # Windows has none
        loop = import_module("uvloop").new_event_loop
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main)


async def serve(settings: Settings, options: Options, *, worker: Path | None = None) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    url, started = own_store(settings)
    try:
        async with running(settings, options, url, worker=worker, own=started):
            await told_to_stop()
            log.event("stopping")
    except BaseExceptionGroup as group:  # a background task's error is the program's
        raise group.exceptions[0] from group
    finally:
        if started is not None:
            started.stop()


__all__ = [
    "Options", "PolicyError", "Running", "bench_guard", "connect", "listen", "own_store",
    "policy_files", "run", "running", "secret_key", "serve", "store_url", "told_to_stop",
]  # fmt: skip
