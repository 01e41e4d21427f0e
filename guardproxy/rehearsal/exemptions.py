"""Countries in which the rule on general-purpose assistants was held back, as evidence shows."""

from datetime import UTC, date, datetime
from functools import cache
from importlib import resources
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, field_validator

APPLIED = "none: guardproxy holds every country to the rule"


class Exemption(BaseModel):
    """One row of the list; `until` None: it holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    country: str
    what: str
    since: date = Field(alias="from")
    until: date | None
    source: str
    read: date

    @field_validator("until", mode="before")
    @classmethod
    def _open(cls, value: object) -> object:
        """An empty end is none."""
        return value or None


@cache
def exemptions() -> tuple[Exemption, ...]:
    """The list."""
    path = resources.files("guardproxy.rehearsal") / "exemptions.yaml"
    raw = yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)  # noqa: S506  text only
    return TypeAdapter(tuple[Exemption, ...]).validate_python(raw)


def in_force(start: float, end: float) -> dict[str, Any]:
    """Those that held at some time from `start` to `end` (seconds since 1970), and what of it."""
    first, last = (datetime.fromtimestamp(at, UTC).date() for at in (start, end))
    held = [one for one in exemptions()
            if one.since < last and (one.until is None or one.until > first)]  # fmt: skip
    return {"applied": APPLIED, "in_force": [one.model_dump(mode="json") for one in held]}
