"""The LLM hop's one journey: a request to a turn, the turn through the guard, its outcome back.

Text leaves only when it has been checked: streams are held, comments keep them alive.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from aiohttp import hdrs, web

from guardproxy.core.errors import UpstreamError, WireError
from guardproxy.core.identity import person_key
from guardproxy.core.message import Message, Turn
from guardproxy.core.verdict import Allow, Rewrite
from guardproxy.edges.llm import answers, chat, sse
from guardproxy.edges.llm.caller import Callers, customer_words, guard_for, named_person
from guardproxy.pipeline.guard import Guard
from guardproxy.pipeline.shelf import Shelf
from guardproxy.pipeline.turn import Answer, Outcome, run_turn
from guardproxy.upstream.client import Upstream

ALIVE = 5.0  # seconds without a byte before a comment is sent; proxies cut at 30 or 60
COMPLETIONS = "/chat/completions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """What the routes of the LLM hop work with. `clock`: seconds since 1970."""

    shelf: Shelf
    upstream: Upstream
    callers: Callers
    secret: bytes
    on_refusal: Literal["completion", "error"]
    clock: Callable[[], float]
    new_id: Callable[[], str]


@dataclass(slots=True)
class Exchange:
    """One request under way; `raw` and `told` are filled when the backend has answered."""

    guard: Guard
    asked: chat.Asked
    raw: bytes = b""
    told: chat.Told | None = None


async def completions(request: web.Request, hop: Hop) -> web.StreamResponse:
    """`POST /v1/chat/completions`."""
    caller = hop.callers.known(request)
    guard = guard_for(hop.shelf, caller, request.match_info.get("policy"))
    asked = chat.read(await body_of(request))
    exchange = Exchange(guard, asked)
    turn = _turn(request, hop, exchange, caller.id)
    if asked.stream:
        return await _streamed(request, hop, exchange, turn)
    outcome = await _run(turn, exchange, hop)
    if isinstance(outcome, UpstreamError):
        return failed(outcome)
    return _whole(outcome, exchange, hop)


async def body_of(request: web.Request) -> bytes:
    """The body, or a WireError when it is too long."""
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        message = f"the body is over {request.app._client_max_size >> 20} MiB"  # noqa: SLF001
        raise WireError(message, status=413) from error


def _turn(request: web.Request, hop: Hop, exchange: Exchange, caller: str) -> Turn:
    """The request as a turn."""
    asked, policy = exchange.asked, exchange.guard.policy
    messages = asked.messages
    words = customer_words(request)
    if words is not None:
        messages = (Message(id="input", text=words),)
    person = named_person(request, asked.person)
    person = person_key(hop.secret, person) if person else None
    talk = request.headers.get("x-guardproxy-conversation", "").strip()
    return Turn(
        id=hop.new_id(),
        business=policy.name,
        surface="chat",
        messages=messages,
        now=hop.clock(),
        context=asked.context,
        person=person,
        conversation=person_key(hop.secret, talk) if talk else person,
        caller=caller,
        counted=asked.counted,
    )


async def _run(turn: Turn, exchange: Exchange, hop: Hop) -> Outcome | UpstreamError:
    """The turn through the guard; a backend that failed is a value here, like any outcome."""

    async def model(_turn: Turn, prompt: str) -> Answer:
        asked = exchange.asked
        body = chat.forwarded(asked, prompt, exchange.guard.mask, hop.upstream.model)
        reply = await hop.upstream.post(COMPLETIONS, body)
        exchange.raw = reply.body
        if asked.stream and "event-stream" in reply.content_type:
            completion = sse.joined(reply.body)
            exchange.told = replace(_told(completion), completion=completion)
        else:
            exchange.told = chat.told(reply.body)
        return Answer(exchange.told.text, exchange.told.tokens)

    try:
        return await run_turn(turn, exchange.guard, model)
    except UpstreamError as error:
        return error


def _told(completion: dict[str, Any]) -> chat.Told:
    """A joined stream as what a plain answer would have been."""
    return chat.told(answers_bytes(completion))


def answers_bytes(completion: dict[str, Any]) -> bytes:
    """A completion as the wire has it."""
    return sse.event(completion).removeprefix(b"data: ")


def _whole(outcome: Outcome, exchange: Exchange, hop: Hop) -> web.Response:
    """A plain answer."""
    fields = answers.headers(outcome)
    verdict = outcome.verdict
    if isinstance(verdict, Allow) and exchange.told is not None:
        return web.Response(body=exchange.raw, content_type="application/json", headers=fields)
    if isinstance(verdict, Rewrite) and exchange.told is not None:
        body = answers.rewritten(exchange.told.completion, outcome)
        return web.json_response(body, headers=fields)
    if hop.on_refusal == "error":
        return answers.refused(outcome)
    return web.json_response(_words(outcome, exchange), headers=fields)


def _words(outcome: Outcome, exchange: Exchange) -> dict[str, Any]:
    """The policy's words as a completion of the model that was asked for."""
    model = str(exchange.asked.body.get("model") or "guardproxy")
    return answers.spoken(outcome, model, structured=exchange.asked.structured)


