"""A policy file as text with places: every key and value knows its line and column.

YAML 1.2 read strictly: scalars stay text (the model knows which type is due, so that `no`, `10:00`
and `0251...` are never something else), and what makes a file hard to read is refused: aliases,
anchors, tags, duplicate keys, deep nesting, great size.
"""

from dataclasses import dataclass, field
from typing import Any

import yaml

from guardproxy.core.errors import Fault

MOST_BYTES = 262_144  # a policy is a page or ten; 256 KiB is a book
MOST_DEPTH = 16  # the deepest key of the format stands at 6
NULLS = frozenset({"", "~", "null", "Null", "NULL"})
# The C parser where the wheel has it: ten times as fast on a hostile file.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands, counted from 1."""

    line: int
    column: int


@dataclass(slots=True)
class Document:
    """The values of a file (dicts, lists, texts, None), where each stands, and what is wrong.

    `keys` places the key of a mapping entry, `values` the value.
    """

    path: str
    text: str
    value: Any = None
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def fault(
        self, code: str, message: str, mend: str = "", *, at: Place, level: str = "error"
    ) -> Fault:
        """A fault at a place, with the line of the file under it."""
        lines = self.text.splitlines()
        source = lines[at.line - 1] if 0 < at.line <= len(lines) else ""
        return Fault(self.path, at.line, at.column, code, message, mend, level, source[:200])

    def place(self, path: Path, *, key: bool = False) -> Place:
        """Where a path stands; the nearest place above it when it is not in the file."""
        for length in range(len(path), -1, -1):
            for table in (self.keys, self.values) if key else (self.values, self.keys):
                if path[:length] in table:
                    return table[path[:length]]
        return Place(1, 1)


@dataclass(slots=True)
class _Open:
    """A collection being read: `key` is the mapping key waiting for its value."""

    value: dict[str, Any] | list[Any]
    path: Path
    key: str | None = None


class _Stop(Exception):
    """The rest of the file is not worth reading."""


def read(path: str, text: str) -> Document:
    """The document of a text; never raises: what is wrong is among its faults."""
    document = Document(path, text)
    if len(text.encode("utf-8", "replace")) > MOST_BYTES:
        fault = document.fault(
            "GP001", f"the file is over {MOST_BYTES // 1024} KiB", "split it", at=Place(1, 1)
        )
        document.faults.append(fault)
        return document
    try:
        _Reader(document).run()
    except _Stop:
        document.value = None  # half a file says nothing about its other half
    except yaml.YAMLError as error:
        document.value = None
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        at = Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        tab = mark is not None and text[mark.index : mark.index + 1] == "\t"
        mend = "indent with spaces, not tabs" if tab else ""
        document.faults.append(document.fault("GP002", f"not YAML: {problem}", mend, at=at))
    return document


class _Reader:
    """Builds the values from the parser's events, one at a time: nesting costs no stack."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._open: list[_Open] = []
        self._documents = 0

    def run(self) -> None:
        """Read to the end, or to the first thing that makes reading on pointless."""
        for event in yaml.parse(self._document.text, Loader=_LOADER):
            if isinstance(event, yaml.AliasEvent):
                self._note(event, "GP003", "aliases (*) are not read", "write the value out")
                self._put(None, event)
                continue
            if getattr(event, "anchor", None):
                self._note(event, "GP003", "anchors (&) are not read", "write the value out")
            if isinstance(event, yaml.DocumentStartEvent):
                self._documents += 1
                if self._documents > 1:
                    self._stop(event, "GP002", "a second document (---)", "one policy per file")
            elif isinstance(event, yaml.ScalarEvent):
                self._tag(event)
                self._scalar(event)
            elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                self._tag(event)
                self._start(event)
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                self._open.pop()

    def _note(self, event: yaml.Event, code: str, message: str, mend: str) -> None:
        """Note a fault; the file is read on, so that all of them show at once."""
        fault = self._document.fault(code, message, mend, at=_at(event))
        self._document.faults.append(fault)

    def _stop(self, event: yaml.Event, code: str, message: str, mend: str) -> None:
        """Note a fault after which the file is not read on."""
        self._note(event, code, message, mend)
        raise _Stop

    def _tag(self, event: Any) -> None:
        """Tags name types of programs; a policy has none."""
        if event.tag not in (None, "!"):
            self._note(event, "GP003", f"tags are not read ({event.tag})", "leave the tag out")

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        """A text: a key when a mapping waits for one, else a value."""
        top = self._open[-1] if self._open else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            self._key(top, event)
            return
        plain = event.style is None or event.style == ""
        self._put(None if plain and event.value in NULLS else event.value, event)

    def _key(self, top: _Open, event: yaml.ScalarEvent) -> None:
        """A mapping's key, which may stand there once."""
        path = (*top.path, event.value)
        if path in self._document.keys:
            first = self._document.keys[path].line
            fault = self._document.fault(
                "GP004",
                f"{event.value!r} stands twice, first on line {first}",
                "keep one of them",
                at=_at(event),
            )
            self._document.faults.append(fault)
        self._document.keys[path] = _at(event)
        top.key = event.value

    def _start(self, event: yaml.Event) -> None:
        """A mapping or a list begins."""
        top = self._open[-1] if self._open else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            self._stop(event, "GP002", "a key that is not a text", "write a plain word as key")
        if len(self._open) >= MOST_DEPTH:
            self._stop(event, "GP005", f"nested over {MOST_DEPTH} deep", "a policy is flat")
        value: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        path = self._put(value, event)
        self._open.append(_Open(value, path))

    def _put(self, value: Any, event: yaml.Event) -> Path:
        """A value into the collection that is open."""
        if not self._open:
            self._document.value = value
            self._document.values[()] = _at(event)
            return ()
        top = self._open[-1]
        if isinstance(top.value, list):
            path: Path = (*top.path, len(top.value))
            top.value.append(value)
        else:
            path = (*top.path, top.key or "")
            top.value[top.key or ""] = value
            top.key = None
        self._document.values[path] = _at(event)
        return path


def _at(event: yaml.Event) -> Place:
    """Where an event starts."""
    mark: Any = event.start_mark
    return Place(mark.line + 1, mark.column + 1)
