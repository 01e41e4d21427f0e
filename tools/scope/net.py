"""The nets in torch, the same arithmetic as guardproxy.detectors.scope_model.features, batched."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from guardproxy.detectors.scope_model.features import (
    ALONE,
    DOES,
    EXAMPLE,
    REFUSE,
    RELATION,
    SHARP,
    TOPIC,
)
from guardproxy.detectors.scope_model.library import Library
from tools.scope.table import Ready, Side

SPACE, OWN_VIEW, HIDDEN = 96, 32, (96, 48)  # sizes: more gave nothing, less lost recall
DROP = 0.2
SMOOTH = 0.003  # labels are right but for a few; more would flatten the top of the scale
OUTPUTS = 2  # is it general work? is it somebody else's business?
BUSINESSES, QUERIES = 20, 44  # of one step; half of the queries are fair
FORM = 10
PUBLIC = float(__import__("os").environ.get("PUB", "0.4"))
ELSEWHERE = ("other", "elsewhere", "same")


@dataclass(slots=True)
class Batch:
    """Some texts of some businesses, padded: B businesses, N texts, S lines."""

    lines: list[torch.Tensor]  # per encoder [B, S, d]
    mask: torch.Tensor  # [B, N, S] lines that count for a text
    group: torch.Tensor  # [B, S]
    sides: list["Picked"]
    y: torch.Tensor  # [B, N, OUTPUTS]
    weight: torch.Tensor  # the same: 0 where an output has no say


@dataclass(slots=True)
class Picked:
    """The same rows of one side."""

    vectors: list[torch.Tensor]  # per encoder [B, N, d]
    near: list[torch.Tensor]  # per encoder [B, N, S]
    fixed: list[torch.Tensor]
    form: torch.Tensor
    has: torch.Tensor  # [B, N, 1]: whether there is a text at all


def pool(similar: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Max, mean of three, attended similarity of the masked lines; zeros where there are none."""
    some = mask.any(dim=-1, keepdim=True)
    held = similar.masked_fill(~mask, -9.0)
    count = min(3, similar.shape[-1])
    top = held.topk(count, dim=-1).values
    there = top > -8.0
    mean = (top * there).sum(-1) / there.sum(-1).clamp(min=1)
    share = torch.softmax(SHARP * held, dim=-1)
    soft = (share * similar * mask).sum(-1)
    return torch.stack([top[..., 0], mean, soft], dim=-1) * some


