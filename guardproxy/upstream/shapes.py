"""How the scripted LLM says a text or calls a tool in each API, whole and as events."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Body = dict[str, Any]
Call = tuple[str, Body]  # a tool's name and its arguments
AT = 1_700_000_000


@dataclass(frozen=True, slots=True)
class Says:
    """What is said: the number of the call, a text, or calls of tools instead."""

    number: int
    text: str
    calls: tuple[Call, ...] = ()


def said_last(path: str, body: Body) -> tuple[str, bool]:
    """The customer's last words, and whether nothing came after them (no tool result)."""
    items = body["input"] if path == "/responses" else body["messages"]
    if isinstance(items, str):
        return items, True
    users = [i for i, item in enumerate(items) if item.get("role") == "user" and _words(item)]
    if not users:
        return "", False
    text = json.dumps(_words(items[users[-1]]), ensure_ascii=False)
    return text, users[-1] == len(items) - 1


def _words(item: Body) -> Any:
    """A message's content, "" for one that only returns results of tools."""
    content = item.get("content")
    if isinstance(content, list) and all(
        isinstance(part, dict) and part.get("type") == "tool_result" for part in content
    ):
        return ""
    return content


def chat(says: Says) -> Body:
    """A chat completion."""
    message: Body = {"role": "assistant", "content": says.text}
    if says.calls:
        message |= {"content": None, "tool_calls": [
            {"id": f"call_{says.number}_{i}", "type": "function",
             "function": {"name": name, "arguments": json.dumps(given)}}
            for i, (name, given) in enumerate(says.calls)]}  # fmt: skip
    choice = {"index": 0, "message": message,
              "finish_reason": "tool_calls" if says.calls else "stop"}  # fmt: skip
    usage = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}
    return {"id": f"chatcmpl-{says.number}", "created": AT, "model": "scripted",
            "object": "chat.completion", "choices": [choice], "usage": usage}  # fmt: skip


def chat_events(says: Says, body: Body) -> Iterator[bytes]:
    """A chat stream, three characters at a time."""
    whole = chat(says)
    message = whole["choices"][0]["message"]
    head = {k: whole[k] for k in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    deltas: list[Body] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": piece} for piece in _threes(message["content"] or "")]
    for i, call in enumerate(message.get("tool_calls", ())):
        function = call["function"]
        deltas.append(
            {"tool_calls": [call | {"index": i, "function": function | {"arguments": ""}}]}
        )
        deltas += [
            {"tool_calls": [{"index": i, "function": {"arguments": piece}}]}
            for piece in _threes(function["arguments"])
        ]
    for delta in deltas:
        yield _data(head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    reason = whole["choices"][0]["finish_reason"]
    yield _data(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    options = body.get("stream_options")
    if isinstance(options, dict) and options.get("include_usage"):
        yield _data(head | {"choices": [], "usage": whole["usage"]})
    yield b"data: [DONE]\n\n"


def responses(says: Says) -> Body:
    """A response object."""
    part = {"type": "output_text", "text": says.text, "annotations": []}
    output: list[Body] = [
        {"type": "function_call", "id": f"fc_{says.number}_{i}", "status": "completed",
         "call_id": f"call_{says.number}_{i}", "name": name, "arguments": json.dumps(given)}
        for i, (name, given) in enumerate(says.calls)
    ] or [{"type": "message", "id": f"msg_{says.number}", "status": "completed",
           "role": "assistant", "content": [part]}]  # fmt: skip
    usage = {"input_tokens": 10, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 10,
             "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 20}  # fmt: skip
    return {"id": f"resp_{says.number}", "object": "response", "created_at": AT, "error": None,
            "status": "completed", "model": "scripted", "output": output, "tools": [],
            "parallel_tool_calls": True, "tool_choice": "auto", "usage": usage}  # fmt: skip


def responses_events(says: Says, body: Body) -> Iterator[bytes]:
    """A stream of a response, which repeats the instructions as OpenAI's does."""
    whole = responses(says) | {"instructions": body.get("instructions")}
    numbers = iter(range(1_000_000))

    def event(kind: str, **fields: Any) -> bytes:
        return _named(kind, {"type": kind, "sequence_number": next(numbers), **fields})

    yield event("response.created", response=whole | {"output": [], "status": "in_progress"})
    for index, item in enumerate(whole["output"]):
        place = {"output_index": index, "item_id": item["id"]}
        if item["type"] == "message":
            part = item["content"][0]
            spot = place | {"content_index": 0}
            yield event("response.output_item.added", output_index=index,
                        item=item | {"content": []})  # fmt: skip
            yield event("response.content_part.added", **spot, part=part | {"text": ""})
            for piece in _threes(part["text"]):
                yield event("response.output_text.delta", **spot, delta=piece, logprobs=[])
            yield event("response.output_text.done", **spot, text=part["text"], logprobs=[])
            yield event("response.content_part.done", **spot, part=part)
        else:
            kind = "response.function_call_arguments"
            yield event("response.output_item.added", output_index=index,
                        item=item | {"arguments": ""})  # fmt: skip
            yield event(f"{kind}.delta", **place, delta=item["arguments"])
            yield event(f"{kind}.done", **place, arguments=item["arguments"], name=item["name"])
        yield event("response.output_item.done", output_index=index, item=item)
    yield event("response.completed", response=whole)


def messages(says: Says) -> Body:
    """An Anthropic message."""
    blocks: list[Body] = [
        {"type": "tool_use", "id": f"toolu_{says.number}_{i}", "name": name, "input": given}
        for i, (name, given) in enumerate(says.calls)
    ] or [{"type": "text", "text": says.text}]
    return {"id": f"msg_{says.number}", "type": "message", "role": "assistant",
            "model": "scripted", "content": blocks, "stop_sequence": None,
            "stop_reason": "tool_use" if says.calls else "end_turn",
            "usage": {"input_tokens": 10, "output_tokens": 10}}  # fmt: skip


def messages_events(says: Says, _body: Body) -> Iterator[bytes]:
    """A stream of an Anthropic message."""
    whole = messages(says)

    def event(kind: str, **fields: Any) -> bytes:
        return _named(kind, {"type": kind, **fields})

    yield event("message_start", message=whole | {"content": [], "stop_reason": None})
    yield event("ping")
    for index, block in enumerate(whole["content"]):
        text = block["type"] == "text"
        empty: Body = block | {"text": ""} if text else block | {"input": {}}
        yield event("content_block_start", index=index, content_block=empty)
        for piece in _threes(block["text"] if text else json.dumps(block["input"])):
            delta = (
                {"type": "text_delta", "text": piece}
                if text
                else {"type": "input_json_delta", "partial_json": piece}
            )
            yield event("content_block_delta", index=index, delta=delta)
        yield event("content_block_stop", index=index)
    last: Body = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield event("message_delta", delta=last, usage={"output_tokens": 10})
    yield event("message_stop")


def _threes(text: str) -> list[str]:
    """A text in pieces of three characters."""
    return [text[i : i + 3] for i in range(0, len(text), 3)]


def _data(chunk: Body) -> bytes:
    """An event without a name."""
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"


def _named(kind: str, chunk: Body) -> bytes:
    """An event with a name."""
    return f"event: {kind}\n".encode() + _data(chunk)
