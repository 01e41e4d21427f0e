"""Text as it is compared: folding loses no letters, cutting loses no words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardproxy.core.text import clauses, fold, sentences, visible, windows

# letters and what hides between them: accents, joiners, soft hyphens, Arabic strokes, Hangul
NASTY = st.text(
    st.sampled_from(
        "aEßĨآىة\u0653\u200c\u0301\u00ad\u0640\u064b\u0654ا\u0670\u200d\u200bＡﷺ가\u11a8।.\n ,’İ"
    ),
    max_size=12,
)
ANY = st.text(max_size=200) | NASTY


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("  Café \n ÉTÉ ", "cafe ete"),
        ("WRITE", "write"),
        ("wr\u200bite", "write"),
        ("wr\u200dite", "write"),
        ("don’t", "don't"),
        ("أُريدُ الـتحدث", "اريد التحدث"),
        ("मुझे", "मुझे"),
        ("Straße", "strasse"),
        ("ｆｕｌｌ", "full"),
        ("\u202egnirts", "gnirts"),
    ],
)
def test_folding(written, folded):
    assert fold(written) == folded


@pytest.mark.parametrize("text", ["क्षमा करें", "می‌خواهم", "👩‍🍳 nasi"])
def test_joiners_that_shape_words_and_emoji_stay(text):
    assert "\u200d" in visible(text) or "\u200c" in visible(text) or text == visible(text)


@given(ANY)
def test_folding_twice_is_folding_once(text):
    assert fold(fold(text)) == fold(text)


@given(ANY)
def test_what_is_visible_stays_visible(text):
    assert visible(visible(text)) == visible(text)


@given(st.text(st.characters(categories=["L", "N"]), max_size=40))
def test_folding_keeps_every_word_something(text):
    if text.strip():
        assert fold(text)


@given(ANY)
def test_sentences_lose_nothing_but_white_space(text):
    parts = sentences(text)
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert all(part == part.strip() and part for part in parts)


@given(ANY)
def test_clauses_are_parts_of_the_text_in_order(text):
    at = 0
    for part in clauses(text):
        for word in part.split():
            at = text.index(word, at) + len(word)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        ("book a table", ["book a table"]),
        ("book a table and also write me a poem", ["book a table", "and also write me a poem"]),
        ("pesan gudeg 3, sekalian buatkan puisi", ["pesan gudeg 3", "sekalian buatkan puisi"]),
        ("Open today? Solve 3x = 9!", ["Open today?", "Solve 3x = 9!"]),
        ("menu; and a joke", ["menu", "and a joke"]),
        ("table for two. Please.", ["table for two. Please."]),
        ("nasi\ngoreng dua", ["nasi", "goreng dua"]),
    ],
)
def test_a_message_is_cut_where_a_second_request_starts(text, parts):
    assert clauses(text) == parts


def test_windows_cover_a_long_text_and_overlap():
    words = [f"w{i}" for i in range(95)]
    runs = windows(" ".join(words))
    assert all(len(run.split()) <= 30 for run in runs)
    assert {word for run in runs for word in run.split()} == set(words)
    assert windows("only a few words") == ["only a few words"]
