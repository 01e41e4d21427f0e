"""What the reports for people share: a page of tables; no script, nothing loaded from elsewhere."""

from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape
from typing import Any

STYLE = (
    "body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;margin:.5rem 0}td,th{border:1px solid #bbb;padding:.2rem .6rem;"
    "text-align:left;vertical-align:top}"
)


def document(title: str, parts: Iterable[str]) -> str:
    """A whole page."""
    head = f"<!doctype html><meta charset=utf-8><title>{escape(title)}</title>"
    return "\n".join([f"{head}<style>{STYLE}</style>", *parts]) + "\n"


def table(rows: Iterable[Iterable[Any]], head: Iterable[Any] = ()) -> str:
    """Rows as a table."""
    names = "".join(f"<th>{escape(str(cell))}" for cell in head)
    lines = ["".join(f"<td>{escape(str(cell))}" for cell in row) for row in rows]
    return (
        "<table>"
        + "".join(f"<tr>{line}" for line in ([names] if names else []) + lines)
        + ("</table>")
    )


def moment(at: float) -> str:
    """A moment, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")
