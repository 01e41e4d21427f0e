"""OpenAI's chat completions: a request to what is new in it, an answer to its texts, and back.

https://platform.openai.com/docs/api-reference/chat
"""

from collections.abc import Iterator

from guardproxy.core.errors import UpstreamError, WireError
from guardproxy.core.message import Line, Message, Role
from guardproxy.edges.llm import sse
from guardproxy.edges.llm.body import (
    begun,
    content,
    customer,
    definitions,
    dumped,
    first_new,
    flag,
    instruction,
    masked,
    merged,
    objects,
    parsed,
    person,
    prose_of,
)
from guardproxy.edges.llm.dialect import Asked, Body, Mend, Told, Words

SURFACE = "chat"
SPOKEN_BY = "openai"
PATH = "/chat/completions"
TALK = "messages"
DONE = b"data: [DONE]\n\n"
SAID = ("content", "refusal")  # what a customer reads of a message
THOUGHT = ("reasoning_content", "reasoning", "thinking", "reasoning_details", "audio")
KINDS = {
    400: "invalid_request_error", 401: "authentication_error", 403: "permission_error",
    404: "not_found_error", 413: "invalid_request_error", 429: "rate_limit_error",
}  # fmt: skip


def read(raw: bytes) -> Asked:
    """A request's body. WireError names the field that is not of the API's shape."""
    body = parsed(raw)
    messages = objects(body.get("messages"), "messages")
    last = first_new([_speaks(message) for message in messages])
    new = [m for i in range(last, len(messages)) for m in _message(i, messages[i])]
    legacy, _ = content(body.get("prompt"), "prompt")  # some backends answer it all the same
    if legacy:
        new.append(Message(id="prompt", text=legacy))
    options = body.get("stream_options")
    return Asked(
        body=body,
        messages=(
            *definitions([body.get("tools"), body.get("functions")]),
            *(m for i in range(last) for m in _instructed(i, messages[i])),
            *new,
        ),
        context=tuple(_context(messages[:last])),
        older=last,
        person=person(body),
        stream=flag(body, "stream"),
        usage=isinstance(options, dict) and bool(options.get("include_usage")),
        structured=_structured(body),
    )


def _speaks(message: Body) -> bool:
    """Whether the model spoke: an empty turn is no turn, and hides nothing before it."""
    if message["role"] != "assistant":
        return False
    text, _ = content(message.get("content"), "content")
    return bool(text.strip() or message.get("tool_calls") or message.get("function_call"))


def _structured(body: Body) -> bool:
    """Whether free text would break the caller's parser."""
    wanted = body.get("response_format")
    as_json = isinstance(wanted, dict) and wanted.get("type") in ("json_object", "json_schema")
    choice = body.get("tool_choice")
    return as_json or choice == "required" or isinstance(choice, dict)


def _message(index: int, message: Body) -> Iterator[Message]:
    """What a message that is new holds."""
    role, number = message["role"], str(index)
    text, kinds = content(message.get("content"), f"messages[{index}].content")
    if role in ("system", "developer"):
        yield from instruction(number, text)
    elif role == "assistant":
        yield from begun(number, text)
    elif role in ("tool", "function"):
        yield Message(id=number, text=text, kind="tool")
    else:
        yield from customer(number, text, kinds, message.get("name"))


def _instructed(index: int, message: Body) -> Iterator[Message]:
    """The caller's instructions before what is new, and what the last tool calls asked for."""
    if message["role"] in ("system", "developer"):
        yield from _message(index, message)


def _context(messages: list[Body]) -> Iterator[Line]:
    """The lines before what is new; the caller's instructions are not part of the talk."""
    for index, message in enumerate(messages):
        text, _ = content(message.get("content"), f"messages[{index}].content")
        if message["role"] == "user" and text:
            yield Line(Role.USER, text)
        elif message["role"] == "assistant" and text:
            yield Line(Role.ASSISTANT, text)


def forwarded(asked: Asked, prompt: str, mask: Mend, model: str) -> bytes:
    """The request as the backend gets it: the scope prompt first and once, numbers masked."""
    own = {"role": "system", "content": prompt}
    messages = [
        m | {"content": masked(m.get("content"), mask)} if m["role"] == "user" else m
        for m in asked.body["messages"]
        if m != own
    ]
    body = asked.body | {"messages": [own, *messages] if prompt else messages}
    if model:
        body["model"] = model
    if asked.stream:  # the usage settles token limits; it is cut out again unless asked for
        options = body.get("stream_options")
        kept = options if isinstance(options, dict) else {}
        body["stream_options"] = kept | {"include_usage": True}
    return dumped(body)


def question(prompt: str, lines: tuple[Line, ...], text: str, model: str) -> bytes:
    """A request of our own: a conversation and what was just said."""
    messages = [{"role": line.role.value, "content": line.text} for line in lines]
    messages = [{"role": "system", "content": prompt}, *messages, {"role": "user", "content": text}]
    return dumped({"model": model or "default", "messages": messages})


def told(raw: bytes) -> Told:
    """A completion. UpstreamError when the backend sent something else."""
    try:
        return _told(parsed(raw))
    except WireError as error:
        raise _unusable() from error


