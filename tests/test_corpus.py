"""The corpus has the shape its data card promises."""

from collections import Counter
from pathlib import Path

import pytest
import yaml

DATA = Path(__file__).parents[1] / "data"
LEAST = {"examples": 8, "lines": 18, "sounds_like": 8, "short": 5, "complaints": 3, "person": 3,
         "near_miss": 8, "laundered": 11, "riders": 6, "general": 8, "other": 4, "answers": 10,
         "drifted": 10, "topics": 4}  # fmt: skip
LANGUAGES = ("en", "id", "es", "pt", "hi", "hi-Latn", "ar", "fr", "tr", "de", "it", "sw")


def read(path: Path) -> dict:
    return yaml.load(path.read_text("utf-8"), Loader=yaml.CBaseLoader)


BUSINESSES = {path.stem: read(path) for path in sorted((DATA / "businesses").glob("*.yaml"))}


def test_there_are_enough_businesses_trades_and_countries():
    assert len(BUSINESSES) >= 120
    assert len({one["trade"] for one in BUSINESSES.values()}) >= 40
    assert len({one["country"] for one in BUSINESSES.values()}) >= 25


@pytest.mark.parametrize("name", BUSINESSES)
def test_each_business_has_all_its_sections(name):
    one = BUSINESSES[name]
    assert one["id"] == name
    short = {key: len(one[key]) for key, least in LEAST.items() if len(one[key]) < least}
    assert not short
    assert all(set(row) == {"c", "t"} for row in one["short"])
    assert all(set(row) == {"q", "a"} for row in [*one["answers"], *one["drifted"]])


def test_no_line_of_more_than_four_words_stands_twice():
    lines = Counter(
        line.strip().casefold()
        for one in BUSINESSES.values()
        for key in LEAST
        for line in one[key]
        if isinstance(line, str) and len(line.split()) > 4
    )
    assert [line for line, count in lines.items() if count > 1] == []


def test_the_library_has_sixty_kinds_in_twelve_languages():
    kinds = [read(path) for path in sorted((DATA / "general").glob("*.yaml"))]
    assert len(kinds) >= 60
    for one in kinds:
        for form, least in (("plain", 4), ("long", 1), ("disguised", 1), ("answers", 1)):
            assert set(one[form]) >= set(LANGUAGES), (one["kind"], form)
            assert all(len(texts) >= least for texts in one[form].values()), (one["kind"], form)
