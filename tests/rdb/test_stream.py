"""Streams to RDB and back: the real server's own bytes, every version, and what is refused."""

from __future__ import annotations

from random import Random

import pytest

from kvcore.datatypes.consumer_group import UNKNOWN, ConsumerGroup
from kvcore.datatypes.stream import Stream
from kvcore.errors import RdbError
from kvcore.rdb import listpack, types
from kvcore.rdb.source import Source
from kvcore.rdb.stream import read, write
from tests.rdb.samples import STREAM, STREAM_1, STREAM_NODES, blob

V2 = types.STREAM_LISTPACKS_2


def number(milliseconds: int, sequence: int = 0) -> int:
    return milliseconds << 64 | sequence


def whole(data: bytes, kind: int = V2, deep: bool = True) -> Stream:
    source = Source(data)
    stream = read(source, kind, deep)
    assert source.left() == 0
    stream.check()
    return stream


def sample() -> Stream:
    stream = Stream()
    stream.append(number(1, 1), [b"f", b"v"], 100, 4096)
    stream.append(number(1, 2), [b"f", b"w"], 100, 4096)
    stream.append(number(5), [b"g", b"x", b"h", b"y"], 100, 4096)
    stream.remove(number(1, 2))
    group = stream.groups[b"g1"] = ConsumerGroup(0, UNKNOWN)
    consumer = group.add_consumer(b"c1", 0x1A2021A5CC5)
    stream.advance(group, number(1, 1))
    group.deliver(number(1, 1), consumer, 0x1A2021A5CC5)
    return stream


def node(*elements: object, key: int = number(1)) -> bytes:
    """Build one node of a listpack of ``elements``."""
    texts = [element if isinstance(element, bytes) else b"%d" % element for element in elements]  # type: ignore[str-bytes-safe]
    return blob(key.to_bytes(16, "big")) + blob(listpack.encode(texts))


ONE_ENTRY = node(1, 0, 1, b"f", 0, 2, 0, 0, b"v", 4)
COUNTERS = bytes.fromhex("01 0100 0100 0000 01")  # length, last, first, greatest deleted, added


def test_bytes_of_the_real_server() -> None:
    stream = whole(STREAM)
    assert list(stream) == [(number(1, 1), (b"f", b"v")), (number(5), (b"g", b"x", b"h", b"y"))]
    assert (stream.length, stream.last_id, stream.max_deleted_id, stream.entries_added) == (
        2,
        number(5),
        number(1, 2),
        3,
    )
    group = stream.groups[b"g1"]
    assert (group.last_id, group.entries_read) == (number(1, 1), UNKNOWN)
    assert [(at, pending.deliveries) for at, pending in group.pending.items()] == [(number(1, 1), 1)]
    assert write(stream, False) == STREAM
    assert write(sample(), False)[: len(STREAM_NODES) + 8] == STREAM[: len(STREAM_NODES) + 8]


def test_the_first_version_has_fewer_counters() -> None:
    stream = whole(STREAM_1, types.STREAM_LISTPACKS)
    assert list(stream) == list(whole(STREAM))
    assert (stream.entries_added, stream.max_deleted_id, stream.first_id) == (2, 0, number(1, 1))
    assert stream.groups[b"g"].entries_read == 1


def test_the_third_version_has_one_more_time() -> None:
    groups = bytes.fromhex("01 0167 0100 01 00 01 0163 0700000000000000 0900000000000000 00")
    stream = whole(b"\x01" + ONE_ENTRY + COUNTERS + groups, types.STREAM_LISTPACKS_3)
    assert stream.groups[b"g"].consumers[b"c"].seen_ms == 7


def test_an_empty_stream() -> None:
    stream = Stream()
    stream.append(number(1), [b"f", b"v"], 100, 4096)
    stream.remove(number(1))
    data = write(stream, True)
    assert data == bytes.fromhex("00 00 0100 0000 0100 01 00")
    assert whole(data).last_id == number(1)


def test_random_streams_survive() -> None:
    random = Random(3)
    for _ in range(30):
        stream = Stream()
        at = number(random.choice((0, 1_700_000_000_000)), 1)
        for _ in range(random.randrange(1, 300)):
            at += random.choice((1, number(1), number(100_000, 7)))
            names = random.choice(([b"a", b"b"], [b"a", b"b"], [b"x"]))
            fields = [part for name in names for part in (name, b"%d" % random.randrange(10**6))]
            stream.append(at, fields, 50, 4096)
            if random.random() < 0.2:
                stream.remove(next(iter(stream))[0])
        group = stream.groups[b"g"] = ConsumerGroup(0, 0)
        for name in (b"b", b"a"):
            consumer = group.add_consumer(name, 5)
            for entry, _ in list(stream)[: random.randrange(4)]:
                group.deliver(entry, consumer, 7)
        data = write(stream, random.random() < 0.5)
        copy = whole(data)
        assert list(copy) == list(stream)
        assert write(copy, False) == write(stream, False)


