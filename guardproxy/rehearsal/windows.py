"""The message limits of a policy, counted again over recorded turns, as the store counts them."""

from collections import defaultdict, deque
from collections.abc import Sequence

from guardproxy.core.ledger import Limit
from guardproxy.core.message import Count
from guardproxy.rehearsal.records import Recorded


class Windows:
    """Exact sliding windows. Token limits are not counted: records have no tokens."""

    def __init__(self, limits: Sequence[Limit]) -> None:
        """Turns come in time's order."""
        self._limits = [limit for limit in limits if limit.of == "messages"]
        self._seen: dict[tuple[str, str], deque[float]] = defaultdict(deque)

    def admit(self, row: Recorded) -> tuple[Count, ...]:
        """How far each limit is used before this turn, which is then counted by all of them, or by
        none where one refuses it.
        """
        windows = [self._window(limit, row) for limit in self._limits]
        pairs = list(zip(self._limits, windows, strict=True))
        counts = tuple(_count(limit, window, row.at) for limit, window in pairs)
        refused = any(
            count.over and not limit.shadow
            for limit, count in zip(self._limits, counts, strict=True)
        )
        if not refused:
            for window in windows:
                window.append(row.at)
        return counts

    def _window(self, limit: Limit, row: Recorded) -> deque[float]:
        """The turns of a limit's last `seconds`."""
        window = self._seen[limit.id, _subject(limit, row)]
        while window and window[0] <= row.at - limit.seconds:
            window.popleft()
        return window


def _count(limit: Limit, window: deque[float], at: float) -> Count:
    """How far a limit is used."""
    over = len(window) >= limit.max
    # as many turns as it is over by must leave before the next one fits
    reset = window[len(window) - limit.max] + limit.seconds - at if over else 0.0
    return Count(limit=limit.id, used=len(window), max=limit.max, reset_in=reset, over=over)


def _subject(limit: Limit, row: Recorded) -> str:
    """Whom a limit counts."""
    person = f"p.{row.person}" if row.person else f"k.{row.caller}"
    return {
        "user": person,
        "conversation": f"c.{row.conversation}" if row.conversation else person,
        "business": "all",
        "key": f"k.{row.caller}",
    }[limit.per]
