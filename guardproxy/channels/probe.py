"""Whether a case could be brought where a channel says, found out without bringing one."""

import asyncio
from collections.abc import Awaitable, Iterator
from importlib.util import find_spec
from urllib.parse import urlsplit

import aiosmtplib
from aiohttp import ClientSession

from guardproxy.channels.parcel import BROKEN, DEADLINE
from guardproxy.policy.compiled import Channel, Policy

SOON = 3.0  # seconds to answer a knock
Look = Awaitable[tuple[bool, str]]
PORTS = {"http": 80, "https": 443, "smtp": 587, "smtps": 465}


async def probe(
    policy: Policy, *, smtp: str, graph: str, session: ClientSession
) -> tuple[tuple[str, bool, str], ...]:
    """(channel, whether cases arrive there, what was found or what to do) for each that is told."""
    looks = [
        (channel.id, look)
        for channel in policy.escalation.channels.values()
        for look in _looks(channel, smtp, graph, session)
    ]
    return tuple([(name, *await look) for name, look in looks])


def _looks(channel: Channel, smtp: str, graph: str, session: ClientSession) -> Iterator[Look]:
    """What is to be looked at for a channel."""
    if channel.via == "webhook":
        yield _webhook(channel)
    elif channel.via == "chatwoot":
        yield _chatwoot(channel, session)
    elif channel.via == "thread_control":
        yield _knock(graph, "Meta's Graph API")
    if channel.kind == "email":
        yield _mail(smtp)
    if channel.notify:
        yield _chat(channel.notify)


async def _webhook(channel: Channel) -> tuple[bool, str]:
    """Its address is set and somebody listens; requests are signed."""
    if not channel.url:
        return False, "its address is not set: see url: and notify: of the channel"
    ok, note = await _knock(channel.url, "the webhook")
    if ok and not channel.secret:
        return True, f"{note}; secret: would sign with a key of its own, not Meta's app secret"
    return ok, note


async def _chatwoot(channel: Channel, session: ClientSession) -> tuple[bool, str]:
    """The account is there, and the token may look for contacts."""
    url = f"{(channel.url or '').rstrip('/')}/api/v1/accounts/{channel.account}/contacts/search"
    headers = {"api_access_token": channel.secret or ""}
    try:
        async with session.get(
            url, params={"q": "+0"}, headers=headers, timeout=DEADLINE, allow_redirects=False
        ) as response:
            if response.status == 200:
                return True, "Chatwoot answers, and the token may look for contacts"
            return False, f"Chatwoot answers {response.status}: check url, account and secret"
    except (*BROKEN, ValueError) as error:
        return False, f"Chatwoot cannot be reached: {type(error).__name__}"


async def _mail(smtp: str) -> tuple[bool, str]:
    """The mail server says who it is."""
    if not smtp:
        return True, "customers are told the address; set GUARDPROXY_SMTP_URL to mail cases there"
    place = urlsplit(smtp)
    client = aiosmtplib.SMTP(
        hostname=place.hostname, port=place.port or PORTS[place.scheme],
        use_tls=place.scheme == "smtps", timeout=SOON,
    )  # fmt: skip
    try:
        async with client:
            await client.noop()
    except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
        return False, f"the mail server cannot be reached: {type(error).__name__}"
    return True, "the mail server answers"


async def _chat(target: str) -> tuple[bool, str]:
    """Somebody listens, or apprise knows the service."""
    if target.startswith(("http://", "https://")):
        return await _knock(target, "notify")
    if find_spec("apprise") is None:
        return False, "notify: names a chat service: pip install 'guardproxy[notify]'"
    import apprise  # noqa: PLC0415  an extra, and half a second to import

    known = apprise.Apprise().add(target)
    return bool(known), "notify: is known to apprise" if known else "notify: is no such address"


async def _knock(url: str, what: str) -> tuple[bool, str]:
    """Whether somebody listens at a URL's host."""
    place = urlsplit(url)
    port = place.port or PORTS.get(place.scheme, 443)
    try:
        async with asyncio.timeout(SOON):
            _, writer = await asyncio.open_connection(place.hostname, port)
    except (OSError, TimeoutError) as error:
        return False, f"{what} cannot be reached at {place.hostname}:{port}: {type(error).__name__}"
    writer.close()
    return True, f"{what} listens at {place.hostname}:{port}"
