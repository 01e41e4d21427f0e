"""Live: what was decided lately, why, and whether people think it right."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any, Literal

from aiohttp import web
from pydantic import Field

from guardproxy.core.errors import WireError
from guardproxy.edges.admin.operation import Answer, Asked, Operation
from guardproxy.edges.admin.stream import Stream
from guardproxy.pipeline.shelf import Shelf
from guardproxy.rehearsal.explain import line_of
from guardproxy.rehearsal.written import Written, as_rows, as_yaml
from guardproxy.store.decisions import decision
from guardproxy.store.feed import Entry, Feed
from guardproxy.store.marks import Mark, Marks
from guardproxy.store.redis import Connection

SHOWN = ("id", "at", "business", "policy", "surface", "verdict", "rule", "score", "topic",
         "language", "kinds", "text", "overhead_ms")  # fmt: skip
LONG = 280  # characters of a text in a row; the whole stands in the explanation
AT_ONCE = 200  # rows of one page of the past
Verdict = Literal["allow", "rewrite", "redirect", "escalate", "throttle", "drop"]


class Row(Answer):
    """One decision in the list. `place` is where it stands in the feed."""

    place: str
    id: str
    at: float
    business: str
    policy: str
    surface: str
    verdict: str
    rule: str | None = None
    score: float = 0.0
    topic: str | None = None
    language: str = ""
    kinds: tuple[str, ...] = ()
    text: str = ""
    overhead_ms: float = 0.0
    mark: str | None = None


class Rows(Answer):
    """Decisions, newest first; `next` is the `before` of the page after, None at the end."""

    rows: tuple[Row, ...]
    next: str | None


class Marked(Answer):
    """A decision's mark."""

    decision: str
    right: bool
    expect: str
    by: str
    at: float


class Explained(Answer):
    """A decision with its steps as they were recorded, and where its rule stands now."""

    row: Row
    draft: str | None = None
    steps: list[dict[str, Any]]
    file: str | None = None
    line: int | None = None
    source: str | None = None
    served: bool  # whether the policy that decided is the one served now
    test: str | None = None  # the line for `tests:`
    mark: Marked | None = None


class MarkList(Answer):
    """All marks."""

    marks: tuple[Marked, ...]


class Past(Asked):
    """Which decisions."""

    limit: int = Field(50, ge=1, le=AT_ONCE)
    before: str = Field("", pattern=r"^(\d+-\d+)?$")


class Judgement(Asked):
    """What a person thinks of a decision; `expect` is needed when it was wrong."""

    right: bool
    expect: Verdict | None = None
    by: str = Field("", max_length=60)


