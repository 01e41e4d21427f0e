"""A judged text is read back as it was written, whatever is in it."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from guardproxy.policy.document import read
from guardproxy.rehearsal.written import Written, as_rows, as_yaml

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)


@given(TEXT, TEXT)
def test_yaml_reads_a_text_back_as_it_was(say, bot):
    text = as_yaml([Written(id="1", policy="p", say=say, bot=bot, expect="allow")])
    assert yaml.safe_load(text) == [{"say": say, "bot": bot, "expect": "allow"}]
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize("say", [
    "no", "10:00", "0251", '"; rm -rf', "a: b # c", "{x}", "*alias", "!tag", "a\nb", "\u2028", "\ud83d",
])  # fmt: skip
def test_the_policy_reader_takes_it_as_text(say):
    line = as_yaml(
        [Written(id="1", policy="p", say=say, expect="redirect", rule="scope.off_topic")]
    )
    document = read("p.yaml", f"tests:\n{line}")
    assert document.value["tests"][0]["expect"] == "redirect"
    assert isinstance(document.value["tests"][0]["say"], str)


def test_a_chat_has_one_verdict_per_message():
    one = Written(
        id="1", policy="p", say="c", expect="escalate", before=[("a", "allow"), ("b", "redirect")]
    )
    (test,) = yaml.safe_load(as_yaml([one]))
    assert test == {"chat": ["a", "b", "c"], "expect": ["allow", "redirect", "escalate"]}


@pytest.mark.parametrize(("expect", "label"), [
    ("allow", "in_scope"), ("rewrite", "in_scope"), ("escalate", "in_scope"),
    ("redirect", "off_scope"), ("drop", "off_scope"), ("throttle", "off_scope"),
])  # fmt: skip
def test_an_eval_row_says_whether_it_ought_to_be_served(expect, label):
    (row,) = as_rows([Written(id="1", policy="p", say="q", bot="a", expect=expect, lang="id")])
    assert row["label"] == label
    assert (row["direction"], row["text"], row["lang"]) == ("assistant", "a", "id")
    assert row["context"] == [{"role": "user", "content": "q"}]
