"""`guardproxy schema`: the policy file's JSON Schema, for editors."""

import json

import typer

from guardproxy.policy.model import schema


def add_to(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("schema")
    def _schema() -> None:
        """Print the JSON Schema of policy files."""
        typer.echo(json.dumps(schema(), indent=2, ensure_ascii=False))
