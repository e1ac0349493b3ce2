"""The stream type: an append-only log of entries ordered by id, and the groups that read it.

What lives here: entries in nodes, the counters that XINFO and consumer groups rely on, trimming. What must not:
clocks, option parsing, replies. The rule: entries enter through :meth:`Stream.append` and leave through
:meth:`Stream.remove` and the trimming methods, and those keep the counters true.

A node holds what a listpack of the real server would: approximate trimming removes whole nodes, so where one
ends can be seen from outside. Hence a node knows the size in bytes that its listpack would have, and keeps deleted
entries in place until all of its entries are.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from sortedcontainers import SortedDict

from kvcore.datatypes.consumer_group import UNKNOWN, ConsumerGroup
from kvcore.datatypes.numbers import parse_int
from kvcore.datatypes.stream_id import MAX_ID, SEQUENCE_MAX, IdMap, radix_nodes

Entry = tuple[int, tuple[bytes, ...]]
"""An id, and field, value, field, value ..."""

_NODE_BYTES_MAX: Final = 1 << 30
_LISTPACK_FRAME: Final = 7
"""A listpack's header and end mark."""

_NODES_PER_PIECE: Final = 10


def _framed(length: int) -> int:
    """Return the size of a listpack element of ``length`` bytes with the backward length behind it."""
    if length <= 127:
        return length + 1
    if length < 16383:
        return length + 2
    if length < 2097151:
        return length + 3
    return length + (4 if length < 268435455 else 5)


def _integer_bytes(number: int) -> int:
    """Return the size of a listpack element that holds an integer."""
    if 0 <= number <= 127:
        return 2
    if -4096 <= number <= 4095:
        return 3
    for bits in (16, 24, 32):
        if -1 << bits - 1 <= number < 1 << bits - 1:
            return bits // 8 + 2
    return 10


def _text_bytes(text: bytes) -> int:
    """Return the size of a listpack element that holds a string; an integer's text is held as integer."""
    length = len(text)
    if length <= 20:
        number = parse_int(text)
        if number is not None:
            return _integer_bytes(number)
    if length < 64:
        return length + 2
    return _framed(length + (2 if length < 4096 else 5))


def _signed(difference: int) -> int:
    """Wrap a difference of two unsigned 64-bit numbers into a signed one."""
    return (difference + (1 << 63) & SEQUENCE_MAX) - (1 << 63)


class Node:
    """A run of entries; the first one's id and field names are those the others are told against."""

    __slots__ = ("_body_bytes", "base_id", "deleted", "entries", "ids", "names", "passed", "shared")

    def __init__(self, base_id: int, names: tuple[bytes, ...]) -> None:
        self.base_id = base_id
        """The id of the first entry ever put here."""
        self.names = names
        """The field names of that entry."""
        self.ids: list[int] = []
        """The ids of all entries, deleted ones included, ascending."""
        self.entries: list[tuple[bytes, ...]] = []
        """The fields and values, side by side with ``ids``."""
        self.deleted: set[int] = set()
        """The ids of the deleted entries."""
        self.passed = 0
        """How many more deleted entries there were; their ids were given out again (see :meth:`forget_from`)."""
        self.shared = False
        """Somebody else reads this node: a stream changes a copy of it (see :meth:`Stream.share`)."""
        self._body_bytes = _LISTPACK_FRAME + _integer_bytes(len(names)) + sum(map(_text_bytes, names)) + 2

    @property
    def size(self) -> int:
        """How many entries were ever put here."""
        return len(self.ids) + self.passed

    @property
    def live(self) -> int:
        """How many entries are not deleted."""
        return len(self.ids) - len(self.deleted)

    @property
    def listpack_bytes(self) -> int:
        """The size of the listpack that the real server would keep these entries in."""
        return self._body_bytes + _integer_bytes(self.live) + _integer_bytes(len(self.deleted) + self.passed)

    def append(self, number: int, fields: Sequence[bytes]) -> None:
        """Add an entry, whose id is above all others."""
        base = self.base_id
        size = 2 + _integer_bytes(_signed((number >> 64) - (base >> 64)))
        size += _integer_bytes(_signed((number & SEQUENCE_MAX) - (base & SEQUENCE_MAX)))
        names = tuple(fields[::2])
        count = len(names)
        if names == self.names:
            # The names are the first entry's own objects: a million entries need them once a node.
            own: list[bytes] = list(fields)
            own[::2] = self.names
            fields = own
            size += sum(map(_text_bytes, fields[1::2])) + _integer_bytes(count + 3)
        else:
            size += _integer_bytes(count) + sum(map(_text_bytes, fields)) + _integer_bytes(2 * count + 4)
        self._body_bytes += size
        self.ids.append(number)
        self.entries.append(tuple(fields))

    def find(self, number: int) -> int:
        """Return the place of a live entry, -1 if there is none of that id. O(log n)."""
        place = bisect_left(self.ids, number)
        if place == len(self.ids) or self.ids[place] != number or number in self.deleted:
            return -1
        return place

    def forget_from(self, number: int) -> None:
        """Let go of the deleted entries at the end from an id on, which is to be used again.

        XSETID may set a stream back to its last live entry. What they took of the node's size stays taken.
        """
        while self.ids and self.ids[-1] >= number:
            self.deleted.discard(self.ids.pop())
            self.entries.pop()
            self.passed += 1

    def copy(self) -> Node:
        """Return a node of the same entries."""
        other = Node(self.base_id, self.names)
        other.ids = self.ids.copy()
        other.entries = self.entries.copy()
        other.deleted = self.deleted.copy()
        other.passed = self.passed
        other._body_bytes = self._body_bytes
        return other


