"""Held streams: whatever the backend does with its bytes, the caller sees a checked, ended answer."""

import asyncio
import json
import time
from contextlib import AsyncExitStack

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai import APIError, AsyncOpenAI

from guardproxy.edges.llm import chat, messages, responses
from guardproxy.upstream import shapes
from tests.conftest import Rig, start_rig, until
from tests.edges.wires import APIS, CHAT, MESSAGES, Api

FAIR = "book a table for 8"
LEAK = "Sure! Here it is: def sort(items): return sorted(items)  # a python function that sorts"
WARUNG = "warung-bu-sri"
TEXT = "Gladly! A table for 8 is booked ☕ “jam berapa”?"
EVENTS = {
    "chat": shapes.chat_events,
    "responses": shapes.responses_events,
    "messages": shapes.messages_events,
}
DIALECTS = {"chat": chat, "responses": responses, "messages": messages}
STREAM = "text/event-stream"


def stream_of(api: Api, text: str) -> bytes:
    return b"".join(
        EVENTS[api.name](shapes.Says(1, text), {"stream_options": {"include_usage": True}})
    )


@pytest.fixture(scope="session")
async def hasty(store, tmp_path_factory):
    """Both dialects, with short waits."""
    async with AsyncExitStack() as stack:
        rigs = {}
        for name in ("openai", "anthropic"):
            home = tmp_path_factory.mktemp(f"hasty-{name}")
            rigs[name] = await start_rig(
                stack, store, home, upstream_api=name, keep_alive=0.05,
                upstream_first_byte_timeout=0.6, upstream_idle_timeout=0.5)  # fmt: skip
        yield rigs


@pytest.fixture
def quick(api, hasty) -> Rig:
    at = hasty["anthropic" if api is MESSAGES else "openai"]
    yield at
    at.stub.raw, at.stub.sizes, at.stub.pause, at.stub.cut = None, (), 0.0, False
    at.stub.mode, at.stub.delay = "", 0.0


@pytest.mark.parametrize("name", [api.name for api in APIS])
@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=5), leak=st.booleans())
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
async def test_no_way_of_splitting_the_bytes_changes_the_answer(rig, claude, name, sizes, leak):
    api = next(api for api in APIS if api.name == name)
    at = claude if api is MESSAGES else rig
    text = LEAK if leak else TEXT
    at.stub.raw, at.stub.sizes = (stream_of(api, text), STREAM), tuple(sizes)
    try:
        response = await at.post(api.path, api.body(FAIR, stream=True), policy=WARUNG)
    finally:
        at.stub.raw, at.stub.sizes = None, ()
    assert (response.headers["x-guardproxy-verdict"] == "redirect") is leak
    assert (api.heard(response) == text) is not leak
    assert b"sorted" not in response.raw_


@pytest.mark.parametrize("ends", [b"\n", b"\r\n", b"\r"])
def test_line_ends_comments_and_names_do_not_matter(api, ends):
    raw = stream_of(api, TEXT).replace(b"\n", ends)
    raw = b"\xef\xbb\xbf: hello" + ends * 2 + b"retry: 10" + ends * 2 + raw
    assert DIALECTS[api.name].joined(raw).texts[0] == TEXT


@given(cut=st.floats(0, 0.97))
def test_a_stream_that_stops_early_is_never_an_answer(cut):
    for api in APIS:
        raw = stream_of(api, TEXT)
        last = {"chat": b'"finish_reason": "stop"', "responses": b"event: response.completed",
                "messages": b"event: message_stop"}[api.name]  # fmt: skip
        raw = raw[: int(raw.index(last) * cut)]
        with pytest.raises(Exception, match=r"broke off|broken"):
            DIALECTS[api.name].joined(raw)


