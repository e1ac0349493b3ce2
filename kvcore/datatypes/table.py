"""Extendible hashing over small dicts: the hash table under databases, large hashes, sets and sorted sets.

What lives here: one table from ``bytes`` to values that grows without a pause, scans with a stateless cursor
and picks a uniformly random key. What must not: anything about keys, expiry or types; a :class:`Table` knows
no value.

A directory of ``2**d`` references points at segments (plain dicts). The low ``d`` bits of a key's hash choose
the segment. A segment of local depth ``l <= d`` owns every hash that ends in its ``l`` bits, so ``2**(d-l)``
directory entries refer to it. A full segment splits on the next bit; only the directory ever doubles, and it
is a list of pointers. Two buddies that became small merge again, and the directory halves when it is mostly
repetition.

The rule that keeps it correct: segments keep insertion order except where two of them merge, and every merge
is counted. A scan cursor leans on nothing else:

    bits 0-31   position: the low bits of the hash, counted in bit-reversed order, so that a split, a merge
                or a directory of another size never moves a key from the unvisited to the visited side
    bits 32-41  unvisited: a segment is walked from its newest entry to its oldest, and this says how many of
                its oldest entries are left. Deletes only move entries towards the old end, inserts go to the
                new one and a split keeps the order, so those first entries still cover every key that
                stayed. 0: all of them
    bits 42-62  the merge count, modulo 2**21: after a merge the order is void and the whole segment is
                listed again

Bit 63 stays clear because some clients keep cursors in signed integers. The hashes are Python's keyed
SipHash: nobody can choose keys that collide. A client can still keep only keys of one segment by deleting the
others, so the directory is bounded by the number of keys, and a segment that may not split simply grows.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from random import Random
from typing import Final, Generic, TypeVar

V = TypeVar("V")

SEGMENT_MAX: Final = 682
"""A segment splits on reaching this: a dict of 1,024 slots holds 682 entries and grows at the next."""

MERGE_MAX: Final = 341
"""Two buddies merge when both fit in half a segment, so that a merge and a split are never neighbours."""

MERGE_STEP_MASK: Final = 15
"""A remove looks for a merge only at lengths that are multiples of 16; the others pay one test."""

MAX_DEPTH: Final = 32
"""Bits of the hash a cursor has room for. The directory alone would be 32 GiB."""

DIRECTORY_SLACK: Final = 16
"""The directory may be this many times what full segments would need; uniform hashes need 2 or 3."""

SMALL_DIRECTORY: Final = 64
"""Up to this size a directory is halved at once: rebuilding it costs nothing."""

RANDOM_TRIES: Final = 64

POSITION_MASK: Final = (1 << MAX_DEPTH) - 1
UNVISITED_SHIFT: Final = 32
UNVISITED_MAX: Final = (1 << 10) - 1
STAMP_SHIFT: Final = 42
STAMP_MASK: Final = (1 << 21) - 1


def next_position(position: int, depth: int) -> int:
    """Return the position after the segment of ``depth`` bits at ``position``; 0 after the last. O(depth)."""
    bit = 1 << depth
    position &= bit - 1
    bit >>= 1
    while position & bit:
        position ^= bit
        bit >>= 1
    return position | bit


def _at(segment: dict[bytes, V], rank: int) -> bytes:
    """Return the key at a rank, walking from the nearer end: each key passed over may be a cache miss."""
    last = len(segment) - 1
    if 2 * rank <= last:
        return next(islice(segment, rank, None))
    return next(islice(reversed(segment), last - rank, None))


class Table(Generic[V]):
    """A hash table from ``bytes`` to ``V`` without resizing pauses.

    A subclass may read ``directory[hash(key) & mask]`` itself on its hot path. Whoever adds a key to a
    segment that way calls :meth:`_after_insert`, whoever removes one calls :meth:`_after_remove`; nobody
    keeps a segment across either call. Replacing the value of a present key needs no call.
    """

    __slots__ = ("_deepest", "_merges", "_oversize", "_segments", "depths", "directory", "mask", "size")

    def __init__(self) -> None:
        self.directory: list[dict[bytes, V]] = [{}]
        self.depths = bytearray(1)
        self.mask = 0
        self.size = 0
        self._segments = 1
        self._deepest = 1  # segments whose local depth is the directory's
        self._oversize = SEGMENT_MAX  # no segment is longer
        self._merges = 0

    def __len__(self) -> int:
        return self.size

    def __contains__(self, key: bytes) -> bool:
        return key in self.directory[hash(key) & self.mask]

    def __iter__(self) -> Iterator[bytes]:
        """Iterate over the keys in no order that means anything. The table must not change meanwhile."""
        for segment in self.segments():
            yield from segment

    def items(self) -> Iterator[tuple[bytes, V]]:
        """Iterate over (key, value). The table must not change meanwhile."""
        for segment in self.segments():
            yield from segment.items()

    def values(self) -> Iterator[V]:
        """Iterate over the values. The table must not change meanwhile."""
        for segment in self.segments():
            yield from segment.values()

    def segments(self) -> Iterator[dict[bytes, V]]:
        """Iterate over the segments, each once, in scan order. O(segments)."""
        position = 0
        while True:
            index = position & self.mask
            yield self.directory[index]
            position = next_position(index, self.depths[index])
            if position == 0:
                return

    def get(self, key: bytes) -> V | None:
        """Return the value of ``key``, None where there is none. O(1)."""
        return self.directory[hash(key) & self.mask].get(key)

    def put(self, key: bytes, value: V) -> bool:
        """Set the value of ``key``; return whether the key is new. O(1) amortised."""
        segment = self.directory[hash(key) & self.mask]
        before = len(segment)
        segment[key] = value
        after = len(segment)
        if after == before:
            return False
        self.size += 1
        if after >= SEGMENT_MAX:
            self._split(key)
        return True

    def setdefault(self, key: bytes, value: V) -> V:
        """Return the value of ``key`` after setting it to ``value`` where there was none. O(1) amortised."""
        segment = self.directory[hash(key) & self.mask]
        before = len(segment)
        present = segment.setdefault(key, value)
        if len(segment) != before:
            self._after_insert(segment, key)
        return present

    def adopt(self, contents: dict[bytes, V]) -> None:
        """Take the entries of a dict, which becomes part of this empty table if it is small enough. O(entries)."""
        if len(contents) < SEGMENT_MAX:
            self.directory[0] = contents
            self.size = len(contents)
        else:
            for key, value in contents.items():
                self.put(key, value)

    def pop(self, key: bytes) -> V | None:
        """Remove ``key`` and return its value, None where there was none. O(1) amortised."""
        segment = self.directory[hash(key) & self.mask]
        before = len(segment)
        value = segment.pop(key, None)
        after = len(segment)
        if after != before:
            self.size -= 1
            if not after & MERGE_STEP_MASK and self.mask:
                self._merge(key)
        return value

    def clear(self) -> None:
        """Remove every key. O(keys)."""
        self.directory = [{}]
        self.depths = bytearray(1)
        self.mask = 0
        self.size = 0
        self._segments = 1
        self._deepest = 1
        self._oversize = SEGMENT_MAX

    def copy(self) -> Table[V]:
        """Return a table with the same keys and values. O(keys)."""
        other: Table[V] = Table()
        copies: dict[int, dict[bytes, V]] = {}
        for segment in self.segments():
            copies[id(segment)] = segment.copy()
        other.directory = [copies[id(segment)] for segment in self.directory]
        other.depths = self.depths[:]
        other.mask = self.mask
        other.size = self.size
        other._segments = self._segments
        other._deepest = self._deepest
        other._oversize = self._oversize
        other._merges = self._merges
        return other

    def swap_contents(self, other: Table[V]) -> None:
        """Exchange every key with ``other``. O(1)."""
        self.directory, other.directory = other.directory, self.directory
        self.depths, other.depths = other.depths, self.depths
        self.mask, other.mask = other.mask, self.mask
        self.size, other.size = other.size, self.size
        self._segments, other._segments = other._segments, self._segments
        self._deepest, other._deepest = other._deepest, self._deepest
        self._oversize, other._oversize = other._oversize, self._oversize
        self._merges, other._merges = other._merges, self._merges

    def scan(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """Return the next cursor and about ``count`` keys; start with cursor 0, the end is cursor 0.

        Every key that is present from the first call to the last is returned at least once, whatever is
        inserted and deleted between the calls; a key may be returned twice. Any integer is a safe cursor. One
        call is O(count) and reads at most one segment beyond, and it visits at most ``10 * count`` segments.
        """
        wanted = max(count, 1)
        visits = wanted * 10
        position = cursor & POSITION_MASK
        unvisited = cursor >> UNVISITED_SHIFT & UNVISITED_MAX
        stamp = self._merges & STAMP_MASK
        reordered = unvisited != 0 and cursor >> STAMP_SHIFT & STAMP_MASK != stamp
        keys: list[bytes] = []
        while True:
            index = position & self.mask
            segment = self.directory[index]
            depth = self.depths[index]
            length = len(segment)
            left = length if unvisited == 0 or reordered else min(unvisited, length)
            # A reordered segment goes out whole: were it cut again, a merge between any two calls would hold
            # the scan in one place. More entries than the cursor can count go out at once, too.
            take = left if reordered else max(min(left, wanted - len(keys)), left - UNVISITED_MAX)
            keys.extend(islice(reversed(segment), length - left, length - left + take))
            left -= take
            if left:
                position = index & ((1 << depth) - 1)
                return position | left << UNVISITED_SHIFT | stamp << STAMP_SHIFT, keys
            position = next_position(index, depth)
            visits -= 1
            if position == 0 or len(keys) >= wanted or visits == 0:
                return position, keys
            unvisited = 0
            reordered = False

    def random_key(self, random: Random) -> bytes:
        """Return a key, each with the same probability. The table must not be empty.

        O(1) expected; O(segments) where selective deletes left the table lopsided.
        """
        assert self.size, "an empty table has no random key"
        directory = self.directory
        depth = self.mask.bit_length()
        for _ in range(RANDOM_TRIES):
            index = random.getrandbits(depth) if depth else 0
            segment = directory[index]
            # A shallow segment is met once for each of its directory entries: it is taken that much less
            # often.
            rank = random.randrange((self._oversize if depth else self.size) << (depth - self.depths[index]))
            if rank < len(segment):
                return _at(segment, rank)
        rank = random.randrange(self.size)
        for segment in self.segments():
            if rank < len(segment):
                return _at(segment, rank)
            rank -= len(segment)
        raise AssertionError("size exceeds the segments")

    def draw_keys(self, count: int, random: Random) -> list[bytes]:
        """Return up to ``count`` random keys, all different: of one segment, which hashing made a sample itself.

        Keys of a short segment come up to twice as often as those of a full one. The table must not be empty.
        O(segment), and a fraction of what as many calls of :meth:`random_key` take.
        """
        segment = self.directory[int(random.random() * len(self.directory))]
        while not segment:
            segment = self.directory[int(random.random() * len(self.directory))]
        keys = list(segment)
        for at in range(min(count, len(keys) - 1)):
            other = at + int(random.random() * (len(keys) - at))
            keys[at], keys[other] = keys[other], keys[at]
        del keys[count:]
        return keys

    def _after_insert(self, segment: dict[bytes, V], key: bytes) -> None:
        """Account for ``key``, which the caller just added to its ``segment``. O(1) amortised."""
        self.size += 1
        if len(segment) >= SEGMENT_MAX:
            self._split(key)

    def _after_remove(self, segment: dict[bytes, V], key: bytes) -> None:
        """Account for ``key``, which the caller just removed from its ``segment``. O(1) amortised."""
        self.size -= 1
        if not len(segment) & MERGE_STEP_MASK and self.mask:
            self._merge(key)

    def _split(self, key: bytes) -> None:
        """Split the segment of ``key`` until it is below the maximum or may not split."""
        while True:
            index = hash(key) & self.mask
            segment = self.directory[index]
            length = len(segment)
            if length < SEGMENT_MAX:
                return
            depth = self.depths[index]
            bit = 1 << depth
            if bit > self.mask and not self._double():
                self._oversize = max(self._oversize, length)
                return
            low: dict[bytes, V] = {}
            high: dict[bytes, V] = {}
            for name, value in segment.items():
                if hash(name) & bit:
                    high[name] = value
                else:
                    low[name] = value
            start = index & (bit - 1)
            entries = len(self.directory) >> (depth + 1)
            self.directory[start :: bit << 1] = [low] * entries
            self.directory[start | bit :: bit << 1] = [high] * entries
            self.depths[start::bit] = bytes((depth + 1,)) * (entries << 1)
            self._segments += 1
            if bit << 1 > self.mask:
                self._deepest += 2

    def _double(self) -> bool:
        """Double the directory, unless that is out of proportion to the keys: return False. O(directory)."""
        entries = len(self.directory)
        if entries >> MAX_DEPTH or entries * SEGMENT_MAX > DIRECTORY_SLACK * self.size:
            return False
        self.directory *= 2
        self.depths *= 2
        self.mask = 2 * entries - 1
        self._deepest = 0
        return True

    def _merge(self, key: bytes) -> None:
        """Merge the segment of ``key`` with its buddy while both are small, then see to the directory."""
        merged = False
        while True:
            index = hash(key) & self.mask
            depth = self.depths[index]
            if depth == 0:
                break
            bit = 1 << (depth - 1)
            buddy = index ^ bit
            if self.depths[buddy] != depth:
                break
            large, small = self.directory[index], self.directory[buddy]
            if len(large) + len(small) > MERGE_MAX:
                break
            if len(large) < len(small):
                large, small = small, large
            large.update(small)
            start = index & (bit - 1)
            entries = len(self.directory) >> (depth - 1)
            self.directory[start::bit] = [large] * entries
            self.depths[start::bit] = bytes((depth - 1,)) * entries
            self._merges += 1
            self._segments -= 1
            if bit << 1 > self.mask:
                self._deepest -= 2
            merged = True
        if merged and self._deepest == 0:
            self._halve()

    def _halve(self) -> None:
        """Halve the directory while no segment needs its depth and most of it repeats. O(1) amortised."""
        entries = len(self.directory)
        while entries > 1 and self._deepest == 0:
            if entries > SMALL_DIRECTORY and self._segments * 4 > entries:
                return
            entries >>= 1
            del self.directory[entries:]
            del self.depths[entries:]
            self.mask = entries - 1
            self._deepest = self.depths.count(entries.bit_length() - 1)

    def check(self) -> None:
        """Assert every invariant. O(keys + directory)."""
        entries = len(self.directory)
        depth = self.mask.bit_length()
        assert entries == len(self.depths) == self.mask + 1 == 1 << depth
        assert depth <= MAX_DEPTH
        seen: dict[int, int] = {}
        for index, segment in enumerate(self.directory):
            local = self.depths[index]
            assert local <= depth
            first = index & ((1 << local) - 1)
            assert segment is self.directory[first], "the entries of one suffix share a segment"
            assert seen.setdefault(id(segment), first) == first, "two suffixes share a segment"
            if index == first:
                assert len(segment) < SEGMENT_MAX or len(segment) <= self._oversize
                for key in segment:
                    assert hash(key) & ((1 << local) - 1) == first, "a key lies in another's segment"
        assert len(seen) == self._segments
        assert self._deepest == self.depths.count(depth)
        assert self.size == sum(map(len, self.segments())) == sum(1 for _ in self)
        assert entries <= SMALL_DIRECTORY or self._deepest or self._segments * 4 > entries
