"""Puts the people side together: the desk that the program, the console and the verbs share."""

import time
from collections.abc import Callable

from aiohttp import ClientSession
from cryptography.fernet import Fernet

from guardproxy.edges.whatsapp.graph import Graph
from guardproxy.edges.whatsapp.person import Person
from guardproxy.keeping import seal, secret_key
from guardproxy.observe import log
from guardproxy.people.desk import Desk
from guardproxy.policy.compiled import Policy
from guardproxy.settings import Settings
from guardproxy.store.escalations import Escalations
from guardproxy.store.people import People
from guardproxy.store.redis import Connection


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
