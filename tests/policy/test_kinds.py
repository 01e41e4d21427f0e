"""Durations, shares, switches, hours: what is taken, and what is said when it is not."""

from datetime import datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardproxy.policy.kinds import duration, hours, one_or_many, percent, secret, switch


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("1m", 60), ("1.5h", 5400), ("30d", 2_592_000), ("2w", 1_209_600), (60, 60.0)],
)
def test_durations(text, seconds):
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "60", "0m", "1y", "m", "-1m", "1 m 2 s", True, None])
def test_what_is_no_duration_says_how_to_write_one(text):
    with pytest.raises(ValueError, match="as in 12h"):
        duration(text)


def test_shares():
    assert (percent("1%"), percent("0.5 %"), percent(0.02)) == (0.01, 0.005, 0.02)
    for text in ("1", "0%", "51%", "%", "one%"):
        with pytest.raises(ValueError, match="as in 1%"):
            percent(text)


def test_switches():
    assert switch("true") is switch(True) is True
    assert switch("false") is switch("FALSE") is False
    for text in ("yes", "on", "1", None):
        with pytest.raises(ValueError, match="write true or false"):
            switch(text)


def test_a_single_text_may_stand_for_a_list():
    assert one_or_many("a") == ["a"]
    assert one_or_many(["a"]) == ["a"]


def test_secrets_are_named_never_written():
    assert secret("env:NAME_1") == "env:NAME_1"
    for text in ("hunter2", "env:", "env:1A", "env:A B"):
        with pytest.raises(ValueError, match="write env:NAME"):
            secret(text)


MONDAY = datetime(2026, 11, 23)  # noqa: DTZ001  local time has no zone here


@pytest.mark.parametrize(
    ("text", "day", "clock", "open_"),
    [
        ("10:00-22:00", 0, "10:00", True), ("10:00-22:00", 0, "22:00", False),
        ("mon-fri 09:00-18:00", 5, "12:00", False), ("mon-fri 09:00-18:00", 4, "17:59", True),
        ("sat 8:00-12:00", 5, "8:00", True), ("sat 8:00-12:00", 6, "8:00", False),
        ("sat-mon 8:00-12:00", 6, "9:00", True), ("sat-mon 8:00-12:00", 1, "9:00", False),
        ("22:00-02:00", 2, "01:59", True), ("22:00-02:00", 2, "02:00", False),
        ("fri 22:00-02:00", 5, "01:00", True), ("fri 22:00-02:00", 4, "01:00", False),
        ("fri 22:00-02:00", 4, "23:00", True), ("0:00-24:00", 3, "23:59", True),
    ],
)  # fmt: skip
def test_hours_cover_what_they_say(text, day, clock, open_):
    (span,) = hours(text)
    moment = MONDAY.replace(day=23 + day, hour=int(clock[:-3]), minute=int(clock[-2:]))
    assert span.covers(moment) is open_


@pytest.mark.parametrize(
    "text", ["", "10-22", "25:00-26:00", "xyz 10:00-12:00", "10:00", "9:99-10:00"]
)
def test_what_are_no_hours_says_how_to_write_them(text):
    with pytest.raises(ValueError, match="are not hours"):
        hours(text)


def test_several_spans_and_read_ones():
    spans = hours(["mon-fri 9:00-18:00", "sat 9:00-12:00"])
    assert len(spans) == 2
    assert hours(spans) is spans


@given(st.times(), st.times(), st.datetimes())
def test_a_span_and_the_one_that_follows_it_cover_the_day_once(opens, closes, moment):
    opens, closes = opens.replace(second=0, microsecond=0), closes.replace(second=0, microsecond=0)
    if opens == closes:
        return
    here = hours(f"{opens:%H:%M}-{closes:%H:%M}")[0].covers(moment)
    there = hours(f"{closes:%H:%M}-{opens:%H:%M}")[0].covers(moment)
    assert here is not there
    assert time.min <= moment.time()
