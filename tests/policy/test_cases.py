"""The tests of a policy file know their lines."""

from guardproxy.policy.cases import load_cases
from tests.policy.test_load import SMALL


def test_each_test_knows_its_line_and_what_it_expects(tmp_path):
    path = tmp_path / "bakery.yaml"
    path.write_text(
        SMALL
        + "tests:\n  - {say: bread, expect: allow}\n  - {chat: [a, b], expect: [allow, redirect], todo: later}\n"
    )
    first, second = load_cases(path)
    assert (first.line, first.say, first.expect) == (7, "bread", ("allow",))
    assert (second.line, second.chat, second.expect) == (8, ("a", "b"), ("allow", "redirect"))
    assert second.todo == "later"
