"""The outbox of cases: what is to be brought where, kept until it has arrived or cannot.

A delivery is written by the script that opens its case. Whoever takes it has it for a lease's
time; a worker that is killed lets the lease run out, and the next one tries again under the same
key.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from guardproxy.core.ledger import Errand
from guardproxy.store import keys
from guardproxy.store.redis import Connection

LEASE = 30.0  # seconds: longer than the longest try, which has 25
STEP = "step."  # before the name of a finished step among a delivery's fields

State = Literal["busy", "done", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One case on its way. `until` in seconds since 1970; `done`: the steps that are finished."""

    id: str
    business: str
    case: str
    channel: str
    what: str
    tries: int
    until: float
    done: frozenset[str]


class Deliveries:
    """Hands deliveries out and keeps account of them. Everything raises StoreError."""

    def __init__(self, connection: Connection, worker: str) -> None:
        """`worker`: a name no other process has."""
        self._connection = connection
        self._worker = worker

    async def next(self, businesses: Iterable[str]) -> Delivery | None:
        """A delivery that is due, of any of these businesses; None when there is none."""
        for tag in sorted({keys.shard(business) for business in businesses}):
            found = await self._take(tag, "")
            if isinstance(found, Delivery):
                return found
        return None

    async def take(self, business: str, case: str, errand: Errand) -> Delivery | State:
        """One certain delivery, due or not; or why it cannot be had."""
        return await self._take(keys.shard(business), named(case, errand)) or "failed"

    async def _take(self, tag: str, name: str) -> Delivery | State | None:
        """Claim a delivery."""
        args: list[str | float] = [keys.delivery(tag, ""), self._worker, LEASE, name]
        found = await self._connection.run("carry", [keys.deliveries(tag)], args)
        if not found:
            return None
        if found[0] != "taken":
            state: State = found[0]
            return state
        flat: list[str] = found[2]
        kept = dict(zip(flat[::2], flat[1::2], strict=True))
        return Delivery(
            id=found[1], business=kept["business"], case=kept["case"], channel=kept["channel"],
            what=kept["what"], tries=int(kept["tries"]), until=float(kept["until_"]),
            done=frozenset(f.removeprefix(STEP) for f in kept if f.startswith(STEP)),
        )  # fmt: skip

    async def mark(self, delivery: Delivery, step: str) -> None:
        """A step of it is finished."""
        key = keys.delivery(keys.shard(delivery.business), delivery.id)
        await self._connection.do("HSET", key, STEP + step, "1")

    async def arrived(self, delivery: Delivery) -> bool:
        """It is there; False when another worker has it by now."""
        return await self._settle(delivery, "done")

    async def later(self, delivery: Delivery, seconds: float, cause: str) -> bool:
        """It is tried again after some seconds."""
        return await self._settle(delivery, "later", seconds=seconds, cause=cause)

    async def failed(
        self, delivery: Delivery, cause: str, then: Errand | None = None, keep: float = 86_400.0
    ) -> bool:
        """It cannot arrive; `then` is tried instead, in the same step."""
        return await self._settle(delivery, "failed", cause=cause, then=then, keep=keep)

    async def _settle(
        self, delivery: Delivery, outcome: str, *, seconds: float = 0.0, cause: str = "",
        then: Errand | None = None, keep: float = 86_400.0,
    ) -> bool:  # fmt: skip
        """What became of a try."""
        tag = keys.shard(delivery.business)
        after = named(delivery.case, then) if then else ""
        places = [
            keys.deliveries(tag), keys.delivery(tag, delivery.id), keys.case(tag, delivery.case),
            keys.delivery(tag, after),
        ]  # fmt: skip
        args: list[str | float] = [
            delivery.id, self._worker, outcome, seconds, cause[:200], after,
            then.channel if then else "", then.what if then else "",
            then.patience if then else 0, int(keep), then.wait if then else 0,
        ]  # fmt: skip
        return bool(await self._connection.run("carried", places, args))

    async def pending(self, businesses: Iterable[str]) -> int:
        """Deliveries that have neither arrived nor failed."""
        tags = {keys.shard(business) for business in businesses}
        return sum([int(await self._connection.do("ZCARD", keys.deliveries(t))) for t in tags])

    async def told(self, business: str, case: str, errand: Errand) -> dict[str, Any]:
        """All that is kept of a delivery, {} for nothing: for whoever asks why."""
        key = keys.delivery(keys.shard(business), named(case, errand))
        flat = await self._connection.do("HGETALL", key)
        return flat if isinstance(flat, dict) else dict(zip(flat[::2], flat[1::2], strict=True))


def named(case: str, errand: Errand) -> str:
    """The id of a delivery, and the key its receiver knows it by: one for a case and a channel."""
    return f"{case}:{errand.channel}:{errand.what}"
