"""One case on its way to one receiver, and what an HTTP answer means for it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from aiohttp import ClientError, ClientTimeout

from guardproxy.channels.notice import Notice
from guardproxy.core.errors import DeliveryError
from guardproxy.policy.compiled import Channel

DEADLINE = ClientTimeout(total=10.0, sock_connect=3.0)  # seconds; help desks answer within one
LATER = frozenset({408, 425, 429})  # statuses below 500 after which the same request may succeed
BROKEN = (ClientError, TimeoutError, OSError)  # a request that broke off


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """`to`: the customer as the Graph API names them, `phone`: their number; "" for none.

    `done`: steps of this delivery that earlier tries finished; `mark(step)` keeps one more, so
    that a delivery that was cut off goes on where it stopped.
    """

    notice: Notice
    channel: Channel
    to: str
    phone: str
    done: frozenset[str]
    mark: Callable[[str], Awaitable[None]]
    token: str | None = None  # Meta's, of the policy's own
    secret: str = ""  # signs for channels that name none of their own


class Carrier(Protocol):
    """Brings parcels to one kind of receiver."""

    async def carry(self, parcel: Parcel) -> None:
        """Until it has arrived. DeliveryError, whose `final` says whether to try again."""


def refused(status: int, what: str) -> DeliveryError:
    """What an HTTP status that is no success means."""
    again = status >= 500 or status in LATER
    return DeliveryError(f"{what} answered {status}", final=not again)


def broken(error: BaseException, what: str) -> DeliveryError:
    """A request that broke off: it may have arrived, and goes out again under the same key."""
    return DeliveryError(f"{what} cannot be reached: {type(error).__name__}", final=False)
