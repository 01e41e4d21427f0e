"""One JSON line per turn on standard output, made from the decision record.

No message text, no number, no token: only the fields named here, whatever a record holds.
"""

import json
import logging
import sys
from typing import Any

import orjson

FIELDS = (
    "id", "policy", "surface", "verdict", "rule", "score", "topic", "language", "kinds",
    "conversation", "caller", "request", "overhead_ms", "store",
)  # fmt: skip
log = logging.getLogger("guardproxy")


_encoded = json.JSONEncoder(ensure_ascii=True, default=str).encode


def _line(event: dict[str, Any]) -> str:
    """An event as JSON, ASCII only."""
    try:
        line = orjson.dumps(event)
    except TypeError:  # holds what only its text can stand for
        return _encoded(event)
    return line.decode() if line.isascii() and b"\x7f" not in line else _encoded(event)


class JsonLines(logging.Formatter):
    """One line per event; line breaks and control characters leave as JSON escapes."""

    def format(self, record: logging.LogRecord) -> str:
        """The event's message and its fields, ASCII only, so that no terminal is driven by it."""
        event: dict[str, Any] = {
            "at": round(record.created, 3),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        event |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[0]:
            event["error"] = record.exc_info[0].__name__
        return _line(event)


def start(level: int = logging.INFO) -> None:
    """Send guardproxy's events to standard output as JSON lines, and nothing twice."""
    out = logging.StreamHandler(sys.stdout)
    out.setFormatter(JsonLines())
    log.handlers[:] = [out]
    log.setLevel(level)
    log.propagate = False
    quiet = logging.getLogger("aiohttp")
    quiet.handlers[:] = [out]
    quiet.setLevel(logging.ERROR)
    quiet.propagate = False


def log_turn(record: dict[str, Any]) -> None:
    """The line of one turn."""
    fields = {key: record[key] for key in FIELDS if record.get(key) is not None}
    fields["steps"] = [
        f"{step['stage']}:{step['check']}" + (":shadow" if step["shadow"] else "")
        for step in record["steps"]
    ]
    failed = [why for step in record["steps"] for why in step["why"]]
    if failed:
        fields["failed"] = failed
    if log.isEnabledFor(logging.INFO):
        line = logging.LogRecord(log.name, logging.INFO, "", 0, "turn", (), None)
        line.fields = fields  # where it was logged is no news: looking it up costs as much again
        log.handle(line)


def event(name: str, **fields: object) -> None:
    """Anything else that happens to the process: a reload, a lost store, a refused webhook."""
    log.info(name, extra={"fields": fields})
