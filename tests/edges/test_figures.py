"""The figures count what happened, and know the store."""

import re

from tests.conftest import Rig

FAIR = "how do I order a new debit card?"


async def figures(rig: Rig) -> dict[str, float]:
    async with rig.session.get(f"{rig.at.admin}/metrics") as response:
        lines = (await response.text()).splitlines()
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line[0] != "#"
    }


async def test_a_turn_is_counted_once_with_what_the_backend_took(rig):
    before = await figures(rig)
    await rig.chat(FAIR)
    after = await figures(rig)
    grown = {name for name in after if after[name] > before.get(name, 0.0)}
    turn = 'guardproxy_turns_total{policy="harbour-bank",surface="chat",verdict="allow"}'
    assert after[turn] - before.get(turn, 0.0) == 1
    assert 'guardproxy_upstream_seconds_count{outcome="ok"}' in grown
    assert 'guardproxy_overhead_seconds_count{surface="chat"}' in grown
    assert not [name for name in grown if re.search('verdict="(?!allow)', name)]


async def test_a_backend_that_fails_is_counted_as_such(rig):
    rig.stub.mode = "500"
    try:
        await rig.chat(FAIR)
    finally:
        rig.stub.mode = ""
    assert (await figures(rig))['guardproxy_upstream_seconds_count{outcome="failed"}'] >= 1


async def test_the_store_and_the_policies_are_well(rig):
    found = await figures(rig)
    assert (found["guardproxy_store_up"], found["guardproxy_policies_degraded"]) == (1, 0)
