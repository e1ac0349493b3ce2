"""Intsets: the real server's own bytes, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcore.errors import RdbError
from kvcore.rdb.intset import decode, encode


@pytest.mark.parametrize(
    ("numbers", "data"),
    [
        ([-3, 1, 2], "0200000003000000fdff01000200"),
        ([1, 40000], "040000000200000001000000409c0000"),
        ([-32768, 32767], "02000000020000000080ff7f"),
        ([2**31], "0800000001000000000000 8000000000"),
    ],
)
def test_bytes_of_the_real_server(numbers: list[int], data: str) -> None:
    assert encode(numbers) == bytes.fromhex(data)
    assert decode(bytes.fromhex(data), True) == numbers


@given(numbers=st.sets(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=50))
def test_round_trip(numbers: set[int]) -> None:
    assert decode(encode(sorted(numbers)), True) == sorted(numbers)


@pytest.mark.parametrize(
    "data",
    [
        "",
        "02000000",
        "0200000000000000",  # empty
        "0300000001000000010000",  # no such width
        "02000000020000000100",  # shorter than it says
        "0200000001000000010002 00",  # longer
        "08000000ffffffff",
    ],
)
@pytest.mark.parametrize("deep", [False, True])
def test_what_cannot_be_read_is_refused(data: str, deep: bool) -> None:
    with pytest.raises(RdbError):
        decode(bytes.fromhex(data), deep)


@pytest.mark.parametrize("numbers", [[2, 1], [1, 1]])
def test_only_deep_reading_wants_order(numbers: list[int]) -> None:
    data = encode(numbers)
    assert decode(data, False) == numbers
    with pytest.raises(RdbError, match="not in order"):
        decode(data, True)
