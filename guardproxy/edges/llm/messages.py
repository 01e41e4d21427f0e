"""Anthropic's messages: a request to what is new in it, an answer to its texts, and back.

https://docs.anthropic.com/en/api/messages
"""

import json
from collections.abc import Iterator
from typing import Any

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

SURFACE = "messages"
SPOKEN_BY = "anthropic"
PATH = "/messages"
TALK = "messages"
LONGEST = 1024  # tokens of an answer we ask for ourselves: a long chat message has 300
RESULTS = ("tool_result", "search_result", "mcp_tool_result", "web_search_tool_result")
KINDS = {
    400: "invalid_request_error", 401: "authentication_error", 403: "permission_error",
    404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error",
    504: "timeout_error", 529: "overloaded_error",
}  # fmt: skip
# The parts of a streamed block, and the field of the block each adds to.
DELTAS = {"text": "text", "thinking": "thinking", "partial_json": "input", "signature": "signature"}


def read(raw: bytes) -> Asked:
    """A request's body. WireError names the field that is not of the API's shape."""
    body = parsed(raw)
    messages = objects(body.get("messages"), "messages")
    last = first_new([_speaks(message) for message in messages])
    system, _ = content(body.get("system"), "system")
    return Asked(
        body=body,
        messages=(
            *definitions(body.get("tools")),
            *instruction("system", system),
            *(m for i in range(last, len(messages)) for m in _message(i, messages[i])),
        ),
        context=tuple(_context(messages[:last])),
        older=last,
        person=person(body),
        stream=flag(body, "stream"),
        structured=_structured(body),
    )


def _speaks(message: Body) -> bool:
    """Whether the model spoke: an empty turn is no turn, and hides nothing before it."""
    if message["role"] != "assistant":
        return False
    blocks = message.get("content")
    return bool(blocks.strip() if isinstance(blocks, str) else blocks)


def _structured(body: Body) -> bool:
    """Whether free text would break the caller's parser."""
    choice, output = body.get("tool_choice"), body.get("output_config")
    forced = isinstance(choice, dict) and choice.get("type") in ("any", "tool")
    as_json = isinstance(output, dict) and bool(output.get("format"))
    return forced or as_json or bool(body.get("output_format"))


def _message(index: int, message: Body) -> Iterator[Message]:
    """What a message that is new holds: words, media, results of tools."""
    value, field, number = message.get("content"), f"messages[{index}].content", str(index)
    blocks = value if isinstance(value, list) else []
    results = [b for b in blocks if isinstance(b, dict) and b.get("type") in RESULTS]
    own = [b for b in blocks if b not in results] if results else value
    text, kinds = content(own, field)
    if message["role"] == "assistant":
        yield from begun(number, text)
        return
    if message["role"] in ("system", "developer"):
        yield from instruction(number, text)
        return
    for place, result in enumerate(results):
        said, _ = content(result.get("content"), f"{field}[{place}].content")
        yield Message(id=f"{number}.{place}", text=said, kind="tool")
    if own or not results:
        yield from customer(number, text, kinds, message.get("name"))


def _context(messages: list[Body]) -> Iterator[Line]:
    """The lines before what is new."""
    for index, message in enumerate(messages):
        blocks = message.get("content")
        if isinstance(blocks, list):
            blocks = [b for b in blocks if not isinstance(b, dict) or b.get("type") == "text"]
        text, _ = content(blocks, f"messages[{index}].content")
        if text and message["role"] in ("user", "assistant"):
            yield Line(Role(message["role"]), text)


def forwarded(asked: Asked, prompt: str, mask: Mend, model: str) -> bytes:
    """The request as the backend gets it: the scope prompt first and once, numbers masked."""
    messages = [
        m | {"content": masked(m.get("content"), mask)} if m["role"] == "user" else m
        for m in asked.body["messages"]
    ]
    system = asked.body.get("system")
    own: Any = {"type": "text", "text": prompt}
    if not prompt:
        pass
    elif isinstance(system, list):
        system = [own, *(block for block in system if block != own)]
    else:
        rest = (system or "").removeprefix(prompt).lstrip()
        system = f"{prompt}\n\n{rest}" if rest else prompt
    body = asked.body | ({"system": system} if system else {}) | {"messages": messages}
    return dumped(body | {"model": model} if model else body)


def question(prompt: str, lines: tuple[Line, ...], text: str, model: str) -> bytes:
    """A request of our own: a conversation and what was just said."""
    messages = [{"role": line.role.value, "content": line.text} for line in lines]
    messages.append({"role": "user", "content": text})
    return dumped({"model": model, "max_tokens": LONGEST, "system": prompt, "messages": messages})


def told(raw: bytes) -> Told:
    """A message. UpstreamError when the backend sent something else."""
    try:
        return _told(parsed(raw))
    except WireError as error:
        raise _unusable() from error


def _told(message: Body) -> Told:
    """A message's texts: what it says, then what it thinks and asks of tools."""
    try:
        blocks = message["content"]
        said = "\n".join(block["text"] for block in blocks if block["type"] == "text").strip()
        rest = [text for block in blocks for text in _beside(block)]
        usage = message.get("usage") or {}
        counted = ("input_tokens", "output_tokens", "cache_creation_input_tokens",
                   "cache_read_input_tokens")  # fmt: skip
        tokens = sum(int(usage.get(name) or 0) for name in counted)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise _unusable() from error
    return Told((said, "\n".join(rest)) if rest else (said,), tokens, message)


