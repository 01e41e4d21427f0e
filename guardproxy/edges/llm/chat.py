"""OpenAI's chat completions as wire shapes: a request to what is new in it, answers to their text.

https://platform.openai.com/docs/api-reference/chat
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from guardproxy.core.errors import UpstreamError, WireError
from guardproxy.core.message import Line, Message, Role

WORDS = 4  # from this many words on, a tool argument is prose, and read like an answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request: what is new since the model last spoke, what came before, and how to answer."""

    body: dict[str, Any]
    messages: tuple[Message, ...]
    context: tuple[Line, ...]
    stream: bool
    usage: bool  # whether a stream ends with the usage
    structured: bool  # the answer must be JSON or a tool call: refuse in the API's own way

    @property
    def counted(self) -> bool:
        """Whether the customer spoke: a request that only returns tool results costs no message."""
        return any(message.kind != "tool" for message in self.messages)

    @property
    def person(self) -> str | None:
        """Who the caller says is speaking."""
        metadata = self.body.get("metadata")
        named = [self.body.get("safety_identifier"), self.body.get("user")]
        named += [metadata.get("user_id")] if isinstance(metadata, dict) else []
        return next((str(name) for name in named if name), None)


def read(raw: bytes) -> Asked:
    """A request's body. WireError names the field that is not of the API's shape."""
    body = parsed(raw)
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise WireError("messages must be a list of at least one message", field="messages")
    for index, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            field = f"messages[{index}]"
            raise WireError(f"{field} must be an object with a role", field=field)
    spoken = [i for i, m in enumerate(messages) if m["role"] == "assistant"]
    last = spoken[-1] + 1 if spoken else 0
    new = [_message(i, m) for i, m in enumerate(messages) if i >= last]
    options = body.get("stream_options")
    return Asked(
        body=body,
        messages=tuple(message for message in new if message is not None),
        context=tuple(_context(messages[:last])),
        stream=_flag(body, "stream"),
        usage=isinstance(options, dict) and bool(options.get("include_usage")),
        structured=_structured(body),
    )


