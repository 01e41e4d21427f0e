"""The built-in library: general requests by kind, and lines that are fair for every business.

Its vectors are shipped (`library.npz`, int8), so that no encoder reads it again at each start.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
from io import BytesIO

import numpy as np
import yaml

from guardproxy.core.errors import WeightsError
from guardproxy.detectors.scope_model.projection import Parts, Projection
from guardproxy.detectors.scope_model.spelling import spelling
from guardproxy.detectors.scope_model.vectors import Vectors

LINES, VECTORS = "library.yaml", "library.npz"
Raw = Mapping[str, Mapping[str, Sequence[str]]]


HOME = resources.files("guardproxy.detectors.scope_model")


def read_lines(home: Traversable = HOME) -> Raw:
    """The library's lines: general and fair, kind -> lines."""
    path = home / LINES
    raw: Raw = yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)  # noqa: S506  text only
    return raw


def named(raw: Raw, part: str) -> list[tuple[str, str]]:
    """(kind, line) of one part, in the file's order: the order of the vectors."""
    return [(kind, line) for kind, lines in raw[part].items() for line in lines]


def centred(vectors: Vectors, centre: Vectors) -> Vectors:
    """Unit vectors from the common centre: what texts do not share."""
    moved = vectors - centre
    unit: Vectors = moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-6)
    return unit


@dataclass(frozen=True, slots=True)
class Library:
    """General and fair lines for some encoders; `centre` of each encoder's space."""

    kinds: tuple[str, ...]
    general: Parts
    fair: Parts
    centre: Parts
    general_spelling: frozenset[str]
    fair_spelling: frozenset[str]
    _spaces: dict[tuple[int, str], Vectors] = field(default_factory=dict)

    def centred(self, parts: Sequence[Vectors]) -> Parts:
        """An encoder's vectors each, moved to the library's centre."""
        return tuple(centred(p, c) for p, c in zip(parts, self.centre, strict=True))

    def general_in(self, projection: Projection) -> Vectors:
        """The general lines in a learned space."""
        return self._once(projection, "general", self.general)

    def fair_in(self, projection: Projection) -> Vectors:
        """The fair lines in a learned space."""
        return self._once(projection, "fair", self.fair)

    def _once(self, projection: Projection, part: str, vectors: Parts) -> Vectors:
        """Projected once for each member of a head."""
        key = (id(projection), part)
        if key not in self._spaces:
            self._spaces[key] = projection.into(vectors)
        return self._spaces[key]


def load(encoders: Sequence[str], home: Traversable = HOME) -> Library:
    """The library as these encoders (`use`, `e5`) see it. WeightsError when its files differ."""
    raw = read_lines(home)
    general, fair = named(raw, "general"), named(raw, "fair")
    packed_file = (home / VECTORS).read_bytes()
    with np.load(BytesIO(packed_file), allow_pickle=False) as kept:
        parts = {name: _unpacked(kept[name], kept[f"{name}_scale"]) for name in encoders}
        centre = tuple(kept[f"{name}_centre"] for name in encoders)
    if any(len(vectors) != len(general) + len(fair) for vectors in parts.values()):
        message = f"{VECTORS} does not belong to {LINES}; reinstall guardproxy"
        raise WeightsError(message)
    return Library(
        kinds=tuple(kind for kind, _ in general),
        general=tuple(parts[name][: len(general)] for name in encoders),
        fair=tuple(parts[name][len(general) :] for name in encoders),
        centre=centre,
        general_spelling=spelling([line for _, line in general]),
        fair_spelling=spelling([line for _, line in fair]),
    )


def packed(vectors: Vectors) -> tuple[Vectors, Vectors]:
    """Unit vectors as int8 and the scale of each row."""
    scale = np.abs(vectors).max(axis=1, keepdims=True) / 127  # int8's range
    return np.round(vectors / scale).astype(np.int8), scale.astype(np.float32)


def _unpacked(small: Vectors, scale: Vectors) -> Vectors:
    """Unit vectors again."""
    full = small.astype(np.float32) * scale
    unit: Vectors = full / np.linalg.norm(full, axis=1, keepdims=True)
    return unit
