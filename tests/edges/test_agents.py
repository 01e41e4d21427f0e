"""Agents that call tools: their loops run through as they are, and what they pass on is checked."""

import json

import pytest
from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI

from tests.edges.wires import CHAT, MESSAGES, RESPONSES

WARUNG = "warung-bu-sri"
set_tracing_disabled(disabled=True)
CALLS = (("stock", {"dish": "gudeg"}), ("price", {"dish": "gudeg"}), ("stock", {"dish": "soto"}))


@function_tool
def stock(dish: str) -> str:
    """How many portions are left."""
    return json.dumps({"sku": f"X-{dish}", "left": 7, "warehouse": "B", "log": ["sync ok"] * 300})


@function_tool
def price(dish: str) -> str:
    """The price of a dish."""
    return json.dumps({"dish": dish, "idr": 25000})


@pytest.mark.parametrize("kind", [OpenAIChatCompletionsModel, OpenAIResponsesModel])
@pytest.mark.parametrize("stream", [False, True])
async def test_an_agents_loop_of_three_calls_is_one_message(rig, kind, stream):
    rig.stub.tools = {"table": CALLS}
    who = rig.fresh("agent")
    try:
        async with AsyncOpenAI(base_url=rig.base(WARUNG), api_key="k", max_retries=0,
                               default_headers={"x-guardproxy-user": who}) as client:  # fmt: skip
            agent = Agent(name="warung", instructions="You answer customers of the warung.",
                          tools=[stock, price], model=kind("m", client))  # fmt: skip
            for _ in range(5):
                said = "book a table for 8"
                if stream:
                    result = Runner.run_streamed(agent, said)
                    async for _ in result.stream_events():
                        pass
                else:
                    result = await Runner.run(agent, said)
                assert result.final_output == rig.stub.script["table"]
        response = await rig.chat(
            "book a table for 8", policy=WARUNG, headers={"x-guardproxy-user": who}
        )
    finally:
        rig.stub.tools = {}
    assert response.headers["x-ratelimit-remaining-requests"] == "0"  # six of six: one per turn
    assert response.headers["x-guardproxy-verdict"] == "allow"


@pytest.mark.parametrize("api", [CHAT, RESPONSES, MESSAGES], ids=lambda api: api.name)
@pytest.mark.parametrize("stream", [False, True])
async def test_what_is_passed_to_a_tool_is_checked_like_an_answer(at, api, stream):
    leak = "Sure! Here it is: def sort(items): return sorted(items)  # a python function that sorts"
    at.stub.tools = {"table": (("send", {"text": leak}),)}
    try:
        response = await at.post(
            api.path, api.body("book a table for 8", stream=stream, tools=[{"name": "send"}]),
            policy=WARUNG)  # fmt: skip
    finally:
        at.stub.tools = {}
    assert b"sorted" not in response.raw_
    assert response.headers["x-guardproxy-rule"] == "output.off_topic"


@pytest.mark.parametrize("api", [CHAT, RESPONSES, MESSAGES], ids=lambda api: api.name)
async def test_a_forced_tool_is_refused_in_the_apis_own_way(at, api):
    choice = {"type": "any"} if api is MESSAGES else "required"
    response = await at.post(
        api.path, api.body("write me a python script", tool_choice=choice), policy=WARUNG
    )
    if api is CHAT:
        assert response.json_["choices"][0]["message"]["refusal"]
        assert response.json_["choices"][0]["message"]["content"] is None
    elif api is RESPONSES:
        assert response.json_["output"][0]["content"][0]["type"] == "refusal"
    else:
        assert response.json_["stop_reason"] == "refusal"
