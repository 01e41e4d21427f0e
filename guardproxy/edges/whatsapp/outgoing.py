"""A message an agent sends: to whom, what a customer would read of it, and whether Meta takes it.

https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from guardproxy.core.errors import WireError
from guardproxy.edges.whatsapp.wire import Who

# What no customer reads. Everything else is text, also in kinds of messages Meta has yet to add.
SILENT = frozenset(
    ("id", "link", "url", "type", "sub_type", "index", "code", "policy", "message_id", "payload",
     "flow_token", "flow_id", "flow_action", "flow_message_version", "mode", "screen", "emoji",
     "catalog_id", "product_retailer_id", "thumbnail_product_retailer_id", "parameter_name",
     "provider", "phone", "wa_id", "currency_code", "format", "birthday", "country_code", "zip",
     "email", "latitude", "longitude", "calendar", "timestamp", "reference_id")
)  # fmt: skip
NAMED = frozenset({"template", "action", "parameters"})  # whose `name` is a key, not words
KINDLESS = frozenset({"to", "recipient", "recipient_type", "type", "messaging_product", "context",
                      "biz_opaque_callback_data"})  # fmt: skip

# Meta's limits of form: path, most characters. `*` is any element.
LENGTHS = (
    ("image.caption", 1024), ("video.caption", 1024), ("document.caption", 1024),
    ("interactive.header.text", 60), ("interactive.footer.text", 60),
    ("interactive.action.button", 20), ("interactive.action.buttons.*.reply.title", 20),
    ("interactive.action.buttons.*.reply.id", 256), ("interactive.action.sections.*.title", 24),
    ("interactive.action.sections.*.rows.*.title", 24),
    ("interactive.action.sections.*.rows.*.description", 72),
    ("interactive.action.sections.*.rows.*.id", 200),
    ("interactive.action.parameters.flow_cta", 30),
    ("interactive.action.parameters.display_text", 20), ("biz_opaque_callback_data", 512),
)  # fmt: skip
COUNTS = (("interactive.action.buttons.*", 3), ("interactive.action.sections.*", 10),
          ("interactive.action.sections.*.rows.*", 10))  # fmt: skip
BODY = {"list": 4096}  # characters of an interactive body, by its type; 1,024 for the others


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One message as it was sent here. `texts`: all a customer would read, `links`: all they could
    follow, in order.
    """

    body: dict[str, Any]
    kind: str
    who: Who
    group: str
    texts: tuple[str, ...]
    links: tuple[str, ...]

    @property
    def to(self) -> str:
        """Whom it goes to."""
        return self.group or self.who.phone or self.who.bsuid


def read(body: Any) -> Outgoing:
    """A send's body. WireError when it is none."""
    if not isinstance(body, dict):
        raise WireError("the body is no JSON object")
    kind = str(body.get("type", "text"))
    to, recipient = str(body.get("to") or ""), str(body.get("recipient") or "")
    if not to and not recipient:
        raise WireError("to or recipient is required", field="to")
    group = to if body.get("recipient_type") == "group" else ""
    who = Who() if group else Who(phone=to, bsuid=recipient)
    parts = {key: part for key, part in body.items() if key not in KINDLESS}
    texts = tuple(text for text in _texts(parts) if text.strip())
    links = tuple(_links(parts))
    return Outgoing(body=body, kind=kind, who=who, group=group, texts=texts, links=links)


def _is_read(key: str, parent: str) -> bool:
    """Whether a customer reads the text under a key."""
    return key not in SILENT and not (key == "name" and parent in NAMED)


def _texts(value: Any, key: str = "", parent: str = "") -> Iterator[str]:
    """The texts of a message, in order."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _texts(part, name, key)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part, key, parent)
    elif isinstance(value, str) and _is_read(key, parent):
        yield value


def _links(value: Any, key: str = "") -> Iterator[str]:
    """The addresses behind buttons and contacts; a media file's own is not shown."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _links(part, name)
    elif isinstance(value, list):
        for part in value:
            yield from _links(part, key)
    elif isinstance(value, str) and key == "url":
        yield value


def rewritten(body: dict[str, Any], mend: Callable[[str], str]) -> dict[str, Any]:
    """The message with each of its texts as `mend` leaves it."""

    def walk(value: Any, key: str, parent: str) -> Any:
        if isinstance(value, dict):
            return {name: walk(part, name, key) for name, part in value.items()}
        if isinstance(value, list):
            return [walk(part, key, parent) for part in value]
        return mend(value) if isinstance(value, str) and _is_read(key, parent) else value

    return {key: part if key in KINDLESS else walk(part, key, "") for key, part in body.items()}


def with_text(body: dict[str, Any], text: str) -> dict[str, Any]:
    """A plain text in the message's place, to the same person in the same context."""
    kept = ("messaging_product", "to", "recipient", "recipient_type", "context",
            "biz_opaque_callback_data")  # fmt: skip
    told: dict[str, Any] = {key: body[key] for key in kept if key in body}
    return told | {"type": "text", "text": {"body": text, "preview_url": False}}


def template_of(body: dict[str, Any]) -> str:
    """The name of the template a message is made of, "" for none."""
    part = body.get("template")
    return str(part.get("name") or "") if isinstance(part, dict) else ""


def with_template(body: dict[str, Any], name: str, language: str) -> dict[str, Any]:
    """A template without parameters in the message's place, to the same person."""
    kept = ("messaging_product", "to", "recipient", "recipient_type", "biz_opaque_callback_data")
    told: dict[str, Any] = {key: body[key] for key in kept if key in body}
    part = {"name": name, "language": {"code": language}}
    return told | {"type": "template", "template": part}


def opened(body: dict[str, Any], words: str) -> dict[str, Any]:
    """The message with `words` before its text; as it is where it has no room for them."""
    if body.get("type", "text") == "text" and isinstance(body.get("text"), dict):
        text = f"{words}\n\n{body['text'].get('body', '')}"
        return body | {"text": body["text"] | {"body": text}}
    part = body.get("interactive")
    if isinstance(part, dict) and isinstance(part.get("body"), dict):
        text = f"{words}\n\n{part['body'].get('text', '')}"
        if len(text) <= BODY.get(str(part.get("type")), 1024):
            return body | {"interactive": part | {"body": part["body"] | {"text": text}}}
    return body


def _at(value: Any, path: list[str]) -> Iterator[Any]:
    """All values at a path."""
    if not path:
        yield value
    elif path[0] == "*":
        for part in value if isinstance(value, list) else ():
            yield from _at(part, path[1:])
    elif isinstance(value, dict) and path[0] in value:
        yield from _at(value[path[0]], path[1:])


def misshapen(body: dict[str, Any]) -> str:
    """What Meta would refuse of a message's form, in words; "" when it fits."""
    part = body.get("interactive")
    inner = str(part.get("type")) if isinstance(part, dict) else ""
    lengths = (*LENGTHS, ("interactive.body.text", BODY.get(inner, 1024)))
    for path, most in lengths:
        for value in _at(body, path.split(".")):
            if isinstance(value, str) and len(value) > most:
                return f"{_shown(path)} has {len(value)} characters; at most {most} fit"
    for path, most in COUNTS:
        count = sum(1 for _ in _at(body, path.split(".")))
        if count > most:
            return f"{_shown(path)} has {count} elements; at most {most} fit"
    text = body.get("text")
    if body.get("type", "text") == "text":
        said = text.get("body") if isinstance(text, dict) else None
        if not isinstance(said, str) or not said.strip():
            return "text.body is required"
    return ""


def _shown(path: str) -> str:
    """A path as Meta writes it."""
    return re.sub(r"\.\*", "[]", path)
