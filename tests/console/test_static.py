"""The console's files: every word in every language, vendored code as it was published, no inline."""

import re
from hashlib import sha256
from pathlib import Path

import pytest

from guardproxy import console

STATIC = Path(console.__file__).parent / "static"
OURS = [path for path in sorted(STATIC.rglob("*.js")) if "vendor" not in path.parts]
# What a name of a closed set is put behind: a verdict, a page, a state.
MADE = re.compile(r"^(page|verdict|status|line|mark|who|of|per|done|mode)_")
VENDORED = {  # as `npm pack` of htm 3.1.1 and uplot 1.6.32 has them
    "htm-preact.mjs": "72284e8e9079c87817145df1110f74e8a2aa040b2fc384922e18dfcb46fc1fd7",
    "uPlot.mjs": "5dd9b3281aa64b461b42d9945f6adb2649d346502b12281a9ae0d46599a80eba",
    "uPlot.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
}


def words(language: str) -> dict[str, str]:
    """The words of a language, read from the module's text."""
    text = (STATIC / "words.js").read_text("utf-8")
    (block,) = re.findall(rf"^const {language} = \{{(.*?)^\}};", text, re.MULTILINE | re.DOTALL)
    return dict(re.findall(r'(?:^|[\s,{])"?([a-z_-]+)"?: "((?:[^"\\]|\\.)*)"', block))


EN = words("en")


def test_every_language_has_every_word():
    assert len(EN) > 150
    assert set(words("id")) == set(EN)


@pytest.mark.parametrize("key", sorted(EN))
def test_a_word_has_the_same_gaps_in_every_language(key):
    gaps = {frozenset(re.findall(r"\{\w+\}", words(language)[key])) for language in ("en", "id")}
    assert len(gaps) == 1


def test_each_word_that_is_asked_for_is_there_and_each_that_is_there_is_asked_for():
    asked = set()
    for path in OURS:
        text = path.read_text("utf-8")
        asked |= set(re.findall(r'\bt\("([a-z_-]+)"', text))
        asked |= {word for a, b in re.findall(r't\([^()]*\? "([a-z_]+)" : "([a-z_]+)"\)', text)
                  for word in (a, b)}  # fmt: skip
    assert asked <= set(EN)
    spare = {key for key in EN if key not in asked and not MADE.match(key)}
    assert spare == set()


@pytest.mark.parametrize("name", VENDORED)
def test_vendored_code_is_as_it_was_published(name):
    raw = (STATIC / "vendor" / name).read_bytes()
    assert sha256(raw).hexdigest() == VENDORED[name]


@pytest.mark.parametrize("name", ["htm", "preact", "uPlot"])
def test_its_licences_are_beside_it(name):
    text = (STATIC / "vendor" / f"LICENSE.{name}").read_text("utf-8")
    assert re.search("Apache License|MIT License", text)


@pytest.mark.parametrize("path", [*OURS, STATIC / "index.html"], ids=lambda path: path.name)
def test_nothing_is_inline_and_nothing_comes_from_elsewhere(path):
    text = path.read_text("utf-8")
    assert not re.search(r"https?://(?!www\.w3\.org)", text)
    assert "innerHTML" not in text
    assert not re.search(r"<style|<script(?! type=\"module\" src)|\sstyle=|\son\w+=\"", text)
