"""A case as a signed request to the business's own help desk.

The receiver checks `X-GuardProxy-Signature-256` (HMAC-SHA256 over the bytes of the body) and that
`sent_at` in it is recent, and takes a second request with the same `Idempotency-Key` as the first.
"""

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import ClientSession, hdrs

from guardproxy.channels.notice import as_json
from guardproxy.channels.parcel import BROKEN, DEADLINE, Parcel, broken, refused
from guardproxy.core.errors import DeliveryError

SIGNATURE = "X-GuardProxy-Signature-256"
TIMESTAMP = "X-GuardProxy-Timestamp"


@dataclass(frozen=True, slots=True)
class Webhook:
    """`clock`: seconds since 1970."""

    session: ClientSession
    clock: Callable[[], float]

    async def carry(self, parcel: Parcel) -> None:
        """One POST. No redirect is followed: the case goes where the policy says, or nowhere."""
        if not parcel.channel.url:
            raise DeliveryError("the webhook's address is not set", final=True)
        sent = self.clock()
        raw = json.dumps(as_json(parcel.notice, sent), ensure_ascii=False).encode()
        headers = {
            hdrs.CONTENT_TYPE: "application/json",
            "Idempotency-Key": parcel.notice.key,
            TIMESTAMP: str(int(sent)),
        }
        secret = parcel.channel.secret or parcel.secret
        if secret:
            headers[SIGNATURE] = signature(raw, secret)
        try:
            async with self.session.post(
                parcel.channel.url, data=raw, headers=headers, timeout=DEADLINE,
                allow_redirects=False,
            ) as response:  # fmt: skip
                if not 200 <= response.status < 300:
                    raise refused(response.status, "the webhook")
        except BROKEN as error:
            raise broken(error, "the webhook") from error


def signature(raw: bytes, secret: str) -> str:
    """The header's value for some bytes, in the form Meta signs its own webhooks."""
    return "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