class Live:
    """The operations of the page."""

    def __init__(
        self, connection: Connection, feed: Feed, shelf: Shelf, clock: Callable[[], float]
    ) -> None:
        """`clock`: seconds since 1970."""
        self._connection = connection
        self._feed = feed
        self._shelf = shelf
        self._clock = clock
        self._marks = Marks(connection)
        self.stream = Stream(feed, shown)

    def operations(self) -> list[Operation]:
        """What the API offers here."""
        one = "/api/decisions/{id}"
        return [
            Operation(method="GET", path="/api/decisions", summary="The latest decisions",
                      handle=self._past, asked=Past, answer=Rows),
            Operation(method="GET", path=one, summary="One decision, explained",
                      handle=self._explain, answer=Explained),
            Operation(method="PUT", path=f"{one}/mark", summary="Mark it right or wrong",
                      handle=self._mark, asked=Judgement, answer=Marked),
            Operation(method="DELETE", path=f"{one}/mark", summary="Take the mark back",
                      handle=self._unmark, answer=Explained),
            Operation(method="GET", path="/api/marks", summary="All marks",
                      handle=self._all_marks, answer=MarkList),
            Operation(method="GET", path="/api/marks.yaml", summary="Marks as `tests:` of policies",
                      handle=self._as_tests, kind="application/yaml"),
            Operation(method="GET", path="/api/marks.jsonl", summary="Marks as rows for `eval`",
                      handle=self._as_rows, kind="application/jsonl"),
            Operation(method="GET", path="/api/feed", summary="Decisions as they are made",
                      handle=self.stream.serve, kind="text/event-stream"),
        ]  # fmt: skip

    async def _past(self, _request: web.Request, asked: Past) -> Rows:
        entries = await self._feed.last(asked.limit, asked.before)
        marks = await self._marks_of(entries)
        rows = tuple(
            Row(**shown(entry.place, entry.record), mark=marks.get(entry.record["id"]))
            for entry in entries
        )
        return Rows(rows=rows, next=entries[-1].place if len(entries) == asked.limit else None)

    async def _marks_of(self, entries: Iterable[Entry]) -> dict[str, str]:
        """Decision -> right or wrong."""
        by_business: dict[str, list[str]] = {}
        for entry in entries:
            by_business.setdefault(entry.record["business"], []).append(entry.record["id"])
        found: dict[str, str] = {}
        for business, names in by_business.items():
            marks = await self._marks.of(business, names)
            found |= {name: "right" if mark.right else "wrong" for name, mark in marks.items()}
        return found

    async def _explain(self, request: web.Request, _asked: object) -> Explained:
        record = await self._record(request)
        marks = await self._marks.of(record["business"], [record["id"]])
        mark = marks.get(record["id"])
        guard = self._shelf.named(record["business"])
        served = guard is not None and guard.policy.ref == record["policy"]
        line = (
            line_of(record["rule"], guard.policy) if guard and served and record["rule"] else None
        )
        written = written_of(record, mark)
        return Explained(
            row=Row(**shown("", record, whole=True)),
            draft=record.get("draft"),
            steps=record["steps"],
            file=guard.policy.path if guard and line else None,
            line=line,
            source=self._shelf.source(guard.policy.name, line) if guard and line else None,
            served=served,
            test=as_yaml([written]).rstrip() if written else None,
            mark=Marked(**asdict(mark)) if mark else None,
        )

    async def _mark(self, request: web.Request, asked: Judgement) -> Marked:
        record = await self._record(request)
        if not asked.right and asked.expect in (None, record["verdict"]):
            raise WireError("expect: say which verdict it should have been", status=422)
        mark = Mark(
            decision=record["id"], right=asked.right, by=asked.by, at=self._clock(),
            expect=record["verdict"] if asked.right else str(asked.expect),
        )  # fmt: skip
        await self._marks.put(record["business"], mark)
        return Marked(**asdict(mark))

    async def _unmark(self, request: web.Request, asked: object) -> Explained:
        record = await self._record(request)
        await self._marks.remove(record["business"], record["id"])
        return await self._explain(request, asked)

    async def _record(self, request: web.Request) -> dict[str, Any]:
        """The record a path names; 404 when none is kept."""
        name = request.match_info["id"]
        record = await decision(self._connection, name)
        if record is None:
            raise web.HTTPNotFound(reason=f"no decision {name!r} is kept (any more)")
        return record

    async def _all_marks(self, _request: web.Request, _asked: object) -> MarkList:
        return MarkList(marks=tuple(Marked(**asdict(m)) for m, _ in await self._marks.all()))

    async def _written(self) -> list[Written]:
        """The marked texts that were kept."""
        found = (written_of(record, mark) for mark, record in await self._marks.all())
        return [written for written in found if written]

    async def _as_tests(self, _request: web.Request, _asked: object) -> web.Response:
        by_policy: dict[str, list[Written]] = {}
        for written in await self._written():
            by_policy.setdefault(written.policy, []).append(written)
        parts = [
            f"# for the policy {name}\ntests:\n{as_yaml(rows)}" for name, rows in by_policy.items()
        ]
        body = "---\n".join(parts) or "# nothing is marked, or no words were kept\n"
        return _download(body, "application/yaml", "marks.yaml")

    async def _as_rows(self, _request: web.Request, _asked: object) -> web.Response:
        rows = as_rows(await self._written())
        body = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        return _download(body, "application/jsonl", "marks.jsonl")


def _download(body: str, kind: str, name: str) -> web.Response:
    """A file for the browser to keep."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return web.Response(text=body, content_type=kind, headers=headers)


def shown(place: str, record: dict[str, Any], *, whole: bool = False) -> dict[str, Any]:
    """A record as a row: no person, no conversation, no caller."""
    row = {key: record[key] for key in SHOWN if record.get(key) is not None}
    if not whole and len(row.get("text", "")) > LONG:
        row["text"] = row["text"][:LONG] + "…"
    return row | {"place": place}


def written_of(record: dict[str, Any], mark: Mark | None) -> Written | None:
    """A decision as a test; None where its words were not kept, or nothing was said."""
    answer = record.get("draft")
    if not (answer or record.get("text")):
        return None
    right = mark is None or mark.right
    return Written(
        id=record["id"], policy=record["business"], say=record.get("text", ""), bot=answer,
        expect=mark.expect if mark else record["verdict"],
        rule=record["rule"] if right else None, lang=record.get("language", ""),
    )  # fmt: skip
