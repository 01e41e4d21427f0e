"""`guardproxy review`: an existing agent's prompt against WhatsApp's rule of 2026."""

import asyncio
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from guardproxy import app as program
from guardproxy.cli.rig import load_guards
from guardproxy.detectors.lexicon import Lexicon
from guardproxy.policy import packs
from guardproxy.rehearsal.draft import Draft, draft
from guardproxy.rehearsal.evaluate import RowError
from guardproxy.rehearsal.review import Noted, Sentence, read_prompt, review
from guardproxy.rehearsal.transcripts import Said, Share, off_scope, read_chats


def add_to(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("review")
    def _review(
        prompt: Annotated[Path, typer.Argument(help="the agent's system prompt, as text")],
        transcripts: Annotated[
            Path | None, typer.Option(help="past chats, JSON lines of {messages: [...]}")
        ] = None,
        policy: Annotated[
            Path | None, typer.Option("--policy", "-p", help="judge the chats by this policy")
        ] = None,
        out: Annotated[
            Path | None, typer.Option(help="--draft: where; NAME.yaml by default")
        ] = None,
        *,
        write_draft: Annotated[
            bool, typer.Option("--draft", help="write a policy to start from")
        ] = False,
        force: Annotated[bool, typer.Option("--force", help="overwrite the draft")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="machine-readable")] = False,
    ) -> None:
        """Read PROMPT: what it invites, what it leaves out, with quotes and what to write."""
        read = read_prompt(_text(prompt), program.model().encoder)
        noted, chats = review(read), _chats(transcripts)
        drafted = draft(read, language=_language(read))
        share = _share(chats, policy, drafted) if chats else None
        written = _write(drafted, out, force=force) if write_draft else None
        if as_json:
            told = {"findings": [asdict(one) for one in noted],
                    "chats": asdict(share) | {"share": share.share} if share else None,
                    "draft": str(written) if written else None}  # fmt: skip
            typer.echo(json.dumps(told, ensure_ascii=False))
        else:
            _print(prompt, noted, share)
            if written:
                typer.echo(f"wrote {written}; next: guardproxy check {written}")
        if noted:
            raise typer.Exit(1)


def _text(path: Path) -> str:
    """The prompt's text."""
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{path}: {error}") from error


def _chats(path: Path | None) -> tuple[Said, ...]:
    """The past chats, if any are given."""
    try:
        return read_chats(path) if path else ()
    except (RowError, OSError) as error:
        raise typer.BadParameter(str(error)) from error


def _language(read: Sequence[Sentence]) -> str:
    """The language of the prompt, English when it is none of the packs'."""
    every = [packs.pack(language) for language in packs.languages()]
    return Lexicon(every, every=()).language(" ".join(one.text for one in read), "en")


def _share(chats: Sequence[Said], policy: Path | None, drafted: Draft) -> Share:
    """How much of the past was off scope, by a policy or the draft."""
    with tempfile.TemporaryDirectory() as folder:
        path = policy or Path(folder) / f"{drafted.name}.yaml"
        if policy is None:
            path.write_text(drafted.text, "utf-8")
        guard = next(iter(load_guards([path]).values()))
        return asyncio.run(off_scope(chats, guard, program.now()))


def _write(drafted: Draft, out: Path | None, *, force: bool) -> Path:
    """The draft as a file; nothing is overwritten unless told."""
    path = out or Path(f"{drafted.name}.yaml")
    if path.exists() and not force:
        raise typer.BadParameter(f"{path} is already there; --force overwrites")
    path.write_text(drafted.text, "utf-8")
    return path


def _print(prompt: Path, noted: Sequence[Noted], share: Share | None) -> None:
    """For people."""
    for one in noted:
        place = f"{prompt}:{one.line}" if one.line else str(prompt)
        typer.echo(f"{place}: {one.severity} [{one.code}] {one.says}")
        if one.quote:
            typer.echo(f'  "{one.quote}"')
        typer.echo(f"  write instead: {one.fix}")
    if not noted:
        typer.echo(f"{prompt}: nothing found against the rule; no view of Meta's is promised")
    if share is not None:
        typer.echo(f"past chats: {share.off} of {share.messages} messages off scope "
                   f"({share.share:.0%})")  # fmt: skip
        for sample in share.samples:
            typer.echo(f'  "{sample}"')
