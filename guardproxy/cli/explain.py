"""`guardproxy explain`: which stage said what about a text, or about a recorded decision."""

import asyncio
import json
import re
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from guardproxy import app as program
from guardproxy.cli.rig import load_guards
from guardproxy.cli.stored import with_store
from guardproxy.core.errors import PolicyError
from guardproxy.core.message import Line, Role
from guardproxy.pipeline.guard import Guard
from guardproxy.pipeline.judge import Case, Judged, judge
from guardproxy.pipeline.record import detail_of
from guardproxy.policy import load
from guardproxy.rehearsal.explain import explained, line_of, recalled
from guardproxy.settings import read_settings
from guardproxy.stages.scope import ScopeReading
from guardproxy.store.decisions import decision

ID = re.compile(r"(?:[a-z]{2,4}_)?[0-9a-f]{16,64}")  # what `x-guardproxy-decision` gives
Policies = Annotated[Path, typer.Option("--policy", "-p", help="a policy file, or a folder of one")]


def add_to(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("explain")
    def _explain(
        text: Annotated[str, typer.Argument(help="what was said, or the id of a decision")],
        policy: Policies = Path("policies"),
        *,
        bot: Annotated[bool, typer.Option("--bot", help="the text is the bot's answer")] = False,
        context: Annotated[
            Path | None, typer.Option(help="JSON list of {role, content} before it")
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="machine-readable")] = False,
    ) -> None:
        """Show the verdict for TEXT under each policy, and how it came about.

        With the id of a decision (`x-guardproxy-decision`): what was decided then.
        """
        if ID.fullmatch(text):
            _recorded(text, policy, as_json=as_json)
            return
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


def _recorded(decision_id: str, policies: Path, *, as_json: bool) -> None:
    """A decision of the store's."""
    record = with_store(lambda connection: decision(connection, decision_id))
    if record is None:
        message = f"no decision {decision_id} is kept; records are gone after privacy.keep"
        raise typer.BadParameter(message)
    if as_json:
        typer.echo(json.dumps(record, ensure_ascii=False))
        return
    for line in recalled(record, _place(record, policies)):
        typer.echo(line)


def _place(record: dict[str, Any], policies: Path) -> str:
    """Where the rule that decided stands, as long as the file is still of that revision."""
    name, _, rev = str(record.get("policy", "")).partition("@")
    for path in load.policy_files([policies]) if policies.exists() else ():
        try:
            found = load.load_policy(
                path, scope_model=program.model(read_settings().scope_encoders).rev
            )
        except PolicyError:
            continue
        if (found.name, found.rev) == (name, rev):
            return f"{path}:{line_of(str(record.get('rule') or ''), found)}"
    return f"the file is of another revision now: guardproxy rollback {name}"


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
