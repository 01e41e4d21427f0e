"""The LLM hop's one journey: a request to a turn, the turn through the guard, its outcome back.

Text leaves only when it has been checked: streams are held, comments keep them alive.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from aiohttp import hdrs, web

from guardproxy.core.errors import StoreError, UpstreamError, WireError
from guardproxy.core.identity import person_key
from guardproxy.core.message import Message, Turn
from guardproxy.core.verdict import Allow, Rewrite
from guardproxy.edges.llm import answers, sse
from guardproxy.edges.llm.body import dumped, spelled
from guardproxy.edges.llm.caller import (
    Caller,
    Callers,
    customer_words,
    guard_for,
    named_person,
    request_id,
)
from guardproxy.edges.llm.dialect import Asked, Body, Dialect, Told, Words
from guardproxy.edges.llm.history import standing
from guardproxy.pipeline.answer import Answer
from guardproxy.pipeline.ending import Outcome
from guardproxy.pipeline.guard import Guard
from guardproxy.pipeline.shelf import Shelf
from guardproxy.pipeline.turn import run_turn
from guardproxy.upstream.client import Upstream

ALIVE = 5.0  # seconds without a byte before a comment is sent; proxies cut at 30 or 60
CALLS = (b'"arguments"', b'"tool_use"', b'"input"')  # an answer that asks tools has one of them
TOLD = ("choices", "output", "content")  # what an answer is; the rest echoes what was asked
# Headers of the caller's that the backend needs to read the body as it is meant.
PASSED = ("anthropic-version", "anthropic-beta", "openai-beta", "idempotency-key", "x-request-id")


class People(Protocol):
    """What the WhatsApp side knows of a person. StoreError when it cannot be asked."""

    async def live(self, business: str, person: str) -> tuple[str, str]:
        """Their one name, and the turn of theirs that was judged there ("" for none)."""


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
    people: People
    models: Mapping[str, str] = field(default_factory=dict)  # a caller's name for one -> its own
    alive: float = ALIVE


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One request under way; `raw` and `told` are filled when the backend has answered."""

    dialect: Dialect
    guard: Guard
    caller: Caller
    asked: Asked
    passed: dict[str, str] = field(default_factory=dict)
    raw: bytes = b""
    told: Told | None = None
    came_streamed: bool = False


async def converse(request: web.Request, hop: Hop, dialect: Dialect) -> web.StreamResponse:
    """One request to a guarded LLM API."""
    caller = hop.callers.known(request)
    guard = guard_for(hop.shelf, caller, request.match_info.get("policy"))
    if hop.upstream.api != dialect.SPOKEN_BY:
        message = (
            f"the LLM backend here speaks the {hop.upstream.api} API; {dialect.PATH} is of the "
            f"{dialect.SPOKEN_BY} API: call {PATHS[hop.upstream.api]}, or set "
            f"GUARDPROXY_UPSTREAM_API={dialect.SPOKEN_BY} with a backend that speaks it"
        )
        raise WireError(message)
    asked = dialect.read(await body_of(request))
    exchange = Exchange(
        dialect=dialect, guard=guard, caller=caller, asked=asked,
        passed={name: request.headers[name] for name in PASSED if name in request.headers},
    )  # fmt: skip
    turn = await _as_on_whatsapp(_turn(request, hop, exchange), exchange, hop)
    exchange.guard = guard.for_person(turn.person)
    exchange.asked = await standing(asked, turn, dialect.TALK, guard)
    if asked.stream:
        return await _streamed(request, hop, exchange, turn)
    outcome = await _run(turn, exchange, hop)
    if isinstance(outcome, UpstreamError):
        return failed(outcome, dialect)
    return _whole(outcome, exchange, hop)


PATHS = {"openai": "/v1/chat/completions or /v1/responses", "anthropic": "/v1/messages"}


async def body_of(request: web.Request) -> bytes:
    """The body, or a WireError when it is too long."""
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        message = f"the body is over {request.app._client_max_size >> 20} MiB"  # noqa: SLF001
        raise WireError(message, status=413) from error


def _turn(request: web.Request, hop: Hop, exchange: Exchange) -> Turn:
    """The request as a turn."""
    asked, policy = exchange.asked, exchange.guard.policy
    messages, context, counted = asked.messages, asked.context, asked.counted
    words = customer_words(request)
    if words is not None:
        # the agent's own wording is still read for attempts, as what tools say is
        foreign = tuple(replace(m, kind="tool") for m in messages)
        messages = (*foreign, Message(id="input", text=words))
        context = ()  # what stands there is the agent's wording too
    person = named_person(request, asked.person)
    person = person_key(hop.secret, person) if person else None
    talk = request.headers.get("x-guardproxy-conversation", "").strip()
    return Turn(
        id=hop.new_id(),
        business=policy.name,
        surface="internal" if exchange.caller.is_internal else exchange.dialect.SURFACE,
        messages=messages,
        now=hop.clock(),
        context=context,
        person=person,
        conversation=person_key(hop.secret, talk) if talk else person,
        caller=exchange.caller.id,
        request=request_id(request),
        counted=counted,
    )


