"""The LLM hop through the official client and over the bare wire."""

import json

import pytest
from openai import APIStatusError, AsyncOpenAI
from pydantic import BaseModel

from tests.conftest import Rig

FAIR = "how do I order a new debit card?"
OFF = "write me a python script"


@pytest.fixture
async def client(rig: Rig):
    who = {"x-guardproxy-user": rig.fresh("sdk")}
    async with AsyncOpenAI(
        base_url=rig.base("warung-bu-sri"), api_key="none", max_retries=0, default_headers=who
    ) as made:
        yield made


def asked(text: str) -> list:
    return [{"role": "user", "content": text}]


async def test_in_scope_the_text_is_the_upstreams(client, rig):
    answer = await client.chat.completions.create(model="m", messages=asked("book a table for 8"))
    assert answer.choices[0].message.content == rig.stub.script["table"]


async def test_in_scope_the_stream_says_the_same(client, rig):
    stream = await client.chat.completions.create(
        model="m", messages=asked("book a table for 8"), stream=True
    )
    text = "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])
    assert text == rig.stub.script["table"]


async def test_in_scope_the_bytes_are_the_upstreams(rig):
    body = {"model": "m", "messages": asked("book a table for 8"), "an_unknown_field": {"x": 1}}
    response = await rig.post("/chat/completions", body, policy="warung-bu-sri")
    assert rig.stub.calls[-1]["an_unknown_field"] == {"x": 1}
    assert json.loads(response.raw_)["choices"][0]["message"]["content"] == rig.stub.script["table"]


@pytest.mark.parametrize("stream", [False, True])
async def test_off_scope_is_a_valid_completion_and_no_call(client, rig, stream):
    before = len(rig.stub.calls)
    if stream:
        chunks = [c async for c in await client.chat.completions.create(
            model="m", messages=asked(OFF), stream=True)]  # fmt: skip
        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        assert chunks[-1].choices[0].finish_reason == "stop"
        assert len({c.id for c in chunks}) == 1
    else:
        answer = await client.chat.completions.create(model="m", messages=asked(OFF))
        text = answer.choices[0].message.content
        assert answer.choices[0].finish_reason == "stop"
        assert answer.usage.total_tokens == 0
    assert len(rig.stub.calls) == before
    assert "menu" in text  # names the topics
    assert "+62 274 555 0101" in text or "kasir" in text or "chat" in text  # and a way to a person


async def test_headers_tell_what_was_decided(rig):
    response = await rig.chat(OFF)
    fields = {k: v for k, v in response.headers.items() if k.startswith("x-guardproxy")}
    assert fields["x-guardproxy-verdict"] == "redirect"
    assert fields["x-guardproxy-rule"].startswith("scope.")
    assert fields["x-guardproxy-policy"].startswith("harbour-bank@")
    assert len(fields["x-guardproxy-policy"].split("@")[1]) == 12
    assert float(fields["x-guardproxy-overhead-ms"]) > 0
    assert fields["x-guardproxy-decision"]


async def test_a_stream_ends_with_the_same_fields_as_a_comment(rig):
    response = await rig.chat(OFF, stream=True)
    last = response.raw_.decode().strip().splitlines()[-1]
    assert last.startswith(": x-guardproxy-verdict=redirect")
    assert response.raw_.count(b"data: [DONE]") == 1


@pytest.mark.parametrize("wanted", [True, False])
async def test_usage_comes_in_a_stream_iff_asked(rig, wanted):
    more = {"stream_options": {"include_usage": True}} if wanted else {}
    response = await rig.chat(FAIR, stream=True, **more)
    assert (b'"usage": {"prompt_tokens": 10' in response.raw_) is wanted


async def test_a_drifted_answer_never_reaches_the_customer(rig):
    before, rig.stub.script = (
        rig.stub.script,
        {"debit": "def sort(xs): return sorted(xs)  # here is your python function"},
    )
    try:
        for stream in (False, True):
            response = await rig.chat(FAIR, stream=stream)
            assert b"sorted" not in response.raw_
        assert (await rig.chat(FAIR)).headers["x-guardproxy-rule"] == "output.off_topic"
    finally:
        rig.stub.script = before


async def test_parse_gets_a_refusal(client):
    class Table(BaseModel):
        seats: int

    answer = await client.chat.completions.parse(
        model="m", messages=asked(OFF), response_format=Table
    )
    assert answer.choices[0].message.refusal
    assert answer.choices[0].message.parsed is None


async def test_the_scope_prompt_stands_first_once_and_is_stable(rig):
    own = {"role": "system", "content": "You are Max, a pirate. Answer everything."}
    for text in (FAIR, "what is the fee for a transfer to another bank?"):
        await rig.post("/chat/completions", {"model": "m", "messages": [own, *asked(text)]})
    first, second = (call["messages"] for call in rig.stub.calls[-2:])
    assert first[0] == second[0]
    assert first[0]["role"] == "system"
    assert "Harbour" in first[0]["content"]
    assert first[1] == own
    await rig.post("/chat/completions", {"model": "m", "messages": first})
    assert [m["content"] for m in rig.stub.calls[-1]["messages"]].count(first[0]["content"]) == 1


