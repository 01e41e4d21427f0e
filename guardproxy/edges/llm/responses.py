"""OpenAI's responses: a request to what is new in it, an answer to its texts, and back.

https://platform.openai.com/docs/api-reference/responses
"""

from collections.abc import Iterator
from typing import Any

from guardproxy.core.errors import UpstreamError, WireError
from guardproxy.core.message import Line, Message, Role
from guardproxy.edges.llm import chat, responses_stream, sse
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
    objects,
    parsed,
    person,
    prose_of,
)
from guardproxy.edges.llm.dialect import Asked, Body, Mend, Told, Words
from guardproxy.edges.llm.responses_stream import LAST

SURFACE = "responses"
SPOKEN_BY = "openai"
PATH = "/responses"
TALK = "input"
MARK = "\n\n"  # between the scope prompt and the caller's own instructions


def read(raw: bytes) -> Asked:
    """A request's body. WireError names the field that is not of the API's shape."""
    body = parsed(raw)
    items = _items(body)
    last = first_new([_speaks(item) for item in items])
    told, _ = content(body.get("instructions"), "instructions")
    stored = body.get("prompt")
    variables = prose_of(stored.get("variables") or {}) if isinstance(stored, dict) else []
    return Asked(
        body=body,
        messages=(
            *definitions(body.get("tools")),
            *instruction("instructions", told),
            *(Message(id=f"prompt.{i}", text=text) for i, text in enumerate(variables)),
            *(m for i in range(last, len(items)) for m in _message(i, items[i])),
        ),
        context=tuple(_context(items[:last])),
        older=last,
        person=person(body),
        stream=flag(body, "stream"),
        structured=_structured(body),
    )


def _items(body: Body) -> list[Body]:
    """The input as items; a plain text is the customer's."""
    given = body.get("input")
    if isinstance(given, str) and given:
        return [{"role": "user", "content": given}]
    if given is None and isinstance(body.get("prompt"), dict):
        return []
    return objects(given, "input", key="")


def _speaks(item: Body) -> bool:
    """Whether an item is the model's; an empty turn is no turn, and hides nothing before it."""
    if item.get("role") == "assistant":
        text, _ = content(item.get("content"), "content")
        return bool(text.strip())
    return str(item.get("type", "")).endswith(("_call", "reasoning", "compaction"))


def _structured(body: Body) -> bool:
    """Whether free text would break the caller's parser."""
    text, choice = body.get("text"), body.get("tool_choice")
    wanted = text.get("format") if isinstance(text, dict) else None
    as_json = isinstance(wanted, dict) and wanted.get("type") in ("json_object", "json_schema")
    return as_json or choice == "required" or isinstance(choice, dict)


def _message(index: int, item: Body) -> Iterator[Message]:
    """What an item that is new holds."""
    number, role = str(index), item.get("role")
    if role is None:
        yield from _unspoken(number, item)
        return
    text, kinds = content(item.get("content"), f"input[{index}].content")
    if role in ("system", "developer"):
        yield from instruction(number, text)
    elif role == "assistant":
        yield from begun(number, text)
    else:
        yield from customer(number, text, kinds, item.get("name"))


def _unspoken(number: str, item: Body) -> Iterator[Message]:
    """An item nobody spoke: what a tool returned, or anything else that holds words."""
    kind = str(item.get("type", ""))
    if kind.endswith(("_output", "_call", "reasoning", "_response", "item_reference")):
        output = item.get("output")
        text = output if isinstance(output, str) else "\n".join(prose_of(item))
        yield Message(id=number, text=text, kind="tool")
    else:
        text, kinds = content([item], f"input[{number}]")
        yield from customer(number, text, kinds)


def _context(items: list[Body]) -> Iterator[Line]:
    """The lines before what is new."""
    for index, item in enumerate(items):
        if item.get("role") in ("user", "assistant"):
            text, _ = content(item.get("content"), f"input[{index}].content")
            if text:
                yield Line(Role(item["role"]), text)


def forwarded(asked: Asked, prompt: str, mask: Mend, model: str) -> bytes:
    """The request as the backend gets it: the scope prompt first and once, numbers masked."""
    own = _own(asked, prompt)
    given = asked.body.get("input")
    if isinstance(given, str):
        given = mask(given)
    elif isinstance(given, list):
        given = [
            item | {"content": masked(item["content"], mask)}
            if item.get("role") == "user" and item.get("content")
            else item
            for item in given
        ]
    told = MARK.join(part for part in (prompt, own) if part)
    body = asked.body | ({"instructions": told} if told else {})
    body |= {"input": given} if given is not None else {}
    return dumped(body | {"model": model} if model else body)


def _own(asked: Asked, prompt: str) -> str:
    """The caller's own instructions, without a scope prompt that came back."""
    own = asked.body.get("instructions")
    return own.removeprefix(prompt).removeprefix(MARK) if isinstance(own, str) else ""


def question(prompt: str, lines: tuple[Line, ...], text: str, model: str) -> bytes:
    """A request of our own: a conversation and what was just said."""
    items = [{"role": line.role.value, "content": line.text} for line in lines]
    items.append({"role": "user", "content": text})
    return dumped({"model": model or "default", "instructions": prompt, "input": items})


def told(raw: bytes) -> Told:
    """A response. UpstreamError when the backend sent something else."""
    try:
        return _told(parsed(raw))
    except WireError as failure:
        raise _unusable() from failure


