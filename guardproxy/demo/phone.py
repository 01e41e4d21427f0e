"""The phone page: what a customer would type, what comes back, and what the guard made of it.

A message typed here takes the real way: a signed webhook in, the Graph API out.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from importlib import resources
from typing import Any

from aiohttp import ClientSession, web

from guardproxy.demo.graph import FakeGraph
from guardproxy.edges.admin import pages
from guardproxy.edges.whatsapp.signature import signature

CUSTOMER = "15550100123"  # a number of the range that is kept free for fiction


@dataclass
class Phone:
    """`webhook`: where Meta would post; `numbers`: phone_number_id -> business."""

    graph: FakeGraph
    session: ClientSession
    secret: str
    clock: Callable[[], float]
    numbers: dict[str, str]
    webhook: str = ""
    verdicts: dict[str, dict[str, Any]] = field(default_factory=dict)
    count: int = 0

    def app(self) -> web.Application:
        """The page, and what it asks for."""
        app = web.Application()
        app.on_response_prepare.append(pages.keep_to_itself)
        app.add_routes(self._routes())
        return app

    def _routes(self) -> list[web.RouteDef]:
        """The page's files, what it shows, what is typed."""
        return [
            *pages.files(resources.files("guardproxy.demo") / "phone", ""),
            web.get("/phone/state", self._state),
            web.post("/phone/say", self._say),
        ]

    def watch(self, record: dict[str, Any]) -> None:
        """Remember what the guard decided."""
        kept = ("verdict", "rule", "score", "topic", "steps", "overhead_ms")
        self.verdicts[record["id"]] = {key: record.get(key) for key in kept}

    async def _state(self, _request: web.Request) -> web.Response:
        sends = [
            {"number": number, "text": body["text"]["body"],
             "decision": body.get("biz_opaque_callback_data")}
            for number, body in self.graph.sends
        ]  # fmt: skip
        return web.json_response(
            {"numbers": self.numbers, "sends": sends, "verdicts": self.verdicts}
        )

    async def _say(self, request: web.Request) -> web.Response:
        asked = await request.json()
        number, text = str(asked["number"]), str(asked["text"])
        if number not in self.numbers or not text.strip():
            raise web.HTTPBadRequest
        self.count += 1
        wamid = f"wamid.phone{self.count}.{self.clock():.3f}"
        message: dict[str, Any] = {
            "from": CUSTOMER, "id": wamid, "timestamp": str(int(self.clock())), "type": "text",
            "text": {"body": text},
        }  # fmt: skip
        if asked.get("document"):
            document = {"caption": text, "filename": "file.pdf", "mime_type": "application/pdf"}
            message |= {"type": "document", "document": document}
            del message["text"]
        raw = json.dumps(envelope(number, [message])).encode()
        headers = {"X-Hub-Signature-256": signature(raw, self.secret)}
        async with self.session.post(self.webhook, data=raw, headers=headers) as response:
            response.raise_for_status()
        digest = sha256(wamid.encode()).hexdigest()[:24]
        return web.json_response({"decision": f"wa_{digest}"})


def envelope(number: str, messages: list[dict[str, Any]]) -> dict[str, Any]:
    """A webhook as Meta sends it."""
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550100000", "phone_number_id": number},
        "messages": messages,
    }
    change = {"field": "messages", "value": value}
    return {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [change]}]}
