"""What a caller gets back: completions in the policy's words, errors, and the headers of both."""

from collections.abc import Mapping
from math import ceil
from typing import Any

from aiohttp import hdrs, web

from guardproxy.core.verdict import Throttle
from guardproxy.pipeline.turn import Outcome

KINDS = {
    400: "invalid_request_error", 401: "authentication_error", 403: "permission_error",
    404: "not_found_error", 413: "invalid_request_error", 429: "rate_limit_error",
}  # fmt: skip


def headers(outcome: Outcome) -> dict[str, str]:
    """The fields of one decision."""
    fields = {
        "x-guardproxy-verdict": outcome.verdict.name,
        "x-guardproxy-rule": outcome.verdict.rule or "",
        "x-guardproxy-decision": outcome.decision,
        "x-guardproxy-policy": outcome.policy.ref,
        "x-guardproxy-overhead-ms": f"{outcome.overhead * 1000:.1f}",
    }
    return {name: value for name, value in fields.items() if value}


def spoken(outcome: Outcome, model: str, *, structured: bool) -> dict[str, Any]:
    """A completion that says the policy's words; for a caller who parses JSON, a refusal."""
    words = outcome.reply or ""
    message = {"role": "assistant", "content": words, "refusal": None}
    if structured:
        message |= {"content": None, "refusal": words}
    return {
        "id": f"chatcmpl-{outcome.decision}",
        "object": "chat.completion",
        "created": int(outcome.turn.now),
        "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    }


def rewritten(completion: dict[str, Any], outcome: Outcome) -> dict[str, Any]:
    """The backend's completion with its text as it may leave."""
    choice = completion["choices"][0]
    message = choice["message"] | {"content": outcome.reply}
    return completion | {"choices": [choice | {"message": message}]}


def error(
    status: int, message: str, *, origin: str = "proxy", field: str | None = None,
    code: str | None = None, extra: Mapping[str, str] | None = None,
) -> web.Response:  # fmt: skip
    """An error in the API's own shape."""
    return web.json_response(
        error_body(status, message, field=field, code=code),
        status=status,
        headers={"x-guardproxy-origin": origin, **(extra or {})},
    )


def error_body(
    status: int, message: str, *, field: str | None = None, code: str | None = None
) -> dict[str, Any]:
    """The shape of OpenAI's errors."""
    kind = KINDS.get(status, "api_error")
    return {"error": {"message": message, "type": kind, "param": field, "code": code}}


def refused(outcome: Outcome) -> web.Response:
    """A refusal as an error, for deployments that ask for it (`ON_REFUSAL=error`)."""
    verdict, extra = outcome.verdict, headers(outcome)
    if isinstance(verdict, Throttle):
        wait = max(1, ceil(verdict.retry_after))
        count = next(
            (c for c in outcome.turn.recalled.counts if f"limits.{c.limit}" == verdict.rule), None
        )
        extra |= {hdrs.RETRY_AFTER: str(wait), "x-ratelimit-reset-requests": f"{wait}s"}
        if count is not None:
            extra |= {"x-ratelimit-limit-requests": str(count.max),
                      "x-ratelimit-remaining-requests": "0"}  # fmt: skip
        return error(429, outcome.reply or "over a limit", code="rate_limit_exceeded", extra=extra)
    words = outcome.reply or "nothing is answered in this conversation now"
    return error(403, words, code=verdict.rule, extra=extra)
