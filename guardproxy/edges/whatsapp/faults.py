"""Errors in Graph's own shape, so that clients raise their own exceptions for them.

https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes
"""

from math import ceil

from aiohttp import hdrs, web

TITLES = {
    2: "API Service", 10: "Permission Denied", 100: "Invalid parameter",
    190: "Access token is missing or unknown", 131000: "Something went wrong",
    131009: "Parameter value is not valid", 131016: "Service unavailable",
    131026: "Message undeliverable", 131047: "Re-engagement message",
    131050: "User has stopped messages", 130429: "Rate limit hit",
    131056: "(Business Account, Consumer Account) pair rate limit hit",
}  # fmt: skip
STATUS = {2: 503, 10: 403, 190: 401, 131000: 500, 131016: 503}  # 400 for the others


def fault(
    code: int, details: str, *, status: int = 0, wait: float = 0.0,
    headers: dict[str, str] | None = None,
) -> web.Response:  # fmt: skip
    """A refusal. `wait`: seconds after which the same send fits."""
    body = {
        "error": {
            "message": f"(#{code}) {TITLES[code]}",
            "type": "OAuthException",
            "code": code,
            "error_data": {"messaging_product": "whatsapp", "details": details},
            "fbtrace_id": "guardproxy",
        }
    }
    extra = {"x-guardproxy-origin": "proxy", **(headers or {})}
    if wait:
        extra[hdrs.RETRY_AFTER] = str(ceil(wait))
    return web.json_response(body, status=status or STATUS.get(code, 400), headers=extra)
