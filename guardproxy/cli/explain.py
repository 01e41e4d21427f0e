"""`guardproxy explain`: which stage said what about a text, or about a recorded decision."""

import asyncio
import json
import time
from pathlib import Path
from typing import Annotated

import typer

from guardproxy.cli.rig import load_guards
from guardproxy.core.message import Line, Role
from guardproxy.pipeline.guard import Guard
from guardproxy.pipeline.judge import Case, Judged, judge
from guardproxy.pipeline.record import detail_of
from guardproxy.rehearsal.explain import explained
from guardproxy.stages.scope import ScopeReading

Policies = Annotated[Path, typer.Option("--policy", "-p", help="a policy file, or a folder of one")]


def add_to(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("explain")
    def _explain(
        text: Annotated[str, typer.Argument(help="what the customer wrote")],
        policy: Policies = Path("policies"),
        *,
        bot: Annotated[bool, typer.Option("--bot", help="the text is the bot's answer")] = False,
        context: Annotated[
            Path | None, typer.Option(help="JSON list of {role, content} before it")
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="machine-readable")] = False,
    ) -> None:
        """Show the verdict for TEXT under each policy, and how it came about."""
        case = Case(
            id="explain",
            direction="assistant" if bot else "user",
            text=text,
            context=_lines(context),
            now=time.time(),
        )
        for guard in load_guards([policy]).values():
            judged, reading = asyncio.run(_look(case, guard))
            if as_json:
                typer.echo(json.dumps(_answer(judged), ensure_ascii=False))
                continue
            typer.echo(guard.policy.ref)
            for line in explained(judged, reading, guard):
                typer.echo(line)


async def _look(case: Case, guard: Guard) -> tuple[Judged, ScopeReading | None]:
    """The judgement and the scope model's reading behind it."""
    judged = await judge(case, guard)
    scope = guard.readers.scope
    reading = await (
        scope.question(judged.turn) if case.direction == "user" else scope.answer(judged.turn)
    )
    return judged, reading


def _answer(judged: Judged) -> dict[str, object]:
    """The machine-readable form."""
    return {
        "verdict": judged.verdict.name,
        "rule": judged.verdict.rule,
        "score": judged.score,
        "reply": judged.reply,
        "steps": [detail_of(step) for step in judged.trace.steps],
    }


def _lines(path: Path | None) -> tuple[Line, ...]:
    """The context file's lines."""
    if path is None:
        return ()
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return tuple(
            Line(Role.USER if row["role"] == "user" else Role.ASSISTANT, str(row["content"]))
            for row in rows
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f'{path}: {error}; write [{{"role": "user", "content": "..."}}, ...]'
        raise typer.BadParameter(message) from error
