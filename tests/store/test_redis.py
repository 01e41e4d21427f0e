"""The connection: everything that goes wrong is a StoreError in time, and the circuit opens."""

import asyncio
import time
import uuid

import pytest

from guardproxy.core.errors import SettingsError, StoreError
from guardproxy.store.redis import DEADLINE, PAUSE, Connection, client


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_a_lost_store_is_told_in_time_then_at_once_and_looked_for(store, tmp_path):
    clock = Clock()
    lost = Connection(f"unix://{tmp_path}/nobody.sock", clock)
    assert lost.up
    with pytest.raises(StoreError, match="did not answer"):
        await lost.do("PING")
    assert not lost.up
    started = time.perf_counter()
    with pytest.raises(StoreError, match="is lost"):
        await lost.do("PING")
    assert time.perf_counter() - started < 0.05
    clock.now += PAUSE
    with pytest.raises(StoreError, match="did not answer"):
        await lost.do("PING")
    await lost.close()


async def test_a_store_that_comes_back_is_used_again(store):
    clock = Clock()
    found = Connection(store, clock)
    with pytest.raises(StoreError):
        await found.do("NO_SUCH_COMMAND")
    clock.now += PAUSE
    assert await found.do("EXISTS", "nothing") == 0
    assert found.up
    await found.close()


async def test_a_store_that_hangs_is_given_up_within_the_deadline():
    async def silent(reader, writer) -> None:
        await reader.read(-1)  # until the other side gives up
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        hung = Connection(f"redis://127.0.0.1:{port}", time.monotonic)
        started = time.perf_counter()
        with pytest.raises(StoreError):
            await hung.do("PING")
        assert time.perf_counter() - started < 2 * DEADLINE
        await hung.close()
        server.close()


async def test_many_more_calls_than_connections_all_get_through(connection):
    name = uuid.uuid4().hex
    answers = await asyncio.gather(
        *(connection.do("INCRBY", f"{name}:{i}", str(i)) for i in range(1000))
    )
    assert answers == list(range(1000))


@pytest.mark.parametrize("url", ["http://x", "nonsense", "redis://h:port/0"])
def test_a_wrong_url_is_a_settings_error(url):
    with pytest.raises(SettingsError, match="GUARDPROXY_REDIS_URL"):
        client(url)


@pytest.mark.parametrize(
    ("url", "kind"),
    [("redis://h:1/0", "Redis"), ("rediss://u:p@h:1/0", "Redis"), ("unix:///x.sock", "Redis"),
     ("redis+cluster://h:1", "RedisCluster"), ("redis+sentinel://:pw@a:1,b:2/main", "Redis")],
)  # fmt: skip
def test_every_topology_has_a_client(url, kind):
    assert type(client(url)).__name__ == kind
