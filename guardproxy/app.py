"""Builds the running program; the only module that knows every other one."""

import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from guardproxy.detectors import patterns
from guardproxy.detectors.lexicon import Lexicon
from guardproxy.detectors.reading import Reading
from guardproxy.detectors.scope_model.model import ScopeModel
from guardproxy.pipeline.guard import Guard, build
from guardproxy.policy import load, packs
from guardproxy.policy.compiled import Policy
from guardproxy.stages import Readers


@cache
def model() -> ScopeModel:
    """The scope model, once per process."""
    return ScopeModel.open()


def readers(policy: Policy) -> Readers:
    """The detectors for one policy."""
    every = tuple(packs.pack(language) for language in packs.languages())
    lexicon = Lexicon(
        tuple(policy.packs.values()),
        every=every,
        others=packs.others(),
        ask_words=policy.escalation.ask_words,
    )
    return Readers(lexicon, Reading(model().prepare(policy)), patterns)


def policy_files(paths: Iterable[Path]) -> tuple[Path, ...]:
    """The policy files that files and folders stand for."""
    return load.policy_files(paths)


async def bench_guard(path: Path) -> Guard:
    """A guard for one policy file that remembers nothing; PolicyError with all its faults."""
    policy = load.load_policy(path, scope_model=model().rev)
    return build(policy, readers(policy), clock=time.perf_counter)
