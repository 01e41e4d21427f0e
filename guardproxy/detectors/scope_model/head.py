"""The trained heads in plain numpy, and what their scores mean.

A head file is an npz without pickles: `q_*` and `a_*` parts for what customers write and for what
bots answer, and the calibration. Written by tools/train_scope.py.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from io import BytesIO

import numpy as np

from guardproxy.core.errors import WeightsError
from guardproxy.detectors.scope_model.projection import Projection
from guardproxy.detectors.scope_model.vectors import Vectors

# The fair lines of the corpus were written to be hard; ordinary messages, such as the examples that
# owners give, are refused ten times less often at the same threshold. Four is nearer to traffic of
# nothing but our lines than to traffic of nothing but such examples. Answers differ less.
HARDER = 4.0
HARDER_SAID = 3.0
INT8 = ("a_space", "a_alone")


@dataclass(frozen=True, slots=True)
class Net:
    """The learned maps, then layers of (weights, bias) with ReLU between; the first one takes
    standardised input. The last one has two outputs: is it general work, and is it somebody
    else's business; `rest` is how far the second is held back.
    """

    projection: Projection
    mean: Vectors
    scale: Vectors
    layers: tuple[tuple[Vectors, Vectors], ...]
    rest: float

    def logits(self, inputs: Vectors) -> Vectors:
        """One number per row: positive is off scope."""
        x = (inputs - self.mean) * self.scale
        for index, (weights, bias) in enumerate(self.layers):
            x = x @ weights + bias
            if index < len(self.layers) - 1:
                x = np.maximum(x, 0)
        joined: Vectors = np.maximum(x[:, 0], x[:, 1] - self.rest)
        return joined


@dataclass(frozen=True, slots=True)
class Head:
    """Two nets for one set of encoders, and their thresholds.

    `fair` and `fair_answers`: sorted logits of fair texts of businesses that training had not
    seen; the share of them over a threshold is the share of fair messages it refuses. `even`:
    the logits at which off scope is as likely as fair, for the two sides.
    """

    encoders: tuple[str, ...]
    question: Net
    answer: Net
    fair: Vectors
    fair_answers: Vectors
    even: tuple[float, float]
    digest: str

    def threshold(self, false_blocks: float) -> float:
        """The logit that `false_blocks` of fair messages reach."""
        return float(np.quantile(self.fair, 1 - min(0.5, HARDER * false_blocks)))

    def answer_threshold(self, false_blocks: float) -> float:
        """The logit that `false_blocks` of fair answers reach."""
        return float(np.quantile(self.fair_answers, 1 - min(0.5, HARDER_SAID * false_blocks)))


def score(logit: float, even: float = 0.0) -> float:
    """A logit as a probability, 0..1: one half at `even`."""
    return float(1 / (1 + np.exp(np.clip(even - logit, -30, 30))))


def load(encoders: tuple[str, ...]) -> Head:
    """The shipped head for some encoders. WeightsError when the file is not a head."""
    name = f"head-{'-'.join(encoders)}.npz"
    try:
        raw = (resources.files("guardproxy.detectors.scope_model") / name).read_bytes()
        with np.load(BytesIO(raw), allow_pickle=False) as kept:
            parts = full({key: kept[key] for key in kept.files})
        return unpacked(parts, encoders, hashlib.sha256(raw).hexdigest()[:12])
    except (KeyError, ValueError, OSError) as error:
        message = f"{name} is not a scope head: {error}; reinstall guardproxy"
        raise WeightsError(message) from error


def small(parts: Mapping[str, Vectors]) -> dict[str, Vectors]:
    """The arrays as they are shipped: matrices in half precision, the answers' large maps in int8
    with a scale per column, everything else as it is.
    """
    made: dict[str, Vectors] = {}
    for key, part in parts.items():
        if key in INT8:
            scale = np.abs(part).max(axis=0, keepdims=True) / 127  # int8's range
            made |= {key: np.round(part / scale).astype(np.int8), f"{key}_step": scale}
        else:
            made[key] = part.astype(np.float16 if np.ndim(part) == 2 else np.float32)
    return made


def full(parts: Mapping[str, Vectors]) -> dict[str, Vectors]:
    """The arrays as they are computed with."""
    made = {key: part.astype(np.float32) for key, part in parts.items()}
    return {k: v * made.get(f"{k}_step", 1.0) for k, v in made.items() if not k.endswith("_step")}


def unpacked(parts: Mapping[str, Vectors], encoders: tuple[str, ...], digest: str) -> Head:
    """A head from the arrays of its file."""
    return Head(
        encoders=encoders,
        question=net(parts, "q"),
        answer=net(parts, "a"),
        fair=np.sort(parts["q_fair"]),
        fair_answers=np.sort(parts["a_fair"]),
        even=(float(parts["q_even"]), float(parts["a_even"])),
        digest=digest,
    )


def net(parts: Mapping[str, Vectors], side: str) -> Net:
    """One side's net."""
    count = sum(name.startswith(f"{side}_layer") for name in parts)
    layers = tuple((parts[f"{side}_layer{i}"], parts[f"{side}_bias{i}"]) for i in range(count))
    projection = Projection(
        parts[f"{side}_space"], parts[f"{side}_alone"], parts[f"{side}_alone_bias"]
    )
    rest = float(parts[f"{side}_rest"])
    return Net(projection, parts[f"{side}_mean"], parts[f"{side}_scale"], layers, rest)
