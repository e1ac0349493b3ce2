"""The sorted set type: members with scores, ordered by score and, among equals, by the bytes of the member.

What lives here: the two indexes (member to score; ordered entries) and their size limits. What must not: the
options of ZADD, replies, the text of numbers. The rule: both indexes change together, in
:meth:`SortedSet.put` and the removing methods only, and a score is never NaN.

Ranks here count from 0 at the lowest score; a range of ranks is half-open, ``start <= rank < stop``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from math import inf, nextafter
from random import Random
from typing import Protocol

from sortedcontainers import SortedList

from kvcore.datatypes import sampling
from kvcore.datatypes.deadlines import Perishable
from kvcore.datatypes.ranges import LexBound, ScoreBound
from kvcore.datatypes.table import Table

Entry = tuple[float, bytes]


class Order(Protocol):
    """Ordered entries; a ``SortedList`` is one."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Entry]: ...
    def __getitem__(self, rank: int) -> Entry: ...
    def __delitem__(self, ranks: slice) -> None: ...
    def add(self, entry: Entry) -> None: ...
    def remove(self, entry: Entry) -> None: ...
    def bisect_left(self, entry: Entry) -> int: ...
    def islice(self, start: int, stop: int, reverse: bool = False) -> Iterator[Entry]: ...


class SmallOrder:
    """Ordered entries in a plain list: the least memory, and the fastest up to a few hundred."""

    __slots__ = ("_entries",)

    def __init__(self, entries: list[Entry] | None = None) -> None:
        self._entries: list[Entry] = [] if entries is None else entries

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def __getitem__(self, rank: int) -> Entry:
        return self._entries[rank]

    def __delitem__(self, ranks: slice) -> None:
        del self._entries[ranks]

    def add(self, entry: Entry) -> None:
        """Insert ``entry``. O(n)."""
        self._entries.insert(bisect_left(self._entries, entry), entry)

    def remove(self, entry: Entry) -> None:
        """Remove ``entry``, which is there. O(n)."""
        del self._entries[bisect_left(self._entries, entry)]

    def bisect_left(self, entry: Entry) -> int:
        """Return how many entries are less than ``entry``. O(log n)."""
        return bisect_left(self._entries, entry)

    def islice(self, start: int, stop: int, reverse: bool = False) -> Iterator[Entry]:
        """Iterate over a range of ranks. O(entries)."""
        entries = self._entries[start:stop]
        return reversed(entries) if reverse else iter(entries)


