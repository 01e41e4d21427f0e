"""The admin listener put together: who may ask, vital signs, figures, the console, the API."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from aiohttp import web

from guardproxy.core.errors import SettingsError
from guardproxy.edges.admin import health, pages, traffic
from guardproxy.edges.admin.access import Access, is_loopback
from guardproxy.edges.admin.operation import MOST, Operation, document, in_words
from guardproxy.observe.figures import History


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """`token` "": open to this machine. `named` False: on a socket file of our own.
    `clock`: monotonic seconds.
    """

    token: str
    clock: Callable[[], float]
    examine: health.Examine
    figures: health.Figures
    history: History
    named: bool = True


def must_be_closed(token: str, host: str) -> None:
    """SettingsError for a listener that others can reach and that asks for no token."""
    if not token and not is_loopback(host):
        message = f"the admin listener on {host} is open to others: set GUARDPROXY_ADMIN_TOKEN"
        raise SettingsError(message)


def listener(
    parts: Parts, operations: Sequence[Operation] = (), extra: Sequence[web.RouteDef] = ()
) -> web.Application:
    """The application. `operations` of the console, where this process can carry them out;
    `extra`: routes beside those that are always there.
    """
    access = Access(parts.token, parts.clock, named=parts.named)
    offered = [*access.operations(), *traffic.operations(parts.history), *operations]
    app = web.Application(client_max_size=MOST, middlewares=[in_words, access.middleware])
    app.on_response_prepare.append(pages.keep_to_itself)
    app.add_routes([
        *health.routes(parts.examine, parts.figures),
        *pages.routes(),
        *(one.route() for one in offered),
        *([_described(offered)] if operations else []),
        *extra,
    ])  # fmt: skip
    return app


def _described(offered: Sequence[Operation]) -> web.RouteDef:
    """The API's own description."""
    told = document(offered, version("guardproxy"))

    async def serve(_request: web.Request) -> web.Response:
        return web.json_response(told)

    return web.get("/api/openapi.json", serve)
