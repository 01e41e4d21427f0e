"""The trained head: a small network in plain numpy, and what its scores mean."""

import hashlib
from dataclasses import dataclass
from importlib import resources
from io import BytesIO

import numpy as np

from guardproxy.core.errors import WeightsError
from guardproxy.detectors.scope_model.encoder import Vectors

NAME = "head.npz"
# A logit is squeezed gently, so that scores near 0 and 1 still tell texts apart.
SOFT = 3.0


@dataclass(frozen=True, slots=True)
class Net:
    """Layers of (weights, bias) with ReLU between; the first one standardises its input."""

    mean: Vectors
    scale: Vectors
    layers: tuple[tuple[Vectors, Vectors], ...]

    def logits(self, inputs: Vectors) -> Vectors:
        """One number per row: positive is off scope."""
        x = (inputs - self.mean) / self.scale
        for index, (weights, bias) in enumerate(self.layers):
            x = x @ weights + bias
            if index < len(self.layers) - 1:
                x = np.maximum(x, 0)
        last: Vectors = x[:, 0]
        return last


@dataclass(frozen=True, slots=True)
class Head:
    """Two nets, one for what customers write, one for what bots answer, and their thresholds.

    `fair` and `fair_answers`: sorted logits of fair texts that training had not seen; the share of
    them over a threshold is the share of fair messages it refuses.
    """

    question: Net
    answer: Net
    fair: Vectors
    fair_answers: Vectors
    digest: str

    def threshold(self, false_blocks: float) -> float:
        """The logit that `false_blocks` of fair messages reach."""
        return float(np.quantile(self.fair, 1 - false_blocks))

    def answer_threshold(self, false_blocks: float) -> float:
        """The logit that `false_blocks` of fair answers reach."""
        return float(np.quantile(self.fair_answers, 1 - false_blocks))


def score(logit: float) -> float:
    """A logit as a number in 0..1 that rises with it."""
    return float(1 / (1 + np.exp(-logit / SOFT)))


def load() -> Head:
    """The shipped head. WeightsError when the file is not a head."""
    raw = (resources.files("guardproxy.detectors.scope_model") / NAME).read_bytes()
    try:
        with np.load(BytesIO(raw), allow_pickle=False) as kept:
            parts = {name: kept[name].astype(np.float32) for name in kept.files}
        return Head(
            question=_net(parts, "q"),
            answer=_net(parts, "a"),
            fair=np.sort(parts["q_fair"]),
            fair_answers=np.sort(parts["a_fair"]),
            digest=hashlib.sha256(raw).hexdigest()[:12],
        )
    except (KeyError, ValueError, OSError) as error:
        message = f"{NAME} is not a scope head: {error}; reinstall guardproxy"
        raise WeightsError(message) from error


def _net(parts: dict[str, Vectors], side: str) -> Net:
    """One side's net."""
    count = sum(name.startswith(f"{side}_w") for name in parts)
    layers = tuple((parts[f"{side}_w{i}"], parts[f"{side}_b{i}"]) for i in range(count))
    return Net(parts[f"{side}_mean"], parts[f"{side}_scale"], layers)
