"""Counts the corpus: `python -m tools.scope.count`."""

from collections import Counter

from tools.scope.corpus import DATA, read

SECTIONS = ("lines", "sounds_like", "short", "complaints", "person", "near_miss", "laundered",
            "riders", "general", "other", "answers", "drifted")  # fmt: skip


def main() -> None:
    """Print the figures of the data card."""
    files = [read(path) for path in sorted((DATA / "businesses").glob("*.yaml"))]
    languages = Counter(language for one in files for language in one["languages"])
    sections = {name: sum(len(one[name]) for one in files) for name in SECTIONS}
    print(f"businesses {len(files)}, trades {len({one['trade'] for one in files})}, "
          f"countries {len({one['country'] for one in files})}")  # fmt: skip
    print("languages ", ", ".join(f"{name} {count}" for name, count in languages.most_common()))
    print("lines     ", ", ".join(f"{name} {count}" for name, count in sections.items()))
    kinds = [read(path) for path in sorted((DATA / "general").glob("*.yaml"))]
    forms = Counter()
    for one in kinds:
        for form in ("plain", "long", "disguised", "answers"):
            forms[form] += sum(len(texts) for texts in one[form].values())
    print(f"general    {len(kinds)} kinds, ", ", ".join(f"{k} {n}" for k, n in forms.items()))


if __name__ == "__main__":
    main()
