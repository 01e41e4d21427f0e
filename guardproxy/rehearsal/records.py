"""Decision records as files: one JSON object per line, as the store keeps them."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from guardproxy.rehearsal.evaluate import RowError


class Stepped(BaseModel):
    """One step of a record."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    stage: str
    verdict: str = "allow"
    rule: str | None = None
    score: float | None = None
    shadow: bool = False
    findings: tuple[str, ...] = ()


class Recorded(BaseModel):
    """One decision record; `text` is "" where the policy keeps none."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    id: str
    at: float = 0.0
    policy: str = ""
    business: str = ""
    surface: str = "whatsapp"
    conversation: str | None = None
    person: str | None = None
    caller: str = "local"
    verdict: str
    rule: str | None = None
    score: float = 0.0
    topic: str | None = None
    language: str = ""
    kinds: tuple[str, ...] = ("text",)
    steps: tuple[Stepped, ...] = ()
    text: str = ""

    @property
    def decided_by(self) -> str:
        """The stage whose verdict became the turn's, "" when all let it pass."""
        fits = (s.stage for s in self.steps if not s.shadow and s.rule == self.rule and self.rule)
        return next(fits, "")

    @cached_property
    def scope_score(self) -> float | None:
        """What the scope model said of the question; None when it was not asked."""
        found = (s.score for s in self.steps if s.stage in ("scope", "drift"))
        return next((score for score in found if score is not None), None)

    @cached_property
    def was_fair(self) -> bool:
        """Whether the scope stage needed no score: a greeting, a tap, "are you a bot?"."""
        found = (code for s in self.steps if s.stage == "scope" for code in s.findings)
        return any(code.startswith("scope.fair.") for code in found)


def read_record(row: dict[str, Any] | str, place: str) -> Recorded:
    """One record; RowError says where and what is wrong with it."""
    try:
        if isinstance(row, str):
            return Recorded.model_validate_json(row)
        return Recorded.model_validate(row)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "row"
        raise RowError(f"{place}: {where}: {first['msg']}") from error


def read_records(path: Path) -> Iterator[Recorded]:
    """The records of a file, in its order."""
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield read_record(line, f"{path}:{number}")


def forget_records(path: Path, person: str) -> int:
    """Take a person's records (by their keyed hash) out of a file; how many. RowError as above."""
    kept, gone = [], 0
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            row = read_record(line, f"{path}:{number}") if line.strip() else None
            if row is not None and person in (row.person, row.conversation):
                gone += 1
            else:
                kept.append(line)
    if gone:
        fresh = path.with_name(f"{path.name}.new")
        fresh.write_text("".join(kept), "utf-8")
        fresh.replace(path)
    return gone
