"""Customers of WhatsApp numbers: one name each, may they be written to, who talks to them.

A phone number and a business-scoped id are one person; the state is kept under one name, and the
other ids lead there.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from guardproxy.core.message import Line
from guardproxy.core.phases import NEXT, Move, Phase
from guardproxy.store import keys
from guardproxy.store.conversations import HISTORY_KEPT, LINES
from guardproxy.store.redis import Connection

KNOWN = 8 * 86_400  # seconds: Meta redelivers for up to seven days
REMEMBERED = 400 * 86_400  # seconds an id leads to its person: longer than anything else is kept
WINDOW = 86_400.0  # seconds after a customer's message in which free-form sends are allowed
PAIR, REFILL = 45, 6.0  # Meta: 45 messages to one person at once, then one every 6 seconds
EACH_SECOND, IN_THE_APP = 80, 20  # Meta: messages of a number a second, of one also in the app
LIVE = 300  # seconds a judged message stands for the agent's calls about it

# Whose a case is that was taken or resolved elsewhere.
WHO = {Move.ECHO: "phone app", Move.LOSE: "another app", Move.GAIN: "another app"}

Why = Literal["ok", "paused", "opted_out", "window", "pair", "number"]


@dataclass(frozen=True, slots=True)
class Leave:
    """Whether a message may go out: `why` is "ok", or what is against it; `wait` in seconds;
    `month`: service messages of the number this month, this one included.
    """

    why: Why
    wait: float = 0.0
    month: int = 0


class People:
    """What is kept of customers beside their conversations."""

    def __init__(self, connection: Connection) -> None:
        """`connection` is shared with the rest of the store."""
        self._connection = connection

    async def meet(
        self, business: str, ids: tuple[str, ...], *, wrote: float | None = None, number: str = "",
        limits: tuple[str, ...] = (),
    ) -> str:  # fmt: skip
        """The one name of whoever has these ids (one or two keyed hashes, the phone's first).

        `wrote`: when they wrote or called (seconds since 1970): the window opens there, and never
        moves back. `number`: the business's, where the message counts as its traffic. `limits`: the
        ids of the business's limits: what is used of them follows a person to their one name.
        """
        first, second = ids[0], ids[1] if len(ids) > 1 else ""
        places = [keys.alias(business, first), keys.alias(business, second or first)]
        rate = keys.rate(business, number) if number else ""
        args: list[str | float] = [
            first, second, f"{keys.shard(business)}:", business,
            "" if wrote is None else f"{wrote:.3f}", rate, REMEMBERED, *limits,
        ]  # fmt: skip
        return str(await self._connection.run("meet", places, args))

    async def moved(
        self, business: str, before: str, after: str, limits: tuple[str, ...] = ()
    ) -> str:
        """A person's id was replaced: both lead to the same state."""
        return await self.meet(business, (before, after), limits=limits)

    async def heard(self, business: str, person: str, line: Line) -> None:
        """Remember what a business's own agent said, or was told."""
        told = json.dumps([line.role, line.text, *line.ids])
        places = [keys.history(business, person)]
        await self._connection.run("remember", places, [told, LINES, HISTORY_KEPT])

    async def passed(
        self, business: str, number: str, person: str, event: str, move: Move, resume_after: float
    ) -> bool:
        """A conversation went to a person, or came back, without a colleague at the desk: an echo
        from the phone app pauses the bot, Meta's routing does, or ends it. False when known.
        """
        phases = ",".join(phase for (phase, step) in NEXT if step is move)
        after = NEXT[Phase.BOT, move]
        tag = keys.shard(business)
        places = [
            keys.seen(business, event),
            keys.conversation(business, person),
            keys.rate(business, number) + ":app",
            keys.cases(tag),
        ]
        kept = max(int(resume_after), 30 * 86_400)
        args: list[str | float] = [
            KNOWN, phases, after.value, resume_after, kept, WHO[move], keys.case(tag, ""),
            "1" if move is Move.ECHO else "",
        ]  # fmt: skip
        return bool(await self._connection.run("echo", places, args))

    async def once(self, business: str, event: str) -> bool:
        """Whether an event is new; it is known from here on."""
        key = keys.seen(business, event)
        return bool(await self._connection.do("SET", key, "1", "NX", "EX", KNOWN))

    async def marketing(self, business: str, person: str, *, stops: float | None) -> None:
        """A person stopped marketing at `stops`, or (None) resumed it."""
        key = keys.no_marketing(business, person)
        if stops is None:
            await self._connection.do("DEL", key)
        else:
            await self._connection.do("SET", key, f"{stops:.3f}")

    async def leave(
        self, business: str, number: str, person: str, *, kind: str = "service",
        agent: bool = True, now: float | None = None,
    ) -> Leave:  # fmt: skip
        """May a message go out now? It takes its place in the limits if so.

        `kind`: service, template or marketing. `agent` False: the proxy's own words, which no
        pause, opt-out or window holds back.
        """
        places = [
            keys.conversation(business, person),
            keys.opted_out(business, person),
            keys.no_marketing(business, person),
            keys.window(business, person),
            keys.pair(business, number, person),
            keys.rate(business, number),
            keys.budget(business, number),
            keys.rate(business, number) + ":app",
        ]
        args: list[str | float] = [
            "agent" if agent else "own", kind, PAIR, REFILL, EACH_SECOND, IN_THE_APP, WINDOW,
            month_of(now), "" if now is None else f"{now:.3f}",
        ]  # fmt: skip
        why, figure = await self._connection.run("send", places, args)
        if why == "ok":
            return Leave("ok", month=int(float(figure)))
        return Leave(why, wait=float(figure))

    async def sent_this_month(self, business: str, number: str) -> int:
        """Service messages a number has sent this month."""
        name = f"{keys.budget(business, number)}:{month_of(None)}"
        return int(await self._connection.do("GET", name) or 0)

    async def revoke(self, business: str, person: str, message: str) -> bool:
        """Take a message out of what is remembered of a conversation."""
        places = [keys.history(business, person)]
        return bool(await self._connection.run("revoke", places, [message]))

    async def goes_live(self, business: str, person: str, turn: str) -> None:
        """A judged message goes to the business's own agent."""
        await self._connection.do("SET", keys.live(business, person), turn, "EX", LIVE)

    async def live(self, business: str, person: str) -> tuple[str, str]:
        """The one name of a person, and the judged turn that is live for them ("" for none)."""
        name = str(await self._connection.do("GET", keys.alias(business, person)) or person)
        return name, str(await self._connection.do("GET", keys.live(business, name)) or "")

    async def disclosed(self, business: str, person: str) -> None:
        """The person has been told that a bot talks."""
        await self._connection.do("HSET", keys.conversation(business, person), "disclosed", "1")

    async def alarm(self, business: str, kind: str, now: float) -> str:
        """An escalation to the operator; one a day and kind, later ones add to it. Its id."""
        tag = keys.shard(business)
        name = f"esc_alarm_{kind.replace('.', '_')}_{int(now // 86_400)}"
        fields: dict[str, Any] = {
            "business": business, "conversation": "operator", "person": "", "opened": now,
            "channel": "operator", "kind": "operator", "rule": f"alarm.{kind}", "language": "en",
            "reason": f"Meta: {kind}", "sla": "", "turn": "",
        }  # fmt: skip
        key = keys.case(tag, name)
        if not await self._connection.do("HEXISTS", key, "opened"):
            flat = [part for pair in fields.items() for part in pair]
            await self._connection.do("HSET", key, "status", "open", *flat)
            await self._connection.do("ZADD", keys.cases(tag), now, name)
        await self._connection.do("HINCRBY", key, "asks", 1)
        await self._connection.do("EXPIRE", key, 30 * 86_400)
        return name


def month_of(now: float | None) -> str:
    """The month a budget is counted in, by UTC; `now`: seconds since 1970, None for the present."""
    return f"{datetime.now(UTC) if now is None else datetime.fromtimestamp(now, UTC):%Y-%m}"
