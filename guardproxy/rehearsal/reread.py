"""Texts through the scope model again: many of them, in as many processes as there are cores."""

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from guardproxy.core.message import Message, Turn
from guardproxy.stages import ScopeReader
from guardproxy.stages.scope import ScopeReading

Make = Callable[[], ScopeReader]  # opens a reader for the policy; it goes to other processes
Read = tuple[str, ScopeReading]
FEW = 400  # texts: fewer are read sooner than another process has opened the model (2 s)
AT_ONCE = 100  # texts handed out together: a third of a second's work, so that the bar moves


def read_again(texts: Sequence[str], make: Make, *, processes: int | None = None) -> Iterator[Read]:
    """Each text (once) with its reading. `processes`: how many; the cores there are by default."""
    distinct = list(dict.fromkeys(texts))
    count = processes or len(os.sched_getaffinity(0))
    if len(distinct) < FEW or count < 2:
        if distinct:
            reader = make()
            for text in distinct:
                yield text, asyncio.run(read(reader, text))
        return
    parts = [distinct[at : at + AT_ONCE] for at in range(0, len(distinct), AT_ONCE)]
    context = get_context("spawn")  # a fork of a process with threads may hang
    with ProcessPoolExecutor(count, context, initializer=_open, initargs=(make,)) as pool:
        for found in pool.map(_read_part, parts):
            yield from found


async def read(reader: ScopeReader, text: str) -> ScopeReading:
    """One reading of a text by itself."""
    turn = Turn(id="replay", business="", surface="rehearsal", now=0.0,
                messages=(Message(id="replay", text=text),))  # fmt: skip
    return await reader.question(turn)


_reader: list[ScopeReader] = []  # of this process; filled when it starts


def _open(make: Make) -> None:
    """Open the reader, once per process."""
    _reader.append(make())


def _read_part(texts: Sequence[str]) -> list[Read]:
    """Some texts, in a process of their own."""
    return asyncio.run(_each(texts))


async def _each(texts: Sequence[str]) -> list[Read]:
    """One after the other: the work is the model's, there is nothing to wait for."""
    return [(text, await read(_reader[0], text)) for text in texts]
