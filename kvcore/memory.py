"""What keys and values cost in bytes, and the account a database keeps of that while somebody asks for it.

Lives here: the estimate of one value, the running total, the access stamps of keys. Must not live here: limits and what
happens beyond them (:mod:`kvcore.eviction`). The rule: a database has a :class:`Usage` only while `maxmemory` is set or
the policy needs stamps; its accessors then report every key they read, store and remove, and nobody else does.

A plain string's cost follows from its length, so none is remembered. Everything else changes in place: its key is noted
when a command fetches it, and measured before the next command. A small container is added up. A large one is its
length times the mean size of its elements, and that mean is a running one over small random samples: exact for
elements of one size, within a few percent for others, O(1) for any length.
"""

from __future__ import annotations

import random as random_module
import sys
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

from kvcore.access import AccessClock
from kvcore.datatypes.cron_job import CronJob
from kvcore.datatypes.hash import Hash
from kvcore.datatypes.list import List
from kvcore.datatypes.set import Set
from kvcore.datatypes.sorted_set import SortedSet
from kvcore.datatypes.stream import Stream
from kvcore.datatypes.table import Table

if TYPE_CHECKING:
    from kvcore.keyspace import Value

_V = TypeVar("_V")

STARTUP_BYTES: Final = 1 << 20
"""What an engine without keys counts as used: about what the real server says of itself."""

ENTRY_BYTES: Final = 64
"""A key's share of a table: 27 bytes when its segment is full, up to 75 where keys come and go."""

EXPIRY_BYTES: Final = ENTRY_BYTES + 32
_SIZE_BYTES: Final = ENTRY_BYTES + 32

_CONTAINER_BYTES: Final = 160  # the object, its first dict or deque block, and what the collector keeps beside them
_DEQUE_BYTES: Final = 640
_POINTER_BYTES: Final = 9
_RANKED_BYTES: Final = 112  # a sorted set's score, entry tuple and place in the order
_STREAM_ENTRY_BYTES: Final = 120  # an id, two places in a node, a tuple
_STREAM_BYTES: Final = 2200  # sorted nodes, however few
_PENDING_BYTES: Final = 250  # an unacknowledged entry, listed by its group and its consumer

_ADDED_UP: Final = 16
"""Elements up to which a container is added up."""

_SAMPLES: Final = 8
_FIRST_SAMPLES: Final = 16
"""Samples a large container begins with that was not measured as it grew."""

_SLOWEST: Final = 1 / 64
"""The least weight of a new sample in the running mean."""

_NEAR_END: Final = 4096
"""How far from its ends a list is sampled: further in takes long to reach."""


def bytes_cost(text: bytes) -> int:
    """Return what a string object takes from the allocator: 33 bytes beside its text, in units of 16."""
    return (len(text) + 48) & ~15


