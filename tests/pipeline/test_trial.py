"""Two policies on the same traffic: one decides, the other is compared, and has its own people."""

from contextlib import AsyncExitStack

import pytest

from guardproxy import app
from guardproxy.core.errors import PolicyError
from tests.conftest import POLICIES, start_rig

BANK = (POLICIES / "harbour-bank.yaml").read_text("utf-8")
STAFF = "+1 555 010 9999"
NEXT = BANK.replace("name: harbour-bank", "name: harbour-next", 1).replace(
    "scope:\n", f'trial: {{of: harbour-bank, people: ["{STAFF}"]}}\nscope:\n  off_topic: allow\n', 1
)
OFF = "write a poem about the moon and the sea"


@pytest.fixture(scope="module")
async def pair(store, tmp_path_factory):
    home = tmp_path_factory.mktemp("pair")
    folder = home / "policies"
    folder.mkdir()
    (folder / "a-next.yaml").write_text(NEXT, "utf-8")
    (folder / "harbour-bank.yaml").write_text(BANK, "utf-8")
    async with AsyncExitStack() as stack:
        yield await start_rig(stack, store, home, policies=folder)


async def test_others_are_decided_by_the_old_policy_and_compared(pair):
    response = await pair.chat(OFF)
    assert response.headers["x-guardproxy-policy"].startswith("harbour-bank@")
    assert response.headers["x-guardproxy-verdict"] == "redirect"
    told = pair.records[-1]["trial"]
    assert told["policy"].startswith("harbour-next@")
    assert told["same"] is False


async def test_its_own_people_get_the_new_policy_by_any_spelling_of_their_number(pair):
    response = await pair.chat(OFF, headers={"x-guardproxy-user": "15550109999"})
    assert response.headers["x-guardproxy-policy"].startswith("harbour-next@")
    record = pair.records[-1]
    assert record["business"] == "harbour-bank"  # one memory, one set of limits
    assert record["policy"].startswith("harbour-next@")
    assert "trial" not in record


async def test_where_both_agree_it_says_so(pair):
    await pair.chat("when is my credit card bill due")
    assert pair.records[-1]["trial"]["same"]


async def test_a_policy_on_trial_is_not_served_by_its_name(pair):
    assert (await pair.chat(OFF, policy="harbour-next")).status == 404
    assert pair.at.shelf.names == ("harbour-bank",)


async def test_the_answer_is_compared_too(pair):
    await pair.chat("when is my credit card bill due", headers={"x-guardproxy-user": "someone"})
    assert {"policy", "verdict", "rule", "same"} == set(pair.records[-1]["trial"])


async def test_a_trial_of_a_policy_that_is_not_there_is_not_served(store, tmp_path):
    (tmp_path / "next.yaml").write_text(NEXT, "utf-8")
    async with AsyncExitStack() as stack:
        with pytest.raises(PolicyError, match=r"next.yaml:\d+:1: error\[GP106\] trial.of"):
            await start_rig(stack, store, tmp_path / "home", policies=tmp_path)


async def test_a_trial_that_loses_its_policy_is_said_on_reload(pair, tmp_path):
    path = pair.at.program.options.policies / "lost.yaml"
    path.write_text(
        NEXT.replace("harbour-next", "lost", 1).replace("of: harbour-bank", "of: nobody"), "utf-8"
    )
    try:
        refused = await pair.at.shelf.refresh(app.policy_files([path.parent]))
    finally:
        path.unlink()
    assert any("nobody" in line for line in refused)
    assert pair.at.shelf.names == ("harbour-bank",)
