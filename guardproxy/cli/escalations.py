"""`guardproxy escalations`: who waits for a person, and what a person does about it."""

import json
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from getpass import getuser
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from aiohttp import ClientSession
from rich.console import Console
from rich.table import Table

from guardproxy import app as program
from guardproxy import escalating
from guardproxy.cli.stored import with_store
from guardproxy.people.desk import Desk, File
from guardproxy.policy import load
from guardproxy.policy.compiled import Policy
from guardproxy.settings import environment, read_settings
from guardproxy.store.escalations import Escalation
from guardproxy.store.redis import Connection

T = TypeVar("T")
Json = Annotated[bool, typer.Option("--json", help="machine-readable")]
Name = Annotated[str, typer.Argument(help="the escalation's id, or the start of it")]
By = Annotated[str, typer.Option(help="who; your login name when left out")]
Policies = Annotated[Path, typer.Option(help="folder of policy files")]
FOLDER = Path("policies")
HIDDEN = {"address"}  # sealed: of no use to a reader


def add_to(app: typer.Typer) -> None:
    """Add the verb."""
    verb = typer.Typer(no_args_is_help=True, help="List, show, take, answer, resolve, hand back.")
    app.add_typer(verb, name="escalations")

    @verb.command("list")
    def _list(*, as_json: Json = False) -> None:
        """The open escalations, the oldest first."""
        cases = _with(lambda desk: desk.cases())
        if as_json:
            typer.echo(json.dumps([_plain(case) for case in cases], ensure_ascii=False))
            return
        _print(cases)

    @verb.command("show")
    def _show(name: Name, policies: Policies = FOLDER, *, as_json: Json = False) -> None:
        """One escalation, with what was said."""
        file = _with(lambda desk: desk.case(name), policies)
        if as_json:
            hidden = {"case", "address"}
            told = {key: value for key, value in asdict(file).items() if key not in hidden}
            typer.echo(json.dumps(_plain(file.case) | told, ensure_ascii=False))
            return
        _tell(file.case)
        _read(file)

    @verb.command("take")
    def _take(
        name: Name, by: By = "", policies: Policies = FOLDER, *,
        over: Annotated[bool, typer.Option("--over", help="from a colleague who has it")] = False,
        as_json: Json = False,
    ) -> None:  # fmt: skip
        """Take it: the bot stays silent while you talk."""
        who = by or getuser()
        _tell(_with(lambda desk: desk.take(name, who, over=over), policies), as_json=as_json)

    @verb.command("reply")
    def _reply(
        name: Name, text: Annotated[str, typer.Argument(help="what the customer reads")],
        by: By = "", policies: Policies = FOLDER,
    ) -> None:  # fmt: skip
        """Answer the customer on WhatsApp as a person; takes the case."""
        who, key = by or getuser(), uuid.uuid4().hex
        typer.echo(_with(lambda desk: desk.reply(name, text, who, key=key), policies))

    @verb.command("resolve")
    def _resolve(name: Name, by: By = "", *, as_json: Json = False) -> None:
        """Done: the bot goes on."""
        who = by or getuser()
        _tell(_with(lambda desk: desk.resolve(name, who)), as_json=as_json)

    @verb.command("hand-back")
    def _hand_back(name: Name, by: By = "", *, as_json: Json = False) -> None:
        """Return the conversation to the bot."""
        who = by or getuser()
        _tell(_with(lambda desk: desk.hand_back(name, who)), as_json=as_json)


def _with(use: Callable[[Desk], Awaitable[T]], policies: Path | None = None) -> T:
    """Sit down at the desk of the store that the settings name."""
    settings = read_settings()
    files = load.policy_files([policies]) if policies and policies.exists() else ()
    served = {policy.name: policy for policy in load.load_files(files, environment())}

    def policy_of(business: str) -> Policy | None:
        return served.get(business)

    async def work(connection: Connection) -> T:
        async with ClientSession() as session:
            return await use(escalating.desk(settings, connection, session, policy_of))

    return with_store(work, settings)


def _plain(case: Escalation) -> dict[str, object]:
    """A case's fields as people and scripts read them."""
    return {key: value for key, value in asdict(case).items() if key not in HIDDEN}


def _tell(case: Escalation, *, as_json: bool = False) -> None:
    """One case."""
    if as_json:
        typer.echo(json.dumps(_plain(case), ensure_ascii=False))
        return
    for key, value in _plain(case).items():
        typer.echo(f"{key:<13}{value}")


def _read(file: File) -> None:
    """Who it is, until when they may be answered, and what was said."""
    typer.echo(f"{'who':<13}{file.who}")
    left = (file.window_expires or 0.0) - program.now()
    may = f"for another {left / 3600:.1f} h" if file.can_reply else "no longer, or not from here"
    typer.echo(f"{'answer':<13}{may}")
    for line in file.transcript:
        typer.echo(f"  {line.by or line.who:<9} {line.text}")


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
