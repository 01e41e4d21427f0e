"""Server-sent events: a held stream to its events and back.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from guardproxy.core.errors import UpstreamError

_BLANK = re.compile(rb"\r\n\r\n|\n\n|\r\r|\r\n\n|\n\r\n")
_LINE = re.compile("\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its data, and its bytes as they came, blank line included."""

    data: str
    raw: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The data as an object. UpstreamError when it is none, or reports an error."""
        try:
            chunk = json.loads(self.data)
        except (ValueError, RecursionError) as error:
            raise UpstreamError("the LLM backend sent a broken stream") from error
        if not isinstance(chunk, dict) or chunk.get("error"):
            raise UpstreamError("the LLM backend reported an error in its stream")
        return chunk


def events(raw: bytes) -> Iterator[Event]:
    """The events that hold data; line ends of all three kinds. Comments are left out: they are
    the connection's, and ours are sent instead. What was cut off at the end is no event.
    """
    start = 3 if raw.startswith(b"\xef\xbb\xbf") else 0
    while (blank := _BLANK.search(raw, start)) is not None:
        block, start = raw[start : blank.end()], blank.end()
        lines = _LINE.split(block.decode("utf-8", "replace"))
        data = [line[5:].removeprefix(" ") for line in lines if line.startswith("data:")]
        if data:
            yield Event("\n".join(data), _uncommented(block))


def _uncommented(block: bytes) -> bytes:
    """An event's bytes without the comments and fields no client reads."""
    if block.startswith((b"data:", b"event:")) and b"\n:" not in block and b"\r:" not in block:
        return block
    lines = re.split(rb"\r\n|\n|\r", block)
    return b"\n".join(line for line in lines if line.startswith((b"data:", b"event:"))) + b"\n\n"


def event(data: dict[str, Any], name: str = "") -> bytes:
    """One event."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n"


def comment(text: str) -> bytes:
    """A line every client skips."""
    return f": {text}\n\n".encode()
