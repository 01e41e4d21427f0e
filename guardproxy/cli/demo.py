"""`guardproxy demo`: everything on loopback; no key, no network, no Docker."""

from typing import Annotated

import typer

from guardproxy.app import run
from guardproxy.demo.run import run_demo
from guardproxy.observe import log


def add_to(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("demo")
    def _demo(
        upstream: Annotated[
            str, typer.Option(help="a real LLM's base URL instead of the scripted one")
        ] = "",
        port: Annotated[int, typer.Option(help="public port; 0 takes a free one")] = 8080,
        admin_port: Annotated[int, typer.Option(help="admin port; 0 takes a free one")] = 8081,
    ) -> None:
        """Run the guard between a phone in your browser and a model that answers anything."""
        log.start()
        try:
            run(run_demo(upstream=upstream, port=port, admin_port=admin_port))
        except KeyboardInterrupt:
            typer.echo("stopped")
