"""What is very large: a clear error or an answer, and memory as it was."""

import gc
import json

import psutil
import pytest

from tests.edges.wires import CHAT

MUCH = 160 << 20  # bytes: some copies of what is sent, and no more
STREAM = "text/event-stream"


def grown(before: int) -> int:
    gc.collect()
    return psutil.Process().memory_info().rss - before


async def test_a_body_of_ten_megabytes_is_told_apart_from_a_broken_one(at, api):
    before = psutil.Process().memory_info().rss
    calls = len(at.stub.calls)
    for _ in range(3):
        response = await at.post(api.path, api.body("book a table " * 800_000))
        assert response.status == 413
        assert "4 MiB" in response.json_["error"]["message"]
    assert len(at.stub.calls) == calls
    assert grown(before) < MUCH


async def test_a_long_talk_within_the_bound_is_answered(rig):
    page = "We open at seven. " * 5000  # 90 kB
    messages = [{"role": "tool", "tool_call_id": str(i), "content": page} for i in range(30)]
    talk = [{"role": "user", "content": "what do I need to open a savings account?"}, *messages]
    response = await rig.post(CHAT.path, {"model": "m", "messages": talk})
    assert response.status == 200


@pytest.mark.parametrize("said", ["Your table is booked. " * 240_000, "x" * (5 << 20)])
async def test_an_event_of_five_megabytes_ends_as_any_stream_does(rig, said):
    before = psutil.Process().memory_info().rss
    delta = {"index": 0, "delta": {"content": said}, "finish_reason": "stop"}
    event = b"data: " + json.dumps({"id": "1", "choices": [delta]}).encode() + b"\n\n"
    rig.stub.raw = (event + b"data: [DONE]\n\n", STREAM)
    try:
        body = CHAT.body("what do I need to open a savings account?", stream=True)
        response = await rig.post(CHAT.path, body)
    finally:
        rig.stub.raw = None
    assert response.status == 200
    assert len(CHAT.heard(response)) <= 1000  # cut, or refused in the policy's words
    assert grown(before) < MUCH
