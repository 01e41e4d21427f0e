"""Trains e5's adapter: `python -m tools.train_adapter`, most of an hour on one core.

Reads data/businesses and data/general. Writes adapter.npz beside the scope model, and the vectors
of every text of the corpus into the cache from which tools.train_scope reads them. The upper four
layers learn low-rank additions; what they learn for is thrown away: whether a text is general work
whoever is asked, whether it is beside a business's own lines, which kind it is, whose it is, and
the same for answers. Deterministic. Needs torch (CPU), at training time only.
"""

import argparse
import math
import random
import re
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from guardproxy.detectors.scope_model import encoder as encoders
from guardproxy.detectors.scope_model import library as libraries
from guardproxy.detectors.scope_model.e5 import E5
from tools.scope import corpus, table
from tools.scope.episodes import Asked, Dealer, Episode, Told
from tools.scope.states import States
from tools.scope.upper import Upper

PACKAGE = Path("guardproxy/detectors/scope_model")
START = 8  # the first layer that is trained: from six on it costs half as much again for little
WIDTH = 384
SEED = 11
LEFT = table.CACHE / "adapter.pt"  # where a run can be taken up again
# How much a text weighs: the hard pairs most
ALONE = {"sounds_like": 2.5, "laundered": 1.5, "riders": 1.2, "near_miss": 0.8, "short": 0.7,
         "other": 0.5, "lib_plain": 0.6, "lib_disguised": 1.0, "lib_long": 0.6}  # fmt: skip
BESIDE = {"sounds_like": 2.5, "lines": 1.5, "laundered": 1.3, "complaints": 1.2, "person": 1.2}
ELSEWHERE = {"lines": 0.25, "sounds_like": 0.25, "laundered": 0.1, "near_miss": 0.1,
             "general": 0.1, "lib_plain": 0.15, "lib_disguised": 0.15, "lib_long": 0.15}  # fmt: skip
OF_OTHERS = 0.15  # weight of what is answered elsewhere


class Witnesses(nn.Module):
    """What the vectors are asked in training."""

    def __init__(self, kinds: list[str]) -> None:
        super().__init__()
        self.kinds = {kind: n for n, kind in enumerate(kinds)}
        self.alone = nn.Linear(WIDTH, 3)  # off scope, asks for a person, complains
        self.kind = nn.Linear(WIDTH, len(kinds))
        self.beside = _small_net(7 + 2 * WIDTH)
        self.said_alone = nn.Linear(WIDTH, 1)
        self.said_beside = _small_net(12 + 4 * WIDTH)
        self.sharp = nn.Parameter(torch.tensor(2.0))
        self.warm = nn.Parameter(torch.tensor(2.5))
        self.centre = nn.Parameter(torch.zeros(WIDTH))

    def centred(self, vectors: torch.Tensor) -> torch.Tensor:
        """Unit vectors from the common centre."""
        return functional.normalize(functional.normalize(vectors, dim=1) - self.centre, dim=1)

    def attended(self, near: torch.Tensor, lines: torch.Tensor) -> torch.Tensor:
        """The lines each text is near, mixed."""
        return torch.softmax(near * self.sharp.exp(), dim=1) @ lines


def _small_net(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 1))


def losses(one: Episode, upper: Upper, see: Witnesses, states: States, rng: random.Random):
    """The step's losses, to be added."""
    support = [line for lines in one.support for line in lines]
    questions = [t.question for t in one.told if t.question]
    texts = [*support, *(a.text for a in one.asked), *questions, *(t.text for t in one.told)]
    v = see.centred(upper(states.of(texts)))
    sizes = len(support), len(one.asked), len(questions), len(one.told)
    lines, asked, put, said = torch.split(v, sizes)
    owned = torch.split(lines, [len(some) for some in one.support])
    put = torch.cat([put, put.new_zeros(len(said) - len(put), WIDTH)])  # library answers have none
    return (
        *_alone(one.asked, asked, see),
        *_beside(one, asked, owned, see),
        *_told(one.told, said, put, owned, see, rng),
    )


