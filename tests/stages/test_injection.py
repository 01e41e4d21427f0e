"""What an attempt to take over the prompt leads to."""

import pytest

from guardproxy.core.finding import Check, Finding
from guardproxy.core.verdict import Allow, Escalate, Redirect
from guardproxy.stages.injection import Injection
from tests.stages.fakes import Reader, policy, turn

ATTEMPT = Reader(attempts=(Finding("injection", "override"),))


async def decided(reader: Reader, more: str = ""):
    stage = Injection(policy(more), reader)
    return stage.decide(await stage.gather(turn()), turn())


@pytest.mark.parametrize(
    ("word", "verdict"),
    [
        ("redirect", Redirect("input.injection")),
        ("escalate", Escalate("input.injection")),
        ("allow", Allow()),
    ],
)
async def test_the_policy_says_what_an_attempt_leads_to(word, verdict):
    decision = await decided(ATTEMPT, f"input: {{injection: {word}}}")
    assert (decision.verdict, decision.check, decision.score) == (verdict, Check.HIT, 1.0)


async def test_nothing_found_is_a_pass():
    assert (await decided(Reader())).check is Check.PASS


async def test_in_shadow_it_is_recorded_only():
    assert (await decided(ATTEMPT, "input: {injection_mode: shadow}")).shadow