def parsed(raw: bytes) -> dict[str, Any]:
    """A JSON object, or a WireError that says where it is not one."""
    try:
        body = json.loads(raw)
    except UnicodeDecodeError as error:
        raise WireError("the body is not UTF-8") from error
    except RecursionError as error:
        raise WireError("the body is nested too deeply") from error
    except ValueError as error:
        raise WireError(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise WireError("the body must be a JSON object")
    if _HALF.search(raw) and not _is_whole(body):
        raise WireError("the body holds half a surrogate pair; send whole characters")
    return body


_HALF = re.compile(rb"\\u[dD][89a-fA-F]")  # an escape that may be half a character


def _is_whole(body: dict[str, Any]) -> bool:
    """Whether every text can be written as UTF-8."""
    try:
        json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _flag(body: dict[str, Any], name: str) -> bool:
    """A boolean that may be missing."""
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise WireError(f"{name} must be true or false", field=name)
    return bool(value)


def _structured(body: dict[str, Any]) -> bool:
    """Whether free text would break the caller's parser."""
    wanted = body.get("response_format")
    as_json = isinstance(wanted, dict) and wanted.get("type") in ("json_object", "json_schema")
    choice = body.get("tool_choice")
    return as_json or choice == "required" or isinstance(choice, dict)


def _message(index: int, message: dict[str, Any]) -> Message | None:
    """A message that is new; None for the caller's own instructions."""
    role = message["role"]
    if role in ("system", "developer"):
        return None
    kind = "tool" if role in ("tool", "function") else "text"
    text, kinds = content(message.get("content"), f"messages[{index}].content")
    if role == "user" and not text and kinds:
        kind = kinds[0]
    return Message(id=str(index), text=text, kind=kind)


def content(value: Any, field: str) -> tuple[str, list[str]]:
    """The text of a content, and the kinds of its parts that are no text."""
    if value is None:
        return "", []
    if isinstance(value, str):
        return value, []
    if not isinstance(value, list):
        raise WireError(f"{field} must be text or a list of parts", field=field)
    texts, kinds = [], []
    for index, part in enumerate(value):
        if isinstance(part, str):
            texts.append(part)
            continue
        if not isinstance(part, dict):
            raise WireError(f"{field}[{index}] must be an object", field=f"{field}[{index}]")
        kind = str(part.get("type", ""))
        text = part.get("text") or part.get("refusal")
        if isinstance(text, str):
            texts.append(text)
        else:
            kinds.append({"image_url": "image", "input_audio": "audio"}.get(kind, "document"))
    return "\n".join(texts), kinds


def _context(messages: list[dict[str, Any]]) -> Iterator[Line]:
    """The lines before what is new; the caller's instructions are not part of the talk."""
    for index, message in enumerate(messages):
        text, _ = content(message.get("content"), f"messages[{index}].content")
        if message["role"] == "user" and text:
            yield Line(Role.USER, text)
        elif message["role"] == "assistant" and text:
            yield Line(Role.ASSISTANT, text)


def forwarded(asked: Asked, prompt: str, mask: Any, model: str) -> bytes:
    """The request as the backend gets it: the scope prompt first and once, numbers masked."""
    own = {"role": "system", "content": prompt}
    messages = [_masked(message, mask) for message in asked.body["messages"]]
    if messages[0] != own:
        messages.insert(0, own)
    body = asked.body | {"messages": messages}
    if model:
        body["model"] = model
    if asked.stream:  # the usage settles token limits; it is cut out again unless asked for
        options = body.get("stream_options")
        kept = options if isinstance(options, dict) else {}
        body["stream_options"] = kept | {"include_usage": True}
    return json.dumps(body, ensure_ascii=False).encode()


def _masked(message: dict[str, Any], mask: Any) -> dict[str, Any]:
    """A customer's message with the numbers masked that the policy wants masked."""
    value = message.get("content")
    if message["role"] != "user" or value is None:
        return message
    if isinstance(value, str):
        return message | {"content": mask(value)[0]}
    parts = [
        part | {"text": mask(part["text"])[0]}
        if isinstance(part, dict) and isinstance(part.get("text"), str)
        else part
        for part in value
    ]
    return message | {"content": parts}


@dataclass(frozen=True, slots=True)
class Told:
    """A backend's completion: the text that is checked, and the tokens it counted."""

    text: str
    tokens: int
    completion: dict[str, Any]


def told(raw: bytes) -> Told:
    """A completion. UpstreamError when the backend sent something else."""
    try:
        completion = json.loads(raw)
        texts = [_said(completion["choices"][0]["message"])]
        texts += [_said(choice["message"]) for choice in completion["choices"][1:]]
        usage = completion.get("usage") or {}
        return Told("\n\n".join(texts).strip(), int(usage.get("total_tokens") or 0), completion)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, WireError) as error:
        raise UpstreamError("the LLM backend did not send a chat completion") from error


def _said(message: dict[str, Any]) -> str:
    """Everything of a message that a customer could come to read."""
    text, _ = content(message.get("content"), "content")
    refusal = message.get("refusal")
    calls = message.get("tool_calls") or []
    arguments = [str((call.get("function") or {}).get("arguments") or "") for call in calls]
    prose = [line for argument in arguments for line in prose_of(argument)]
    return "\n".join(part for part in (text, refusal or "", *prose) if part)


def prose_of(arguments: str) -> list[str]:
    """The texts in a tool call's arguments that are long enough to say something."""
    try:
        values = list(_leaves(json.loads(arguments)))
    except (ValueError, RecursionError):
        values = [arguments]
    return [value for value in values if len(value.split()) >= WORDS]


def _leaves(value: Any) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _leaves(part)
    elif isinstance(value, list):
        for part in value:
            yield from _leaves(part)
