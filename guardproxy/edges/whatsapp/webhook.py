"""Meta's webhook: the handshake, and events that are kept durably before they are acknowledged."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from guardproxy.core.errors import StoreError, WireError
from guardproxy.edges.whatsapp import wire
from guardproxy.edges.whatsapp.inbox import Inbox
from guardproxy.edges.whatsapp.signature import is_signed
from guardproxy.pipeline.shelf import Shelf

PATH = "/whatsapp/webhook"


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
        try:
            for event in events:
                await hook.inbox.keep(event)
        except StoreError as error:
            hook.seen("webhook", "store_lost")
            return web.json_response({"error": str(error)}, status=503)
        hook.wake()
        return web.Response()

    return [web.get(PATH, handshake, allow_head=False), web.post(PATH, receive)]


def _own(shelf: Shelf) -> tuple[str, ...]:
    """App secrets that policies bring themselves."""
    found = (guard.policy.whatsapp for guard in shelf.guards)
    return tuple(whatsapp.secret for whatsapp in found if whatsapp and whatsapp.secret)
