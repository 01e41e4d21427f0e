"""The Graph API hop: an agent's calls to Meta, with a token of its own that is worth nothing there.

Any path, version and method passes, streamed, its token swapped for Meta's; a message to a
customer is checked first, and a refused one is answered as Graph would.
"""

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from aiohttp import ClientConnectorError, ClientError, ClientSession, ClientTimeout, hdrs, web
from cryptography.fernet import Fernet, InvalidToken
from multidict import CIMultiDict
from yarl import URL

from guardproxy.core.errors import StoreError, WireError
from guardproxy.edges.llm.caller import Caller, Callers
from guardproxy.edges.whatsapp.faults import fault
from guardproxy.edges.whatsapp.sending import Sender
from guardproxy.pipeline.guard import Guard
from guardproxy.pipeline.shelf import Shelf

PREFIX = "/graph/"
WAITS = ClientTimeout(total=None, sock_connect=5.0, sock_read=60.0)  # seconds; media may be long
SENDS = frozenset({"messages", "marketing_messages"})
VERSION = re.compile(r"v\d+\.\d+")
MOST_JSON = 8 << 20  # bytes of an answer that is looked through for addresses and tokens
# Hop-by-hop, or ours to set.
DROPPED = frozenset(
    ("host", "authorization", "connection", "keep-alive", "transfer-encoding", "te", "upgrade",
     "trailer", "proxy-authorization", "proxy-authenticate", "x-api-key", "accept-encoding",
     "content-encoding", "forwarded", "x-forwarded-for", "cookie", "set-cookie")
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphHop:
    """`url`: Graph's base with its version; `token`: for numbers whose policy names none; `seal`
    hides the addresses of media, which are fetched through here too.
    """

    shelf: Shelf
    callers: Callers
    session: ClientSession
    sender: Sender
    url: str
    token: str
    seal: Fernet

    def token_for(self, guard: Guard | None) -> str:
        """Meta's token for a business."""
        own = guard.policy.whatsapp if guard else None
        return (own.access_token if own else None) or self.token


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of an agent: who, where to, and for which business."""

    caller: Caller
    given: str
    segments: tuple[str, ...]
    guard: Guard | None


def routes(hop: GraphHop) -> list[web.RouteDef]:
    """`/graph/{any Graph path}`."""

    async def serve(request: web.Request) -> web.StreamResponse:  # noqa: PLR0911  by fault
        try:
            call = _call(request, hop)
            if call.segments[0] == "_media":
                return await _media(request, call, hop)
            if request.method == hdrs.METH_POST and call.segments[-1].lower() in SENDS:
                return await _send(request, call, hop)
            return await _pass(request, URL(_target(call, hop), encoded=True), call, hop)
        except WireError as error:
            code = {401: 190, 403: 10}.get(error.status, 100)
            return fault(code, str(error), status=error.status)
        except StoreError as error:
            return fault(131016, str(error))
        except ClientConnectorError:
            return fault(2, "the Graph API cannot be reached")
        except (ClientError, TimeoutError) as error:
            # it may have arrived: clients must not send it again blindly
            return fault(131000, f"a call broke off: {type(error).__name__}")

    return [web.route("*", PREFIX + "{path:.*}", serve)]


def _call(request: web.Request, hop: GraphHop) -> Call:
    """Who calls for what. WireError when it may not."""
    given = request.headers.get(hdrs.AUTHORIZATION, "").removeprefix("Bearer ").strip()
    given = given or request.query.get("access_token", "")
    caller = hop.callers.known(request, given)
    if caller.key is not None and not caller.key.graph:
        message = "this key is not for the Graph API; `guardproxy keys new NAME --graph` makes one"
        raise WireError(message, status=403)
    segments = tuple(part for part in request.match_info["path"].split("/") if part)
    plain = segments[1:] if segments and VERSION.fullmatch(segments[0]) else segments
    if not plain or {".", ".."} & set(plain) or {"method", "batch"} & set(request.query):
        # a batch, or a method in the query, would carry messages past the check
        raise WireError("name the object in the path; batches and ?method= are not passed on")
    guard = next((g for s in plain if (g := hop.shelf.numbered(s))), None)
    if guard is not None and caller.policy not in ("", guard.policy.name):
        raise WireError(f"this key serves the policy {caller.policy!r} only", status=403)
    if guard is None and caller.policy:
        guard = hop.shelf.named(caller.policy)
    return Call(caller=caller, given=given, segments=segments, guard=guard)


def _target(call: Call, hop: GraphHop) -> str:
    """The same path at Graph, in the version the caller names, else the one that is set."""
    path = "/".join(quote(segment, safe=":@!$&'()*+,;=~-._") for segment in call.segments)
    base, _, version = hop.url.rpartition("/")
    if not VERSION.fullmatch(version):
        return f"{hop.url}/{path}"
    return f"{base}/{path}" if VERSION.fullmatch(call.segments[0]) else f"{hop.url}/{path}"


async def _send(request: web.Request, call: Call, hop: GraphHop) -> web.StreamResponse:
    """A message to a customer, or a read mark, which passes untouched."""
    plain = [s for s in call.segments if not VERSION.fullmatch(s)]
    number = plain[0]
    if len(plain) != 2 or hop.shelf.numbered(number) is None or call.guard is None:
        raise WireError(f"{number!r} is not the number of a policy here", status=403)
    body = await _sent_body(request)
    kept: list[str] = []

    async def forward(told: dict[str, Any]) -> tuple[int, Any]:
        """The message to Graph; the status and what it said."""
        headers = {hdrs.AUTHORIZATION: f"Bearer {hop.token_for(call.guard)}"}
        async with hop.session.post(
            URL(_target(call, hop), encoded=True), json=told, headers=headers,
            timeout=ClientTimeout(total=30.0, sock_connect=5.0), allow_redirects=False,
        ) as response:  # fmt: skip
            kept[:] = [await response.text()]
            try:
                return response.status, json.loads(kept[0])
            except ValueError:
                return response.status, None

    if isinstance(body, dict) and body.get("status") in ("read", "delivered"):
        status, answer = await forward(body)
        return web.json_response(answer, status=status)
    marketing = plain[-1].lower() == "marketing_messages"
    return await hop.sender.send(
        body, forward, call.guard, number=number, caller=call.caller.id, marketing=marketing
    )


async def _sent_body(request: web.Request) -> Any:
    """The body of a send: JSON, or the form Graph takes too."""
    try:
        if request.content_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
            form = await request.post()
            return {key: _loose(str(value)) for key, value in form.items() if key != "access_token"}
        body = json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        raise WireError("the body is not JSON") from error
    except web.HTTPRequestEntityTooLarge as error:
        raise WireError("the body is too long", status=413) from error
    return body


def _loose(value: str) -> Any:
    """A form field: JSON where it is an object or a list, else text."""
    try:
        return json.loads(value) if value[:1] in "{[" else value
    except ValueError:
        return value


async def _media(request: web.Request, call: Call, hop: GraphHop) -> web.StreamResponse:
    """A media file, from the address Meta gave for it."""
    try:
        url = hop.seal.decrypt(call.segments[-1].encode()).decode()
    except InvalidToken as error:
        raise WireError("no such media", status=404) from error
    return await _pass(request, URL(url), call, hop, keep_query=False)


async def _pass(
    request: web.Request, url: URL, call: Call, hop: GraphHop, *, keep_query: bool = True
) -> web.StreamResponse:
    """A call as it is, streamed both ways, with Meta's token."""
    token = hop.token_for(call.guard)
    headers = CIMultiDict((k, v) for k, v in request.headers.items() if k.lower() not in DROPPED)
    headers[hdrs.AUTHORIZATION] = f"Bearer {token}"
    headers[hdrs.ACCEPT_ENCODING] = "identity"
    if keep_query:
        hidden = ("access_token", "appsecret_proof")
        url = url.with_query([(k, v) for k, v in request.query.items() if k not in hidden])
    async with hop.session.request(
        request.method, url, headers=headers, timeout=WAITS, allow_redirects=False,
        data=request.content if request.body_exists else None,
    ) as response:  # fmt: skip
        told = CIMultiDict((k, v) for k, v in response.headers.items() if k.lower() not in DROPPED)
        told.pop(hdrs.CONTENT_LENGTH, None) if hdrs.CONTENT_ENCODING in response.headers else None
        if "json" in response.content_type and (response.content_length or 0) <= MOST_JSON:
            told.popall(hdrs.CONTENT_LENGTH, None)
            raw = _own_addresses(await response.read(), request, call, hop, token)
            return web.Response(body=raw, status=response.status, headers=told)
        out = web.StreamResponse(status=response.status, headers=told)
        await out.prepare(request)
        async for chunk in response.content.iter_any():
            await out.write(chunk)
        await out.write_eof()
        return out


def _own_addresses(
    raw: bytes, request: web.Request, call: Call, hop: GraphHop, token: str
) -> bytes:
    """An answer without Meta's token, its media to be fetched through here."""
    if token and token.encode() in raw:  # Graph writes it into the links to further pages
        raw = raw.replace(token.encode(), call.given.encode())
    try:
        body = json.loads(raw)
    except ValueError:
        return raw
    if isinstance(body, dict) and isinstance(body.get("url"), str) and "mime_type" in body:
        sealed = hop.seal.encrypt(body["url"].encode()).decode()
        here = f"{request.scheme}://{request.host}{PREFIX}_media/{sealed}"
        return json.dumps(body | {"url": here}).encode()
    return raw