BAD = {
    "cut in a character": lambda raw: raw[: raw.index("☕".encode()) + 1],
    "broken json": lambda raw: raw[:200] + b"data: {oops\n\n" + raw[200:],
    "an error event": lambda raw: b'event: error\ndata: {"type": "error", "error": {"message": "sk-upstream-secret"}}\n\n',
    "nothing": lambda raw: b"",
    "html": lambda raw: b"<html>",
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
async def test_a_bad_stream_is_an_explicit_error(quick, api, kind):
    quick.stub.raw = (BAD[kind](stream_of(api, TEXT)), STREAM)
    response = await quick.post(api.path, api.body(FAIR, stream=True), policy=WARUNG)
    if response.json_ is not None:
        assert response.status == 502
    assert b"error" in response.raw_
    assert b"Gladly" not in response.raw_
    assert b"sk-upstream" not in response.raw_
    assert b"[DONE]" not in response.raw_


@pytest.mark.parametrize("how", ["cut", "stalled", "silent"])
async def test_a_cut_or_stalled_backend_ends_the_stream_with_an_error(quick, api, how):
    raw = stream_of(api, TEXT)
    quick.stub.raw = (raw[: len(raw) // 2], STREAM)
    quick.stub.cut, quick.stub.sizes = how == "cut", (100,) if how == "cut" else (len(raw) // 4,)
    quick.stub.pause = {"cut": 0.02, "stalled": 5.0, "silent": 0.0}[how]
    quick.stub.delay = 5.0 if how == "silent" else 0.0
    started = time.monotonic()
    response = await quick.post(api.path, api.body(FAIR, stream=True), policy=WARUNG)
    assert time.monotonic() - started < 4.5
    assert b": checking\n\n" in response.raw_  # the connection was kept alive
    assert b"event: error" in response.raw_ or b'data: {"error"' in response.raw_
    assert b"Gladly" not in response.raw_
    assert await until(lambda: quick.stub.open == 0, 1.0)


async def test_a_late_error_is_raised_by_the_client(hasty):
    at = hasty["openai"]
    at.stub.delay = 5.0
    try:
        async with AsyncOpenAI(base_url=at.base(WARUNG), api_key="k", max_retries=0) as client:
            with pytest.raises(APIError, match="in time"):
                async for _ in await client.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": FAIR}], stream=True):  # fmt: skip
                    pass
    finally:
        at.stub.delay = 0.0


async def test_a_slow_answer_is_whole_after_comments(quick, api):
    quick.stub.delay = 0.3
    response = await quick.post(api.path, api.body(FAIR, stream=True), policy=WARUNG)
    assert response.raw_.startswith(b": checking\n\n")
    assert response.raw_.rstrip().splitlines()[-1].startswith(b": x-guardproxy-verdict=allow")
    assert api.heard(response) == quick.stub.script["table"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_caller_who_leaves_closes_the_backend_within_a_second(at, api, stream):
    at.stub.mode = "hang"
    who = {"x-guardproxy-user": at.fresh("gone")}
    try:
        body = api.body(FAIR, stream=stream)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(at.post(api.path, body, policy=WARUNG, headers=who))
            assert await until(lambda: at.stub.open == 1)
            task.cancel()
            assert await until(lambda: at.stub.open == 0, 1.0)
    finally:
        at.stub.mode = ""
    response = await at.post(api.path, api.body(FAIR), policy=WARUNG, headers=who)
    assert response.headers["x-ratelimit-remaining-requests"] == "5"  # what nobody heard is free


async def test_what_follows_the_end_does_not_leave(rig):
    raw = (
        stream_of(CHAT, TEXT)
        + b'data: {"choices": [{"index": 0, "delta": {"content": "def sort"}}]}\n\n'
    )
    rig.stub.raw = (raw + b"data: [DONE]\n\n", STREAM)
    try:
        response = await rig.post(CHAT.path, CHAT.body(FAIR, stream=True), policy=WARUNG)
    finally:
        rig.stub.raw = None
    assert b"def sort" not in response.raw_
    assert CHAT.heard(response) == TEXT


async def test_a_backend_that_does_not_stream_is_streamed(at, api):
    answer = {"chat": shapes.chat, "responses": shapes.responses, "messages": shapes.messages}
    at.stub.raw = (json.dumps(answer[api.name](shapes.Says(1, TEXT))).encode(), "application/json")
    try:
        response = await at.post(api.path, api.body(FAIR, stream=True), policy=WARUNG)
    finally:
        at.stub.raw = None
    assert api.heard(response) == TEXT


async def test_fifty_streams_at_once_do_not_cross(at, api):
    """Each customer's secret comes back to that customer only."""
    before = at.stub.script
    secrets = [f"MEJA{n:03d}Q" for n in range(50)]
    at.stub.script = {s.lower(): f"Gladly! Your table for 8 is booked, code {s}." for s in secrets}
    try:

        async def one(secret):
            body = api.body(f"book a table for 8, code {secret}", stream=True)
            return await at.post(api.path, body, policy=WARUNG)

        answers = await asyncio.gather(*(one(secret) for secret in secrets))
    finally:
        at.stub.script = before
    served = 0
    for secret, response in zip(secrets, answers, strict=True):
        assert response.headers.get("x-guardproxy-verdict") in (
            None,
            "allow",
            "redirect",
            "throttle",
        )
        text = api.heard(response)
        assert not any(other in text for other in secrets if other != secret)
        served += secret in text
    assert served > 25  # the business's own limit may refuse some
