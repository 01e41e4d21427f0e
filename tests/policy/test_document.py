"""Every key and value of a file knows its place; what makes a file hard to read is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardproxy.policy.document import MOST_DEPTH, Place, read


def codes(text: str) -> list[str]:
    return [fault.code for fault in read("p.yaml", text).faults]


def test_keys_and_values_have_places_counted_from_one():
    document = read("p.yaml", "a: 1\nb:\n  - x\n  - {c: d}\n")
    assert document.keys["b",] == Place(2, 1)
    assert document.values["b", 0] == Place(3, 5)
    assert document.values["b", 1, "c"] == Place(4, 9)
    assert document.place(("b", 1, "c"), key=True) == Place(4, 6)


def test_what_is_not_in_the_file_stands_at_the_nearest_place_above():
    document = read("p.yaml", "a:\n  b: 1\n")
    assert document.place(("a", "z", "y")) == Place(2, 3)
    assert read("p.yaml", "").place(("a",)) == Place(1, 1)


def test_scalars_stay_text_and_only_plain_nulls_are_none():
    document = read("p.yaml", "a: no\nb: 1\nc:\nd: null\ne: 'null'\nf: ~\n")
    assert document.value == {"a": "no", "b": "1", "c": None, "d": None, "e": "null", "f": None}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: &x 1", "GP003"), ("a: *x", "GP003"), ("a: !!int 1", "GP003"), ("a: 1\na: 2", "GP004"),
        ("--- 1\n--- 2", "GP002"), ("? [a]\n: 1", "GP002"), ("a: [", "GP002"), ("\tb: 1", "GP002"),
        ("[" * 20 + "]" * 20, "GP005"), ("x" * 300_000, "GP001"), ("a: \x00", "GP002"),
    ],
)  # fmt: skip
def test_what_is_hard_to_read_is_refused(text, code):
    assert codes(text) == [code]


def test_tabs_get_advice():
    (fault,) = read("p.yaml", "a:\n\tb: 1").faults
    assert "spaces" in fault.mend


def test_the_deepest_that_is_allowed_is_read():
    assert codes("[" * MOST_DEPTH + "]" * MOST_DEPTH) == []


def test_a_million_brackets_cost_no_stack():
    assert len(codes("[" * 200_000)) == 1


JSONISH = st.recursive(
    st.text(st.characters(min_codepoint=32, max_codepoint=0xD7FF)) | st.none(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(min_codepoint=97, max_codepoint=122)), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(JSONISH)
def test_json_of_texts_is_read_back_as_it_was(value):
    document = read("p.yaml", json.dumps(value))
    if not document.faults:  # a list of lists may be too deep
        assert document.value == value


@given(st.text(max_size=400))
def test_reading_never_raises(text):
    document = read("p.yaml", text)
    for fault in document.faults:
        assert fault.line >= 1
        assert str(fault)
