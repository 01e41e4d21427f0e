"""Judged texts as they are written down: lines for a policy's `tests:`, rows for `eval`."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

SERVED = frozenset({"allow", "rewrite", "escalate"})  # a fair text may end with a person, too
# YAML wants these escaped inside quotes; JSON, which does the rest, does not
_ESCAPED = re.compile(r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One text and the verdict it ought to get. `bot`: the answer that was judged, None where it
    was what the customer wrote. `before`: earlier messages of the customer, with their verdicts.
    """

    id: str
    policy: str
    say: str
    expect: str
    bot: str | None = None
    rule: str | None = None
    lang: str = ""
    before: Sequence[tuple[str, str]] = ()


def as_yaml(texts: Iterable[Written]) -> str:
    """Lines to put under `tests:`."""
    return "".join(f"  - {{{_fields(one)}}}\n" for one in texts)


def _fields(one: Written) -> str:
    """The inside of one test."""
    if one.before and one.bot is None:
        said = ", ".join(quoted(text) for text in (*(text for text, _ in one.before), one.say))
        expected = ", ".join((*(verdict for _, verdict in one.before), one.expect))
        fields = [f"chat: [{said}]", f"expect: [{expected}]"]
    else:
        fields = [f"say: {quoted(one.say)}"] if one.say else []
        fields += [f"bot: {quoted(one.bot)}"] if one.bot is not None else []
        fields.append(f"expect: {one.expect}")
    if one.rule:
        fields.append(f"rule: {one.rule}")
    return ", ".join(fields)


def quoted(text: str) -> str:
    """A text in double quotes that YAML reads back as it is, but for halves of characters."""
    text = text.encode("utf-8", "replace").decode()
    return _ESCAPED.sub(
        lambda found: f"\\u{ord(found.group()):04x}", json.dumps(text, ensure_ascii=False)
    )


def as_rows(texts: Iterable[Written]) -> list[dict[str, Any]]:
    """Rows for `guardproxy eval`."""
    return [_row(one) for one in texts]


def _row(one: Written) -> dict[str, Any]:
    """One row; the question an answer was given to is its context."""
    row: dict[str, Any] = {
        "id": one.id, "policy": one.policy,
        "direction": "user" if one.bot is None else "assistant",
        "text": one.say if one.bot is None else one.bot,
        "label": "in_scope" if one.expect in SERVED else "off_scope", "kind": "marked",
    }  # fmt: skip
    if one.bot is not None and one.say:
        row["context"] = [{"role": "user", "content": one.say}]
    return row | ({"lang": one.lang} if one.lang else {})
