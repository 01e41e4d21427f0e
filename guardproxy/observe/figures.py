"""What the console's Traffic page shows, worked out of the same text that Prometheus scrapes."""

import asyncio
import itertools
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel

EVERY = 10.0  # seconds between two samples
KEPT = 360  # samples: an hour; Prometheus keeps what is older
# Decisions that kept the bot on its business; a topic that always goes to a person is none.
OFF_TOPIC = ("scope.off_topic", "scope.refuse.", "scope.unsure", "drift", "output.off_topic")
SILENT = "drop"  # nobody was answered: paused, opted out, twice the same
CONTAINED = ("allow", "rewrite", "redirect")  # the bot dealt with it

Labels = tuple[tuple[str, str], ...]
Read = Callable[[], Awaitable[bytes]]


class Spread(BaseModel):
    """A histogram: how many, and seconds below which half and 95 % of them stayed."""

    count: int
    half: float | None
    most: float | None


class Sample(BaseModel):
    """What happened since the sample before. `at`: seconds since 1970."""

    at: float
    decisions: dict[str, int]
    tokens: int


class Headline(BaseModel):
    """The four figures; shares are 0..1 of the turns that were answered, None when none were."""

    contained: float | None
    escalated: float | None
    blocked: float | None
    waiting: int
    oldest: float  # seconds


class Figures(BaseModel):
    """Everything since this server started; `policy` "": all businesses together."""

    policy: str
    policies: tuple[str, ...]
    headline: Headline
    decisions: dict[str, int]
    surfaces: dict[str, int]
    rules: dict[str, int]
    overhead: Spread  # of all businesses, as the clocks carry no policy
    upstream: Spread
    upstream_outcomes: dict[str, int]
    tokens: int
    judge_tokens: int
    service_used: int
    service_free: int
    overdue: int
    store_up: bool
    degraded: bool
    samples: tuple[Sample, ...] = ()


@dataclass(frozen=True, slots=True)
class Scrape:
    """One reading of `/metrics`: series name -> labels -> value."""

    series: Mapping[str, Mapping[Labels, float]]

    @classmethod
    def of(cls, text: bytes) -> "Scrape":
        """The exposition text, parsed as Prometheus would."""
        found: dict[str, dict[Labels, float]] = {}
        for family in text_string_to_metric_families(text.decode()):
            for sample in family.samples:
                labels = tuple(sorted(sample.labels.items()))
                found.setdefault(sample.name, {})[labels] = sample.value
        return cls(found)

    def by(self, name: str, label: str, policy: str = "") -> dict[str, int]:
        """A counter's totals for each value of a label, the largest first."""
        total: Counter[str] = Counter()
        for labels, value in self.rows(name, policy):
            total[labels.get(label, "")] += int(value)
        return dict(total.most_common())

    def total(self, name: str, policy: str = "") -> int:
        """The sum over all labels."""
        return int(sum(value for _, value in self.rows(name, policy)))

    def most(self, name: str, policy: str = "") -> float:
        """The largest value, 0 where there is none."""
        return max((value for _, value in self.rows(name, policy)), default=0.0)

    def rows(self, name: str, policy: str = "") -> Iterator[tuple[dict[str, str], float]]:
        """(labels, value) of a series; of one policy where one is named."""
        for labels, value in self.series.get(name, {}).items():
            named = dict(labels)
            if not policy or named.get("policy", policy) == policy:
                yield named, value

    def spread(self, name: str, outcome: str = "") -> Spread:
        """A histogram over all labels but `outcome`, its quantiles as PromQL estimates them."""
        below: Counter[float] = Counter()
        for labels, value in self.rows(f"{name}_bucket"):
            if not outcome or labels.get("outcome") == outcome:
                below[float(labels["le"])] += int(value)
        steps = sorted(below.items())
        count = steps[-1][1] if steps else 0
        return Spread(count=count, half=_quantile(steps, 0.5), most=_quantile(steps, 0.95))


