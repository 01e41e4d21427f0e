"""The console's files, and the headers that keep a page to itself."""

import hashlib
from collections.abc import Awaitable, Callable
from importlib import resources
from importlib.resources.abc import Traversable

from aiohttp import hdrs, web

TYPES = {
    ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript",
    ".css": "text/css", ".svg": "image/svg+xml",
}  # fmt: skip
HEADERS = {
    # nothing from elsewhere, nothing inline, in nobody's frame
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def routes() -> list[web.RouteDef]:
    """The console: `/` and `/static/...`."""
    return files(resources.files("guardproxy.console") / "static", "static/")


def files(folder: Traversable, prefix: str) -> list[web.RouteDef]:
    """A folder's files below `/{prefix}`, its index.html as `/`; each is read once, here."""
    return [
        web.get("/" if name == "index.html" else f"/{prefix}{name}", _serves(body, kind))
        for name, body in _files(folder, "")
        if (kind := TYPES.get(_suffix(name)))
    ]


def _files(folder: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    """(path, bytes) of all files below a folder."""
    found = []
    for entry in folder.iterdir():
        name = f"{prefix}{entry.name}"
        if entry.is_dir():
            found += _files(entry, f"{name}/")
        else:
            found.append((name, entry.read_bytes()))
    return found


def _suffix(name: str) -> str:
    """A file name's last suffix."""
    return f".{name.rpartition('.')[2]}"


def _serves(body: bytes, kind: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A file's handler: the browser keeps it, and asks whether it is still the same."""
    tag = hashlib.sha256(body).hexdigest()[:16]

    async def serve(request: web.Request) -> web.Response:
        headers = {hdrs.ETAG: f'"{tag}"', hdrs.CACHE_CONTROL: "no-cache"}
        if any(etag.value == tag for etag in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, content_type=kind, charset="utf-8", headers=headers)

    return serve


async def keep_to_itself(_request: web.Request, response: web.StreamResponse) -> None:
    """Every answer of the listener leaves with the headers: pages, errors, streams."""
    response.headers.update(HEADERS)
