"""`guardproxy check`: a policy's faults, and what is legal but unwise."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from guardproxy.core.errors import Fault, PolicyError
from guardproxy.policy import load
from guardproxy.policy.compiled import Policy
from guardproxy.policy.lint import lint
from guardproxy.policy.merged import effective_lines


def add_to(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("check")
    def _check(
        paths: Annotated[list[Path], typer.Argument(help="policy files, or folders of them")],
        *,
        as_format: Annotated[
            str, typer.Option("--format", help="text, json, junit or github")
        ] = "text",
        show_merged: Annotated[
            bool, typer.Option("--show-merged", help="print the effective policy, packs included")
        ] = False,
    ) -> None:
        """Check policy files; every fault with file:line:col and what to write instead."""
        files = load.policy_files(paths)
        faults = [fault for path in files for fault in _faults(path)]
        policies = [load.load_policy(path) for path in files if not _faults(path)]
        faults += load.shared_names(policies)
        warnings = [warning for policy in policies for warning in lint(policy)]
        if show_merged:
            for policy in policies:
                _show(policy)
        write = FORMATS.get(as_format)
        if write is None:
            raise typer.BadParameter(f"--format {as_format!r}; one of: {', '.join(FORMATS)}")
        write([*faults, *warnings])
        if as_format == "text" and not faults:
            typer.echo(f"{len(policies)} policies, no errors, {len(warnings)} warnings")
        if faults:
            raise typer.Exit(1)


def _faults(path: Path) -> tuple[Fault, ...]:
    """The faults of one file."""
    try:
        load.load_policy(path)
    except PolicyError as error:
        return error.faults
    return ()


def _show(policy: Policy) -> None:
    """The effective document, each line with where it comes from."""
    typer.echo(f"# {policy.ref}")
    for line, origin in effective_lines(Path(policy.path)):
        typer.echo(f"{line}  # {origin}" if origin else line)


def _text(faults: list[Fault]) -> None:
    """For people."""
    for fault in faults:
        typer.echo(str(fault), err=fault.level == "error")


def _json(faults: list[Fault]) -> None:
    """For programs."""
    typer.echo(json.dumps([asdict(fault) for fault in faults], ensure_ascii=False))


def _github(faults: list[Fault]) -> None:
    """For annotations on a pull request."""
    for f in faults:
        typer.echo(f"::{f.level} file={f.path},line={f.line},col={f.column}::{f.code} {f.message}")


def _junit(faults: list[Fault]) -> None:
    """For CI servers."""
    from xml.sax.saxutils import escape, quoteattr  # noqa: PLC0415  this form only

    errors = [fault for fault in faults if fault.level == "error"]
    typer.echo(f'<testsuite name="guardproxy check" failures="{len(errors)}">')
    for fault in faults:
        typer.echo(f"<testcase name={quoteattr(f'{fault.path}:{fault.line}')}>")
        kind = "failure" if fault.level == "error" else "system-out"
        typer.echo(f"<{kind}>{escape(str(fault))}</{kind}></testcase>")
    typer.echo("</testsuite>")


FORMATS = {"text": _text, "json": _json, "junit": _junit, "github": _github}
