"""A fake Graph API: takes sends as Meta does, and keeps them for whoever looks."""

from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class FakeGraph:
    """`sends` holds (number, body) of every accepted send, in order; `read` the read marks."""

    sends: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    read: list[dict[str, Any]] = field(default_factory=list)

    def app(self) -> web.Application:
        """The API as an application."""
        app = web.Application()
        app.router.add_post("/{version}/{number}/messages", self._messages)
        return app

    async def _messages(self, request: web.Request) -> web.Response:
        if not request.headers.get("Authorization", "").startswith("Bearer "):
            fault = {
                "message": "Invalid OAuth access token.",
                "type": "OAuthException",
                "code": 190,
            }
            return web.json_response({"error": fault}, status=401)
        body = await request.json()
        if body.get("status") == "read":
            self.read.append(body)
            return web.json_response({"success": True})
        self.sends.append((request.match_info["number"], body))
        return web.json_response(
            {
                "messaging_product": "whatsapp",
                "contacts": [contact(body)],
                "messages": [{"id": f"wamid.demo{len(self.sends)}"}],
            }
        )


def contact(body: dict[str, Any]) -> dict[str, str]:
    """The recipient as Meta repeats it: a number, or a business-scoped id."""
    if "to" in body:
        return {"input": body["to"], "wa_id": body["to"]}
    return {"input": body["recipient"], "user_id": body["recipient"]}
