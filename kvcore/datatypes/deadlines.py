"""Deadlines of names, found in the order in which they fall due: when members of a container, or its keys, expire.

What lives here: the times, the heap that says which comes first, and the part that Hash, Set and SortedSet have in
common because their members may expire. What must not: the clock, and deleting what is due. The rule: ``times`` is the
truth; an entry of the heap that says anything else is out of date, is skipped when it comes up, and the heap is made
anew before such entries are most of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from typing import Final

from kvcore.datatypes.table import Table

_SMALL: Final = 512
"""Names kept in a plain dict; more are kept in a table, which grows without a pause."""


class Deadlines:
    """When each of some names falls due, in milliseconds since the Unix epoch."""

    __slots__ = ("_heap", "times")

    def __init__(self) -> None:
        self.times: dict[bytes, int] | Table[int] = {}
        self._heap: list[tuple[int, bytes]] = []

    def __len__(self) -> int:
        return len(self.times)

    def get(self, name: bytes) -> int | None:
        """Return when ``name`` falls due, None if never. O(1)."""
        return self.times.get(name)

    def items(self) -> Iterable[tuple[bytes, int]]:
        """Return (name, time) pairs in no order that means anything. The deadlines must not change meanwhile."""
        return self.times.items()

    def put(self, name: bytes, at_ms: int) -> None:
        """Let ``name`` fall due at ``at_ms``, whenever it did before. O(log n) amortised."""
        times = self.times
        if times.get(name) == at_ms:
            return
        if isinstance(times, dict):
            times[name] = at_ms
            if len(times) > _SMALL:
                self._convert(times)
        else:
            times.put(name, at_ms)
        heappush(self._heap, (at_ms, name))
        if len(self._heap) > 2 * len(self.times) + 16:
            self._heap = [(time, member) for member, time in self.times.items()]
            heapify(self._heap)

    def remove(self, name: bytes) -> bool:
        """Take the deadline off ``name``; return whether it had one. O(1) amortised."""
        times = self.times
        return (times.pop(name, None) if isinstance(times, dict) else times.pop(name)) is not None

    def first(self) -> tuple[int, bytes] | None:
        """Return the earliest time and its name, None if there are no deadlines. O(log n) amortised."""
        heap = self._heap
        while heap:
            at_ms, name = heap[0]
            if self.times.get(name) == at_ms:
                return heap[0]
            heappop(heap)
        return None

    def pop_due(self, now_ms: int, limit: int = 0) -> list[bytes]:
        """Remove and return the names due by ``now_ms``, at most ``limit`` of them unless that is 0. O(due log n)."""
        due: list[bytes] = []
        while not limit or len(due) < limit:
            first = self.first()
            if first is None or first[0] > now_ms:
                break
            due.append(first[1])
            self.remove(first[1])
        return due

    def copy(self) -> Deadlines:
        """Return the same deadlines, to be changed independently. O(n)."""
        other = Deadlines()
        other.times = self.times.copy()
        other._heap = self._heap.copy()
        return other

    def pieces(self) -> list[object]:
        """Return the parts of what is kept, for who frees many deadlines part by part. O(n)."""
        times = self.times
        parts: list[object] = [times] if isinstance(times, dict) else list(times.directory)
        parts += [self._heap[start : start + _SMALL] for start in range(0, len(self._heap), _SMALL)]
        return parts

    def _convert(self, times: dict[bytes, int]) -> None:
        table: Table[int] = Table()
        for name, at_ms in times.items():
            table.put(name, at_ms)
        self.times = table

    def check(self) -> None:
        """Assert every invariant. O(n log n)."""
        if isinstance(self.times, Table):
            self.times.check()
        heap = self._heap
        assert all(heap[(index - 1) >> 1] <= entry for index, entry in enumerate(heap) if index)
        assert {(at_ms, name) for name, at_ms in self.times.items()} <= set(heap)


class Perishable:
    """A container whose members may expire one by one; ``expires`` is None while none of them does.

    Whoever removes a member calls :meth:`clear_expiry` if ``expires`` is not None: that test is all that a container
    without such members pays. Times are set through ``Database.set_member_expiry``, which knows the keys to look at.
    """

    __slots__ = ("expires",)

    def __init__(self) -> None:
        self.expires: Deadlines | None = None

    def expiry(self, member: bytes) -> int | None:
        """Return when ``member`` expires in milliseconds since the Unix epoch, None if never. O(1)."""
        return None if self.expires is None else self.expires.get(member)

    def clear_expiry(self, member: bytes) -> bool:
        """Take the time to live off ``member``; return whether it had one. O(1) amortised."""
        expires = self.expires
        if expires is None or not expires.remove(member):
            return False
        if not expires:
            self.expires = None
        return True
