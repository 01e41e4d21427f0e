"""kill -9 at eight points of a message's way, under load: all that was acknowledged is answered or
with a person, and nothing is sent twice.

The points are reached by holding the store, the LLM or the Graph API, not by hooks in the product.
"""

import asyncio
import itertools
import os
import signal
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest
from aiohttp import ClientError

from guardproxy import app
from guardproxy.demo.graph import FakeGraph
from guardproxy.store import embedded, keys
from guardproxy.store.escalations import Escalations
from tests.conftest import WARUNG, said, until, webhook
from tests.faults.process import FAIR, POLICY, Served, served

__all__ = ["served"]  # the fixture, where pytest finds it
pytestmark = pytest.mark.faults

EACH = 12  # customers at each point, while the next ones come in
_serial = itertools.count()


@dataclass
class HeldGraph(FakeGraph):
    """Takes a send and, while `held`, does not say so."""

    held: bool = False
    release: asyncio.Event = field(default_factory=asyncio.Event)

    async def _messages(self, request):
        answer = await super()._messages(request)
        body = await request.json()
        if self.held and body.get("status") != "read":
            await self.release.wait()
        return answer


@pytest.fixture
async def held(served: Served) -> Served:
    """The process behind a Graph API that can be held."""
    graph = HeldGraph()
    async with AsyncExitStack() as stack:
        url = await app.listen(stack, graph.app(), ("127.0.0.1", 0))
        served.graph = graph
        served.settings["GRAPH_URL"] = f"{url}/v26.0"
        yield served
        graph.release.set()


class Ledger:
    """What was delivered to the proxy, and what it acknowledged."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.bodies: dict[str, dict] = {}
        self.acknowledged: set[str] = set()

    async def deliver(self, body: dict) -> None:
        """One webhook, as Meta sends it: what gets no 200 comes again later."""
        phone = body["entry"][0]["changes"][0]["value"]["messages"][0]["from"]
        self.bodies[phone] = body
        try:
            if await self.served.deliver(body) == 200:
                self.acknowledged.add(phone)
        except (ClientError, OSError):
            pass

    async def load(self, count: int = EACH) -> None:
        """New customers, all at about the same time."""
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                n = next(_serial)
                message = said(f"155502{n:05d}", f"{FAIR} nomor {n}", f"wamid.k{n}")
                group.create_task(self.deliver(webhook(message)))
                await asyncio.sleep(0.01)

    async def again(self) -> None:
        """Meta's redelivery of all that it got no 200 for, and of some that it did."""
        for phone in [p for p in self.bodies if p not in self.acknowledged]:
            await self.deliver(self.bodies[phone])
        for phone in list(self.acknowledged)[::5]:
            await self.deliver(self.bodies[phone])


async def kill_with_the_store_held(ledger: Ledger, *, before: bool) -> None:
    """The process dies while the store has the commands: carried out (`before` False) or not."""
    valkey = ledger.served.valkey()
    valkey.suspend()
    task = asyncio.ensure_future(ledger.load())  # noqa: TID251
    await asyncio.sleep(0.1)
    ledger.served.kill()
    if before:
        valkey.kill()  # what it had read goes with it
    else:
        valkey.resume()
    await task


async def after_read(ledger: Ledger) -> None:
    await kill_with_the_store_held(ledger, before=True)


async def after_fsync_before_the_200(ledger: Ledger) -> None:
    await kill_with_the_store_held(ledger, before=False)


async def after_the_200(ledger: Ledger) -> None:
    await ledger.load()
    ledger.served.kill()


async def before_the_model(ledger: Ledger) -> None:
    await ledger.load()
    await asyncio.sleep(1.4)  # the burst's time is nearly over
    ledger.served.kill()


async def while_the_model_thinks(ledger: Ledger) -> None:
    ledger.served.stub.mode = "hang"
    await ledger.load()
    assert await until(lambda: ledger.served.stub.open > 3, 20.0)
    ledger.served.kill()
    ledger.served.stub.mode = ""


async def before_the_send(ledger: Ledger) -> None:
    """The model has answered; the store, which must close the turn first, is held."""
    ledger.served.stub.delay = 2.0
    await ledger.load()
    assert await until(lambda: ledger.served.stub.open > 3, 20.0)
    valkey = ledger.served.valkey()
    await asyncio.sleep(1.8)
    valkey.suspend()
    await asyncio.sleep(0.3)
    ledger.served.kill()
    valkey.resume()
    ledger.served.stub.delay = 0.0


