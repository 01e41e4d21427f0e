"""Whether a webhook comes from Meta: HMAC-SHA256 over the bytes as they came.

https://developers.facebook.com/docs/graph-api/webhooks/getting-started#validate-payloads
"""

import hashlib
import hmac
import re
from collections.abc import Iterable

FORM = re.compile(r"sha256=[0-9a-f]{64}")


def is_signed(raw: bytes, header: str, secrets: Iterable[str]) -> bool:
    """Whether the header fits the bytes under one of the secrets (two while rotating)."""
    if FORM.fullmatch(header) is None:
        return False
    fits = [hmac.compare_digest(header, signature(raw, secret)) for secret in secrets]
    return any(fits)


def signature(raw: bytes, secret: str) -> str:
    """The header's value for some bytes."""
    return "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
