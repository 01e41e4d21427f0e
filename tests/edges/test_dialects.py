"""Three APIs, one guard: the official clients, and the same rules for each."""

import asyncio
import json

import anthropic
import openai
import pytest
from pydantic import BaseModel
from yarl import URL

from guardproxy.edges.llm import chat, messages, responses
from guardproxy.edges.llm.dialect import Asked
from guardproxy.edges.llm.routes import ROUTES
from guardproxy.upstream import shapes
from tests.conftest import Rig
from tests.edges.wires import CHAT, MESSAGES, RESPONSES, Api

# The clients load their parts when first used, which takes longer than a store may take to answer.
_ = (openai.OpenAI(api_key="k").responses, openai.OpenAI(api_key="k").chat,
     anthropic.Anthropic(api_key="k").messages)  # fmt: skip
FAIR = "book a table for 8"
OFF = "write me a python script"
WARUNG = "warung-bu-sri"
CARD = "4111 1111 1111 1111"


async def ask(at: Rig, api: Api, body: dict, policy: str = WARUNG, **more):
    return await at.post(api.path, body, policy=policy, **more)


@pytest.fixture
async def gpt(rig):
    who = {"x-guardproxy-user": rig.fresh("sdk")}
    async with openai.AsyncOpenAI(base_url=rig.base(WARUNG), api_key="k", max_retries=0,
                                  default_headers=who) as made:  # fmt: skip
        yield made


@pytest.fixture
async def claude_sdk(claude):
    who = {"x-guardproxy-user": claude.fresh("sdk")}
    base = claude.base(WARUNG).removesuffix("/v1")
    async with anthropic.AsyncAnthropic(base_url=base, api_key="k", max_retries=0,
                                        default_headers=who) as made:  # fmt: skip
        yield made


class Table(BaseModel):
    seats: int


async def test_responses_through_the_official_client(gpt, rig):
    answer = await gpt.responses.create(model="m", input=FAIR)
    assert answer.output_text == rig.stub.script["table"]
    refused = await gpt.responses.create(model="m", input=OFF)
    assert "menu" in refused.output_text
    assert refused.status == "completed"
    assert refused.usage.total_tokens == 0


@pytest.mark.parametrize("said", [FAIR, OFF])
async def test_a_responses_stream_through_the_official_client(gpt, rig, said):
    async with gpt.responses.stream(model="m", input=said) as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_response()
    assert ("table" in final.output_text) is (said == FAIR)
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")


async def test_responses_parse_gets_a_refusal(gpt):
    answer = await gpt.responses.parse(model="m", input=OFF, text_format=Table)
    part = answer.output[0].content[0]
    assert part.type == "refusal"
    assert part.refusal
    assert answer.output_parsed is None


async def test_messages_through_the_official_client(claude_sdk, claude):
    def asked(text):
        return {"model": "m", "max_tokens": 99, "messages": [{"role": "user", "content": text}]}

    answer = await claude_sdk.messages.create(**asked(FAIR))
    assert answer.content[0].text == claude.stub.script["table"]
    refused = await claude_sdk.messages.create(**asked(OFF))
    assert (refused.stop_reason, refused.usage.output_tokens) == ("end_turn", 0)
    assert "menu" in refused.content[0].text
    for text, word in ((FAIR, "Gladly"), (OFF, "menu")):
        async with claude_sdk.messages.stream(**asked(text)) as stream:
            final = await stream.get_final_message()
        assert word in final.content[0].text
        assert final.stop_reason == "end_turn"


async def test_the_blocking_clients_work_too(rig, claude):
    """In a thread of their own: the servers live in this one's loop."""

    def both():
        with openai.OpenAI(base_url=rig.base(WARUNG), api_key="k", max_retries=0) as gpt:
            first = gpt.responses.create(model="m", input=FAIR).output_text
            chunks = gpt.chat.completions.create(
                model="m", messages=[{"role": "user", "content": FAIR}], stream=True
            )
            second = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        return first, second

    first, second = await asyncio.to_thread(both)
    assert first == second == rig.stub.script["table"]


@pytest.mark.parametrize("stream", [False, True])
async def test_in_scope_the_body_is_the_backends(at, api, stream):
    """Byte for byte, and unknown fields survive both ways."""
    kind = "text/event-stream" if stream else "application/json"
    answer = whole(api, "Gladly! A table for 8 is booked.", an_unknown_field={"x": [1, 2]})
    raw = streamed(api, answer) if stream else json.dumps(answer, indent=1).encode()
    at.stub.raw = (raw, kind)
    try:
        more = {"stream_options": {"include_usage": True}} if api is CHAT and stream else {}
        body = api.body(FAIR, stream=stream, mine={"deep": [None, 1.50]}, **more)
        response = await ask(at, api, body)
    finally:
        at.stub.raw = None
    assert response.raw_.startswith(raw)
    rest = response.raw_[len(raw) :]
    assert rest.startswith(b": x-guardproxy-verdict=allow") if stream else not rest
    assert b"data:" not in rest
    assert at.stub.calls[-1]["mine"] == {"deep": [None, 1.5]}


