"""Stream ids: what is one, its text, and the shape of a radix tree over many."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcore.datatypes.stream_id import MAX_ID, SEQUENCE_MAX, format_id, parse_id, parse_partial_id, radix_nodes


@given(st.integers(0, MAX_ID))
def test_text_and_number_stand_for_each_other(number: int) -> None:
    assert parse_id(format_id(number)) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (b"0-0", 0),
        (b"0-1", 1),
        (b"1-0", 1 << 64),
        (b"1", 1 << 64),
        (b"007-01", 7 << 64 | 1),
        (b" +7-\t1", 7 << 64 | 1),
        (b"18446744073709551615-18446744073709551615", MAX_ID),
        (b"5--01", 5 << 64 | SEQUENCE_MAX),
        (b"5--9223372036854775809", 5 << 64 | (1 << 63) - 1),
        (b"5-5\0-junk", 5 << 64 | 5),
        (b"0" * 120 + b"7-5", 7 << 64 | 5),
    ],
)
def test_ids(text: bytes, number: int) -> None:
    assert parse_id(text) == number


@pytest.mark.parametrize(
    "text",
    [
        *(
            b"",
            b"-",
            b"+",
            b"-1",
            b"1-",
            b"1-x",
            b"x-1",
            b"1-2-3",
            b"1-*",
            b"*",
            b"(1",
            b"1-1 ",
            b"1.5",
            b"5--1",
            b"- 1",
        ),
        *(b"18446744073709551616", b"1-18446744073709551616", b"5--18446744073709551616", b"0" * 128, b"\0001-1"),
    ],
)
def test_no_ids(text: bytes) -> None:
    assert parse_id(text) is None


def test_a_missing_sequence() -> None:
    assert parse_id(b"3", 9) == 3 << 64 | 9
    assert parse_id(b"3-1", 9) == 3 << 64 | 1


def test_partial_ids() -> None:
    assert parse_partial_id(b"12-*") == 12
    for text in (b"12-1", b"12", b"*", b"-*", b"x-*", b"12-**", b"0" * 130 + b"-*"):
        assert parse_partial_id(text) is None


def build_tree(words: list[bytes]) -> int:
    """Count the nodes of the compressed tree over ``words`` by building it: the slow, plain way."""
    if words == [b""]:
        return 1
    run = 0
    while len({word[run] for word in words}) == 1:
        run += 1
        if all(len(word) == run for word in words):
            return 2
    if run:
        return 1 + build_tree([word[run:] for word in words])
    heads = sorted({word[0] for word in words})
    return 1 + sum(build_tree([word[1:] for word in words if word[0] == head]) for head in heads)


@given(st.sets(st.integers(0, 700) | st.integers(0, MAX_ID) | st.integers(0, 3).map(lambda ms: ms << 64), min_size=1))
def test_radix_nodes(numbers: set[int]) -> None:
    ordered = sorted(numbers)
    assert radix_nodes(ordered) == build_tree([number.to_bytes(16, "big") for number in ordered])


def test_an_empty_radix_tree_has_its_root() -> None:
    assert radix_nodes([]) == 1
