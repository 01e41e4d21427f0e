"""Trains the scope heads: `python -m tools.train_scope --utterances FILE`, minutes on one core.

Reads data/businesses, data/general and, where the file is given, public utterances (CC BY,
Apache-2.0, MIT; see docs/scope-model.md). Writes head-*.npz, library.npz and library.yaml beside
the scope model. Deterministic. Needs torch (CPU), at training time only.
"""

import argparse
import random
import re
import sys
from pathlib import Path

import numpy as np
import torch
import yaml

from guardproxy.detectors.scope_model import encoder as encoders
from guardproxy.detectors.scope_model import head as heads
from guardproxy.detectors.scope_model import library as libraries
from guardproxy.detectors.scope_model.features import features, support
from tools.scope import corpus, net, table
from tools.scope.corpus import Business

PACKAGE = Path("guardproxy/detectors/scope_model")
FOLDS = 4  # for scores of trades a net has not seen
SEED = int(__import__("os").environ.get("SEED", "11"))
MEMBERS = {"question": 3, "answer": 2}  # of a committee: a fourth gave nothing more
CENTRE_FROM = 4000  # texts: enough for a stable mean


def main() -> None:
    """Train what was asked for."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--utterances", type=Path)
    ask.add_argument("--encoders", default="use,use-e5", help="sets of encoders, comma-separated")
    ask.add_argument("--without", default="", help="leave out trades that match (a regex)")
    ask.add_argument("--share", type=float, default=1.0, help="of our businesses (learning curve)")
    ask.add_argument("--steps", type=int, default=1500)
    ask.add_argument("--folds", type=int, default=FOLDS, help="0: keep the old calibration")
    ask.add_argument("--rounds", type=int, default=1, help="folds that are really held out once")
    ask.add_argument("--sides", default="question,answer")
    ask.add_argument("--members", type=int, help="of each committee")
    ask.add_argument("--out", type=Path, default=PACKAGE)
    args = ask.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    rng = random.Random(SEED)
    ours = corpus.businesses()
    if args.without:
        ours = [b for b in ours if not re.search(args.without, f"{b.group} {b.id}", re.IGNORECASE)]
    ours = rng.sample(ours, int(len(ours) * args.share))
    lines = corpus.general()
    raw = libraries.read_lines()
    fair = [text for _, text in libraries.named(raw, "fair")]
    corpus.mix(ours, lines, fair, rng)
    others = corpus.public(args.utterances, rng) if args.utterances else []
    print(f"{len(ours)} businesses of {len({b.group for b in ours})} trades, {len(others)} public")
    names = sorted({name for one in args.encoders.split(",") for name in one.split("-")})
    library = {"general": corpus.archetypes(lines), "fair": raw["fair"]}
    listed = [t for part in ("general", "fair") for _, t in libraries.named(library, part)]
    texts = table.texts_of([*ours, *others]) | set(listed)
    tables = {name: _vectors(name, texts) for name in names}
    _write_library(library, listed, tables, ours, args.out)
    for one in args.encoders.split(","):
        chosen = tuple(one.split("-"))
        lib = libraries.load(chosen, args.out)
        every = [table.ready(b, [tables[n] for n in chosen], lib) for b in [*ours, *others]]
        _train(chosen, every, lib, args)


def _vectors(name: str, texts: set[str]) -> table.Vectors:
    """Every text's vector; those of e5 depend on our adapter, and so does the name of the cache."""
    if name == "use":
        return table.Vectors(name, encoders.UseEncoder(), texts)
    e5 = encoders.E5Encoder()
    return table.Vectors(f"{name}-{e5.digest}", e5, texts)


def _write_library(
    library: dict, listed: list, tables: dict, ours: list[Business], out: Path
) -> None:
    """The library's lines and their vectors, as they are shipped."""
    parts = {}
    sample = [q.text for b in ours for q in b.queries if q.kind in ("lines", "general")]
    for name, vectors in tables.items():
        seen = np.concatenate([vectors.of(sample[:CENTRE_FROM]), vectors.of(listed)])
        centre = seen.mean(axis=0, keepdims=True).astype(np.float32)
        small, scale = libraries.packed(libraries.centred(vectors.of(listed), centre))
        parts |= {name: small, f"{name}_scale": scale, f"{name}_centre": centre}
    np.savez_compressed(out / libraries.VECTORS, **parts)
    head = "# Made by tools/train_scope.py from data/general; `fair` is written here, by hand.\n"
    body = yaml.safe_dump(library, allow_unicode=True, sort_keys=False, width=1000)
    (out / libraries.LINES).write_text(head + body, "utf-8")


def _train(chosen: tuple[str, ...], every: list, lib: libraries.Library, args) -> None:
    """Both sides for one set of encoders: scores of unseen trades, then the nets on all."""
    for sides, side in enumerate(("question", "answer"), 1):
        if side not in args.sides.split(","):
            continue
        name = f"{side}-{'-'.join(chosen)}"
        print(name, flush=True)
        steps = args.steps if sides == 1 else args.steps // 2
        seeds = [SEED + n for n in range(args.members or MEMBERS[side])]
        parts: dict[str, np.ndarray] = {"rest": 0.0, "fair": np.linspace(-5, 5, 11), "even": 0.0}
        if args.folds:
            parts = _calibrated(side, every, lib, steps, seeds, (args.folds, args.rounds))
        nets = [net.fit(every, lib, sides=sides, steps=steps, seed=seed) for seed in seeds]
        for member, one in enumerate(nets):
            parts |= net.arrays(one, member)
        path = args.out / f"{name}.npz"
        np.savez_compressed(path, **heads.small(parts))
        print(f"{path}: {path.stat().st_size / 1024:.0f} KiB")
        if sides == 1:
            _same(nets, every, lib, parts)