def test_counts_are_made_and_not_believed() -> None:
    stream = whole(b"\x01" + ONE_ENTRY + bytes.fromhex("07 0000 0500 0000 09 00"))
    assert (stream.length, stream.last_id, stream.first_id, stream.entries_added) == (1, number(1), number(1), 9)


def test_ids_that_were_given_out_again() -> None:
    # 1-0 and 2-0, of which 2-0 was deleted; XSETID 1-0; then 2-0 once more.
    entry = (0, 0, b"v", 4)
    data = node(2, 1, 1, b"f", 0, 2, *entry, 3, 1, 0, b"x", 4, 2, 1, 0, b"w", 4)
    stream = whole(b"\x01" + data + COUNTERS + b"\0")
    assert list(stream) == [(number(1), (b"f", b"v")), (number(2), (b"f", b"w"))]
    first = node(1, 1, 1, b"f", 0, 2, *entry, 3, 1, 0, b"x", 4)
    second = node(1, 0, 1, b"f", 0, 2, *entry, key=number(2))
    stream = whole(b"\x02" + first + second + COUNTERS + b"\0")
    assert [at for at, _ in stream] == [number(1), number(2)]


GROUP = bytes.fromhex("0167 0100 01")  # name, last id, entries read
PENDING = number(1).to_bytes(16, "big")
REFUSED = [
    ("not named by an id", b"\x01\x03abc" + blob(listpack.encode([b"0"]))),
    ("a node twice", b"\x02" + ONE_ENTRY * 2),
    ("has none", b"\x00" + COUNTERS + b"\0"),
    ("fewer elements", b"\x01" + node()),
    ("fewer elements", b"\x01" + node(1, 0, 5, b"f", 0)),
    ("fewer elements", b"\x01" + node(1, 0, -1, 0)),
    ("fewer elements", b"\x01" + node(2, 0, 1, b"f", 0, 2, 0, 0, b"v", 4)),
    ("more elements", b"\x01" + node(0, 0, 1, b"f", 0, 2, 0, 0, b"v", 4)),
    ("more elements", b"\x01" + node(-1, 0, 1, b"f", 0)),
    ("in place of a number", b"\x01" + node(b"x", 0, 0, 0)),
    ("no mark", b"\x01" + node(1, 0, 1, b"f", 1, 2, 0, 0, b"v", 4)),
    ("another length backwards", b"\x01" + node(1, 0, 1, b"f", 0, 2, 0, 0, b"v", 5)),
    ("another length backwards", b"\x01" + node(1, 0, 1, b"f", 0, 0, 0, 0, 1, b"g", b"v", 5)),
    ("not in order", b"\x01" + node(1, 0, 1, b"f", 0, 2, 1, 0, b"v", 4)),
    ("not in order", b"\x01" + node(2, 0, 1, b"f", 0, 2, 0, 0, b"v", 4, 2, 0, 0, b"v", 4)),
    (
        "not in order",
        b"\x02"
        + node(2, 0, 1, b"f", 0, 2, 0, 0, b"v", 4, 2, 9, 0, b"v", 4)
        + node(1, 0, 1, b"f", 0, 2, 0, 0, b"v", 4, key=number(5)),
    ),
    ("a group twice", b"\x01" + ONE_ENTRY + COUNTERS + b"\x02" + (GROUP + b"\0\0") * 2),
    (
        "pending entry twice",
        b"\x01" + ONE_ENTRY + COUNTERS + b"\x01" + GROUP + b"\x02" + (PENDING + bytes(8) + b"\1") * 2,
    ),
    ("of no consumer", b"\x01" + ONE_ENTRY + COUNTERS + b"\x01" + GROUP + b"\x01" + PENDING + bytes(8) + b"\1\0"),
    ("consumer twice", b"\x01" + ONE_ENTRY + COUNTERS + b"\x01" + GROUP + b"\0\2" + (b"\1c" + bytes(8) + b"\0") * 2),
    ("not its group's", b"\x01" + ONE_ENTRY + COUNTERS + b"\x01" + GROUP + b"\0\1\1c" + bytes(8) + b"\1" + PENDING),
]


@pytest.mark.parametrize(("why", "data"), REFUSED)
@pytest.mark.parametrize("deep", [False, True])
def test_what_no_stream_can_be(why: str, data: bytes, deep: bool) -> None:
    with pytest.raises(RdbError, match=why):
        read(Source(data), V2, deep)


def test_nodes_without_entries_are_left_out() -> None:
    stream = whole(
        b"\x02" + node(0, 0, 1, b"f", 0) + node(1, 0, 1, b"f", 0, 2, 0, 0, b"v", 4, key=number(2)) + COUNTERS + b"\0"
    )
    assert list(stream.nodes) == [number(2)]


def test_cut_anywhere_it_is_refused() -> None:
    for end in range(len(STREAM)):
        with pytest.raises(RdbError):
            read(Source(STREAM[:end]), V2, True)
