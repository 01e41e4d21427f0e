"""The way to a person that is open now."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from guardproxy.policy.compiled import Hours
from guardproxy.policy.load import load_policy

HEAD = """\
version: 1
name: bakery
timezone: Asia/Jakarta
languages: [en, id]
business: {name: Rye Bakery, does: bread}
scope: {topics: {bread: {about: bread, examples: [do you have rye bread?]}}}
"""
# Jakarta is seven hours ahead of UTC
NOON = datetime(2026, 11, 23, 5, 0, tzinfo=UTC).timestamp()
NIGHT = datetime(2026, 11, 23, 16, 30, tzinfo=UTC).timestamp()


def policy(channels: str, default: str = "desk"):
    text = f"{HEAD}escalation:\n  default: {default}\n  channels:\n{channels}"
    return load_policy(Path("p.yaml"), text=text)


def ways(channels: str, wanted: str | None, now: float) -> list[str]:
    return [way.id for way in policy(channels).open_ways(wanted, now)]


def test_the_ways_to_try_are_the_open_ones_of_the_chain_then_what_can_always_be_told():
    mail = "    mail: {kind: email, to: a@b.example}\n"
    assert ways(DESK + LATE + PHONE + mail, None, NOON) == ["desk", "phone", "mail"]
    assert ways(DESK + LATE + PHONE + mail, None, NIGHT) == ["phone", "mail"]
    assert ways(DESK + LATE + PHONE + mail, "mail", NOON) == ["mail", "phone"]


DESK = '    desk: {kind: human, hours: "10:00-22:00", else: late}\n'
LATE = '    late: {kind: human, hours: "22:00-23:00", else: phone}\n'
PHONE = '    phone: {kind: phone, to: "+31 30 555 0101"}\n'


def test_the_default_channel_while_it_is_open():
    assert policy(DESK + LATE + PHONE).open_channel(None, NOON).id == "desk"


def test_the_chain_is_followed_to_the_first_that_is_open():
    assert policy(DESK + LATE + PHONE).open_channel(None, NIGHT).id == "phone"


def test_a_wanted_channel_comes_first():
    assert policy(DESK + LATE + PHONE).open_channel("phone", NOON).id == "phone"


def test_when_nobody_is_there_a_way_that_is_always_open_is_told():
    shut = '    desk: {kind: human, hours: "10:00-22:00"}\n'
    assert policy(shut + PHONE).open_channel(None, NIGHT).id == "phone"


def test_when_nothing_is_ever_open_the_last_of_the_chain_is_told():
    shut = '    desk: {kind: human, hours: "10:00-11:00", else: late}\n'
    late = '    late: {kind: phone, to: "+31 30 555 0101", hours: "22:00-23:00"}\n'
    assert policy(shut + late).open_channel(None, NIGHT).id == "late"


def test_only_a_person_in_the_chat_pauses_the_bot():
    channels = policy(DESK + LATE + PHONE).escalation.channels
    assert [channel.pauses for channel in channels.values()] == [True, True, False]


def test_an_unknown_language_gets_the_first_ones_words():
    made = policy(DESK + LATE + PHONE)
    assert made.pack("tlh") is made.packs["en"]
    assert made.pack("id").language == "id"


def test_topics_are_found_by_key():
    made = policy(DESK + LATE + PHONE)
    assert made.topic("bread")
    assert made.topic("cars") is None


@pytest.mark.parametrize("hour", range(24))
def test_hours_that_begin_and_end_alike_are_never(hour):
    moment = datetime(2026, 1, 1, hour, tzinfo=UTC)
    clock = moment.time()
    assert not Hours(clock, clock).covers(moment)
