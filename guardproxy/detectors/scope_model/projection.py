"""The learned space: encoders' vectors moved to where the head compares them."""

from dataclasses import dataclass

import numpy as np

from guardproxy.detectors.scope_model.vectors import Vectors

Parts = tuple[Vectors, ...]  # unit vectors, one array per encoder


@dataclass(frozen=True, slots=True)
class Projection:
    """The learned maps: `space` (all encoders' dimensions, 96) and `alone` (the same, 32)."""

    space: Vectors
    alone: Vectors
    alone_bias: Vectors

    def into(self, parts: Parts) -> Vectors:
        """What the encoders' vectors are in the learned space, as unit vectors."""
        moved = np.concatenate(parts, axis=1) @ self.space
        unit: Vectors = moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-12)
        return unit
