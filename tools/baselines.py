"""What length alone and bare cosine similarity would give: `python -m tools.baselines --policies
DIR ROWS.jsonl` prints AUROC, macro over policies, of the customers' rows.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path

from guardproxy.detectors.scope_model.encoder import UseEncoder
from guardproxy.policy.load import load_policy, policy_files
from guardproxy.rehearsal.figures import auroc


def main() -> None:
    """Print both."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--policies", type=Path, required=True)
    ask.add_argument("rows", type=Path)
    args = ask.parse_args()
    encoder = UseEncoder()
    own = {}
    for path in policy_files([args.policies]):
        policy = load_policy(path)
        lines = [*policy.examples, *(x for t in policy.topics for x in (t.about, *t.examples))]
        own[policy.name] = encoder.encode([*lines, policy.business.does])
    groups = defaultdict(list)
    for line in args.rows.open(encoding="utf-8"):
        row = json.loads(line)
        if row["direction"] == "user" and row["kind"] != "handoff":
            groups[row["policy"]].append(row)
    for name in ("length", "cosine"):
        found = []
        for policy, rows in groups.items():
            if name == "length":
                scores = [float(len(row["text"])) for row in rows]
            else:
                near = encoder.encode([row["text"] for row in rows]) @ own[policy].T
                scores = (-near.max(axis=1)).tolist()
            off = [s for s, row in zip(scores, rows, strict=True) if row["label"] == "off_scope"]
            fair = [s for s, row in zip(scores, rows, strict=True) if row["label"] != "off_scope"]
            found.append(auroc(off, fair) or 0.0)
        print(f"{name}: AUROC {sum(found) / len(found):.3f}")


if __name__ == "__main__":
    main()
