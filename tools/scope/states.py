"""What e5's lower layers make of every text, once: they are not trained."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from guardproxy.detectors.scope_model.e5 import E5, batches
from guardproxy.detectors.scope_model.encoder import E5_MOST, _cut
from tools.scope.table import CACHE


class States:
    """The states of texts after layer `depth`, from a cache on disk (mapped, half precision)."""

    def __init__(self, model: E5, depth: int, texts: Iterable[str]) -> None:
        CACHE.mkdir(parents=True, exist_ok=True)
        rows_file, index_file = CACHE / f"states{depth}.npy", CACHE / f"states{depth}.json"
        self._where: dict[str, list[int]] = {}
        parts = []
        if index_file.exists():
            self._where = json.loads(index_file.read_text("utf-8"))
            parts.append(np.load(rows_file))
        missing = sorted({text for text in texts if text not in self._where})
        at = len(parts[0]) if parts else 0
        ids = [model.pieces(_cut(text, E5_MOST)) for text in missing]
        done = 0
        for some in batches([len(one) for one in ids]):
            states, sizes = model.states([ids[n] for n in some], depth)
            parts.append(states.astype(np.float16))
            for n, size in zip(some, sizes.tolist(), strict=True):
                self._where[missing[n]] = [at, at + size]
                at += size
            if done // 2000 != (done + len(some)) // 2000:
                print(f"  lower layers: {done + len(some)} of {len(missing)} texts", flush=True)
            done += len(some)
        if missing:
            _replace(rows_file, lambda path: np.save(path, np.concatenate(parts)))
            _replace(index_file, lambda path: path.write_text(json.dumps(self._where), "utf-8"))
        parts.clear()
        self._rows = np.load(rows_file, mmap_mode="r")

    def of(self, texts: Sequence[str]) -> list[np.ndarray]:
        """The states of each text, shape (pieces, 384)."""
        return [self._rows[slice(*self._where[text])] for text in texts]


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file beside and move it there: others may have the old one mapped."""
    beside = path.with_name(f"new-{path.name}")
    write(beside)
    beside.replace(path)
