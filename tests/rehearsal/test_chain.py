"""A chain of entries: one byte changed is found, an erased body is not missed."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guardproxy.rehearsal.chain import ChainError, chained, erase, verify

KEY = b"k" * 32
BODIES = [("about", {"says": "x"}), *(("decision", {"person": f"p{n % 3}", "id": str(n), "é": n / 7}) for n in range(6))]  # fmt: skip


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "evidence.jsonl"
    made.write_text("\n".join(chained(BODIES, KEY)) + "\n", "utf-8")
    return made


def test_a_chain_as_written_holds(path):
    chain = verify(path, KEY)
    assert (chain.entries, chain.erased, chain.sealed) == (7, 0, True)
    assert not verify(path).sealed


@settings(
    max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(st.data())
def test_any_flipped_byte_is_found(path, data):
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    bit = 1 << data.draw(st.integers(0, 7))
    other = path.with_name("other.jsonl")
    other.write_bytes(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])
    with pytest.raises(ChainError):
        verify(other, KEY)


@pytest.mark.parametrize("lines", [slice(0, -1), slice(1, None), slice(0, 0)])
def test_a_line_that_is_gone_is_missed(path, lines):
    kept = path.read_text("utf-8").splitlines()[lines]
    path.write_text("\n".join(kept) + "\n", "utf-8")
    with pytest.raises(ChainError):
        verify(path, KEY)


def test_another_key_is_another_seal(path):
    with pytest.raises(ChainError, match="seal"):
        verify(path, b"other")


def test_an_erased_person_leaves_a_chain_that_holds(path):
    assert erase(path, "p1") == 2
    assert "p1" not in path.read_text("utf-8")
    assert verify(path, KEY).erased == 2
    assert erase(path, "p1") == 0


def test_a_body_cannot_be_guessed_from_its_commitment(path, tmp_path):
    again = [json.loads(line)["commitment"] for line in chained(BODIES, KEY)]
    kept = [json.loads(line)["commitment"] for line in path.read_text("utf-8").splitlines()]
    assert not set(again) & set(kept)
