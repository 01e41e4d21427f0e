"""`guardproxy replay`: recorded decisions under another policy, before it is served."""

import asyncio
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from guardproxy.cli.rig import load_guards
from guardproxy.cli.stored import with_store
from guardproxy.pipeline.guard import Guard
from guardproxy.rehearsal.evaluate import RowError
from guardproxy.rehearsal.records import Recorded, read_records
from guardproxy.rehearsal.replay import Outcome, replay
from guardproxy.store.decisions import decisions


def add_to(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("replay")
    def _replay(
        file: Annotated[Path, typer.Argument(help="JSON lines of decision records")],
        policy: Annotated[Path, typer.Option("--policy", "-p", help="the policy to try")],
        max_changed: Annotated[
            str, typer.Option(help="end with 1 when more verdicts than this share change")
        ] = "100%",
        *,
        export: Annotated[
            bool, typer.Option("--export", help="first write the store's records to FILE")
        ] = False,
        as_json: Annotated[bool, typer.Option("--json", help="machine-readable")] = False,
    ) -> None:
        """Decide the turns of FILE again under a policy, and show what would be otherwise."""
        most = _share(max_changed)
        guards = load_guards([policy])
        guard = next(iter(guards.values()))
        if export:
            _export(file)
        try:
            rows = [row for row in read_records(file) if row.business in ("", guard.policy.name)]
        except (RowError, OSError) as error:
            raise typer.BadParameter(str(error)) from error
        if not rows:
            raise typer.BadParameter(f"{file}: no record of {guard.policy.name!r}")
        outcome = asyncio.run(_run(rows, guard))
        if as_json:
            typer.echo(json.dumps(_told(outcome), ensure_ascii=False))
        else:
            _print(outcome)
        if outcome.share > most:
            typer.echo(f"{outcome.share:.1%} of verdicts change, over {max_changed}", err=True)
            raise typer.Exit(1)


def _share(text: str) -> float:
    """0..1 of "2%"."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", text.strip())
    if match is None or float(match[1]) > 100:
        raise typer.BadParameter(f"{text!r} is not a share; write it as in 2%")
    return float(match[1]) / 100


def _export(file: Path) -> None:
    """The store's records, the oldest first."""
    if file.exists():
        raise typer.BadParameter(f"{file} is already there; --export does not overwrite")
    kept = with_store(decisions)
    lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in kept)
    file.write_text("".join(lines), "utf-8")
    typer.echo(f"wrote {len(kept)} records to {file}", err=True)


async def _run(rows: Sequence[Recorded], guard: Guard) -> Outcome:
    """All rows, with a bar on a terminal and none in a pipe."""
    outcome = Outcome()
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("replaying", total=len(rows))
        async for outcome in replay(rows, guard):
            progress.update(task, completed=outcome.turns)
    return outcome


def _told(outcome: Outcome) -> dict[str, object]:
    """The machine-readable form."""
    return {
        "turns": outcome.turns,
        "changed_share": outcome.share,
        "not_run": outcome.not_run,
        "scored_again": outcome.scored_again,
        "matrix": [
            {"was": was, "now": now, "turns": count}
            for (was, now), count in sorted(outcome.matrix.items())
        ],
        "rules": dict(_grown(outcome)),
        "changed": [asdict(one) for one in outcome.changed],
    }


def _grown(outcome: Outcome) -> list[tuple[str, int]]:
    """The rules that decide more or fewer turns, the greatest change first."""
    grown = [(rule, count) for rule, count in outcome.rules.items() if count and rule != "-"]
    return sorted(grown, key=lambda pair: (-abs(pair[1]), pair[0]))


def _print(outcome: Outcome) -> None:
    """The tables."""
    console = Console()
    verdicts = sorted({verdict for pair in outcome.matrix for verdict in pair})
    table = Table("was \\ now", *verdicts, title="verdicts", title_justify="left")
    for was in verdicts:
        table.add_row(was, *(str(outcome.matrix[was, now] or "") for now in verdicts))
    console.print(table)
    for one in outcome.changed:
        console.print(f"{one.id}  {_pair(one.was)} -> {_pair(one.now)}  {one.text}", markup=False)
    for rule, count in _grown(outcome)[:20]:  # a screenful
        console.print(f"{count:+d}  {rule}", markup=False)
    console.print(
        f"{outcome.turns} turns, {outcome.share:.1%} with another verdict; "
        f"{outcome.scored_again} texts read again, {outcome.not_run} not looked at (no text kept)"
    )


def _pair(pair: tuple[str, str | None]) -> str:
    """A verdict with its rule."""
    return pair[0] if pair[1] is None else f"{pair[0]} ({pair[1]})"
