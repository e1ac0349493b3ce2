"""The stream type against a plain list of entries: ranges, deletion, trimming, nodes, counters."""

from __future__ import annotations

from bisect import bisect_left

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kvcore.datatypes.consumer_group import UNKNOWN, ConsumerGroup
from kvcore.datatypes.stream import Stream
from kvcore.datatypes.stream_id import MAX_ID, SEQUENCE_MAX

MAX_ENTRIES = 4
MAX_BYTES = 120
FIELDS = st.lists(st.sampled_from([b"f", b"1", b"-129", b"x" * 30]), min_size=1, max_size=2).map(
    lambda names: tuple(part for name in names for part in (name, name * 2))
)
IDS = st.integers(0, 40)


class StreamMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.stream = Stream()
        self.model: list[tuple[int, tuple[bytes, ...]]] = []
        self.added = 0

    @rule(step=st.integers(1, 3), fields=FIELDS)
    def append(self, step: int, fields: tuple[bytes, ...]) -> None:
        number = self.stream.last_id + step
        self.stream.append(number, fields, MAX_ENTRIES, MAX_BYTES)
        self.model.append((number, fields))
        self.added += 1

    @rule(number=IDS)
    def remove(self, number: int) -> None:
        there = [entry for entry in self.model if entry[0] == number]
        assert self.stream.remove(number) == bool(there)
        self.model = [entry for entry in self.model if entry[0] != number]
        if there:
            assert self.stream.max_deleted_id >= number

    @rule(length=st.integers(0, 12))
    def trim_to_length(self, length: int) -> None:
        removed = self.stream.trim_to_length(length, approximate=False)
        assert removed == max(len(self.model) - length, 0)
        self.model = self.model[removed:]

    @rule(low=IDS)
    def trim_below(self, low: int) -> None:
        removed = self.stream.trim_below(low, approximate=False)
        assert removed == bisect_left(self.model, (low,))
        self.model = self.model[removed:]

    @rule(length=st.integers(0, 12), limit=st.integers(0, 8))
    def trim_nodes(self, length: int, limit: int) -> None:
        before = [node.live for node in self.stream.nodes.values()]
        removed = self.stream.trim_to_length(length, approximate=True, limit=limit)
        assert removed in [sum(before[:count]) for count in range(len(before) + 1)]
        assert not limit or removed <= limit
        self.model = self.model[removed:]
        assert removed == 0 or len(self.model) >= length

    @rule()
    def set_back(self) -> None:
        """Do what XSETID may: go back to the last live entry."""
        self.stream.last_id = self.model[-1][0] if self.model else 0

    @rule(low=IDS, high=IDS, reverse=st.booleans())
    def ranges(self, low: int, high: int, reverse: bool) -> None:
        expected = [entry for entry in self.model if low <= entry[0] <= high]
        assert list(self.stream.range(low, high, reverse)) == (expected[::-1] if reverse else expected)

    @rule(number=IDS)
    def look(self, number: int) -> None:
        assert self.stream.get(number) == dict(self.model).get(number)
        assert (number in self.stream) == (number in dict(self.model))

    @invariant()
    def agrees(self) -> None:
        self.stream.check()
        assert list(self.stream) == self.model
        assert len(self.stream) == len(self.model)
        assert self.stream.last_entry() == (self.model[-1] if self.model else None)
        assert self.stream.entries_added == self.added
        for node in self.stream.nodes.values():
            assert node.size <= MAX_ENTRIES


TestStreamMachine = StreamMachine.TestCase
TestStreamMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def filled(count: int) -> Stream:
    stream = Stream()
    for number in range(1, count + 1):
        stream.append(number << 64, (b"f", b"%d" % number), 100, 4096)
    return stream


def test_next_ids() -> None:
    stream = Stream()
    assert stream.next_id(5) == 5 << 64
    assert stream.next_id(0) == 1
    stream.last_id = 5 << 64 | 7
    assert stream.next_id(5) == stream.next_id(4) == 5 << 64 | 8
    assert stream.next_id(6) == 6 << 64
    stream.last_id = 5 << 64 | SEQUENCE_MAX
    assert stream.next_id(5) == 6 << 64
    stream.last_id = MAX_ID
    assert stream.next_id(5) is None


def test_next_sequences() -> None:
    stream = Stream()
    assert stream.next_sequence(0) == 1
    assert stream.next_sequence(3) == 3 << 64
    stream.last_id = 3 << 64 | 1
    assert stream.next_sequence(3) == 3 << 64 | 2
    assert stream.next_sequence(2) is None
    stream.last_id = 3 << 64 | SEQUENCE_MAX
    assert stream.next_sequence(3) is None


def test_a_node_ends_after_a_number_of_entries() -> None:
    stream = filled(201)
    assert [node.size for node in stream.nodes.values()] == [100, 100, 1]
    assert stream.trim_to_length(150, approximate=True) == 0
    assert stream.trim_to_length(101, approximate=True) == 100
    assert stream.first_id == 101 << 64


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        # Seven bytes of frame, two of counts, the master entry's fields and end mark, then the entry itself.
        ((b"f", b"v"), 7 + 4 + 2 + 3 + 2 + (2 + 2 + 2 + 3 + 2)),
        ((b"f", b"127"), 7 + 4 + 2 + 3 + 2 + (2 + 2 + 2 + 2 + 2)),
        ((b"f", b"-1"), 7 + 4 + 2 + 3 + 2 + (2 + 2 + 2 + 3 + 2)),
        ((b"f", b"4096"), 7 + 4 + 2 + 3 + 2 + (2 + 2 + 2 + 4 + 2)),
        ((b"f", b"x" * 64), 7 + 4 + 2 + 3 + 2 + (2 + 2 + 2 + 67 + 2)),
        ((b"f", b"x" * 5000), 7 + 4 + 2 + 3 + 2 + (2 + 2 + 2 + 5007 + 2)),
    ],
)
def test_the_size_of_a_node(fields: tuple[bytes, ...], size: int) -> None:
    stream = Stream()
    stream.append(1, fields, 0, 0)
    assert stream.nodes.peekitem(0)[1].listpack_bytes == size


