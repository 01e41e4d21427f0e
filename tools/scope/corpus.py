"""The training material: our own businesses, the library of general requests, public utterances."""

import json
import random
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import yaml

DATA = Path("data")
EXAMPLE, TOPIC, DOES, REFUSE = range(4)  # as in guardproxy.detectors.scope_model.features

# Library kinds that are fair for a trade: the word is looked for in its trade and id.
FAIR_FOR = {
    "language": ("translation", "grammar_proofreading", "definitions_spelling"),
    "english": ("translation", "grammar_proofreading", "definitions_spelling"),
    "cook": ("cooking",), "meal": ("cooking", "nutrition_diet_plans"),
    "chef": ("nutrition_diet_plans",), "coding": ("code", "code_debug"),
    "career": ("cv_cover_letters", "emails_letters"),
    "translation": ("translation", "grammar_proofreading"),
    "copywrit": ("social_captions_hashtags", "names_and_slogans", "emails_letters",
                 "business_ideas_marketing"),
    "astrolog": ("astrology_dreams", "names_and_slogans"), "nutrition": ("nutrition_diet_plans",),
    "gym": ("fitness_plans",), "yoga": ("fitness_plans",), "tour": ("travel_tips_itineraries",),
    "travel": ("travel_tips_itineraries",), "trek": ("travel_tips_itineraries",),
    "concierge": ("travel_tips_itineraries",), "vet": ("pets_advice",), "pet": ("pets_advice",),
    "law": ("law_advice",), "tax": ("tax_advice",), "account": ("tax_advice",),
    "book": ("books_tips",), "librar": ("books_tips",), "cinema": ("films_series_tips",),
    "plumb": ("home_repair_diy",), "electric": ("home_repair_diy",),
    "hardware": ("home_repair_diy", "gardening"), "pharmacy": ("medical_symptoms",),
    "clinic": ("medical_symptoms",), "matern": ("parenting_advice", "medical_symptoms"),
    "umrah": ("religion_questions",), "flower": ("love_messages",), "football": ("sports_results",),
    "fantasy": ("sports_results",), "electronics": ("shopping_advice_gifts", "device_help_and_apps"),
    "phone": ("device_help_and_apps",), "toy": ("shopping_advice_gifts", "parenting_advice"),
    "jewel": ("shopping_advice_gifts",), "stock": ("money_investing",),
    "bank": ("money_investing",), "pension": ("money_investing",),
    "recruit": ("cv_cover_letters",), "counsel": ("mental_health_talk",),
    "tutor": ("homework_worksheets",), "hosting": ("web_design_html",), "music": ("music_tips",),
    "baby": ("parenting_advice",), "kindergarten": ("parenting_advice",),
    "wedding": ("speeches_toasts",), "fashion": ("shopping_advice_gifts",),
    "cosmetic": ("shopping_advice_gifts",),
}  # fmt: skip
# Trades that do general work for a living: what others must refuse may be theirs.
OPEN = ("language", "english", "cook", "meal", "coding", "career", "translation", "copywrit",
        "astrolog", "tutor", "counsel", "exchange")  # fmt: skip
SPOKEN = {"pcm": "en", "tl": "en", "ur-Latn": "hi-Latn", "taglish": "en"}  # close enough
# How much a line weighs in training: hard fair lines most, what rules catch anyway least.
FAIR = {"lines": 1.0, "sounds_like": 2.0, "complaints": 0.7, "person": 0.3}
OFF = {"near_miss": 1.0, "laundered": 1.5, "riders": 1.0, "general": 1.0, "other": 0.7}


@dataclass(frozen=True, slots=True)
class Query:
    """A text a customer writes: whether it is off scope, its weight, where it comes from. `skip`:
    the support line it is itself, which must not be compared with it.
    """

    text: str
    off: int
    weight: float
    kind: str
    skip: int = -1


@dataclass(frozen=True, slots=True)
class Said:
    """An answer a bot gives to a question."""

    question: str
    text: str
    off: int
    weight: float
    kind: str


@dataclass(slots=True)
class Business:
    """One training business."""

    id: str
    group: str  # its trade: folds keep a trade together
    lines: list[tuple[int, str]]  # support: (EXAMPLE, TOPIC, DOES or REFUSE, text)
    queries: list[Query] = field(default_factory=list)
    answers: list[Said] = field(default_factory=list)
    own: bool = True
    open: bool = False
    fair_kinds: frozenset[str] = frozenset()
    languages: frozenset[str] = frozenset({"en"})


