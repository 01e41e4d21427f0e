"""The LLM hop's routes. Deny by default: what is not named here is not forwarded."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from guardproxy.core.errors import UpstreamError, WireError
from guardproxy.edges.llm import answers, chat, messages, responses
from guardproxy.edges.llm.checks import checks
from guardproxy.edges.llm.dialect import Dialect
from guardproxy.edges.llm.hop import Hop, body_of, converse, failed

Serve = Callable[[web.Request, Hop], Awaitable[web.StreamResponse]]


async def models(request: web.Request, hop: Hop) -> web.StreamResponse:
    """`GET /v1/models`: names only, no customer's text."""
    hop.callers.known(request)
    return _relayed((await hop.upstream.get("/models")).body)


async def embeddings(request: web.Request, hop: Hop) -> web.StreamResponse:
    """`POST /v1/embeddings`: numbers come back, nothing anyone reads."""
    hop.callers.known(request)
    body = await body_of(request)
    return _relayed((await hop.upstream.post("/embeddings", lambda _model: body)).body)


def _relayed(body: bytes) -> web.Response:
    """The backend's answer as it came."""
    return web.Response(body=body, content_type="application/json")


@dataclass(frozen=True, slots=True)
class Route:
    """One route: who serves it, what is checked of what passes, and the shape of its errors."""

    method: str
    serve: Serve
    checked: str
    dialect: Dialect = answers.PLAIN


def _guarded(dialect: Dialect) -> Route:
    """A route of a guarded API."""

    async def serve(request: web.Request, hop: Hop) -> web.StreamResponse:
        return await converse(request, hop, dialect)

    return Route("POST", serve, "question and answer", dialect)


ROUTES: dict[str, Route] = {
    chat.PATH: _guarded(chat),
    responses.PATH: _guarded(responses),
    messages.PATH: _guarded(messages),
    "/checks": Route("POST", checks, "nothing passes"),
    "/models": Route("GET", models, "no text passes"),
    "/embeddings": Route("POST", embeddings, "no text comes back"),
}


def routes(hop: Hop) -> list[web.RouteDef]:
    """Every route, for the only policy and for a named one."""
    return [
        web.route(route.method, prefix + path, _bound(route, hop))
        for path, route in ROUTES.items()
        for prefix in ("/v1", "/t/{policy}/v1")
    ]


def _bound(route: Route, hop: Hop) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """A route's handler: what went wrong is answered in the API's own shape."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await route.serve(request, hop)
        except WireError as error:
            return answers.error(error.status, str(error), field=error.field, dialect=route.dialect)
        except UpstreamError as error:
            return failed(error, route.dialect)

    return handle
