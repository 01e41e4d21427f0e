"""Who somebody is, without keeping who they are: keyed hashes of numbers and ids."""

import hashlib
import hmac
import re

LENGTH = 24  # hex digits: 96 bits, no two of a business's customers share one
_HASHED = re.compile(rf"[0-9a-f]{{{LENGTH}}}")
_PHONE = re.compile(r"^\+?[\d ()./-]{7,20}$")


def person_key(secret: bytes, value: str) -> str:
    """The keyed hash of a phone number or an id; spellings of one number give one key."""
    plain = value.strip()
    if _PHONE.match(plain):
        plain = re.sub(r"\D", "", plain).removeprefix("00")
    return hmac.new(secret, plain.encode(), hashlib.sha256).hexdigest()[:LENGTH]


def known_by(secret: bytes, named: str) -> str:
    """The same of somebody who is named in a file: by number, id, or already by the hash."""
    return named if _HASHED.fullmatch(named) else person_key(secret, named)
