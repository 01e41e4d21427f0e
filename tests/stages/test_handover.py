"""A request for a person comes before everything else."""

import pytest

from guardproxy.core.finding import Check
from guardproxy.core.phases import Phase
from guardproxy.core.verdict import Allow, Drop, Escalate
from guardproxy.stages.handover import Handover
from tests.stages.fakes import Reader, after, policy, turn


async def decided(reader: Reader, of):
    stage = Handover(policy(), reader)
    return stage.decide(await stage.gather(of), of)


@pytest.mark.parametrize("phase", Phase)
async def test_a_request_for_a_person_escalates_in_every_phase(phase):
    decision = await decided(Reader(asks=True), turn(phase=phase))
    assert decision.verdict == Escalate("escalation.ask")
    assert decision.score == 0.0


@pytest.mark.parametrize("phase", [Phase.WAITING, Phase.HUMAN])
async def test_the_bot_is_silent_while_a_person_is_due_or_talking(phase):
    decision = await decided(Reader(), turn(phase=phase))
    assert decision.verdict == Drop("escalation.paused")


async def test_the_bot_goes_on_otherwise():
    decision = await decided(Reader(), turn())
    assert (decision.verdict, decision.check) == (Allow(), Check.PASS)


async def test_a_yes_to_a_remembered_offer_is_a_request_for_that_channel():
    decision = await decided(Reader(yes=True), turn("yes", offered="form"))
    assert decision.verdict == Escalate("escalation.offer", to="form")


async def test_a_yes_to_an_offer_in_the_context_is_a_request_for_the_default():
    decision = await decided(Reader(yes=True, offers=True), after(turn("yes"), "Shall I?"))
    assert decision.verdict == Escalate("escalation.offer", to="desk")


async def test_a_no_to_an_offer_goes_on():
    assert (await decided(Reader(yes=False), turn("no", offered="form"))).verdict == Allow()


async def test_a_yes_to_nothing_goes_on():
    assert (await decided(Reader(yes=True), turn("yes"))).verdict == Allow()
    assert (await decided(Reader(yes=True), after(turn("yes"), "Rye?"))).verdict == Allow()


async def test_an_offer_of_a_channel_that_is_gone_is_none():
    assert (await decided(Reader(yes=True), turn("yes", offered="fax"))).verdict == Allow()
