"""The upper layers of e5 in torch, with low-rank additions to train: the arithmetic of
guardproxy.detectors.scope_model.e5 on the states that the lower layers left.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from guardproxy.detectors.scope_model.e5 import E5, LINEAR, batches

RANK = 6
DROP = 0.1
HEADS, EPSILON = 12, 1e-12  # of e5-small


class Low(nn.Module):
    """A linear map that stays, its bias, and a low-rank addition: both are trained."""

    def __init__(self, weights: np.ndarray, bias: np.ndarray) -> None:
        super().__init__()
        inner, outer = weights.shape
        self.register_buffer("kept", torch.tensor(weights))
        self.bias = nn.Parameter(torch.tensor(bias))
        self.down = nn.Parameter(torch.randn(inner, RANK) / inner**0.5)
        self.up = nn.Parameter(torch.zeros(RANK, outer))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.addmm(self.bias, x, self.kept) + (x @ self.down) @ self.up


class Norm(nn.Module):
    """Layer normalisation."""

    def __init__(self, weight: np.ndarray, bias: np.ndarray) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))
        self.bias = nn.Parameter(torch.tensor(bias))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.layer_norm(x, (x.shape[1],), self.weight, self.bias, EPSILON)


class Block(nn.Module):
    """One transformer layer over texts laid end to end."""

    def __init__(self, layer) -> None:
        super().__init__()
        self.maps = nn.ModuleDict({part: Low(layer[part], layer[f"{part}.b"]) for part in LINEAR})
        self.aln = Norm(layer["aln.w"], layer["aln.b"])
        self.oln = Norm(layer["oln.w"], layer["oln.b"])

    def forward(self, x: torch.Tensor, padded: list["Padded"]) -> torch.Tensor:
        q, k, v = (self.maps[part](x) for part in "qkv")
        seen = []
        for some in padded:
            mixed = functional.scaled_dot_product_attention(
                some.spread(q), some.spread(k), some.spread(v), attn_mask=some.mask
            )
            seen.append(some.joined(mixed))
        drop = lambda y: functional.dropout(y, DROP, self.training)
        x = self.aln(x + drop(self.maps["ao"](torch.cat(seen))))
        return self.oln(x + drop(self.maps["fo"](functional.gelu(self.maps["fi"](x)))))


class Padded:
    """Texts of like size as a matrix: attention needs one, the rest does not."""

    def __init__(self, start: int, sizes: np.ndarray) -> None:
        longest, count = int(sizes.max()), len(sizes)
        self.rows = slice(start, start + int(sizes.sum()))
        self.shape = count, longest
        places = np.concatenate([n * longest + np.arange(size) for n, size in enumerate(sizes)])
        self.places = torch.from_numpy(places)
        there = torch.arange(longest)[None] < torch.from_numpy(sizes)[:, None]
        self.mask = None if bool(there.all()) else there[:, None, None, :]

    def spread(self, x: torch.Tensor) -> torch.Tensor:
        """[pieces, width] as [texts, heads, pieces of the longest, width / heads]."""
        count, longest = self.shape
        full = x.new_zeros(count * longest, x.shape[1]).index_copy(0, self.places, x[self.rows])
        return full.view(count, longest, HEADS, -1).transpose(1, 2)

    def joined(self, x: torch.Tensor) -> torch.Tensor:
        """The way back."""
        count, longest = self.shape
        return x.transpose(1, 2).reshape(count * longest, -1)[self.places]


class Upper(nn.Module):
    """The layers from `start` on."""

    def __init__(self, model: E5, start: int) -> None:
        super().__init__()
        self.start = start
        self.blocks = nn.ModuleList(Block(layer) for layer in model.layers[start:])

    def forward(self, states: Sequence[np.ndarray]) -> torch.Tensor:
        """Vectors of texts, shape (texts, 384), not yet of unit length."""
        sizes = np.array([len(one) for one in states])
        order = np.argsort(sizes, kind="stable")
        x = torch.from_numpy(np.concatenate([states[n] for n in order]).astype(np.float32))
        small = sizes[order]
        padded, start = [], 0
        for some in _alike(small):
            padded.append(Padded(start, small[some]))
            start += int(small[some].sum())
        for block in self.blocks:
            x = block(x, padded)
        text = torch.repeat_interleave(torch.from_numpy(order), torch.from_numpy(small))
        total = x.new_zeros(len(sizes), x.shape[1]).index_add(0, text, x)
        return total / torch.from_numpy(sizes)[:, None]

    def vectors(self, states: Sequence[np.ndarray]) -> np.ndarray:
        """Unit vectors, without training."""
        self.eval()
        out = np.zeros((len(states), states[0].shape[1]), np.float32)
        with torch.no_grad():
            for some in batches([len(one) for one in states]):
                made = self([states[n] for n in some])
                out[some] = functional.normalize(made, dim=1).numpy()
        self.train()
        return out

    def arrays(self) -> dict[str, np.ndarray]:
        """The numbers by the names of the adapter's file, in half precision."""
        parts: dict[str, torch.Tensor] = {}
        for n, block in enumerate(self.blocks):
            name = f"l{self.start + n}"
            for part, low in block.maps.items():
                parts |= {f"{name}.{part}.down": low.down, f"{name}.{part}.up": low.up}
                parts[f"{name}.{part}.b"] = low.bias
            for part, norm in (("aln", block.aln), ("oln", block.oln)):
                parts |= {f"{name}.{part}.w": norm.weight, f"{name}.{part}.b": norm.bias}
        return {key: part.detach().numpy().astype(np.float16) for key, part in parts.items()}


def _alike(sizes: np.ndarray) -> list[slice]:
    """Runs of sorted sizes that cost little when padded to the longest of the run."""
    runs, start = [], 0
    for n in range(1, len(sizes) + 1):
        if n == len(sizes) or sizes[n] > max(12, 1.35 * sizes[start]):
            runs.append(slice(start, n))
            start = n
    return runs
