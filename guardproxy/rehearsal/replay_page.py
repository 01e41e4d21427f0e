"""A replay's figures as one page, for whoever has to agree to the change."""

from html import escape

from guardproxy.rehearsal.html import document, moment, table
from guardproxy.rehearsal.replay import Outcome, Pair


def page(outcome: Outcome, *, policy: str, source: str) -> str:
    """The page. `policy`: `name@rev` that was tried; `source`: where the records are from."""
    verdicts = sorted({verdict for pair in outcome.matrix for verdict in pair})
    counts = ([was, *(outcome.matrix[was, now] or "" for now in verdicts)] for was in verdicts)
    changes = ((moment(one.at), told(one.was), told(one.now), one.text, one.id)
               for one in outcome.changed)  # fmt: skip
    return document(f"Replay under {policy}", [
        f"<h1>{escape(source)} under {escape(policy)}</h1>",
        f"<p>{summary(outcome)}</p>",
        "<h2>Verdicts</h2>", table(counts, ["was \\ now", *verdicts]),
        "<h2>First changes</h2>", table(changes, ["when", "was", "now", "text", "decision"]),
        "<h2>Rules by growth</h2>", table(((rule, f"{n:+d}") for rule, n in outcome.grown)),
    ])  # fmt: skip


def summary(outcome: Outcome) -> str:
    """The figures in a line."""
    return (
        f"{outcome.turns} turns, {outcome.share:.1%} with another verdict; "
        f"{outcome.scored_again} texts read again, {outcome.not_run} not looked at (no text kept)"
    )


def told(pair: Pair) -> str:
    """A verdict with its rule."""
    return pair[0] if pair[1] is None else f"{pair[0]} ({pair[1]})"
