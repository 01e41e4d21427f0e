"""The admin listener's vital signs: alive, ready, and figures."""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass

from aiohttp import hdrs, web

TRUSTED = web.RequestKey("trusted", bool)
OPEN = frozenset({"/livez", "/readyz"})  # probes carry no token; they learn a word, not a name


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
        report = await examine()
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


def gate(token: str) -> Callable[..., Awaitable[web.StreamResponse]]:
    """Lets in who knows the token; without a token, whoever the loopback listener can hear."""
    expected = f"Bearer {token}".encode()

    @web.middleware
    async def check(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        given = request.headers.get(hdrs.AUTHORIZATION, "").encode()
        request[TRUSTED] = not token or hmac.compare_digest(given, expected)
        if not request[TRUSTED] and request.path not in OPEN:
            raise web.HTTPUnauthorized(headers={hdrs.WWW_AUTHENTICATE: "Bearer"})
        response = await handler(request)
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    return check
