"""`guardproxy doctor`: what is set up, what is missing, and the next command."""

import asyncio
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from aiohttp import ClientError, ClientSession, ClientTimeout

from guardproxy import app as program
from guardproxy.channels.probe import probe
from guardproxy.core.errors import GuardproxyError, PolicyError, SettingsError
from guardproxy.detectors import tokens
from guardproxy.policy import load
from guardproxy.settings import Settings, environment, read_settings


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: ok, or what to do."""

    what: str
    ok: bool
    note: str


def add_to(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("doctor")
    def _doctor(
        policies: Annotated[Path, typer.Option(help="folder of policy files")] = Path("policies"),
        admin: Annotated[str, typer.Option(help="the admin listener to probe")] = "127.0.0.1:8081",
        *,
        probe: Annotated[
            bool, typer.Option("--probe", help="only ask whether a running guardproxy is ready")
        ] = False,
        fetch_vocab: Annotated[
            bool, typer.Option("--fetch-vocab", help="fetch the vocabulary that counts tokens")
        ] = False,
        as_json: Annotated[bool, typer.Option("--json", help="machine-readable")] = False,
    ) -> None:
        """Look at settings, policies, weights, store and backend; say what to do next."""
        if probe:
            ready = asyncio.run(_ready(admin))
            typer.echo("ready" if ready else "not ready")
            raise typer.Exit(0 if ready else 1)
        if fetch_vocab:
            typer.echo(f"the vocabulary is in {_fetch()}")
            return
        found = list(_look(read_settings(), policies))
        if as_json:
            typer.echo(json.dumps([asdict(finding) for finding in found], ensure_ascii=False))
        else:
            for finding in found:
                typer.echo(f"{'ok  ' if finding.ok else 'MISS'}  {finding.what:<12} {finding.note}")
        if not all(finding.ok for finding in found):
            raise typer.Exit(1)


def _fetch() -> str:
    """Put the vocabulary where `serve` looks for it; the folder, or exit code 1 with what to do."""
    cache = environment().get("TIKTOKEN_CACHE_DIR", "")
    try:
        tokens.fetch(cache)
    except SettingsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    return cache


async def _ready(admin: str) -> bool:
    """Whether a running guardproxy says it is ready."""
    try:
        async with (
            ClientSession(timeout=ClientTimeout(total=5.0)) as session,  # seconds: it is near
            session.get(f"http://{admin}/readyz") as response,
        ):
            return response.status == 200
    except (ClientError, OSError, TimeoutError):
        return False


def _look(settings: Settings, policies: Path) -> Iterator[Finding]:
    """Everything a start needs."""
    yield from _policies(policies)
    files = load.policy_files([policies]) if policies.exists() else ()
    yield from asyncio.run(_channels(settings, files))
    yield _attempt("weights", "the encoder's weights are the right ones", program.model)
    yield Finding(
        "backend", bool(settings.upstream_url),
        settings.upstream_url or "set GUARDPROXY_UPSTREAM_URL to the LLM's base URL (up to /v1)",
    )  # fmt: skip
    yield _attempt("store", settings.redis_url or f"embedded, in {settings.data_dir}",
                   lambda: _store(settings))  # fmt: skip
    for name in ("whatsapp_app_secret", "whatsapp_verify_token", "whatsapp_access_token"):
        value = getattr(settings, name)
        there = bool(value if isinstance(value, tuple) else value.get_secret_value())
        note = "set" if there else f"set GUARDPROXY_{name.upper()} to serve WhatsApp directly"
        yield Finding("whatsapp", there, note)


def _policies(folder: Path) -> Iterator[Finding]:
    """Each policy file, and the variables it names."""
    files = load.policy_files([folder]) if folder.exists() else ()
    if not files:
        yield Finding("policies", ok=False, note=f"none in {folder}; try `guardproxy demo`")
    for path in files:
        try:
            policy = load.load_policy(path)
        except PolicyError as error:
            yield Finding(
                "policy",
                ok=False,
                note=f"{path}: `guardproxy check {path}`: {error.faults[0].message}",
            )
            continue
        yield Finding("policy", ok=True, note=policy.ref)
        named = set(re.findall(r"env:([A-Za-z_][A-Za-z0-9_]*)", path.read_text("utf-8")))
        for name in sorted(named - {key for key, value in environment().items() if value}):
            yield Finding(
                "policy", ok=False, note=f"{path} names {name}: set it in the environment"
            )


async def _channels(settings: Settings, files: Iterable[Path]) -> list[Finding]:
    """Whether cases would arrive where the channels of all policies say."""
    found = []
    async with ClientSession() as session:
        for path in files:
            try:
                policy = load.load_policy(path, environment())
            except PolicyError:
                continue  # said already
            told = await probe(
                policy, smtp=settings.smtp_url.get_secret_value(), graph=settings.graph_url,
                session=session,
            )  # fmt: skip
            found += [
                Finding("channel", ok, f"{policy.name}, {channel}: {note}")
                for channel, ok, note in told
            ]
    return found


def _attempt(what: str, note: str, look: object) -> Finding:
    """A look that may fail with an error of ours."""
    try:
        look()  # type: ignore[operator]
    except GuardproxyError as error:
        return Finding(what, ok=False, note=str(error))
    return Finding(what, ok=True, note=note)


def _store(settings: Settings) -> None:
    """Reach the store once."""
    url, started = program.store_url(settings)

    async def ping() -> None:
        connection = program.connect(url)
        try:
            await connection.do("PING")
        finally:
            await connection.close()

    try:
        asyncio.run(ping())
    finally:
        if started is not None:
            started.stop()
