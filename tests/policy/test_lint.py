"""Legal but unwise: each warning comes when it should, and not on the examples."""

from collections import Counter
from pathlib import Path

import pytest
import yaml

from guardproxy.detectors.lexicon import Lexicon
from guardproxy.policy import packs
from guardproxy.policy.lint import IN_LIBRARY, lint
from guardproxy.policy.load import load_policy
from tests.conftest import ROOT
from tests.policy.test_load import GOOD, SMALL

MANY = "[a b, c d, e f, g h, i j, k l, m n, o p]"
LIBRARY = ROOT / "guardproxy" / "detectors" / "scope_model" / "library.yaml"
WELL = SMALL.replace("[do you have rye bread?]", MANY)


def warnings(text: str) -> dict[str, int]:
    return {fault.code: fault.line for fault in lint(load_policy(Path("p.yaml"), text=text))}


def test_a_plain_policy_has_no_warnings():
    assert warnings(WELL) == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (SMALL, {"GP201": 4}),
        (WELL.replace(MANY, MANY + ", topics: {x: {about: y}}"), {"GP202": 4}),
        (WELL.replace('0101"}', '0101"}, z: {kind: in_store, to: here}'), {"GP203": 5}),
        (WELL + "limits: [{id: a, max: 9, in: 1m}, {id: b, max: 5, in: 1h}]", {"GP204": 6}),
        (WELL + "limits: [{id: a, max: 9, in: 1m}, {id: b, max: 5, in: 1h, mode: shadow}]", {}),
        (WELL.replace(MANY, MANY + ", off_topic: allow"), {"GP205": 4}),
        (WELL + "disclosure: {first_turn: false}", {"GP206": 6}),
        (WELL.replace(MANY, MANY + ", refuse: {x: {about: y, examples: [A  b]}}"), {"GP207": 4}),
    ],
)
def test_each_warning_stands_at_its_line(text, found):
    assert warnings(text) == found


def test_a_channel_in_a_chain_is_led_to():
    text = WELL.replace(
        '0101"}', '0101", hours: "9:00-17:00", else: z}, z: {kind: in_store, to: here}'
    )
    assert warnings(text) == {}


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_the_example_policies_have_no_open_doors(path):
    codes = {fault.code for fault in lint(load_policy(path))}
    assert not codes & {"GP201", "GP202", "GP205", "GP206", "GP207"}


def named(code: str, text: str, **more) -> list[str]:
    found = lint(load_policy(Path("p.yaml"), text=text), **more)
    return [fault.message for fault in found if fault.code == code]


@pytest.mark.parametrize(
    ("limits", "dead"),
    [
        ("{id: a, per: conversation, max: 9, in: 1m}, {id: b, max: 9, in: 1m}", ["'a'"]),
        ("{id: a, max: 9, in: 1m}, {id: b, per: business, max: 5, in: 1h}", ["'a'"]),
        ("{id: a, per: business, max: 9, in: 1m}, {id: b, max: 5, in: 1h}", []),
        ("{id: a, max: 9, in: 1m, of: tokens}, {id: b, max: 5, in: 1h}", []),
    ],
)
def test_a_limit_behind_one_that_counts_more_is_dead(limits, dead):
    told = named("GP204", WELL + f"limits: [{limits}]")
    assert [message.split()[0] for message in told] == dead


CHANNELS = WELL.replace('0101"}', '0101"{open}, else: mail}, mail: {kind: email, to: a@b.example}')


def test_an_else_behind_a_channel_that_is_always_open_leads_nowhere():
    assert named("GP203", CHANNELS.replace("{open}", "")) == ["nothing leads to 'mail'"]
    assert named("GP203", CHANNELS.replace("{open}", ', hours: "9:00-17:00"')) == []


def test_when_all_are_closed_the_first_that_is_always_open_is_told():
    text = CHANNELS.replace("{open}", ', hours: "9:00-17:00"').replace(", else: mail", "")
    assert named("GP203", text) == []


def test_examples_that_overlap_are_told_also_when_they_only_nearly_do():
    text = WELL.replace(
        MANY, "[can you write me a card for the cake], refuse: {x: {about: y, examples: [{z}]}}"
    )
    assert (
        "is in scope too"
        in named("GP207", text.replace("{z}", "Can you write me a card for the cake"))[0]
    )
    assert "is like" in named("GP207", text.replace("{z}", "can you write me a card for a cake"))[0]
    assert named("GP207", text.replace("{z}", "write me a novel")) == []


def test_a_language_without_library_lines_is_told():
    assert named("GP208", WELL + "languages: [en, it]") == [
        "the scope library has no lines in 'it'"
    ]
    assert named("GP208", WELL + "languages: [en, id]") == []


@pytest.mark.parametrize("text", [WELL + "languages: [hi]", WELL.replace("a b", "रोटी है क्या")])
def test_a_script_that_is_not_read_is_told(text):
    assert named("GP209", text, e5=False) == ["Devanagari is not read without e5"]
    assert named("GP209", text, e5=True) == []


def test_the_library_has_lines_in_the_languages_lint_says_it_has():
    kinds = yaml.load(LIBRARY.read_text("utf-8"), Loader=yaml.BaseLoader)["general"]
    lines = [line for kind in kinds.values() for line in kind]
    every = [packs.pack(language) for language in packs.languages()]
    ear = Lexicon(every, every=every)
    told = Counter(ear.language(line, "-") for line in lines)
    for language in IN_LIBRARY:
        assert told[language] >= 5, told
