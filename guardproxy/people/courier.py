"""Works through the outbox of cases: each is brought where its channel says, until it has arrived.

Rule 1: a try that was cut off is made again under the same key; receivers take it as the first.
Rule 2: what fails for good, or is not there in time, goes to the next channel of the chain.
Rule 3: a customer waits for a call only as long as they are told; the call itself goes on.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from guardproxy.channels.notice import Notice
from guardproxy.channels.parcel import Carrier, Parcel
from guardproxy.core.errors import DeliveryError, StoreError
from guardproxy.core.ledger import Closing, Errand
from guardproxy.people.desk import Desk, File
from guardproxy.pipeline.calling import Called
from guardproxy.policy.compiled import Channel, Policy
from guardproxy.store.deliveries import Deliveries, Delivery, State
from guardproxy.store.escalations import NoSuchCase

AT_ONCE = 16  # deliveries made side by side in one process: they wait for others most of the time
POLL = 0.5  # seconds between looks for deliveries of other processes, and for run-out leases
LONGEST = 25.0  # seconds one try may take; its lease has 30
SLOWEST = 60.0  # seconds between two tries at most: a help desk that is back is found within that
ALREADY: dict[State, Called] = {"done": "arrived", "failed": "failed", "busy": "later"}
AWAY = 30.0  # seconds until a delivery is looked at again whose policy is not served here


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """`link`: the console's address, cases are linked below it, "" for none; `secret`: signs
    webhooks of channels that name no secret of their own.
    """

    link: str = ""
    secret: str = ""


@dataclass(slots=True, kw_only=True)
class Courier:
    """`carriers`: by the channel's `via`, and for `notify`, `mail` and `summary`. `served()`: the
    businesses served here. `jitter()`: 0.0 to 1.0 at random. `count(what, outcome)` counts tries,
    `tell(event, **fields)` logs.
    """

    outbox: Deliveries
    desk: Desk
    served: Callable[[], Iterable[str]]
    carriers: Mapping[str, Carrier]
    terms: Terms
    jitter: Callable[[], float]
    tell: Callable[..., None]
    count: Callable[[str, str], None]
    group: asyncio.TaskGroup | None = field(default=None, init=False)

    async def run(self) -> None:
        """Deliver until cancelled."""
        slots = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as self.group:
            while True:
                await slots.acquire()
                delivery = await self._next()
                if delivery is None:
                    slots.release()
                    await asyncio.sleep(POLL)
                    continue
                task = self.group.create_task(self._serve(delivery, hurry=False))
                task.add_done_callback(lambda _done: slots.release())

    async def _next(self) -> Delivery | None:
        """What is due; nothing while the store is lost."""
        try:
            return await self.outbox.next(self.served())
        except StoreError:
            return None

    async def call(
        self, closing: Closing, case: str, channel: Channel, policy: Policy, within: float
    ) -> Called:
        """Call a person while the customer waits: see `pipeline.calling.Caller`."""
        if channel.carried:
            called = await self._hurry(closing.business, case, channel, within)
            if called != "arrived":
                return called
        found = await self.desk.kept.of(closing.business, case)
        resume, keep = policy.escalation.resume_after, policy.privacy.keep
        await self.desk.kept.waits(found, channel, resume=resume, keep=keep)
        return "arrived"

    async def _hurry(self, business: str, case: str, channel: Channel, within: float) -> Called:
        """One try at once, of which the customer hears when it is over in time."""
        if self.group is None:
            return "later"
        taken = await self.outbox.take(business, case, channel.errands[0])
        if not isinstance(taken, Delivery):
            return ALREADY[taken]
        task = self.group.create_task(self._serve(taken, hurry=True))
        done, _ = await asyncio.wait({task}, timeout=within)
        return task.result() if done else "later"

    async def _serve(self, delivery: Delivery, *, hurry: bool) -> Called:
        """One try, and what follows from it. `hurry`: a customer waits for it."""
        try:
            called = await self._try(delivery, hurry=hurry)
        except StoreError as error:
            # its lease runs out, and whoever takes it up goes on from what is written down
            self.tell("delivery_interrupted", delivery=delivery.id, cause=str(error))
            return "later"
        self.count(delivery.what, called)
        return called

    async def _try(self, delivery: Delivery, *, hurry: bool) -> Called:
        """Carry it, and write down what became of it."""
        policy = self.desk.policy_of(delivery.business)
        if policy is None:
            await self.outbox.later(delivery, AWAY, "its policy is not served")
            return "later"
        channel = policy.escalation.channels.get(delivery.channel)
        try:
            file = await self.desk.file(await self.desk.kept.of(delivery.business, delivery.case))
        except NoSuchCase as error:
            await self.outbox.failed(delivery, str(error))
            return "failed"
        if file.case.status == "resolved":
            await self.outbox.failed(delivery, "resolved before it arrived")
            return "failed"
        against = await self._carry(delivery, channel, policy, file)
        if against is None:
            await self.outbox.arrived(delivery)
            self.tell("delivered", delivery=delivery.id, tries=delivery.tries)
            return "arrived"
        return await self._fell_through(delivery, policy, against, hurry=hurry)

    async def _carry(
        self, delivery: Delivery, channel: Channel | None, policy: Policy, file: File
    ) -> DeliveryError | None:
        """Hand it over; None when it has arrived."""
        by = delivery.what if delivery.what != "case" else channel.via if channel else ""
        carrier = self.carriers.get(by)
        if channel is None or carrier is None:
            return DeliveryError(f"no channel {delivery.channel!r} ({by}) any more", final=True)
        parcel = self._parcel(delivery, channel, policy, file)
        try:
            async with asyncio.timeout(LONGEST):
                await carrier.carry(parcel)
        except DeliveryError as error:
            return error
        except TimeoutError:
            return DeliveryError(f"no end within {LONGEST:.0f} s", final=False)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001  the outbox's boundary: one delivery breaks alone
            return DeliveryError(f"{type(error).__name__}: {error}", final=False)
        return None

    def _parcel(self, delivery: Delivery, channel: Channel, policy: Policy, file: File) -> Parcel:
        """What the carrier needs."""
        own = policy.whatsapp
        return Parcel(
            notice=notice_of(file, delivery.id, delivery.channel, self.terms.link),
            channel=channel,
            to=file.address.to if file.address else "",
            phone=file.address.phone if file.address else "",
            done=delivery.done,
            mark=lambda step: self.outbox.mark(delivery, step),
            token=own.access_token if own else None,
            secret=(own.secret if own else None) or self.terms.secret,
        )

    async def _fell_through(
        self, delivery: Delivery, policy: Policy, error: DeliveryError, *, hurry: bool
    ) -> Called:
        """Try again, or go to the next channel, or say that nobody could be told."""
        wait = min(SLOWEST, 2.0 ** (delivery.tries - 1)) * (0.5 + self.jitter())
        in_time = self.desk.clock() + wait < delivery.until
        if not error.final and in_time:
            await self.outbox.later(delivery, wait, str(error))
            self.tell("delivery_later", delivery=delivery.id, seconds=round(wait, 1),
                      cause=str(error))  # fmt: skip
            return "later"
        then = next_errand(policy, delivery, self.desk.clock()) if delivery.what == "case" else None
        if then is not None and not hurry:
            then = replace(then, wait=0.0)
        await self.outbox.failed(delivery, str(error), then, policy.privacy.keep)
        self.tell("delivery_failed", delivery=delivery.id, cause=str(error),
                  next=then.channel if then else None)  # fmt: skip
        return "failed"


def next_errand(policy: Policy, delivery: Delivery, now: float) -> Errand | None:
    """What is tried when a channel has failed: the next open way that a case is brought to."""
    if delivery.channel not in policy.escalation.channels:
        return None
    for way in policy.open_ways(delivery.channel, now):
        if way.id == delivery.channel:
            continue
        if way.pauses and not way.carried:
            return None  # guardproxy's own inbox has it
        for errand in way.errands:
            if errand.what in ("case", "mail"):
                return errand
    return None


def notice_of(file: File, key: str, channel: str, link: str) -> Notice:
    """A case as receivers read it."""
    case = file.case
    return Notice(
        key=key,
        case=case.id,
        business=case.business,
        policy=case.policy,
        channel=channel,
        opened=case.opened,
        rule=case.rule,
        score=case.score,
        language=case.language,
        who=file.who,
        user=case.conversation,
        number=file.address.number if file.address else "",
        reason=case.reason,
        draft=case.draft,
        transcript=file.transcript,
        window_expires=file.window_expires,
        deadline=file.deadline,
        summary=case.summary,
        suggestion=case.suggestion,
        link=f"{link}/#/inbox/{case.id}" if link else "",
    )
