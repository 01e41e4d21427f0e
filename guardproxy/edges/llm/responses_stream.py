"""A whole response as the events that OpenAI's clients build it from.

https://platform.openai.com/docs/api-reference/responses-streaming
"""

from collections.abc import Iterator
from typing import Any

from guardproxy.edges.llm import sse
from guardproxy.edges.llm.dialect import Asked, Body

LAST = ("response.completed", "response.incomplete")


def stream(answer: Body, asked: Asked) -> bytes:  # noqa: ARG001  a dialect's signature
    """A response as a stream of events, numbered, ended by the whole response."""
    begun = answer | {"status": "in_progress", "output": [], "usage": None}
    last = "incomplete" if answer.get("status") == "incomplete" else "completed"
    events: list[tuple[str, Body]] = [
        ("response.created", {"response": begun}),
        ("response.in_progress", {"response": begun}),
    ]
    for index, item in enumerate(answer["output"]):
        events += _item(index, item)
    events.append((f"response.{last}", {"response": answer}))
    return b"".join(
        sse.event({"type": kind, "sequence_number": number, **fields}, kind)
        for number, (kind, fields) in enumerate(events)
    )


def _item(index: int, item: Body) -> Iterator[tuple[str, Body]]:
    """The events of one output item."""
    place: Body = {"output_index": index, "item_id": item.get("id", f"item_{index}")}
    whole = {"output_index": index, "item": item}
    empty: Body = item | {"status": "in_progress"}
    if item["type"] == "message":
        empty["content"] = []
    elif item["type"] == "function_call":
        empty["arguments"] = ""
    yield "response.output_item.added", whole | {"item": empty}
    if item["type"] == "message":
        for number, part in enumerate(item["content"]):
            yield from _part(place | {"content_index": number}, part)
    elif item["type"] == "function_call":
        given = item.get("arguments", "")
        kind = "response.function_call_arguments"
        yield f"{kind}.delta", place | {"delta": given}
        yield f"{kind}.done", place | {"arguments": given, "name": item.get("name")}
    yield "response.output_item.done", whole


def _part(place: Body, part: Body) -> Iterator[tuple[str, Body]]:
    """The events of one part of a message."""
    field = "refusal" if part.get("type") == "refusal" else "text"
    kind = "response.refusal" if field == "refusal" else "response.output_text"
    more: dict[str, Any] = {} if field == "refusal" else {"logprobs": []}
    yield "response.content_part.added", place | {"part": part | {field: ""}}
    yield f"{kind}.delta", place | {"delta": part.get(field, "")} | more
    yield f"{kind}.done", place | {field: part.get(field, "")} | more
    yield "response.content_part.done", place | {"part": part}