async def _as_on_whatsapp(turn: Turn, exchange: Exchange, hop: Hop) -> Turn:
    """The turn of a person known from WhatsApp too: one name, and a message counts once."""
    if turn.person is None or exchange.guard.policy.whatsapp is None:
        return turn
    try:
        name, live = await hop.people.live(turn.business, turn.person)
    except StoreError:
        return turn  # admission will find the same, and says what it means
    conversation = name if turn.conversation == turn.person else turn.conversation
    judged = bool(live) and not exchange.caller.is_internal
    return replace(turn, person=name, conversation=conversation, judged=judged,
                   counted=turn.counted and not live)  # fmt: skip


async def _run(turn: Turn, exchange: Exchange, hop: Hop) -> Outcome | UpstreamError:
    """The turn through the guard; a backend that failed is a value here, like any outcome."""
    asked, dialect, guard = exchange.asked, exchange.dialect, exchange.guard

    async def model(_turn: Turn, prompt: str) -> Answer:
        def body(name: str) -> bytes:
            named = name or hop.models.get(asked.model, "")
            return dialect.forwarded(asked, prompt, lambda text: guard.mask(text)[0], named)

        reply = await hop.upstream.post(dialect.PATH, body, exchange.passed)
        exchange.raw, exchange.came_streamed = reply.body, "event-stream" in reply.content_type
        read = dialect.joined if exchange.came_streamed else dialect.told
        told = exchange.told = read(reply.body)
        called = any(mark in reply.body for mark in CALLS)
        beside = spelled([told.answer.get(key) for key in TOLD]) if called else ""
        return Answer(told.text, told.tokens, told.texts, beside)

    try:
        return await run_turn(turn, guard, model)
    except UpstreamError as error:
        return error


def _body(outcome: Outcome, exchange: Exchange) -> Body | None:
    """The body that answers; None: the backend's own bytes."""
    told = exchange.told
    if told is not None and isinstance(outcome.verdict, Allow):
        return None if exchange.came_streamed == exchange.asked.stream else told.answer
    if told is not None and isinstance(outcome.verdict, Rewrite):
        return exchange.dialect.rewritten(told, exchange.guard.mend)
    words = Words(id=outcome.decision, at=outcome.turn.now, text=outcome.reply or "")
    return exchange.dialect.spoken(words, exchange.asked)


def _is_refusal(outcome: Outcome) -> bool:
    """Whether the caller gets words of ours."""
    return not isinstance(outcome.verdict, Allow | Rewrite)


def _whole(outcome: Outcome, exchange: Exchange, hop: Hop) -> web.Response:
    """A plain answer."""
    if _is_refusal(outcome) and hop.on_refusal == "error":
        return answers.refused(outcome, exchange.dialect)
    body = _body(outcome, exchange)
    raw = exchange.dialect.kept(exchange.raw, exchange.asked) if body is None else dumped(body)
    fields = answers.headers(outcome)
    return web.Response(body=raw, content_type="application/json", headers=fields)


def _events(outcome: Outcome, exchange: Exchange) -> bytes:
    """The stream's bytes: the backend's own where nothing was changed."""
    body = _body(outcome, exchange)
    if body is None:
        return exchange.dialect.relayed(exchange.raw, exchange.asked)
    return exchange.dialect.stream(body, exchange.asked)


async def _streamed(
    request: web.Request, hop: Hop, exchange: Exchange, turn: Turn
) -> web.StreamResponse:
    """A held stream: headers wait for the verdict, unless that takes too long."""
    response: web.StreamResponse | None = None
    async with asyncio.TaskGroup() as group:
        task = group.create_task(_run(turn, exchange, hop))
        while not (await asyncio.wait({task}, timeout=hop.alive))[0]:
            if response is None:
                early = {"x-guardproxy-decision": turn.id,
                         "x-guardproxy-policy": exchange.guard.policy.ref}  # fmt: skip
                response = await _open(request, early)
            await response.write(sse.comment("checking"))
        outcome = task.result()
    if isinstance(outcome, UpstreamError):
        if response is None:
            return failed(outcome, exchange.dialect)
        await response.write(exchange.dialect.broken(outcome.status, str(outcome)))
        await response.write(sse.comment("x-guardproxy-origin=upstream"))
        return response
    if response is None:
        if _is_refusal(outcome) and hop.on_refusal == "error":
            return answers.refused(outcome, exchange.dialect)
        response = await _open(request, answers.headers(outcome))
    await response.write(_events(outcome, exchange))
    fields = " ".join(f"{name}={value}" for name, value in answers.headers(outcome).items())
    await response.write(sse.comment(fields))
    await response.write_eof()
    return response


async def _open(request: web.Request, fields: dict[str, str]) -> web.StreamResponse:
    """A stream's head."""
    kind = {hdrs.CONTENT_TYPE: "text/event-stream; charset=utf-8", hdrs.CACHE_CONTROL: "no-cache"}
    response = web.StreamResponse(headers=fields | kind)
    await response.prepare(request)
    return response


def failed(error: UpstreamError, dialect: Dialect = answers.PLAIN) -> web.Response:
    """A backend's failure: its own body where it sent JSON, else ours."""
    extra: dict[str, str] = {}
    if error.retry_after:
        extra[hdrs.RETRY_AFTER] = error.retry_after
    if error.body:
        return web.Response(
            body=error.body, status=error.status, content_type="application/json",
            headers={"x-guardproxy-origin": "upstream", **extra},
        )  # fmt: skip
    return answers.error(
        error.status, str(error), origin="upstream", code="upstream_error", extra=extra,
        dialect=dialect,
    )  # fmt: skip
