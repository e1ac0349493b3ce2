"""The first few of a sort, with equal keys in the order in which the real server leaves them.

What lives here: the quicksort of Bentley and McIlroy ("Engineering a Sort Function", 1993), stopped where nobody looks.
What must not: what the keys mean. The rule: where a stable sort has one answer only, Python's own finds it; the
quicksort runs for ties, whose order it settles by the way it happens to swap.
"""

from __future__ import annotations

from collections.abc import Sequence


def first_positions(keys: Sequence[float], count: int) -> list[int]:
    """Return the positions of the ``count`` least keys, the least first. O(n log n) expected.

    Equal keys keep their order if ``count`` takes all of them, or fewer than seven are sorted.
    """
    ordered = sorted(range(len(keys)), key=keys.__getitem__)
    if count >= len(ordered) or all(keys[ordered[i]] != keys[ordered[i + 1]] for i in range(count)):
        return ordered[:count]
    partial = _PartialSort(keys, count)
    partial.sort(0, len(keys))
    return partial.positions[:count]


class _PartialSort:
    """Positions being sorted by their keys."""

    __slots__ = ("count", "keys", "positions")

    def __init__(self, keys: Sequence[float], count: int) -> None:
        self.keys = keys
        self.count = count
        self.positions = list(range(len(keys)))

    def sort(self, start: int, stop: int) -> None:
        """Sort what stands at ``start <= i < stop``, but for parts that begin behind the first ``count``."""
        while stop - start >= 7:
            less, greater = self._partition(start, stop)
            if less > 1:
                self.sort(start, start + less)
            start = stop - greater
            if greater <= 1 or start >= self.count:
                return
        # Few: insertion, which is stable.
        part = self.positions[start:stop]
        part.sort(key=self.keys.__getitem__)
        self.positions[start:stop] = part

    def _partition(self, start: int, stop: int) -> tuple[int, int]:
        """Bring keys less than a pivot to the front, greater ones to the end; return how many of each."""
        keys, at = self.keys, self.positions
        self._swap(start, self._pivot(start, stop))
        pivot = keys[at[start]]
        # While it runs, keys equal to the pivot gather at both ends.
        left_equal = low = start + 1
        right_equal = high = stop - 1
        while True:
            while low <= high and keys[at[low]] <= pivot:
                if keys[at[low]] == pivot:
                    self._swap(left_equal, low)
                    left_equal += 1
                low += 1
            while low <= high and keys[at[high]] >= pivot:
                if keys[at[high]] == pivot:
                    self._swap(high, right_equal)
                    right_equal -= 1
                high -= 1
            if low > high:
                break
            self._swap(low, high)
            low += 1
            high -= 1
        self._swap_blocks(start, low, min(left_equal - start, low - left_equal))
        self._swap_blocks(low, stop, min(right_equal - high, stop - 1 - right_equal))
        return low - left_equal, right_equal - high

    def _pivot(self, start: int, stop: int) -> int:
        """Return where the pivot stands: the middle of a few, a median of three or of three medians of more."""
        count = stop - start
        middle = start + count // 2
        if count == 7:
            return middle
        first, last = start, stop - 1
        if count > 40:
            apart = count // 8
            first = self._median(first, first + apart, first + 2 * apart)
            middle = self._median(middle - apart, middle, middle + apart)
            last = self._median(last - 2 * apart, last - apart, last)
        return self._median(first, middle, last)

    def _median(self, a: int, b: int, c: int) -> int:
        x, y, z = (self.keys[self.positions[i]] for i in (a, b, c))
        if x < y:
            return b if y < z else (c if x < z else a)
        return b if y > z else (a if x < z else c)

    def _swap(self, a: int, b: int) -> None:
        at = self.positions
        at[a], at[b] = at[b], at[a]

    def _swap_blocks(self, start: int, stop: int, count: int) -> None:
        """Swap the first ``count`` positions from ``start`` with the last ones before ``stop``."""
        if count > 0:
            at = self.positions
            at[start : start + count], at[stop - count : stop] = at[stop - count : stop], at[start : start + count]