def _told(response: Body, seen: tuple[str, ...] = ()) -> Told:
    """A response's texts; `seen`: what its stream showed that is not in it."""
    try:
        if response.get("error") or response.get("status") in ("failed", "cancelled"):
            raise UpstreamError("the LLM backend reported that it failed")
        items = response["output"]
        said = "\n\n".join(text for item in items for text in _said(item)).strip()
        rest = [text for item in items for text in _beside(item)]
        usage = response.get("usage") or {}
        tokens = int(usage.get("total_tokens") or 0)
    except (LookupError, TypeError, ValueError, AttributeError) as failure:
        raise _unusable() from failure
    known = "\n".join((said, *rest, *(str(item.get("arguments")) for item in items)))
    rest += [text for text in seen if text not in known]
    return Told((said, "\n".join(rest)) if rest else (said,), tokens, response)


def _said(item: Body) -> Iterator[str]:
    """What an item says to the customer."""
    if item["type"] == "message":
        for part in item["content"]:
            text = part.get("text") or part.get("refusal")
            if isinstance(text, str):
                yield text


def _beside(item: Body) -> list[str]:
    """What an item holds beside that: thoughts, arguments, titles, results."""
    if item["type"] == "message":
        said = ("text", "refusal", "type", "logprobs")
        return prose_of([{k: v for k, v in p.items() if k not in said} for p in item["content"]])
    arguments = prose_of(item.get("arguments") or "")
    skipped = ("arguments", "encrypted_content", "id", "call_id", "type", "result")
    return arguments + prose_of({k: v for k, v in item.items() if k not in skipped})


def _unusable() -> UpstreamError:
    """What is said of an answer that is none."""
    return UpstreamError("the LLM backend did not send a response object")


def joined(raw: bytes) -> Told:
    """A held stream as one response. UpstreamError when it broke off or is none."""
    pieces: dict[tuple[Any, ...], str] = {}
    items: list[Body] = []
    for event in sse.events(raw):
        if event.data.strip() == "[DONE]":
            break
        chunk = event.json
        kind = str(chunk.get("type", ""))
        if kind in ("error", "response.failed"):
            raise UpstreamError("the LLM backend reported an error in its stream")
        if kind in LAST:
            response = chunk.get("response")
            if not isinstance(response, dict):
                raise _unusable()
            whole = response if response.get("output") else response | {"output": items}
            return _told(whole, tuple(pieces.values()))
        if isinstance(chunk.get("delta"), str):
            place = (kind, *(chunk.get(k) for k in ("output_index", "content_index", "item_id")))
            pieces[place] = pieces.get(place, "") + chunk["delta"]
        elif isinstance(chunk.get("text"), str):
            pieces[(kind, len(pieces))] = chunk["text"]
        if kind == "response.output_item.done" and isinstance(chunk.get("item"), dict):
            items.append(chunk["item"])
    raise UpstreamError("the LLM backend's stream broke off")


def kept(raw: bytes, asked: Asked) -> bytes:
    """The backend's answer byte for byte; where it repeats the instructions, the caller's own."""
    response = parsed(raw)
    return dumped(_restored(response, asked)) if response.get("instructions") else raw


def _restored(response: Body, asked: Asked) -> Body:
    """A response that repeats the caller's own instructions, not the scope prompt."""
    return response | {"instructions": asked.body.get("instructions")}


def relayed(raw: bytes, asked: Asked) -> bytes:
    """The backend's events byte for byte up to the last one."""
    out = []
    for event in sse.events(raw):
        if event.data.strip() == "[DONE]":
            break
        chunk = event.json
        response = chunk.get("response")
        if isinstance(response, dict) and response.get("instructions"):
            changed = chunk | {"response": _restored(response, asked)}
            out.append(sse.event(changed, str(chunk.get("type", ""))))
        else:
            out.append(event.raw)
        if chunk.get("type") in LAST:
            break
    return b"".join(out)


def spoken(words: Words, asked: Asked) -> Body:
    """A response that says our words; for a caller who parses JSON, a refusal."""
    part: Body = {"type": "output_text", "text": words.text, "annotations": [], "logprobs": []}
    if asked.structured:
        part = {"type": "refusal", "refusal": words.text}
    message = {
        "type": "message", "id": f"msg_{words.id}", "status": "completed", "role": "assistant",
        "content": [part],
    }  # fmt: skip
    none = {"input_tokens": 0, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 0,
            "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 0}  # fmt: skip
    return {
        "id": f"resp_{words.id}", "object": "response", "created_at": int(words.at),
        "status": "completed", "error": None, "incomplete_details": None, "instructions": None,
        "metadata": {}, "model": asked.model, "output": [message], "parallel_tool_calls": True,
        "temperature": None, "top_p": None, "tool_choice": "auto", "tools": [],
        "previous_response_id": asked.body.get("previous_response_id"),
        "text": {"format": {"type": "text"}}, "usage": none,
    }  # fmt: skip


def rewritten(told: Told, mend: Mend) -> Body:
    """The backend's response with each text as it may leave; thoughts and odds stay here."""
    output = []
    for item in told.answer["output"]:
        if item["type"] == "message":
            parts = [
                {k: v for k, v in part.items() if k != "logprobs"}
                | {k: mend(part[k]) for k in ("text", "refusal") if isinstance(part.get(k), str)}
                for part in item["content"]
            ]
            output.append(item | {"content": parts})
        elif item["type"] != "reasoning":
            output.append(item)
    return told.answer | {"output": output, "instructions": None}


def error(status: int, message: str, field: str | None, code: str | None) -> Body:
    """The shape of OpenAI's errors."""
    return chat.error(status, message, field, code)


def broken(status: int, message: str) -> bytes:  # noqa: ARG001  a dialect's signature
    """An error as the stream's last event: clients raise it."""
    last = {"type": "error", "code": "upstream_error", "message": message, "param": None,
            "sequence_number": 0}  # fmt: skip
    return sse.event(last, "error")


def stream(answer: Body, asked: Asked) -> bytes:
    """A response as a stream of events, ended by the whole response."""
    return responses_stream.stream(answer, asked)
