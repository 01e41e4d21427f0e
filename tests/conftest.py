"""Real parts for every test: a Valkey, HTTP servers, a whole guardproxy in the test's own loop."""

import asyncio
import io
import itertools
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from pydantic import SecretStr

from guardproxy.settings import Settings, one_thread_for_matrices

one_thread_for_matrices()  # before anything imports numpy

from guardproxy import app  # noqa: E402
from guardproxy.core.errors import StoreError  # noqa: E402
from guardproxy.demo.graph import FakeGraph  # noqa: E402
from guardproxy.demo.phone import envelope  # noqa: E402
from guardproxy.edges.whatsapp.signature import signature  # noqa: E402
from guardproxy.pipeline.guard import Guard  # noqa: E402
from guardproxy.store import embedded  # noqa: E402
from guardproxy.store.redis import Connection  # noqa: E402
from guardproxy.upstream.stub import Stub  # noqa: E402

ROOT = Path(__file__).parents[1]
POLICIES = ROOT / "policies"
APP_SECRET = "tests-app-secret"
WARUNG = "106540352242922"  # the number of policies/warung-bu-sri.yaml
_count = itertools.count()


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real Valkey."""
    started = embedded.start(tmp_path_factory.mktemp("store"), time.sleep)
    yield started.url
    started.stop()


@pytest.fixture
async def connection(store: str) -> AsyncIterator[Connection]:
    """A connection to it."""
    made = app.connect(store)
    yield made
    await made.close()


@dataclass
class Rig:
    """A running guardproxy between a scripted LLM and a fake Graph API."""

    at: app.Running
    stub: Stub
    graph: FakeGraph
    session: ClientSession
    records: list[dict[str, Any]] = field(default_factory=list)

    def base(self, policy: str = "harbour-bank") -> str:
        """The base URL of a policy's LLM API."""
        return f"{self.at.public}/t/{policy}/v1"

    def fresh(self, what: str) -> str:
        """A name nobody had before."""
        return f"{what}-{next(_count)}"

    def number(self) -> str:
        """A customer's number nobody had before."""
        return f"1555{next(_count):07d}"

    async def chat(self, text: str, *, policy: str = "harbour-bank", **more: Any) -> Any:
        """One completion; the response with its JSON as `.json_`."""
        headers = more.pop("headers", {})
        body = {"model": "m", "messages": [{"role": "user", "content": text}], **more}
        return await self.post("/chat/completions", body, policy=policy, headers=headers)

    async def post(
        self, path: str, body: Any, *, policy: str = "harbour-bank", headers: Any = None
    ) -> Any:
        """POST JSON (or bytes as they are)."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.session.post(
            self.base(policy) + path, data=io.BytesIO(raw),
            headers={"Content-Type": "application/json", "x-guardproxy-user": self.fresh("user"),
                     **(headers or {})},
        ) as response:  # fmt: skip
            response.raw_ = await response.read()
            kind = response.headers.get("Content-Type", "")
            response.json_ = json.loads(response.raw_) if "json" in kind else None
            return response

    async def deliver(self, body: Any, *, secret: str = APP_SECRET) -> int:
        """Send a signed webhook; the status it was answered with."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"X-Hub-Signature-256": signature(raw, secret)}
        async with self.session.post(
            f"{self.at.public}/whatsapp/webhook", data=raw, headers=headers
        ) as response:
            return response.status

    def sent_to(self, number: str) -> list[str]:
        """The texts that went out to a customer, in order."""
        return [body["text"]["body"] for _, body in self.graph.sends if body.get("to") == number]

    async def sends(self, number: str, count: int, seconds: float = 8.0) -> list[str]:
        """The texts to a customer, once there are `count`, or what there is after `seconds`."""
        await until(lambda: len(self.sent_to(number)) >= count, seconds)
        return self.sent_to(number)

    def calls_with(self, text: str) -> int:
        """How often the LLM was asked something that holds a text."""
        return sum(text in json.dumps(call, ensure_ascii=False) for call in self.stub.calls)


async def until(holds: Any, seconds: float = 8.0) -> bool:
    """Wait until something holds; whether it did."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        await asyncio.sleep(0.01)
    return True


def said(number: str, text: str, wamid: str, **more: Any) -> dict[str, Any]:
    """A customer's text message as Meta sends it."""
    return {"from": number, "id": wamid, "timestamp": str(int(time.time())), "type": "text",
            "text": {"body": text}, **more}  # fmt: skip


def webhook(*messages: dict[str, Any], number: str = WARUNG) -> dict[str, Any]:
    """A webhook with some messages."""
    return envelope(number, list(messages))


def settings_for(stub_url: str, graph_url: str, home: Path, **more: Any) -> Settings:
    """Settings that read nothing of this machine's environment."""
    values = {
        "upstream_url": f"{stub_url}/v1", "upstream_key": SecretStr("sk-upstream-secret"),
        "graph_url": f"{graph_url}/v26.0", "data_dir": home,
        "whatsapp_app_secret": (SecretStr(APP_SECRET),),
        "whatsapp_verify_token": SecretStr("verify-me"),
        "whatsapp_access_token": SecretStr("EAAG-secret"),
    }  # fmt: skip
    return Settings(_env_file=None, **(values | more))


_databases = itertools.cycle(range(1, 16))


async def apart(store: str) -> str:
    """A database of its own on the same Valkey, empty: two bridges on one would take each other's
    mail.
    """
    url = f"{store}?db={next(_databases)}"
    connection = app.connect(url)
    for left in reversed(range(20)):  # a machine busy with other things may need some seconds
        try:
            await connection.do("FLUSHDB", "ASYNC")
        except StoreError:
            if not left:
                raise
            await asyncio.sleep(0.5)
        else:
            break
    await connection.close()
    return url


async def start_rig(
    stack: AsyncExitStack, store: str, home: Path, *, policies: Path = POLICIES, stub: Any = None,
    graph: Any = None, shared: bool = False, **more: Any,
) -> Rig:  # fmt: skip
    """A rig of its own, closed with the stack; `shared`: on the database of `connection`."""
    stub, graph, records = stub or Stub(), graph or FakeGraph(), []
    stub_url = await app.listen(stack, stub.app(), ("127.0.0.1", 0))
    graph_url = await app.listen(stack, graph.app(), ("127.0.0.1", 0))
    options = app.Options(policies=policies, listen=("127.0.0.1", 0), admin=("127.0.0.1", 0),
                          default=more.pop("default", ""), merge=more.pop("merge", 0.0))  # fmt: skip
    settings = settings_for(stub_url, graph_url, home, **more)
    at = await stack.enter_async_context(
        app.running(
            settings, options, store if shared else await apart(store), watch=[records.append]
        )
    )
    session = await stack.enter_async_context(ClientSession())
    return Rig(at, stub, graph, session, records)


@pytest.fixture(scope="session")
async def rig(store: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """One rig with the example policies, shared: each test brings customers of its own."""
    async with AsyncExitStack() as stack:
        yield await start_rig(stack, store, tmp_path_factory.mktemp("rig"), shared=True)


@pytest.fixture(scope="session")
async def claude(store: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """A rig whose backend speaks Anthropic's API."""
    async with AsyncExitStack() as stack:
        home = tmp_path_factory.mktemp("claude")
        yield await start_rig(stack, store, home, upstream_api="anthropic")


@pytest.fixture(scope="session")
async def guards() -> dict[str, Guard]:
    """Guards of the example policies that remember nothing."""
    found = [await app.bench_guard(path) for path in app.policy_files([POLICIES])]
    return {guard.policy.name: guard for guard in found}
