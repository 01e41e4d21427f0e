"""Recorded decisions under another policy: what would have been decided, by the same stages.

Limits are counted again in time's order. What was seen of a text is taken from the record. What the
scope model said holds as long as the business's own words are the same; when they are not, the text
is read again where it was kept, and counted as `not_run` where it was not. Answers are not judged
again: what was decided of them stands, as do requests for a person and opt-outs.
"""

from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from guardproxy.core.message import Count, Memory, Message, Turn
from guardproxy.core.verdict import Allow, Escalate
from guardproxy.pipeline.ending import OFF_TOPIC
from guardproxy.pipeline.guard import Guard, build
from guardproxy.rehearsal import heard
from guardproxy.rehearsal.heard import NO_WORDS, HeardScope
from guardproxy.rehearsal.records import Recorded
from guardproxy.rehearsal.reread import read
from guardproxy.rehearsal.windows import Windows
from guardproxy.stages.scope import ScopeReading

LATER = frozenset({"answer", "form", "judge"})  # stages that judge what the model said
STANDS = ("escalation.", "opt_out.", "on_failure.", "duplicate", "phase.")
SAMPLE = 24  # texts read again to see whether the business's own words are the same
SAME = 0.005  # of a score that was rounded to four places
SHOWN = 10  # changes that are told one by one
STRIDE = 500  # rows between two moves of a progress bar
Pair = tuple[str, str | None]  # verdict and rule
_FIRST = Memory()  # of a conversation nothing is known of


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """One decision that would be another: verdict and rule, then and now."""

    id: str
    at: float
    text: str
    was: Pair
    now: Pair


@dataclass(slots=True, kw_only=True)
class Outcome:
    """A replay's figures. `matrix`: (verdict then, verdict now) -> turns."""

    turns: int = 0
    not_run: int = 0
    scored_again: int = 0
    matrix: Counter[tuple[str, str]] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)  # growth: now minus then
    changed: list[Changed] = field(default_factory=list)

    @property
    def share(self) -> float:
        """The share of turns with another verdict, 0..1."""
        moved = sum(count for (was, now), count in self.matrix.items() if was != now)
        return moved / self.turns if self.turns else 0.0

    @property
    def grown(self) -> list[tuple[str, int]]:
        """The rules that decide more or fewer turns, the greatest change first."""
        grown = [(rule, count) for rule, count in self.rules.items() if count and rule != "-"]
        return sorted(grown, key=lambda pair: (-abs(pair[1]), pair[0]))

    def add(self, row: Recorded, now: Pair) -> None:
        """One turn decided."""
        was = (row.verdict, row.rule)
        self.turns += 1
        self.matrix[was[0], now[0]] += 1
        self.rules[now[1] or "-"] += 1
        self.rules[was[1] or "-"] -= 1
        if was != now and len(self.changed) < SHOWN:
            self.changed.append(Changed(id=row.id, at=row.at, text=row.text[:80], was=was, now=now))


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)  # tasks write out their results
class Plan:
    """What a replay needs before it starts: rows in time's order, how far each one's limits were
    used, the revisions whose words are others, and the texts that have to be read again.
    """

    rows: Sequence[Recorded]
    counts: Sequence[tuple[Count, ...]]
    changed: AbstractSet[str]
    texts: Sequence[str]


async def plan(rows: Iterable[Recorded], guard: Guard) -> Plan:
    """Look at all rows once."""
    ordered = sorted(rows, key=lambda row: row.at)
    changed = await words_changed(ordered, guard)
    windows, limits = Windows(guard.policy.limits), {li.id: li for li in guard.policy.limits}
    counts, texts = [], []
    for row in ordered:
        used = () if _stands(row) else windows.admit(row)
        counts.append(used)
        stopped = any(count.over and not limits[count.limit].shadow for count in used)
        if not stopped and row.text and _needs_reading(row, guard, changed):
            texts.append(row.text)
    return Plan(rows=ordered, counts=counts, changed=changed, texts=texts)


def _stands(row: Recorded) -> bool:
    """Whether nothing of a new policy changes a decision."""
    return (row.rule or "").startswith(STANDS)


def _needs_reading(row: Recorded, guard: Guard, changed: AbstractSet[str]) -> bool:
    """Whether the scope model will be asked about a text."""
    if _stands(row) or heard.holds(row, changed):
        return False
    attempt = row.rule == "input.injection" and guard.policy.input.injection != "allow"
    return not attempt and not (row.was_fair and guard.policy.smalltalk == "allow")


