"""Ziplists: every encoding, both forms of the backward length, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcore.errors import RdbError
from kvcore.rdb.ziplist import decode
from tests.rdb.samples import Item, ziplist

NUMBERS = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**23), 2**23), st.integers(-200, 200))
ITEMS = st.lists(st.one_of(st.binary(max_size=300), NUMBERS), max_size=30)


def test_bytes_of_the_real_server() -> None:
    assert decode(bytes.fromhex("0f0000000c000000020000f302f6ff")) == [b"2", b"5"]


@given(items=ITEMS)
def test_every_encoding(items: list[Item]) -> None:
    assert decode(ziplist(items)) == [b"%d" % item if isinstance(item, int) else item for item in items]


def test_long_strings() -> None:
    items: list[Item] = [b"x" * 63, b"y" * 64, b"z" * 16383, b"w" * 16384, 1]
    assert decode(ziplist(items))[3] == b"w" * 16384


@pytest.mark.parametrize(
    "data",
    [
        "",
        "0b0000000a00000000",
        "0c0000000a0000000000ff",  # another size
        "0b0000000a0000000000fe",  # no end mark
        "0b0000000b0000000000ff",  # the last entry beyond the end
        "0d0000000a000000020000f2ff",  # another count
        "0d0000000a000000010001f2ff",  # another length backwards
        "0d0000000b000000010000f2ff",  # the last entry elsewhere
        "0d0000000a000000010000c1ff",  # no such encoding
        "0d0000000a00000001000005ff",  # a string beyond the end
        "0d0000000a0000000100fe00ff",  # a backward length beyond the end
        "0d0000000a000000010000c0ff",  # an integer beyond the end
        "100000000a0000000100 0080ffffffffff",
        "0e0000000a0000000100 00f2ffff",  # an end before the end
    ],
)
def test_what_is_wrong_is_refused(data: str) -> None:
    with pytest.raises(RdbError):
        decode(bytes.fromhex(data))


@given(data=st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    body = data + b"\xff"
    whole = (len(body) + 4).to_bytes(4, "little") + body
    try:
        texts = decode(whole)
    except RdbError:
        return
    assert sum(map(len, texts)) < 20 * len(whole)
