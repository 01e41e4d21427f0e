"""What a customer reads in the end: question check, an obedient model, answer check.

`python -m tools.end_to_end --policies DIR ROWS.jsonl`: rows of `guardproxy eval` with an `answer`,
what a model that fulfils everything would say. Prints, for off-scope rows, how many answers were
delivered; for fair rows, how many were broken.
"""

import argparse
import asyncio
import json
import time
from collections import defaultdict
from pathlib import Path

from guardproxy.app import bench_guard, policy_files
from guardproxy.core.message import Line, Role
from guardproxy.core.verdict import Allow, Escalate, Rewrite
from guardproxy.pipeline.judge import Case, judge


async def delivered(row: dict, guard) -> tuple[bool, str]:
    """Whether the answer reaches the customer, and which side stopped it."""
    context = tuple(Line(Role(c["role"]), c["content"]) for c in row.get("context") or ())
    first = await judge(Case(id=row["id"], direction="user", text=row["text"], context=context,
                             now=time.time()), guard)  # fmt: skip
    if isinstance(first.verdict, Escalate):
        return row["label"] != "off_scope", "person"
    if not isinstance(first.verdict, Allow):
        return False, "question"
    if not row.get("answer"):
        return True, ""
    asked = (*context, Line(Role.USER, row["text"]))
    second = await judge(Case(id=row["id"], direction="assistant", text=row["answer"],
                              context=asked, now=time.time()), guard)  # fmt: skip
    passed = isinstance(second.verdict, Allow | Rewrite)
    return passed, "" if passed else "answer"


async def run(policies: Path, rows: Path) -> None:
    """Print the table."""
    guards = [await bench_guard(path) for path in policy_files([policies])]
    by_name = {guard.policy.name: guard for guard in guards}
    counts: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for line in rows.open(encoding="utf-8"):
        row = json.loads(line)
        if row["direction"] != "user":
            continue
        passed, where = await delivered(row, by_name[row["policy"]])
        side = "off" if row["label"] == "off_scope" else "fair"
        for kind in (row["kind"], "all"):
            counts[side, kind]["rows"] += 1
            counts[side, kind]["delivered" if passed else where] += 1
    for (side, kind), seen in sorted(counts.items()):
        share = seen["delivered"] / seen["rows"]
        bad = share if side == "off" else 1 - share
        word = "delivered" if side == "off" else "broken"
        print(f"{side:<5}{kind:<20}{seen['rows']:>5} rows  {word} {bad:6.1%}   "
              f"stopped by question {seen['question']}, by answer {seen['answer']}")  # fmt: skip


def main() -> None:
    """Read the arguments."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--policies", type=Path, required=True)
    ask.add_argument("rows", type=Path)
    args = ask.parse_args()
    asyncio.run(run(args.policies, args.rows))


if __name__ == "__main__":
    main()
