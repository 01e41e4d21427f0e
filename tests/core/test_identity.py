"""A person is one person however the number is spelt, and nobody's number can be read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardproxy.core.identity import LENGTH, person_key

SECRET = b"secret"


@pytest.mark.parametrize(
    "spelt", ["+62 274 555 0101", "62-274-555-0101", "0062 (274) 5550101", " 622745550101 "]
)
def test_spellings_of_one_number_are_one_person(spelt):
    assert person_key(SECRET, spelt) == person_key(SECRET, "622745550101")


def test_ids_are_taken_as_they_are():
    assert person_key(SECRET, "US.13491208655302741918") != person_key(
        SECRET, "13491208655302741918"
    )
    assert person_key(SECRET, "u-1") != person_key(SECRET, "u1")


@given(st.text(max_size=40), st.binary(min_size=1, max_size=20))
def test_a_key_is_hex_of_one_length_and_needs_the_secret(value, secret):
    key = person_key(secret, value)
    assert len(key) == LENGTH
    assert int(key, 16) >= 0
    assert key == person_key(secret, value)
    assert key != person_key(secret + b"x", value)
