"""`guardproxy forget`: erase one person, by phone number or id."""

import json
from pathlib import Path
from typing import Annotated

import typer

from guardproxy import app as program
from guardproxy.cli.stored import with_store
from guardproxy.core.identity import person_key
from guardproxy.rehearsal import evidence_file
from guardproxy.rehearsal.chain import ChainError
from guardproxy.rehearsal.evaluate import RowError
from guardproxy.rehearsal.records import forget_records
from guardproxy.settings import read_settings
from guardproxy.store.erasure import forget


def add_to(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("forget")
    def _forget(
        user: Annotated[str, typer.Argument(help="a phone number or the id callers name them by")],
        evidence: Annotated[
            list[Path] | None, typer.Option(help="evidence files to take them out of, too")
        ] = None,
        records: Annotated[
            list[Path] | None, typer.Option(help="exported records to take them out of, too")
        ] = None,
        *,
        hashed: Annotated[
            bool, typer.Option("--hashed", help="USER is the hash that logs and records show")
        ] = False,
        as_json: Annotated[bool, typer.Option("--json", help="machine-readable")] = False,
    ) -> None:
        """Erase what is kept of USER. Their opt-out goes too; logs are not the store's."""
        settings = read_settings()
        person = user if hashed else person_key(program.secret_key(settings), user)
        erased = with_store(
            lambda connection: forget(connection, person, number="" if hashed else user), settings
        )
        try:
            bodies = sum(evidence_file.forget(path, person) for path in evidence or ())
            lines = sum(forget_records(path, person) for path in records or ())
        except (ChainError, RowError, OSError) as error:
            raise typer.BadParameter(str(error)) from error
        if as_json:
            told = {"person": person, "keys": erased, "evidence": bodies, "records": lines}
            typer.echo(json.dumps(told))
            return
        typer.echo(f"erased {erased} keys, {bodies} entries of evidence and {lines} records "
                   f"of {person}")  # fmt: skip
