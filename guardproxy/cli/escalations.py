"""`guardproxy escalations`: who waits for a person, and what a person does about it."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from getpass import getuser
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from guardproxy import app as program
from guardproxy.cli.stored import with_store
from guardproxy.core.phases import Move
from guardproxy.store.escalations import Escalation, Escalations

T = TypeVar("T")
Json = Annotated[bool, typer.Option("--json", help="machine-readable")]
Name = Annotated[str, typer.Argument(help="the escalation's id, or the start of it")]
By = Annotated[str, typer.Option(help="who; your login name when left out")]


def add_to(app: typer.Typer) -> None:
    """Add the verb."""
    verb = typer.Typer(no_args_is_help=True, help="List, show, take, resolve and hand back.")
    app.add_typer(verb, name="escalations")

    @verb.command("list")
    def _list(*, as_json: Json = False) -> None:
        """The open escalations, the oldest first."""
        cases = _with(lambda found: found.open())
        if as_json:
            typer.echo(json.dumps([asdict(case) for case in cases], ensure_ascii=False))
            return
        _print(cases)

    @verb.command("show")
    def _show(name: Name, *, as_json: Json = False) -> None:
        """One escalation."""
        _tell(_with(lambda found: found.show(name)), as_json=as_json)

    _mover(verb, "take", Move.TAKE, "Take it: the bot stays silent while you talk.")
    _mover(verb, "resolve", Move.RESOLVE, "Done: the bot goes on.")
    _mover(verb, "hand-back", Move.HAND_BACK, "Return the conversation to the bot.")


def _mover(verb: typer.Typer, word: str, move: Move, what: str) -> None:
    """A command that moves a case."""

    @verb.command(word, help=what)
    def _move(name: Name, by: By = "", *, as_json: Json = False) -> None:
        who = by or getuser()
        _tell(_with(lambda found: found.move(name, move, who)), as_json=as_json)


def _with(use: Callable[[Escalations], Awaitable[T]]) -> T:
    """Use the store that the settings name."""
    return with_store(lambda connection: use(Escalations(connection)))


def _tell(case: Escalation, *, as_json: bool) -> None:
    """One case."""
    if as_json:
        typer.echo(json.dumps(asdict(case), ensure_ascii=False))
        return
    for key, value in asdict(case).items():
        typer.echo(f"{key:<13}{value}")


def _print(cases: tuple[Escalation, ...]) -> None:
    """The open cases as a table."""
    if not cases:
        typer.echo("nobody waits")
        return
    table = Table("id", "business", "channel", "status", "waits", "asks", "rule", "said")
    for case in cases:
        minutes = f"{(program.now() - case.opened) / 60:.0f} min"
        table.add_row(
            case.id, case.business, case.channel, case.status, minutes, str(case.asks), case.rule,
            case.reason[:60],
        )  # fmt: skip
    Console(width=200 if not Console().is_terminal else None).print(table)