class SortedSet(Perishable):
    """Members with scores. The limits of the small form are the caller's, given with each write."""

    __slots__ = ("_order", "_small", "scores")

    def __init__(self) -> None:
        self.expires = None
        self.scores: dict[bytes, float] | Table[float] = {}
        self._order: Order = SmallOrder()
        self._small = True

    def __len__(self) -> int:
        return len(self.scores)

    def __contains__(self, member: bytes) -> bool:
        return member in self.scores

    def __iter__(self) -> Iterator[bytes]:
        """Iterate over the members from the lowest score up. The sorted set must not change meanwhile."""
        for _, member in self._order:
            yield member

    @property
    def encoding(self) -> str:
        """What OBJECT ENCODING answers."""
        return "listpack" if self._small else "skiplist"

    def items(self) -> Iterator[tuple[bytes, float]]:
        """Iterate over (member, score) from the lowest score up. The sorted set must not change meanwhile."""
        for score, member in self._order:
            yield member, score

    def score(self, member: bytes) -> float | None:
        """Return the score of ``member``, None where there is none. O(1)."""
        return self.scores.get(member)

    def put(self, member: bytes, score: float, max_entries: int, max_value: int) -> bool:
        """Give ``member`` a score; return whether the member is new. O(log n).

        ``max_entries`` and ``max_value`` (bytes) are zset-max-listpack-entries and zset-max-listpack-value.
        The small form has no negative zero, and a score replaced by an equal one stays: 0 does not become -0.
        """
        old = self.scores.get(member)
        if old == score:
            return False
        if self._small and old is None and (len(self.scores) >= max_entries or len(member) > max_value):
            self.convert()
        if self._small:
            score += 0.0
        if old is not None:
            self._order.remove((old, member))
        scores = self.scores
        if isinstance(scores, dict):
            scores[member] = score
        else:
            scores.put(member, score)
        self._order.add((score, member))
        return old is None

    def remove(self, member: bytes) -> bool:
        """Remove ``member``; return whether it was there. O(log n)."""
        score = self._forget(member)
        if score is None:
            return False
        self._order.remove((score, member))
        return True

    def pieces(self) -> list[list[Entry]]:
        """Return the parts of the large form's order, for who frees a large set part by part. O(parts)."""
        order = self._order
        return list(order._lists) if isinstance(order, SortedList) else []

    def convert(self) -> None:
        """Take the large form for good. O(n log n)."""
        if isinstance(self.scores, dict):
            table: Table[float] = Table()
            for member, score in self.scores.items():
                table.put(member, score)
            self.scores = table
            self._order = SortedList(self._order)
            self._small = False

    def copy(self) -> SortedSet:
        """Return a sorted set of the same members, in the same form. O(n)."""
        other = SortedSet()
        other.scores = self.scores.copy()
        other._small = self._small
        if self.expires is not None:
            other.expires = self.expires.copy()
        if self._small:
            for entry in self._order:
                other._order.add(entry)
        else:
            other._order = SortedList(self._order)
        return other

    # Ranks

    def rank(self, member: bytes) -> int | None:
        """Return how many entries come before ``member``, None if it is absent. O(log n)."""
        score = self.scores.get(member)
        return None if score is None else self._order.bisect_left((score, member))

    def range(self, start: int, stop: int, reverse: bool = False) -> list[tuple[bytes, float]]:
        """Return (member, score) of the ranks ``start <= rank < stop``, highest first if ``reverse``.

        The ranks must be within 0 and the length. O(log n + entries).
        """
        return [(member, score) for score, member in self._order.islice(start, stop, reverse)]

    def walk(self, start: int, stop: int) -> Iterator[Entry]:
        """Iterate over (score, member) of the ranks ``start <= rank < stop``, for who may end early. O(log n)."""
        return self._order.islice(start, stop)

    def score_range(self, low: ScoreBound, high: ScoreBound) -> tuple[int, int]:
        """Return the half-open range of ranks of the scores between the bounds; equal if none. O(log n)."""
        start = self._after(low.value) if low.exclusive else self._first(low.value)
        stop = self._first(high.value) if high.exclusive else self._after(high.value)
        return start, max(start, stop)

    def lex_range(self, low: LexBound, high: LexBound, reverse: bool = False) -> tuple[int, int]:
        """Return the half-open range of ranks of the members between the bounds; equal if none. O(log n).

        Ranges of members suppose that all scores are equal. Where they are not, this walks as the real server
        does, from the end that ``reverse`` chooses. O(n).
        """
        order = self._order
        if not len(order):
            return 0, 0
        score = order[0][0]
        if order[-1][0] != score:
            return self._walk_lex_range(low, high, reverse)
        if low.infinite:
            start = 0 if low.infinite < 0 else len(order)
        else:
            start = order.bisect_left((score, low.member + b"\0" if low.exclusive else low.member))
        if high.infinite:
            stop = 0 if high.infinite < 0 else len(order)
        else:
            stop = order.bisect_left((score, high.member if high.exclusive else high.member + b"\0"))
        return start, max(start, stop)

    def _walk_lex_range(self, low: LexBound, high: LexBound, reverse: bool) -> tuple[int, int]:
        order = self._order
        if _is_empty(low, high) or not low.allows_above(order[-1][1]) or not high.allows_below(order[0][1]):
            return 0, 0
        members = [member for _, member in order]
        length = len(members)
        if reverse:
            stop = next((rank for rank in range(length, 0, -1) if high.allows_below(members[rank - 1])), 0)
            start = stop
            while start and low.allows_above(members[start - 1]):
                start -= 1
            return start, stop
        start = next((rank for rank in range(length) if low.allows_above(members[rank])), length)
        stop = start
        while stop < length and high.allows_below(members[stop]):
            stop += 1
        return start, stop

    def remove_range(self, start: int, stop: int) -> int:
        """Remove the ranks ``start <= rank < stop``; return how many. O(log n + removed)."""
        for _, member in self._order.islice(start, stop):
            self._forget(member)
        del self._order[start:stop]
        return stop - start

    def pop(self, count: int, highest: bool = False) -> list[tuple[bytes, float]]:
        """Remove and return up to ``count`` (member, score) from the lowest or ``highest`` on. O(count)."""
        length = len(self)
        count = min(count, length)
        start, stop = (length - count, length) if highest else (0, count)
        popped = self.range(start, stop, highest)
        self.remove_range(start, stop)
        return popped

    def _first(self, score: float) -> int:
        """Return the rank of the first entry of at least ``score``."""
        return self._order.bisect_left((score, b""))

    def _after(self, score: float) -> int:
        """Return the rank of the first entry above ``score``."""
        return len(self._order) if score == inf else self._order.bisect_left((nextafter(score, inf), b""))

    def _forget(self, member: bytes) -> float | None:
        if self.expires is not None:
            self.clear_expiry(member)
        scores = self.scores
        return scores.pop(member, None) if isinstance(scores, dict) else scores.pop(member)

    # Sampling

    def scan(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """Return the next cursor and members, as :meth:`Table.scan`; all at once, in order, while small."""
        scores = self.scores
        return (0, list(self)) if isinstance(scores, dict) else scores.scan(cursor, count)

    def random_member(self, random: Random) -> bytes:
        """Return a uniformly random member of a sorted set that is not empty. O(1) expected."""
        return sampling.random_key(self.scores, random)

    def random_members(self, count: int, random: Random, repeat: bool = False) -> list[bytes]:
        """Return ``count`` random members: all different, or with ``repeat`` each drawn anew. O(count)."""
        if repeat:
            return sampling.repeated_keys(self.scores, count, random)
        return sampling.distinct_keys(self.scores, count, random)

    def check(self) -> None:
        """Assert every invariant. O(n log n)."""
        assert self._small == isinstance(self.scores, dict) == isinstance(self._order, SmallOrder)
        if isinstance(self.scores, Table):
            self.scores.check()
        entries = list(self._order)
        assert entries == sorted((score, member) for member, score in self.scores.items())
        assert all(score == score for score, _ in entries), "NaN has no place in an order"
        if self.expires is not None:
            self.expires.check()
            assert all(member in self.scores for member, _ in self.expires.items())


def _is_empty(low: LexBound, high: LexBound) -> bool:
    """Say whether no member at all could be between the bounds."""
    if low.infinite or high.infinite:
        return low.infinite > 0 or high.infinite < 0
    if low.member == high.member:
        return low.exclusive or high.exclusive
    return low.member > high.member


def ordered(items: Iterable[tuple[bytes, float]], max_entries: int, max_value: int) -> SortedSet:
    """Return a new sorted set of (member, score); the last score of a repeated member counts. O(n log n).

    It is made in its final form, sorted once: the small form would lose the sign of a zero on the way.
    """
    scores = dict(items)
    result = SortedSet()
    if len(scores) > max_entries or any(len(member) > max_value for member in scores):
        result.scores = scores
        result.convert()
        result._order = SortedList((score, member) for member, score in scores.items())
    else:
        result.scores = small = {member: score + 0.0 for member, score in scores.items()}
        result._order = SmallOrder(sorted((score, member) for member, score in small.items()))
    return result
