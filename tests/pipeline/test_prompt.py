"""The scope prompt: the same bytes for the same policy, and everything the policy says in it."""

import os
import subprocess
import sys
from dataclasses import replace

from guardproxy.pipeline.prompt import compose
from tests.conftest import ROOT
from tests.stages.fakes import policy

PRINT = "import sys; sys.path.insert(0, {root!r}); from tests.stages.fakes import policy; from guardproxy.pipeline.prompt import compose; print(compose(policy()))"


def test_it_is_the_same_bytes_in_every_process():
    for seed in ("1", "2"):
        out = subprocess.run(
            [sys.executable, "-c", PRINT.format(root=str(ROOT))], capture_output=True, text=True,
            check=True, env={**environment(), "PYTHONHASHSEED": seed},
        ).stdout  # fmt: skip
        assert out.rstrip("\n") == compose(policy())


def environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key != "PYTHONHASHSEED"}  # noqa: TID251


def test_it_says_who_what_for_what_never_and_how_to_reach_a_person():
    prompt = compose(policy())
    for part in ("Rye Bakery", "- bread", "secret dough", "- diets", "+31 30 555 0101",
                 "automated assistant", "https://rye.example/form", "takes over in this chat"):  # fmt: skip
        assert part in prompt


def test_without_topics_the_examples_show_the_scope():
    prompt = compose(policy(topics=(), examples=("a loaf please",)))
    assert 'requests such as "a loaf please"' in prompt


def test_a_mixed_message_is_treated_as_the_policy_says():
    assert "answer the fair part only" in compose(policy(mixed="answer_fair_part"))
    assert "do not do the other part" in compose(policy())


def test_limits_hours_and_tests_are_no_part_of_it():
    made = policy()
    assert compose(replace(made, limits=(), rev="0" * 12, shadow=True)) == compose(made)
