"""Meta's webhook payloads as what they say: messages of customers, and everything else by name.

https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/payload-examples
Unknown fields and kinds are no error: Meta adds some every quarter.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from guardproxy.core.errors import WireError

MOST = 1000  # messages of one webhook: Meta's own limit for a batch
SILENT = frozenset({"reaction", "revoke", "system", "ephemeral", "request_welcome"})  # no turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """One message of a customer. `sender` is where a reply goes, `person` who it is; `at` in
    seconds since 1970.
    """

    number: str
    id: str
    sender: str
    person: str
    kind: str
    text: str
    at: float


@dataclass(frozen=True, slots=True)
class Other:
    """Anything else in a webhook, by its field or kind: counted, never given to a model."""

    kind: str


def read(raw: bytes) -> tuple[Inbound | Other, ...]:
    """Every message and event of a webhook, in order. WireError when it is no webhook at all."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise WireError("the webhook is not JSON") from error
    if not isinstance(body, dict) or not isinstance(body.get("entry"), list):
        raise WireError("the webhook has no list of entries", field="entry")
    found = list(_events(body["entry"]))
    if len(found) > MOST:
        raise WireError(f"over {MOST} messages in one webhook", status=413)
    return tuple(found)


def _events(entries: list[Any]) -> Iterator[Inbound | Other]:
    """The events of all entries and changes."""
    for entry in entries:
        changes = entry.get("changes") if isinstance(entry, dict) else None
        for change in changes if isinstance(changes, list) else ():
            if not isinstance(change, dict):
                yield Other("malformed")
                continue
            value = change.get("value")
            if change.get("field") != "messages" or not isinstance(value, dict):
                yield Other(str(change.get("field"))[:40])
                continue
            yield from _messages(value)


def _messages(value: dict[str, Any]) -> Iterator[Inbound | Other]:
    """The messages and statuses of one change."""
    metadata = value.get("metadata")
    number = str(metadata.get("phone_number_id", "")) if isinstance(metadata, dict) else ""
    for message in _list(value.get("messages")):
        if not isinstance(message, dict):
            yield Other("malformed")
            continue
        try:
            yield _message(message, number)
        except (TypeError, ValueError, AttributeError, KeyError):
            yield Other("malformed")
    for _ in _list(value.get("statuses")):
        yield Other("status")
    for _ in _list(value.get("errors")):
        yield Other("error")


def _list(value: Any) -> list[Any]:
    """A list, or an empty one."""
    return value if isinstance(value, list) else []


def _message(message: dict[str, Any], number: str) -> Inbound | Other:
    """One message."""
    kind = str(message.get("type", "unknown"))
    if kind in SILENT or message.get("group_id"):
        return Other("group" if message.get("group_id") else kind)
    sender = str(message.get("from") or message.get("from_user_id") or "")
    if not sender or not message.get("id") or not number:
        return Other("malformed")
    kind, text = _said(kind, message)
    return Inbound(
        number=number,
        id=str(message["id"]),
        sender=sender,
        person=sender,
        kind=kind,
        text=text,
        at=float(message.get("timestamp") or 0),
    )


def _said(kind: str, message: dict[str, Any]) -> tuple[str, str]:
    """The kind and the text of a message."""
    part = message.get(kind)
    if kind == "edit":  # what was written anew is checked anew
        inner = message["edit"]["message"]
        return _said(str(inner.get("type", "unknown")), inner)
    if kind == "interactive":
        inner = str(message["interactive"].get("type", "interactive"))
        part = message["interactive"].get(inner, {})
        kind = inner
    reader = TEXTS.get(kind)
    text = reader(part) if reader and part is not None else ""
    return kind, text.strip()


def _name(part: dict[str, Any], *fields: str) -> str:
    """The texts of some fields, those that are there."""
    return "\n".join(str(part[field]) for field in fields if part.get(field))


def _form(part: dict[str, Any]) -> str:
    """The answers of a flow's form."""
    try:
        answers = json.loads(part.get("response_json") or "{}")
    except ValueError:
        return ""
    said = answers.items() if isinstance(answers, dict) else ()
    return "\n".join(str(value) for key, value in said if key != "flow_token")


def _people(part: list[dict[str, Any]]) -> str:
    """The names of shared contacts."""
    return "\n".join(str((one.get("name") or {}).get("formatted_name", "")) for one in part)


TEXTS: dict[str, Any] = {
    "text": lambda part: str(part["body"]),
    "image": lambda part: _name(part, "caption"),
    "video": lambda part: _name(part, "caption"),
    "document": lambda part: _name(part, "caption") or _name(part, "filename"),
    "button": lambda part: _name(part, "text"),
    "button_reply": lambda part: _name(part, "title"),
    "list_reply": lambda part: _name(part, "title", "description"),
    "nfm_reply": _form,
    "location": lambda part: _name(part, "name", "address"),
    "contacts": _people,
    "order": lambda part: _name(part, "text"),
}
