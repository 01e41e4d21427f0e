"""One dated list of country exemptions, each row with its source; none is applied."""

from datetime import UTC, date, datetime

from guardproxy.rehearsal.exemptions import exemptions, in_force


def at(day: str) -> float:
    return datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()


def held(start: str, end: str) -> list[str]:
    return [one["country"] for one in in_force(at(start), at(end))["in_force"]]


def test_every_row_has_a_source_that_was_read_after_it_began():
    for one in exemptions():
        assert len(one.source) > 10
        assert one.since <= one.read
        assert one.until is None or one.until > one.since
        assert one.read >= date(2025, 10, 1)


def test_what_held_in_a_period_is_told():
    assert held("2025-11-01", "2025-12-24") == []
    assert held("2025-12-01", "2026-01-01") == ["IT"]
    assert held("2026-01-23", "2026-03-04") == ["IT"]
    assert held("2026-05-13", "2026-06-09") == ["BR"]
    assert held("2026-07-01", "2026-08-01") == ["BR", "EEA"]


def test_none_is_applied():
    assert in_force(0.0, 1.0)["applied"].startswith("none")
