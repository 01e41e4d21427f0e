"""Labelled rows through the guard: each judged alone, nothing remembered between them."""

import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from guardproxy.core.errors import GuardproxyError
from guardproxy.core.message import Line, Role
from guardproxy.pipeline.guard import Guard
from guardproxy.pipeline.judge import Case, judge
from guardproxy.rehearsal.figures import Scored


class RowError(GuardproxyError):
    """A row that cannot be judged: where it is, and what is wrong with it."""


class _Line(BaseModel):
    model_config = ConfigDict(extra="ignore")
    role: str
    content: str


class Row(BaseModel):
    """One row of an `eval` file, as the command's documentation gives it."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)
    id: str
    text: str
    direction: str = "user"
    policy: str = ""
    context: tuple[_Line, ...] = ()
    label: str = ""
    kind: str = ""
    lang: str = ""


@dataclass(frozen=True, slots=True)
class Placed:
    """A row and the guard that judges it."""

    row: Row
    guard: Guard


def read_rows(path: Path, guards: Mapping[str, Guard]) -> tuple[Placed, ...]:
    """All rows of a file with their guards; RowError names `file:line` of the first bad one."""
    placed = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                placed.append(_placed(line, f"{path}:{number}", guards))
    return tuple(placed)


def _placed(line: str, place: str, guards: Mapping[str, Guard]) -> Placed:
    """One row with its guard."""
    try:
        row = Row.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RowError(f"{place}: {where or 'row'}: {first['msg']}") from error
    if row.direction not in ("user", "assistant"):
        raise RowError(f'{place}: direction is {row.direction!r}; write "user" or "assistant"')
    if row.policy:
        guard = guards.get(row.policy)
    else:
        guard = next(iter(guards.values())) if len(guards) == 1 else None
    if guard is None:
        names = ", ".join(sorted(guards))
        raise RowError(f"{place}: policy is {row.policy!r}; name one of: {names}")
    return Placed(row, guard)


async def evaluate(
    rows: Iterable[Placed], clock: Callable[[], float], now: float
) -> AsyncIterator[Scored]:
    """Judge each row; `clock` in seconds for the timing, `now` in seconds since 1970."""
    for placed in rows:
        row = placed.row
        case = Case(
            id=row.id,
            direction="user" if row.direction == "user" else "assistant",
            text=row.text,
            context=tuple(Line(_role(line.role), line.content) for line in row.context),
            now=now,
        )
        started = clock()
        judged = await judge(case, placed.guard)
        yield Scored(
            id=row.id,
            direction=row.direction,
            label=row.label,
            kind=row.kind,
            lang=row.lang,
            policy=placed.guard.policy.name,
            verdict=judged.verdict.name,
            rule=judged.verdict.rule,
            score=judged.score,
            ms=(clock() - started) * 1000,
        )


def _role(word: str) -> Role:
    """A row's role; anything that is not the customer is the bot's side."""
    return Role.USER if word == "user" else Role.ASSISTANT


def written(rows: Sequence[Scored]) -> str:
    """The rows as the `--out` file holds them."""
    return "".join(
        json.dumps(
            {
                "id": row.id,
                "verdict": row.verdict,
                "rule": row.rule,
                "score": round(row.score, 6),
                "ms": round(row.ms, 3),
            }
        )
        + "\n"
        for row in rows
    )
