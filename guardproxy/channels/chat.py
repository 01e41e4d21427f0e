"""A word to colleagues that a case waits: a webhook, or any of the services apprise knows."""

import asyncio
from dataclasses import dataclass, replace

from guardproxy.channels.notice import as_text
from guardproxy.channels.parcel import Parcel
from guardproxy.channels.webhook import Webhook
from guardproxy.core.errors import DeliveryError


@dataclass(frozen=True, slots=True)
class Chat:
    """`notify:` of a channel: https://... gets the signed request, anything else is apprise's."""

    webhook: Webhook

    async def carry(self, parcel: Parcel) -> None:
        """One message."""
        target = parcel.channel.notify or ""
        if target.startswith(("http://", "https://")):
            to = replace(parcel.channel, url=target)
            await self.webhook.carry(replace(parcel, channel=to))
            return
        # apprise speaks to each service in a thread of its own
        await asyncio.to_thread(_tell, target, parcel.notice.headline, as_text(parcel.notice))


def _tell(target: str, title: str, body: str) -> None:
    """Through apprise, which says no more than whether it worked."""
    try:
        import apprise  # noqa: PLC0415  an extra, and half a second to import
    except ImportError as error:
        message = "notify: names a chat service: pip install 'guardproxy[notify]'"
        raise DeliveryError(message, final=True) from error
    room = apprise.Apprise()
    if not target or not room.add(target):
        raise DeliveryError("notify: is no address that apprise knows", final=True)
    if not room.notify(title=title, body=body):
        raise DeliveryError("the chat service did not take the message", final=False)
