"""May this customer speak now, and can what was sent be read?"""

import pytest

from guardproxy.core.finding import Failed
from guardproxy.core.message import Count
from guardproxy.core.verdict import Allow, Drop, Escalate, Redirect, Throttle
from guardproxy.stages.admission import Admission
from tests.stages.fakes import Reader, policy, turn

LIMITS = """
limits:
  - {id: watched, max: 1, in: 1m, mode: shadow}
  - {id: slow, max: 2, in: 1m}
  - {id: ask, max: 3, in: 1m, then: escalate, to: form}
  - {id: no, max: 4, in: 1m, then: redirect}
  - {id: mute, max: 5, in: 1m, then: drop}
"""


def over(*names: str) -> tuple[Count, ...]:
    return tuple(Count(limit=name, used=9, max=2, reset_in=42.0, over=True) for name in names)


async def decided(of, reader: Reader | None = None, more: str = LIMITS):
    stage = Admission(policy(more), reader or Reader())
    return stage.decide(await stage.gather(of), of)


async def test_a_fair_turn_passes():
    assert (await decided(turn())).verdict == Allow()


async def test_a_lost_store_is_a_failed_look():
    lost = turn().remembering(Failed("store", "gone"))
    assert await Admission(policy(), Reader()).gather(lost) == Failed("store", "gone")


@pytest.mark.parametrize(
    ("memory", "reader", "verdict"),
    [
        ({"duplicate": True}, Reader(stop=True), Drop("duplicate")),
        ({}, Reader(stop=True), Drop("opt_out.stop")),
        ({"opted_out": True}, Reader(), Drop("opt_out.silent")),
        ({"opted_out": True}, Reader(start=True), Allow()),
    ],
)
async def test_duplicates_and_opt_outs_are_dropped(memory, reader, verdict):
    assert (await decided(turn(**memory), reader)).verdict == verdict


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("slow", Throttle("limits.slow", retry_after=42.0)), ("no", Redirect("limits.no")),
        ("ask", Escalate("limits.ask", to="form")), ("mute", Drop("limits.mute")),
        ("of_an_older_policy", Allow()),
    ],
)  # fmt: skip
async def test_each_limit_does_what_it_says(name, verdict):
    assert (await decided(turn(counts=over(name)))).verdict == verdict


async def test_a_limit_in_shadow_hides_none_that_acts():
    decision = await decided(turn(counts=over("watched", "slow")))
    assert (decision.verdict.rule, decision.shadow) == ("limits.slow", False)
    alone = await decided(turn(counts=over("watched")))
    assert (alone.verdict.rule, alone.shadow) == ("limits.watched", True)
    assert alone.findings[0].quote == "9 of 1"


async def test_a_long_message_is_refused_kindly():
    more = "input: {max_chars: 50}"
    assert (await decided(turn("x" * 51), more=more)).verdict == Redirect("input.max_chars")
    assert (await decided(turn("x" * 50), more=more)).verdict == Allow()


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [
        ("audio", Redirect("input.unscannable.audio")), ("sticker", Allow()),
        ("image", Escalate("input.unscannable.image")), ("tool", Allow()), ("text", Allow()),
        ("from_2031", Redirect("input.unscannable.from_2031")),
    ],
)  # fmt: skip
async def test_a_kind_without_text_follows_the_policy(kind, verdict):
    more = "input: {unscannable: {image: escalate}}"
    assert (await decided(turn("", kind=kind), more=more)).verdict == verdict


async def test_a_caption_makes_a_picture_readable():
    assert (await decided(turn("rye?", kind="image"))).verdict == Allow()
