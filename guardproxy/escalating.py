"""Puts the people side together: the desk that the program, the console and the verbs share, and
the courier that brings cases to it and to wherever else people are.
"""

import random
import time
import uuid
from collections.abc import Callable, Iterable

from aiohttp import ClientSession
from cryptography.fernet import Fernet

from guardproxy.channels.chat import Chat
from guardproxy.channels.chatwoot import Chatwoot
from guardproxy.channels.email import Email
from guardproxy.channels.notice import Notice
from guardproxy.channels.parcel import Carrier
from guardproxy.channels.thread_control import ThreadControl
from guardproxy.channels.webhook import Webhook
from guardproxy.edges.whatsapp.bridge import SPEAKS
from guardproxy.edges.whatsapp.graph import Graph
from guardproxy.edges.whatsapp.person import Person
from guardproxy.keeping import seal, secret_key
from guardproxy.observe import log
from guardproxy.people.assistant import Assistant
from guardproxy.people.courier import Courier, Terms
from guardproxy.people.desk import Desk
from guardproxy.policy.compiled import Policy
from guardproxy.settings import Settings
from guardproxy.store.deliveries import Deliveries
from guardproxy.store.escalations import Escalations
from guardproxy.store.people import People
from guardproxy.store.redis import Connection
from guardproxy.upstream.client import Upstream


def desk(
    settings: Settings, connection: Connection, session: ClientSession,
    policy_of: Callable[[str], Policy | None], count: Callable[[str], None] = lambda _outcome: None,
) -> Desk:  # fmt: skip
    """What colleagues work at. `policy_of(business)`: the policy served now; `count(outcome)`
    counts sends.
    """
    secret = secret_key(settings)
    token = settings.whatsapp_access_token.get_secret_value()

    def token_of(business: str) -> str | None:
        policy = policy_of(business)
        return policy.whatsapp.access_token if policy and policy.whatsapp else None

    mouth = Person(
        people=People(connection), graph=Graph(session, settings.graph_url, token), secret=secret,
        token_of=token_of, count=count,
    )  # fmt: skip
    return Desk(
        kept=Escalations(connection), policy_of=policy_of, seal=Fernet(seal(secret)), mouth=mouth,
        clock=time.time, tell=log.event,
    )  # fmt: skip


def courier(
    settings: Settings, connection: Connection, session: ClientSession, at: Desk,
    upstream: Upstream, served: Callable[[], Iterable[str]], count: Callable[[str, str], None],
) -> Courier:  # fmt: skip
    """What brings cases where people are. `served()`: the businesses served here; `count(what,
    outcome)` counts tries.
    """
    secrets = [one.get_secret_value() for one in settings.whatsapp_app_secret]
    return Courier(
        outbox=Deliveries(connection, uuid.uuid4().hex), desk=at, served=served,
        carriers=carriers(settings, session) | {"summary": assistant(at, upstream)},
        terms=Terms(link=settings.console_url, secret=next(iter(secrets), "")),
        jitter=random.random, tell=log.event, count=count,
    )  # fmt: skip


def assistant(at: Desk, upstream: Upstream) -> Assistant:
    """What summarises cases, by the backend that answers customers."""
    api = SPEAKS[upstream.api]

    async def ask(task: str, material: str) -> str:
        reply = await upstream.post(api.PATH, lambda model: api.question(task, (), material, model))
        return api.told(reply.body).texts[0]

    async def keep(notice: Notice, summary: str, suggestion: str) -> None:
        case = await at.kept.of(notice.business, notice.case)
        await at.kept.summarise(case, summary, suggestion)

    return Assistant(ask, keep)


def carriers(settings: Settings, session: ClientSession) -> dict[str, Carrier]:
    """Who carries what: by a channel's `via`, and for what else is told of a case."""
    webhook = Webhook(session, time.time)
    token = settings.whatsapp_access_token.get_secret_value()
    return {
        "webhook": webhook,
        "chatwoot": Chatwoot(session),
        "thread_control": ThreadControl(session, settings.graph_url, token),
        "notify": Chat(webhook),
        "mail": Email(settings.smtp_url.get_secret_value(), settings.smtp_from),
    }