def _calibrated(side: str, every: list, lib, steps: int, seeds: list[int],
                plan: tuple[int, int]) -> dict:  # fmt: skip
    """Scores of trades not trained on: how good they are, and where thresholds lie."""
    folds, rounds = plan
    sides = 1 if side == "question" else 2
    ours = [r for r in every if r.business.own]
    groups = sorted({r.business.group for r in ours})
    random.Random(SEED).shuffle(groups)
    fold = {group: i % folds for i, group in enumerate(groups)}
    rows = []
    for number in range(rounds):
        seen = [r for r in every if fold.get(r.business.group) != number]
        nets = [net.fit(seen, lib, sides=sides, steps=steps, seed=seed, quiet=True)
                for seed in seeds]  # fmt: skip
        for r in ours:
            if fold[r.business.group] == number and (sides == 1 or r.answers):
                items = r.business.queries if sides == 1 else r.business.answers
                rows += zip(items, net.scores(nets, r, sides), strict=True)
    rows, rest = _joined(rows)
    _figures(side, rows)
    kinds = {"lines", "sounds_like", "complaints", "example", "short"} if sides == 1 else {"answer"}
    fair = np.sort([s for item, s in rows if item.kind in kinds])
    off = np.sort([s for item, s in rows if item.off and item.kind not in ("elsewhere", "same")])
    return {"rest": rest, "fair": np.quantile(fair, np.linspace(0, 1, 2001)),
            "even": _even(fair, off)}  # fmt: skip


def _joined(rows: list) -> tuple[list, float]:
    """One logit of the two: whichever says more, the second held back so that it refuses one of
    four fair messages that are refused. It is the weaker witness, and the lesser fault.
    """
    fair = np.array([s for item, s in rows if not item.off])
    rest = float(np.quantile(fair[:, 1], 1 - 0.0025) - np.quantile(fair[:, 0], 1 - 0.0075))
    return [(item, max(s[0], s[1] - rest)) for item, s in rows], rest


def _even(fair: np.ndarray, off: np.ndarray) -> float:
    """The logit over which as large a share of off-scope texts falls short as of fair ones passes."""
    grid = np.linspace(min(fair[0], off[0]), max(fair[-1], off[-1]), 2000)
    gap = [abs((fair > t).mean() - (off <= t).mean()) for t in grid]
    return float(grid[int(np.argmin(gap))])


def _figures(side: str, rows: list) -> None:
    """What unseen trades show: AUROC, and the share stopped at 1 % of fair ones refused."""
    core = [
        (i, s) for i, s in rows if not i.kind.startswith(("cross", "lib", "always", "elsewhere"))
    ]
    fair = np.array([s for i, s in core if not i.off])
    off = np.array([s for i, s in core if i.off])
    order = np.argsort(np.concatenate([fair, off]))
    ranks = np.empty(len(order))
    ranks[order] = np.arange(1, len(order) + 1)
    auroc = (ranks[len(fair) :].sum() - len(off) * (len(off) + 1) / 2) / (len(fair) * len(off))
    cut = np.quantile(fair, 0.99)
    kinds = sorted({i.kind for i, _ in rows})
    shares = {k: np.mean([s > cut for i, s in rows if i.kind == k]) for k in kinds}
    print(f"  {side} unseen: AUROC {auroc:.4f}; over the 1 % threshold: "
          + " ".join(f"{k} {v:.3f}" for k, v in shares.items()), flush=True)  # fmt: skip


def _same(nets: list, every: list, lib, parts: dict) -> None:
    """The shipped arithmetic gives what training gave, within 1e-4; and in int8 nearly so."""
    r = next(r for r in every if r.business.own)
    lines = tuple(v.numpy() for v in r.lines)
    rows = [i for i, q in enumerate(r.business.queries) if q.skip < 0]
    texts = [r.business.queries[i].text for i in rows]
    vectors = tuple(v.numpy()[rows] for v in r.questions.vectors)
    both = net.scores(nets, r, 1)[rows]
    there = np.maximum(both[:, 0], both[:, 1] - float(parts["rest"]))
    gaps = []
    for kept in (parts, heads.full(heads.small(parts))):
        shipped = heads.unpacked({k: np.asarray(v, np.float32) for k, v in kept.items()}, "")
        own = support(r.business.lines, lines, lib, shipped.projections)
        here = shipped.logits(features(texts, vectors, own, lib, shipped.projections))
        gaps.append(float(np.abs(here - there).max()))
    print(f"numpy against torch: {gaps[0]:.1e}; in int8 {gaps[1]:.2f}")
    if gaps[0] > 1e-4:
        sys.exit("the shipped arithmetic differs from training's")


if __name__ == "__main__":
    main()
