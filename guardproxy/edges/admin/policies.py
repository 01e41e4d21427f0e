"""Policy: what is served, how it differs from the file or from before, and its tests."""

import difflib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from aiohttp import web

from guardproxy.core.errors import PolicyError
from guardproxy.edges.admin.operation import Answer, Operation
from guardproxy.pipeline.guard import Guard
from guardproxy.pipeline.shelf import Shelf
from guardproxy.policy.lint import lint
from guardproxy.policy.merged import effective_lines
from guardproxy.rehearsal.cases import run_cases, untried

AROUND = 3  # lines of context in a difference


class Short(Answer):
    """A policy in the list."""

    name: str
    ref: str
    business: str
    stale: bool


class Shorts(Answer):
    """All policies that are served."""

    policies: tuple[Short, ...]


class Subject(Answer):
    """A topic, or something that is refused."""

    key: str
    about: str
    then: str
    examples: tuple[str, ...]
    shadow: bool = False


class Way(Answer):
    """A way to a person. `hours` "" : always open."""

    id: str
    kind: str
    to: str
    sla: float | None
    otherwise: str | None
    open_now: bool


class Effective(Answer):
    """One line of the effective policy, and where it comes from."""

    line: str
    origin: str


class Whole(Answer):
    """A policy rendered."""

    name: str
    rev: str
    ref: str
    path: str
    shadow: bool
    business: str
    does: str
    languages: tuple[str, ...]
    timezone: str
    topics: tuple[Subject, ...]
    refuse: tuple[Subject, ...]
    limits: tuple[dict[str, Any], ...]
    ways: tuple[Way, ...]
    numbers: tuple[str, ...]
    effective: tuple[Effective, ...]
    warnings: tuple[str, ...]
    stale: str  # why the file on disk is not served, "" when it is
    difference: str  # unified: file on disk, or what was served before, against what is served


class Case(Answer):
    """One test's result; `problem` "" is a pass."""

    line: int
    said: str
    problem: str
    todo: str | None


class Results(Answer):
    """All tests of a policy; `covered` is the share of its parts that some test tries, 0..1."""

    ref: str
    passed: int
    cases: tuple[Case, ...]
    untried: tuple[str, ...]
    covered: float


class Policies:
    """The operations of the page."""

    def __init__(self, shelf: Shelf, clock: Callable[[], float]) -> None:
        """`clock`: seconds since 1970."""
        self._shelf = shelf
        self._clock = clock

    def operations(self) -> list[Operation]:
        """What the API offers here."""
        one = "/api/policies/{name}"
        return [
            Operation(method="GET", path="/api/policies", summary="The policies served",
                      handle=self._list, answer=Shorts),
            Operation(method="GET", path=one, summary="One policy, rendered",
                      handle=self._whole, answer=Whole),
            Operation(method="POST", path=f"{one}/tests", summary="Run the policy's own tests",
                      handle=self._tests, answer=Results),
        ]  # fmt: skip

    async def _list(self, _request: web.Request, _asked: object) -> Shorts:
        return Shorts(
            policies=tuple(
                Short(name=g.policy.name, ref=g.policy.ref, business=g.policy.business.name,
                      stale=g.policy.name in self._shelf.stale)
                for g in sorted(self._shelf.guards, key=lambda guard: guard.policy.name)
            )
        )  # fmt: skip

    def _guard(self, request: web.Request) -> Guard:
        """The guard a path names."""
        guard = self._shelf.named(request.match_info["name"])
        if guard is None:
            names = ", ".join(self._shelf.names)
            raise web.HTTPNotFound(reason=f"no such policy; there is {names}")
        return guard

    async def _whole(self, request: web.Request, _asked: object) -> Whole:
        guard = self._guard(request)
        policy = guard.policy
        business = policy.business
        return Whole(
            name=policy.name, rev=policy.rev, ref=policy.ref, path=policy.path,
            shadow=policy.shadow, business=business.name, does=business.does,
            languages=policy.languages, timezone=str(policy.timezone),
            topics=tuple(
                Subject(key=t.key, about=t.about, then=t.then, examples=t.examples, shadow=t.shadow)
                for t in policy.topics
            ),
            refuse=tuple(
                Subject(key=r.key, about=r.about, then=r.then, examples=r.examples, shadow=r.shadow)
                for r in policy.refuse
            ),
            limits=tuple(asdict(limit) for limit in policy.limits),
            ways=self._ways(guard),
            numbers=policy.whatsapp.numbers if policy.whatsapp else (),
            effective=_effective(policy.path),
            warnings=tuple(str(fault) for fault in lint(policy)),
            stale=self._shelf.stale.get(policy.name, ""),
            difference=self._difference(guard),
        )  # fmt: skip

    def _ways(self, guard: Guard) -> tuple[Way, ...]:
        """The channels, and which of them would take somebody now."""
        now, policy = self._clock(), guard.policy
        return tuple(
            Way(id=c.id, kind=c.kind, to=c.to, sla=c.sla, otherwise=c.otherwise,
                open_now=policy.open_channel(c.id, now).id == c.id)
            for c in policy.escalation.channels.values()
        )  # fmt: skip

    def _difference(self, guard: Guard) -> str:
        """What a reload would change or has changed: the broken file against the last good one,
        else what is served against what was served before; "" where nothing differs.
        """
        name, path = guard.policy.name, Path(guard.policy.path)
        served, before = self._shelf.texts(name)
        if name in self._shelf.stale:
            there = path.read_text("utf-8", "replace") if path.is_file() else ""
            return _unified(served, there, "served", "on disk")
        return _unified(before, served, "served before", "served") if before else ""

    async def _tests(self, request: web.Request, _asked: object) -> Results:
        guard = self._guard(request)
        results = await run_cases(guard, self._clock())
        missing, share = untried(guard, results)
        return Results(
            ref=guard.policy.ref,
            passed=sum(not result.problem for result in results),
            cases=tuple(
                Case(line=r.line, said=r.said, problem=r.problem, todo=r.todo) for r in results
            ),
            untried=missing,
            covered=share,
        )


def _effective(path: str) -> tuple[Effective, ...]:
    """The effective policy; what is served when the file can be read, nothing else."""
    try:
        return tuple(
            Effective(line=line, origin=origin) for line, origin in effective_lines(Path(path))
        )
    except (PolicyError, OSError):
        return ()


def _unified(before: str, after: str, old: str, new: str) -> str:
    """A unified difference."""
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), old, new, lineterm="", n=AROUND
    )
    return "\n".join(lines)
