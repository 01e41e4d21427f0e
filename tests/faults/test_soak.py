"""Ten thousand requests, a fifth of them abandoned, a tenth failed: everything returns to base."""

import asyncio
import gc
import random
from contextlib import AsyncExitStack

import psutil
import pytest

from tests.conftest import start_rig, until
from tests.edges.wires import CHAT, RESPONSES

pytestmark = pytest.mark.slow
REQUESTS = 10_000
AT_ONCE = 50
WARUNG = "warung-bu-sri"


@pytest.mark.timeout(900)
async def test_ten_thousand_requests_leave_nothing_behind(store, tmp_path):
    rng = random.Random(4)
    async with AsyncExitStack() as stack:
        at = await start_rig(stack, store, tmp_path)
        at.stub.script = {"": "Gladly! A table for 8 is booked. What time would you like to come?"}
        seen: dict[int, int] = {}

        async def one(number: int) -> None:
            api = rng.choice((CHAT, RESPONSES))
            body = api.body("book a table for 8", stream=rng.random() < 0.5)
            kind = rng.random()
            if kind < 0.1:
                at.stub.flaky.append(400)
            sending = at.post(api.path, body, policy=WARUNG)
            try:
                async with asyncio.timeout(0.004 if kind > 0.8 else 60):
                    response = await sending
            except TimeoutError:
                seen[0] = seen.get(0, 0) + 1
            else:
                seen[response.status] = seen.get(response.status, 0) + 1
                at.records.clear()
                at.stub.calls.clear()

        async def many(count: int) -> None:
            numbers = iter(range(count))

            async def work() -> None:
                for number in numbers:
                    await one(number)

            await asyncio.gather(*(work() for _ in range(AT_ONCE)))

        me = psutil.Process()
        await many(1000)  # warm: pools, caches
        await until(lambda: at.stub.open == 0)
        gc.collect()
        tasks, files, memory = len(asyncio.all_tasks()), me.num_fds(), me.memory_info().rss
        await many(REQUESTS)
        assert await until(lambda: at.stub.open == 0)
        assert await until(lambda: len(asyncio.all_tasks()) <= tasks + 5)
        gc.collect()
        assert me.num_fds() <= files + AT_ONCE * 2
        assert me.memory_info().rss - memory < 24 << 20, seen
        assert seen[0] > REQUESTS // 20
        assert seen[200] > REQUESTS // 3
        response = await at.chat("book a table for 8", policy=WARUNG)
        assert response.status == 200
