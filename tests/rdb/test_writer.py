"""Values to RDB: the real server's own bytes, and which type each form gets."""

from __future__ import annotations

import pytest

from kvcore.datatypes.hash import Hash
from kvcore.datatypes.list import List
from kvcore.datatypes.set import Set
from kvcore.datatypes.sorted_set import SortedSet
from kvcore.rdb import listpack, types
from kvcore.rdb.writer import quicklist_nodes, serialize


def hash_of(*pairs: tuple[bytes, bytes], max_entries: int = 512) -> Hash:
    result = Hash()
    for field, value in pairs:
        result.put(field, value, max_entries, 64)
    return result


def sorted_set_of(*pairs: tuple[bytes, float], max_entries: int = 128) -> SortedSet:
    result = SortedSet()
    for member, score in pairs:
        result.put(member, score, max_entries, 64)
    return result


@pytest.mark.parametrize(
    ("value", "kind", "data"),
    [
        (b"hello", 0, "0568656c6c6f"),
        (b"12", 0, "c00c"),
        (bytearray(b"12"), 0, "c00c"),
        (List([b"a", b"1", b"300"]), 18, "01020f0f00000003008161020101c12c02ff"),
        (Set([b"1", b"2", b"-3"]), 11, "0e0200000003000000fdff01000200"),
        (hash_of((b"f", b"v"), (b"n", b"-5000")), 16, "14140000000400816602817602816e02f178ec03ff"),
        (sorted_set_of((b"b", 2), (b"a", 1.5)), 17, "14140000000400816102 83312e3504 816202 0201ff"),
        (Set([b"a"]), 2, "010161"),
        (hash_of((b"f", b"v"), max_entries=0), 4, "0101660176"),
        (sorted_set_of((b"a", -1), (b"b", 2.5), max_entries=0), 5, "02 0162 0000000000000440 0161 000000000000f0bf"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_bytes_of_the_real_server(value: object, kind: int, data: str) -> None:
    assert serialize(value, -2, True) == (kind, bytes.fromhex(data))


@pytest.mark.parametrize(
    ("score", "text"),
    [
        (0.1, b"0.10000000000000001"),
        (-0.0, b"0"),
        (2.0**62, b"4611686018427387904"),
        (2.0**63, b"9.2233720368547758e+18"),
        (1e20, b"1e+20"),
        (float("-inf"), b"-inf"),
        (-5.0, b"-5"),
    ],
)
def test_scores_of_small_sorted_sets(score: float, text: bytes) -> None:
    kind, data = serialize(sorted_set_of((b"m", score)), -2, False)
    assert kind == types.ZSET_LISTPACK
    assert listpack.decode(data[1:], True) == [b"m", text]


@pytest.mark.parametrize(
    ("fill", "counts"),
    [
        (-1, [40, 10]),
        (-2, [50]),
        (-9, [50]),
        (3, [3] * 16 + [2]),
        (1, [1] * 50),
        (0, [1] * 50),
        (100_000, [50]),
    ],
)
def test_nodes_of_lists(fill: int, counts: list[int]) -> None:
    nodes = quicklist_nodes([b"x" * 98] * 50, fill)
    assert [len(listpack.decode(blob, True)) for _, blob in nodes] == counts
    assert {container for container, _ in nodes} == {b"\x02"}


def test_a_node_of_counted_entries_is_small_too() -> None:
    nodes = quicklist_nodes([b"x" * 3000] * 5, 100)
    assert [len(listpack.decode(blob, True)) for _, blob in nodes] == [2, 2, 1]


def test_a_value_that_fits_no_node_has_its_own() -> None:
    nodes = quicklist_nodes([b"a", b"x" * 9000, b"b", b"c"], -2)
    assert [len(listpack.decode(blob, True)) for _, blob in nodes] == [1, 1, 2]


def test_plain_nodes() -> None:
    nodes = quicklist_nodes([b"a", b"b", b"large", b"larger", b"c"], -2, large=5)
    assert [container for container, _ in nodes] == [b"\x02", b"\x01", b"\x01", b"\x02"]
    assert nodes[1][1] == b"large"


def test_compression_is_a_choice() -> None:
    assert serialize(b"a" * 21, -2, True) == (0, bytes.fromhex("c30615016161e00a00"))
    assert serialize(b"a" * 21, -2, False) == (0, b"\x15" + b"a" * 21)
    small = hash_of(*((b"field%d" % number, b"value") for number in range(20)))
    assert len(serialize(small, -2, True)[1]) < len(serialize(small, -2, False)[1]) / 2
