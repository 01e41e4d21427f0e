"""A memory of bounded size: what was made of something before is not made again."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


LONG = 8000  # characters: longer texts hardly come twice, and a few would fill the memory


class Kept(Generic[K, V]):
    """The last `most` things made, by what they were made of; the longest unused goes first."""

    def __init__(self, most: int) -> None:
        """`most`: entries. They must be of bounded size: see `of_text`."""
        self._most = most
        self._made: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        """Entries there are."""
        return len(self._made)

    def get(self, key: K) -> V | None:
        """What was made of it, None when it was not made (or long ago)."""
        found = self._made.get(key)
        if found is not None:
            self._made.move_to_end(key)
        return found

    def put(self, key: K, made: V) -> None:
        """Keep what was made."""
        self._made[key] = made
        if len(self._made) > self._most:
            self._made.popitem(last=False)

    def once(self, key: K, make: Callable[[], V]) -> V:
        """What was made of it, now if never before; `make` does not wait and gives no None."""
        found = self.get(key)
        if found is None:
            found = make()
            self.put(key, found)
        return found

    def of_text(self, text: str, key: K, make: Callable[[], V]) -> V:
        """The same for what is made of a text; of a long one it is made each time."""
        return make() if len(text) > LONG else self.once(key, make)
