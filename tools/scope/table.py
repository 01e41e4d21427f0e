"""Texts as numbers, once: vectors from a cache on disk, and what of the features never changes."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from guardproxy.detectors.scope_model.encoder import Encoder
from guardproxy.detectors.scope_model.features import REFUSE, _form, _softmax
from guardproxy.detectors.scope_model.library import Library, centred
from guardproxy.detectors.scope_model.spelling import spelling
from tools.scope.corpus import EXAMPLE, Business

CACHE = Path("data/.cache")  # vectors of texts already encoded; never committed
BATCH = 256  # texts encoded at a time


class Vectors:
    """Every text's vector of one encoder, from the cache where it was encoded before."""

    def __init__(self, name: str, encoder: Encoder, texts: Iterable[str]) -> None:
        """`name` of the encoder with the digest of weights of ours."""
        known = _known(name)
        wanted = {_key(text): text for text in texts}
        missing = sorted((key for key in wanted if key not in known), key=lambda k: len(wanted[k]))
        for start in range(0, len(missing), BATCH):
            part = missing[start : start + BATCH]
            rows = encoder.encode([wanted[key] for key in part])
            known.update(zip(part, rows.astype(np.float16), strict=True))
            print(f"  {name}: {start + len(part)} of {len(missing)} encoded", flush=True)
        if missing:
            _save(name, known)
        self._row = {key: i for i, key in enumerate(wanted)}
        self.rows = np.stack([known[key] for key in wanted]).astype(np.float32)

    def of(self, texts: Sequence[str]) -> np.ndarray:
        """The vectors of some texts, in order."""
        return self.rows[self.index(texts)]

    def index(self, texts: Sequence[str]) -> list[int]:
        """Where the texts stand in `rows`."""
        return [self._row[_key(text)] for text in texts]


def keep(name: str, texts: Sequence[str], rows: np.ndarray) -> None:
    """Put vectors into the cache."""
    known = _known(name)
    known.update(zip(map(_key, texts), rows.astype(np.float16), strict=True))
    _save(name, known)


def _known(name: str) -> dict[str, np.ndarray]:
    """What the cache holds of an encoder, by key of text."""
    path = CACHE / f"{name}.npz"
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as kept:
        return dict(zip(kept["keys"].tolist(), kept["rows"], strict=True))


def _save(name: str, known: dict[str, np.ndarray]) -> None:
    """Write an encoder's cache."""
    CACHE.mkdir(parents=True, exist_ok=True)
    np.savez(CACHE / f"{name}.npz", keys=np.array(list(known)), rows=np.stack(list(known.values())))


def _key(text: str) -> str:
    """A text's key in the cache."""
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()[:20]


@dataclass(slots=True)
class Side:
    """Texts of one business beside its lines: per encoder their similarity to each line, and
    columns that do not change in training.
    """

    vectors: list[torch.Tensor]  # per encoder [texts, d]
    near: list[torch.Tensor]  # per encoder [texts, lines]
    fixed: list[torch.Tensor]  # per encoder [texts, 7]: fair and general pools, general fairness
    form: torch.Tensor  # [texts, 10]


@dataclass(slots=True)
class Ready:
    """A business ready for training."""

    business: Business
    lines: list[torch.Tensor]  # per encoder [lines, d]
    group: torch.Tensor
    questions: Side
    answers: Side | None = None
    asked: Side | None = None


class _Lines:
    """The lines of a business as `_form` asks for them."""

    def __init__(self, one: Business) -> None:
        self.group = np.asarray([kind for kind, _ in one.lines])
        self.spelling = spelling([text for kind, text in one.lines if kind < REFUSE])


def pooled(similar: np.ndarray) -> np.ndarray:
    """As in the shipped features."""
    top = np.sort(similar, axis=1)[:, -3:]
    soft = (_softmax(similar) * similar).sum(axis=1)
    return np.stack([top[:, -1], top.mean(axis=1), soft], axis=1)


def ready(one: Business, tables: Sequence[Vectors], lib: Library) -> Ready:
    """Everything about a business that training does not change."""
    lines = [centred(t.of([x for _, x in one.lines]), c)
             for t, c in zip(tables, lib.centre, strict=True)]  # fmt: skip
    own = _Lines(one)

    def side(texts: list[str]) -> Side:
        vectors, near, fixed = [], [], []
        shown = [text or " " for text in texts]
        for i, table in enumerate(tables):
            v = centred(table.of(shown), lib.centre[i])
            general = v @ lib.general[i].T
            fairness = (lib.general[i] @ lines[i][own.group < REFUSE].T).max(axis=1)
            fair = pooled(v @ lib.fair[i].T)
            cols = [fair, pooled(general), (_softmax(general) @ fairness)[:, None]]
            vectors.append(torch.tensor(v))
            near.append(torch.tensor(v @ lines[i].T))
            fixed.append(torch.tensor(np.concatenate(cols, axis=1)))
        return Side(vectors, near, fixed, torch.tensor(_form(shown, own, lib)))

    made = Ready(one, [torch.tensor(v) for v in lines], torch.tensor(own.group),
                 side([q.text for q in one.queries]))  # fmt: skip
    if one.answers:
        made.answers = side([a.text for a in one.answers])
        made.asked = side([a.question for a in one.answers])
    return made


def texts_of(all_of: Iterable[Business]) -> set[str]:
    """Every text that needs a vector."""
    found = {" "}
    for one in all_of:
        found |= {text for _, text in one.lines} | {q.text for q in one.queries}
        found |= {text or " " for a in one.answers for text in (a.text, a.question)}
    return found


__all__ = ["EXAMPLE", "Ready", "Side", "Vectors", "ready", "texts_of"]
