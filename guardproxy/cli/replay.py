"""`guardproxy replay`: recorded decisions under another policy, before it is served."""

import asyncio
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
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
from guardproxy.rehearsal.replay import Outcome, Plan, plan, replay
from guardproxy.rehearsal.replay_page import page, summary, told
from guardproxy.rehearsal.reread import read_again
from guardproxy.settings import one_thread_for_matrices
from guardproxy.stages import ScopeReader
from guardproxy.stages.scope import ScopeReading
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
        html: Annotated[Path | None, typer.Option(help="write the figures as a page here")] = None,
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
        outcome = _run(rows, guard, policy)
        if html is not None:
            html.write_text(page(outcome, policy=guard.policy.ref, source=file.name), "utf-8")
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


def _run(rows: Sequence[Recorded], guard: Guard, policy: Path) -> Outcome:
    """All rows, with a bar on a terminal and none in a pipe."""
    made = asyncio.run(plan(rows, guard))
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("reading texts", total=len(made.texts), visible=bool(made.texts))
        again = dict(_read(made.texts, policy, lambda: progress.advance(task)))
        progress.update(task, completed=len(made.texts))
        return asyncio.run(_decide(made, guard, again, progress))


def _read(
    texts: Sequence[str], policy: Path, advance: Callable[[], None]
) -> Iterator[tuple[str, ScopeReading]]:
    """The texts that have to be read again, on all cores."""
    for read in read_again(texts, partial(_scope_reader, policy)):
        advance()
        yield read


def _scope_reader(policy: Path) -> ScopeReader:
    """The scope model for a policy, in whichever process."""
    one_thread_for_matrices()
    return next(iter(load_guards([policy]).values())).readers.scope


async def _decide(
    made: Plan, guard: Guard, again: Mapping[str, ScopeReading], progress: Progress
) -> Outcome:
    """Every turn."""
    outcome = Outcome()
    task = progress.add_task("deciding", total=len(made.rows))
    async for outcome in replay(made, guard, again):
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
        "rules": dict(outcome.grown),
        "changed": [asdict(one) for one in outcome.changed],
    }


def _print(outcome: Outcome) -> None:
    """The tables."""
    console = Console()
    verdicts = sorted({verdict for pair in outcome.matrix for verdict in pair})
    table = Table("was \\ now", *verdicts, title="verdicts", title_justify="left")
    for was in verdicts:
        table.add_row(was, *(str(outcome.matrix[was, now] or "") for now in verdicts))
    console.print(table)
    for one in outcome.changed:
        typer.echo(f"{one.id}  {told(one.was)} -> {told(one.now)}  {one.text}")
    for rule, count in outcome.grown[:20]:  # a screenful
        typer.echo(f"{count:+d}  {rule}")
    typer.echo(summary(outcome))
