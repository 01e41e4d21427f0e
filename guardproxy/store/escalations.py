"""Open cases: who waits for a person, why, and what became of it."""

from dataclasses import dataclass
from typing import Any

from guardproxy.core.errors import GuardproxyError, IllegalMove
from guardproxy.core.phases import NEXT, Move
from guardproxy.store import keys
from guardproxy.store.redis import Connection

STATUS = {Move.TAKE: "taken", Move.RESOLVE: "resolved", Move.HAND_BACK: "resolved"}


class NoSuchCase(GuardproxyError):
    """No escalation of that id is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """One case. `opened` in seconds since 1970; `reason` masked as the policy says."""

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


class Escalations:
    """Lists, shows and moves cases."""

    def __init__(self, connection: Connection, resume_after: float = 43_200.0) -> None:
        """`resume_after`, seconds: when the bot goes on though nobody resolved the case."""
        self._connection = connection
        self._resume_after = resume_after

    async def open(self) -> tuple[Escalation, ...]:
        """All open cases, the oldest first."""
        found = []
        for tag in keys.tags():
            for name in await self._connection.do("ZRANGE", keys.cases(tag), 0, -1):
                kept = await self._kept(tag, name)
                if kept is not None:
                    found.append(kept)
        return tuple(sorted(found, key=lambda case: case.opened))

    async def show(self, name: str) -> Escalation:
        """One case by its id, or the start of it that fits only one."""
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
        if not kept:
            return None
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
            sla=float(kept["sla"]) if kept.get("sla") else None,
        )

    async def move(self, name: str, move: Move, by: str) -> Escalation:
        """Take, resolve or hand back a case. IllegalMove when its conversation cannot."""
        case = await self.show(name)
        tag = keys.shard(case.business)
        allowed = ",".join(phase for (phase, step) in NEXT if step is move)
        after = {step: phase for (_, step), phase in NEXT.items()}[move]
        places = [
            keys.case(tag, case.id),
            keys.cases(tag),
            keys.conversation(case.business, case.conversation),
        ]
        args = [case.id, STATUS[move], allowed, after.value, by, self._resume_after]
        before = await self._connection.run("move", places, args)
        if before.startswith("!"):
            message = f"{case.id}: a conversation in phase {before[1:]!r} cannot {move.value!r}"
            raise IllegalMove(message)
        return await self.show(case.id)
