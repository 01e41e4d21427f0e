"""What a caller gets back beside the dialect's own bodies: headers, errors, limits."""

from collections.abc import Mapping
from math import ceil

from aiohttp import hdrs, web

from guardproxy.core.verdict import Throttle
from guardproxy.edges.llm import chat
from guardproxy.edges.llm.dialect import Dialect
from guardproxy.pipeline.ending import Outcome

PLAIN: Dialect = chat  # the shape of errors where no API is named


def headers(outcome: Outcome) -> dict[str, str]:
    """The fields of one decision."""
    fields = {
        "x-guardproxy-verdict": outcome.verdict.name,
        "x-guardproxy-rule": outcome.verdict.rule or "",
        "x-guardproxy-decision": outcome.decision,
        "x-guardproxy-policy": outcome.policy.ref,
        "x-guardproxy-overhead-ms": f"{outcome.overhead * 1000:.1f}",
    }
    return {name: value for name, value in fields.items() if value} | limits(outcome)


def limits(outcome: Outcome) -> dict[str, str]:
    """How far the tightest limit of each kind is used, as OpenAI's clients read it."""
    limits = {limit.id: limit for limit in outcome.policy.limits if not limit.shadow}
    fields: dict[str, str] = {}
    for name, unit in (("requests", "messages"), ("tokens", "tokens")):
        counts = [c for c in outcome.turn.recalled.counts
                  if c.limit in limits and limits[c.limit].of == unit]  # fmt: skip
        if not counts:
            continue
        tight = min(counts, key=lambda count: (not count.over, count.max - count.used))
        left = 0 if tight.over else max(0, tight.max - tight.used)
        fields[f"x-ratelimit-limit-{name}"] = str(tight.max)
        fields[f"x-ratelimit-remaining-{name}"] = str(left)
        wait = tight.reset_in or limits[tight.limit].seconds  # at the latest, when not over
        fields[f"x-ratelimit-reset-{name}"] = f"{ceil(wait)}s"
    return fields


def error(
    status: int, message: str, *, origin: str = "proxy", field: str | None = None,
    code: str | None = None, extra: Mapping[str, str] | None = None, dialect: Dialect = PLAIN,
) -> web.Response:  # fmt: skip
    """An error in the API's own shape."""
    return web.json_response(
        dialect.error(status, message, field, code),
        status=status,
        headers={"x-guardproxy-origin": origin, **(extra or {})},
    )


def refused(outcome: Outcome, dialect: Dialect) -> web.Response:
    """A refusal as an error, for deployments that ask for it (`ON_REFUSAL=error`)."""
    verdict, extra = outcome.verdict, headers(outcome)
    if isinstance(verdict, Throttle):
        extra[hdrs.RETRY_AFTER] = str(max(1, ceil(verdict.retry_after)))
        return error(
            429, outcome.reply or "over a limit", code="rate_limit_exceeded", extra=extra,
            dialect=dialect,
        )  # fmt: skip
    words = outcome.reply or "nothing is answered in this conversation now"
    return error(403, words, code=verdict.rule, extra=extra, dialect=dialect)
