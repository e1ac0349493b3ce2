"""RDB to values: every type, the forms that the limits choose, and what is refused."""

from __future__ import annotations

import struct
from random import Random

import pytest

from kvcore.datatypes.hash import Hash
from kvcore.datatypes.list import List
from kvcore.datatypes.set import Set
from kvcore.datatypes.sorted_set import SortedSet
from kvcore.errors import RdbError
from kvcore.rdb import intset, listpack
from kvcore.rdb.reader import deserialize
from kvcore.rdb.source import Source
from kvcore.rdb.writer import serialize
from tests.rdb.samples import MIXED, PAYLOADS, SCORED, TEXTS, Limits, blob, mutated, ziplist, zipmap


class TightLimits(Limits):
    """Everything is large."""

    hash_entries = hash_value = intset_entries = zset_entries = zset_value = 0


def read(body: bytes, limits: Limits | None = None, deep: bool = True) -> object:
    source = Source(body, 1)
    value = deserialize(body[0], source, limits or Limits(), deep)
    assert source.left() == 0
    return value


PAIRS = dict(zip(TEXTS[::2], TEXTS[1::2], strict=True))
EXPECTED: dict[str, object] = {
    "string": b"hello",
    "string of 8 bits": b"12",
    "string of 32 bits": b"100000",
    "string compressed": b"abc" * 9,
    "list": [b"a", b"bb", b"5"],
    "set": {b"a", b"bb", b"5"},
    "set of integers": {b"5", b"1000", b"-1"},
    "zset": {b"a": 1.5, b"b": float("-inf"), b"c": 17.0},
    "hash": {b"f": b"1", b"g": b"v" * 70},
    "zset_2": {b"b": 2.5, b"a": -1.0},
    "hash zipmap": {b"a": b"b", b"foo": b"hi", b"k": b"v" * 20},
    "list ziplist": TEXTS,
    "intset of 16 bits": {b"-3", b"1", b"2", b"40"},
    "intset of 32 bits": {b"-3", b"1", b"2", b"100000"},
    "intset of 64 bits": {b"-3", b"1", b"2", b"%d" % 2**40},
    "zset ziplist": {b"a": 1.0, b"b": 1.5, b"ccc": 70000.0},
    "hash ziplist": PAIRS,
    "quicklist": [*TEXTS, b"1", b"x"],
    "hash listpack": PAIRS,
    "zset listpack": {b"a": 1.0, b"b": 1.5, b"ccc": -70000.0, b"d" * 30: float("inf")},
    "quicklist_2": [*TEXTS, b"plain", b"z"],
}


def plain(value: object) -> object:
    """Return a value as a builtin type."""
    if isinstance(value, Hash | SortedSet):
        value.check()
        return dict(value.items())
    if isinstance(value, Set):
        value.check()
        return set(value)
    return list(value) if isinstance(value, List) else value


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("deep", [False, True])
def test_every_type(name: str, deep: bool) -> None:
    assert plain(read(PAYLOADS[name], deep=deep)) == EXPECTED[name]
    assert plain(read(PAYLOADS[name], TightLimits(), deep)) == EXPECTED[name]


def test_set_listpack_of_newer_servers() -> None:
    assert plain(read(b"\x14" + blob(listpack.encode([b"a", b"5"])))) == {b"a", b"5"}
    value = read(b"\x14" + blob(listpack.encode([b"7", b"5"])))
    assert isinstance(value, Set)
    assert value.encoding == "intset"
    with pytest.raises(RdbError, match="twice"):
        read(b"\x14" + blob(listpack.encode([b"a", b"a"])))
    with pytest.raises(RdbError, match="empty"):
        read(b"\x14" + blob(listpack.encode([])))


TIMED = [
    b"\x16\x02" + blob(b"f") + blob(b"v") + b"\xff" * 8 + blob(b"g") + blob(b"w") + (1005).to_bytes(8, "little"),
    b"\x18" + (1000).to_bytes(8, "little") + b"\x02\x00" + blob(b"f") + blob(b"v") + b"\x06" + blob(b"g") + blob(b"w"),
    b"\x19" + (1005).to_bytes(8, "little") + blob(listpack.encode([b"g", b"w", b"1005", b"f", b"v", b"0"])),
]