def value_bytes(value: Value, random: random_module.Random) -> int:
    """Estimate what a value costs. O(1): a large container is sampled."""
    if isinstance(value, bytes):
        return bytes_cost(value)
    if isinstance(value, bytearray):
        return sys.getsizeof(value) + 24
    if isinstance(value, CronJob):
        return _CONTAINER_BYTES + sum(map(bytes_cost, (value.script, *value.keys, *value.arguments)))
    length = _length(value)
    sizes = _element_bytes(value, length, random)
    return _base_bytes(value) + (sum(sizes) * length // len(sizes) if sizes else 0)


def measured_bytes(value: Value, random: random_module.Random, samples: int) -> int:
    """Estimate what a value costs from at least ``samples`` of its elements, or add all up if that is 0. O(samples)."""
    if isinstance(value, bytes | bytearray | CronJob):
        return value_bytes(value, random)
    length = _length(value)
    if not samples or samples >= length:
        return _base_bytes(value) + sum(_every_element_bytes(value))
    sizes = _element_bytes(value, length, random)
    while sizes and len(sizes) < samples:
        sizes += _element_bytes(value, length, random)
    return _base_bytes(value) + (sum(sizes) * length // len(sizes) if sizes else 0)


def _length(value: Hash | List | Set | SortedSet | Stream) -> int:
    return value.length if isinstance(value, Stream) else len(value)


def _base_bytes(value: Hash | List | Set | SortedSet | Stream) -> int:
    if isinstance(value, List):
        return _CONTAINER_BYTES + _DEQUE_BYTES
    if isinstance(value, Stream):
        pending = sum(len(group.pending) for group in value.groups.values())
        return _STREAM_BYTES + pending * _PENDING_BYTES
    return 2 * _CONTAINER_BYTES


def _element_bytes(
    value: Hash | List | Set | SortedSet | Stream, length: int, random: random_module.Random
) -> list[int]:
    """Return the cost of every element, or of a few random ones of many."""
    if isinstance(value, List):
        return [_item_bytes(item) for item in _some_items(value, length, random)]
    if isinstance(value, Stream):
        return _some_entries(value, random)
    if isinstance(value, Hash):
        return [_field_bytes(field, text) for field, text in _some_pairs(value.fields, length, random)]
    if isinstance(value, Set):
        return [_member_bytes(member) for member, _ in _some_pairs(value.members, length, random)]
    return [_ranked_bytes(member) for member, _ in _some_pairs(value.scores, length, random)]


def _every_element_bytes(value: Hash | List | Set | SortedSet | Stream) -> list[int]:
    """Return the cost of every element. O(n)."""
    if isinstance(value, List):
        return [_item_bytes(item) for item in value.items]
    if isinstance(value, Stream):
        return [_entry_bytes(fields) for node in value.nodes.values() for fields in node.entries]
    if isinstance(value, Hash):
        return [_field_bytes(field, text) for field, text in value.fields.items()]
    if isinstance(value, Set):
        return [_member_bytes(member) for member, _ in value.members.items()]
    return [_ranked_bytes(member) for member, _ in value.scores.items()]


def _item_bytes(item: bytes) -> int:
    return _POINTER_BYTES + bytes_cost(item)


def _field_bytes(field: bytes, text: bytes) -> int:
    return ENTRY_BYTES + bytes_cost(field) + bytes_cost(text)


def _member_bytes(member: bytes) -> int:
    return ENTRY_BYTES + bytes_cost(member)


def _ranked_bytes(member: bytes) -> int:
    return ENTRY_BYTES + _RANKED_BYTES + bytes_cost(member)


def _entry_bytes(fields: Sequence[bytes]) -> int:
    # Field names are the node's: mostly one object for all of its entries.
    return _STREAM_ENTRY_BYTES + 8 * len(fields) + sum(map(bytes_cost, fields[1::2]))


def _some_pairs(
    pairs: dict[bytes, _V] | Table[_V], length: int, random: random_module.Random
) -> list[tuple[bytes, _V]]:
    if length <= _ADDED_UP:
        return list(pairs.items())
    found: list[tuple[bytes, _V]] = []
    for _ in range(2):
        segment = pairs if isinstance(pairs, dict) else pairs.directory[random.getrandbits(32) & pairs.mask]
        # From a random place on: a segment keeps the order of insertion, and the first ones may be unlike the rest.
        start = int(random.random() * max(1, len(segment) - _SAMPLES // 2))
        found += islice(segment.items(), start, start + _SAMPLES // 2)
    return found


def _some_items(value: List, length: int, random: random_module.Random) -> list[bytes]:
    items = value.items
    if length <= _ADDED_UP:
        return list(items)
    reach = min(length // 2, _NEAR_END)
    # Both ends, where lists grow, and places near them.
    found = [items[0], items[1], items[-1], items[-2]]
    for _ in range((_SAMPLES - 4) // 2):
        at = int(random.random() * reach)
        found.append(items[at])
        found.append(items[-1 - at])
    return found


def _some_entries(value: Stream, random: random_module.Random) -> list[int]:
    nodes = value.nodes
    found: list[int] = []
    for _ in range(min(_SAMPLES, value.length)):
        entries = nodes.peekitem(int(random.random() * len(nodes)))[1].entries
        found.append(_entry_bytes(entries[int(random.random() * len(entries))]))
    return found


class Ledger:
    """The total of all databases, and which of them have something to measure."""

    __slots__ = ("charged", "unsettled")

    def __init__(self) -> None:
        self.charged = 0
        """Bytes of keys and values, as far as they are measured."""
        self.unsettled: dict[Usage, None] = {}

    def reset(self) -> None:
        """Forget everything: nobody counts any more."""
        self.charged = 0
        self.unsettled.clear()

    def settle(self) -> None:
        """Measure what commands fetched to change it. O(keys fetched)."""
        while self.unsettled:
            self.unsettled.popitem()[0].settle()


class Usage:
    """What one database costs, and when its keys were used."""

    __slots__ = (
        "_keys",
        "_means",
        "_random",
        "_sizes",
        "_unsettled",
        "access",
        "charged",
        "clock",
        "counting",
        "ledger",
    )

    def __init__(self, keys: Table[Value], ledger: Ledger, clock: AccessClock, random: random_module.Random) -> None:
        self._keys = keys
        self._random = random
        self.ledger = ledger
        self.clock = clock
        self.access: Table[int] | None = None
        """Stamps by key, None while the policy needs none. A key without one was not used since they are kept."""
        self.counting = False
        """Whether costs are kept, too."""
        self.charged = 0
        """This database's part of the ledger."""
        self._sizes: Table[int] = Table()  # what is charged for values that are no plain strings
        self._means: dict[bytes, tuple[int, float]] = {}  # of large containers: length and mean at the last measure
        self._unsettled: dict[bytes, None] = {}

    # What the accessors of a database report

    def on_use(self, key: bytes) -> None:
        """Note that the present ``key`` was used. O(1)."""
        access = self.access
        if access is not None:
            access.put(key, self.clock.used(self.stamp(key)))

    def on_fetch(self, key: bytes, value: Value) -> None:
        """Note that the present ``key`` was used, perhaps to change its value in place. O(1)."""
        access = self.access
        if access is not None:
            access.put(key, self.clock.used(self.stamp(key)))
        if type(value) is not bytes:
            self.on_change(key)

    def on_change(self, key: bytes) -> None:
        """Note that the container at ``key`` may change in place: it is measured before the next command. O(1)."""
        if self.counting:
            self._unsettled[key] = None
            self.ledger.unsettled[self] = None

    def on_store(self, key: bytes, old: Value | None, value: Value, use: bool) -> None:
        """Charge for ``value``, which replaced ``old``; ``use`` says that this itself is a use of the key. O(1)."""
        access = self.access
        if access is not None:
            if old is None:
                access.put(key, self.clock.fresh())
            elif use:
                access.put(key, self.clock.used(self.stamp(key)))
        if not self.counting:
            return
        change = 0
        if old is None:
            change = ENTRY_BYTES + bytes_cost(key)
        elif old is not value:
            change = -self._release(key, old)
        if type(value) is bytes:
            if old is not value:
                change += bytes_cost(value)
        else:
            self.on_change(key)
        self._charge(change)

    def on_remove(self, key: bytes, value: Value) -> None:
        """Give back what ``key`` cost, whose last value was ``value``. O(1)."""
        if self.access is not None:
            self.access.pop(key)
        if self.counting:
            self._charge(-ENTRY_BYTES - bytes_cost(key) - self._release(key, value))

    def on_flush(self) -> tuple[list[dict[bytes, int]], ...]:
        """Forget everything; return segments that take long to free. O(1) beside the large containers."""
        discarded = [self._sizes.directory]
        if self.access is not None:
            discarded.append(self.access.directory)
            self.access = Table()
        self._sizes = Table()
        self._means = {}
        self._unsettled = {}
        self._charge(-self.charged)
        return tuple(discarded)

    def swap(self, other: Usage) -> None:
        """Exchange accounts: the databases exchange their keys. O(1)."""
        self.access, other.access = other.access, self.access
        self.charged, other.charged = other.charged, self.charged
        self._sizes, other._sizes = other._sizes, self._sizes
        self._means, other._means = other._means, self._means
        self._unsettled, other._unsettled = other._unsettled, self._unsettled
        for one in (self, other):
            if one._unsettled:
                self.ledger.unsettled[one] = None

    # Stamps

    def stamp(self, key: bytes) -> int:
        """Return the access stamp of ``key``. O(1)."""
        stamp = None if self.access is None else self.access.get(key)
        return self.clock.since if stamp is None else stamp

    def set_stamp(self, key: bytes, stamp: int) -> None:
        """Give the present ``key`` another stamp, if stamps are kept. O(1)."""
        if self.access is not None:
            self.access.put(key, stamp)

    # Costs

    def start_counting(self) -> None:
        """Measure every key from now on, and those that are there at once. O(keys)."""
        self.counting = True
        total = 0
        for key, value in self._keys.items():
            total += ENTRY_BYTES + bytes_cost(key)
            if type(value) is bytes:
                total += bytes_cost(value)
            else:
                size = self._measure(key, value)
                self._sizes.put(key, size)
                total += size
        self._charge(total)

    def stop_counting(self) -> None:
        """Forget what is charged. O(1)."""
        self.counting = False
        self.charged = 0
        self._sizes = Table()
        self._means = {}
        self._unsettled = {}

    def settle(self) -> None:
        """Measure the values that were fetched since the last time. O(values)."""
        keys = self._unsettled
        self._unsettled = {}
        for key in keys:
            value = self._keys.get(key)
            if value is None or isinstance(value, bytes):
                continue
            size = self._measure(key, value)
            self._charge(size - (self._sizes.get(key) or 0))
            self._sizes.put(key, size)

    def side_bytes(self) -> int:
        """Return the cost of what is kept beside the keys here. O(1)."""
        access = self.access
        return self._sizes.size * _SIZE_BYTES + (0 if access is None else access.size * ENTRY_BYTES)

    def _charge(self, change: int) -> None:
        self.charged += change
        self.ledger.charged += change

    def _release(self, key: bytes, value: Value) -> int:
        """Return what is charged for a value that goes, and forget it."""
        if type(value) is bytes:
            return bytes_cost(value)
        self._unsettled.pop(key, None)
        if self._means:
            self._means.pop(key, None)
        return self._sizes.pop(key) or 0

    def _measure(self, key: bytes, value: Value) -> int:
        if isinstance(value, bytes | bytearray | CronJob):
            return value_bytes(value, self._random)
        length = _length(value)
        sizes = _element_bytes(value, length, self._random)
        if length <= _ADDED_UP:
            if self._means:
                self._means.pop(key, None)
            return _base_bytes(value) + sum(sizes)
        known = self._means.get(key)
        if known is None:
            for _ in range(min(length // _FIRST_SAMPLES, _FIRST_SAMPLES)):
                sizes += _element_bytes(value, length, self._random)
        mean = sum(sizes) / len(sizes)
        if known is not None:
            before, old_mean = known
            mean = old_mean + (mean - old_mean) * max(_SLOWEST, min(1.0, abs(length - before) / length))
        self._means[key] = length, mean
        return _base_bytes(value) + int(length * mean)
