"""What is remembered of conversations, and who may speak: two scripts, one round trip each."""

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

import orjson

from guardproxy.core.errors import StoreError
from guardproxy.core.ledger import Case, Closing, Limit, Said, Ticket
from guardproxy.core.message import Count, Line, Memory, Role
from guardproxy.core.phases import NEXT, Move, Phase
from guardproxy.store import keys
from guardproxy.store.redis import Connection

LINES = 20  # of history: ten exchanges, what a model needs to follow a chat
SPOKEN = 40  # lines of a transcript: what a colleague reads before answering
HISTORY_KEPT = 86_400  # seconds: WhatsApp's own customer-service window
REPLY_KEPT = 86_400  # seconds: a reply that could not be sent for a day is no reply any more

ASKED = {str(phase): str(after) for (phase, move), after in NEXT.items() if move is Move.ASK}


class Conversations:
    """The store as the pipeline sees it."""

    def __init__(
        self,
        connection: Connection,
        lost: Callable[[str, StoreError], None] = lambda _turn, _error: None,
    ) -> None:
        """`connection` is shared with the rest of the store. `lost` is told of a turn whose
        closing was on its way when the store went.
        """
        self._connection = connection
        self._lost = lost

    async def admit(self, ticket: Ticket) -> Memory:
        """Count a turn and recall its conversation. StoreError when there was no answer."""
        limits = ticket.limits
        asked = {
            "turn": ticket.turn, "exempt": ticket.exempt, "counted": ticket.counted,
            "tokens": ticket.tokens, "now": ticket.now,
            "limits": [
                {"max": li.max, "seconds": li.seconds, "tokens": li.of == "tokens",
                 "shadow": li.shadow}
                for li in limits
            ],
        }  # fmt: skip
        places = _places(ticket)
        windows = [_window(ticket, limit) for limit in limits]
        raw = await self._connection.run("admit", [*places, *windows], [packed(asked)])
        return _memory(orjson.loads(raw), ticket)

    async def close_turn(self, closing: Closing) -> str | None:
        """Write down how a turn ended; the id of its conversation's open case, if any."""
        places, args = _closed(closing)
        return await self._connection.run("close", places, args) or None

    async def leave_turn(self, closing: Closing) -> None:
        """The same where nothing of it is needed now: the caller does not wait for the answer.
        StoreError when the store is known to be lost; what is lost later is told to `lost`.
        """
        places, args = _closed(closing)
        lost = partial(self._lost, closing.turn)
        await self._connection.leave("close", places, args, lost)

    async def say_instead(self, closing: Closing, text: str, said: Said) -> None:
        """Other words for a turn that was closed a moment ago and has not been answered yet."""
        if closing.reply is not None:
            place = keys.reply(closing.business, closing.turn)
            await self._connection.do("HSET", place, "text", text)
        if closing.talk and said.text:
            line = json.dumps([said.who, said.text, said.at, said.by])
            place = keys.transcript(closing.business, closing.talk)
            await self._connection.do("RPUSH", place, line)


def _closed(closing: Closing) -> tuple[list[str], list[str | bytes]]:
    """The keys and arguments of a turn's closing."""
    told: dict[str, Any] = {
        "business": closing.business,
        "turn": closing.turn,
        "person": closing.person,
        "conversation": closing.conversation,
        "verdict": closing.verdict,
        "rule": closing.rule,
        "keep": int(closing.keep),
        "off_topic": closing.off_topic,
        "offered": closing.offered,
        "language": closing.language,
        "disclosed": closing.disclosed,
        "case": _case(closing.case) if closing.case is not None else None,
        "opted_out": closing.opted_out,
        "spent": closing.spent,
        "failed": closing.failed,
        "reply": closing.reply,
        "replies": closing.to_send,
        "resume_after": closing.resume_after,
        "remembered": closing.conversation is not None,
        "lines": [json.dumps([line.role, line.text, *line.ids]) for line in closing.lines],
        "talk": closing.talk,
        "said": [json.dumps([s.who, s.text, s.at, s.by]) for s in closing.said if s.text],
        "spoken_most": SPOKEN,
        "asked": ASKED,
        "history_most": LINES,
        "history_keep": HISTORY_KEPT,
        "reply_keep": REPLY_KEPT,
    }
    # the script takes what is missing for nothing; the clock alone is told to be the store's
    told = {key: value for key, value in told.items() if value is not None} | {"now": closing.now}
    shard = keys.shard(closing.business)
    places = [
        *_places(closing),
        keys.reply(closing.business, closing.turn),
        keys.case(shard, closing.case.id if closing.case else ""),
        keys.cases(shard),
        keys.transcript(closing.business, closing.talk or "-"),
        keys.deliveries(shard),
        *(
            _window(closing, limit)
            for limit in closing.limits
            if limit.of == "tokens" or closing.failed
        ),
    ]
    rows = keys.case(shard, ""), keys.delivery(shard, "")
    return places, [packed(told), packed(closing.record), *rows]


def _case(case: Case) -> dict[str, Any]:
    """A case without what it does not have."""
    return {key: value for key, value in asdict(case).items() if value is not None}


def packed(value: Any) -> bytes:
    """JSON for the store; what only the standard library can write (half characters), by it."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value).encode()


def _places(of: Ticket | Closing) -> list[str]:
    """Where a turn's conversation, history, opt-out and decision are kept."""
    name = of.conversation or "-"  # "-" is never written: nothing is remembered of nobody
    return [
        keys.conversation(of.business, name),
        keys.history(of.business, name),
        keys.opted_out(of.business, of.person or "-"),
        keys.decision(keys.shard(of.business), of.turn),
    ]


def _window(of: Ticket | Closing, limit: Limit) -> str:
    """The key of a limit's window: whom it counts."""
    person = f"p.{of.person}" if of.person else f"k.{of.caller}"
    subject = {
        "user": person,
        "conversation": f"c.{of.conversation}" if of.conversation else person,
        "business": "all",
        "key": f"k.{of.caller}",
    }[limit.per]
    return keys.limit(of.business, limit.id, subject)


def _memory(told: dict[str, Any], ticket: Ticket) -> Memory:
    """What the script said, typed."""
    state: dict[str, str] = told["state"] or {}
    drift = state.get("drift", "")[-ticket.drift_window :]
    counts = zip(ticket.limits, told["counts"] or (), strict=False)
    return Memory(
        phase=Phase(state.get("phase", "bot")),
        duplicate=told["duplicate"],
        opted_out=told["opted_out"],
        offered=state.get("offered", ""),
        last_verdict=state.get("last_verdict", ""),
        last_rule=state.get("last_rule", ""),
        off_topic=drift.count("1"),
        turns=int(state.get("turns", 0)),
        disclosed=state.get("disclosed") == "1",
        language=state.get("language", ""),
        escalation=state.get("case", ""),
        counts=tuple(
            Count(limit=limit.id, used=int(c["used"]), max=limit.max,
                  reset_in=float(c["reset_in"]), over=c["over"])
            for limit, c in counts
        ),
        history=tuple(
            Line(Role(role), text, tuple(ids))
            for role, text, *ids in map(json.loads, told["history"])
        ),
    )  # fmt: skip
