"""pywa, unmodified: it takes relayed events by its own route, and sends through the Graph hop."""

import asyncio
import json
import socket
import subprocess
import sys
from contextlib import AsyncExitStack, contextmanager

import pytest
from aiohttp import ClientError

from guardproxy import app
from guardproxy.core.identity import person_key
from guardproxy.store.people import People
from tests.conftest import said, start_rig, until, webhook
from tests.edges import shop
from tests.edges.graphs import WideGraph
from tests.edges.shop import NUMBER

pytestmark = pytest.mark.clients
pytest.importorskip("pywa")
FAIR = "Your order A-20417 is out for delivery today."
OFF = "Sure! Here is a Python script that sorts a list: def sort(xs): return sorted(xs)"

COMMON = """
import json, sys, warnings
import httpx
kind, graph, port, to, fair, off, secret = sys.argv[1:]
if kind == "sync":
    from pywa import WhatsApp, types, errors
else:
    from pywa_async import WhatsApp, types
    from pywa import errors
def client(**more):
    wa = WhatsApp(phone_id="110200345501442", token="agent-token", **more)
    wa.api._session.base_url = graph
    return wa
"""
SENDS = (
    COMMON
    + """
import asyncio, inspect
wa = client()
async def one(name, call):
    try:
        made = call()
        made = await made if inspect.isawaitable(made) else made
        print(json.dumps([name, "sent", getattr(made, "id", str(made))]))
    except errors.WhatsAppError as error:
        print(json.dumps([name, type(error).__name__, error.code]))
async def main():
    buttons = [types.Button(title="Track order", callback_data="t")]
    rows = [types.SectionRow(title="Orders", callback_data="o", description="where it is")]
    menu = types.SectionList(button_title="Topics", sections=[types.Section(title="Orders", rows=rows)])
    await one("text", lambda: wa.send_message(to, fair))
    await one("buttons", lambda: wa.send_message(to, fair, buttons=buttons))
    await one("list", lambda: wa.send_message(to, fair, buttons=menu))
    await one("image", lambda: wa.send_image(to, "https://shop.example/a.png", caption="Your order"))
    await one("refused", lambda: wa.send_message(to, off))
    await one("hidden", lambda: wa.send_message(to, fair, buttons=buttons, footer=off[:58]))
    await one("nobody", lambda: wa.send_message("15550009999", fair))
    await one("read", lambda: wa.mark_message_as_read("wamid.x"))
asyncio.run(main())
"""
)
SERVES = (
    COMMON
    + """
import uvicorn
from fastapi import FastAPI
server = FastAPI()
wa = client(server=server, webhook_endpoint="/hook", verify_token="v", app_secret=secret,
            validate_updates=True)
if kind == "sync":
    @wa.on_message
    def answer(_, message):
        message.reply_text("Your order A-20417 is out for delivery today. " + message.text[-6:])
else:
    @wa.on_message
    async def answer(_, message):
        await message.reply_text("Your order A-20417 is out for delivery today. " + message.text[-6:])
uvicorn.run(server, host="127.0.0.1", port=int(port), log_level="error")
"""
)


def command(script: str, *given: str) -> list[str]:
    return [sys.executable, "-W", "ignore", "-c", script, *given]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def process(script: str, *given: str):
    """A process of its own, ended with the block."""
    running = subprocess.Popen(command(script, *given), stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE)  # fmt: skip
    try:
        yield running
    finally:
        running.terminate()
        running.communicate(timeout=10)


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_sends_go_out_and_a_refusal_is_pywas_own_error(store, tmp_path, kind):
    async with AsyncExitStack() as stack:
        policies = shop.write(tmp_path / "policies", name=f"pywa-{kind}")
        rig = await start_rig(
            stack, store, tmp_path, policies=policies, graph=WideGraph(), on_refusal="error"
        )
        to = rig.number()
        person = person_key(rig.at.program.secret, to)
        await People(rig.at.program.connection).meet(f"pywa-{kind}", (person,), wrote=app.now())
        given = (kind, f"{rig.at.public}/graph/v26.0", "0", to, FAIR, OFF, "-")
        done = await asyncio.to_thread(
            subprocess.run,
            command(SENDS, *given),
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-2000:]
    told = {row[0]: row[1:] for row in map(json.loads, done.stdout.splitlines())}
    for name in ("text", "buttons", "list", "image", "read"):
        assert told[name][0] == "sent", told
    assert told["refused"] == ["InvalidParameter", 131009]
    assert told["hidden"] == ["InvalidParameter", 131009]
    assert told["nobody"] == ["ReEngagementMessage", 131047]
    kinds = [body["type"] for _, body in rig.graph.sends]
    assert kinds == ["text", "interactive", "interactive", "image"]


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_every_message_of_a_batch_reaches_pywa_and_is_answered(
    store, tmp_path, kind, monkeypatch
):
    monkeypatch.setenv("AGENT_SECRET", "agent-secret")
    port = free_port()
    more = f"hop: relay, forward_to: 'http://127.0.0.1:{port}/hook', secret: 'env:AGENT_SECRET'"
    async with AsyncExitStack() as stack:
        policies = shop.write(tmp_path / "policies", name=f"pywa-relay-{kind}", more=more)
        rig = await start_rig(stack, store, tmp_path, policies=policies, graph=WideGraph())
        given = (kind, f"{rig.at.public}/graph/v26.0", str(port), "", "", "", "agent-secret")
        numbers = [rig.number() for _ in range(4)]
        stack.enter_context(process(SERVES, *given))
        await answers(rig, port)
        messages = [
            said(n, f"is my order late? café {i:05d}", f"wamid.p{n}", from_user_id=f"US.{n}")
            for i, n in enumerate(numbers)
        ]
        body = webhook(*messages[:3], number=NUMBER)
        contacts = [{"wa_id": n, "user_id": f"US.{n}", "profile": {"name": "Ann"}} for n in numbers]
        body["entry"].append(webhook(messages[3], number=NUMBER)["entry"][0])
        for entry in body["entry"]:
            entry["changes"][0]["value"]["contacts"] = contacts
        assert await rig.deliver(body) == 200

        def heard() -> dict[str, list[str]]:
            """The texts by whom they went to: pywa answers to business-scoped ids."""
            told: dict[str, list[str]] = {}
            for _, sent in rig.graph.sends:
                told.setdefault(sent.get("recipient", ""), []).append(sent["text"]["body"])
            return told

        assert await until(lambda: len(heard()) == 4, 20.0)
        for i, number in enumerate(numbers):
            (text,) = heard()[f"US.{number}"]
            assert text.endswith(f"{i:05d}")


async def answers(rig, port: int) -> None:
    """Wait until the client's own server is up."""
    for _ in range(200):
        try:
            async with rig.session.get(f"http://127.0.0.1:{port}/hook"):
                return
        except ClientError:
            await asyncio.sleep(0.1)
    raise AssertionError("the client's server did not start")