def _alone(asked: list[Asked], v: torch.Tensor, see: Witnesses):
    """What a text is, whoever is asked."""
    out = see.alone(8 * v)
    off = torch.tensor([float(a.off and a.kind != "other") for a in asked])  # other: fair elsewhere
    weight = torch.tensor([ALONE.get(a.kind, 1.0) for a in asked])
    person = torch.tensor([float(a.kind == "person") for a in asked])
    angry = torch.tensor([float(a.kind == "complaints") for a in asked])
    general = [n for n, a in enumerate(asked) if a.general]
    kind = torch.tensor([see.kinds[asked[n].general] for n in general])
    judged = functional.binary_cross_entropy_with_logits
    return (
        1.5 * _weighed(out[:, 0], off, weight),
        0.5 * judged(out[:, 1], person) + 0.35 * judged(out[:, 2], angry),
        0.25 * functional.cross_entropy(see.kind(12 * v[general]), kind),
    )


def _beside(one: Episode, v: torch.Tensor, owned, see: Witnesses):
    """What a text is beside each business, and whose it is."""
    rows, off, weight, likeness = [], [], [], []
    for n, lines in enumerate(owned):
        near, examples = v @ lines.T, one.examples[n]
        mixed = see.attended(near, lines)
        likeness.append((v * functional.normalize(mixed, dim=1)).sum(1))
        weights = [_beside_weight(one, a, n) for a in one.asked]
        keep = [i for i, w in enumerate(weights) if w]
        to_examples, to_topics = near[:, :examples], near[:, examples:-1]
        best = lambda m: m.max(1).values
        three = to_examples.topk(min(3, examples), 1).values.mean(1)
        columns = [best(to_examples), three, to_examples.mean(1), best(to_topics), near[:, -1],
                   best(near), (v * mixed).sum(1)]  # fmt: skip
        rows.append(torch.cat([3 * torch.stack(columns, 1), 4 * v, 8 * v * mixed], 1)[keep])
        off += [float(one.asked[i].off or one.asked[i].owner != n) for i in keep]
        weight += [weights[i] for i in keep]
    found = see.beside(torch.cat(rows))[:, 0]
    fair = [i for i, a in enumerate(one.asked) if a.owner >= 0 and not a.off]
    whose = torch.tensor([one.asked[i].owner for i in fair])
    each = torch.stack(likeness, 1)[fair] * see.warm.exp()
    return (
        1.5 * _weighed(found, torch.tensor(off), torch.tensor(weight)),
        0.3 * functional.cross_entropy(each, whose),
    )


def _beside_weight(one: Episode, asked: Asked, business: int) -> float:
    """How much a text says about a business of the step; lines of its own trade say nothing."""
    if asked.owner == business:
        return BESIDE.get(asked.kind, 1.0)
    if asked.owner >= 0 and one.trades[asked.owner] == one.trades[business]:
        return 0.0
    return ELSEWHERE.get(asked.kind, 0.0)


def _told(told: list[Told], v: torch.Tensor, put: torch.Tensor, owned, see: Witnesses, rng):
    """What an answer is, alone, and beside its question and the business."""
    off = torch.tensor([float(t.off) for t in told])
    weight = torch.tensor([1.0 if t.owner >= 0 else 0.6 for t in told])
    rows, beside, weights = [], [], []
    for n, lines in enumerate(owned):
        keep = [i for i, t in enumerate(told) if t.owner in (n, -1) or t.off]
        shown = torch.tensor([float(bool(told[i].question) and rng.random() > 0.2) for i in keep])
        answer, question = v[keep], put[keep] * shown[:, None]
        columns = [*_near(answer, lines, see)]
        mixed = see.attended(answer @ lines.T, lines)
        columns += [c * shown for c in _near(question, lines, see)]
        columns += [shown, (answer * question).sum(1)]
        parts = [3 * torch.stack(columns, 1), 4 * answer, 8 * answer * mixed, 4 * question]
        rows.append(torch.cat([*parts, 8 * answer * question], 1))
        beside += [float(told[i].off) for i in keep]
        weights += [1.0 if told[i].owner == n else OF_OTHERS for i in keep]
    found = see.said_beside(torch.cat(rows))[:, 0]
    return (
        0.5 * _weighed(see.said_alone(8 * v)[:, 0], off, weight),
        1.2 * _weighed(found, torch.tensor(beside), torch.tensor(weights)),
    )


