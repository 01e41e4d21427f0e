"""Turns business cards and labelled rows into policies and `guardproxy eval` rows.

`python tools/cards.py CARDS.json ROWS.jsonl OUT [--direction user]` writes OUT/policies/*.yaml and
OUT/rows.jsonl.
"""

import argparse
import json
from pathlib import Path

import yaml

from guardproxy.policy.packs import languages


def policy(card: dict) -> dict:
    """A card as a policy file: nothing is added that its author did not say."""
    known = [code for code in card["languages"] if code in languages()]
    native = [line for lines in card.get("examples_ml", {}).values() for line in lines]
    refuse = {f"r{i}": {"about": text} for i, text in enumerate(card.get("refuse_topics", ()))}
    return {
        "version": 1,
        "name": card["id"].replace(".", "-").lower(),
        "languages": known or ["en"],
        "business": {"name": card["name"], "does": card["description"]},
        "scope": {
            "examples": [*card["examples"], *native],
            "topics": {f"t{i}": {"about": text, "examples": []}
                       for i, text in enumerate(card["allowed_topics"])},
            "refuse": refuse,
        },
        "escalation": {"default": "phone", "channels": {"phone": {"kind": "phone", "to": "+44 20 7946 0000"}}},
    }  # fmt: skip


def main() -> None:
    """Write both."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("cards", type=Path)
    ask.add_argument("rows", type=Path)
    ask.add_argument("out", type=Path)
    ask.add_argument("--direction", choices=("user", "assistant"))
    args = ask.parse_args()
    folder = args.out / "policies"
    folder.mkdir(parents=True, exist_ok=True)
    for card in json.loads(args.cards.read_text("utf-8")):
        text = yaml.safe_dump(policy(card), allow_unicode=True, sort_keys=False)
        (folder / f"{card['id']}.yaml").write_text(text, "utf-8")
    with (args.out / "rows.jsonl").open("w", encoding="utf-8") as out:
        for line in args.rows.open(encoding="utf-8"):
            row = json.loads(line)
            if args.direction in (None, row["direction"]):
                row["policy"] = row.pop("business_id").replace(".", "-").lower()
                out.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
