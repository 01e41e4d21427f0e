"""What the verbs that try policies without customers share: guards with nothing remembered."""

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path

import typer

from guardproxy.app import bench_guard, policy_files
from guardproxy.core.errors import PolicyError
from guardproxy.pipeline.guard import Guard


def load_guards(paths: Sequence[Path]) -> dict[str, Guard]:
    """A guard for each policy in files and folders; faults are printed and end the verb with 1."""
    try:
        return asyncio.run(_guards(policy_files(paths)))
    except PolicyError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


async def _guards(files: Iterable[Path]) -> dict[str, Guard]:
    """By policy name."""
    guards = [await bench_guard(path) for path in files]
    return {guard.policy.name: guard for guard in guards}
