"""Recorded decisions under another policy: what would have been decided, by the same stages.

Limits are counted again in time's order. What the scope model said is taken from the record as long
as the business's own words are the same; when they are not, the text is read again where it was
kept, and counted as `not_run` where it was not. Answers are not judged again: what was decided of
them stands, as do requests for a person and opt-outs that the record has no words of.
"""

from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field, replace

from guardproxy.core.ledger import Limit
from guardproxy.core.message import Count, Memory, Message, Turn
from guardproxy.core.verdict import Allow, Escalate
from guardproxy.pipeline.guard import Guard, build
from guardproxy.policy.compiled import Policy
from guardproxy.rehearsal.records import Recorded
from guardproxy.stages import Readers, ScopeReader
from guardproxy.stages.scope import ScopeReading

NO_WORDS = "·"  # stands for a text that was not kept: nothing is heard in it
LATER = frozenset({"answer", "form", "judge"})  # stages that judge what the model said
STANDS = ("escalation.", "opt_out.", "on_failure.", "duplicate", "phase.")
SAMPLE = 24  # texts read again to see whether the business's own words are the same
SAME = 0.005  # of a score that was rounded to four places


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """One decision that would be another: verdict and rule, then and now."""

    id: str
    at: float
    text: str
    was: tuple[str, str | None]
    now: tuple[str, str | None]


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


class _Remembered:
    """A scope reader that gives what the record says, or reads the text again."""

    def __init__(self, inner: ScopeReader, *, again: bool) -> None:
        """`again`: the business's own words are others, so records say nothing."""
        self._inner = inner
        self.again = again
        self.row: Recorded | None = None
        self.looked = ""  # how the last row's score was come by: record | text | nothing
        self.low, self.high, self.answer_high = inner.low, inner.high, inner.answer_high

    async def question(self, turn: Turn) -> ScopeReading:
        """The recorded reading, as long as it holds."""
        row = self.row
        score = row.scope_score if row and not self.again else None
        if row is not None and score is not None:
            self.looked = "record"
            return _reading(row, score)
        if turn.text != NO_WORDS:
            self.looked = "text"
            return await self._inner.question(turn)
        self.looked = "nothing"
        return ScopeReading(score=0.0)

    async def answer(self, turn: Turn) -> ScopeReading:
        """Answers are not read again."""
        return await self._inner.answer(turn)

    async def topic(self, turn: Turn) -> str | None:
        """The topic of the reading."""
        return (await self.question(turn)).topic


def _reading(row: Recorded, score: float) -> ScopeReading:
    """A reading from a record."""
    rule = row.rule or ""
    refuse = rule.removeprefix("scope.refuse.") if rule.startswith("scope.refuse.") else None
    codes = [code for step in row.steps if step.stage == "scope" for code in step.findings]
    return ScopeReading(score=score, topic=row.topic, refuse=refuse, mixed="scope.mixed" in codes)


class _Windows:
    """The message limits of a policy, counted again. Token limits are not: records have none."""

    def __init__(self, limits: Sequence[Limit]) -> None:
        self._limits = [limit for limit in limits if limit.of == "messages"]
        self._seen: dict[tuple[str, str], deque[float]] = defaultdict(deque)

    def counts(self, row: Recorded) -> tuple[Count, ...]:
        """How far each limit is used by the turns before this one."""
        return tuple(self._count(limit, row) for limit in self._limits)

    def _count(self, limit: Limit, row: Recorded) -> Count:
        window = self._seen[limit.id, _subject(limit, row)]
        while window and window[0] <= row.at - limit.seconds:
            window.popleft()
        over = len(window) >= limit.max
        reset = window[0] + limit.seconds - row.at if over else 0.0
        return Count(limit=limit.id, used=len(window), max=limit.max, reset_in=reset, over=over)

    def count(self, row: Recorded) -> None:
        """The turn was let in."""
        for limit in self._limits:
            self._seen[limit.id, _subject(limit, row)].append(row.at)


def _subject(limit: Limit, row: Recorded) -> str:
    """Whom a limit counts."""
    person = f"p.{row.person}" if row.person else f"k.{row.caller}"
    return {
        "user": person,
        "conversation": f"c.{row.conversation}" if row.conversation else person,
        "business": "all",
        "key": f"k.{row.caller}",
    }[limit.per]


