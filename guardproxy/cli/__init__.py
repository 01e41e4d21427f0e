"""The command line: one verb per file. Heavy parts are imported by the verb that needs them."""

import sys
from importlib import import_module

import typer

from guardproxy.core.errors import GuardproxyError
from guardproxy.settings import one_thread_for_matrices

VERBS = (
    "demo",
    "serve",
    "init",
    "check",
    "test",
    "eval",
    "explain",
    "review",
    "replay",
    "compare",
    "rollback",
    "escalations",
    "evidence",
    "forget",
    "doctor",
    "keys",
    "bench",
    "schema",
)
FILES = {
    "test": "try_policies",
    "eval": "evaluate",
}  # `test` and `eval` mean other things to Python

app = typer.Typer(
    name="guardproxy",
    help="Keeps a WhatsApp business bot on its subject, between WhatsApp and any LLM backend.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run a verb; an error of ours is one message and exit code 2, never a stack."""
    one_thread_for_matrices()
    for verb in VERBS:
        import_module(f"guardproxy.cli.{FILES.get(verb, verb)}").add_to(app)
    try:
        app()
    except GuardproxyError as error:
        typer.echo(str(error), err=True)
        sys.exit(2)