@dataclass(frozen=True, slots=True)
class General:
    """One line of the library of general requests."""

    kind: str
    language: str
    form: str  # plain | long | disguised | answers
    text: str


def read(path: Path) -> dict:
    """A YAML file of texts."""
    return yaml.load(path.read_text("utf-8"), Loader=yaml.CBaseLoader)


def businesses(folder: Path = DATA / "businesses") -> list[Business]:
    """Our own businesses, by file name."""
    return [_business(read(path)) for path in sorted(folder.glob("*.yaml"))]


def _business(raw: dict) -> Business:
    """One file as a training business."""
    lines = [(EXAMPLE, text) for text in raw["examples"]]
    lines += [(TOPIC, text) for text in raw["topics"]] + [(DOES, raw["does"])]
    lines += [(REFUSE, text) for text in raw.get("refuse") or ()]
    name = f"{raw['trade']} {raw['id']}".lower()
    one = Business(raw["id"], raw["trade"].lower(), lines, open=any(w in name for w in OPEN))
    one.languages = frozenset(SPOKEN.get(tag, tag) for tag in raw["languages"])
    one.fair_kinds = frozenset(k for word, ks in FAIR_FOR.items() if word in name for k in ks)
    for key, weight in FAIR.items():
        one.queries += [Query(text, 0, weight, key) for text in raw[key]]
    one.queries += [Query(row["t"], 0, 0.4, "short") for row in raw["short"]]
    one.queries += [Query(text, 0, 1.0, "example", i) for i, text in enumerate(raw["examples"])]
    for key, weight in OFF.items():
        one.queries += [Query(text, 1, weight, key) for text in raw[key]]
    one.answers = [Said(r["q"], r["a"], 0, 1.0, "answer") for r in raw["answers"]]
    one.answers += [Said(r["q"], r["a"], 1, 1.0, "drifted") for r in raw["drifted"]]
    return one


def general(folder: Path = DATA / "general") -> list[General]:
    """The library of general requests."""
    found = []
    for path in sorted(folder.glob("*.yaml")):
        raw = read(path)
        for form in ("plain", "long", "disguised", "answers"):
            for language, texts in raw[form].items():
                found += [General(raw["kind"], language, form, text) for text in texts]
    return found


def archetypes(lines: list[General]) -> dict[str, list[str]]:
    """The lines the shipped library holds: the first plain one of each kind and language."""
    kinds: dict[str, list[str]] = defaultdict(list)
    seen = set()
    for line in lines:
        if line.form == "plain" and (line.kind, line.language) not in seen:
            seen.add((line.kind, line.language))
            kinds[line.kind].append(line.text)
    return dict(kinds)


def mix(ours: list[Business], lines: list[General], fair: list[str], rng: random.Random) -> None:
    """Give each business what others ask for, and what is general or always fair."""
    held = {text for texts in archetypes(lines).values() for text in texts}
    asked = [line for line in lines if line.form != "answers" and line.text not in held]
    told = [line for line in lines if line.form == "answers"]
    plain = {(line.kind, line.language): line.text for line in asked if line.form == "plain"}
    off = [(q, b) for b in ours if not b.open for q in b.queries
           if q.kind in ("near_miss", "laundered", "riders", "general")]  # fmt: skip
    lines_of = [(q.text, b) for b in ours for q in b.queries if q.kind == "lines"]
    persons = [q.text for b in ours for q in b.queries if q.kind == "person"]
    drifted = [(a, b) for b in ours if not b.open for a in b.answers if a.kind == "drifted"]
    said = [(a, b) for b in ours for a in b.answers if a.kind == "answer"]
    for one in ours:
        # off-scope lines in the business's own languages only: otherwise a language that nobody
        # there writes would be what gives them away
        mine = [g for g in asked if g.kind not in one.fair_kinds and g.language in one.languages]
        for g in rng.sample(mine, min(90, len(mine))):
            weight = 1.2 if g.form == "disguised" else 1.0
            one.queries.append(Query(g.text, 1, weight, f"lib_{g.form}"))
        one.queries += [Query(t, 0, 0.5, "always") for t in rng.sample(fair, min(24, len(fair)))]
        one.queries += [Query(t, 0, 0.3, "person") for t in rng.sample(persons, 6)]
        others = _of_others(one, lines_of, rng, 24)
        one.queries += [Query(t, 1, 0.25, "elsewhere") for t in others]
        answers = [g for g in told if g.kind not in one.fair_kinds and g.language in one.languages]
        one.answers += [
            Said(plain.get((g.kind, g.language), ""), g.text, 1, 0.8, "lib_answer")
            for g in rng.sample(answers, min(14, len(answers)))
        ]
        one.answers += [
            Said(a.question, a.text, 1, 0.3, "elsewhere") for a in _of_others(one, said, rng, 6)
        ]
        shorten(one, rng)
        if one.open:
            continue
        picked = _of_others(one, off, rng, 90)
        one.queries += [Query(q.text, 1, 0.8, f"cross_{q.kind}") for q in picked]
        one.answers += [
            Said(a.question, a.text, 1, 0.7, "cross_drifted")
            for a in _of_others(one, drifted, rng, 12)
        ]


