"""JSON bodies at the LLM hop: parsing that names the fault, and every text a value can hold."""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from guardproxy.core.errors import WireError
from guardproxy.core.message import Message

WORDS = 4  # from this many words on, an argument or a name is prose, and read like what is said
REQUEST = 40  # words: a longer instruction of the caller is the agent's own, not a request
# Fields that hold no words: what is opaque to everyone, and what only names something.
OPAQUE = frozenset({
    "type", "id", "role", "object", "model", "signature", "encrypted_content", "item_id", "format",
    "call_id", "tool_call_id", "tool_use_id", "file_id", "media_type", "finish_reason",
    "stop_reason", "status", "phase", "service_tier", "system_fingerprint", "response_id",
    "previous_response_id", "created", "container_id",
})  # fmt: skip
MEDIA = {
    "image_url": "image", "input_image": "image", "image": "image", "input_audio": "audio",
    "audio": "audio", "video_url": "video", "file": "document", "input_file": "document",
    "document": "document",
}  # fmt: skip
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")  # an escape that may be half a character
_GAPS = re.compile(r"[_\-./+\s]+")
_TEXTUAL = re.compile(r"data:(?:text/|application/(?:json|xml)|image/svg)[^,]*,", re.IGNORECASE)
# A caller's instruction that speaks to or of the assistant is the agent's own; one that does not
# reads as a request: "write me a python script" in the place of a system prompt.
_INSTRUCTS = re.compile(
    r"(?i)\b(?:you|your|assistant|agent|bot|answer|reply|respond|customers?|users?|speak|context|"
    r"anda|kamu|jawab|pelanggan|eres|usted|responde|client[es]*|você|responda|vous|réponds?|"
    r"répondez|du|sie|antworte|kunden?|sen|siz|müşteri)\b|[\u0600-\u06ff\u0900-\u097f]"
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


def _is_whole(body: dict[str, Any]) -> bool:
    """Whether every text can be written as UTF-8."""
    try:
        json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


_encoded = json.JSONEncoder(ensure_ascii=False).encode  # made once: it costs what encoding does


def dumped(body: Any) -> bytes:
    """JSON as it goes on the wire."""
    return _encoded(body).encode()


def flag(body: dict[str, Any], name: str) -> bool:
    """A boolean that may be missing."""
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise WireError(f"{name} must be true or false", field=name)
    return bool(value)


def objects(value: Any, field: str, *, key: str = "role") -> list[dict[str, Any]]:
    """A list of at least one object, each with a text under `key`."""
    if not isinstance(value, list) or not value:
        raise WireError(f"{field} must be a list of at least one object", field=field)
    for index, one in enumerate(value):
        where = f"{field}[{index}]"
        if not isinstance(one, dict):
            raise WireError(f"{where} must be an object", field=where)
        if key and not isinstance(one.get(key), str):
            raise WireError(f"{where} must be an object with a {key}", field=where)
    return value


def person(body: dict[str, Any]) -> str | None:
    """Whom a body says it speaks for."""
    metadata = body.get("metadata")
    named = [body.get("safety_identifier"), body.get("user")]
    named += [metadata.get("user_id")] if isinstance(metadata, dict) else []
    return next((str(name) for name in named if name), None)


def content(value: Any, field: str) -> tuple[str, list[str]]:
    """The text of a content, and the kinds of its parts that are no text."""
    if value is None:
        return "", []
    if isinstance(value, str):
        return value, []
    if not isinstance(value, list):
        raise WireError(f"{field} must be text or a list of parts", field=field)
    texts: list[str] = []
    kinds: list[str] = []
    for index, part in enumerate(value):
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict):
            _part(part, texts, kinds)
        else:
            raise WireError(f"{field}[{index}] must be an object", field=f"{field}[{index}]")
    return _glued(texts), kinds


def _glued(texts: list[str]) -> str:
    """Parts as the model reads them: one after the other, a word split over two made whole."""
    out = ""
    for text in texts:
        split = out[-1:].isalnum() and text[:1].isalnum() and text[:1].islower()
        out += text if split or not out else f"\n{text}"
    return out


def _part(part: dict[str, Any], texts: list[str], kinds: list[str]) -> None:
    """One part of a content: its text, or its kind and whatever text rides on it."""
    kind = MEDIA.get(str(part.get("type", "")))
    said = ("text", "refusal", "thinking", "input_text", "output_text")
    texts += [part[key] for key in said if isinstance(part.get(key), str)]
    rest = {key: value for key, value in part.items() if key not in said}
    inside = texts_in_media(rest)
    texts += inside
    if kind is not None and not (kind == "document" and inside):
        kinds.append(kind)


def texts_in_media(value: Any) -> list[str]:
    """What can be read of a picture's or file's own fields: names, captions, textual data."""
    found: list[str] = []
    for leaf in leaves(value):
        if leaf.startswith("data:"):
            read = _textual(leaf)
            found += [read] if read else []
        elif is_prose(leaf):
            found.append(spaced(leaf))
    return found