class Replay:
    """Decides recorded turns again under one policy. Rows come in time's order."""

    def __init__(self, guard: Guard, *, again: bool) -> None:
        """`again`: read the texts again (see `words_changed`)."""
        self._policy: Policy = guard.policy
        self._scope = _Remembered(guard.readers.scope, again=again)
        readers = Readers(guard.readers.lexicon, self._scope, guard.readers.patterns)
        self._guard = build(guard.policy, readers, clock=guard.clock)
        self._windows = _Windows(guard.policy.limits)
        self._memory: dict[str, Memory] = {}
        self._drift: dict[str, deque[bool]] = {}
        self._needs_words = any(r.when.any_word or r.when.matches for r in guard.policy.rules)
        self.outcome = Outcome()

    async def decide(self, row: Recorded) -> tuple[str, str | None]:
        """The verdict and rule of a recorded turn, counted in the outcome."""
        now = await self._verdict(row)
        was = (row.verdict, row.rule)
        out = self.outcome
        out.turns += 1
        out.matrix[was[0], now[0]] += 1
        out.rules[now[1] or "-"] += 1
        out.rules[was[1] or "-"] -= 1
        if was != now and len(out.changed) < 10:
            out.changed.append(Changed(id=row.id, at=row.at, text=row.text[:80], was=was, now=now))
        return now

    async def _verdict(self, row: Recorded) -> tuple[str, str | None]:
        """What the stages say of it now."""
        media = not row.text and "text" not in row.kinds
        words = "" if media else row.text or NO_WORDS
        if (row.rule or "").startswith(STANDS):
            return row.verdict, row.rule
        self._scope.row, self._scope.looked = row, ""
        memory = self._memory.get(row.conversation or "", Memory())
        turn = Turn(
            id=row.id, business=row.business, surface="rehearsal", now=row.at, person=row.person,
            conversation=row.conversation, caller=row.caller,
            messages=tuple(Message(id=row.id, text=words if i == 0 else "", kind=kind)
                           for i, kind in enumerate(row.kinds or ("text",))),
            memory=replace(memory, counts=self._windows.counts(row)),
        )  # fmt: skip
        verdict = (await self._guard.question.run(turn)).verdict
        rule = verdict.rule
        blind = self._scope.looked == "nothing" or (words == NO_WORDS and self._needs_words)
        self.outcome.not_run += blind
        self.outcome.scored_again += self._scope.looked == "text"
        if not (rule or "").startswith("limits."):
            self._windows.count(row)
        self._remember(row, verdict.name, rule)
        if isinstance(verdict, Allow) and rule is None and row.decided_by in LATER:
            return row.verdict, row.rule
        if (
            blind
            and isinstance(verdict, Allow)
            and not (row.rule or "limits.").startswith("limits.")
        ):
            return row.verdict, row.rule  # nothing was looked at: what was decided stands
        if isinstance(verdict, Escalate) and rule is None:
            return verdict.name, row.rule
        return verdict.name, rule

    def _remember(self, row: Recorded, name: str, rule: str | None) -> None:
        """What the conversation's next turn will recall."""
        if not row.conversation or name in ("drop", "throttle"):
            return
        window = self._policy.drift.window
        offs = self._drift.setdefault(row.conversation, deque(maxlen=window))
        offs.append(name != "allow" and (rule or "").startswith(("scope.", "drift")))
        before = self._memory.get(row.conversation, Memory())
        self._memory[row.conversation] = replace(
            before, last_verdict=name, last_rule=rule or "", off_topic=sum(offs),
            turns=before.turns + 1,
        )  # fmt: skip


async def words_changed(rows: Iterable[Recorded], guard: Guard) -> bool:
    """Whether the business's own words are others than when the rows were recorded: a sample of
    their texts scores otherwise. With no text kept, a topic that is gone tells it.
    """
    looked = 0
    for row in rows:
        if row.topic and guard.policy.topic(row.topic) is None:
            return True
        score = row.scope_score
        if score is None or len(row.text.split()) <= 8:  # short ones lean on lines that are gone
            continue
        turn = Turn(id=row.id, business=row.business, surface="rehearsal", now=row.at,
                    messages=(Message(id=row.id, text=row.text),))  # fmt: skip
        reading = await guard.readers.scope.question(turn)
        if abs(reading.score - score) > SAME:
            return True
        looked += 1
        if looked >= SAMPLE:
            break
    return False


async def replay(rows: Sequence[Recorded], guard: Guard) -> AsyncIterator[Outcome]:
    """Decide all rows again; yields the figures so far after each, for a progress bar."""
    ordered = sorted(rows, key=lambda row: row.at)
    run = Replay(guard, again=await words_changed(ordered, guard))
    yield run.outcome
    for row in ordered:
        await run.decide(row)
        yield run.outcome
