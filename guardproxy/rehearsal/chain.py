"""A file of entries of which none can be changed, dropped or moved unseen, yet each be erased.

One JSON object a line. Each line's `hash` covers the line before and a salted commitment to its
body: SHA-256(salt, body). An erased body leaves its commitment, and the chain still holds; without
the salt nobody can try bodies against it. The last line counts the others and seals them with a
keyed hash, so that who has no key cannot write another chain.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guardproxy.core.errors import GuardproxyError

START = "0" * 64  # what the first line follows
FIELDS = ("n", "kind", "salt", "body", "commitment", "prev", "hash")
END = "end"


class ChainError(GuardproxyError):
    """A chain that does not hold; the message names the first line at fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A chain that holds: its entries, how many were erased, whether its seal was checked."""

    entries: int
    erased: int
    sealed: bool
    head: str


def _canonical(value: Any) -> str:
    """One text for one value."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _digest(*parts: str) -> str:
    """SHA-256 of parts, their lengths included: no two lists of parts give one text."""
    hashed = hashlib.sha256()
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        hashed.update(len(raw).to_bytes(8, "big") + raw)
    return hashed.hexdigest()


def chained(
    entries: Iterable[tuple[str, Any]], key: bytes, salt: Callable[[], str] | None = None
) -> Iterator[str]:
    """The lines of a chain of (kind, body). `key` seals it; `salt` makes 32 hex digits."""
    make, prev, count = salt or (lambda: secrets.token_hex(16)), START, 0
    for kind, body in entries:
        line, prev = _line(count, kind, body, make(), prev)
        count += 1
        yield line
    yield _line(count, END, {"entries": count, "seal": _seal(key, prev)}, make(), prev)[0]


def _line(number: int, kind: str, body: Any, salt: str, prev: str) -> tuple[str, str]:
    """One line and its hash."""
    commitment = _digest(salt, _canonical(body))
    own = _digest(prev, str(number), kind, commitment)
    row = {"n": number, "kind": kind, "salt": salt, "body": body, "commitment": commitment,
           "prev": prev, "hash": own}  # fmt: skip
    return _canonical(row), own


def verify(path: Path, key: bytes | None = None) -> Chain:
    """Check every byte of a chain; ChainError names the line. `key` None: the seal is not."""
    prev, count, erased, end = START, 0, 0, None
    for number, row in rows_of(path):
        if end is not None:
            raise ChainError(f"{path}:{number}: goes on after its end")
        fault = _fault(row, prev, count)
        if fault:
            raise ChainError(f"{path}:{number}: {fault}")
        if row["kind"] == END:
            end = row["body"]
            continue
        erased += row["salt"] is None
        prev, count = row["hash"], count + 1
    if end is None or end.get("entries") != count:
        raise ChainError(f"{path}: its end is missing")
    if key is not None and not hmac.compare_digest(_seal(key, prev), str(end.get("seal"))):
        raise ChainError(f"{path}: the seal is not of this installation's key")
    return Chain(entries=count, erased=erased, sealed=key is not None, head=prev)


def _fault(row: dict[str, Any], prev: str, count: int) -> str:
    """What is wrong with a line, "" when nothing is. An erased line has neither salt nor body."""
    if row["n"] != count or row["prev"] != prev:
        return "does not follow the line before it"
    gone = row["salt"] is None and row["body"] is None and row["kind"] != END
    if not gone and _digest(str(row["salt"]), _canonical(row["body"])) != row["commitment"]:
        return "the body is not the one that was written"
    own = _digest(prev, str(count), str(row["kind"]), str(row["commitment"]))
    return "" if own == row["hash"] else "the hash is not the line's"


def _seal(key: bytes, head: str) -> str:
    """The keyed hash of a chain's last entry."""
    return hmac.new(key, head.encode(), hashlib.sha256).hexdigest()


def rows_of(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The lines as objects; each must be written as this module writes it, to the byte."""
    raw = path.read_bytes()
    if not raw.endswith(b"\n"):
        raise ChainError(f"{path}: its last line is cut")
    for number, line in enumerate(raw[:-1].split(b"\n"), start=1):
        try:
            text = line.decode("utf-8")
            row = json.loads(text)
        except ValueError as error:
            raise ChainError(f"{path}:{number}: not an entry: {error}") from error
        if not isinstance(row, dict) or set(row) != set(FIELDS) or _canonical(row) != text:
            raise ChainError(f"{path}:{number}: not an entry as it was written")
        yield number, row


def erase(path: Path, person: str) -> int:
    """Take the bodies about a person out of a chain; how many. The chain holds as before."""
    verify(path)
    lines, erased = [], 0
    for _, row in rows_of(path):
        if isinstance(row["body"], dict) and row["body"].get("person") == person:
            row |= {"body": None, "salt": None}
            erased += 1
        lines.append(_canonical(row))
    if erased:
        fresh = path.with_name(f"{path.name}.new")
        fresh.write_text("\n".join(lines) + "\n", "utf-8")
        fresh.replace(path)
    return erased
