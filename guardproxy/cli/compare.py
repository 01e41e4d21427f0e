"""`guardproxy compare`: where a policy on trial disagreed with the one that decided."""

import json
from collections import Counter
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from guardproxy.cli.stored import with_store
from guardproxy.store.decisions import decisions

Record = dict[str, Any]


def add_to(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("compare")
    def _compare(
        name: Annotated[str, typer.Argument(help="the name of the policy on trial")],
        most: Annotated[int, typer.Option(min=0, help="disagreements to list")] = 20,
        *,
        as_json: Annotated[bool, typer.Option("--json", help="machine-readable")] = False,
    ) -> None:
        """List the turns that the policy NAME, on trial, would have decided otherwise."""
        kept = with_store(decisions)
        compared = [row for row in kept if _rival(row).startswith(f"{name}@")]
        own = [row for row in kept if str(row.get("policy")).startswith(f"{name}@")]
        if not compared and not own:
            message = f"no turn was compared with {name!r}; is `trial:` in its file, and served?"
            raise typer.BadParameter(message)
        differ = [row for row in compared if not row["trial"]["same"]]
        if as_json:
            told = {"compared": len(compared), "differ": len(differ), "decided": len(own),
                    "disagreements": differ[-most:] if most else []}  # fmt: skip
            typer.echo(json.dumps(told, ensure_ascii=False))
            return
        _print(compared, differ[-most:] if most else [])
        typer.echo(f"{len(compared)} turns compared, {len(differ)} decided otherwise; "
                   f"{len(own)} decided by {name} itself")  # fmt: skip


def _rival(row: Record) -> str:
    """`name@rev` of the policy a turn was compared with."""
    return str((row.get("trial") or {}).get("policy", ""))


def _print(compared: list[Record], differ: list[Record]) -> None:
    """The verdicts side by side, then the last disagreements."""
    pairs = Counter((row["verdict"], row["trial"]["verdict"]) for row in compared)
    verdicts = sorted({verdict for pair in pairs for verdict in pair})
    table = Table("decided \\ on trial", *verdicts, title="verdicts", title_justify="left")
    for was in verdicts:
        table.add_row(was, *(str(pairs[was, now] or "") for now in verdicts))
    if compared:
        Console().print(table)
    for row in differ:
        was, now = (f"{one['verdict']} ({one.get('rule') or '-'})" for one in (row, row["trial"]))
        typer.echo(f"{row['id']}  {was} -> {now}  {row.get('text') or ''}".rstrip())
