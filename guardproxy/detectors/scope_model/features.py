"""What the head sees of a text beside a policy: how near it is to the business's own words, to
general requests and to what is always fair, in each encoder's space and in one learned space.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from guardproxy.detectors.scope_model.library import Library
from guardproxy.detectors.scope_model.projection import Parts, Projection
from guardproxy.detectors.scope_model.spelling import grams, spelling
from guardproxy.detectors.scope_model.vectors import Vectors

SHARP = 12.0  # of the soft attention over lines; cosines differ by tenths
EXAMPLE, TOPIC, DOES, REFUSE = range(4)  # what a support line is
RELATION = 8.0  # brings the relation vector's numbers (about 1/96 each) near the others' size
ALONE = 4.0  # the same for the text's own vector


@dataclass(frozen=True, slots=True)
class Support:
    """A business in its own words, ready for comparison."""

    texts: tuple[str, ...]
    group: Vectors  # EXAMPLE, TOPIC, DOES or REFUSE per line
    parts: Parts
    spelling: frozenset[str]
    near_general: tuple[Vectors, ...]  # per space: how near the business comes to a general line

    @property
    def own(self) -> Vectors:
        """Which lines say what the business does, as a mask."""
        mask: Vectors = self.group < REFUSE
        return mask


def support(
    named: Sequence[tuple[int, str]], parts: Parts, projection: Projection, general: Parts
) -> Support:
    """A business's lines (kind, text) with their vectors; `general`: the library's lines."""
    spaces = projection.into(parts)
    group = np.asarray([kind for kind, _ in named])
    own = group < REFUSE
    near = tuple((g @ s[own].T).max(axis=1) for g, s in zip(general, spaces, strict=True))
    texts = tuple(text for _, text in named)
    mine = spelling([text for kind, text in named if kind < REFUSE])
    return Support(texts, group, spaces, mine, near)


def without(sup: Support, line: int, general: Parts) -> Support:
    """The same business without one of its lines."""
    keep = np.arange(len(sup.texts)) != line
    group, parts = sup.group[keep], tuple(part[keep] for part in sup.parts)
    own = group < REFUSE
    near = tuple((g @ p[own].T).max(axis=1) for g, p in zip(general, parts, strict=True))
    texts = tuple(text for i, text in enumerate(sup.texts) if i != line)
    mine = spelling([t for t, kind in zip(texts, group, strict=True) if kind < REFUSE])
    return Support(texts, group, parts, mine, near)


def features(
    texts: Sequence[str], parts: Parts, sup: Support, library: Library, projection: Projection
) -> Vectors:
    """The head's input, one row per text. `parts`: the texts' centred vectors per encoder."""
    spaces = projection.into(parts)
    columns: list[Vectors] = []
    masks = [sup.own, *(sup.group == kind for kind in (EXAMPLE, TOPIC, DOES, REFUSE))]
    general, fair = library.general_in(projection), library.fair_in(projection)
    for space, lines in enumerate(sup.parts):
        mine = spaces[space]
        near = mine @ lines.T
        columns += [_pooled(near[:, mask]) for mask in masks]
        to_general = mine @ general[space].T
        columns += [_pooled(mine @ fair[space].T), _pooled(to_general)]
        columns.append((_softmax(to_general) @ sup.near_general[space])[:, None])
    last, own = spaces[-1], sup.parts[-1][sup.own]
    attended = _softmax(last @ own.T) @ own
    joined = np.concatenate(parts, axis=1)
    alone = np.maximum((joined @ projection.alone + projection.alone_bias) * ALONE, 0)
    columns += [RELATION * last * attended, alone, _form(texts, sup, library)]
    return np.concatenate(columns, axis=1).astype(np.float32)


def _softmax(similar: Vectors) -> Vectors:
    """Attention over lines, from cosines."""
    weight = np.exp(SHARP * (similar - similar.max(axis=1, keepdims=True)))
    shares: Vectors = weight / weight.sum(axis=1, keepdims=True)
    return shares


def _pooled(similar: Vectors) -> Vectors:
    """The highest, the mean of the three highest, and the attended similarity; 0 without lines."""
    count = min(3, similar.shape[1])
    if count == 0:
        return np.zeros((len(similar), 3), np.float32)
    top = np.partition(similar, -count, axis=1)[:, -count:]
    soft = (_softmax(similar) * similar).sum(axis=1)
    return np.stack([top.max(axis=1), top.mean(axis=1), soft], axis=1)


def _form(texts: Sequence[str], sup: Support, library: Library) -> Vectors:
    """Shares of each text's spelling found in each group, and its shape."""
    examples = np.log1p((sup.group == EXAMPLE).sum())
    rows = []
    for text in texts:
        found = grams(text)
        size, words = len(found), len(text.split())
        rows.append(
            [
                len(found & sup.spelling) / size,
                len(found & library.general_spelling) / size,
                len(found & library.fair_spelling) / size,
                np.log1p(words),
                float(words <= 3),  # a short reply
                float(any(c.isdigit() for c in text)),
                float(text.rstrip().endswith(("?", "؟"))),
                float(":" in text or "\n" in text),  # carries a text to work on
                examples,
                float(words > 25),  # a story
            ]
        )
    return np.asarray(rows, np.float32)
