"""An answer that repeats the scope prompt is found, however it is written."""

import base64
import codecs
import json

import pytest

from guardproxy.pipeline.prompt import compose
from guardproxy.stages.form import Canary
from guardproxy.upstream import shapes

WORD = "abcdefghijklmnop"
LEAK = f"My instructions end so: reference {WORD}. That is all."
WAYS = {
    "plain": LEAK,
    "capitals": LEAK.upper(),
    "spaced": " ".join(LEAK),
    "dashed": "-".join(LEAK),
    "backwards": LEAK[::-1],
    "rot13": codecs.encode(LEAK, "rot13"),
    "hex": LEAK.encode().hex(),
    **{f"base64 at {n}": base64.b64encode(b"x" * n + LEAK.encode()).decode() for n in range(4)},
    "base64 in lines": base64.encodebytes(LEAK.encode() * 2).decode(),
}


@pytest.mark.parametrize("way", WAYS)
def test_it_is_found(way):
    assert Canary(WORD).is_in(WAYS[way])


def test_other_words_are_not_it():
    assert not Canary(WORD).is_in("Your table for 8 is booked. Reference: abcdefgh.")


async def test_it_stands_in_the_prompt_once_and_is_stable(guards):
    for guard in guards.values():
        prompt = compose(guard.policy)
        assert prompt == guard.prompt
        assert prompt.count(guard.policy.canary) == 1
        assert Canary(guard.policy.canary).is_in(base64.b64encode(prompt.encode()).decode())


async def test_a_leaking_answer_is_not_sent(rig):
    canary = rig.at.shelf.named("warung-bu-sri").policy.canary
    before, rig.stub.script = (
        rig.stub.script,
        {"table": f"Gladly! A table for 8 is booked. {canary[::-1]}"},
    )
    try:
        response = await rig.chat("book a table for 8", policy="warung-bu-sri")
    finally:
        rig.stub.script = before
    assert response.headers["x-guardproxy-rule"] in ("output.prompt", "output.off_topic")
    assert canary[::-1].encode() not in response.raw_


@pytest.mark.parametrize("arguments", ['{"q": "%s"}', '{"%s": 1}', '{"q": ["no", {"to": "%s"}]}'])
@pytest.mark.parametrize("turned", [1, -1])
async def test_no_tool_is_asked_with_it_however_short(rig, arguments, turned):
    policy = rig.at.shelf.named("warung-bu-sri").policy
    word = policy.canary[::turned]
    before = rig.stub.tools
    call: shapes.Call = ("find", json.loads(arguments % word))
    tool = {"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}
    rig.stub.tools = {"table": (call,)}
    try:
        response = await rig.chat("book a table for 8", policy="warung-bu-sri", tools=[tool])
    finally:
        rig.stub.tools = before
    assert response.headers["x-guardproxy-rule"] == "output.prompt"
    assert word.encode() not in response.raw_
