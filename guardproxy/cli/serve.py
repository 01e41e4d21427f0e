"""`guardproxy serve`: the proxy itself, in one process or several."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from guardproxy import supervisor
from guardproxy.app import Options, run, serve
from guardproxy.core.errors import GuardproxyError
from guardproxy.observe import log
from guardproxy.settings import read_settings

REFUSED = 78  # EX_CONFIG of sysexits.h: the configuration is at fault, a restart will not help


def add_to(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("serve")
    def _serve(
        policies: Annotated[Path, typer.Option(help="folder of policy files")] = Path("policies"),
        listen: Annotated[str, typer.Option(help="public HOST:PORT")] = "127.0.0.1:8080",
        admin: Annotated[str, typer.Option(help="admin HOST:PORT")] = "127.0.0.1:8081",
        workers: Annotated[int, typer.Option(min=1, max=64, help="processes")] = 1,
        *,
        shadow: Annotated[bool, typer.Option("--shadow", help="decide, record, never act")] = False,
        worker_socket: Annotated[Path | None, typer.Option(hidden=True)] = None,
    ) -> None:
        """Run the proxy until it is told to stop (SIGTERM, Ctrl-C); SIGHUP reloads the policies."""
        try:
            options = Options(
                policies=policies,
                listen=address(listen, "--listen"),
                admin=address(admin, "--admin"),
                workers=workers,
                shadow=shadow,
            )
            settings = read_settings()
            log.start()
            if workers > 1:
                run(supervisor.serve(settings, options))
            else:
                run(serve(settings, options, worker=worker_socket))
        except GuardproxyError as error:
            typer.echo(str(error), err=True)
            typer.echo("guardproxy does not start; `guardproxy doctor` says what to do", err=True)
            sys.exit(REFUSED)


def address(text: str, option: str) -> tuple[str, int]:
    """HOST:PORT as a pair."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65_535:
        raise typer.BadParameter(f"{option} {text!r}: write HOST:PORT, such as 127.0.0.1:8080")
    return host.strip("[]"), int(port)
