"""A case by Meta's conversation routing: control of the thread passes to the escalation app.

https://developers.facebook.com/documentation/business-messaging/whatsapp (conversation routing)
"""

from dataclasses import dataclass

from aiohttp import ClientSession, hdrs

from guardproxy.channels.notice import as_text
from guardproxy.channels.parcel import BROKEN, DEADLINE, Parcel, broken, refused
from guardproxy.core.errors import DeliveryError

MOST = 2000  # characters of metadata: Meta's limit


@dataclass(frozen=True, slots=True)
class ThreadControl:
    """`url`: Graph's base with its version; `token`: for numbers whose policy names none."""

    session: ClientSession
    url: str
    token: str

    async def carry(self, parcel: Parcel) -> None:
        """Pass the thread on. Passing it twice changes nothing."""
        number = parcel.notice.number
        if not number or not parcel.to:
            raise DeliveryError("no WhatsApp thread to pass on", final=True)
        body = {
            "messaging_product": "whatsapp",
            ("to" if parcel.phone else "recipient"): parcel.to,
            "action": "pass",
            "metadata": as_text(parcel.notice)[:MOST],
        }
        headers = {hdrs.AUTHORIZATION: f"Bearer {parcel.token or self.token}"}
        try:
            async with self.session.post(
                f"{self.url}/{number}/thread_control", json=body, headers=headers, timeout=DEADLINE
            ) as response:
                if not 200 <= response.status < 300:
                    raise refused(response.status, "Meta's thread control")
        except BROKEN as error:
            raise broken(error, "Meta's thread control") from error