def _textual(url: str) -> str:
    """The text of a data: URL that holds text, "" for pictures and sound (RFC 2397)."""
    match = _TEXTUAL.match(url)
    if match is None:
        return ""
    rest = url[match.end() :]
    if ";base64" not in match.group(0).lower():
        return unquote(rest)
    try:
        return base64.b64decode(rest + "=" * (-len(rest) % 4)).decode("utf-8", "replace")
    except binascii.Error:
        return ""


def leaves(value: Any) -> Iterator[str]:
    """Every text in a JSON value that may hold words."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, part in value.items():
            if key not in OPAQUE:
                yield from leaves(part)
    elif isinstance(value, list):
        for part in value:
            yield from leaves(part)


def spaced(name: str) -> str:
    """A name as words: "write_me_a_poem.pdf" says what it says."""
    return name if " " in name.strip() else _GAPS.sub(" ", name).strip()


def is_prose(text: str) -> bool:
    """Whether a short text is long enough to say something; codes and numbers are no words."""
    if text.startswith(("http://", "https://")):
        text = unquote(text.replace("+", " "))
        return sum(word.isalpha() for word in text.split()) >= WORDS
    return sum(word.isalpha() for word in spaced(text).split()) >= WORDS


def prose_of(arguments: Any) -> list[str]:
    """The texts in a tool call's arguments that are long enough to say something."""
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError):
            return [arguments] if len(arguments.split()) >= WORDS else []
    return [text for text in _everything(arguments) if len(text.split()) >= WORDS]


def _everything(value: Any) -> Iterator[str]:
    """Every text in a tool call's arguments: their keys are the caller's to choose."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield key
            yield from _everything(part)
    elif isinstance(value, list):
        for part in value:
            yield from _everything(part)


def spelled(value: Any) -> str:
    """Every text in a JSON value, those inside a text of JSON too, one after the other."""
    found = []
    for text in _everything(value):
        found.append(text)
        if text.startswith(("{", "[")):
            try:
                found += _everything(json.loads(text))
            except (ValueError, RecursionError):
                continue  # no JSON: it stands as it is
    return "\n".join(found)


def customer(number: str, text: str, kinds: list[str], name: Any = None) -> Iterator[Message]:
    """What a customer sent, as messages: the words, a name that says something, each medium."""
    if text or not kinds:
        yield Message(id=number, text=text)
    if isinstance(name, str) and is_prose(name):
        yield Message(id=f"{number}.name", text=spaced(name))
    for index, kind in enumerate(kinds):
        yield Message(id=f"{number}.{index}", text="", kind=kind)


def instruction(number: str, text: str) -> Iterator[Message]:
    """A caller's own instruction: nothing new, unless it reads like a customer's request."""
    if 0 < len(text.split()) <= REQUEST and not _INSTRUCTS.search(text):
        yield Message(id=number, text=text)


def first_new(speaks: list[bool]) -> int:
    """Where what is new begins: after the model's last turn. An answer that the caller began for
    the model at the very end is no turn of the model's.
    """
    end = len(speaks)
    while end and speaks[end - 1]:
        end -= 1
    return max((index + 1 for index in range(end) if speaks[index]), default=0)


def begun(number: str, text: str) -> Iterator[Message]:
    """An answer the caller began for the model: it can carry an attempt, and is read for one."""
    if text.strip():
        yield Message(id=number, text=text, kind="tool")


def definitions(tools: Any) -> Iterator[Message]:
    """The tools a model is given: descriptions can carry an attempt, and are read for one."""
    text = "\n".join(leaf for leaf in leaves(tools or []) if len(leaf.split()) >= WORDS)
    if text:
        yield Message(id="tools", text=text, kind="tool")


def masked(value: Any, mend: Any) -> Any:
    """A content with the texts of its parts mended."""
    if isinstance(value, str):
        return mend(value)
    if not isinstance(value, list):
        return value
    return [
        part | {"text": mend(part["text"])}
        if isinstance(part, dict) and isinstance(part.get("text"), str)
        else (mend(part) if isinstance(part, str) else part)
        for part in value
    ]


def merged(into: dict[str, Any], delta: dict[str, Any]) -> None:
    """Take a delta into what came before: texts are joined, lists matched by index."""
    for key, value in delta.items():
        there = into.get(key)
        if isinstance(value, str) and isinstance(there, str) and key not in OPAQUE:
            into[key] = there + value
        elif isinstance(value, dict) and isinstance(there, dict):
            merged(there, value)
        elif isinstance(value, list) and (there is None or isinstance(there, list)):
            into[key] = there or []
            _merged_list(into[key], value)
        elif value is not None or key not in into:
            into[key] = value


def _merged_list(into: list[Any], parts: list[Any]) -> None:
    """Parts that carry an index join the part of that index, others are added."""
    for part in parts:
        index = part.get("index") if isinstance(part, dict) else None
        there = [p for p in into if index is not None and p.get("index") == index]
        if there:
            merged(there[0], part)
        else:
            new: Any = {} if isinstance(part, dict) else part
            if isinstance(part, dict):
                merged(new, part)
            into.append(new)