class Stream:
    """Entries by id. The limits of a node are the caller's, given with each write."""

    __slots__ = (
        "_radix_nodes",
        "_tail",
        "entries_added",
        "first_id",
        "groups",
        "last_id",
        "length",
        "max_deleted_id",
        "nodes",
    )

    def __init__(self) -> None:
        self.nodes: IdMap[Node] = SortedDict()
        """The nodes by the id of their first entry."""
        self._tail: Node | None = None
        self.length = 0
        self.last_id = 0
        """The largest id ever added or set."""
        self.first_id = 0
        """The id of the first entry, 0 if there is none."""
        self.max_deleted_id = 0
        """The largest id that XDEL removed."""
        self.entries_added = 0
        """How many entries were ever added."""
        self.groups: dict[bytes, ConsumerGroup] = {}
        self._radix_nodes = 0

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Entry]:
        """Iterate over the live entries in order. The stream must not change meanwhile."""
        return self.range(0, MAX_ID)

    @property
    def encoding(self) -> str:
        """What OBJECT ENCODING answers."""
        return "stream"

    @property
    def radix_nodes(self) -> int:
        """How many nodes the real server's radix tree would have. O(nodes) after one came or went, else O(1)."""
        if not self._radix_nodes:
            self._radix_nodes = radix_nodes(self.nodes)
        return self._radix_nodes

    def groups_in_order(self) -> list[tuple[bytes, ConsumerGroup]]:
        """Return the groups with their names, by name. O(n log n)."""
        return sorted(self.groups.items())

    # Reading

    def range(self, low: int, high: int, reverse: bool = False) -> Iterator[Entry]:
        """Iterate over the live entries of ``low <= id <= high``, the last first if ``reverse``.

        The stream must not change meanwhile. O(log n) to begin.
        """
        nodes = self.nodes
        first = next(nodes.irange(None, low, reverse=True), low)
        for base in nodes.irange(first, high, reverse=reverse):
            node = nodes[base]
            ids = node.ids
            start = bisect_left(ids, low) if base < low else 0
            stop = bisect_right(ids, high, start) if ids[-1] > high else len(ids)
            deleted = node.deleted
            for place in range(stop - 1, start - 1, -1) if reverse else range(start, stop):
                number = ids[place]
                if number not in deleted:
                    yield number, node.entries[place]

    def get(self, number: int) -> tuple[bytes, ...] | None:
        """Return the fields and values of an entry, None if there is none of that id. O(log n)."""
        node = self._node_of(number)
        place = node.find(number) if node is not None else -1
        return None if node is None or place < 0 else node.entries[place]

    def __contains__(self, number: int) -> bool:
        node = self._node_of(number)
        return node is not None and node.find(number) >= 0

    def last_entry(self) -> Entry | None:
        """Return the last live entry. O(log n + deleted entries behind it)."""
        return next(self.range(0, MAX_ID, reverse=True), None)

    def oldest_id(self) -> int:
        """Return the id of the first entry that takes space, deleted or not; MAX_ID if there is none. O(1)."""
        return self.nodes.peekitem(0)[0] if len(self.nodes) else MAX_ID

    def _node_of(self, number: int) -> Node | None:
        """Return the node that has the entry if any has. O(log n)."""
        tail = self._tail
        if tail is not None and number >= tail.base_id:
            return tail
        base = next(self.nodes.irange(None, number, reverse=True), None)
        return None if base is None else self.nodes[base]

    # Writing

    def next_id(self, now_ms: int) -> int | None:
        """Return the id that an entry added at ``now_ms`` gets, None if there is none left. O(1)."""
        now = now_ms << 64
        if now > self.last_id >> 64 << 64:
            return now
        return self.last_id + 1 if self.last_id < MAX_ID else None

    def next_sequence(self, milliseconds: int) -> int | None:
        """Return the first free id of a millisecond, None if it has none left or is in the past. O(1)."""
        last_ms = self.last_id >> 64
        if milliseconds != last_ms:
            return milliseconds << 64 if milliseconds > last_ms else None
        # A stream that has no entry yet stands at 0-0, which is no entry's id: it begins with 0-1.
        return self.last_id + 1 if self.last_id & SEQUENCE_MAX < SEQUENCE_MAX else None

    def append(self, number: int, fields: Sequence[bytes], max_entries: int, max_bytes: int) -> None:
        """Add an entry whose id is greater than ``last_id``. O(fields) amortised.

        ``max_entries`` and ``max_bytes`` are stream-node-max-entries and stream-node-max-bytes; 0 is no limit.
        """
        node = self._tail
        if node is not None and node.shared:
            node = self._own(node)
        if node is not None and node.ids[-1] >= number:
            node.forget_from(number)
            if not node.ids:
                self._drop(node)
                node = None if self._tail is None else self._own(self._tail)
        if not 0 < max_bytes < _NODE_BYTES_MAX:
            max_bytes = _NODE_BYTES_MAX
        if (
            node is None
            or (max_entries and node.size >= max_entries)
            or node.listpack_bytes + sum(map(len, fields)) >= max_bytes
        ):
            node = self.nodes[number] = self._tail = Node(number, tuple(fields[::2]))
            self._radix_nodes = 0
        node.append(number, fields)
        self.length += 1
        self.entries_added += 1
        self.last_id = number
        if self.length == 1:
            self.first_id = number

    def remove(self, number: int) -> bool:
        """Delete an entry; return whether it was there. O(log n)."""
        node = self._node_of(number)
        if node is None or node.find(number) < 0:
            return False
        if node.live == 1:
            self._drop(node)
        else:
            self._own(node).deleted.add(number)
        self.length -= 1
        self.max_deleted_id = max(self.max_deleted_id, number)
        if number == self.first_id:
            self._find_first()
        return True

    def trim_to_length(self, length: int, approximate: bool, limit: int = 0) -> int:
        """Delete the oldest entries until ``length`` are left; return how many went. O(entries deleted).

        ``approximate`` deletes whole nodes only. More than ``limit`` entries are not deleted, unless that is 0.
        """
        removed = 0
        while self.length > length:
            node = self.nodes.peekitem(0)[1]
            live = node.live
            if limit and removed + live > limit:
                break
            if self.length - live >= length:
                self._drop(node)
                self.length -= live
                removed += live
                continue
            if not approximate:
                removed += self._delete_oldest(node, self.length - length, MAX_ID)
            break
        return self._trimmed(removed)

    def trim_below(self, low: int, approximate: bool, limit: int = 0) -> int:
        """Delete the entries with ids less than ``low``; return how many went. O(entries deleted).

        The arguments are those of :meth:`trim_to_length`.
        """
        removed = 0
        while len(self.nodes):
            node = self.nodes.peekitem(0)[1]
            live = node.live
            if limit and removed + live > limit:
                break
            if node.ids[-1] < low:
                self._drop(node)
                self.length -= live
                removed += live
                continue
            if not approximate:
                removed += self._delete_oldest(node, live, low)
            break
        return self._trimmed(removed)

    def _delete_oldest(self, node: Node, count: int, below: int) -> int:
        """Delete up to ``count`` entries of a node with ids less than ``below``.

        All of them may go and the node stay: deleted entries behind them are then what it holds.
        """
        oldest: list[int] = []
        for number in node.ids:
            if len(oldest) == count or number >= below:
                break
            if number not in node.deleted:
                oldest.append(number)
        self._own(node).deleted.update(oldest)
        self.length -= len(oldest)
        return len(oldest)

    def _trimmed(self, removed: int) -> int:
        if removed or not self.length:
            self._find_first()
        return removed

    def share(self, nodes: Iterable[Node]) -> None:
        """Let somebody else go on reading ``nodes`` as they are now. O(nodes)."""
        for node in nodes:
            node.shared = True

    def _own(self, node: Node) -> Node:
        """Return a node that may change: a copy in the place of one that is shared."""
        if not node.shared:
            return node
        copy = self.nodes[node.base_id] = node.copy()
        if node is self._tail:
            self._tail = copy
        return copy

    def _drop(self, node: Node) -> None:
        del self.nodes[node.base_id]
        self._radix_nodes = 0
        if node is self._tail:
            self._tail = self.nodes.peekitem(-1)[1] if len(self.nodes) else None

    def _find_first(self) -> None:
        first = next(iter(self), None) if self.length else None
        self.first_id = first[0] if first is not None else 0

    # What consumer groups count

    def has_deletions_from(self, low: int) -> bool:
        """Say whether an entry from ``low`` on may have been deleted by its id. O(1)."""
        deleted = self.max_deleted_id
        return bool(self.length and deleted and self.first_id <= deleted and low <= deleted)

    def position_of(self, number: int) -> int:
        """Return how many entries were ever added up to an id, UNKNOWN if that cannot be said. O(1)."""
        if not self.entries_added:
            return 0
        if number == self.last_id or (not self.length and number < self.last_id):
            return self.entries_added
        if number > self.last_id:
            return UNKNOWN
        if not self.max_deleted_id or self.max_deleted_id < self.first_id:
            if number < self.first_id:
                return self.entries_added - self.length
            if number == self.first_id:
                return self.entries_added - self.length + 1
        return UNKNOWN

    def lag(self, group: ConsumerGroup) -> int | None:
        """Return how many entries ``group`` has yet to read, None if that cannot be said. O(1)."""
        if not self.entries_added:
            return 0
        position = group.entries_read
        if position == UNKNOWN or self.has_deletions_from(group.last_id):
            position = self.position_of(group.last_id)
        return None if position == UNKNOWN else self.entries_added - position

    def advance(self, group: ConsumerGroup, number: int) -> bool:
        """Move ``group`` on to an entry it reads; return False if it was there already. O(1)."""
        if number <= group.last_id:
            return False
        if group.entries_read != UNKNOWN and not self.has_deletions_from(number):
            group.entries_read += 1
        elif self.entries_added:
            group.entries_read = self.position_of(number)
        group.last_id = number
        return True

    # Whole streams

    def adopt(self, nodes: Iterable[Node]) -> None:
        """Take nodes over into an empty stream: in order, with at least one entry each. O(nodes)."""
        for node in nodes:
            self.nodes[node.base_id] = self._tail = node
            self.length += node.live
        self._radix_nodes = 0
        self._find_first()

    def copy(self) -> Stream:
        """Return a stream of the same entries, nodes and groups. O(n)."""
        other = Stream()
        for base, node in self.nodes.items():
            other._tail = other.nodes[base] = node.copy()
        other.length = self.length
        other.last_id = self.last_id
        other.first_id = self.first_id
        other.max_deleted_id = self.max_deleted_id
        other.entries_added = self.entries_added
        other.groups = {name: group.copy() for name, group in self.groups.items()}
        return other

    @property
    def weight(self) -> int:
        """How many objects freeing the stream frees, about. O(groups)."""
        return self.length + sum(len(group.pending) for group in self.groups.values())

    def pieces(self) -> list[list[object]]:
        """Return nodes and pending entries in parts of about a thousand, for who frees a large stream so. O(n)."""
        nodes = list(self.nodes.values())
        parts: list[list[object]] = [
            list(nodes[start : start + _NODES_PER_PIECE]) for start in range(0, len(nodes), _NODES_PER_PIECE)
        ]
        for group in self.groups.values():
            parts += group.pieces(_NODES_PER_PIECE * 100)
        return parts

    def check(self) -> None:
        """Assert every invariant. O(n)."""
        ids: list[int] = []
        for base, node in self.nodes.items():
            assert node.base_id == base == node.ids[0]
            assert len(node.ids) == len(node.entries)
            assert node.deleted <= set(node.ids)
            assert all(type(part) is bytes for entry in node.entries for part in entry)
            twin = Node(base, node.names)
            for number, entry in zip(node.ids, node.entries, strict=True):
                twin.append(number, entry)
            twin.deleted = node.deleted
            assert twin.listpack_bytes == node.listpack_bytes or node.passed
            ids += node.ids
        assert ids == sorted(set(ids))
        live = [number for number, _ in self]
        assert len(live) == self.length == sum(node.live for node in self.nodes.values())
        assert self._tail is (self.nodes.peekitem(-1)[1] if len(self.nodes) else None)
        assert not ids or ids[-1] <= self.last_id
        assert self.first_id == (live[0] if live else 0)
        assert self.radix_nodes == radix_nodes(self.nodes)
        for group in self.groups.values():
            group.check()
