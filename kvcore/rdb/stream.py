"""Streams to RDB and back: nodes of entries, counters, consumer groups.

Here: types 15, 19 and 21, one after the other the same with more fields. Not here: strings and listpacks themselves.
The rule: entries are the truth. How many there are and which is the first is counted, not believed; ids must ascend,
for they are what a stream is searched by.

A node's listpack begins with its counts of live and of deleted entries and the field names of the first; each entry
is flags, the two halves of its id against the node's, names unless they are the first's, values, and the number of
elements so far, which lets the real server walk backwards.
"""

from __future__ import annotations

from bisect import bisect_left
from struct import pack, unpack_from
from typing import Final

from kvcore.datatypes.consumer_group import UNKNOWN, ConsumerGroup, Pending
from kvcore.datatypes.numbers import parse_int
from kvcore.datatypes.stream import Node, Stream
from kvcore.datatypes.stream_id import SEQUENCE_MAX
from kvcore.errors import RdbError
from kvcore.rdb import listpack, sink, types
from kvcore.rdb.source import Source

_DELETED: Final = 1
_SAME_NAMES: Final = 2
_ID_BYTES: Final = 16


# Writing


def write(stream: Stream, compress: int, kind: int = types.STREAM_LISTPACKS_2) -> bytes:
    """Return the payload of type 19, or of 15. O(bytes)."""
    parts = [sink.length(len(stream.nodes))]
    parts += [write_node(node, compress) for node in stream.nodes.values()]
    parts.append(write_tail(stream, compress, kind))
    return b"".join(parts)


def write_node(node: Node, compress: int) -> bytes:
    """Return a node: its id and its entries. O(bytes)."""
    name = sink.string(node.base_id.to_bytes(_ID_BYTES, "big"), 0)
    return name + sink.string(listpack.wrap(_entries_of(node)), compress)


def write_tail(stream: Stream, compress: int, kind: int = types.STREAM_LISTPACKS_2) -> bytes:
    """Return what follows the nodes: counters and groups. O(pending entries)."""
    parts = [sink.length(stream.length), _id(stream.last_id)]
    if kind != types.STREAM_LISTPACKS:
        parts += [_id(stream.first_id), _id(stream.max_deleted_id)]
        parts.append(sink.length(stream.entries_added & SEQUENCE_MAX))
    parts.append(sink.length(len(stream.groups)))
    for name, group in stream.groups_in_order():
        parts.append(sink.string(name, compress))
        _write_group(parts, group, compress, kind)
    return b"".join(parts)


def _entries_of(node: Node) -> list[bytes]:
    """Return the elements of a node's listpack."""
    integer = listpack.encode_integer
    element = listpack.encode_entry
    entries = [integer(node.live), integer(len(node.deleted)), integer(len(node.names))]
    entries += map(element, node.names)
    entries.append(integer(0))
    base_ms, base_sequence = node.base_id >> 64, node.base_id & SEQUENCE_MAX
    for number, fields in zip(node.ids, node.entries, strict=True):
        names = fields[::2]
        same = names == node.names
        entries.append(integer((_SAME_NAMES if same else 0) | (_DELETED if number in node.deleted else 0)))
        entries.append(integer(_signed((number >> 64) - base_ms)))
        entries.append(integer(_signed((number & SEQUENCE_MAX) - base_sequence)))
        if same:
            entries += map(element, fields[1::2])
            entries.append(integer(len(names) + 3))
        else:
            entries.append(integer(len(names)))
            entries += map(element, fields)
            entries.append(integer(len(fields) + 4))
    return entries


def _signed(number: int) -> int:
    """Return ``number`` as 64 bits with a sign hold it."""
    number &= SEQUENCE_MAX
    return number - (1 << 64) if number >> 63 else number


def _id(number: int) -> bytes:
    return sink.length(number >> 64) + sink.length(number & SEQUENCE_MAX)


def _write_group(parts: list[bytes], group: ConsumerGroup, compress: int, kind: int) -> None:
    parts.append(_id(group.last_id))
    if kind != types.STREAM_LISTPACKS:
        parts.append(sink.length(group.entries_read & SEQUENCE_MAX))
    parts.append(sink.length(len(group.pending)))
    for number, pending in group.pending.items():
        parts.append(number.to_bytes(_ID_BYTES, "big"))
        parts.append(pack("<q", pending.delivered_ms))
        parts.append(sink.length(pending.deliveries))
    parts.append(sink.length(len(group.consumers)))
    for consumer in group.consumers_in_order():
        parts.append(sink.string(consumer.name, compress))
        parts.append(pack("<q", consumer.seen_ms))
        parts.append(sink.length(len(consumer.pending)))
        parts += [number.to_bytes(_ID_BYTES, "big") for number in consumer.pending]


# Reading


def read(source: Source, kind: int, deep: bool) -> Stream:
    """Read a stream of type ``kind``; raise RdbError if it is none. O(bytes)."""
    nodes: dict[int, Node | None] = {}
    for _ in range(source.length()):
        key = source.string()
        if len(key) != _ID_BYTES:
            raise RdbError("stream node is not named by an id", source.position)
        base = int.from_bytes(key, "big")
        if base in nodes:
            raise RdbError("stream has a node twice", source.position)
        nodes[base] = _read_node(source, base, deep)
    stream = Stream()
    stream.adopt(_in_order(source, nodes))
    if source.number() and not nodes:
        raise RdbError("stream says that it has entries, and has none", source.position)
    last = stream.last_entry()
    stream.last_id = max(_read_id(source), last[0] if last is not None else 0)
    if kind == types.STREAM_LISTPACKS:
        stream.entries_added = stream.length
    else:
        _read_id(source)
        stream.max_deleted_id = _read_id(source)
        stream.entries_added = source.number()
    for _ in range(source.length()):
        name = source.string()
        if name in stream.groups:
            raise RdbError("stream has a group twice", source.position)
        stream.groups[name] = _read_group(source, stream, kind)
    return stream


