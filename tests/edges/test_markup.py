"""Markdown to WhatsApp's own markup, and long texts in parts that fit with nothing lost."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardproxy.edges.whatsapp.markup import MOST, parts, whatsapp


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("Plain words, 3 * 4 euros.", "Plain words, 3 * 4 euros."),
        ("**bold** and *slanted* and ~~gone~~", "*bold* and _slanted_ and ~gone~"),
        ("# Menu\nRye", "*Menu*\n\nRye"),
        ("## **Menu** today", "*Menu today*"),
        ("- rye\n- wheat", "- rye\n- wheat"),
        ("* rye\n* wheat", "- rye\n- wheat"),
        ("3. rye\n4. wheat", "3. rye\n4. wheat"),
        ("- rye\n  - dark", "- rye\n  - dark"),
        ("[our menu](https://rye.example/m)", "our menu: https://rye.example/m"),
        ("[https://rye.example](https://rye.example)", "https://rye.example"),
        ("`code` and\n```\nx = 1\n```", "`code` and\n\n```x = 1```"),
        ("> quoted", "> quoted"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "a | b\n1 | 2"),
        ("one\n\n\n\ntwo #3", "one\n\ntwo #3"),
        ("![a loaf](https://rye.example/i.png) *x*", "a loaf _x_"),
        ("<b>not html</b> **x**", "<b>not html</b> *x*"),
        ("", ""),
    ],
)
def test_markup(written, shown):
    assert whatsapp(written) == shown


WORDS = st.text(st.characters(categories=["L", "Nd"], max_codepoint=0x24F), min_size=1, max_size=12)


@given(
    st.lists(WORDS, min_size=1, max_size=30),
    st.sampled_from(["{}", "**{}**", "# {}", "- {}", "1. {}", "> {}", "*{}*"]),
)
def test_no_word_is_lost_in_the_turning(words, form):
    shown = whatsapp(form.format(" ".join(words)))
    assert re.sub(r"[\W_]", "", shown).endswith(re.sub(r"[\W_]", "", "".join(words)))


@given(st.text(max_size=300))
def test_nothing_a_model_writes_breaks_the_turning(text):
    assert whatsapp(text) == whatsapp(text).strip()


LETTERS = st.sampled_from(
    [
        *"abc  .!?\n",
        "e\u0301",
        "क्षि",
        "👩\u200d🍳",
        "👍🏽",
        "🇮🇩",
        "。",
        "\n\n",
        "word ",
        "Sentence here. ",
    ]
)
LONG = st.lists(LETTERS, max_size=120).map("".join)


@given(LONG, st.integers(16, 60))
def test_parts_fit_and_nothing_is_lost(text, most):
    cut = parts(text, most)
    assert all(0 < len(part) <= most for part in cut)
    assert "".join("".join(cut).split()) == "".join(text.split())


@given(LONG, st.integers(16, 60))
def test_no_part_begins_inside_a_character(text, most):
    for part in parts(text, most):
        part.encode()  # no half of a surrogate pair
        first, last = part[0], part[-1]
        assert unicodedata.combining(first) == 0
        assert unicodedata.category(first) not in ("Mn", "Me", "Sk")
        assert first != "\u200d"
        assert last != "\u200d"


@given(st.text(max_size=3 * MOST))
def test_whatever_is_sent_fits_into_messages(text):
    cut = parts(whatsapp(text))
    assert all(0 < len(part) <= MOST for part in cut)


def test_a_long_answer_is_cut_at_paragraphs_then_sentences_then_words():
    sentence = "A sentence of some length stands here. "
    paragraph = (sentence * 60).strip()
    assert parts(f"{paragraph}\n\n{paragraph}") == [paragraph, paragraph]
    for part in parts(sentence * 300):
        assert part.endswith(".")
    for part in parts("word " * 3000):
        assert part.endswith("word")
    assert [len(part) for part in parts("x" * 10_000)] == [4096, 4096, 1808]


def test_a_very_long_answer_costs_no_stack():
    assert len(parts("x" * 800_000)) == 196


def test_flags_and_families_stay_whole():
    for thing in ("👩‍👩‍👧‍👦", "🇮🇩", "👍🏽", "क्षि"):
        for part in parts(thing * 40, 30):
            assert part.replace(thing, "") == ""