def _quantile(steps: list[tuple[float, int]], share: float) -> float | None:
    """Linear inside the bucket that holds it, as `histogram_quantile` does; None of nothing."""
    if not steps or not steps[-1][1]:
        return None
    rank = share * steps[-1][1]
    floor, before = 0.0, 0
    for ceiling, count in steps:
        if count >= rank and count > before:
            if ceiling == float("inf"):
                return floor
            return floor + (ceiling - floor) * (rank - before) / (count - before)
        floor, before = ceiling, count
    return floor


def figures(scrape: Scrape, policy: str = "") -> Figures:
    """What a scrape says of one business, or of all."""
    decisions = scrape.by("guardproxy_turns_total", "verdict", policy)
    rules = scrape.by("guardproxy_rule_hits_total", "rule", policy)
    return Figures(
        policy=policy,
        policies=tuple(sorted(filter(None, scrape.by("guardproxy_turns_total", "policy")))),
        headline=Headline(
            **_shares(decisions, rules),
            waiting=scrape.total("guardproxy_escalations_waiting", policy),
            oldest=scrape.most("guardproxy_escalations_oldest_wait_seconds", policy),
        ),
        decisions=decisions,
        surfaces=scrape.by("guardproxy_turns_total", "surface", policy),
        rules=rules,
        overhead=scrape.spread("guardproxy_overhead_seconds"),
        upstream=scrape.spread("guardproxy_upstream_seconds", "ok"),
        upstream_outcomes=scrape.by("guardproxy_upstream_seconds_count", "outcome"),
        tokens=scrape.total("guardproxy_tokens_total", policy),
        judge_tokens=scrape.total("guardproxy_judge_tokens_total"),
        service_used=scrape.total("guardproxy_service_messages_used", policy),
        service_free=scrape.total("guardproxy_service_messages_free", policy),
        overdue=scrape.total("guardproxy_escalations_overdue", policy),
        store_up=scrape.most("guardproxy_store_up") == 1,
        degraded=scrape.most("guardproxy_policies_degraded") == 1,
    )


def _shares(decisions: Mapping[str, int], rules: Mapping[str, int]) -> dict[str, float | None]:
    """Contained, escalated and blocked as shares of the turns that were answered."""
    answered = sum(count for verdict, count in decisions.items() if verdict != SILENT)
    blocked = sum(count for rule, count in rules.items() if rule.startswith(OFF_TOPIC))
    contained = sum(decisions.get(verdict, 0) for verdict in CONTAINED)
    counts = {
        "contained": contained,
        "escalated": decisions.get("escalate", 0),
        "blocked": blocked,
    }
    return {name: count / answered if answered else None for name, count in counts.items()}


class History:
    """The last hour in samples, of all businesses and of each: a fixed amount of memory."""

    def __init__(self, read: Read, clock: Callable[[], float]) -> None:
        """`read` gives the exposition text, `clock` seconds since 1970."""
        self._read = read
        self._clock = clock
        self._kept: deque[tuple[float, Scrape]] = deque(maxlen=KEPT + 1)

    async def run(self) -> None:
        """Take samples for as long as the process lives."""
        while True:
            await self.take()
            await asyncio.sleep(EVERY)

    async def take(self) -> None:
        """One sample: only the series that the page draws."""
        scrape = Scrape.of(await self._read())
        drawn = ("guardproxy_turns_total", "guardproxy_tokens_total")
        kept = {name: scrape.series.get(name, {}) for name in drawn}
        self._kept.append((self._clock(), Scrape(kept)))

    async def figures(self, policy: str = "") -> Figures:
        """The figures now, and the hour before."""
        now = figures(Scrape.of(await self._read()), policy)
        return now.model_copy(update={"samples": tuple(self._samples(policy))})

    def _samples(self, policy: str) -> Iterator[Sample]:
        """What each interval added."""
        for (_, before), (at, after) in itertools.pairwise(self._kept):
            verdicts = [one.by("guardproxy_turns_total", "verdict", policy)
                        for one in (before, after)]  # fmt: skip
            tokens = [one.total("guardproxy_tokens_total", policy) for one in (before, after)]
            yield Sample(
                at=at,
                decisions={key: value - verdicts[0].get(key, 0)
                           for key, value in verdicts[1].items()},
                tokens=tokens[1] - tokens[0],
            )  # fmt: skip