class ScopeNet(nn.Module):
    """One side: `sides` 1 for questions, 2 for an answer and its question."""

    def __init__(self, dims: Sequence[int], lib: Library, sides: int) -> None:
        super().__init__()
        total = sum(dims)
        self.space = nn.Linear(total, SPACE, bias=False)
        nn.init.normal_(self.space.weight, std=total**-0.5)
        self.alone = nn.Linear(total, OWN_VIEW)
        spaces = len(dims) + 1
        width = spaces * 22 + SPACE + OWN_VIEW + FORM
        self.width = width if sides == 1 else 2 * width + 1 + spaces
        # its mean and spread are those of the last fifty batches or so
        self.norm = nn.BatchNorm1d(self.width, affine=False, momentum=0.02)
        sizes = [self.width, *HIDDEN, OUTPUTS]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.general = [torch.tensor(v) for v in lib.general]
        self.fair = [torch.tensor(v) for v in lib.fair]

    def into(self, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        return functional.normalize(self.space(torch.cat(list(parts), dim=-1)), dim=-1)

    def seen(self, batch: Batch, side: Picked) -> torch.Tensor:
        """The features of one side [B, N, width]."""
        kinds = [batch.group[:, None, :] == k for k in (EXAMPLE, TOPIC, DOES, REFUSE)]
        own = (batch.group < REFUSE)[:, None, :]
        masks = [batch.mask & m for m in (own, *kinds)]
        columns = []
        for near, fixed in zip(side.near, side.fixed):
            columns += [pool(near, m) for m in masks]
            columns.append(fixed)
        text, lines = self.into(side.vectors), self.into(batch.lines)
        general, fair = self.into(self.general), self.into(self.fair)
        near = text @ lines.transpose(1, 2)
        columns += [side.form, *(pool(near, m) for m in masks)]
        to_general, to_fair = text @ general.T, text @ fair.T
        every = torch.ones(1, dtype=torch.bool)
        columns += [pool(to_fair, every.expand_as(to_fair)),
                    pool(to_general, every.expand_as(to_general))]  # fmt: skip
        held = (general @ lines.transpose(1, 2)).masked_fill(~own, -9.0)  # [B, G, S]
        fairness = held.max(dim=-1).values[:, None, :]
        columns.append((torch.softmax(SHARP * to_general, dim=-1) * fairness).sum(-1, keepdim=True))
        share = torch.softmax(SHARP * near.masked_fill(~masks[0], -9.0), dim=-1)
        attended = share @ lines
        joined = torch.cat(list(side.vectors), dim=-1)
        columns += [RELATION * text * attended, torch.relu(self.alone(joined) * ALONE)]
        return torch.cat(columns, dim=-1)

    def inputs(self, batch: Batch) -> torch.Tensor:
        mine = self.seen(batch, batch.sides[0])
        if len(batch.sides) == 1:
            return mine
        other = batch.sides[1]
        theirs, has = self.seen(batch, other), other.has
        both = [(a * q).sum(-1, keepdim=True)
                for a, q in zip(batch.sides[0].vectors, other.vectors)]  # fmt: skip
        both.append(
            (self.into(batch.sides[0].vectors) * self.into(other.vectors)).sum(-1, keepdim=True)
        )
        return torch.cat([mine, theirs * has, has, torch.cat(both, dim=-1) * has], dim=-1)

    def forward(self, batch: Batch) -> torch.Tensor:
        x = self.norm(self.inputs(batch).flatten(0, 1))
        drop = nn.functional.dropout
        x = drop(x, DROP, self.training)
        for layer in self.layers[:-1]:
            x = drop(torch.relu(layer(x)), DROP, self.training)
        return self.layers[-1](x).view(*batch.y.shape)


def picked(side: Side, rows: torch.Tensor, most: int, has: torch.Tensor) -> Picked:
    """Rows of a side, lines padded to `most`."""
    pad = lambda t: functional.pad(t[rows], (0, most - t.shape[1]))
    return Picked([v[rows] for v in side.vectors], [pad(n) for n in side.near],
                  [f[rows] for f in side.fixed], side.form[rows], has[:, None])  # fmt: skip


def stacked(parts: Sequence[Picked]) -> Picked:
    """One side of several businesses."""
    join = lambda lists: [torch.stack(list(same)) for same in zip(*lists)]
    return Picked(join([p.vectors for p in parts]), join([p.near for p in parts]),
                  join([p.fixed for p in parts]), torch.stack([p.form for p in parts]),
                  torch.stack([p.has for p in parts]))  # fmt: skip


def batch_of(chosen: Sequence[tuple[Ready, list[int], torch.Tensor]], sides: int,
             rng: random.Random | None) -> Batch:  # fmt: skip
    """Rows of businesses; with `rng` their lines and questions are thinned out, as owners differ."""
    most = max(len(r.group) for r, _, _ in chosen)
    lines, masks, groups, ys, ws = [], [], [], [], []
    one, two = [], []
    for r, rows, keep in chosen:
        index = torch.tensor(rows)
        pad = most - len(r.group)
        mask = functional.pad(keep, (0, pad)).expand(len(rows), most).clone()
        items = r.business.queries if sides == 1 else r.business.answers
        for n, row in enumerate(rows):
            if sides == 1 and items[row].skip >= 0:
                mask[n, items[row].skip] = False
        lines.append([functional.pad(v, (0, 0, 0, pad)) for v in r.lines])
        masks.append(mask)
        groups.append(functional.pad(r.group, (0, pad), value=9))
        ys.append(torch.tensor([[float(items[row].off)] * OUTPUTS for row in rows]))
        ws.append(torch.tensor([_weights(items[row]) for row in rows]))
        there = torch.ones(len(rows))
        if sides == 1:
            one.append(picked(r.questions, index, most, there))
            continue
        has = torch.tensor([float(bool(items[row].question)) for row in rows])
        if rng is not None:
            has *= torch.tensor([float(rng.random() > 0.25) for _ in rows])
        one.append(picked(r.answers, index, most, there))
        two.append(picked(r.asked, index, most, has))
    every = [torch.stack(list(same)) for same in zip(*lines)]
    both = [stacked(one)] + ([stacked(two)] if two else [])
    return Batch(every, torch.stack(masks), torch.stack(groups), both, torch.stack(ys),
                 torch.stack(ws))  # fmt: skip


def _weights(item) -> list[float]:
    """How much each output learns from a row. Lines of other businesses are not general work, and
    what is general work says little about whose business a line is; near misses are both.
    """
    if not item.off:
        return [item.weight, item.weight]
    if item.kind in ELSEWHERE:
        return [0.0, 2 * item.weight]
    return [item.weight, item.weight if item.kind == "near_miss" else 0.15 * item.weight]


def thinned(r: Ready, rng: random.Random) -> torch.Tensor:
    """Which lines of a business an owner might have written: some examples, most topics."""
    keep = torch.ones(len(r.group), dtype=torch.bool)
    examples = [i for i, g in enumerate(r.group.tolist()) if g == EXAMPLE]
    shown = rng.randint(min(4, len(examples)), len(examples)) if examples else 0
    if rng.random() < 0.2 and len(examples) < len(keep):
        shown = 0  # an owner who wrote topics only, or examples in another language
    for i in rng.sample(examples, len(examples) - shown):
        keep[i] = False
    for i, g in enumerate(r.group.tolist()):
        chance = {TOPIC: 0.15, DOES: 0.1, REFUSE: 0.3}.get(g, 0)
        if rng.random() < chance:
            keep[i] = False
    return keep if bool(keep[r.group < REFUSE].any()) else torch.ones_like(keep)


def fit(all_of: Sequence[Ready], lib: Library, *, sides: int, steps: int, seed: int,
        quiet: bool = False) -> ScopeNet:  # fmt: skip
    """Train a net. Deterministic for a seed on one thread."""
    rng = random.Random(seed)
    torch.manual_seed(seed)
    net = ScopeNet([v.shape[1] for v in lib.centre], lib, sides)
    best = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.02)
    pace = torch.optim.lr_scheduler.OneCycleLR(best, 2e-3, total_steps=steps, pct_start=0.2)
    ours = [r for r in all_of if r.business.own and (sides == 1 or r.answers)]
    others = [r for r in all_of if not r.business.own] if sides == 1 else []
    started, mean = time.time(), 0.0
    for step in range(steps):
        chosen = []
        for _ in range(BUSINESSES):
            r = rng.choice(others if others and rng.random() < PUBLIC else ours)
            chosen.append((r, _rows(r, sides, rng), thinned(r, rng)))
        batch = batch_of(chosen, sides, rng)
        logits = net(batch)
        loss = functional.binary_cross_entropy_with_logits(
            logits, batch.y * (1 - 2 * SMOOTH) + SMOOTH, reduction="none"
        )
        loss = (loss * batch.weight).sum() / batch.weight.sum()
        best.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        best.step()
        pace.step()
        mean = loss.item() if step == 0 else 0.98 * mean + 0.02 * loss.item()
        if not quiet and step % 300 == 299:
            print(
                f"    step {step + 1}: loss {mean:.4f}, {time.time() - started:.0f} s", flush=True
            )
    return net.eval()


