"""What a judge adds: `python -m tools.judged --policies DIR ROWS.jsonl`.

Simulates a judge that errs in a share of cases, independently of how hard they are, on the local
scores of labelled rows: for each share of live traffic it may read, how much off scope is stopped
when 1 % of fair messages are refused. Both thresholds are put where that holds on these rows.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from guardproxy.core.message import Line, Role
from guardproxy.detectors.scope_model.model import ScopeModel
from guardproxy.policy.load import load_policy, policy_files

LIVE_OFF = 0.05  # share of off-scope messages in live traffic
REFUSED = 0.01  # share of fair messages refused in the end
SHARES = (0, 0.02, 0.04, 0.08, 0.16)


def stopped(off: np.ndarray, fair: np.ndarray, share: float, error: float) -> float:
    """The share of `off` stopped when the judge reads `share` of live traffic."""
    best = 0.0
    for high in np.quantile(fair, np.linspace(0.985, 1, 61)):
        refused = (fair >= high).mean()
        low = high
        for candidate in np.quantile(fair, np.linspace(0.98, 0.5, 97)):
            judged = (1 - LIVE_OFF) * ((fair >= candidate) & (fair < high)).mean()
            judged += LIVE_OFF * ((off >= candidate) & (off < high)).mean()
            wrong = error * ((fair >= candidate) & (fair < high)).mean()
            if judged > share or refused + wrong > REFUSED:
                break
            low = min(low, candidate)
        if refused <= REFUSED:
            caught = (off >= high).mean() + (1 - error) * ((off >= low) & (off < high)).mean()
            best = max(best, float(caught))
    return best


def main() -> None:
    """Print the table."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--policies", type=Path, required=True)
    ask.add_argument("--error", type=float, default=0.05)
    ask.add_argument("--encoders", default="auto")
    ask.add_argument("rows", type=Path)
    args = ask.parse_args()
    model = ScopeModel.open(args.encoders)
    scopes = {p.name: model.prepare(p) for p in map(load_policy, policy_files([args.policies]))}
    scores: dict[bool, list[float]] = {True: [], False: []}
    for line in args.rows.open(encoding="utf-8"):
        row = json.loads(line)
        if row["direction"] == "user" and row["kind"] != "handoff":
            context = tuple(Line(Role(c["role"]), c["content"]) for c in row.get("context") or ())
            reading = scopes[row["policy"]].question(row["text"], context)
            scores[row["label"] == "off_scope"].append(reading.score)
    off, fair = np.array(scores[True]), np.array(scores[False])
    for share in SHARES:
        caught = stopped(off, fair, share, args.error)
        print(f"judge reads {share:4.0%} of live traffic: {caught:.1%} stopped at {REFUSED:.0%}")


if __name__ == "__main__":
    main()
