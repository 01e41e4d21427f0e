"""The trained heads in plain numpy, and what their scores mean.

Two npz files without pickles per set of encoders: `question-*` for what customers write, `answer-*`
for what bots answer. Each holds a committee of nets trained from different beginnings (`0_*`,
`1_*`, ...; what they say is averaged) and the calibration. Written by tools/train_scope.py.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from io import BytesIO

import numpy as np

from guardproxy.core.errors import WeightsError
from guardproxy.detectors.scope_model.projection import Projection
from guardproxy.detectors.scope_model.vectors import Vectors

# The fair lines of the corpus were written to be hard; ordinary messages, such as the examples that
# owners give, are refused ten times less often at the same threshold. Customers who write like our
# lines are then refused up to twice as often as asked, duller ones less. The same for answers.
HARDER = 2.0
MATRIX = 2  # dimensions
MAPS = ("_space", "_alone")


@dataclass(frozen=True, slots=True)
class Net:
    """The learned maps, then layers of (weights, bias) with ReLU between; the first one takes
    standardised input.
    """

    projection: Projection
    mean: Vectors
    scale: Vectors
    layers: tuple[tuple[Vectors, Vectors], ...]

    def outputs(self, inputs: Vectors) -> Vectors:
        """Two numbers per row: is it general work, and is it somebody else's business."""
        x = (inputs - self.mean) * self.scale
        for index, (weights, bias) in enumerate(self.layers):
            x = x @ weights + bias
            if index < len(self.layers) - 1:
                x = np.maximum(x, 0)
        outputs: Vectors = x
        return outputs


@dataclass(frozen=True, slots=True)
class Head:
    """A committee for one side and one set of encoders, and its thresholds.

    `fair`: sorted logits of fair texts of businesses that training had not seen; the share of them
    over a threshold is the share of fair messages it refuses. `even`: the logit at which off scope
    is as likely as fair. `rest`: how far the second output is held back. `harder`: how many times
    more often the fair texts of the corpus are refused than ordinary ones.
    """

    members: tuple[Net, ...]
    rest: float
    fair: Vectors
    even: float
    harder: float
    digest: str

    @property
    def projections(self) -> tuple[Projection, ...]:
        """The members' learned spaces."""
        return tuple(member.projection for member in self.members)

    def logits(self, inputs: Sequence[Vectors]) -> Vectors:
        """One number per row, of each member's inputs: positive is off scope."""
        said = [net.outputs(rows) for net, rows in zip(self.members, inputs, strict=True)]
        mean = np.mean(said, axis=0)
        joined: Vectors = np.maximum(mean[:, 0], mean[:, 1] - self.rest)
        return joined

    def threshold(self, false_blocks: float) -> float:
        """The logit that `false_blocks` of fair texts reach."""
        return float(np.quantile(self.fair, 1 - min(0.5, self.harder * false_blocks)))

    def false_blocks(self, logit: float) -> float:
        """The `false_blocks` whose threshold this logit is: the way back from `threshold`."""
        over = 1 - float(np.searchsorted(self.fair, logit)) / len(self.fair)
        return over / self.harder

    def score(self, logit: float) -> float:
        """A logit as a probability, 0..1: one half at `even`."""
        return float(1 / (1 + np.exp(np.clip(self.even - logit, -30, 30))))

    def logit(self, score: float) -> float:
        """The way back from a score."""
        return self.even - float(np.log(1 / min(max(score, 1e-13), 1 - 1e-13) - 1))


def load(side: str, encoders: tuple[str, ...]) -> Head:
    """The shipped head for a side and some encoders. WeightsError when the file is not a head."""
    name = f"{side}-{'-'.join(encoders)}.npz"
    try:
        raw = (resources.files("guardproxy.detectors.scope_model") / name).read_bytes()
        with np.load(BytesIO(raw), allow_pickle=False) as kept:
            parts = full({key: kept[key] for key in kept.files})
        return unpacked(parts, hashlib.sha256(raw).hexdigest()[:12])
    except (KeyError, ValueError, OSError) as error:
        message = f"{name} is not a scope head: {error}; reinstall guardproxy"
        raise WeightsError(message) from error


def small(parts: Mapping[str, Vectors]) -> dict[str, Vectors]:
    """The arrays as they are shipped: the learned maps in int8 with a scale per column, other
    matrices in half precision.
    """
    made: dict[str, Vectors] = {}
    for key, part in parts.items():
        if key.endswith(MAPS):
            scale = np.abs(part).max(axis=0, keepdims=True) / 127 + 1e-12  # int8's range
            made |= {key: np.round(part / scale).astype(np.int8), f"{key}_step": scale}
        else:
            made[key] = np.asarray(part, np.float16 if np.ndim(part) == MATRIX else np.float32)
    return made


def full(parts: Mapping[str, Vectors]) -> dict[str, Vectors]:
    """The arrays as they are computed with."""
    made = {key: part.astype(np.float32) for key, part in parts.items()}
    return {k: v * made.get(f"{k}_step", 1.0) for k, v in made.items() if not k.endswith("_step")}


def unpacked(parts: Mapping[str, Vectors], digest: str) -> Head:
    """A head from the arrays of its file."""
    count = sum(name.endswith("_space") for name in parts)
    return Head(
        members=tuple(net(parts, member) for member in range(count)),
        rest=float(parts["rest"]),
        fair=np.sort(parts["fair"]),
        even=float(parts["even"]),
        harder=HARDER,
        digest=digest,
    )


def net(parts: Mapping[str, Vectors], member: int) -> Net:
    """One member."""
    own = {name.removeprefix(f"{member}_"): v for name, v in parts.items()
           if name.startswith(f"{member}_")}  # fmt: skip
    count = sum(name.startswith("layer") for name in own)
    layers = tuple((own[f"layer{i}"], own[f"bias{i}"]) for i in range(count))
    projection = Projection(own["space"], own["alone"], own["alone_bias"])
    return Net(projection, own["mean"], own["scale"], layers)
