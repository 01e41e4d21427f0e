"""A case as a conversation in Chatwoot: opened, with a private note and a priority.

https://developers.chatwoot.com/api-reference (Application API). The token is a user's: an agent
bot's may not look for contacts.
"""

from dataclasses import dataclass
from typing import Any

from aiohttp import ClientSession

from guardproxy.channels.notice import as_text
from guardproxy.channels.parcel import BROKEN, DEADLINE, Parcel, broken, refused
from guardproxy.core.errors import DeliveryError

PRIORITY = {"normal": "medium", "high": "high"}  # Chatwoot's words


@dataclass(frozen=True, slots=True)
class Chatwoot:
    """Each step is made once: a try that was cut off goes on with the next one."""

    session: ClientSession

    async def carry(self, parcel: Parcel) -> None:
        """Find the customer's conversation, tell colleagues what it is about, open it."""
        if not parcel.to:
            raise DeliveryError("Chatwoot needs the customer's number, there is none", final=True)
        desk = _Desk(self.session, parcel)
        conversation = await desk.conversation()
        at = f"conversations/{conversation}"
        if "note" not in parcel.done and not await desk.has_note(at):
            note = {"content": as_text(parcel.notice), "message_type": "outgoing", "private": True}
            await desk.post(f"{at}/messages", note)
        await parcel.mark("note")
        await desk.post(f"{at}/toggle_priority", {"priority": PRIORITY[parcel.notice.priority]})
        await desk.post(f"{at}/toggle_status", {"status": "open"})


@dataclass(frozen=True, slots=True)
class _Desk:
    """One account's API."""

    session: ClientSession
    parcel: Parcel

    async def conversation(self) -> int:
        """The customer's latest conversation in the inbox, or a new one."""
        contact = await self._contact()
        inbox = self.parcel.channel.inbox
        told = await self._call("GET", f"contacts/{contact}/conversations")
        found = [one for one in _payload(told) if inbox is None or one.get("inbox_id") == inbox]
        if found:
            return max(int(one["id"]) for one in found)
        if inbox is None:
            raise DeliveryError("Chatwoot has no conversation of this customer", final=True)
        asked = {"inbox_id": inbox, "contact_id": contact, "status": "pending"}
        return int((await self.post("conversations", asked))["id"])

    async def _contact(self) -> int:
        """The customer, found by number or id; made where an inbox is named."""
        name = f"+{self.parcel.phone}" if self.parcel.phone else self.parcel.to
        told = await self._call("GET", "contacts/search", query={"q": name})
        for one in _payload(told):
            if name in (one.get("phone_number"), one.get("identifier")):
                return int(one["id"])
        inbox = self.parcel.channel.inbox
        if inbox is None:
            raise DeliveryError("Chatwoot does not know this customer; name an inbox", final=True)
        known = {"phone_number": name} if self.parcel.phone else {"identifier": name}
        made = await self.post("contacts", {"inbox_id": inbox, "name": name, **known})
        return int(made["payload"]["contact"]["id"])

    async def has_note(self, at: str) -> bool:
        """Whether an earlier try left its note, and was cut off before it could say so."""
        told = await self._call("GET", f"{at}/messages")
        mark = self.parcel.notice.case
        return any(one.get("private") and mark in (one.get("content") or "")
                   for one in _payload(told))  # fmt: skip

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        """One POST."""
        return await self._call("POST", path, body=body)

    async def _call(
        self, method: str, path: str, *, body: Any = None, query: dict[str, str] | None = None
    ) -> Any:
        """One call; what it answered as JSON, None for nothing."""
        channel = self.parcel.channel
        url = f"{(channel.url or '').rstrip('/')}/api/v1/accounts/{channel.account}/{path}"
        headers = {"api_access_token": channel.secret or ""}
        try:
            async with self.session.request(
                method, url, json=body, params=query, headers=headers, timeout=DEADLINE,
                allow_redirects=False,
            ) as response:  # fmt: skip
                if not 200 <= response.status < 300:
                    raise refused(response.status, f"Chatwoot ({path.split('/', maxsplit=1)[0]})")
                return await response.json(content_type=None) if await response.read() else None
        except BROKEN as error:
            raise broken(error, "Chatwoot") from error
        except ValueError as error:
            raise DeliveryError("Chatwoot's answer is not JSON", final=True) from error


def _payload(told: Any) -> list[dict[str, Any]]:
    """The list in an answer, wherever this version of Chatwoot puts it."""
    found = told.get("payload", told.get("data")) if isinstance(told, dict) else told
    found = found.get("payload") if isinstance(found, dict) else found
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
