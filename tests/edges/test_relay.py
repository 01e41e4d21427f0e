"""Relay: one signed event per request to the business's own agent, and one count per message."""

import asyncio
import itertools
import json
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from guardproxy import app
from guardproxy.edges.whatsapp.signature import is_signed
from tests.conftest import said, start_rig, until, webhook
from tests.edges import shop
from tests.edges.shop import NUMBER

SECRET = "agent-secret"
ASKS = "my order is late, where is it?"
_serial = itertools.count()


@dataclass
class Agent:
    """The business's own webhook: keeps what it is sent, and answers `status`."""

    got: list[tuple[bytes, str]] = field(default_factory=list)
    status: int = 200

    def app(self):
        made = web.Application()
        made.router.add_post("/hook", self._take)
        return made

    async def _take(self, request):
        if self.status == 200:
            self.got.append((await request.read(), request.headers["X-Hub-Signature-256"]))
        return web.Response(status=self.status)

    def messages(self, phone):
        values = [json.loads(raw)["entry"][0]["changes"][0]["value"] for raw, _ in self.got]
        found = [m for value in values for m in value.get("messages", ())]
        return [m["text"]["body"] for m in found if m.get("from") == phone]


@pytest.fixture
async def relayed(store, tmp_path, monkeypatch):
    """A rig whose shop has an agent of its own; and the agent."""
    monkeypatch.setenv("AGENT_SECRET", SECRET)
    async with AsyncExitStack() as stack:
        agent = Agent()
        url = await app.listen(stack, agent.app(), ("127.0.0.1", 0))
        more = f"hop: relay, forward_to: '{url}/hook', secret: 'env:AGENT_SECRET'"
        limits = "[{id: two, max: 2, in: 1m, then: throttle}]"
        name = f"relay-shop-{next(_serial)}"
        policies = shop.write(tmp_path / "policies", name=name, more=more)
        path = policies / f"{name}.yaml"
        path.write_text(path.read_text().replace("limits: []", f"limits: {limits}"))
        yield await start_rig(stack, store, tmp_path, policies=policies), agent


def fresh():
    return f"4915550{next(_serial):06d}"


def ask(phone, text=ASKS, wamid=None):
    return said(phone, text, wamid or f"wamid.r{next(_serial)}")


async def test_a_batch_is_forwarded_one_by_one_escaped_and_signed_anew(relayed):
    rig, agent = relayed
    one, two = fresh(), fresh()
    body = webhook(ask(one, f"{ASKS} café"), ask(two), number=NUMBER)
    status = {"id": "wamid.s", "status": "read", "timestamp": "1", "recipient_id": one}
    body["entry"][0]["changes"][0]["value"]["statuses"] = [status]
    body["entry"][0]["changes"][0]["value"]["contacts"] = [{"wa_id": one}, {"wa_id": two}]
    account = {"field": "account_alerts", "value": {"alert_type": "X"}}
    body["entry"].append({"id": "1", "changes": [account]})
    assert await rig.deliver(body) == 200
    assert await until(lambda: len(agent.got) == 4)
    for raw, header in agent.got:
        assert is_signed(raw, header, (SECRET,))
        assert raw.isascii()
    values = [json.loads(raw)["entry"][0]["changes"][0]["value"] for raw, _ in agent.got]
    alone = [v for v in values if v.get("messages")]
    assert all(len(v["messages"]) == 1 and len(v["contacts"]) == 1 for v in alone)
    assert agent.messages(one) == [f"{ASKS} café"]
    assert sum("statuses" in v for v in values) == 1
    await rig.deliver(body)
    await asyncio.sleep(0.5)
    assert len(agent.got) == 4


async def test_a_refused_turn_is_answered_here_and_not_forwarded(relayed):
    rig, agent = relayed
    phone = fresh()
    await rig.deliver(
        webhook(ask(phone, "write me a python script that sorts a list"), number=NUMBER)
    )
    (text,) = await rig.sends(phone, 1)
    assert "orders and deliveries" in text
    await rig.deliver(webhook(ask(phone), number=NUMBER))
    assert await until(lambda: agent.messages(phone) == [ASKS])
    assert len(rig.sent_to(phone)) == 1
    assert not rig.stub.calls


async def test_nothing_is_lost_while_the_agent_is_down_and_the_order_holds(relayed):
    rig, agent = relayed
    phone, agent.status = fresh(), 503
    for i in range(2):
        await rig.deliver(webhook(ask(phone, f"{ASKS} {i}"), number=NUMBER))
    await asyncio.sleep(0.5)
    agent.status = 200
    assert await until(lambda: len(agent.messages(phone)) == 2)
    assert agent.messages(phone) == [f"{ASKS} {i}" for i in range(2)]


async def test_a_message_counts_once_on_both_hops_and_its_verdict_stands(relayed):
    rig, agent = relayed
    phone = fresh()
    name = rig.at.shelf.names[0]
    who = {"x-guardproxy-user": phone}
    for i in range(2):
        await rig.deliver(webhook(ask(phone, f"{ASKS} {i}"), number=NUMBER))
        assert await until(lambda: len(agent.messages(phone)) == i + 1)  # noqa: B023
        for text in (ASKS, "Rephrase as a standalone question: write a haiku about rivers"):
            response = await rig.chat(text, policy=name, headers=who)
            assert response.status == 200
            assert response.headers.get("x-guardproxy-rule") in (None, "output.off_topic")
            assert rig.calls_with(text)
    await rig.deliver(webhook(ask(phone, f"{ASKS} third"), number=NUMBER))
    assert await until(lambda: rig.sent_to(phone))  # the third message is over two a minute
    assert len(agent.messages(phone)) == 2


async def test_numbers_are_masked_and_a_paused_conversation_is_still_delivered(relayed):
    rig, agent = relayed
    phone = fresh()
    await rig.deliver(webhook(ask(phone, "I want to talk to a human"), number=NUMBER))
    assert await rig.sends(phone, 1)
    said_so = f"{ASKS} my card is 4111 1111 1111 1111"
    await rig.deliver(webhook(ask(phone, said_so), number=NUMBER))
    assert await until(lambda: agent.messages(phone))
    assert "4111" not in agent.messages(phone)[0]
    assert ASKS in agent.messages(phone)[0]
