"""Where a customer is reached, sealed at rest: only a colleague's reply ever opens it."""

import json
from dataclasses import asdict, dataclass

from cryptography.fernet import Fernet, InvalidToken

from guardproxy.core.errors import StoreError

SHOWN = 3  # digits at either end of a number: enough for a colleague to tell two customers apart


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A customer of one of the business's numbers: a phone number, a business-scoped id, or both.

    `number` is Meta's id of the business's own number.
    """

    number: str
    phone: str = ""
    bsuid: str = ""

    @property
    def to(self) -> str:
        """Whom a message goes to, as the Graph API names them."""
        return self.phone or self.bsuid

    @property
    def shown(self) -> str:
        """Who it is, masked: the ends of the number, or the country of the id."""
        if self.phone:
            hidden = "•" * max(0, len(self.phone) - 2 * SHOWN)
            return f"+{self.phone[:SHOWN]}{hidden}{self.phone[-SHOWN:]}"
        return f"{self.bsuid[:3]}…{self.bsuid[-SHOWN:]}" if self.bsuid else ""


def seal(address: Address, key: Fernet) -> str:
    """An address as it may be kept."""
    return key.encrypt(json.dumps(asdict(address)).encode()).decode()


def unseal(text: str, key: Fernet) -> Address | None:
    """The address, None where there is none. StoreError when it was sealed with another key."""
    if not text:
        return None
    try:
        return Address(**json.loads(key.decrypt(text.encode())))
    except InvalidToken as error:
        message = "an address cannot be read: SECRET_KEY is not the one it was kept with"
        raise StoreError(message) from error