async def words_changed(rows: Iterable[Recorded], guard: Guard) -> frozenset[str]:
    """The recorded revisions whose words are not the policy's: a sample of their texts scores
    otherwise. With no text kept, a topic that is gone tells it.
    """
    looked: Counter[str] = Counter()
    changed: set[str] = set()
    for row in rows:
        ref = row.policy
        if (ref and ref == guard.policy.ref) or ref in changed or looked[ref] >= SAMPLE:
            continue
        if row.topic and guard.policy.topic(row.topic) is None:
            changed.add(ref)
        # short texts may have leaned on lines that are gone
        elif row.scope_score is not None and len(row.text.split()) > 8:
            looked[ref] += 1
            reading = await read(guard.readers.scope, row.text)
            if abs(reading.score - row.scope_score) > SAME:
                changed.add(ref)
    return frozenset(changed)


class Replay:
    """Decides recorded turns again under one policy. Rows come in time's order."""

    def __init__(self, guard: Guard, made: Plan, again: Mapping[str, ScopeReading]) -> None:
        """`again`: what the scope model says of the texts of the plan."""
        self._policy = guard.policy
        self._memory = heard.Memory()
        self._scope = HeardScope(guard.readers.scope, self._memory, made.changed, again)
        readers = heard.readers(guard.readers, guard.policy, self._memory, self._scope)
        walk = build(guard.policy, readers, clock=guard.clock).question
        self._walk = replace(walk, deadline=None, remembers=False)  # nothing waits; rows differ
        self._talks: dict[str, Memory] = {}
        self._drift: dict[str, deque[bool]] = defaultdict(
            lambda: deque(maxlen=self._policy.drift.window)
        )
        self._needs_words = any(r.when.any_word or r.when.matches for r in guard.policy.rules)
        self.outcome = Outcome()

    async def decide(self, row: Recorded, counts: tuple[Count, ...]) -> Pair:
        """The verdict and rule of a recorded turn, counted in the outcome."""
        now = (row.verdict, row.rule) if _stands(row) else await self._verdict(row, counts)
        self.outcome.add(row, now)
        return now

    async def _verdict(self, row: Recorded, counts: tuple[Count, ...]) -> Pair:
        """What the stages say of it now."""
        self._memory.turn_to(row)
        self._scope.looked = ""
        before = self._talks.get(row.conversation or "", _FIRST)
        turn = _turn(row, replace(before, counts=counts) if counts else before)
        verdict = (await self._walk.run(turn)).verdict
        blind = self._scope.looked == "nothing"
        blind |= turn.text == NO_WORDS and self._needs_words
        self.outcome.not_run += blind
        self.outcome.scored_again += self._scope.looked == "text"
        now = (verdict.name, verdict.rule)
        plain = isinstance(verdict, Allow)
        if plain and verdict.rule is None and row.decided_by in LATER:
            now = (row.verdict, row.rule)
        elif plain and blind and not (row.rule or "limits.").startswith("limits."):
            now = (row.verdict, row.rule)  # nothing was looked at: what was decided stands
        elif isinstance(verdict, Escalate) and verdict.rule is None:
            now = (verdict.name, row.rule)
        self._remember(row, before, now)
        return now

    def _remember(self, row: Recorded, before: Memory, now: Pair) -> None:
        """What the conversation's next turn will recall."""
        name, rule = now[0], now[1] or ""
        if not row.conversation or name in ("drop", "throttle"):
            return
        offs = self._drift[row.conversation]
        offs.append(name != "allow" and rule.startswith(OFF_TOPIC))
        self._talks[row.conversation] = replace(
            before, last_verdict=name, last_rule=rule, off_topic=sum(offs), turns=before.turns + 1
        )


def _turn(row: Recorded, memory: Memory) -> Turn:
    """A recorded turn as the stages take it."""
    media = not row.text and "text" not in row.kinds
    words = "" if media else row.text or NO_WORDS
    return Turn(
        id=row.id, business=row.business, surface="rehearsal", now=row.at, person=row.person,
        conversation=row.conversation, caller=row.caller, memory=memory,
        messages=tuple(Message(id=row.id, text=words if index == 0 else "", kind=kind)
                       for index, kind in enumerate(row.kinds or ("text",))),
    )  # fmt: skip


async def replay(
    made: Plan, guard: Guard, again: Mapping[str, ScopeReading] | None = None
) -> AsyncIterator[Outcome]:
    """Decide all rows again; yields the figures so far, for a progress bar, and at the end.

    `again`: readings of the plan's texts; what is missing is read on the way.
    """
    run = Replay(guard, made, again or {})
    for number, (row, counts) in enumerate(zip(made.rows, made.counts, strict=True)):
        if number % STRIDE == 0:
            yield run.outcome
        await run.decide(row, counts)
    yield run.outcome
