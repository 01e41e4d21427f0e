"""The counters and clocks Prometheus scrapes; label values come from closed sets only."""

from functools import cache
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

# Seconds: a local decision takes 1-10 ms, an LLM answer 0.3-30 s.
FAST = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
SLOW = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)

# Kinds of event come from outside: only these are labels.
KINDS = frozenset(
    ("text", "image", "video", "audio", "document", "sticker", "location", "contacts", "button",
     "button_reply", "list_reply", "nfm_reply", "order", "reaction", "revoke", "edit", "status",
     "system", "group", "malformed", "error", "unsupported", "echo", "preferences", "identity",
     "call", "standby", "messaging_handovers", "history", "smb_app_state_sync", "account_update",
     "phone_number_quality_update")
)  # fmt: skip

# What Meta warns of, as labels; anything else it says of an account is account.other.
ALARMS = (
    "pricing.general_purpose_ai", "error.368", "error.131031", "account.account_violation",
    "account.account_restriction", "account.disabled_update", "quality.flagged", "error.190",
    "error.131005", "error.10", "account.other",
)  # fmt: skip


class Metrics:
    """Every figure guardproxy keeps. `guardproxy_<noun>_<unit>`; `policy` is a file's own name."""

    def __init__(self) -> None:
        """A registry of its own, so that two apps in one process do not share figures."""
        self.registry = CollectorRegistry()
        r = self.registry
        self.turns = Counter(
            "guardproxy_turns", "Finished turns", ["policy", "surface", "verdict"], registry=r
        )
        self.rules = Counter(
            "guardproxy_rule_hits", "Turns decided by a rule", ["policy", "rule"], registry=r
        )
        self.checks = Counter(
            "guardproxy_checks", "How checks ended", ["stage", "outcome", "mode"], registry=r
        )
        self.overhead = Histogram(
            "guardproxy_overhead_seconds", "Time a turn spent in guardproxy itself",
            ["surface"], buckets=FAST, registry=r,
        )  # fmt: skip
        self.upstream = Histogram(
            "guardproxy_upstream_seconds", "Time the LLM backend took", ["outcome"],
            buckets=SLOW, registry=r,
        )  # fmt: skip
        self.judge_tokens = Counter(
            "guardproxy_judge_tokens", "Tokens the LLM judge took", registry=r
        )
        self.unkept = Counter(
            "guardproxy_records_lost", "Turns served whose record the store did not take",
            registry=r,
        )  # fmt: skip
        self.webhooks = Counter("guardproxy_webhooks", "Webhook requests", ["outcome"], registry=r)
        self.events = Counter(
            "guardproxy_webhook_events", "Events in webhooks", ["kind", "outcome"], registry=r
        )
        self.sends = Counter("guardproxy_sends", "Graph API sends", ["outcome"], registry=r)
        self.messages = Counter(
            "guardproxy_messages", "Messages to customers that went out", ["category"], registry=r
        )
        self.deliveries = Counter(
            "guardproxy_deliveries", "Tries to bring a case to a person", ["what", "outcome"],
            registry=r,
        )  # fmt: skip
        self.alarms = Counter(
            "guardproxy_alarms", "What Meta warns the business of", ["kind"], registry=r
        )
        self.reloads = Counter(
            "guardproxy_policy_reloads", "Reloads of policy files", ["result"], registry=r
        )
        self.tokens = Counter(
            "guardproxy_tokens", "Tokens of answered turns", ["policy"], registry=r
        )
        # "live": the worst of the workers that run; what a dead one said last is forgotten
        self.store_up = Gauge(
            "guardproxy_store_up", "1 while the store answers", registry=r,
            multiprocess_mode="livemin",
        )  # fmt: skip
        self.degraded = Gauge(
            "guardproxy_policies_degraded", "1 while a policy file on disk is not the one served",
            registry=r, multiprocess_mode="livemax",
        )  # fmt: skip
        self.store_up.set(1)
        # finding a labelled child costs five times what counting does; there are few of each
        self._turn, self._rule = cache(self.turns.labels), cache(self.rules.labels)
        self._check, self._overhead = cache(self.checks.labels), cache(self.overhead.labels)
        self._tokens = cache(self.tokens.labels)
        self._state()
        self._zero()

    def _zero(self) -> None:
        """Series that alerts watch exist from the start: Prometheus sees no rise in what appears
        with its first count.
        """
        watched = {
            self.alarms: ALARMS,
            self.webhooks: ("accepted", "bad_signature", "malformed", "store_lost"),
            self.sends: ("sent", "failed", "unknown"),
            self.upstream: ("ok", "failed"),
            self.reloads: ("taken", "refused"),
        }
        for metric, values in watched.items():
            for value in values:
                metric.labels(value)

    def _state(self) -> None:
        """What the store knows and each worker repeats: the one that looked last is right."""

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(
                f"guardproxy_{name}", text, ["policy"], registry=self.registry,
                multiprocess_mode="livemostrecent",
            )  # fmt: skip

        self.waiting = gauge("escalations_waiting", "Customers who wait for a person")
        self.oldest = gauge(
            "escalations_oldest_wait_seconds", "How long the first of them has waited"
        )
        self.overdue = gauge("escalations_overdue", "Those who wait longer than the channel's SLA")
        self.service = gauge("service_messages_used", "Service messages sent this month")
        self.service_free = gauge(
            "service_messages_free", "Service messages a month that cost nothing"
        )

    def count_turn(self, record: dict[str, Any]) -> None:
        """One finished turn, from its decision record."""
        policy = record["business"]
        self._turn(policy, record["surface"], record["verdict"]).inc()
        if record["rule"]:
            self._rule(policy, record["rule"]).inc()
        for step in record["steps"]:
            mode = "shadow" if step["shadow"] else "enforce"
            self._check(step["stage"], step["check"], mode).inc()
        self._overhead(record["surface"]).observe(record["overhead_ms"] / 1000)
        self._tokens(policy).inc(record.get("tokens", 0))

    def text(self, shared: str | None = None) -> bytes:
        """The exposition text; of all workers when `shared` names their common folder."""
        if shared is None:
            return generate_latest(self.registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=shared)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