def whole(api: Api, text: str, **more) -> dict:
    """A backend's answer."""
    made = {"chat": shapes.chat, "responses": shapes.responses, "messages": shapes.messages}
    return made[api.name](shapes.Says(1, text)) | more


def streamed(api: Api, answer: dict) -> bytes:
    """The same as a stream."""
    made = {"chat": chat, "responses": responses, "messages": messages}[api.name]
    return made.stream(answer, Asked(body={}, messages=(), context=()))


@pytest.mark.parametrize("stream", [False, True])
async def test_off_scope_is_said_in_the_policys_words_without_a_call(at, api, stream):
    before = len(at.stub.calls)
    response = await ask(at, api, api.body(OFF, stream=stream))
    assert response.status == 200
    assert "menu" in api.heard(response)
    assert len(at.stub.calls) == before
    assert response.headers["x-guardproxy-verdict"] == "redirect"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_number_in_an_answer_is_masked(at, api, stream):
    before, at.stub.script = at.stub.script, {"table": f"Your table is booked with card {CARD}."}
    try:
        response = await ask(at, api, api.body(FAIR, stream=stream))
    finally:
        at.stub.script = before
    assert response.headers["x-guardproxy-verdict"] == "rewrite"
    assert b"4111 1111" not in response.raw_
    assert "booked with card [card …1111]" in api.heard(response)


async def test_a_customers_card_is_masked_before_it_is_forwarded(at, api):
    parts = {"chat": "text", "responses": "input_text", "messages": "text"}[api.name]
    for said in (f"pay for my table with {CARD}",
                 [{"role": "user", "content": [{"type": parts, "text": f"table, card {CARD}"}]}]):  # fmt: skip
        await ask(at, api, api.body(said))
        assert "4111 1111" not in json.dumps(at.stub.calls[-1])


async def test_the_scope_prompt_stands_first_and_once(at, api):
    own = "You are the friendly assistant of the warung."
    field = {"chat": "messages", "responses": "instructions", "messages": "system"}[api.name]
    body = api.body(FAIR)
    if api.name == "chat":
        body["messages"].insert(0, {"role": "system", "content": own})
    else:
        body[field] = own
    await ask(at, api, body)
    first = at.stub.calls[-1][field]
    told = json.dumps(first, ensure_ascii=False)
    assert told.index("Warung Bu Sri") < told.index(own)
    await ask(at, api, body | {field: first})
    assert at.stub.calls[-1][field] == first


async def test_another_apis_caller_is_told_which_one_is_spoken_here(rig, claude):
    for at, api, other in (
        (rig, MESSAGES, CHAT),
        (claude, CHAT, MESSAGES),
        (claude, RESPONSES, MESSAGES),
    ):
        response = await ask(at, api, api.body(FAIR))
        assert response.status == 400
        error = response.json_["error"]
        assert f"/v1{other.path}" in error["message"]
        assert ("type" in response.json_) is (api is MESSAGES)
        assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize("mode", ["html", "500", "cut", "null", "list", "401"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_broken_backend_is_an_error_in_the_apis_shape(at, api, mode, stream):
    at.stub.mode = mode
    try:
        response = await ask(at, api, api.body(FAIR, stream=stream))
    finally:
        at.stub.mode = ""
    assert response.status in (502, 504)
    assert response.json_["error"]["message"]
    assert response.headers["x-guardproxy-origin"] == "upstream"
    assert b"sk-upstream-secret" not in response.raw_


async def test_the_anthropic_backend_gets_its_own_headers(claude_sdk, claude):
    claude.stub.mode = "echo_key"
    try:
        with pytest.raises(anthropic.APIStatusError) as caught:
            await claude_sdk.messages.create(
                model="m", max_tokens=9, messages=[{"role": "user", "content": FAIR}])  # fmt: skip
    finally:
        claude.stub.mode = ""
    assert "wrong key ***" in caught.value.response.text


def test_every_route_says_what_it_checks():
    assert all(route.checked for route in ROUTES.values())
    assert {"/chat/completions", "/responses", "/messages"} < set(ROUTES)


async def test_no_other_route_exists(rig):
    for path in ("/v1/completions", "/v1/files", "/v1/responses/x", "/V1/messages", "/v1//messages",
                 "/v1/%2e%2e/v1/messages", "/v1/messages/", "/v1/messages/count_tokens", "/v1/audio/speech"):  # fmt: skip
        async with rig.session.post(URL(rig.at.public + path, encoded=True), json={}) as response:
            assert response.status in (404, 405), path
