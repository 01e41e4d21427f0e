"""`guardproxy test`: the tests inside policies, and what they leave untried."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer

from guardproxy import app as program
from guardproxy.cli.rig import load_guards
from guardproxy.pipeline.guard import Guard
from guardproxy.rehearsal.cases import Result, run_cases, untried


def add_to(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("test")
    def _test(
        paths: Annotated[list[Path], typer.Argument(help="policy files, or folders of them")],
        fail_under: Annotated[
            float, typer.Option(help="least share (percent) of topics and rules that are tried")
        ] = 0.0,
        as_format: Annotated[
            str, typer.Option("--format", help="text, json, junit or github")
        ] = "text",
    ) -> None:
        """Run the `tests:` of policies."""
        write = FORMATS.get(as_format)
        if write is None:
            raise typer.BadParameter(f"--format {as_format!r}; one of: {', '.join(FORMATS)}")
        failed, guards = False, load_guards(paths)
        before, after = FRAMES.get(as_format, ("", ""))
        if before:
            typer.echo(before)
        for guard in guards.values():
            results = asyncio.run(run_cases(guard, program.now()))
            missing, share = untried(guard, results)
            write(guard, results, missing, share)
            failed |= any(result.problem and not result.todo for result in results)
            failed |= share * 100 < fail_under
        if after:
            typer.echo(after)
        if failed:
            raise typer.Exit(1)


def _text(
    guard: Guard, results: tuple[Result, ...], missing: tuple[str, ...], share: float
) -> None:
    """For people."""
    for result in results:
        if result.problem:
            word = f"todo ({result.todo})" if result.todo else "FAILED"
            typer.echo(f"{result.path}:{result.line}: {word} {result.problem}")
    passed = sum(not result.problem for result in results)
    typer.echo(
        f"{guard.policy.ref}: {passed} of {len(results)} tests passed, {share:.0%} of parts tried"
    )
    if missing:
        typer.echo(f"  no test tries: {', '.join(missing)}")


def _json(
    guard: Guard, results: tuple[Result, ...], missing: tuple[str, ...], share: float
) -> None:
    """For programs: one line per policy."""
    rows = [{"line": r.line, "said": r.said, "problem": r.problem} for r in results]
    told = {"policy": guard.policy.ref, "results": rows, "untried": missing, "share": share}
    typer.echo(json.dumps(told, ensure_ascii=False))


def _github(
    guard: Guard, results: tuple[Result, ...], missing: tuple[str, ...], share: float
) -> None:
    """For annotations on a pull request."""
    del guard, missing, share
    for result in results:
        if result.problem:
            level = "warning" if result.todo else "error"
            typer.echo(f"::{level} file={result.path},line={result.line}::{result.problem}")


def _junit(
    guard: Guard, results: tuple[Result, ...], missing: tuple[str, ...], share: float
) -> None:
    """For CI servers."""
    from xml.sax.saxutils import escape, quoteattr  # noqa: PLC0415  this form only

    del missing, share
    failures = sum(bool(result.problem) and not result.todo for result in results)
    counts = f'tests="{len(results)}" failures="{failures}"'
    typer.echo(f"<testsuite name={quoteattr(guard.policy.ref)} {counts}>")
    for result in results:
        typer.echo(f"<testcase name={quoteattr(f'{result.line} {result.said}')}>")
        if result.problem and result.todo:
            typer.echo(f"<skipped>{escape(f'{result.todo}: {result.problem}')}</skipped>")
        elif result.problem:
            typer.echo(f"<failure>{escape(result.problem)}</failure>")
        typer.echo("</testcase>")
    typer.echo("</testsuite>")


FRAMES = {"junit": ("<testsuites>", "</testsuites>")}  # around all policies
FORMATS = {"text": _text, "json": _json, "junit": _junit, "github": _github}
