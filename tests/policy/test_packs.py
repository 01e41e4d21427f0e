"""The language packs are whole: every word list, every reply with a way to a person."""

import pytest
import re2

from guardproxy.policy import packs
from guardproxy.policy.pack import REPLIES

ALL = packs.languages()


def test_the_promised_languages_are_there():
    assert {"en", "id", "es", "pt", "hi", "ar"} <= set(ALL)


def test_an_unknown_language_is_a_key_error():
    with pytest.raises(KeyError):
        packs.pack("tlh")


@pytest.mark.parametrize("language", ALL)
def test_a_pack_says_everything_and_its_refusals_name_a_way_to_a_person(language):
    pack = packs.pack(language)
    assert set(pack.replies) == set(REPLIES)
    for word in ("redirect", "escalate_told", "on_failure", "unscannable", "too_long", "throttle"):
        assert "{channel}" in pack.replies[word], word
    assert "{business}" in pack.replies["disclosure"]
    assert pack.human
    assert all(getattr(pack, name) for name in packs.LISTS)


@pytest.mark.parametrize("language", ALL)
def test_lists_are_joined_as_the_language_does(language):
    pack = packs.pack(language)
    assert pack.join(()) == ""
    assert pack.join(("a",)) == "a"
    assert pack.join(("a", "b", "c")) == f"a{pack.joins[0]}b{pack.joins[1]}c"


@pytest.mark.parametrize("language", ALL)
def test_every_pattern_is_an_expression(language):
    pack = packs.pack(language)
    for pattern in (
        *pack.asking.phrases,
        *pack.asking.not_phrases,
        *pack.bot_questions,
        *pack.offers,
    ):
        re2.compile(pattern.replace("{P}", "x"))


def test_languages_without_a_pack_have_ears_too():
    assert len(packs.others()) > 1


def test_the_base_pack_asks_for_limits_and_masks_cards():
    base = packs.base()
    assert base["input"]["pii"] == base["output"]["pii"] == {"card": "mask"}
    assert len(base["limits"]) == 2
