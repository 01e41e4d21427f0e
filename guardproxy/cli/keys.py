"""`guardproxy keys`: the keys callers show. A key is printed once, when it is made."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from guardproxy.core.errors import SettingsError
from guardproxy.edges.llm import keys
from guardproxy.settings import read_settings

File = Annotated[Path | None, typer.Option(help="the file; GUARDPROXY_API_KEYS when left out")]
Json = Annotated[bool, typer.Option("--json", help="machine-readable")]
Limits = Annotated[
    list[str] | None, typer.Option(help="MAX/WINDOW, as in 60/1m, or 20000tokens/1d; repeatable")
]


def add_to(app: typer.Typer) -> None:
    """Add the verb."""
    verb = typer.Typer(no_args_is_help=True, help="New, list and revoke caller keys.")
    app.add_typer(verb, name="keys")

    @verb.command("new")
    def _new(
        name: Annotated[str, typer.Argument(help="what logs and limits call it")],
        policy: Annotated[str, typer.Option(help="the only policy it serves")] = "",
        audience: Annotated[str, typer.Option(help="customer or internal")] = "customer",
        limit: Limits = None,
        file: File = None,
        *,
        graph: Annotated[bool, typer.Option("--graph", help="for the Graph API too")] = False,
        as_json: Json = False,
    ) -> None:
        """Make a key and print it: the file keeps its hash only."""
        path = _path(file)
        there = keys.read(path) if path.exists() else {}
        if any(key.id == name for key in there.values()):
            raise SettingsError(f"{path} has a key {name!r}; revoke it first, or choose a new name")
        entry = _entry(name, policy, audience, graph=graph, limits=limit or [])
        made = keys.fresh()
        keys.write(path, {**there, keys.digest(made): entry})
        if as_json:
            typer.echo(json.dumps({"id": name, "key": made, "file": str(path)}))
            return
        typer.echo(made)
        typer.echo(f"kept as a hash in {path}; the key itself is not shown again", err=True)
        if read_settings().api_keys is None:
            typer.echo(f"to use it: GUARDPROXY_API_KEYS={path}", err=True)

    @verb.command("list")
    def _list(file: File = None, *, as_json: Json = False) -> None:
        """The keys there are."""
        found = list(keys.read(_path(file)).values())
        if as_json:
            typer.echo(json.dumps([json.loads(k.model_dump_json(by_alias=True)) for k in found]))
            return
        table = Table("id", "policy", "audience", "graph", "limits")
        for key in found:
            limits = ", ".join(f"{li.max} {li.of} in {li.window:g} s" for li in key.limits)
            table.add_row(key.id, key.policy or "any", key.audience, "yes" if key.graph else "",
                          limits)  # fmt: skip
        Console().print(table)

    @verb.command("revoke")
    def _revoke(name: Annotated[str, typer.Argument(help="its id")], file: File = None) -> None:
        """Take a key away; a running server notices within a second."""
        path = _path(file)
        there = keys.read(path)
        kept = {digest: key for digest, key in there.items() if key.id != name}
        if len(kept) == len(there):
            raise SettingsError(f"{path} has no key {name!r}; `guardproxy keys list` shows them")
        keys.write(path, kept)
        typer.echo(f"{name} is revoked")


def _path(file: Path | None) -> Path:
    """The file of keys: named, set, or the one beside the embedded store."""
    settings = read_settings()
    return file or settings.api_keys or settings.data_dir / "keys.json"


def _entry(name: str, policy: str, audience: str, *, graph: bool, limits: list[str]) -> keys.Key:
    """A key's entry, or what is wrong with it."""
    told = {"id": name, "policy": policy, "audience": audience, "graph": graph,
            "limits": [_limit(text) for text in limits]}  # fmt: skip
    try:
        return keys.Key.model_validate(told)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"{where}: {first['msg']}") from error


def _limit(text: str) -> dict[str, object]:
    """MAX/WINDOW as a limit's fields."""
    most, _, window = text.partition("/")
    of: Literal["tokens", "messages"] = "tokens" if most.endswith("tokens") else "messages"
    most = most.removesuffix("tokens").removesuffix("messages").strip()
    if not most.isdigit() or not window:
        raise SettingsError(f"--limit {text!r}: write MAX/WINDOW, as in 60/1m or 20000tokens/1d")
    return {"max": int(most), "in": window, "of": of}
