"""Try: what a text would meet under a policy, why, and the line that makes a test of it."""

from collections.abc import Callable
from typing import Any, Literal

from aiohttp import web
from pydantic import Field

from guardproxy.core.errors import WireError
from guardproxy.core.message import Line, Role
from guardproxy.edges.admin.operation import Answer, Asked, Operation
from guardproxy.pipeline.guard import Guard
from guardproxy.pipeline.judge import Case, Judged, judge
from guardproxy.pipeline.record import detail_of, topic_of
from guardproxy.pipeline.shelf import Shelf
from guardproxy.rehearsal.explain import line_of
from guardproxy.rehearsal.written import Written, as_yaml
from guardproxy.stages.scope import ScopeReading

LONGEST = 20_000  # characters of a text: more than any message has
BEFORE = 40  # lines of a conversation: what a model is given, twice


class Spoken(Asked):
    """One line of the conversation so far; `verdict` is what a customer's line got."""

    role: Literal["user", "assistant"]
    content: str = Field(max_length=LONGEST)
    verdict: str = Field("allow", pattern="^[a-z]+$")


class Text(Asked):
    """A text to judge, and the conversation before it."""

    policy: str
    text: str = Field(min_length=1, max_length=LONGEST)
    direction: Literal["user", "assistant"] = "user"
    context: tuple[Spoken, ...] = Field((), max_length=BEFORE)


class Near(Answer):
    """What the scope model compared the text with; `likeness` 0..1."""

    text: str
    likeness: float


class Tried(Answer):
    """The judgement; nothing was opened, counted or remembered."""

    policy: str
    verdict: str
    rule: str | None
    score: float
    low: float  # below: in scope
    high: float  # from here on: off scope
    topic: str | None
    language: str
    reply: str | None
    steps: list[dict[str, Any]]
    nearest: tuple[Near, ...]
    resembles: str | None
    clauses: tuple[Near, ...]
    file: str
    line: int | None
    source: str | None
    test: str


class Trying:
    """The operation of the page."""

    def __init__(self, shelf: Shelf, clock: Callable[[], float]) -> None:
        """`clock`: seconds since 1970."""
        self._shelf = shelf
        self._clock = clock

    def operations(self) -> list[Operation]:
        """What the API offers here."""
        return [
            Operation(method="POST", path="/api/try", summary="Judge a text, and say why",
                      handle=self._try, asked=Text, answer=Tried)
        ]  # fmt: skip

    async def _try(self, _request: web.Request, asked: Text) -> Tried:
        guard = self._shelf.named(asked.policy)
        if guard is None:
            names = ", ".join(self._shelf.names)
            raise WireError(f"policy: no policy {asked.policy!r}; there is {names}", status=404)
        case = Case(
            id="try", direction=asked.direction, text=asked.text, now=self._clock(),
            context=tuple(Line(Role(line.role), line.content) for line in asked.context),
        )  # fmt: skip
        judged = await judge(case, guard)
        scope = guard.readers.scope
        read = scope.question if asked.direction == "user" else scope.answer
        return self._told(asked, judged, await read(judged.turn), guard)

    def _told(
        self, asked: Text, judged: Judged, reading: ScopeReading | None, guard: Guard
    ) -> Tried:
        """The judgement as the page shows it."""
        rule, scope = judged.verdict.rule, guard.readers.scope
        line = line_of(rule, guard.policy) if rule else None
        return Tried(
            policy=guard.policy.ref,
            verdict=judged.verdict.name,
            rule=rule,
            score=round(judged.score, 4),
            low=round(scope.low, 4),
            high=round(scope.high, 4),
            topic=topic_of(judged.trace.findings),
            language=judged.language,
            reply=judged.reply,
            steps=[detail_of(step) for step in judged.trace.steps],
            nearest=_near(reading.nearest[:3] if reading else ()),
            resembles=reading.archetype if reading else None,
            clauses=_near(reading.clauses if reading else ()),
            file=guard.policy.path,
            line=line,
            source=self._shelf.source(guard.policy.name, line) if line else None,
            test=as_yaml([_written(asked, judged, guard)]).rstrip(),
        )


def _near(pairs: tuple[tuple[str, float], ...]) -> tuple[Near, ...]:
    """Texts with their likeness."""
    return tuple(Near(text=text, likeness=round(likeness, 4)) for text, likeness in pairs)


def _written(asked: Text, judged: Judged, guard: Guard) -> Written:
    """The judgement as a test: the verdict it got is the one it should get."""
    users = [line for line in asked.context if line.role == "user"]
    is_bot = asked.direction == "assistant"
    return Written(
        id="try", policy=guard.policy.name, expect=judged.verdict.name, rule=judged.verdict.rule,
        say=(users[-1].content if users else "") if is_bot else asked.text,
        bot=asked.text if is_bot else None,
        before=() if is_bot else [(line.content, line.verdict) for line in users],
    )  # fmt: skip
