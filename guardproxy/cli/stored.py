"""What the verbs that read the store share: a connection to the one that the settings name."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from guardproxy import app as program
from guardproxy.settings import Settings, read_settings
from guardproxy.store.redis import Connection

T = TypeVar("T")


def with_store(use: Callable[[Connection], Awaitable[T]], settings: Settings | None = None) -> T:
    """Use the store that the settings name, and leave it as it was: running or not."""
    url, started = program.store_url(settings or read_settings())

    async def run() -> T:
        connection = program.connect(url)
        try:
            return await use(connection)
        finally:
            await connection.close()

    try:
        return asyncio.run(run())
    finally:
        if started is not None:
            started.stop()
