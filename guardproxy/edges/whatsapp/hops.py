"""Puts the WhatsApp side together: webhook, mailboxes and relay, the Graph hop."""

import asyncio
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from aiohttp import ClientSession, web
from cryptography.fernet import Fernet

from guardproxy.edges.llm.caller import Callers
from guardproxy.edges.whatsapp import graph_hop, webhook
from guardproxy.edges.whatsapp.bridge import Bridge
from guardproxy.edges.whatsapp.graph import Graph
from guardproxy.edges.whatsapp.graph_hop import GraphHop
from guardproxy.edges.whatsapp.inbox import Inbox
from guardproxy.edges.whatsapp.outbox import Outbox
from guardproxy.edges.whatsapp.relay import Relay
from guardproxy.edges.whatsapp.sending import Sender
from guardproxy.edges.whatsapp.watch import Watch
from guardproxy.people.address import seal
from guardproxy.pipeline.shelf import Shelf
from guardproxy.settings import Settings
from guardproxy.store.mailbox import Mailbox
from guardproxy.store.people import People
from guardproxy.store.redis import Connection
from guardproxy.store.sends import Sends
from guardproxy.upstream.client import Upstream


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the rest of the program lends. `seen(kind, outcome)`, `sent(outcome)`,
    `carried(category)` and `alarmed(kind)` count, `tell(event, **fields)` logs; `secret` keys
    hashes, `seal` encrypts.
    """

    settings: Settings
    shelf: Shelf
    session: ClientSession
    connection: Connection
    upstream: Upstream
    callers: Callers
    secret: bytes
    seal: Fernet
    mail: asyncio.Event
    tell: Callable[..., None]
    seen: Callable[[str, str], None]
    sent: Callable[[str], None]
    carried: Callable[[str], None]
    alarmed: Callable[[str], None]


def build(
    parts: Parts, clock: Callable[[], float] = time.time
) -> tuple[list[web.RouteDef], Bridge]:
    """The routes, and the bridge to be run beside them."""
    settings, shelf = parts.settings, parts.shelf
    letters = Mailbox(parts.connection, parts.seal, uuid.uuid4().hex)
    people, sends = People(parts.connection), Sends(parts.connection)
    secrets = tuple(secret.get_secret_value() for secret in settings.whatsapp_app_secret)
    token = settings.whatsapp_access_token.get_secret_value()
    hide = partial(seal, key=parts.seal)
    inbox = Inbox(
        shelf=shelf, letters=letters, people=people, sends=sends, secret=parts.secret, seal=hide,
        seen=parts.seen, sent=parts.sent, tell=parts.tell, alarmed=parts.alarmed, clock=clock,
    )  # fmt: skip
    hook = webhook.Webhook(
        shelf=shelf, inbox=inbox, wake=parts.mail.set, seen=parts.seen, secrets=secrets,
        verify_token=settings.whatsapp_verify_token.get_secret_value(),
    )  # fmt: skip
    graph = Graph(parts.session, settings.graph_url, token)
    outbox = Outbox(
        sends=sends, people=people, graph=graph, clock=clock, tell=parts.tell,
        count=parts.sent, carried=parts.carried, alarmed=parts.alarmed,
    )  # fmt: skip
    watch = Watch(shelf=shelf, sends=sends, count=parts.sent, tell=parts.tell, clock=clock)
    bridge = Bridge(
        shelf=shelf, letters=letters, people=people, upstream=parts.upstream, graph=graph,
        outbox=outbox, watch=watch, relay=Relay(session=parts.session,
                                                secret=next(iter(secrets), "")),
        seal=hide, clock=clock, tell=parts.tell, mail=parts.mail,
    )  # fmt: skip
    sender = Sender(
        people=people, sends=sends, secret=parts.secret, seal=hide,
        on_refusal=settings.on_refusal, clock=clock, new_id=lambda: uuid.uuid4().hex,
        tell=parts.tell, count=parts.sent, carried=parts.carried, alarmed=parts.alarmed,
    )  # fmt: skip
    hop = GraphHop(
        shelf=shelf, callers=parts.callers, session=parts.session, sender=sender,
        url=settings.graph_url, token=token, seal=parts.seal,
    )  # fmt: skip
    return [*webhook.routes(hook), *graph_hop.routes(hop)], bridge
