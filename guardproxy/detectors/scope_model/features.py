"""What the head sees of a message beside a policy: similarities to the business's own words, to
general requests and to what is always fair, and the overlap of spelling with each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from guardproxy.core.text import fold
from guardproxy.detectors.scope_model.encoder import Encoder, Vectors

GRAM = 4  # characters: long enough to tell words, short enough to survive endings and typos
SHARP = 12.0  # of the soft attention over support lines; cosines differ by tenths


@lru_cache(maxsize=4096)
def grams(text: str) -> frozenset[str]:
    """The character runs of a folded text."""
    padded = f" {fold(text)} "
    return frozenset(padded[i : i + GRAM] for i in range(max(1, len(padded) - GRAM + 1)))


@dataclass(frozen=True, slots=True)
class Lines:
    """Some lines of text, as vectors and as spelling. `names` says what each line belongs to."""

    texts: tuple[str, ...]
    names: tuple[str, ...]
    vectors: Vectors
    spelling: frozenset[str]


@dataclass(frozen=True, slots=True)
class Library:
    """What is general, what is always fair, for questions and for answers; `centre` of them all."""

    general: Lines
    fair: Lines
    answers: Lines
    fair_answers: Lines
    centre: Vectors


@dataclass(frozen=True, slots=True)
class Support:
    """A business in its own words."""

    examples: Lines
    topics: Lines
    does: Lines
    refuse: Lines
    fair_general: Vectors  # for each general line: how near the business comes to it


def centred(vectors: Vectors, centre: Vectors) -> Vectors:
    """Unit vectors from the common centre: what texts do not share."""
    moved = vectors - centre
    unit: Vectors = moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-6)
    return unit


def lines(named: Sequence[tuple[str, str]], encoder: Encoder, centre: Vectors) -> Lines:
    """Lines of (name, text)."""
    texts = tuple(text for _, text in named)
    spelling = frozenset().union(*(grams(text) for text in texts)) if texts else frozenset()
    vectors = centred(encoder.encode(texts), centre) if texts else np.zeros((0, 512), np.float32)
    return Lines(texts, tuple(name for name, _ in named), vectors, spelling)


def library(raw: Mapping[str, Mapping[str, Sequence[str]]], encoder: Encoder) -> Library:
    """The shipped library, encoded."""
    every = [text for kinds in raw.values() for texts in kinds.values() for text in texts]
    centre = encoder.encode(every).mean(axis=0, keepdims=True)

    def part(*kinds: Mapping[str, Sequence[str]]) -> Lines:
        named = [(name, text) for kind in kinds for name, texts in kind.items() for text in texts]
        return lines(named, encoder, centre)

    answers = raw["answers"]
    return Library(
        general=part(raw["general"]),
        fair=part(raw["fair"]),
        answers=part({"general": answers["general"]}),
        fair_answers=part({"fair": answers["fair"]}),
        centre=centre,
    )


def support(
    lib: Library, encoder: Encoder, *, examples: Sequence[tuple[str, str]],
    topics: Sequence[tuple[str, str]], does: str, refuse: Sequence[tuple[str, str]] = (),
) -> Support:  # fmt: skip
    """A business: examples by topic, topics, what it does, what it refuses."""
    parts = [lines(part, encoder, lib.centre) for part in (examples, topics, [("does", does)])]
    own = np.concatenate([part.vectors for part in parts])
    return Support(
        examples=parts[0],
        topics=parts[1],
        does=parts[2],
        refuse=lines(refuse, encoder, lib.centre),
        fair_general=(lib.general.vectors @ own.T).max(axis=1),
    )


def _top(similar: Vectors, count: int) -> Vectors:
    """The mean of the `count` highest of each row, 0 where there is nothing to compare with."""
    if similar.shape[1] == 0:
        return np.zeros(similar.shape[0], np.float32)
    count = min(count, similar.shape[1])
    best: Vectors = np.partition(similar, -count, axis=1)[:, -count:].mean(axis=1)
    return best


def attended(vectors: Vectors, sup: Support) -> Vectors:
    """For each text, the mean of the support lines, weighted by nearness."""
    own = np.concatenate([sup.examples.vectors, sup.topics.vectors, sup.does.vectors])
    weight = np.exp(SHARP * (vectors @ own.T - 1))
    weight /= weight.sum(axis=1, keepdims=True)
    mixed: Vectors = weight @ own
    return mixed


def features(vectors: Vectors, texts: Sequence[str], sup: Support, lib: Library) -> Vectors:
    """The head's input, shape (texts, WIDTH + 2 * 512). `vectors`: centred."""
    near = [vectors @ part.vectors.T for part in (sup.examples, sup.topics, sup.does, sup.refuse)]
    examples, topics, does, refuse = near
    general, fair = vectors @ lib.general.vectors.T, vectors @ lib.fair.vectors.T
    own = np.maximum(_top(examples, 1), np.maximum(_top(topics, 1), _top(does, 1)))
    most, kind = general.max(axis=1), general.argmax(axis=1)
    mixed = attended(vectors, sup)
    columns = [
        _top(examples, 1), _top(examples, 3), _top(examples, 99), _top(topics, 1), _top(topics, 3),
        _top(does, 1), _top(refuse, 1), own, most, _top(general, 3), _top(general, 12),
        _top(fair, 1), _top(fair, 3), own - most, _top(fair, 1) - most, own - _top(fair, 1),
        sup.fair_general[kind], sup.fair_general[kind] - most, (vectors * mixed).sum(axis=1),
        np.linalg.norm(mixed, axis=1), *_spelling(texts, sup, lib).T,
    ]  # fmt: skip
    plain = np.stack(columns, axis=1).astype(np.float32)
    # 4 and 8 bring the vectors' numbers (about 1/sqrt(512)) near the size of the others
    return np.concatenate([plain, 4 * vectors, 8 * vectors * mixed], axis=1).astype(np.float32)


def _spelling(texts: Sequence[str], sup: Support, lib: Library) -> Vectors:
    """Shares of each text's spelling found in each group, and its form."""
    own = sup.examples.spelling | sup.topics.spelling | sup.does.spelling
    rows = []
    for text in texts:
        found = grams(text)
        size, words = len(found), len(text.split())
        rows.append(
            [
                len(found & own) / size,
                len(found & lib.general.spelling) / size,
                len(found & lib.fair.spelling) / size,
                np.log1p(words),
                float(words <= 3),  # a short reply
                float(any(c.isdigit() for c in text)),
                float(text.rstrip().endswith(("?", "؟"))),
                float(":" in text or "\n" in text),  # carries a text to work on
                np.log1p(len(sup.examples.texts)),
            ]
        )
    return np.asarray(rows, np.float32)


WIDTH = 29  # columns of `features` before the vectors
