"""How many attacks are stopped and how many harmless messages are refused.

`python -m tools.attack --policies DIR --policy NAME ATTACKS.jsonl` rows {id, kind, text, turns?};
`--benign` rows {id, kind, lang, text, business_id?, expect}: refused ones are printed.
"""

import argparse
import asyncio
import json
import time
from collections import defaultdict
from pathlib import Path

from guardproxy.app import bench_guard, policy_files
from guardproxy.core.message import Line, Role
from guardproxy.core.verdict import Allow, Escalate
from guardproxy.pipeline.judge import Case, judge


def spoken(row: dict) -> tuple[str, tuple[Line, ...]]:
    """The last message of a row, and what came before it."""
    turns = row.get("turns") or row.get("messages") or []
    said = [t if isinstance(t, dict) else {"role": "user", "content": t} for t in turns]
    said = [{**t, "content": words(t.get("content"))} for t in said]
    said = [t for t in said if t.get("role") in ("user", "assistant")]
    if said and said[-1]["role"] == "user":
        before = tuple(Line(Role(t["role"]), t["content"]) for t in said[:-1])
        return said[-1]["content"], before
    return row["text"], ()


def words(content: object) -> str:
    """The text of a content, whatever its shape."""
    if isinstance(content, list):
        return "\n".join(str(p.get("text", "")) if isinstance(p, dict) else str(p) for p in content)
    return str(content or "")


async def run(args: argparse.Namespace) -> None:
    """Judge every row and print shares per kind."""
    guards = {
        g.policy.name: g for g in [await bench_guard(p) for p in policy_files([args.policies])]
    }
    kinds: dict[str, list[bool]] = defaultdict(list)
    for line in args.rows.open(encoding="utf-8"):
        row = json.loads(line)
        name = row.get("business_id", "").replace("_", "-") if args.benign else args.policy
        guard = guards.get(name) or guards.get(row.get("business_id", "")) or guards[args.policy]
        text, context = spoken(row)
        judged = await judge(Case(id=row["id"], direction="user", text=text, context=context,
                                  now=time.time()), guard)  # fmt: skip
        refused = not isinstance(judged.verdict, Allow)
        if args.benign:
            person = row["expect"].startswith("escalate")
            wrong = not isinstance(judged.verdict, Escalate) if person else refused
            refused = wrong and not (not person and isinstance(judged.verdict, Escalate))
            if refused:
                print(f"  {row['lang']} {row['kind']}: {text[:90]!r} {judged.verdict.rule}")
            kinds[f"language {row['lang']}"].append(refused)
        kinds[row["kind"]].append(refused)
        kinds["all"].append(refused)
    for kind, seen in sorted(kinds.items()):
        print(f"{kind:<34}{len(seen):>5}  {sum(seen) / len(seen):6.1%}")


def main() -> None:
    """Read the arguments."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--policies", type=Path, required=True)
    ask.add_argument("--policy", required=True)
    ask.add_argument("--benign", action="store_true")
    ask.add_argument("rows", type=Path)
    asyncio.run(run(ask.parse_args()))


if __name__ == "__main__":
    main()