def shorten(one: Business, rng: random.Random) -> None:
    """Short answers beside the long ones: bots answer in a line, too, and a line must not look
    fair for being short.
    """
    for said in list(one.answers):
        words = said.text.split()
        if said.kind in ("answer", "drifted", "lib_answer") and len(words) > 16:
            size = rng.randint(8, 14)
            start = rng.randint(2, len(words) - size)  # past "Sure! Here it is"
            text = " ".join(words[start : start + size])
            one.answers.append(Said(said.question, text, said.off, 0.5 * said.weight, "piece"))


def _of_others(one: Business, pool: list, rng: random.Random, most: int) -> list:
    """Some of what belongs to other trades in the same languages."""
    near = [item for item, b in pool if b.group != one.group and b.languages <= one.languages]
    if len(near) < most:
        near = [i for i, b in pool if b.group != one.group and b.languages & one.languages]
    return rng.sample(near, min(most, len(near)))


def utterances(path: Path) -> list[str]:
    """The texts of public utterances, with what `public` makes topics of."""
    rows = [json.loads(line) for line in path.open(encoding="utf-8")]
    return [text for row in rows for text in (row["text"], row["topic"]) if text]


def public(path: Path, rng: random.Random, count: int = 160) -> list[Business]:
    """Businesses made of the intents of public utterances: {text, intent, group, topic, role}."""
    intents: dict[tuple[str, str], list[str]] = defaultdict(list)
    topics, off, fair = {}, [], []
    for line in path.open(encoding="utf-8"):
        row = json.loads(line)
        key = row["group"], row["intent"]
        if row["role"] in ("biz", "util", "ml"):
            intents[key].append(row["text"])
            topics[key] = row["topic"]
        else:
            (off if row["role"] == "off" else fair).append(row["text"])
    groups = defaultdict(list)
    for group, intent in intents:
        groups[group].append(intent)
    names = sorted(group for group, some in groups.items() if len(some) > 1)
    made = []
    for number in range(count):
        group = rng.choice(names)
        picked = rng.sample(groups[group], min(len(groups[group]), rng.randint(3, 9)))
        pool = [text for intent in picked for text in intents[group, intent]]
        rng.shuffle(pool)
        shown = rng.randint(6, 14)
        if len(pool) < shown + 8:
            continue
        about = [topics[group, intent] for intent in picked]
        lines = [(EXAMPLE, text) for text in pool[:shown]] + [(TOPIC, text) for text in about]
        one = Business(f"{group}{number}", f"public {group}", lines, own=False)
        one.queries = [Query(text, 0, 0.7, "public") for text in pool[shown : shown + 60]]
        one.queries += [Query(text, 0, 0.4, "always") for text in rng.sample(fair, 20)]
        trade = group.split(":")[1]
        others = [
            t for (g, _), some in intents.items() if g.split(":")[1] != trade for t in some[:3]
        ]
        one.queries += [Query(t, 1, 0.5, "elsewhere") for t in rng.sample(others, 30)]
        one.queries += [Query(t, 1, 0.6, "public_off") for t in rng.sample(off, 40)]
        same = [t for i in groups[group] if i not in picked for t in intents[group, i]]
        one.queries += [Query(t, 1, 0.2, "same") for t in rng.sample(same, min(10, len(same)))]
        made.append(one)
    return made
