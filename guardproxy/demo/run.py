"""Everything on loopback: a scripted LLM, a fake Graph API, an embedded store, a phone."""

import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from aiohttp import ClientSession, web
from pydantic import SecretStr

from guardproxy import app
from guardproxy.core.errors import SettingsError
from guardproxy.demo.graph import FakeGraph
from guardproxy.demo.phone import Phone
from guardproxy.settings import Settings
from guardproxy.store import embedded
from guardproxy.upstream.stub import Stub

SECRET = "demo-app-secret"  # noqa: S105  signs what the phone page sends to this machine
PLAIN = "warung-bu-sri"  # the business behind /v1 without a name


@dataclass(frozen=True, slots=True)
class Demo:
    """What runs, and where the phone is."""

    at: app.Running
    phone: str


async def run_demo(*, upstream: str, port: int, admin_port: int) -> None:
    """Run until told to stop."""
    home = tempfile.TemporaryDirectory(prefix="guardproxy-demo-")
    store = embedded.start(Path(home.name), time.sleep)
    try:
        async with AsyncExitStack() as stack:
            at = await stack.enter_async_context(
                demo(upstream, port, admin_port, store.url, home.name)
            )
            for line in _welcome(at, upstream):
                print(line, flush=True)  # noqa: T201  the demo talks to a person
            await app.told_to_stop()
    finally:
        store.stop()
        home.cleanup()


@asynccontextmanager
async def demo(
    upstream: str, port: int, admin_port: int, url: str, home: str
) -> AsyncIterator[Demo]:
    """The demo's parts, running; ports that are taken give way to free ones."""
    async with AsyncExitStack() as stack:
        graph = FakeGraph()
        session = await stack.enter_async_context(ClientSession())
        backend = upstream or f"{await app.listen(stack, Stub().app(), ('127.0.0.1', 0))}/v1"
        graph_url = await app.listen(stack, graph.app(), ("127.0.0.1", 0))
        settings = Settings(
            _env_file=None,
            upstream_url=backend,
            graph_url=f"{graph_url}/v26.0",
            data_dir=Path(home),
            whatsapp_app_secret=(SecretStr(SECRET),),
            whatsapp_verify_token=SecretStr("demo"),
            whatsapp_access_token=SecretStr("demo"),
        )
        phone = Phone(graph=graph, session=session, secret=SECRET, clock=time.time, numbers={})
        at = await _start(stack, settings, (port, admin_port), url, phone)
        phone.webhook = f"{at.public}/whatsapp/webhook"
        phone_at = await listen_near(stack, phone.app(), admin_port)
        guards = sorted(at.shelf.guards, key=lambda guard: guard.policy.name != PLAIN)
        for guard in guards:
            for number in guard.policy.whatsapp.numbers if guard.policy.whatsapp else ():
                phone.numbers[number] = guard.policy.business.name
        yield Demo(at, phone_at)


async def _start(
    stack: AsyncExitStack, settings: Settings, ports: tuple[int, int], url: str, phone: Phone
) -> app.Running:
    """The proxy on the ports asked for, or on free ones when they are taken."""
    for port, admin in (ports, (0, 0)):
        options = app.Options(
            policies=policies(), listen=("127.0.0.1", port), admin=("127.0.0.1", admin),
            default=PLAIN,
        )  # fmt: skip
        try:
            return await stack.enter_async_context(
                app.running(settings, options, url, watch=[phone.watch])
            )
        except SettingsError:
            if port == 0 and admin == 0:
                raise
    raise AssertionError  # the loop returns or raises


async def listen_near(stack: AsyncExitStack, page: web.Application, port: int) -> str:
    """The phone on the port after the console's, or on a free one when that is taken."""
    for wanted in (port + 1 if port else 0, 0):
        try:
            return await app.listen(stack, page, ("127.0.0.1", wanted))
        except SettingsError:
            if not wanted:
                raise
    raise AssertionError  # the loop returns or raises


def policies() -> Path:
    """The example policies: in the package, or beside it in a checkout."""
    packed = Path(str(resources.files("guardproxy.demo"))) / "policies"
    return packed if packed.is_dir() else Path(__file__).parents[2] / "policies"


def _welcome(demo: Demo, upstream: str) -> list[str]:
    """What a newcomer needs to know, one line each."""
    at = demo.at
    lines = [
        "",
        "guardproxy is up. The model behind it answers anything; the guard does not.",
        f"  phone     {demo.phone}/",
        f"  console   {at.admin}/",
        f"  LLM API   {at.public}/v1",
    ]
    lines += [f"            {at.public}/t/{name}/v1" for name in at.shelf.names]
    lines += [f"  webhook   {at.public}/whatsapp/webhook", f"  figures   {at.admin}/metrics"]
    if upstream:
        lines.append(f"  LLM       {upstream}")
    return [*lines, "Ctrl-C stops it; nothing is kept.", ""]
