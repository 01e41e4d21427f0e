"""The backend as it is called: waits, second tries, the next backend, and no other host ever."""

import time
from contextlib import AsyncExitStack

import pytest
from aiohttp import web
from pydantic import SecretStr

from guardproxy import app
from guardproxy.settings import Fallback
from guardproxy.upstream.client import Backend, Upstream
from guardproxy.upstream.stub import Stub
from tests.conftest import start_rig
from tests.edges.wires import CHAT

FAIR = "book a table for 8"
WARUNG = "warung-bu-sri"


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 529])
async def test_what_is_momentary_is_tried_once_more(rig, status):
    before, rig.stub.flaky = len(rig.stub.calls), [status]
    response = await rig.chat(FAIR, policy=WARUNG)
    assert response.status == 200
    assert len(rig.stub.calls) - before == 2


@pytest.mark.parametrize(
    ("status", "told"), [(400, 400), (401, 502), (403, 502), (404, 404), (422, 422)]
)
async def test_what_is_not_is_not(rig, status, told):
    before, rig.stub.flaky = len(rig.stub.calls), [status]
    response = await rig.chat(FAIR, policy=WARUNG)
    assert response.status == told
    assert len(rig.stub.calls) - before == 1
    assert response.headers["x-guardproxy-origin"] == "upstream"
    assert (await rig.chat(FAIR, policy=WARUNG)).status == 200


async def test_it_gives_up_after_the_second(rig):
    rig.stub.flaky = [503, 503]
    response = await rig.chat(FAIR, policy=WARUNG)
    assert (response.status, rig.stub.flaky) == (502, [])


async def test_the_next_backend_is_asked_by_its_own_name(store, tmp_path):
    other = Stub(script={"": "Gladly! A table for 8 is booked. What time?"})
    keys = []

    @web.middleware
    async def note(request, handler):
        keys.append(request.headers.get("Authorization"))
        return await handler(request)

    async with AsyncExitStack() as stack:
        served = other.app()
        served.middlewares.append(note)
        url = await app.listen(stack, served, ("127.0.0.1", 0))
        more = Fallback(url=f"{url}/v1", key=SecretStr("sk-other"), model="small")
        dead = Fallback(url="http://127.0.0.1:9/v1", key=SecretStr("sk-dead"))
        at = await start_rig(
            stack, store, tmp_path, upstream_fallback=(dead, more), upstream_model="big"
        )
        assert (await at.chat(FAIR, policy=WARUNG)).status == 200
        assert at.stub.calls[-1]["model"] == "big"
        at.stub.mode = "500"
        response = await at.chat(FAIR, policy=WARUNG)
        assert response.json_["choices"][0]["message"]["content"].endswith("What time?")
        assert other.calls[-1]["model"] == "small"
        assert keys == ["Bearer sk-other"]
        at.stub.mode = "echo_key"  # the caller's own fault: no other backend is asked
        assert (await at.chat(FAIR, policy=WARUNG)).status == 400
        assert len(other.calls) == 1


class Trap:
    """A host nobody may be sent to."""

    def __init__(self):
        self.hits = []

    def app(self):
        made = web.Application()
        made.router.add_route("*", "/{tail:.*}", self._caught)
        return made

    async def _caught(self, request):
        self.hits.append((request.path, dict(request.headers)))
        return web.json_response({})


async def test_no_caller_chooses_the_host(rig):
    async with AsyncExitStack() as stack:
        trap = Trap()
        url = await app.listen(stack, trap.app(), ("127.0.0.1", 0))
        fields = dict.fromkeys(
            ("api_base", "base_url", "custom_host", "endpoint", "url", "proxy"), url
        )
        headers = dict.fromkeys(("x-portkey-custom-host", "x-upstream-url", "x-forwarded-host", "x-base-url", "forwarded", "openai-base-url"), url)  # fmt: skip
        for model in ("m", f"{url}/x", "m@127.0.0.1#", "../../x", "m\r\nHost: x"):
            body = CHAT.body(FAIR, **fields) | {"model": model}
            response = await rig.post(
                f"{CHAT.path}?api_base={url}", body, policy=WARUNG, headers=headers
            )
            assert response.status == 200
        image = [
            {
                "role": "user",
                "content": [{"type": "image_url", "image_url": {"url": f"{url}/a.png"}}],
            }
        ]
        await rig.post(CHAT.path, CHAT.body(image), policy=WARUNG)
        assert not trap.hits


async def test_a_redirect_is_not_followed(store, tmp_path):
    async with AsyncExitStack() as stack:
        trap = Trap()
        url = await app.listen(stack, trap.app(), ("127.0.0.1", 0))

        async def away(_request):
            raise web.HTTPTemporaryRedirect(url)

        bad = web.Application()
        bad.router.add_post("/v1/chat/completions", away)
        at = await start_rig(stack, store, tmp_path)
        at.at.program  # noqa: B018
        there = await app.listen(stack, bad, ("127.0.0.1", 0))
        lost = await start_rig(
            stack, store, tmp_path, upstream_fallback=(Fallback(url=f"{there}/v1"),)
        )
        lost.stub.mode = "500"
        assert (await lost.chat(FAIR, policy=WARUNG)).status == 502
        assert not trap.hits


async def test_hop_headers_of_the_caller_stay_here(rig):
    seen = []

    async def note(request):
        seen.append(dict(request.headers))
        return web.json_response({}, status=500)

    made = web.Application()
    made.router.add_post("/v1/chat/completions", note)
    async with AsyncExitStack() as stack:
        url = await app.listen(stack, made, ("127.0.0.1", 0))
        took = []
        up = Upstream(rig.session, [Backend(url=f"{url}/v1", key="sk-own")],
                      clock=time.monotonic, took=lambda *told: took.append(told))  # fmt: skip
        with pytest.raises(Exception, match="500"):
            await up.post("/chat/completions", lambda _model: b"{}", {"openai-beta": "x"})
    assert all(h["Authorization"] == "Bearer sk-own" and h["openai-beta"] == "x" for h in seen)
    assert len(seen) == 2
    assert [outcome for outcome, _ in took] == ["failed"]
