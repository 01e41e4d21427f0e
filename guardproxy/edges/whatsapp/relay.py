"""Hands events on to a business's own agent: one per request, signed anew, as Meta would.

What is forwarded is ASCII only: clients differ in how they hash other characters, and all agree on
escaped ones.
"""

import json
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, hdrs

from guardproxy.edges.whatsapp.signature import signature
from guardproxy.pipeline.guard import Guard

DEADLINE = ClientTimeout(total=20.0, sock_connect=5.0)  # seconds; Meta itself waits about so long
READ = frozenset(
    ("body", "caption", "text", "title", "description", "name", "address", "formatted_name",
     "response_json")
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """`secret`: signs for policies that name none of their own."""

    session: ClientSession
    secret: str

    async def forward(self, body: dict[str, Any], guard: Guard) -> bool:
        """Hand one event to the agent; False when it has to be tried again."""
        whatsapp = guard.policy.whatsapp
        if whatsapp is None or not whatsapp.forward_to:
            return True
        raw = json.dumps(masked(body, guard), ensure_ascii=True, separators=(",", ":")).encode()
        headers = {
            hdrs.CONTENT_TYPE: "application/json",
            "X-Hub-Signature-256": signature(raw, whatsapp.secret or self.secret),
        }
        try:
            async with self.session.post(
                whatsapp.forward_to, data=raw, headers=headers, timeout=DEADLINE,
                allow_redirects=False,
            ) as response:  # fmt: skip
                return 200 <= response.status < 300
        except (ClientError, TimeoutError, OSError):
            return False


def masked(body: dict[str, Any], guard: Guard) -> dict[str, Any]:
    """The webhook with numbers in what the customer wrote masked as `input.pii` says."""

    def mend(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: mend(part, name) for name, part in value.items()}
        if isinstance(value, list):
            return [mend(part, key) for part in value]
        if isinstance(value, str) and key in READ:
            return guard.mask(value)[0]
        return value

    def in_value(value: Any) -> Any:
        if not isinstance(value, dict) or "messages" not in value:
            return value
        return value | {"messages": mend(value["messages"])}

    entries = [
        entry | {"changes": [change | {"value": in_value(change.get("value"))}
                             for change in entry["changes"]]}
        for entry in body["entry"]
    ]  # fmt: skip
    return body | {"entry": entries}
