"""Server-sent events of chat completions: a held stream to one completion, and words to a stream.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import json
from collections.abc import Iterator
from typing import Any

from guardproxy.core.errors import UpstreamError

DONE = b"data: [DONE]\n\n"


def events(raw: bytes) -> Iterator[str]:
    """The data of each event; line ends of all three kinds, comments left out."""
    text = raw.decode("utf-8", "replace").removeprefix("\ufeff")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    held: list[str] = []
    for line in lines:
        if line:
            field, _, value = line.partition(":")
            if field == "data":
                held.append(value.removeprefix(" "))
        elif held:
            yield "\n".join(held)
            held = []


def joined(raw: bytes) -> dict[str, Any]:
    """A held stream as one completion. UpstreamError when it broke off or is none."""
    choices: dict[int, dict[str, Any]] = {}
    head: dict[str, Any] = {}
    ended = False
    for data in events(raw):
        if data.strip() == "[DONE]":
            ended = True
            break
        chunk = _chunk(data)
        head = head or {key: chunk.get(key) for key in ("id", "created", "model")}
        if chunk.get("usage"):
            head["usage"] = chunk["usage"]
        for part in chunk.get("choices") or ():
            choice = choices.setdefault(part.get("index", 0), {"message": {"role": "assistant"}})
            _add(choice["message"], part.get("delta") or {})
            choice["finish_reason"] = part.get("finish_reason") or choice.get("finish_reason")
    if not choices or not (ended or all(c.get("finish_reason") for c in choices.values())):
        raise UpstreamError("the LLM backend's stream broke off")
    listed = [{"index": index, **choice} for index, choice in sorted(choices.items())]
    return {"object": "chat.completion", **head, "choices": listed}


def _chunk(data: str) -> dict[str, Any]:
    """One chunk of a stream; an error sent as an event is an error."""
    try:
        chunk = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UpstreamError("the LLM backend sent a broken stream") from error
    if not isinstance(chunk, dict) or chunk.get("error"):
        raise UpstreamError("the LLM backend reported an error in its stream")
    return chunk


def _add(message: dict[str, Any], delta: dict[str, Any]) -> None:
    """Take a delta into a message."""
    for field in ("content", "refusal"):
        if delta.get(field):
            message[field] = (message.get(field) or "") + delta[field]
    calls = message.setdefault("tool_calls", []) if delta.get("tool_calls") else []
    for part in delta.get("tool_calls") or ():
        index = part.get("index", len(calls))
        while len(calls) <= index:
            calls.append({"function": {"name": "", "arguments": ""}})
        for field, value in (part.get("function") or {}).items():
            function = calls[index]["function"]
            function[field] = (function.get(field) or "") + (value or "")


def without_usage(raw: bytes) -> bytes:
    """A stream without its usage chunk, for a caller who did not ask for one: whole events are cut
    out, the others stay byte for byte.
    """
    kept = []
    for block in raw.split(b"\n\n"):
        data = block.removeprefix(b"data: ")
        if block.startswith(b"data: {") and b'"usage"' in data:
            try:
                chunk = json.loads(data)
            except ValueError:
                chunk = {}
            if chunk.get("usage") and not chunk.get("choices"):
                continue
        kept.append(block)
    return b"\n\n".join(kept)


def stream(completion: dict[str, Any], *, usage: bool) -> bytes:
    """A completion as a stream of chunks, ended by `[DONE]`."""
    base = {key: completion[key] for key in ("id", "created", "model")}
    base["object"] = "chat.completion.chunk"
    out = []
    for choice in completion["choices"]:
        said = {key: value for key, value in choice["message"].items() if value is not None}
        for delta, reason in ((said, None), ({}, choice["finish_reason"])):
            part = {"index": choice["index"], "delta": delta, "finish_reason": reason}
            out.append(event(base | {"choices": [part]}))
    if usage and completion.get("usage"):
        out.append(event(base | {"choices": [], "usage": completion["usage"]}))
    return b"".join(out) + DONE


def event(data: dict[str, Any]) -> bytes:
    """One event."""
    return b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n"


def comment(text: str) -> bytes:
    """A line every client skips."""
    return f": {text}\n\n".encode()
