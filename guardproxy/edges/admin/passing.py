"""Passes the console's requests on to a worker: the process in front holds no policies."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientSession,
    ClientTimeout,
    UnixConnector,
    hdrs,
    web,
)

WAITS = ClientTimeout(total=None, sock_connect=2.0, sock_read=60.0)  # a feed says "alive" each 15 s
KEPT = (hdrs.CONTENT_TYPE, hdrs.CONTENT_DISPOSITION, hdrs.CACHE_CONTROL, "X-Accel-Buffering")


@asynccontextmanager
async def passed_on(sockets: Sequence[Path], token: str) -> AsyncIterator[list[web.RouteDef]]:
    """Routes for all of `/api` that the listener does not serve itself; who asks is known by now.

    `sockets`: where the workers listen, tried in order; they take the admin token from us.
    """
    sessions = [ClientSession(connector=UnixConnector(str(s)), timeout=WAITS) for s in sockets]

    async def serve(request: web.Request) -> web.StreamResponse:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if request.can_read_body:
            headers[hdrs.CONTENT_TYPE] = request.content_type
        body = await request.read()
        for session in sessions:
            try:
                asked = session.request(
                    request.method, f"http://worker{request.path_qs}", data=body, headers=headers
                )
                response = await asked
            except ClientConnectorError:
                continue  # this worker is gone or starting: ask the next
            except (ClientError, TimeoutError) as error:
                # it may have done what was asked: asking another might do it twice
                raise web.HTTPBadGateway(
                    reason="the worker broke off; look, then ask again"
                ) from error
            async with response:
                answer = web.StreamResponse(
                    status=response.status,
                    headers={k: v for k, v in response.headers.items() if k in KEPT},
                )
                await answer.prepare(request)
                async for part in response.content.iter_any():
                    await answer.write(part)
                return answer
        raise web.HTTPServiceUnavailable(reason="no worker answers; try again in a second")

    try:
        yield [web.route("*", "/api/{rest:.*}", serve)]
    finally:
        for session in sessions:
            await session.close()
