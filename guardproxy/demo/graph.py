"""A fake Graph API: takes sends as Meta does, and keeps them for whoever looks."""

from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class FakeGraph:
    """`sends` holds (number, body) of every accepted send, in order."""

    sends: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

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
        self.sends.append((request.match_info["number"], body))
        return web.json_response(
            {
                "messaging_product": "whatsapp",
                "contacts": [{"input": body["to"], "wa_id": body["to"]}],
                "messages": [{"id": f"wamid.demo{len(self.sends)}"}],
            }
        )