def _near(v: torch.Tensor, lines: torch.Tensor, see: Witnesses) -> list[torch.Tensor]:
    """How near texts are to a business's lines: five numbers."""
    near = v @ lines.T
    mixed = see.attended(near, lines)
    return [near.max(1).values, near.topk(3, 1).values.mean(1), near.mean(1), near[:, -1],
            (v * mixed).sum(1)]  # fmt: skip


def _weighed(found: torch.Tensor, wanted: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """The weighed mean of the losses of single rows."""
    each = functional.binary_cross_entropy_with_logits(found, wanted, reduction="none")
    return (each * weight).sum() / weight.sum()


def fit(upper: Upper, see: Witnesses, deal: Dealer, states: States, steps: int) -> None:
    """Train both; a warm start of 30 steps, then a cosine down to a twentieth."""
    rng = random.Random(SEED)
    low = [p for n, p in upper.named_parameters() if n.endswith((".down", ".up"))]
    rest = [p for n, p in upper.named_parameters() if not n.endswith((".down", ".up"))]
    groups = [(low, 2e-3), ([*rest, see.centre], 1e-3),
              ([p for n, p in see.named_parameters() if n != "centre"], 3e-3)]  # fmt: skip
    best = torch.optim.AdamW([{"params": p, "lr": r} for p, r in groups], weight_decay=0.01)
    pace = torch.optim.lr_scheduler.LambdaLR(
        best,
        lambda n: min(1, (n + 1) / 30) * (0.05 + 0.475 * (1 + math.cos(math.pi * n / steps))),
    )
    seen, started = [], time.time()
    for step in range(steps):
        parts = losses(deal.deal(), upper, see, states, rng)
        best.zero_grad()
        sum(parts).backward()
        nn.utils.clip_grad_norm_([*upper.parameters(), *see.parameters()], 1.0)
        best.step()
        pace.step()
        seen.append([part.item() for part in parts])
        if step % 100 == 99:
            torch.save({"upper": upper.state_dict(), "see": see.state_dict()}, LEFT)
        if step % 20 == 19:
            told = " ".join(f"{x:.3f}" for x in np.mean(seen[-20:], axis=0))
            print(f"step {step + 1}, {time.time() - started:.0f} s: {told}", flush=True)


def main() -> None:
    """Train, write the adapter, encode the corpus with it."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--utterances", type=Path, help="only to encode them, too")
    ask.add_argument("--without", default="", help="leave out trades that match (a regex)")
    ask.add_argument("--steps", type=int, default=800)
    ask.add_argument("--go-on", action="store_true", help="from where the last run ended")
    ask.add_argument("--out", type=Path, default=PACKAGE / "adapter.npz")
    args = ask.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    rng = random.Random(SEED)
    every, library = corpus.businesses(), corpus.general()
    ours = [b for b in every if not args.without
            or not re.search(args.without, f"{b.group} {b.id}", re.IGNORECASE)]  # fmt: skip
    model = E5(encoders.e5_weights(), {})
    texts = table.texts_of(every) | {g.text for g in library}
    states = States(model, START, texts)
    upper = Upper(model, START)
    see = Witnesses(sorted({g.kind for g in library}))
    sample = rng.sample(sorted(t for t in texts if t.strip()), 400)  # enough for a mean
    with torch.no_grad():
        see.centre.copy_(torch.from_numpy(upper.vectors(states.of(sample)).mean(axis=0)))
    if args.go_on:
        left = torch.load(LEFT, weights_only=True)
        upper.load_state_dict(left["upper"])
        see.load_state_dict(left["see"])
    print(f"{len(ours)} businesses, {len(library)} lines of the library", flush=True)
    fit(upper, see, Dealer(ours, library, rng), states, args.steps)
    torch.save({"upper": upper.state_dict(), "see": see.state_dict()}, LEFT)
    np.savez_compressed(args.out, **upper.arrays())
    print(f"{args.out}: {args.out.stat().st_size / 1024:.0f} KiB")
    fair = [text for _, text in libraries.named(libraries.read_lines(), "fair")]
    public = corpus.utterances(args.utterances) if args.utterances else []
    keep = sorted(texts | set(public) | set(fair))
    digest = encoders.digest(args.out.read_bytes())
    table.keep(f"e5-{digest}", keep,
               upper.vectors(States(model, START, keep).of(keep)))  # fmt: skip


if __name__ == "__main__":
    main()