@pytest.mark.parametrize("body", TIMED)
def test_fields_with_times_of_newer_servers(body: bytes) -> None:
    for limits in (Limits(), TightLimits()):
        value = read(body, limits)
        assert plain(value) == {b"f": b"v", b"g": b"w"}
        assert isinstance(value, Hash)
        assert value.expires is not None
        assert dict(value.expires.items()) == {b"g": 1005}


ENCODINGS = [
    ("set", "hashtable", "hashtable"),
    ("set of integers", "intset", "hashtable"),
    ("zset", "listpack", "skiplist"),
    ("zset_2", "listpack", "skiplist"),
    ("hash", "hashtable", "hashtable"),
    ("hash zipmap", "listpack", "hashtable"),
    ("intset of 64 bits", "intset", "hashtable"),
    ("zset ziplist", "listpack", "skiplist"),
    ("hash ziplist", "listpack", "hashtable"),  # a value of 70 bytes is not measured in a blob
    ("hash listpack", "listpack", "hashtable"),
    ("zset listpack", "listpack", "skiplist"),
]


@pytest.mark.parametrize(("name", "usual", "tight"), ENCODINGS)
def test_the_present_limits_choose_the_form(name: str, usual: str, tight: str) -> None:
    assert read(PAYLOADS[name]).encoding == usual  # type: ignore[attr-defined]
    assert read(PAYLOADS[name], TightLimits()).encoding == tight  # type: ignore[attr-defined]


def test_a_zipmap_is_measured() -> None:
    assert read(b"\x09" + blob(zipmap((b"k", b"v" * 64, 0)))).encoding == "listpack"  # type: ignore[attr-defined]
    assert read(b"\x09" + blob(zipmap((b"k", b"v" * 65, 0)))).encoding == "hashtable"  # type: ignore[attr-defined]


def test_empty_nodes_of_lists_are_skipped() -> None:
    body = b"\x12\x02\x02" + blob(listpack.encode([])) + b"\x02" + blob(listpack.encode([b"a"]))
    assert plain(read(body)) == [b"a"]


NAN = struct.pack("<d", float("nan"))
ONE = struct.pack("<d", 1)
REFUSED = [
    ("type", b"\x06\x00"),
    ("type", b"\x07\x00"),
    ("type", b"\x08\x00"),
    ("type", b"\x17\x00"),
    ("7 are left", b"\x16\x01" + blob(b"f") + blob(b"v") + bytes(7)),
    ("empty", b"\x16\x00"),
    ("twice", b"\x16\x02" + (blob(b"f") + blob(b"v") + bytes(8)) * 2),
    ("empty", b"\x18" + bytes(8) + b"\x00"),
    ("7 are left", b"\x18" + bytes(7)),
    ("twice", b"\x18" + bytes(8) + b"\x02" + (b"\x00" + blob(b"f") + blob(b"v")) * 2),
    ("lacks a part", b"\x19" + bytes(8) + blob(listpack.encode([b"f", b"v"]))),
    ("empty", b"\x19" + bytes(8) + blob(listpack.encode([]))),
    ("no integer", b"\x19" + bytes(8) + blob(listpack.encode([b"f", b"v", b"x"]))),
    ("twice", b"\x19" + bytes(8) + blob(listpack.encode([b"f", b"v", b"0"] * 2))),
    ("empty", b"\x01\x00"),
    ("empty", b"\x02\x00"),
    ("empty", b"\x03\x00"),
    ("empty", b"\x04\x00"),
    ("empty", b"\x05\x00"),
    ("empty", b"\x0e\x00"),
    ("empty", b"\x12\x00"),
    ("empty", b"\x0a" + blob(ziplist([]))),
    ("empty", b"\x0c" + blob(ziplist([]))),
    ("empty", b"\x0d" + blob(ziplist([]))),
    ("empty", b"\x0e\x01" + blob(ziplist([]))),
    ("empty", b"\x10" + blob(listpack.encode([]))),
    ("empty", b"\x11" + blob(listpack.encode([]))),
    ("empty", b"\x12\x01\x02" + blob(listpack.encode([]))),
    ("empty", b"\x12\x01\x01\x00"),
    ("container", b"\x12\x01\x03\x01a"),
    ("twice", b"\x02\x02\x01a\x01a"),
    ("twice", b"\x02\x02\xc0\x01\x011"),
    ("twice", b"\x03\x02\x01a\x011\x01a\x012"),
    ("twice", b"\x04\x02\x01a\x011\x01a\x012"),
    ("twice", b"\x05\x02\x01a" + ONE + b"\x01a" + ONE),
    ("twice", b"\x09" + blob(zipmap((b"a", b"b", 0), (b"a", b"c", 0)))),
    ("twice", b"\x0c" + blob(ziplist([b"a", 1, b"a", 2]))),
    ("twice", b"\x0d" + blob(ziplist([1, 1, b"1", 2]))),
    ("twice", b"\x10" + blob(listpack.encode([b"a", b"1", b"a", b"2"]))),
    ("twice", b"\x11" + blob(listpack.encode([b"a", b"1", b"a", b"2"]))),
    ("half a pair", b"\x0c" + blob(ziplist([b"a", 1, b"b"]))),
    ("half a pair", b"\x0d" + blob(ziplist([b"a"]))),
    ("half a pair", b"\x10" + blob(listpack.encode([b"a"]))),
    ("half a pair", b"\x11" + blob(listpack.encode([b"a", b"1", b"b"]))),
    ("not a number", b"\x05\x01\x01a" + NAN),
    ("not a number", b"\x03\x01\x01a\xfd"),
    ("not a number", b"\x11" + blob(listpack.encode([b"a", b"nan"]))),
]


