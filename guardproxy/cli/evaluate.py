"""`guardproxy eval`: labelled rows through the guard, and how good it was."""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from guardproxy import app as program
from guardproxy.cli.rig import load_guards
from guardproxy.policy.compiled import Policy
from guardproxy.rehearsal.calibrate import Calibration, calibrate
from guardproxy.rehearsal.evaluate import Placed, RowError, evaluate, read_rows, written
from guardproxy.rehearsal.figures import Figures, Scored, flat, macro_auroc, report
from guardproxy.settings import read_settings


def add_to(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("eval")
    def _eval(
        rows: Annotated[Path, typer.Argument(help="JSON lines of labelled rows")],
        policies: Annotated[Path, typer.Option(help="a policy file or a folder")] = Path(
            "policies"
        ),
        out: Annotated[Path | None, typer.Option(help="write one JSON per row here")] = None,
        fail_under: Annotated[
            list[str] | None,
            typer.Option(help="KEY=VALUE, e.g. auroc=0.98, recall.mixed=0.8, false_blocks=0.02"),
        ] = None,
        *,
        calibrated: Annotated[
            bool, typer.Option("--calibrate", help="say where each policy's threshold belongs")
        ] = False,
        as_json: Annotated[bool, typer.Option("--json", help="machine-readable")] = False,
    ) -> None:
        """Judge each row of ROWS alone and print recall per kind, false blocks and AUROC."""
        floors = [_floor(text) for text in fail_under or ()]
        guards = load_guards([policies])
        try:
            placed = read_rows(rows, guards)
        except (RowError, OSError) as error:
            raise typer.BadParameter(str(error)) from error
        scored = asyncio.run(_run(placed))
        if out is not None:
            out.write_text(written(scored), encoding="utf-8")
        sections = report(scored)
        figures = flat(sections)
        found = _calibrations(placed, scored) if calibrated else ()
        if as_json:
            tables = {
                name: {group: asdict(part) for group, part in groups.items()}
                for name, groups in sections.items()
            }
            told = {"figures": figures, "tables": tables}
            if calibrated:
                told["calibration"] = [asdict(one) for one in found]
            typer.echo(json.dumps(told, ensure_ascii=False))
        else:
            _print(sections, scored)
            for one in found:
                _print_calibration(one)
        missed = [problem for key, floor in floors if (problem := _missed(key, floor, figures))]
        for problem in missed:
            typer.echo(problem, err=True)
        if missed:
            raise typer.Exit(1)


def _calibrations(placed: Sequence[Placed], scored: Sequence[Scored]) -> tuple[Calibration, ...]:
    """Where each policy's threshold belongs; the model is asked what each aim would mean."""
    texts = {one.row.id: one.row.text for one in placed}
    guards = {one.guard.policy.name: one.guard for one in placed}
    model = program.model(read_settings().scope_encoders)

    def threshold(policy: Policy, share: float) -> float:
        return model.prepare(replace(policy, false_blocks=share)).high

    found = (
        calibrate(scored, texts, policy=name, aim=guard.policy.false_blocks,
                  threshold=partial(threshold, guard.policy))
        for name, guard in guards.items()
    )  # fmt: skip
    return tuple(one for one in found if one is not None)


def _print_calibration(one: Calibration) -> None:
    """One policy's, for people."""
    typer.echo(f"{one.policy}: {one.fair} fair and {one.off} other messages, aim {one.aim:.1%}")
    if not one.enough:
        typer.echo("  too few fair messages for that aim: take the figures as a hint")
    typer.echo(f"  now {one.threshold:.3f}: refuses {one.refused:.1%} of the fair ones, "
               f"misses {one.missed:.1%} of the others")  # fmt: skip
    advice = "no value of scope.false_blocks does that: add examples"
    if one.write is not None:
        advice = f"write scope.false_blocks: {one.write * 100:g}%"
    typer.echo(f"  at {one.wanted:.3f}: would refuse {one.would_refuse:.1%}, "
               f"miss {one.would_miss:.1%}; {advice}")  # fmt: skip
    for where, lines in (("a topic's examples", one.add), ("scope.refuse", one.refuse)):
        for line in lines:
            typer.echo(f"  add to {where}: {line}")


async def _run(placed: Sequence[Placed]) -> list[Scored]:
    """Judge all rows, with a bar on a terminal and none in a pipe."""
    scored = []
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("judging", total=len(placed))
        async for row in evaluate(placed, time.perf_counter, time.time()):
            scored.append(row)
            progress.advance(task)
    return scored


def _floor(text: str) -> tuple[str, float]:
    """One `--fail-under KEY=VALUE`."""
    key, _, value = text.partition("=")
    try:
        return key, float(value)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r}; write KEY=VALUE, such as auroc=0.98") from error


def _missed(key: str, floor: float, figures: dict[str, float]) -> str | None:
    """Why a floor was missed. False blocks are a share to stay under, all others to reach."""
    if key not in figures:
        return f"{key}: no such figure in these rows; there are: {', '.join(sorted(figures))}"
    value = figures[key]
    if "false_blocks" in key:
        return None if value <= floor else f"{key} is {value:.4f}, over {floor:g}"
    return None if value >= floor else f"{key} is {value:.4f}, under {floor:g}"


def _print(sections: dict[str, dict[str, Figures]], scored: Sequence[Scored]) -> None:
    """The tables."""
    console = Console()
    for title, groups in sections.items():
        table = Table(title=title, title_justify="left")
        table.add_column("group")
        for name in ("rows", "AUROC", "recall", "false blocks"):
            table.add_column(name, justify="right")
        for name, part in groups.items():
            table.add_row(
                name,
                str(part.rows),
                _number(part.auroc, 3),
                _percent(part.recall),
                _percent(part.false_blocks),
            )
        macro = macro_auroc(groups) if title.endswith("by policy") else None
        if macro is not None:
            table.add_row("macro average", "", _number(macro, 3), "", "")
        console.print(table)
    took = sorted(row.ms for row in scored) or [0.0]
    middle, slow = took[len(took) // 2], took[int(len(took) * 0.99)]
    console.print(f"{len(scored)} rows; {middle:.1f} ms each (median), {slow:.1f} ms (99th)")


def _number(value: float | None, places: int) -> str:
    """A figure, or a dash where there is none."""
    return "-" if value is None else f"{value:.{places}f}"


def _percent(value: float | None) -> str:
    """A share as a percentage."""
    return "-" if value is None else f"{value * 100:.1f} %"
