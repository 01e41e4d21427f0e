"""The admin listener's vital signs: alive, ready, and figures."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass

from aiohttp import hdrs, web

from guardproxy.edges.admin.access import TRUSTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Whether traffic may come: `status` is ready, degraded (still serving), or unready."""

    status: str
    store: str
    policies: tuple[str, ...]
    problems: tuple[str, ...] = ()


Examine = Callable[[], Awaitable[Report]]
Figures = Callable[[], Awaitable[bytes]]


def routes(examine: Examine, figures: Figures) -> list[web.RouteDef]:
    """`/livez`, `/readyz`, `/metrics`."""

    async def livez(_request: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def readyz(request: web.Request) -> web.Response:
        report = await examine()  # a probe without the token learns a word, not a name
        status = 503 if report.status == "unready" else 200
        body = asdict(report) if request.get(TRUSTED, False) else {"status": report.status}
        return web.json_response(body, status=status)

    async def metrics(_request: web.Request) -> web.Response:
        headers = {hdrs.CONTENT_TYPE: "text/plain; version=0.0.4; charset=utf-8"}
        return web.Response(body=await figures(), headers=headers)

    return [
        web.get("/livez", livez),
        web.get("/readyz", readyz),
        web.get("/metrics", metrics),
    ]
