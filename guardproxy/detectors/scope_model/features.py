"""What a head sees of a text beside a policy: how near it is to the business's own words, to
general requests and to what is always fair, in each encoder's space and in a learned one.
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
class Space:
    """A business's lines in one space, and how near they come to each general line."""

    lines: Vectors
    near_general: Vectors


@dataclass(frozen=True, slots=True)
class Support:
    """A business in its own words, ready for comparison: in the encoders' spaces, and in the one
    that each member of a committee has learned.
    """

    texts: tuple[str, ...]
    group: Vectors  # EXAMPLE, TOPIC, DOES or REFUSE per line
    plain: tuple[Space, ...]
    learned: tuple[Space, ...]
    spelling: frozenset[str]

    @property
    def masks(self) -> tuple[Vectors, ...]:
        """Which lines say what the business does, then the lines of each kind."""
        own = self.group < REFUSE
        return own, *(self.group == kind for kind in (EXAMPLE, TOPIC, DOES, REFUSE))


def support(
    named: Sequence[tuple[int, str]], parts: Parts, library: Library, members: Sequence[Projection]
) -> Support:
    """A business's lines (kind, text) with their vectors."""
    group = np.asarray([kind for kind, _ in named])
    own = group < REFUSE

    def space(lines: Vectors, general: Vectors) -> Space:
        return Space(lines, (general @ lines[own].T).max(axis=1))

    return Support(
        texts=tuple(text for _, text in named),
        group=group,
        plain=tuple(map(space, parts, library.general)),
        learned=tuple(space(m.into(parts), library.general_in(m)) for m in members),
        spelling=spelling([text for kind, text in named if kind < REFUSE]),
    )


def features(
    texts: Sequence[str], parts: Parts, sup: Support, library: Library,
    members: Sequence[Projection],
) -> list[Vectors]:  # fmt: skip
    """Each member's input, one row per text. `parts`: the texts' centred vectors per encoder."""
    plain = zip(parts, sup.plain, library.general, library.fair, strict=True)
    shared = [*(_compared(*each, sup.masks) for each in plain), _form(texts, sup, library)]
    joined = np.concatenate(parts, axis=1)
    rows = []
    for member, space in zip(members, sup.learned, strict=True):
        mine = member.into(parts)
        general, fair = library.general_in(member), library.fair_in(member)
        own = space.lines[sup.masks[0]]
        attended = _softmax(mine @ own.T) @ own
        alone = np.maximum((joined @ member.alone + member.alone_bias) * ALONE, 0)
        learned = [_compared(mine, space, general, fair, sup.masks), RELATION * mine * attended]
        rows.append(np.concatenate([*shared, *learned, alone], axis=1).astype(np.float32))
    return rows


def _compared(
    mine: Vectors, space: Space, general: Vectors, fair: Vectors, masks: tuple[Vectors, ...]
) -> Vectors:
    """Texts beside a business, fair and general lines in one space: 22 columns."""
    near, to_general = mine @ space.lines.T, mine @ general.T
    columns = [_pooled(near[:, mask]) for mask in masks]
    columns += [_pooled(mine @ fair.T), _pooled(to_general)]
    fairness = _softmax(to_general) @ space.near_general
    return np.concatenate([*columns, fairness[:, None]], axis=1)


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
    pooled = np.empty((len(similar), 3), np.float32)
    pooled[:, 0] = top[:, -1] if count == 1 else top.max(axis=1)
    pooled[:, 1] = top.sum(axis=1) / count
    pooled[:, 2] = (_softmax(similar) * similar).sum(axis=1)
    return pooled


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
