"""`guardproxy init`: a policy to start from, its JSON Schema, and an example of the settings."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from guardproxy.policy.model import schema
from guardproxy.policy.starter import starter, starter_languages, templates
from guardproxy.settings import Settings

UNSET = frozenset({"metrics_dir", "data_dir"})  # set by the program, or well where they are


def add_to(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("init")
    def _init(
        template: Annotated[
            str, typer.Option(help=f"kind of business: {', '.join(templates())}")
        ] = "restaurant",
        lang: Annotated[
            str, typer.Option(help=f"language: {', '.join(starter_languages())}")
        ] = "en",
        folder: Annotated[Path, typer.Option("--policies", help="where policies are kept")] = Path(
            "policies"
        ),
        *,
        force: Annotated[bool, typer.Option("--force", help="overwrite what is there")] = False,
    ) -> None:
        """Write a policy to start from, guardproxy.schema.json beside it, and .env.example."""
        _known("--template", template, templates())
        _known("--lang", lang, starter_languages())
        policy = folder / f"my-{template}.yaml"
        files = {
            policy: starter(template, lang),
            folder / "guardproxy.schema.json": json.dumps(schema(), indent=2) + "\n",
            Path(".env.example"): "\n".join(_settings()) + "\n",
        }
        there = [path for path in files if path.exists()]
        if there and not force:
            names = ", ".join(map(str, there))
            raise typer.BadParameter(f"{names}: already there; --force overwrites")
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            path.write_text(text, "utf-8")
            typer.echo(f"wrote {path}")
        typer.echo(f"next: edit {policy}, then `guardproxy check {policy}`")
        typer.echo(
            f"      and `guardproxy test {policy}`; `guardproxy doctor` says what is missing"
        )


def _known(option: str, word: str, known: tuple[str, ...]) -> None:
    """A usage error for a word that is none of ours."""
    if word not in known:
        raise typer.BadParameter(f"{option} {word!r}; one of: {', '.join(known)}")


def _settings() -> Iterator[str]:
    """Every setting with its meaning; those with a default are commented out."""
    yield "# Copy to .env, which guardproxy reads. What is commented out shows its default."
    for name, field in Settings.model_fields.items():
        if name in UNSET:
            continue
        default = field.default
        if isinstance(default, SecretStr) or default in (None, (), "", PydanticUndefined):
            value, sign = "", "" if name == "upstream_url" else "#"
        else:
            value, sign = str(default), "#"
        yield f"# {field.description}\n{sign}GUARDPROXY_{name.upper()}={value}"
