"""A rig for each dialect an LLM backend can speak."""

import pytest

from tests.conftest import Rig
from tests.edges.wires import APIS, Api


@pytest.fixture(params=APIS, ids=lambda api: api.name)
def api(request: pytest.FixtureRequest) -> Api:
    """Each API in turn."""
    return request.param


@pytest.fixture
def at(api: Api, rig: Rig, claude: Rig) -> Rig:
    """The rig that serves the API."""
    return claude if api.name == "messages" else rig
