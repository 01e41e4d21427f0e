"""Texts as runs of characters: what two texts share in spelling, whatever they mean."""

from collections.abc import Iterable
from functools import lru_cache

from guardproxy.core.text import fold

GRAM = 4  # characters: long enough to tell words, short enough to survive endings and typos


@lru_cache(maxsize=4096)
def grams(text: str) -> frozenset[str]:
    """The character runs of a folded text."""
    padded = f" {fold(text)} "
    return frozenset(padded[i : i + GRAM] for i in range(max(1, len(padded) - GRAM + 1)))


def spelling(texts: Iterable[str]) -> frozenset[str]:
    """The character runs of several texts."""
    return frozenset().union(*(grams(text) for text in texts))
