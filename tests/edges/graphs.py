"""A fake Graph API with media, management calls, and faults on demand."""

from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from guardproxy.demo.graph import FakeGraph


@dataclass
class WideGraph(FakeGraph):
    """`calls` holds every other call as (method, path, query, authorization, body); `faults` are
    (status, body) that the next sends are answered with; status 0 breaks the connection.
    """

    calls: list[tuple[str, str, dict[str, str], str, bytes]] = field(default_factory=list)
    faults: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    media: bytes = bytes(range(256)) * 8192  # 2 MiB

    def app(self) -> web.Application:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/{version}/{number}/messages", self._maybe)
        app.router.add_get("/{version}/media-1", self._address)
        app.router.add_get("/files/1", self._file)
        app.router.add_get("/{version}/pages", self._pages)
        app.router.add_route("*", "/{tail:.*}", self._other)
        return app

    async def _maybe(self, request):
        if self.faults:
            status, body = self.faults.pop(0)
            if not status:  # taken, and the connection breaks before the answer
                await self._messages(request)
                request.transport.close()
            return web.json_response(body, status=status)
        return await self._messages(request)

    async def _address(self, request):
        url = f"{request.scheme}://{request.host}/files/1"
        return web.json_response({"url": url, "mime_type": "image/png", "id": "media-1"})

    async def _file(self, request):
        assert request.headers["Authorization"] == "Bearer EAAG-secret"
        return web.Response(body=self.media, content_type="image/png")

    async def _pages(self, request):
        token = request.headers["Authorization"].removeprefix("Bearer ")
        return web.json_response({"paging": {"next": f"https://graph/x?access_token={token}"}})

    async def _other(self, request):
        body = await request.read()
        self.calls.append((request.method, request.path, dict(request.query),
                           request.headers.get("Authorization", ""), body))  # fmt: skip
        return web.json_response({"success": True, "id": "media-1"})


async def sent_as(rig: Any, outcome: str) -> float:
    """How many sends a rig has counted with an outcome."""
    async with rig.session.get(f"{rig.at.admin}/metrics") as response:
        text = await response.text()
    line = f'guardproxy_sends_total{{outcome="{outcome}"}}'
    found = [row for row in text.splitlines() if row.startswith(line)]
    return float(found[0].split()[-1]) if found else 0.0
