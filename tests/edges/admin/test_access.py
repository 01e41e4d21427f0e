"""The admin listener lets in who may come, and locks out who guesses."""

from contextlib import AsyncExitStack

import pytest
from aiohttp import ClientSession, CookieJar, web
from yarl import URL

from guardproxy import app
from guardproxy.core.errors import SettingsError
from guardproxy.edges.admin import health
from guardproxy.edges.admin.access import ADDRESSES, COOKIE, LIFE, LOCKED, TRIES, Lock, is_loopback
from guardproxy.edges.admin.listener import Parts, listener, must_be_closed
from guardproxy.edges.admin.operation import Nothing, Operation
from guardproxy.edges.admin.traffic import Told
from guardproxy.observe.figures import History
from guardproxy.observe.metrics import Metrics

TOKEN = "a-long-admin-token"


class Clock:
    """Seconds that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Door:
    """A listener with one reading and one changing operation, and a browser that keeps cookies."""

    def __init__(self, url: str, browser: ClientSession, clock: Clock) -> None:
        self.url, self.browser, self.clock = url, browser, clock

    async def ask(self, path: str, method: str = "GET", **more):
        async with self.browser.request(method, self.url + path, **more) as response:
            response.body_ = await response.text()
            return response

    async def sign_in(self, token: str = TOKEN) -> str:
        answer = await self.ask("/api/session", "POST", json={"token": token})
        assert answer.status == 200, answer.body_
        return (await answer.json())["csrf"]


@pytest.fixture
async def doors():
    """Makes listeners; all are closed at the end."""
    async with AsyncExitStack() as stack:

        async def make(token: str = TOKEN) -> Door:
            clock, metrics = Clock(), Metrics()

            async def examine() -> health.Report:
                return health.Report(status="ready", store="up", policies=("secret@1",))

            async def figures() -> bytes:
                return metrics.text()

            async def change(_request: web.Request, _asked: object) -> web.Response:
                return web.json_response({"changed": True})

            operations = [Operation(method="POST", path="/api/change", summary="", handle=change,
                                    asked=Nothing, answer=Told)]  # fmt: skip
            parts = Parts(token=token, clock=clock, examine=examine, figures=figures,
                          history=History(figures, clock))  # fmt: skip
            url = await app.listen(stack, listener(parts, operations), ("127.0.0.1", 0))
            jar = CookieJar(unsafe=True)  # takes cookies of an address, as browsers do
            return Door(url, await stack.enter_async_context(ClientSession(cookie_jar=jar)), clock)

        yield make


@pytest.mark.parametrize("path", ["/metrics", "/api/figures", "/api/openapi.json"])
async def test_a_stranger_learns_nothing(doors, path):
    answer = await (await doors()).ask(path)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert "GUARDPROXY_ADMIN_TOKEN" in answer.body_


async def test_probes_and_the_sign_in_page_are_open_and_tell_nothing(doors):
    door = await doors()
    assert (await door.ask("/readyz")).body_ == '{"status": "ready"}'
    assert (await door.ask("/livez")).status == 200
    page = await door.ask("/")
    assert (page.status, page.content_type) == (200, "text/html")
    who = await (await door.ask("/api/session")).json()
    assert who == {"signed_in": False, "token_needed": True, "csrf": ""}


async def test_the_token_opens_for_programs(doors):
    door = await doors()
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert (await door.ask("/metrics", headers=bearer)).status == 200
    assert "secret@1" in (await door.ask("/readyz", headers=bearer)).body_
    assert (await door.ask("/api/change", "POST", headers=bearer)).status == 200
    assert (await door.ask("/metrics", headers={"Authorization": "Bearer x"})).status == 401


async def test_a_session_reads_and_changes_with_its_csrf_token(doors):
    door = await doors()
    csrf = await door.sign_in()
    assert (await door.ask("/api/figures")).status == 200
    refused = await door.ask("/api/change", "POST")
    assert (refused.status, "X-CSRF-Token" in refused.body_) == (403, True)
    changed = await door.ask("/api/change", "POST", headers={"X-CSRF-Token": csrf})
    assert changed.status == 200


async def test_the_cookie_is_for_this_site_and_for_no_script(doors):
    door = await doors()
    answer = await door.ask("/api/session", "POST", json={"token": TOKEN})
    cookie = answer.cookies[COOKIE]
    assert (cookie["samesite"], cookie["httponly"], cookie["path"]) == ("Strict", True, "/")
    behind = await door.ask("/api/session", "POST", json={"token": TOKEN},
                            headers={"X-Forwarded-Proto": "https"})  # fmt: skip
    assert behind.cookies[COOKIE]["secure"] is True


async def test_a_session_ends_by_time_and_by_signing_out(doors):
    door = await doors()
    csrf = await door.sign_in()
    kept = door.browser.cookie_jar.filter_cookies(URL(door.url))[COOKIE].value
    await door.ask("/api/session", "DELETE", headers={"X-CSRF-Token": csrf})
    assert (await door.ask("/metrics", headers={"Cookie": f"{COOKIE}={kept}"})).status == 401
    await door.sign_in()
    door.clock.now += LIFE + 1
    assert (await door.ask("/metrics")).status == 401


@pytest.mark.parametrize("headers", [
    {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
])  # fmt: skip
@pytest.mark.parametrize("token", [TOKEN, ""])
async def test_another_sites_page_changes_nothing(doors, token, headers):
    door = await doors(token)
    csrf = await door.sign_in() if token else ""
    asked = headers | {"X-CSRF-Token": csrf}
    assert (await door.ask("/api/change", "POST", headers=asked)).status == 403
    assert (await door.ask("/api/session", "POST", json={"token": TOKEN}, headers=headers)
            ).status == 403  # fmt: skip


async def test_without_a_token_this_machine_may_ask_by_its_own_name_only(doors):
    door = await doors("")
    assert (await door.ask("/metrics")).status == 200
    assert (await door.ask("/api/change", "POST")).status == 200
    rebound = await door.ask("/api/figures", headers={"Host": "evil.example:80"})
    assert rebound.status == 401
    own = await door.ask("/api/change", "POST", headers={"Origin": door.url})
    assert own.status == 200


async def test_whoever_guesses_is_locked_out_for_a_while_right_or_wrong(doors):
    door = await doors()
    for _ in range(TRIES):
        assert (await door.ask("/api/session", "POST", json={"token": "guess"})).status == 401
    locked = await door.ask("/api/session", "POST", json={"token": TOKEN})
    assert locked.status == 429
    assert 0 < int(locked.headers["Retry-After"]) <= LOCKED
    bearer = await door.ask("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert bearer.status == 429
    door.clock.now += LOCKED + 1
    assert await door.sign_in()


async def test_a_session_outlives_another_ones_guesses(doors):
    door = await doors()
    await door.sign_in()
    for _ in range(TRIES + 1):
        await door.ask("/metrics", headers={"Authorization": "Bearer guess"})
    assert (await door.ask("/metrics")).status == 200


def test_a_flood_of_addresses_does_not_fill_the_memory():
    lock = Lock(Clock())
    for number in range(3 * ADDRESSES):
        lock.note(f"10.{number >> 8}.{number & 255}.1")
    assert len(lock.wrong) == ADDRESSES


@pytest.mark.parametrize(("host", "own"), [
    ("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("localhost", True),
    ("0.0.0.0", False), ("::", False), ("127.evil.example", False), ("10.0.0.1", False),
])  # fmt: skip
def test_only_loopback_goes_without_a_token(host, own):
    assert is_loopback(host) is own
    must_be_closed("token", host)
    if not own:
        with pytest.raises(SettingsError, match="GUARDPROXY_ADMIN_TOKEN"):
            must_be_closed("", host)


@pytest.mark.parametrize("path", ["/", "/metrics", "/nowhere", "/api/figures"])
async def test_every_answer_keeps_to_itself(doors, path):
    headers = (await (await doors("")).ask(path)).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"


async def test_errors_are_sentences(doors):
    door = await doors("")
    answer = await door.ask("/api/session", "POST", data=b"[")
    assert answer.status == 422
    assert "Invalid JSON" in (await answer.json())["error"]["message"]
    unknown = await door.ask("/api/figures?polcy=x")
    assert (unknown.status, "polcy" in unknown.body_) == (422, True)
