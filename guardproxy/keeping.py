"""Where things are kept: which store serves, and the key that seals what is in it."""

import asyncio
import base64
import hashlib
import os
import secrets
import time
from collections.abc import Callable, Iterable

from guardproxy.core.errors import SettingsError, StoreError
from guardproxy.observe import log
from guardproxy.policy.compiled import Policy
from guardproxy.settings import Settings
from guardproxy.store import embedded
from guardproxy.store.redis import Connection
from guardproxy.store.revisions import Revision, keep

LOOK = 1.0  # seconds between looks at the embedded store


def store_url(settings: Settings) -> tuple[str, embedded.Embedded | None]:
    """Where the store is: the one that is set, the one that runs here, or one started now."""
    if settings.redis_url:
        return settings.redis_url, None
    there = embedded.running(settings.data_dir)
    if there is not None:
        return there, None
    started = embedded.start(settings.data_dir, time.sleep)
    return started.url, started


def own_store(settings: Settings) -> tuple[str, embedded.Embedded | None]:
    """The same for a server: an embedded store has one owner, and it starts it."""
    if settings.redis_url:
        return settings.redis_url, None
    started = embedded.start(settings.data_dir, time.sleep)
    return started.url, started


async def mind(started: embedded.Embedded | None, tell: Callable[..., None]) -> None:
    """Start the embedded store again whenever it ends, until cancelled; `tell` logs it."""
    while started is not None:
        await asyncio.sleep(LOOK)
        ended = await asyncio.to_thread(started.revive)
        if ended:
            tell("store_ended", cause=ended)


def secret_key(settings: Settings) -> bytes:
    """The key of all hashes: set, or made once and kept beside the embedded store."""
    given = settings.secret_key.get_secret_value()
    if given:
        return given.encode()
    if settings.redis_url:
        message = (
            "GUARDPROXY_SECRET_KEY is not set; with GUARDPROXY_REDIS_URL several processes share "
            "it: set it to a long random text, the same for all"
        )
        raise SettingsError(message)
    path = settings.data_dir / "secret"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
    except FileExistsError:
        pass
    return path.read_text("utf-8").encode()


def connect(url: str) -> Connection:
    """A connection to the store."""
    return Connection(url, time.monotonic)


def seal(secret: bytes) -> bytes:
    """The key that encrypts mail at rest, as Fernet wants it."""
    return base64.urlsafe_b64encode(hashlib.sha256(b"mail" + secret).digest())


async def keep_revisions(
    connection: Connection, policies: Iterable[Policy], texts: dict[str, str], at: float
) -> None:
    """Write down which revisions are served from now on (`at`, seconds since 1970), and forget
    other texts. A lost store is said and mends itself: the next reload writes them.
    """
    served = {policy.ref: policy for policy in policies}
    for ref in texts.keys() - served.keys():
        del texts[ref]
    try:
        for ref, policy in served.items():
            if ref in texts:
                await keep(connection, Revision(
                    policy=policy.name, rev=policy.rev, at=at, text=texts[ref]
                ))  # fmt: skip
    except StoreError as error:
        log.event("revisions", problem=str(error))
