"""The LLM hop's routes. Deny by default: what is not named here is not forwarded."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from guardproxy.core.errors import UpstreamError, WireError
from guardproxy.edges.llm import answers
from guardproxy.edges.llm.checks import checks
from guardproxy.edges.llm.hop import Hop, body_of, completions, failed

Serve = Callable[[web.Request, Hop], Awaitable[web.StreamResponse]]


async def models(request: web.Request, hop: Hop) -> web.StreamResponse:
    """`GET /v1/models`: names only, no customer's text."""
    hop.callers.known(request)
    return _relayed((await hop.upstream.get("/models")).body)


async def embeddings(request: web.Request, hop: Hop) -> web.StreamResponse:
    """`POST /v1/embeddings`: numbers come back, nothing anyone reads."""
    hop.callers.known(request)
    return _relayed((await hop.upstream.post("/embeddings", await body_of(request))).body)


def _relayed(body: bytes) -> web.Response:
    """The backend's answer as it came."""
    return web.Response(body=body, content_type="application/json")


# path -> (method, who serves it, what is checked of what passes)
ROUTES: dict[str, tuple[str, Serve, str]] = {
    "/chat/completions": ("POST", completions, "question and answer"),
    "/checks": ("POST", checks, "nothing passes"),
    "/models": ("GET", models, "no text passes"),
    "/embeddings": ("POST", embeddings, "no text comes back"),
}


def routes(hop: Hop) -> list[web.RouteDef]:
    """Every route, for the only policy and for a named one."""
    return [
        web.route(method, prefix + path, _bound(serve, hop))
        for path, (method, serve, _checked) in ROUTES.items()
        for prefix in ("/v1", "/t/{policy}/v1")
    ]


def _bound(serve: Serve, hop: Hop) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """A route's handler: what went wrong is answered in the API's own shape."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await serve(request, hop)
        except WireError as error:
            return answers.error(error.status, str(error), field=error.field)
        except UpstreamError as error:
            return failed(error)

    return handle