def test_field_names_are_kept_once_a_node() -> None:
    stream = Stream()
    for number in range(1, 4):
        stream.append(number, (bytes(bytearray(b"name")), b"v"), 100, 4096)
    assert len({id(fields[0]) for _, fields in stream}) == 1


def test_limits_of_trimming() -> None:
    stream = filled(250)
    assert stream.trim_to_length(0, approximate=True, limit=199) == 100
    assert stream.trim_below(500 << 64, approximate=True, limit=100) == 100
    assert stream.trim_below(500 << 64, approximate=True, limit=49) == 0
    assert stream.trim_below(500 << 64, approximate=True, limit=50) == 50
    assert (stream.length, stream.first_id, stream.last_id) == (0, 0, 250 << 64)


def test_trimming_leaves_what_was_deleted_behind_it() -> None:
    stream = filled(2)
    stream.remove(2 << 64)
    assert stream.trim_below(2 << 64, approximate=False) == 1
    assert len(stream.nodes) == 1
    assert stream.oldest_id() == 1 << 64
    assert stream.length == stream.first_id == 0
    stream.check()


def test_ids_may_be_given_out_again() -> None:
    stream = filled(4)
    stream.remove(3 << 64)
    stream.remove(4 << 64)
    stream.last_id = 2 << 64
    stream.append(3 << 64, (b"f", b"again"), 5, 0)
    stream.append(4 << 64, (b"f", b"again"), 5, 0)
    assert [number >> 64 for number, _ in stream] == [1, 2, 3, 4]
    assert [node.size for node in stream.nodes.values()] == [5, 1]
    stream.check()


def test_lag_and_position() -> None:
    stream = Stream()
    group = ConsumerGroup(0, 0)
    assert stream.lag(group) == 0
    assert stream.position_of(9) == 0
    stream = filled(5)
    assert stream.lag(group) == 5
    assert stream.lag(ConsumerGroup(0)) == 5
    assert stream.lag(ConsumerGroup(1 << 64)) == 4
    assert stream.lag(ConsumerGroup(3 << 64)) is None
    assert stream.lag(ConsumerGroup(5 << 64)) == 0
    assert stream.position_of(6 << 64) == UNKNOWN
    assert stream.advance(group, 1 << 64)
    assert not stream.advance(group, 1 << 64)
    assert (group.last_id, group.entries_read) == (1 << 64, 1)
    stream.remove(3 << 64)
    assert stream.lag(group) is None
    stream.advance(group, 2 << 64)
    assert group.entries_read == UNKNOWN
    stream.advance(group, 5 << 64)
    assert group.entries_read == 5


def test_a_copy_is_independent() -> None:
    stream = filled(150)
    stream.remove(7 << 64)
    stream.groups[b"g"] = ConsumerGroup(3)
    copy = stream.copy()
    copy.check()
    assert list(copy) == list(stream)
    assert copy.max_deleted_id == 7 << 64
    copy.append(151 << 64, (b"f", b"v"), 100, 4096)
    copy.remove(1 << 64)
    copy.groups[b"g"].last_id = 4
    assert stream.length == 149
    assert 1 << 64 in stream
    assert stream.groups[b"g"].last_id == 3
    stream.check()


def test_pieces_hold_all_nodes() -> None:
    stream = filled(2550)
    pieces = stream.pieces()
    assert [len(piece) for piece in pieces] == [10, 10, 6]
    assert [node for piece in pieces for node in piece] == list(stream.nodes.values())
    assert stream.weight == 2550


def test_pieces_hold_what_is_pending() -> None:
    stream = filled(1)
    group = stream.groups[b"g"] = ConsumerGroup(0)
    consumer = group.add_consumer(b"c", 0)
    for number in range(2500):
        group.deliver(number, consumer, 0)
    assert [len(piece) for piece in stream.pieces()] == [1, 1000, 1000, 500, 1000, 1000, 500]
    assert stream.weight == 2501


def test_groups_come_by_name() -> None:
    stream = Stream()
    for name in (b"b", b"\xff", b"a"):
        stream.groups[name] = ConsumerGroup(0)
    assert [name for name, _ in stream.groups_in_order()] == [b"a", b"b", b"\xff"]


def test_shared_nodes_stay_as_they_are() -> None:
    stream = Stream()
    for number in range(1, 1001):
        stream.append(number << 64, [b"f", b"%d" % number], 100, 4096)
    nodes = list(stream.nodes.values())
    before = [(list(node.ids), list(node.entries), set(node.deleted)) for node in nodes]
    stream.share(nodes)
    stream.append(2000 << 64, [b"f", b"new"], 100, 4096)
    stream.remove(500 << 64)
    stream.remove(1000 << 64)
    stream.trim_to_length(850, approximate=False)
    stream.append(2001 << 64, [b"f", b"newer"], 100, 4096)
    stream.check()
    assert stream.length == 851
    assert [(list(node.ids), list(node.entries), set(node.deleted)) for node in nodes] == before
    kept = [node for node in stream.nodes.values() if any(node is other for other in nodes)]
    assert 0 < len(kept) < len(nodes), "a node that did not change is still the same one"
