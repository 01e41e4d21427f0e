"""What lets people watch a process: its console, and the figures that only the store knows."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from guardproxy.core.errors import StoreError
from guardproxy.edges.admin.inbox import Inbox
from guardproxy.edges.admin.live import Live
from guardproxy.edges.admin.operation import Operation
from guardproxy.edges.admin.policies import Policies
from guardproxy.edges.admin.trying import Trying
from guardproxy.edges.whatsapp.outbox import FREE
from guardproxy.observe.metrics import Metrics
from guardproxy.people.desk import Desk
from guardproxy.pipeline.shelf import Shelf
from guardproxy.store.escalations import Escalation, Escalations
from guardproxy.store.feed import Feed
from guardproxy.store.people import People
from guardproxy.store.redis import Connection

EVERY = 5.0  # seconds between two looks: well below what Prometheus scrapes at


class Console:
    """The console's operations on one process, and what runs beside them."""

    def __init__(self, connection: Connection, shelf: Shelf, metrics: Metrics, desk: Desk) -> None:
        """`connection` and `metrics` are the process's own."""
        self.feed = Feed(connection)
        self._live = Live(connection, self.feed, shelf, time.time)
        self._others = (
            Inbox(desk, time.time), Policies(shelf, time.time), Trying(shelf, time.time)
        )  # fmt: skip
        self._count = partial(count, connection, shelf, metrics)

    @property
    def operations(self) -> Sequence[Operation]:
        """What the admin API offers of it."""
        return [*self._live.operations(), *(o for page in self._others for o in page.operations())]

    async def run(self) -> None:
        """Keep the feed and the figures going for as long as the process lives."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.feed.run())
            group.create_task(self._live.stream.run())
            group.create_task(self._keep_counting())

    async def _keep_counting(self) -> None:
        """Bring the figures of the store up to date; a lost store leaves them as they were."""
        while True:
            with suppress(StoreError):  # `guardproxy_store_up` says so
                await self._count(time.time())
            await asyncio.sleep(EVERY)


async def count(connection: Connection, shelf: Shelf, metrics: Metrics, now: float) -> None:
    """Who waits, and what the numbers have sent. `now`: seconds since 1970."""
    waiting: dict[str, list[Escalation]] = {name: [] for name in shelf.names}
    for case in await Escalations(connection).open(waiting):
        if case.status == "open" and case.kind == "human":
            waiting[case.business].append(case)
    for name, cases in waiting.items():
        waits = [now - case.opened for case in cases]
        late = [case for case in cases if case.deadline and now > case.deadline]
        metrics.waiting.labels(name).set(len(cases))
        metrics.oldest.labels(name).set(max(waits, default=0.0))
        metrics.overdue.labels(name).set(len(late))
    people = People(connection)
    for guard in shelf.guards:
        policy = guard.policy
        numbers = policy.whatsapp.numbers if policy.whatsapp else ()
        sent = [await people.sent_this_month(policy.name, number) for number in numbers]
        metrics.service.labels(policy.name).set(sum(sent))
        metrics.service_free.labels(policy.name).set(FREE * len(numbers))
