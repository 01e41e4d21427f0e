"""The learned space: encoders' vectors moved to where the head compares them."""

from dataclasses import dataclass

import numpy as np

from guardproxy.detectors.scope_model.vectors import Vectors

Parts = tuple[Vectors, ...]  # unit vectors, one array per encoder; the learned space comes last


@dataclass(frozen=True, slots=True)
class Projection:
    """The learned maps: `space` (all encoders' dimensions, 96) and `alone` (the same, 32)."""

    space: Vectors
    alone: Vectors
    alone_bias: Vectors

    def into(self, parts: Parts) -> Parts:
        """The encoders' vectors, and what they are in the learned space."""
        moved = np.concatenate(parts, axis=1) @ self.space
        unit = moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-12)
        return (*parts, unit)