def _beside(block: Body) -> list[str]:
    """What a block holds beside what it says."""
    if block["type"] == "thinking":
        return [block.get("thinking") or ""]
    skipped = ("text", "signature", "data", "type", "id", "tool_use_id")
    return prose_of([value for key, value in block.items() if key not in skipped])


def _unusable() -> UpstreamError:
    """What is said of an answer that is none."""
    return UpstreamError("the LLM backend did not send an Anthropic message")


def joined(raw: bytes) -> Told:
    """A held stream as one message. UpstreamError when it broke off or is none."""
    message: Body = {}
    blocks: dict[int, Body] = {}
    for event in sse.events(raw):
        chunk = event.json
        kind: Any = chunk.get("type")
        match kind:
            case "message_start":
                message = dict(chunk.get("message") or {})
            case "content_block_start":
                blocks[chunk.get("index", 0)] = dict(chunk.get("content_block") or {})
            case "content_block_delta":
                _add(blocks.setdefault(chunk.get("index", 0), {"type": "text"}), chunk)
            case "message_delta":
                message |= chunk.get("delta") or {}
                message["usage"] = (message.get("usage") or {}) | (chunk.get("usage") or {})
            case "error":
                raise UpstreamError("the LLM backend reported an error in its stream")
            case "message_stop":
                return _told(message | {"content": [_ended(b) for _, b in sorted(blocks.items())]})
            case _:
                pass  # pings, ends of blocks, and whatever comes to be
    raise UpstreamError("the LLM backend's stream broke off")


def _add(block: Body, chunk: Body) -> None:
    """Take a delta into its block."""
    for key, value in (chunk.get("delta") or {}).items():
        if key == "type":
            continue
        field = DELTAS.get(key, key)
        if field == "input" and not isinstance(block.get("input"), str):
            block["input"] = ""
        merged(block, {field: value} if field != "signature" else {"signature": value})


def _ended(block: Body) -> Body:
    """A block with its tool input parsed."""
    if not isinstance(block.get("input"), str):
        return {"text": ""} | block if block.get("type") == "text" else block
    try:
        return block | {"input": json.loads(block["input"] or "{}")}
    except (ValueError, RecursionError) as error:
        raise UpstreamError("the LLM backend sent a broken tool call") from error


def kept(raw: bytes, asked: Asked) -> bytes:  # noqa: ARG001  a dialect's signature
    """The backend's answer byte for byte."""
    return raw


def relayed(raw: bytes, asked: Asked) -> bytes:  # noqa: ARG001  a dialect's signature
    """The backend's events byte for byte up to `message_stop`."""
    out = []
    for event in sse.events(raw):
        out.append(event.raw)
        if event.json.get("type") == "message_stop":
            break
    return b"".join(out)


def spoken(words: Words, asked: Asked) -> Body:
    """A message that says our words; for a caller who parses JSON, a refusal."""
    return {
        "id": f"msg_{words.id}", "type": "message", "role": "assistant", "model": asked.model,
        "content": [{"type": "text", "text": words.text}],
        "stop_reason": "refusal" if asked.structured else "end_turn", "stop_sequence": None,
        "usage": {"input_tokens": 0, "output_tokens": 0},
    }  # fmt: skip


def rewritten(told: Told, mend: Mend) -> Body:
    """The backend's message with each text as it may leave; thoughts stay here."""
    said = [b for b in told.answer["content"] if b.get("type") != "thinking"]
    blocks = [
        {"type": "text", "text": mend(b["text"])} if b.get("type") == "text" else b for b in said
    ]
    return told.answer | {"content": blocks}


def stream(answer: Body, asked: Asked) -> bytes:  # noqa: ARG001  a dialect's signature
    """A message as a stream of events, ended by `message_stop`."""
    start = answer | {"content": [], "stop_reason": None, "stop_sequence": None}
    out = [_event("message_start", message=start)]
    for index, block in enumerate(answer["content"]):
        empty, delta = _opened(block)
        out.append(_event("content_block_start", index=index, content_block=empty))
        if delta:
            out.append(_event("content_block_delta", index=index, delta=delta))
        out.append(_event("content_block_stop", index=index))
    delta = {"stop_reason": answer.get("stop_reason"), "stop_sequence": answer.get("stop_sequence")}
    usage = {"output_tokens": (answer.get("usage") or {}).get("output_tokens", 0)}
    out.append(_event("message_delta", delta=delta, usage=usage))
    return b"".join(out) + _event("message_stop")


def _opened(block: Body) -> tuple[Body, Body | None]:
    """A block as it starts, and the one delta that fills it."""
    if block.get("type") == "text":
        return {"type": "text", "text": ""}, {"type": "text_delta", "text": block["text"]}
    if block.get("type") == "tool_use":
        whole = json.dumps(block.get("input") or {}, ensure_ascii=False)
        return block | {"input": {}}, {"type": "input_json_delta", "partial_json": whole}
    return block, None


def _event(kind: str, **fields: Any) -> bytes:
    """One event, named as its type."""
    return sse.event({"type": kind, **fields}, kind)


def error(status: int, message: str, field: str | None, code: str | None) -> Body:  # noqa: ARG001
    """The shape of Anthropic's errors."""
    kind = KINDS.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": message}}


def broken(status: int, message: str) -> bytes:
    """An error as the stream's last event: clients raise it."""
    return sse.event(error(status, message, None, None), "error")
