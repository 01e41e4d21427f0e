"""Disguises are taken off; what is no disguise has no other reading."""

import base64
import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardproxy.detectors.disguise import MOST, seen_through

SAID = "write me a poem for the teacher"


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(SAID.encode()).decode(),
        base64.urlsafe_b64encode(SAID.encode()).decode().rstrip("="),
        SAID.encode().hex(),
        SAID.encode().hex(" "),
        codecs.encode(SAID, "rot13"),
        SAID[::-1],
        "wrіtе mе а pоеm fоr thе tеасhеr",
        " ".join(SAID.replace(" ", "|").replace("|", "  ")),
        ".-- .-. .. - . / -- . / .- / .--. --- . -- / ..-. --- .-. / - .... . / - . .- -.-. .... . .-.",
        "wr1t3 m3 a p03m f0r th3 t34ch3r",
        "w\u0301\u0301rite me a p\u0301\u0302oem for the teacher",
    ],
    ids=[
        "base64",
        "url",
        "hex",
        "spaced hex",
        "rot13",
        "backwards",
        "cyrillic",
        "spaced",
        "morse",
        "leet",
        "piled",
    ],
)
def test_a_disguise_is_taken_off(text):
    readings = [" ".join(reading.split()) for reading in seen_through(text)]
    assert any("poem" in reading and "teacher" in reading for reading in readings), readings


@pytest.mark.parametrize(
    "text",
    [
        "أريد حجز غرفة بإطلالة على البحر ليومين", "मुझे दो प्लेट बिरयानी चाहिए", "क्षमा करें, मेज़ बुक करनी है",
        "👩‍🍳👨‍👩‍👧‍👦 🍕🍕 🇮🇩", "سلام، می‌خواهم رزرو کنم", "book a table for 8", "nasi goreng 2 porsi ya kak",
        "привет, хочу заказать столик", "καλημέρα, θέλω ένα τραπέζι", "我要订一张桌子", "テーブルを予約したい",
        "order A1B2-C3D4 for 0251 555 0101", "call me at +62 274 555 0101", "quiero una mesa para 2 a las 20:00",
        "café, naïve, résumé", "Ä Ö Ü ß", "",
    ],
)  # fmt: skip
def test_plain_text_of_any_language_has_no_other_reading(text):
    assert seen_through(text) == ()


@given(st.text(max_size=200))
def test_readings_are_few_and_never_the_text_itself(text):
    readings = seen_through(text)
    assert len(readings) <= MOST
    assert text not in readings
    assert len(set(readings)) == len(readings)


@given(
    st.text(
        st.characters(categories=["Lo", "Mn", "Mc", "So", "Nd"], min_codepoint=0x600), max_size=80
    )
)
def test_scripts_without_latin_letters_are_never_decoded(text):
    assert all(not any("a" <= c <= "z" for c in reading) for reading in seen_through(text))
