"""The store's tests on every store it may run on: the embedded one always, the others in CI."""

from collections.abc import Iterator

import pytest

from tests.store import servers

slow = pytest.mark.slow
TOPOLOGIES = [
    "valkey",
    pytest.param("redis7", marks=slow),
    pytest.param("cluster", marks=slow),
    pytest.param("sentinel", marks=slow),
]


@pytest.fixture(scope="session", params=TOPOLOGIES)
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of a real store, of each kind in turn; it is nobody else's."""
    binary = servers.redis7() if request.param == "redis7" else servers.valkey()
    if binary is None:
        pytest.skip("no Redis 7 on this machine: apt-get install redis-server")
    started = servers.Servers(tmp_path_factory.mktemp(request.param), binary)
    try:
        match request.param:
            case "cluster":
                yield servers.cluster(started)
            case "sentinel":
                yield servers.sentinels(started).url
            case _:
                yield servers.single(started)
    finally:
        started.end()


@pytest.fixture(autouse=True)
def _fits(request: pytest.FixtureRequest) -> None:
    """Tests of one server are not for a cluster's several."""
    callspec = getattr(request.node, "callspec", None)
    several = callspec is not None and callspec.params.get("store") == "cluster"
    if several and request.node.get_closest_marker("one_server"):
        pytest.skip("a test of one server")
