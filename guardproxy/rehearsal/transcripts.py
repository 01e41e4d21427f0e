"""Past chats of an agent: how much of what customers wrote was off scope."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guardproxy.core.message import Line, Role
from guardproxy.pipeline.guard import Guard
from guardproxy.pipeline.judge import Case, judge
from guardproxy.rehearsal.evaluate import RowError

CUSTOMER = frozenset({"user", "customer", "human", "client"})
OFF = ("scope.", "drift")


@dataclass(frozen=True, slots=True)
class Said:
    """One message of a customer, with the lines before it."""

    text: str
    context: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How many of the messages were off scope; `samples` are the clearest of them."""

    messages: int
    off: int
    samples: tuple[str, ...]

    @property
    def share(self) -> float:
        """0..1."""
        return self.off / self.messages if self.messages else 0.0


def read_chats(path: Path) -> tuple[Said, ...]:
    """The customers' messages of a JSONL file; RowError names the first line that has none.

    A line is a conversation (`{"messages": [{"role", "content"}]}`) or a message
    (`{"role", "content"}` or `{"text"}`).
    """
    found: list[Said] = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                try:
                    found.extend(_said(json.loads(line)))
                except (ValueError, TypeError, AttributeError, KeyError) as error:
                    mend = 'write {"messages": [{"role": "user", "content": "..."}]} on each line'
                    raise RowError(f"{path}:{number}: {error}; {mend}") from error
    return tuple(found)


def _said(row: Any) -> Iterator[Said]:
    """The customer's messages of a line."""
    context: list[Line] = []
    for message in row.get("messages", [row]):
        text = str(message.get("content") or message.get("text") or "").strip()
        role = str(message.get("role", "user"))
        if not text or role == "system":
            continue
        customer = role in CUSTOMER
        if customer:
            yield Said(text, tuple(context))
        context.append(Line(Role.USER if customer else Role.ASSISTANT, text))


async def off_scope(said: Sequence[Said], guard: Guard, now: float) -> Share:
    """Judge every message as `eval` does. `now`: seconds since 1970."""
    off: list[tuple[float, str]] = []
    for number, one in enumerate(said):
        case = Case(
            id=f"chat{number}", direction="user", text=one.text, context=one.context, now=now
        )
        judged = await judge(case, guard)
        if judged.verdict.name == "redirect" and (judged.verdict.rule or "").startswith(OFF):
            off.append((judged.score, one.text))
    samples = tuple(text[:120] for _, text in sorted(off, reverse=True)[:5])
    return Share(messages=len(said), off=len(off), samples=samples)
