"""Meta's webhook: the handshake, and events that are kept durably before they are acknowledged."""

import asyncio
import hmac
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from guardproxy.core.errors import StoreError, WireError
from guardproxy.edges.whatsapp import wire
from guardproxy.edges.whatsapp.inbox import Inbox
from guardproxy.edges.whatsapp.signature import is_signed
from guardproxy.edges.whatsapp.wire import Piece
from guardproxy.pipeline.shelf import Shelf

PATH = "/whatsapp/webhook"
AT_ONCE = 8  # persons of one webhook side by side: half the connections to the store


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """What the webhook needs. `seen(kind, outcome)` counts, `wake` tells the bridge of new mail."""

    shelf: Shelf
    inbox: Inbox
    secrets: tuple[str, ...]
    verify_token: str
    seen: Callable[[str, str], None]
    wake: Callable[[], None]


def routes(hook: Webhook) -> list[web.RouteDef]:
    """`GET` and `POST /whatsapp/webhook`."""

    async def handshake(request: web.Request) -> web.Response:
        query = request.query
        token = query.get("hub.verify_token", "").encode()
        known = bool(hook.verify_token) and hmac.compare_digest(token, hook.verify_token.encode())
        if query.get("hub.mode") != "subscribe" or not known:
            raise web.HTTPForbidden
        plain = {"X-Content-Type-Options": "nosniff"}
        challenge = query.get("hub.challenge", "")
        return web.Response(text=challenge, content_type="text/plain", headers=plain)

    async def receive(request: web.Request) -> web.Response:
        raw = await request.read()
        header = request.headers.get("X-Hub-Signature-256", "")
        secrets = hook.secrets + _own(hook.shelf)
        if not is_signed(raw, header, secrets):
            hook.seen("webhook", "bad_signature")
            raise web.HTTPUnauthorized
        try:
            events = wire.read(raw)
        except WireError as error:
            hook.seen("webhook", "malformed")
            return web.json_response({"error": str(error)}, status=error.status)
        lost: web.Response | None = None
        try:
            await _keep_all(events, hook.inbox)
        except* StoreError as errors:
            hook.seen("webhook", "store_lost")
            lost = web.json_response({"error": str(errors.exceptions[0])}, status=503)
        if lost is not None:
            return lost
        hook.wake()
        hook.seen("webhook", "accepted")
        return web.Response()

    return [web.get(PATH, handshake, allow_head=False), web.post(PATH, receive)]


async def _keep_all(pieces: tuple[Piece, ...], inbox: Inbox) -> None:
    """Keep what a webhook brought: each person's events in order, persons side by side.

    An ExceptionGroup of StoreErrors when some could not be kept.
    """
    at_once = asyncio.Semaphore(AT_ONCE)

    async def keep(own: list[Piece]) -> None:
        async with at_once:
            for piece in own:
                await inbox.keep(piece)

    async with asyncio.TaskGroup() as group:
        for own in _by_person(pieces):
            group.create_task(keep(own))


def _by_person(pieces: tuple[Piece, ...]) -> list[list[Piece]]:
    """The events of each person, in order; what is nobody's goes together."""
    groups: list[list[Piece]] = []
    found: dict[str, list[Piece]] = {}
    for piece in pieces:
        who = getattr(piece.event, "who", None) or wire.Who()
        ids = [one for one in (who.phone, who.bsuid) if one] or [""]
        own = next((found[one] for one in ids if one in found), None)
        if own is None:
            own = []
            groups.append(own)
        own.append(piece)
        for one in ids:
            found.setdefault(one, own)
    return groups


def _own(shelf: Shelf) -> tuple[str, ...]:
    """App secrets that policies bring themselves."""
    found = (guard.policy.whatsapp for guard in shelf.guards)
    return tuple(whatsapp.secret for whatsapp in found if whatsapp and whatsapp.secret)
