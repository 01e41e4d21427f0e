"""A rig for each dialect an LLM backend can speak."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.conftest import Rig, start_rig
from tests.edges.wires import APIS, Api


@pytest.fixture(scope="session")
async def claude(store: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """A rig whose backend speaks Anthropic's API."""
    async with AsyncExitStack() as stack:
        home = tmp_path_factory.mktemp("claude")
        yield await start_rig(stack, store, home, upstream_api="anthropic")


@pytest.fixture(params=APIS, ids=lambda api: api.name)
def api(request: pytest.FixtureRequest) -> Api:
    """Each API in turn."""
    return request.param


@pytest.fixture
def at(api: Api, rig: Rig, claude: Rig) -> Rig:
    """The rig that serves the API."""
    return claude if api.name == "messages" else rig