@pytest.mark.parametrize(("why", "body"), REFUSED)
@pytest.mark.parametrize("deep", [False, True])
def test_what_no_value_can_be(why: str, body: bytes, deep: bool) -> None:
    with pytest.raises(RdbError, match=why):
        read(body, deep=deep)


def test_only_deep_reading_wants_an_intset_in_order() -> None:
    body = b"\x0b" + blob(intset.encode([5, 3]))
    assert list(read(body, deep=False)) == [b"3", b"5"]  # type: ignore[call-overload]
    with pytest.raises(RdbError, match="not in order"):
        read(body)
    with pytest.raises(RdbError, match="twice"):
        read(b"\x0b" + blob(intset.encode([5, 5])), deep=False)


def test_a_score_that_is_no_number_counts_as_nothing() -> None:
    value = read(b"\x11" + blob(listpack.encode([b"a", b"what", b"b", b"12abc"])))
    assert plain(value) == {b"a": 0.0, b"b": 12.0}


def test_errors_say_where_a_blob_began() -> None:
    body = b"\x10" + blob(listpack.encode(SCORED)[:-1] + b"\0")
    with pytest.raises(RdbError, match=r"does not end with its mark at its own byte \d+ \(at byte 1\)"):
        read(body)


@pytest.mark.parametrize("name", [name for name in PAYLOADS if "stream" not in name])
def test_cut_anywhere_it_is_refused(name: str) -> None:
    body = PAYLOADS[name]
    for end in range(1, len(body)):
        with pytest.raises(RdbError):
            read(body[:end])


def test_counts_and_sizes_are_not_believed() -> None:
    for kind in (1, 2, 3, 4, 5, 14, 15, 18, 19):
        for claim in ("80ffffffff", "81fffffffffffffff0"):
            with pytest.raises(RdbError):
                read(bytes([kind]) + bytes.fromhex(claim) + b"\x01a")


@pytest.mark.parametrize("deep", [False, True])
def test_mutations_are_read_or_refused_and_what_is_read_is_sound(deep: bool) -> None:
    random = Random(20)
    bodies = list(PAYLOADS.values())
    accepted = 0
    for _ in range(4000):
        body = mutated(random.choice(bodies), random)
        if not body:
            continue
        source = Source(body, 1)
        try:
            value = deserialize(body[0], source, Limits(), deep)
        except RdbError:
            continue
        accepted += 1
        if not isinstance(value, bytes | bytearray):
            value.check()
        kind, written = serialize(value, -2, True)
        again = deserialize(kind, Source(written), Limits(), True)
        assert serialize(again, -2, True)[1] == written or again.encoding == "hashtable"  # type: ignore[union-attr]
    assert 500 < accepted < 3500


def test_samples_name_every_type() -> None:
    assert {body[0] for body in PAYLOADS.values()} == {*range(20)} - {6, 7, 8}
    assert len(MIXED) == len(TEXTS)
