"""Legal but unwise: each warning comes when it should, and not on the examples."""

from pathlib import Path

import pytest

from guardproxy.policy.lint import lint
from guardproxy.policy.load import load_policy
from tests.policy.test_load import GOOD, SMALL

MANY = "[a b, c d, e f, g h, i j, k l, m n, o p]"
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
    text = WELL.replace('0101"}', '0101", else: z}, z: {kind: in_store, to: here}')
    assert warnings(text) == {}


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_the_example_policies_have_no_open_doors(path):
    codes = {fault.code for fault in lint(load_policy(path))}
    assert not codes & {"GP201", "GP202", "GP205", "GP206", "GP207"}