def _told(completion: Body) -> Told:
    """A completion's texts: what each choice says, thinks, and asks of tools."""
    try:
        texts = [text for choice in completion["choices"] for text in _said(choice)]
        usage = completion.get("usage") or {}
        tokens = int(usage.get("total_tokens") or 0)
    except (LookupError, TypeError, ValueError, AttributeError, WireError) as error:
        raise _unusable() from error
    if not completion["choices"]:
        raise _unusable()
    return Told(tuple(texts), tokens, completion)


def _unusable() -> UpstreamError:
    """What is said of an answer that is none."""
    return UpstreamError("the LLM backend did not send a chat completion")


def _said(choice: Body) -> Iterator[str]:
    """Everything of a choice that a customer could come to read."""
    message = choice["message"]
    said = [content(message.get(field), field)[0] for field in SAID]
    yield "\n".join(text for text in said if text).strip()
    rest = [text for field in message if field not in (*SAID, "tool_calls", "function_call")
            for text in prose_of([message[field]])]  # fmt: skip
    calls = list(message.get("tool_calls") or ())
    if message.get("function_call"):
        calls.append({"function": message["function_call"]})
    for call in calls:
        function = call.get("function") or call.get("custom") or {}
        rest += prose_of(function.get("arguments") or function.get("input") or "")
    if rest:
        yield "\n".join(rest)


def joined(raw: bytes) -> Told:
    """A held stream as one completion. UpstreamError when it broke off or is none."""
    head: Body = {}
    choices: dict[int, Body] = {}
    ended = False
    for event in sse.events(raw):
        if event.data.strip() == "[DONE]":
            ended = True
            break
        chunk = event.json
        for part in _choices(chunk):
            choice = choices.setdefault(part.get("index") or 0, {"message": {"role": "assistant"}})
            merged(choice["message"], part.get("delta") or {})
            choice["finish_reason"] = part.get("finish_reason") or choice.get("finish_reason")
        merged(head, {k: v for k, v in chunk.items() if k != "choices" and v is not None})
    finished = all(choice.get("finish_reason") for choice in choices.values())
    if not choices or not (ended or finished):
        raise UpstreamError("the LLM backend's stream broke off")
    listed = [{"index": index, **choice} for index, choice in sorted(choices.items())]
    completion = head | {"object": "chat.completion", "choices": listed}
    return _told(completion)


def _choices(chunk: Body) -> list[Body]:
    """The choices of a chunk."""
    choices = chunk.get("choices") or []
    if not isinstance(choices, list) or not all(isinstance(part, dict) for part in choices):
        raise UpstreamError("the LLM backend sent a broken stream")
    return choices


def kept(raw: bytes, asked: Asked) -> bytes:  # noqa: ARG001  a dialect's signature
    """The backend's answer byte for byte."""
    return raw


def relayed(raw: bytes, asked: Asked) -> bytes:
    """The backend's events byte for byte up to `[DONE]`, which stands there once; without the
    usage chunk for a caller who did not ask for one.
    """
    kept = []
    for event in sse.events(raw):
        if event.data.strip() == "[DONE]":
            break
        if not asked.usage and '"usage"' in event.data and _only_counts(event.json):
            continue
        kept.append(event.raw)
    return b"".join(kept) + DONE


def _only_counts(chunk: Body) -> bool:
    """Whether a chunk holds the usage and nothing else."""
    return bool(chunk.get("usage")) and not chunk.get("choices")


def spoken(words: Words, asked: Asked) -> Body:
    """A completion that says our words; for a caller who parses JSON, a refusal."""
    message = {"role": "assistant", "content": words.text, "refusal": None}
    if asked.structured:
        message |= {"content": None, "refusal": words.text}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return {
        "id": f"chatcmpl-{words.id}", "object": "chat.completion", "created": int(words.at),
        "model": asked.model, "choices": [choice],
        "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    }  # fmt: skip


def rewritten(told: Told, mend: Mend) -> Body:
    """The backend's completion with each text as it may leave; thoughts and odds stay here."""
    choices = []
    for choice in told.answer["choices"]:
        message = {k: v for k, v in choice["message"].items() if k not in THOUGHT}
        for field in SAID:
            if message.get(field):
                message[field] = masked(message[field], mend)
        choices.append(choice | {"message": message, "logprobs": None})
    return told.answer | {"choices": choices}


def stream(answer: Body, asked: Asked) -> bytes:
    """A completion as a stream of chunks, ended by `[DONE]`."""
    base = {key: answer.get(key) for key in ("id", "created", "model")}
    base["object"] = "chat.completion.chunk"
    out = []
    for choice in answer["choices"]:
        said = {key: value for key, value in choice["message"].items() if value is not None}
        if said.get("tool_calls"):
            said["tool_calls"] = [{"index": i} | c for i, c in enumerate(said["tool_calls"])]
        for delta, reason in ((said, None), ({}, choice["finish_reason"])):
            part = {"index": choice.get("index", 0), "delta": delta, "finish_reason": reason}
            out.append(sse.event(base | {"choices": [part]}))
    if asked.usage and answer.get("usage"):
        out.append(sse.event(base | {"choices": [], "usage": answer["usage"]}))
    return b"".join(out) + DONE


def error(status: int, message: str, field: str | None, code: str | None) -> Body:
    """The shape of OpenAI's errors."""
    kind = KINDS.get(status, "api_error")
    return {"error": {"message": message, "type": kind, "param": field, "code": code}}


def broken(status: int, message: str) -> bytes:
    """An error as the stream's last event: clients raise it."""
    return sse.event(error(status, message, None, "upstream_error"))
