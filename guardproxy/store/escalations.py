"""Open cases: who waits for a person, why, and what became of it."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from guardproxy.core.errors import GuardproxyError, IllegalMove
from guardproxy.core.ledger import Said
from guardproxy.core.phases import NEXT, Move
from guardproxy.policy.compiled import Channel
from guardproxy.store import keys
from guardproxy.store.redis import Connection

KNOWN = 86_400  # seconds a reply's key is known: nobody presses a button twice over a day
ASKED = json.dumps({phase: after for (phase, move), after in NEXT.items() if move is Move.ASK})
STATUS = {Move.TAKE: "taken", Move.RESOLVE: "resolved", Move.HAND_BACK: "resolved"}


class NoSuchCase(GuardproxyError):
    """No escalation of that id is kept."""


class AlreadyTaken(IllegalMove):
    """Another colleague has the case; `by` is their name."""

    def __init__(self, case: str, by: str) -> None:
        """Say who."""
        super().__init__(f"{case} is taken by {by}; take it over if they agree")
        self.by = by


class AlreadyResolved(IllegalMove):
    """The case is done; `by` is who said so."""

    def __init__(self, case: str, by: str) -> None:
        """Say who."""
        super().__init__(f"{case} is resolved already, by {by or 'nobody we know'}")
        self.by = by


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """One case. Times in seconds since 1970, `sla` in seconds; `reason` (the customer's words) and
    `draft` (the refused answer) masked as the policy says; `address` sealed.

    `status`: open, taken or resolved. `score`: off-scope, 0..1. `policy`: name@rev that decided.
    """

    id: str
    business: str
    conversation: str
    channel: str
    kind: str
    rule: str
    status: str
    language: str
    reason: str
    opened: float
    asks: int
    by: str = ""
    sla: float | None = None
    taken: float | None = None
    moved: float | None = None
    policy: str = ""
    surface: str = ""
    score: float = 0.0
    draft: str = ""
    address: str = ""
    replies: int = 0
    arrived: float | None = None  # at the help desk, where the channel has one
    undelivered: float | None = None  # no channel of the chain took it
    summary: str = ""
    suggestion: str = ""

    @property
    def deadline(self) -> float | None:
        """When a colleague should have answered, where the channel promises a time."""
        return None if self.sla is None else self.opened + self.sla


class Escalations:
    """Lists, shows and moves cases."""

    def __init__(self, connection: Connection, resume_after: float = 43_200.0) -> None:
        """`resume_after`, seconds: when the bot goes on though nobody resolved the case."""
        self._connection = connection
        self._resume_after = resume_after

    async def open(self, businesses: Iterable[str] = ()) -> tuple[Escalation, ...]:
        """The open cases, the oldest first: of some businesses, of all when none is named."""
        wanted = frozenset(businesses)
        tags = sorted({keys.shard(name) for name in wanted}) or keys.tags()
        found = []
        for tag in tags:
            for name in await self._connection.do("ZRANGE", keys.cases(tag), 0, -1):
                kept = await self._kept(tag, name)
                if kept is not None and (not wanted or kept.business in wanted):
                    found.append(kept)
        return tuple(sorted(found, key=lambda case: case.opened))

    async def of(self, business: str, name: str) -> Escalation:
        """One case of a business by its whole id. NoSuchCase."""
        found = await self._kept(keys.shard(business), name)
        if found is None:
            raise NoSuchCase(f"{name} is kept no longer")
        return found

    async def show(self, name: str) -> Escalation:
        """One case by its id, or the start of it that fits only one. NoSuchCase."""
        kept = [k for tag in keys.tags() if (k := await self._kept(tag, name)) is not None]
        kept = kept or [case for case in await self.open() if case.id.startswith(name)]
        if len(kept) != 1:
            cause = f"{len(kept)} escalations begin with" if kept else "no escalation"
            raise NoSuchCase(f"{cause} {name!r}; `guardproxy escalations list` shows the open ones")
        return kept[0]

    async def _kept(self, tag: str, name: str) -> Escalation | None:
        """A case of a shard."""
        flat = await self._connection.do("HGETALL", keys.case(tag, name))
        kept: dict[str, Any] = (
            flat if isinstance(flat, dict) else dict(zip(flat[::2], flat[1::2], strict=True))
        )
        return _case(name, kept) if kept else None

    async def transcript(self, case: Escalation) -> tuple[Said, ...]:
        """What was said in a case's conversation lately, the oldest line first."""
        name = await self._name(case)
        lines = await self._connection.do("LRANGE", keys.transcript(case.business, name), 0, -1)
        told = (json.loads(line) for line in lines)
        return tuple(Said(who=who, text=text, at=at, by=by) for who, text, at, by in told)

    async def wrote(self, case: Escalation) -> float | None:
        """When the customer last wrote on WhatsApp; None where that is not known (any more)."""
        name = await self._name(case)
        at = await self._connection.do("GET", keys.window(case.business, name))
        return float(at) if at else None

    async def speaks(self, case: Escalation, key: str) -> bool:
        """A colleague is about to say something; False when the same key has said it before."""
        place = keys.seen(case.business, f"{case.id}/{key}")
        return bool(await self._connection.do("SET", place, "1", "NX", "EX", KNOWN))

    async def speaks_not(self, case: Escalation, key: str) -> None:
        """It did not go out after all."""
        await self._connection.do("DEL", keys.seen(case.business, f"{case.id}/{key}"))

    async def spoke(self, case: Escalation, said: Said) -> None:
        """What a colleague said, for the transcript and the count of replies."""
        place = keys.transcript(case.business, await self._name(case))
        if said.text:
            line = json.dumps([said.who, said.text, said.at, said.by])
            await self._connection.do("RPUSH", place, line)
        tag = keys.shard(case.business)
        await self._connection.do("HINCRBY", keys.case(tag, case.id), "replies", 1)

    async def summarise(self, case: Escalation, summary: str, suggestion: str) -> None:
        """What an assistant made of it, for whoever takes it."""
        key = keys.case(keys.shard(case.business), case.id)
        if await self._connection.do("EXISTS", key):
            await self._connection.do("HSET", key, "summary", summary, "suggestion", suggestion)

    async def _name(self, case: Escalation) -> str:
        """The one name of a case's person, who may have got another since it was opened."""
        name = await self._connection.do("GET", keys.alias(case.business, case.conversation))
        return str(name or case.conversation)

    async def waits(
        self, case: Escalation, channel: Channel, *, resume: float, keep: float
    ) -> None:
        """The case has arrived where people are: its conversation waits for one of them.

        `resume`: seconds until the bot goes on, `keep`: life of the state.
        """
        tag = keys.shard(case.business)
        places = [
            keys.conversation(case.business, await self._name(case)), keys.case(tag, case.id),
        ]  # fmt: skip
        args: list[str | float] = [
            ASKED, resume, channel.id, channel.kind,
            "" if channel.sla is None else channel.sla, int(keep),
        ]  # fmt: skip
        await self._connection.run("wait", places, args)

    async def move(
        self, name: str, move: Move, by: str, *, over: bool = False, resume: float | None = None
    ) -> Escalation:
        """Take, resolve or hand back a case.

        `over`: also when another colleague has it. `resume`: seconds until the bot goes on.
        AlreadyTaken, AlreadyResolved; IllegalMove when its conversation cannot.
        """
        case = await self.show(name)
        tag = keys.shard(case.business)
        allowed = ",".join(phase for (phase, step) in NEXT if step is move)
        after = {step: phase for (_, step), phase in NEXT.items()}[move]
        places = [
            keys.case(tag, case.id),
            keys.cases(tag),
            keys.conversation(case.business, await self._name(case)),
        ]
        seconds = self._resume_after if resume is None else resume
        args: list[str | float] = [
            case.id, STATUS[move], allowed, after.value, by, seconds, "1" if over else "",
        ]  # fmt: skip
        outcome, *more = await self._connection.run("move", places, args)
        match outcome:
            case "ok":
                return await self.of(case.business, case.id)
            case "resolved":
                raise AlreadyResolved(case.id, more[0])
            case "taken":
                raise AlreadyTaken(case.id, more[0])
            case "phase":
                message = f"{case.id}: a conversation in phase {more[0]!r} cannot {move.value!r}"
                raise IllegalMove(message)
            case _:
                raise NoSuchCase(f"{case.id} is kept no longer")


def _case(name: str, kept: dict[str, Any]) -> Escalation:
    """A case as it is kept, typed."""

    def seconds(field: str) -> float | None:
        return float(kept[field]) if kept.get(field) else None

    return Escalation(
        id=name,
        business=kept["business"],
        conversation=kept["conversation"],
        channel=kept["channel"],
        kind=kept["kind"],
        rule=kept["rule"],
        status=kept["status"],
        language=kept["language"],
        reason=kept["reason"],
        opened=float(kept["opened"]),
        asks=int(kept["asks"]),
        by=kept.get("by", ""),
        sla=seconds("sla"),
        taken=seconds("taken"),
        moved=seconds("at"),
        policy=kept.get("policy", ""),
        surface=kept.get("surface", ""),
        score=float(kept.get("score") or 0.0),
        draft=kept.get("draft", ""),
        address=kept.get("address", ""),
        replies=int(kept.get("replies") or 0),
        arrived=seconds("arrived"),
        undelivered=seconds("undelivered"),
        summary=kept.get("summary", ""),
        suggestion=kept.get("suggestion", ""),
    )