async def _streamed(
    request: web.Request, hop: Hop, exchange: Exchange, turn: Turn
) -> web.StreamResponse:
    """A held stream: headers wait for the verdict, unless that takes too long."""
    response: web.StreamResponse | None = None
    async with asyncio.TaskGroup() as group:
        task = group.create_task(_run(turn, exchange, hop))
        while not (await asyncio.wait({task}, timeout=ALIVE))[0]:
            if response is None:
                early = {"x-guardproxy-decision": turn.id,
                         "x-guardproxy-policy": exchange.guard.policy.ref}  # fmt: skip
                response = await _open(request, early)
            await response.write(sse.comment("checking"))
        outcome = task.result()
    if isinstance(outcome, UpstreamError):
        if response is None:
            return failed(outcome)
        await response.write(sse.event(answers.error_body(outcome.status, str(outcome))))
        return response
    if response is None:
        refused = not isinstance(outcome.verdict, Allow | Rewrite)
        if refused and hop.on_refusal == "error":
            return answers.refused(outcome)
        response = await _open(request, answers.headers(outcome))
    await response.write(_events(outcome, exchange))
    fields = " ".join(f"{name}={value}" for name, value in answers.headers(outcome).items())
    await response.write(sse.comment(fields))
    await response.write_eof()
    return response


def _events(outcome: Outcome, exchange: Exchange) -> bytes:
    """The stream's bytes: the backend's own where nothing was changed."""
    asked, told = exchange.asked, exchange.told
    if told is not None and isinstance(outcome.verdict, Allow):
        if not exchange.raw.lstrip().startswith(b"{"):
            return exchange.raw if asked.usage else sse.without_usage(exchange.raw)
        return sse.stream(told.completion, usage=asked.usage)  # a backend that does not stream
    if told is not None and isinstance(outcome.verdict, Rewrite):
        return sse.stream(answers.rewritten(told.completion, outcome), usage=asked.usage)
    return sse.stream(_words(outcome, exchange), usage=asked.usage)


async def _open(request: web.Request, fields: dict[str, str]) -> web.StreamResponse:
    """A stream's head."""
    kind = {hdrs.CONTENT_TYPE: "text/event-stream; charset=utf-8", hdrs.CACHE_CONTROL: "no-cache"}
    response = web.StreamResponse(headers=fields | kind)
    await response.prepare(request)
    return response


def failed(error: UpstreamError) -> web.Response:
    """A backend's failure: its own body where it sent JSON, else ours."""
    if error.body:
        return web.Response(
            body=error.body, status=error.status, content_type="application/json",
            headers={"x-guardproxy-origin": "upstream"},
        )  # fmt: skip
    return answers.error(error.status, str(error), origin="upstream", code="upstream_error")
