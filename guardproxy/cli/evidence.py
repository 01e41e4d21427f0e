"""`guardproxy evidence`: what the bot was allowed to do and did, in a form that can be checked."""

import asyncio
import hashlib
import json
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from guardproxy import app as program
from guardproxy.cli.rig import load_guards
from guardproxy.cli.stored import with_store
from guardproxy.rehearsal import evidence_file
from guardproxy.rehearsal.cases import run_cases
from guardproxy.rehearsal.chain import ChainError
from guardproxy.rehearsal.evaluate import Placed, RowError, evaluate, read_rows
from guardproxy.rehearsal.evidence import Entry, Period, Subject, entries
from guardproxy.rehearsal.figures import Scored, flat, report
from guardproxy.rehearsal.records import Recorded, read_record, read_records
from guardproxy.settings import read_settings
from guardproxy.store.decisions import decisions


def add_to(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("evidence")
    def _evidence(
        since: Annotated[str, typer.Option("--from", help="first day: 2026-01-31, UTC")] = "",
        until: Annotated[str, typer.Option("--to", help="the day after the last")] = "",
        policies: Annotated[Path, typer.Option(help="a policy file or a folder")] = Path(
            "policies"
        ),
        out: Annotated[Path, typer.Option(help="the folder to write to")] = Path("evidence"),
        records: Annotated[
            Path | None, typer.Option(help="a file of records instead of the store")
        ] = None,
        rows_file: Annotated[
            Path | None, typer.Option("--eval", help="labelled rows to judge and report on")
        ] = None,
        check: Annotated[
            Path | None, typer.Option("--verify", help="check this file, and the page beside it")
        ] = None,
        *,
        as_json: Annotated[bool, typer.Option("--json", help="machine-readable")] = False,
    ) -> None:
        """Write the evidence of a period as JSON lines and a page, or check one."""
        if check is not None:
            _verify(check, as_json=as_json)
            return
        start, end = _day(since, "--from"), _day(until, "--to")
        if end <= start:
            raise typer.BadParameter("--to is not after --from")
        try:
            rows = _rows(records, start, end)
        except (RowError, OSError) as error:
            raise typer.BadParameter(str(error)) from error
        period = Period(start=start, end=end, made=program.now())
        subjects = _subjects(policies)
        more = [("vendors", _vendors()), *_evaluated(rows_file, subjects)]
        found = list(entries(rows, subjects, period, more=more))
        path = out / f"evidence-{since}-{until}.jsonl"
        evidence_file.write(found, path, program.secret_key(read_settings()))
        told = {"file": str(path), "page": str(path.with_suffix(".html")), "decisions": len(rows)}
        typer.echo(json.dumps(told) if as_json else f"wrote {path} and {told['page']}")


def _day(text: str, option: str) -> float:
    """The start of a day, seconds since 1970."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError as error:
        raise typer.BadParameter(f"{option} {text!r}; write it as in 2026-01-31") from error


def _rows(records: Path | None, start: float, end: float) -> list[Recorded]:
    """The decisions of the period, by time."""
    if records is not None:
        return sorted((row for row in read_records(records) if start <= row.at < end),
                      key=lambda row: row.at)  # fmt: skip
    kept = with_store(lambda connection: decisions(connection, start, end))
    return [read_record(row, str(row.get("id"))) for row in kept]


def _subjects(policies: Path) -> dict[str, Subject]:
    """Each policy with the results of its tests and the history of its file."""
    return {
        name: Subject(
            guard=guard,
            tests=asyncio.run(run_cases(guard, program.now())),
            changes=_changes(Path(guard.policy.path)),
        )
        for name, guard in load_guards([policies]).items()
    }


def _vendors() -> dict[str, Any]:
    """The hosts that customers' words are sent to, with the business's statement of data use."""
    settings = read_settings()
    return {"hosts": {host: settings.llm_hosts.get(host, "") for host in settings.readers}}


def _evaluated(file: Path | None, subjects: Mapping[str, Subject]) -> list[Entry]:
    """How good the guards are on labelled rows, with the file's digest."""
    if file is None:
        return []
    try:
        placed = read_rows(file, {name: subject.guard for name, subject in subjects.items()})
    except (RowError, OSError) as error:
        raise typer.BadParameter(str(error)) from error
    scored = asyncio.run(_scored(placed))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    told = {"file": file.name, "sha256": digest, "rows": len(scored)}
    return [("eval", told | {"figures": flat(report(scored))})]


async def _scored(placed: Sequence[Placed]) -> list[Scored]:
    """All rows judged."""
    return [row async for row in evaluate(placed, time.perf_counter, program.now())]


def _changes(path: Path) -> tuple[str, ...]:
    """Who changed a file when, as git tells it; none where there is no git."""
    git = shutil.which("git")
    if git is None:
        return ()
    command = [git, "-C", str(path.parent.resolve()), "log", "-50", "--format=%h %aI %an: %s", "--",
               path.name]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)  # noqa: S603
    return tuple(done.stdout.splitlines()) if done.returncode == 0 else ()


def _verify(path: Path, *, as_json: bool) -> None:
    """Check a chain and its page; exit code 1 says where it does not hold."""
    try:
        chain = evidence_file.check(path, program.secret_key(read_settings()))
    except (ChainError, OSError) as error:
        typer.echo(json.dumps({"holds": False, "why": str(error)}) if as_json else str(error))
        raise typer.Exit(1) from error
    told = {"holds": True, "entries": chain.entries, "erased": chain.erased, "head": chain.head}
    line = f"{path}: holds; {chain.entries} entries, {chain.erased} erased, head {chain.head}"
    typer.echo(json.dumps(told) if as_json else line)