def _rows(r: Ready, sides: int, rng: random.Random) -> list[int]:
    """Half fair, half off, with repetition where there are few."""
    items = r.business.queries if sides == 1 else r.business.answers
    fair = [i for i, item in enumerate(items) if not item.off]
    off = [i for i, item in enumerate(items) if item.off]
    half = QUERIES // 2 if sides == 1 else 10
    draw = lambda some: rng.sample(some, half) if len(some) >= half else rng.choices(some, k=half)
    return draw(fair) + draw(off)


def every(r: Ready, sides: int) -> list[int]:
    """All rows of a business."""
    return list(range(len(r.business.queries if sides == 1 else r.business.answers)))


def whole(r: Ready) -> torch.Tensor:
    """All lines of a business."""
    return torch.ones(len(r.group), dtype=torch.bool)


def scores(nets: Sequence[ScopeNet], r: Ready, sides: int) -> np.ndarray:
    """What a committee says of all rows of a business, shape (rows, OUTPUTS)."""
    batch = batch_of([(r, every(r, sides), whole(r))], sides, None)
    with torch.no_grad():
        return np.mean([net(batch)[0].numpy() for net in nets], axis=0)


def arrays(net: ScopeNet, member: int) -> dict[str, np.ndarray]:
    """A net's numbers by the names of the head file."""
    parts = {
        "space": net.space.weight.T, "alone": net.alone.weight.T, "alone_bias": net.alone.bias,
        "mean": net.norm.running_mean,
        "scale": 1 / torch.sqrt(net.norm.running_var + net.norm.eps),
    }  # fmt: skip
    for i, layer in enumerate(net.layers):
        parts |= {f"layer{i}": layer.weight.T, f"bias{i}": layer.bias}
    return {f"{member}_{name}": part.detach().numpy() for name, part in parts.items()}