def _read_id(source: Source) -> int:
    milliseconds = source.number()
    return milliseconds << 64 | source.number()


def _in_order(source: Source, nodes: dict[int, Node | None]) -> list[Node]:
    """Return the nodes by id, without those that hold nothing."""
    ordered: list[Node] = []
    for _, node in sorted(nodes.items()):
        if node is not None:
            if ordered and not _make_room(ordered[-1], node.base_id):
                raise RdbError("stream entries are not in order", source.position)
            ordered.append(node)
    return ordered


def _make_room(node: Node, number: int) -> bool:
    """Let go of deleted entries that are in the way of a new id; False if one that is not deleted is.

    XSETID may set a stream back behind deleted entries, and then their ids are given out again.
    """
    place = bisect_left(node.ids, number)
    if place == 0 or not node.deleted.issuperset(node.ids[place:]):
        return False
    if place < len(node.ids):
        node.forget_from(number)
    return True


def _read_node(source: Source, base: int, deep: bool) -> Node | None:
    """Read a node, None if it holds no entry."""
    start = source.position
    blob = source.string()
    try:
        texts = listpack.decode(blob, deep, counted=False)
        return _node_of(Elements(texts), base)
    except RdbError as error:
        raise RdbError(f"{error.reason}, within", start) from None


class Elements:
    """The elements of a node's listpack and how far they are read."""

    __slots__ = ("position", "texts")

    def __init__(self, texts: list[bytes]) -> None:
        self.texts = texts
        self.position = 0

    def integer(self) -> int:
        """Read one that must be an integer. O(1)."""
        text = self.take(1)[0]
        number = parse_int(text)
        if number is None:
            raise RdbError("stream entry has a text in place of a number", self.position)
        return number

    def take(self, count: int) -> list[bytes]:
        """Read ``count`` elements. O(count)."""
        start = self.position
        stop = start + count
        if not start <= stop <= len(self.texts):
            raise RdbError("stream node has fewer elements than it says", start)
        self.position = stop
        return self.texts[start:stop]


def _node_of(elements: Elements, base: int) -> Node | None:
    count = elements.integer() + elements.integer()
    names = elements.take(elements.integer())
    if elements.integer():
        raise RdbError("stream node has no mark behind its names", elements.position)
    node = Node(base, tuple(names))
    for _ in range(count):
        flags = elements.integer()
        milliseconds = (base >> 64) + elements.integer() & SEQUENCE_MAX
        number = milliseconds << 64 | (base & SEQUENCE_MAX) + elements.integer() & SEQUENCE_MAX
        if flags & _SAME_NAMES:
            fields = [text for pair in zip(names, elements.take(len(names)), strict=True) for text in pair]
            behind = len(names) + 3
        else:
            fields = elements.take(elements.integer() * 2)
            behind = len(fields) + 4
        if elements.integer() != behind:
            raise RdbError("stream entry has another length backwards", elements.position)
        if number != base if not node.ids else (number <= node.ids[-1] and not _make_room(node, number)):
            raise RdbError("stream entries are not in order", elements.position)
        node.append(number, fields)
        if flags & _DELETED:
            node.deleted.add(number)
    if elements.position != len(elements.texts) or count < 0:
        raise RdbError("stream node has more elements than it says", elements.position)
    return node if node.ids else None


def _read_group(source: Source, stream: Stream, kind: int) -> ConsumerGroup:
    group = ConsumerGroup(_read_id(source))
    if kind == types.STREAM_LISTPACKS:
        group.entries_read = stream.position_of(group.last_id)
    else:
        group.entries_read = max(_signed(source.number()), UNKNOWN)
    delivered: dict[int, tuple[int, int]] = {}
    for _ in range(source.length()):
        number = int.from_bytes(source.take(_ID_BYTES), "big")
        if number in delivered:
            raise RdbError("group has a pending entry twice", source.position)
        at_ms = _milliseconds(source)
        delivered[number] = (at_ms, source.number())
    for _ in range(source.length()):
        name = source.string()
        if name in group.consumers:
            raise RdbError("group has a consumer twice", source.position)
        consumer = group.add_consumer(name, _milliseconds(source))
        if kind == types.STREAM_LISTPACKS_3:
            source.take(8)  # when it was last given something, which 7.0 does not keep
        for _ in range(source.length()):
            number = int.from_bytes(source.take(_ID_BYTES), "big")
            found = delivered.pop(number, None)
            if found is None:
                raise RdbError("consumer has a pending entry that is not its group's alone", source.position)
            pending = Pending(consumer, found[0], found[1])
            consumer.pending[number] = group.pending[number] = pending
    if delivered:
        raise RdbError("group has pending entries of no consumer", source.position)
    return group


def _milliseconds(source: Source) -> int:
    value: int = unpack_from("<q", source.take(8))[0]
    return value
