"""What a customer's message says, as text, for every kind of message WhatsApp has."""

import json
from typing import Any


def said(kind: str, message: dict[str, Any]) -> tuple[str, str]:
    """The kind and the text of a message; "" where it has none."""
    part = message.get(kind)
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
    found = answers.items() if isinstance(answers, dict) else ()
    return "\n".join(str(value) for key, value in found if key != "flow_token")


def _people(part: list[dict[str, Any]]) -> str:
    """The names of shared contacts."""
    return "\n".join(str((one.get("name") or {}).get("formatted_name", "")) for one in part)


TEXTS: dict[str, Any] = {
    "text": lambda part: str(part["body"]),
    "image": lambda part: _name(part, "caption"),
    "video": lambda part: _name(part, "caption"),
    "document": lambda part: _name(part, "caption", "filename"),
    "button": lambda part: _name(part, "text"),
    "button_reply": lambda part: _name(part, "title"),
    "list_reply": lambda part: _name(part, "title", "description"),
    "nfm_reply": _form,
    "location": lambda part: _name(part, "name", "address"),
    "contacts": _people,
    "order": lambda part: _name(part, "text"),
}
