"""The list type, over a deque: constant time at both ends, C speed in between.

What lives here: the operations of the list commands on ranks and values. What must not: argument parsing,
replies, blocking. The rule: a rank is Redis's own (0 is the head, -1 the tail, ranges include both ends), and
it is resolved in :meth:`List.resolve_range` only.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice


class List:
    """A list of ``bytes``. ``items`` is the deque itself, for the push and pop of a hot path."""

    __slots__ = ("items",)

    def __init__(self, values: Iterable[bytes] = ()) -> None:
        self.items: deque[bytes] = deque(values)

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.items)

    @property
    def encoding(self) -> str:
        """What OBJECT ENCODING answers."""
        return "quicklist"

    def copy(self) -> List:
        """Return a list of the same values. O(n)."""
        return List(self.items)

    def push_left(self, values: Iterable[bytes]) -> None:
        """Add values at the head one after the other: the last becomes the head. O(values)."""
        self.items.extendleft(values)

    def push_right(self, values: Iterable[bytes]) -> None:
        """Add values at the tail. O(values)."""
        self.items.extend(values)

    def pop_left(self) -> bytes:
        """Remove and return the head of a list that is not empty. O(1)."""
        return self.items.popleft()

    def pop_right(self) -> bytes:
        """Remove and return the tail of a list that is not empty. O(1)."""
        return self.items.pop()

    def pop_many(self, count: int, left: bool) -> list[bytes]:
        """Remove and return up to ``count`` values from one end, in the order they leave. O(count)."""
        pop = self.items.popleft if left else self.items.pop
        return [pop() for _ in range(min(count, len(self.items)))]

    def resolve_range(self, start: int, stop: int) -> tuple[int, int]:
        """Return the half-open range of ranks that ``start`` and ``stop`` mean, (0, 0) if empty. O(1)."""
        length = len(self.items)
        if start < 0:
            start = max(start + length, 0)
        stop = min(stop + length if stop < 0 else stop, length - 1) + 1
        return (start, stop) if start < stop else (0, 0)

    def range(self, start: int, stop: int) -> list[bytes]:
        """Return the values from rank ``start`` to ``stop``, both included. O(values + those to an end)."""
        start, stop = self.resolve_range(start, stop)
        length = len(self.items)
        if length - stop < start:
            values = list(islice(reversed(self.items), length - stop, length - start))
            values.reverse()
            return values
        return list(islice(self.items, start, stop))

    def index(self, rank: int) -> bytes | None:
        """Return the value at ``rank``, None beyond either end. O(distance to the nearer end)."""
        length = len(self.items)
        return self.items[rank] if -length <= rank < length else None

    def set(self, rank: int, value: bytes) -> bool:
        """Replace the value at ``rank``; False beyond either end. O(distance to the nearer end)."""
        length = len(self.items)
        if not -length <= rank < length:
            return False
        self.items[rank] = value
        return True

    def insert(self, pivot: bytes, value: bytes, after: bool) -> bool:
        """Insert ``value`` beside the first value equal to ``pivot``; False where there is none. O(n)."""
        try:
            rank = self.items.index(pivot)
        except ValueError:
            return False
        self.items.insert(rank + after, value)
        return True

    def remove(self, count: int, value: bytes) -> int:
        """Remove values equal to ``value`` and return how many.

        The first ``count`` from the head, the first ``-count`` from the tail, all of them for 0. O(n).
        """
        found = self.items.count(value)
        if not found:
            return 0
        wanted = abs(count)
        if wanted == 0 or wanted >= found:
            self.items = deque(item for item in self.items if item != value)
            return found
        if count < 0:
            self.items.reverse()
        if wanted == 1:
            self.items.remove(value)
        else:
            self.items = deque(_without_first(self.items, value, wanted))
        if count < 0:
            self.items.reverse()
        return wanted

    def trim(self, start: int, stop: int) -> int:
        """Keep only the range; return how many values went. O(values removed)."""
        start, stop = self.resolve_range(start, stop)
        items = self.items
        length = len(items)
        if start == stop:
            items.clear()
            return length
        for _ in range(length - stop):
            items.pop()
        for _ in range(start):
            items.popleft()
        return length - len(items)

    def positions(self, value: bytes, rank: int = 1, count: int = 0, max_compared: int = 0) -> list[int]:
        """Return the ranks of values equal to ``value``, as LPOS finds them.

        ``rank`` 1 begins with the first match, 2 with the second, -1 with the last match and goes towards the
        head. ``count`` limits the matches returned and ``max_compared`` the values looked at; 0 means no
        limit. O(n).
        """
        length = len(self.items)
        limit = min(max_compared or length, length)
        skip = abs(rank) - 1
        found: list[int] = []
        source = self.items if rank > 0 else reversed(self.items)
        for position, item in enumerate(islice(source, limit)):
            if item == value:
                if skip:
                    skip -= 1
                    continue
                found.append(position if rank > 0 else length - 1 - position)
                if len(found) == count:
                    break
        return found

    def check(self) -> None:
        """Assert every invariant. O(n)."""
        assert all(type(item) is bytes for item in self.items)


def _without_first(items: deque[bytes], value: bytes, count: int) -> Iterator[bytes]:
    for item in items:
        if count and item == value:
            count -= 1
        else:
            yield item
