"""The evidence of a period as one page for people: no script, nothing loaded from elsewhere."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from html import escape
from typing import Any

STYLE = (
    "body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;margin:.5rem 0}td,th{border:1px solid #bbb;padding:.2rem .6rem;"
    "text-align:left;vertical-align:top}"
)


def page(entries: Iterable[tuple[str, Any]]) -> str:
    """The page of an evidence file's entries; single decisions stay in the file."""
    parts = [part for kind, body in entries for part in PARTS.get(kind, _nothing)(body)]
    head = f"<!doctype html><meta charset=utf-8><title>Evidence</title><style>{STYLE}</style>"
    return "\n".join([head, *parts]) + "\n"


def _about(body: Mapping[str, Any]) -> Iterator[str]:
    """What the page is."""
    yield f"<h1>Evidence, {_day(body['start'])} to {_day(body['end'])}</h1>"
    yield f"<p>{escape(body['says'])}</p><p>{body['decisions']} decisions.</p>"


def _scope(body: Mapping[str, Any]) -> Iterator[str]:
    """What a policy allows."""
    yield f"<h2>{escape(body['policy'])}@{escape(body['rev'])}</h2>"
    yield f"<p>{escape(body['business']['name'])}: {escape(body['business']['does'])}</p>"
    yield "<h3>In scope</h3>"
    yield _table((t["about"], t["purpose"]) for t in body["topics"])
    yield "<h3>Ways to a person</h3>"
    yield _table((way["kind"], way["to"]) for way in body["ways_to_a_person"])
    tests = body["tests"]
    yield f"<p>{tests['passed']} of {tests['run']} of the policy's own tests passed, "
    yield f"{tests['of_escalation_passed']} of {tests['of_escalation']} that ask for a person.</p>"
    yield "<h3>Revisions</h3>"
    yield _table((r["policy"], _day(r["first"]), _day(r["last"]), r["turns"])
                 for r in body["revisions"])  # fmt: skip
    if body["changes"]:
        yield "<h3>Changes of the file</h3>" + _table((line,) for line in body["changes"])


def _figures(body: Mapping[str, Any]) -> Iterator[str]:
    """How often what was decided."""
    yield "<h3>Decisions</h3>" + _table(body["verdicts"].items())
    yield "<h3>By reason</h3>" + _table(body["rules"].items())
    shares = ((name, f"{share:.1%}") for name, share in body["purposes"].items())
    yield "<h3>Permitted purposes among what was answered</h3>" + _table(shares)
    yield f"<p>{body['opt_outs']} opt-outs.</p>"


def _sample(body: Mapping[str, Any]) -> Iterator[str]:
    """One refusal or handover, redacted."""
    yield _table([(body["verdict"], body["rule"] or "", _day(body["at"]), body["text"])])


def _nothing(_body: Any) -> Iterator[str]:
    """What the page leaves to the file."""
    return iter(())


PARTS = {"about": _about, "scope": _scope, "figures": _figures, "sample": _sample}


def _table(rows: Iterable[Iterable[Any]]) -> str:
    """Rows as a table."""
    lines = ("".join(f"<td>{escape(str(cell))}" for cell in row) for row in rows)
    return "<table>" + "".join(f"<tr>{line}" for line in lines) + "</table>"


def _day(at: float) -> str:
    """A moment, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")