async def after_the_send_before_its_mark(ledger: Ledger) -> None:
    graph = ledger.served.graph
    graph.held, count = True, len(graph.sends)
    await ledger.load()
    assert await until(lambda: len(graph.sends) > count + 3, 20.0)
    ledger.served.kill()
    graph.held = False


async def while_it_drains(ledger: Ledger) -> None:
    ledger.served.stub.delay = 2.0
    await ledger.load()
    assert await until(lambda: ledger.served.stub.open > 3, 20.0)
    os.kill(ledger.served.process.pid, signal.SIGTERM)
    await asyncio.sleep(0.3)
    ledger.served.kill()
    ledger.served.stub.delay = 0.0


POINTS = (after_read, after_fsync_before_the_200, after_the_200, before_the_model,
          while_the_model_thinks, before_the_send, after_the_send_before_its_mark,
          while_it_drains)  # fmt: skip


async def cases(served: Served) -> list:
    """The open escalations, by the store itself."""
    connection = app.connect(embedded.running(served.home / "data"))
    try:
        return [case for case in await Escalations(connection).open() if "send." in case.rule]
    finally:
        await connection.close()


async def lapse(served: Served) -> None:
    """Minutes pass without a status for what is open."""
    connection = app.connect(embedded.running(served.home / "data"))
    place = keys.sends(keys.shard(POLICY))
    for one in await connection.do("ZRANGE", place, 0, -1):
        await connection.do("ZADD", place, "XX", 0, one)
    await connection.close()


def status(body: dict) -> dict:
    """The status webhook of a send that Graph took."""
    told = {"id": f"wamid.s{next(_serial)}", "status": "sent", "recipient_id": body["to"],
            "timestamp": str(int(time.time())),
            "biz_opaque_callback_data": body["biz_opaque_callback_data"]}  # fmt: skip
    value = {"metadata": {"phone_number_id": WARUNG}, "statuses": [told]}
    return {"object": "whatsapp_business_account",
            "entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}]}  # fmt: skip


@pytest.mark.timeout(280)
async def test_killed_at_eight_points_under_load_nothing_is_lost_or_doubled(held: Served):
    ledger = Ledger(held)
    await held.start()
    for point in POINTS:
        await point(ledger)
        await held.start()
        await ledger.again()
        await ledger.load(3)
        assert set(ledger.bodies) == ledger.acknowledged, point.__name__

    def answered() -> set[str]:
        return {to for to, _ in held.sent()}

    everybody = set(ledger.bodies)
    await until(lambda: answered() == everybody, 60.0)
    await asyncio.sleep(1.0)
    sent = [to for to, _ in held.sent()]
    assert len(sent) == len(set(sent))
    assert len(everybody) == len(POINTS) * (EACH + 3)
    unknown = (held.home / "log").read_text("utf-8").count('"send_unknown"')
    assert unknown >= 4, "the point between send and mark was not reached"
    # the status webhooks of some settle them; the others go to a person, once each
    bodies = {body["to"]: body for _, body in held.graph.sends}
    connection = app.connect(embedded.running(held.home / "data"))
    place = keys.sends(keys.shard(POLICY))
    open_ = await connection.do("ZRANGE", place, 0, -1)
    await connection.close()
    tagged = {body["biz_opaque_callback_data"]: body for body in bodies.values()}
    assert len(open_) == unknown
    # a send that was under way and had not reached Graph: nobody knows that, so a person is asked
    never = set(open_) - set(tagged)
    assert len(everybody - answered()) == len(never), held.told()
    for tag in [tag for tag in open_ if tag in tagged][:2]:
        assert await held.deliver(status(tagged[tag])) == 200
    await lapse(held)
    assert await settled(held, unknown - 2)
    assert await figures(held, "settled") == 2
    assert await figures(held, "handed_over") == unknown - 2


async def settled(served: Served, count: int) -> bool:
    """Whether so many cases are open within some seconds, and no more after another look."""
    for _ in range(75):  # 15 s
        if len(await cases(served)) >= count:
            break
        await asyncio.sleep(0.2)
    await asyncio.sleep(2.5)
    return len(await cases(served)) == count


async def figures(served: Served, outcome: str) -> float:
    """How many sends were counted with an outcome since the last start."""
    async with served.session.get(f"{served.admin}/metrics") as response:
        text = await response.text()
    line = f'guardproxy_sends_total{{outcome="{outcome}"}}'
    found = [row for row in text.splitlines() if row.startswith(line)]
    return float(found[0].split()[-1]) if found else 0.0
