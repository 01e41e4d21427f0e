"""A real `guardproxy serve` in a process of its own, between a scripted LLM and a fake Graph API."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiohttp import ClientSession

from guardproxy import app
from guardproxy.demo.graph import FakeGraph
from guardproxy.edges.whatsapp.signature import signature
from guardproxy.upstream.stub import Stub
from tests.conftest import APP_SECRET, POLICIES, ROOT

POLICY = "warung-bu-sri"
FAIR = "booking meja 8 orang"  # an example of that policy: in scope whatever the model
PATIENCE = 120.0  # seconds for a start on a machine that is busy with other things


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(**more: str) -> dict[str, str]:
    """An environment that says nothing of guardproxy but what is given."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GUARDPROXY_")}  # noqa: TID251
    path = os.pathsep.join(filter(None, [str(ROOT), kept.get("PYTHONPATH")]))
    return kept | {"PYTHONPATH": path} | {f"GUARDPROXY_{k}": v for k, v in more.items()}


@dataclass
class Served:
    """The process, its neighbours, and how to talk to it."""

    home: Path
    stub: Stub
    graph: FakeGraph
    session: ClientSession
    settings: dict[str, str]
    args: list[str] = field(default_factory=list)
    process: "subprocess.Popen[bytes] | None" = None
    public: str = ""
    admin: str = ""

    @property
    def policy(self) -> Path:
        """The one policy file that is served."""
        return self.home / "policies" / f"{POLICY}.yaml"

    async def start(self, *args: str) -> None:
        """Start it, and wait until it is ready."""
        ports = free_port(), free_port()
        self.public, self.admin = (f"http://127.0.0.1:{port}" for port in ports)
        command = [
            sys.executable, "-m", "guardproxy", "serve", "--policies", str(self.policy.parent),
            "--listen", f"127.0.0.1:{ports[0]}", "--admin", f"127.0.0.1:{ports[1]}", *args,
        ]  # fmt: skip
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: ASYNC220  starting one takes a millisecond
                command, cwd=self.home, env=environment(**self.settings), stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        assert await self.becomes("ready", PATIENCE), self.told()

    async def status(self) -> tuple[int, str]:
        """What /readyz says: the HTTP status and the word."""
        try:
            async with self.session.get(f"{self.admin}/readyz") as response:
                return response.status, (await response.json())["status"]
        except OSError:
            return 0, "nobody listens"

    async def becomes(self, word: str, seconds: float) -> bool:
        """Whether /readyz says a word within some seconds."""
        end = time.monotonic() + seconds
        while (await self.status())[1] != word:
            if time.monotonic() > end or (self.process and self.process.poll() is not None):
                return False
            await asyncio.sleep(0.05)
        return True

    def told(self) -> str:
        """The end of what it has logged, for whoever reads a failure."""
        return (self.home / "log").read_text("utf-8")[-5000:]

    def kill(self) -> None:
        """kill -9 of the whole process group; the embedded store, in one of its own, lives on."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(30)

    def valkey(self) -> psutil.Process:
        """The embedded store's process."""
        assert self.process is not None
        children = psutil.Process(self.process.pid).children(recursive=True)
        return next(child for child in children if "valkey-server" in child.name())

    async def deliver(self, body: dict[str, Any]) -> int:
        """Send a signed webhook; the status."""
        raw = json.dumps(body).encode()
        headers = {"X-Hub-Signature-256": signature(raw, APP_SECRET)}
        url = f"{self.public}/whatsapp/webhook"
        async with self.session.post(url, data=raw, headers=headers) as response:
            return response.status

    async def chat(self, text: str, user: str) -> tuple[int, dict[str, str], Any]:
        """One completion: status, headers, JSON."""
        body = {"model": "m", "messages": [{"role": "user", "content": text}]}
        url = f"{self.public}/v1/chat/completions"
        async with self.session.post(
            url, json=body, headers={"x-guardproxy-user": user}
        ) as response:
            return response.status, dict(response.headers), await response.json()

    def sent(self) -> list[tuple[str, str]]:
        """Everything that went out: to whom, and what."""
        return [(body["to"], body["text"]["body"]) for _, body in self.graph.sends]


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """A process that is not started yet, and is gone at the end."""
    (tmp_path / "policies").mkdir()
    text = (POLICIES / f"{POLICY}.yaml").read_text("utf-8")
    (tmp_path / "policies" / f"{POLICY}.yaml").write_text(text, "utf-8")
    async with AsyncExitStack() as stack:
        stub, graph = Stub(), FakeGraph()
        llm = await app.listen(stack, stub.app(), ("127.0.0.1", 0))
        meta = await app.listen(stack, graph.app(), ("127.0.0.1", 0))
        session = await stack.enter_async_context(ClientSession())
        settings = {
            "UPSTREAM_URL": f"{llm}/v1", "GRAPH_URL": f"{meta}/v26.0",
            "DATA_DIR": str(tmp_path / "data"), "WHATSAPP_APP_SECRET": APP_SECRET,
            "WHATSAPP_VERIFY_TOKEN": "verify-me", "WHATSAPP_ACCESS_TOKEN": "EAAG-secret",
        }  # fmt: skip
        made = Served(tmp_path, stub, graph, session, settings)
        try:
            yield made
        finally:
            await asyncio.to_thread(end, made)


def end(served: Served) -> None:
    """End the process and the store it may have left."""
    process = served.process
    if process is None:
        return
    try:
        left = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        left = []
    for child in left:
        child.resume()
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            served.kill()
    for child in left:
        if child.is_running():
            child.kill()
