"""Many customers over four workers, an LLM of every speed: each one is answered in order, once."""

import asyncio
import random

import pytest

from tests.conftest import said, until, webhook
from tests.faults.process import FAIR, Served, served

__all__ = ["served"]  # the fixture, where pytest finds it
pytestmark = pytest.mark.slow

USERS, EACH = 20, 6


def numbered(served: Served) -> None:
    """The policy without its limit, each message a turn of its own; the model repeats the number."""
    text = served.policy.read_text("utf-8")
    for before, after in (
        ("{id: burst, per: user, max: 6, in: 1m, then: throttle}", "{id: burst, per: user, max: 600, in: 1m}"),
        ('phone_number_id: "106540352242922"', 'phone_number_id: "106540352242922", merge: 0.01s'),
    ):  # fmt: skip
        assert before in text
        text = text.replace(before, after)
    served.policy.write_text(text, "utf-8")
    served.stub.script = {
        f"nomor {n} ": f"Siap kak, meja untuk 8 orang kami catat, pesanan nomor {n} ya."
        for n in range(EACH)
    }


async def taken(served: Served, body: dict) -> None:
    """As Meta delivers: again until it is taken."""
    while (status := await served.deliver(body)) != 200:
        assert status == 503
        await asyncio.sleep(0.3)


@pytest.mark.timeout(280)
async def test_shuffled_customers_and_repeats_are_answered_in_order_and_once(served: Served):
    numbered(served)
    rng = random.Random(7)
    await served.start("--workers", "4")

    async def moods() -> None:
        """An LLM that takes between nothing and 0.3 s."""
        while True:
            served.stub.delay = rng.random() * 0.3
            await asyncio.sleep(0.02)

    mood = asyncio.ensure_future(moods())  # noqa: TID251
    left = {user: list(range(EACH)) for user in range(USERS)}
    while any(left.values()):
        user = rng.choice([user for user, numbers in left.items() if numbers])
        n = left[user].pop(0)
        body = webhook(said(f"155505{user:05d}", f"{FAIR} nomor {n} ya kak", f"wamid.o{user}.{n}"))
        copies = 50 if (user, n) == (3, 2) else 1 + (rng.random() < 0.2)
        await asyncio.gather(*(taken(served, body) for _ in range(copies)))
    # what waits together is one turn: then one answer is for two messages or three
    assert await until(lambda: asked(served) >= USERS * EACH, 120.0), served.told()
    await asyncio.sleep(1.0)
    mood.cancel()
    heard: dict[str, list[int]] = {}
    for to, text in served.sent():
        heard.setdefault(to, []).append(int(text.partition("nomor ")[2].split()[0]))
    assert set(heard) == {f"155505{user:05d}" for user in range(USERS)}
    assert all(numbers == sorted(set(numbers)) for numbers in heard.values())
    assert asked(served) == USERS * EACH
    assert len(served.stub.calls) == len(served.graph.sends)


def asked(served: Served) -> int:
    """How many messages the model was asked, each where it was new."""
    last = [call["messages"][-1]["content"] for call in served.stub.calls]
    return sum(str(text).count("nomor ") for text in last)
