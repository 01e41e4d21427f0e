"""Sends through Meta's Graph API. Whether a failed send may be tried again is looked up.

https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes
"""

import re
from typing import Any

from aiohttp import ClientConnectorError, ClientError, ClientSession, ClientTimeout, hdrs

from guardproxy.core.errors import SendError

DEADLINE = ClientTimeout(total=20.0, sock_connect=5.0)  # seconds; Meta answers within one or two
BSUID = re.compile(r"[A-Z]{2}\.[A-Za-z0-9.]")
# Codes after which the same send may succeed: rate limits, and Meta's own troubles.
# Not 1 and 131000: Meta says "unknown error", and the message may be on its way.
AGAIN = frozenset({2, 4, 80007, 130429, 131016, 131056, 131057, 133004})
UNKNOWN = frozenset({1, 131000})
ALARMING = frozenset({368, 131031})  # Meta acts against the account
CLOSED = frozenset({0, 3, 10, 190, 131005, *range(200, 300)})  # the token or the permission


class Graph:
    """One Graph API base URL with its version, for all numbers."""

    def __init__(self, session: ClientSession, url: str, token: str) -> None:
        """`token`: for numbers whose policy names none of its own."""
        self._session = session
        self._url = url.rstrip("/")
        self._token = token

    async def send_text(
        self, number: str, to: str, text: str, *, token: str | None = None, tag: str = ""
    ) -> str:
        """Send one text; WhatsApp's id for it. SendError says whether the outcome is known.

        `tag` comes back in status webhooks (`biz_opaque_callback_data`).
        """
        body: dict[str, Any] = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            **address(to),
            "type": "text",
            "text": {"body": text, "preview_url": False},
        }
        if tag:
            body["biz_opaque_callback_data"] = tag
        status, answer = await self._post(number, body, token)
        return _accepted(status, answer)

    async def typing(self, number: str, message: str, *, token: str | None = None) -> None:
        """Show the customer that `message` is being answered, and that it was read. SendError."""
        body = {
            "messaging_product": "whatsapp",
            "status": "read",
            "message_id": message,
            "typing_indicator": {"type": "text"},
        }
        status, _ = await self._post(number, body, token)
        if status >= 300:
            raise SendError(f"the Graph API answered {status}")

    async def _post(self, number: str, body: dict[str, Any], token: str | None) -> tuple[int, Any]:
        """The status and the JSON that came back, None for none."""
        headers = {hdrs.AUTHORIZATION: f"Bearer {token or self._token}"}
        try:
            async with self._session.post(
                f"{self._url}/{number}/messages", json=body, headers=headers, timeout=DEADLINE
            ) as response:
                try:
                    answer = await response.json(content_type=None)
                except ValueError:
                    answer = None
                return response.status, answer
        except ClientConnectorError as error:
            raise SendError("the Graph API cannot be reached", code=2) from error
        except (ClientError, TimeoutError) as error:
            message = f"a send broke off: {type(error).__name__}"
            raise SendError(message, known=False) from error


def address(to: str) -> dict[str, str]:
    """Where a message goes: a phone number as `to`, a business-scoped id as `recipient`."""
    return {"recipient": to} if BSUID.match(to) else {"to": to}


def wamid_of(answer: Any) -> str:
    """WhatsApp's id of an accepted message, "" where Graph gave none."""
    messages = answer.get("messages") if isinstance(answer, dict) else None
    first = messages[0] if isinstance(messages, list) and messages else None
    return str(first.get("id", "")) if isinstance(first, dict) else ""


def _accepted(status: int, answer: Any) -> str:
    """The id of an accepted message, or the error."""
    if 200 <= status < 300:
        return wamid_of(answer)
    found = answer if isinstance(answer, dict) else {}
    fault = found.get("error")
    fault = fault if isinstance(fault, dict) else {}
    code = fault.get("code")
    message = f"the Graph API answered {status}, code {code}"
    if (not fault and status >= 500) or code in UNKNOWN:
        raise SendError(message, code=code if isinstance(code, int) else None, known=False)
    raise SendError(message, code=code if isinstance(code, int) else None)


def may_try_again(error: SendError) -> bool:
    """Whether the same send may be made again without doubling anything."""
    return error.known and error.code in AGAIN
