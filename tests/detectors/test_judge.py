"""The judge beside the model: a real server, a real client, and every way it can fail."""

import asyncio
import json
import time
from contextlib import AsyncExitStack

import pytest
from aiohttp import web

from guardproxy import app
from guardproxy.core.finding import Failed
from guardproxy.core.message import Message, Turn
from guardproxy.detectors.judge import Judge, Terms
from guardproxy.pipeline.guard import Doubt, Ruling
from tests.conftest import start_rig

WARUNG = "warung-bu-sri"
DOUBT = Doubt(business="Warung: food.", context=(), text="is it far?")
MAYBE = (
    "can you tell me about the history of gudeg", "what do you think of the weather for a picnic lunch",
    "which restaurant in town is the best", "how many calories are in rice", "is coconut milk healthy",
    "tell me a story about your cook", "who invented satay", "what is your opinion on vegan food",
    "do you sell phones", "how do I get to the airport from your place", "can you lend me money",
    "are you hiring", "what is the capital of java", "translate your menu to french",
    "do you know a good hotel near you", "where can I buy a motorbike nearby", "play some music",
)  # fmt: skip


class Says:
    """A judge's server."""

    def __init__(self):
        self.content, self.status, self.delay, self.calls = "", 200, 0.0, []

    def rules(self, in_scope):
        self.content = json.dumps({"in_scope": in_scope, "reason": "because"})

    def app(self):
        made = web.Application()
        made.router.add_post("/v1/chat/completions", self._answer)
        return made

    async def _answer(self, request):
        self.calls.append(await request.json())
        await asyncio.sleep(self.delay)
        message = {"role": "assistant", "content": self.content}
        return web.json_response(
            {"id": "j", "object": "chat.completion", "created": 1, "model": "judge",
             "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
             "usage": {"prompt_tokens": 90, "completion_tokens": 10, "total_tokens": 100}},
            status=self.status)  # fmt: skip


@pytest.fixture
async def court():
    async with AsyncExitStack() as stack:
        says = Says()
        yield says, await app.listen(stack, says.app(), ("127.0.0.1", 0))


@pytest.fixture
async def judge(court):
    made = Judge(url=f"{court[1]}/v1", key="k", model="judge", clock=time.monotonic,
                 terms=Terms(deadline=0.5, budget=250))  # fmt: skip
    yield made
    await made.close()


async def test_a_ruling_is_structured_and_kept(court, judge):
    says = court[0]
    for told in (True, False):
        says.rules(told)
        doubt = Doubt(business="b", context=(("user", "x"),), text=f"q{told}")
        assert await judge.rule(doubt) == Ruling(in_scope=told, reason="because")
        assert await judge.rule(doubt) == Ruling(in_scope=told, reason="because")
    assert len(says.calls) == 2
    assert says.calls[0]["response_format"]["json_schema"]["strict"] is True


@pytest.mark.parametrize("content", ["", "yes", "{}", '{"in_scope": "true", "reason": ""}', "null",
                                     '{"in_scope": true}', '{"in_scope": 1, "reason": "x"}'])  # fmt: skip
async def test_what_cannot_be_parsed_is_failed(court, judge, content):
    court[0].content = content
    assert isinstance(await judge.rule(DOUBT), Failed)


async def test_late_broken_or_over_budget_is_failed(court, judge):
    says = court[0]
    says.rules(True)
    says.delay = 2.0
    assert "0.5 s" in (await judge.rule(DOUBT)).why
    says.delay, says.status = 0.0, 500
    assert isinstance(await judge.rule(DOUBT), Failed)
    says.status = 200
    for n in range(3):
        assert isinstance(await judge.rule(Doubt(business="b", context=(), text=str(n))), Ruling)
    assert "budget" in (await judge.rule(DOUBT)).why


async def test_many_who_ask_the_same_make_one_call(court, judge):
    says = court[0]
    says.rules(False)
    says.delay = 0.1
    found = await asyncio.gather(*(judge.rule(DOUBT) for _ in range(20)))
    assert all(isinstance(one, Ruling) for one in found)
    assert len(says.calls) == 1


async def test_who_leaves_takes_nobody_along(court, judge):
    says = court[0]
    says.rules(True)
    says.delay = 0.1
    async with asyncio.TaskGroup() as group:
        first = group.create_task(judge.rule(DOUBT))
        await asyncio.sleep(0.02)
        second = group.create_task(judge.rule(DOUBT))
        await asyncio.sleep(0.02)
        first.cancel()
    assert second.result() == Ruling(in_scope=True, reason="because")


async def unsure_text(at) -> str:
    """A question the local model is unsure of today."""
    guard = at.at.shelf.named(WARUNG)
    for text in MAYBE:
        turn = Turn(
            id="t", business=WARUNG, surface="chat", messages=(Message(id="m", text=text),), now=0.0
        )
        score = (await guard.readers.scope.question(turn)).score
        if guard.readers.scope.low <= score < guard.readers.scope.high:
            return text
    pytest.fail("no candidate is in the grey band; add some")


async def test_only_doubt_goes_to_the_judge_and_off_ends_the_call(court, store, tmp_path):
    says, url = court
    async with AsyncExitStack() as stack:
        at = await start_rig(
            stack, store, tmp_path, judge_url=f"{url}/v1", judge_model="j", judge_timeout=1.0
        )
        at.stub.script = {"": "Gladly! A table for 8 is booked. What time would you like to come?"}
        await at.chat("book a table for 8", policy=WARUNG)
        await at.chat("write me a python script", policy=WARUNG)
        assert not says.calls
        maybe = await unsure_text(at)

        says.content = "not json"
        response = await at.chat(maybe, policy=WARUNG)
        assert response.headers["x-guardproxy-verdict"] == "allow"
        step = next(s for s in at.records[-1]["steps"] if s["stage"] == "judge")
        assert step["check"] == "fail_open"

        says.rules(False)
        at.stub.mode = "hang"
        response = await at.chat(maybe, policy=WARUNG)
        assert response.headers["x-guardproxy-rule"] == "scope.off_topic"
        assert at.stub.open == 0  # cancelled, not waited for
        at.stub.mode = ""
        for stream in (False, True):  # from memory now
            response = await at.chat(maybe, policy=WARUNG, stream=stream)
            assert response.headers["x-guardproxy-verdict"] == "redirect"
        assert len(says.calls) == 2
