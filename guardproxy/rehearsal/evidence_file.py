"""Evidence on disk: the chain, and the page for people beside it, which is made of its entries."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from guardproxy.rehearsal.chain import END, Chain, ChainError, chained, erase, rows_of, verify
from guardproxy.rehearsal.evidence import Entry
from guardproxy.rehearsal.evidence_page import page

PAGE = "page"  # the entry that holds the page's digest


def write(found: Sequence[Entry], path: Path, key: bytes) -> None:
    """The page, and the chain that holds its digest, sealed with `key`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shown = page(found).encode()
    path.with_suffix(".html").write_bytes(shown)
    seen = (PAGE, {"sha256": hashlib.sha256(shown).hexdigest()})
    path.write_text("\n".join(chained([*found, seen], key)) + "\n", "utf-8")


def check(path: Path, key: bytes) -> Chain:
    """Check a chain and the page beside it, if it is there; ChainError says what does not hold.

    The page is the one that was written, or, after an erasure, the one made of what is left.
    """
    chain = verify(path, key)
    shown = path.with_suffix(".html")
    if not shown.exists():
        return chain
    digest = hashlib.sha256(shown.read_bytes()).hexdigest()
    written = [row["body"]["sha256"] for _, row in rows_of(path) if row["kind"] == PAGE]
    if chain.erased:
        written.append(hashlib.sha256(page(list(_left(path))).encode()).hexdigest())
    if digest not in written:
        raise ChainError(f"{shown}: not the page that was written with {path.name}")
    return chain


def forget(path: Path, person: str) -> int:
    """Take a person (a keyed hash) out of a chain and its page; how many entries. Both hold."""
    erased = erase(path, person)
    shown = path.with_suffix(".html")
    if erased and shown.exists():
        fresh = shown.with_name(f"{shown.name}.new")
        fresh.write_bytes(page(list(_left(path))).encode())
        fresh.replace(shown)
    return erased


def _left(path: Path) -> Iterator[Entry]:
    """The entries that have a body still."""
    for _, row in rows_of(path):
        if row["body"] is not None and row["kind"] not in (PAGE, END):
            yield row["kind"], row["body"]
