"""`guardproxy rollback`: the revisions of a policy that were served, and back to one of them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from guardproxy.cli.stored import with_store
from guardproxy.core.errors import PolicyError
from guardproxy.policy import load
from guardproxy.store.revisions import Revision, revisions


def add_to(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("rollback")
    def _rollback(
        name: Annotated[str, typer.Argument(help="the policy's name")],
        to: Annotated[str, typer.Option(help="the revision to go back to: its first digits")] = "",
        policies: Annotated[Path, typer.Option(help="folder of policy files")] = Path("policies"),
        *,
        as_json: Annotated[bool, typer.Option("--json", help="machine-readable")] = False,
    ) -> None:
        """List the revisions of NAME that were served; with --to write one back to its file."""
        kept = with_store(lambda connection: revisions(connection, name))
        if not kept:
            raise typer.BadParameter(f"no revision of {name!r} is kept; `serve` writes them down")
        if not to:
            _print(kept, as_json=as_json)
            return
        path, wanted = _file(policies, name), _wanted(kept, to)
        replaced = _write(path, wanted, kept)
        told = {"file": str(path), "rev": wanted.rev, "replaced": replaced and str(replaced)}
        line = f"wrote {name}@{wanted.rev} to {path}; a running server takes it up by itself"
        if replaced:
            line += f"\nwhat stood there had never been served: it is now {replaced}"
        typer.echo(json.dumps(told) if as_json else line)


def _print(kept: tuple[Revision, ...], *, as_json: bool) -> None:
    """The list, the newest first."""
    if as_json:
        typer.echo(json.dumps([{"rev": one.rev, "at": one.at} for one in kept]))
        return
    for one in kept:
        at = datetime.fromtimestamp(one.at, UTC).strftime("%Y-%m-%d %H:%M:%S")
        typer.echo(f"{one.policy}@{one.rev}  taken up {at} UTC")


def _wanted(kept: tuple[Revision, ...], to: str) -> Revision:
    """The one revision that starts so."""
    found = [one for one in kept if one.rev.startswith(to.rpartition("@")[2])]
    if len(found) != 1:
        known = ", ".join(one.rev for one in found or kept)
        raise typer.BadParameter(f"--to {to!r} is {'not one' if found else 'none'} of: {known}")
    return found[0]


def _file(policies: Path, name: str) -> Path:
    """The file of a policy: the one that says so, or, when none can be read, NAME.yaml."""
    files = load.policy_files([policies]) if policies.exists() else ()
    for path in files:
        try:
            if load.load_policy(path).name == name:
                return path
        except PolicyError:
            if path.stem == name:
                return path
    return policies / f"{name}.yaml"


def _write(path: Path, wanted: Revision, kept: tuple[Revision, ...]) -> Path | None:
    """Put the text in place at once; where what stood there would be lost, it is moved aside."""
    replaced: Path | None = None
    if path.exists() and path.read_bytes() not in {one.text.encode() for one in kept}:
        replaced = path.with_name(f"{path.name}.replaced")
        path.replace(replaced)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(wanted.text, "utf-8")
    fresh.replace(path)
    return replaced