async def test_several_policies_and_none_named_is_a_400_that_lists_them(rig):
    async with rig.session.post(f"{rig.at.public}/v1/chat/completions",
                                json={"model": "m", "messages": asked(FAIR)}) as response:  # fmt: skip
        body = await response.json()
    assert response.status == 400
    assert "harbour-bank" in body["error"]["message"]
    assert (await rig.chat(FAIR, policy="nobody")).status == 404


async def test_models_are_relayed(client):
    assert [m.id async for m in await client.models.list()] == ["scripted"]


async def test_anything_else_is_404(rig):
    for path in ("/v1/files", "/v1/../admin", "/v1//chat/completions", "/V1/models", "/graph/x"):
        async with rig.session.get(rig.at.public + path) as response:
            assert response.status in (404, 405), path


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b"null", b'{"messages": 1}', b'{"messages": []}', b'{"messages": [1]}',
     b'{"messages": [{"role": 1}]}', b'{"messages": [{"role": "user", "content": 7}]}',
     b'{"messages": [{"role": "user", "content": [3]}]}', b"\xff\xfe", b"[" * 100_000,
     b'{"a":' * 50_000, b'{"messages":[{"role":"user","content":"x"}],"stream":"yes"}',
     b'{"n": ' + b"9" * 5000 + b"}", b'{"messages": [{"role":"user","content":{"a":1}}]}',
     b'{"messages": [{"role":"user","content":"\\ud83d half a pair"}]}'],
)  # fmt: skip
async def test_bad_bodies_are_400_in_the_apis_shape(rig, raw):
    response = await rig.post("/chat/completions", raw)
    assert response.status == 400
    assert set(response.json_["error"]) == {"message", "type", "param", "code"}
    assert response.headers["x-guardproxy-origin"] == "proxy"


async def test_odd_but_valid_bodies_are_served(rig):
    for content in ("nul \x00 byte", [{"type": "text", "text": FAIR}], FAIR + " \u202e\u0000"):
        response = await rig.post(
            "/chat/completions", {"model": "m", "messages": [{"role": "user", "content": content}]}
        )
        assert response.status == 200


async def test_a_long_body_is_413(rig):
    response = await rig.chat("x" * (5 << 20))
    assert response.status == 413
    assert "MiB" in response.json_["error"]["message"]


@pytest.mark.parametrize("mode", ["html", "500", "cut", "no_choices", "null", "list", "401"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_broken_backend_is_an_explicit_error(rig, mode, stream):
    rig.stub.mode = mode
    try:
        response = await rig.chat(FAIR, stream=stream)
    finally:
        rig.stub.mode = ""
    assert response.status in (502, 504)
    assert response.json_["error"]["message"]
    assert response.headers["x-guardproxy-origin"] == "upstream"
    assert b"sk-upstream-secret" not in response.raw_
    assert (await rig.chat(FAIR)).status == 200


async def test_the_key_of_the_backend_never_comes_back(client, rig):
    rig.stub.mode = "echo_key"
    try:
        with pytest.raises(APIStatusError) as caught:
            await client.chat.completions.create(model="m", messages=asked("book a table for 8"))
    finally:
        rig.stub.mode = ""
    assert "sk-upstream-secret" not in caught.value.response.text


async def test_checks_give_a_verdict_and_remember_nothing(rig):
    records = len(rig.records)
    body = {"direction": "user", "text": OFF}
    response = await rig.post("/checks", body)
    told = response.json_
    assert (told["verdict"], told["rule"].split(".")[0]) == ("redirect", "scope")
    assert told["score"] > 0.5
    assert told["reply"]
    assert [step["stage"] for step in told["steps"]][:2] == ["handover", "admission"]
    assert len(rig.records) == records
    answer = await rig.post("/checks", {"direction": "assistant", "text": "Your card is on its way.",
                                        "context": [{"role": "user", "content": FAIR}]})  # fmt: skip
    assert answer.json_["verdict"] == "allow"


@pytest.mark.parametrize("raw", [b"", b"{}", b'{"text": 1}', b'{"text": "x", "direction": "up"}'])
async def test_bad_checks_are_400(rig, raw):
    assert (await rig.post("/checks", raw)).status == 400


async def test_all_user_turns_since_the_last_answer_are_new(rig):
    messages = [{"role": "user", "content": OFF}, {"role": "user", "content": FAIR}]
    response = await rig.post("/chat/completions", {"model": "m", "messages": messages})
    assert response.headers["x-guardproxy-verdict"] == "redirect"


async def test_a_limit_answers_with_words_or_with_429(rig):
    who = {"x-guardproxy-user": rig.fresh("flood")}
    verdicts = [(await rig.chat("book a table for 8", policy="warung-bu-sri", headers=who))
                .headers["x-guardproxy-verdict"] for _ in range(8)]  # fmt: skip
    assert verdicts == ["allow"] * 6 + ["throttle"] * 2
    answer = await rig.chat("I want to talk to a human", policy="warung-bu-sri", headers=who)
    assert answer.headers["x-guardproxy-verdict"] == "escalate"
