"""The evidence of a period as one page for people: no script, nothing loaded from elsewhere."""

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any

from guardproxy.rehearsal.html import document, moment, table


def page(entries: Iterable[tuple[str, Any]]) -> str:
    """The page of an evidence file's entries; single decisions stay in the file."""
    parts = [part for kind, body in entries for part in PARTS.get(kind, _nothing)(body)]
    return document("Evidence", parts)


def _about(body: Mapping[str, Any]) -> Iterator[str]:
    """What the page is."""
    yield f"<h1>Evidence, {moment(body['start'])} to {moment(body['end'])}</h1>"
    yield f"<p>{escape(body['says'])}</p><p>{body['decisions']} decisions.</p>"


def _scope(body: Mapping[str, Any]) -> Iterator[str]:
    """What a policy allows."""
    yield f"<h2>{escape(body['policy'])}@{escape(body['rev'])}</h2>"
    yield f"<p>{escape(body['business']['name'])}: {escape(body['business']['does'])}</p>"
    yield "<h3>In scope</h3>"
    yield table((t["about"], t["purpose"]) for t in body["topics"])
    yield "<h3>Ways to a person</h3>"
    yield table((way["kind"], way["to"]) for way in body["ways_to_a_person"])
    tests = body["tests"]
    yield f"<p>{tests['passed']} of {tests['run']} of the policy's own tests passed, "
    yield f"{tests['of_escalation_passed']} of {tests['of_escalation']} that ask for a person.</p>"
    yield "<h3>Revisions</h3>"
    yield table((r["policy"], moment(r["first"]), moment(r["last"]), r["turns"])
                 for r in body["revisions"])  # fmt: skip
    if body["changes"]:
        yield "<h3>Changes of the file</h3>" + table((line,) for line in body["changes"])


def _figures(body: Mapping[str, Any]) -> Iterator[str]:
    """How often what was decided."""
    yield "<h3>Decisions</h3>" + table(body["verdicts"].items())
    yield "<h3>By reason</h3>" + table(body["rules"].items())
    shares = ((name, f"{share:.1%}") for name, share in body["purposes"].items())
    yield "<h3>Permitted purposes among what was answered</h3>" + table(shares)
    yield f"<p>{body['opt_outs']} opt-outs.</p>"


def _sample(body: Mapping[str, Any]) -> Iterator[str]:
    """One refusal or handover, redacted."""
    yield table([(body["verdict"], body["rule"] or "", moment(body["at"]), body["text"])])


def _exemptions(body: Mapping[str, Any]) -> Iterator[str]:
    """Where the rule was held back."""
    yield f"<h2>Country exemptions</h2><p>Applied: {escape(body['applied'])}.</p>"
    yield table(((one["country"], one["what"], one["since"], one["until"] or "in force",
                  f"{one['source']} (read {one['read']})") for one in body["in_force"]),
                ["country", "what", "from", "until", "source"])  # fmt: skip


def _eval(body: Mapping[str, Any]) -> Iterator[str]:
    """How good the guard was on labelled messages."""
    yield f"<h2>Evaluation</h2><p>{body['rows']} labelled rows of {escape(body['file'])}.</p>"
    yield table((name, f"{value:.4f}") for name, value in body["figures"].items())


def _vendors(body: Mapping[str, Any]) -> Iterator[str]:
    """Who reads customers' words."""
    yield "<h2>Hosts that customers' words are sent to</h2>"
    yield table(body["hosts"].items(), ["host", "data use, as the business states it"])


def _nothing(_body: Any) -> Iterator[str]:
    """What the page leaves to the file."""
    return iter(())


PARTS = {
    "exemptions": _exemptions,
    "eval": _eval,
    "vendors": _vendors,
    "about": _about,
    "scope": _scope,
    "figures": _figures,
    "sample": _sample,
}
