"""Zipmaps: what old servers wrote, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcore.errors import RdbError
from kvcore.rdb.zipmap import decode
from tests.rdb.samples import zipmap


def test_pairs_and_unused_bytes() -> None:
    assert decode(bytes.fromhex("010161010062ff")) == [b"a", b"b"]
    assert decode(bytes.fromhex("0103666f6f020268697a7aff")) == [b"foo", b"hi"]
    assert decode(zipmap((b"", b"", 0), (b"k", b"v" * 200, 3))) == [b"", b"", b"k", b"v" * 200]


def test_long_lengths_and_an_unknown_count() -> None:
    value = b"v" * 300
    data = b"\xfe\x01k\xfe" + len(value).to_bytes(4, "little") + b"\0" + value + b"\xff"
    assert decode(data) == [b"k", value]


@pytest.mark.parametrize(
    "data",
    [
        "",
        "ff",
        "00ff",  # empty
        "0101610100 62fe",  # no end mark
        "020161010062ff",  # another count
        "ff0161010062ff",
        "010561010062ff",  # a field beyond the end
        "010161050062ff",  # a value beyond the end
        "010161010562ff",  # unused bytes beyond the end
        "0101 61ff",  # a field without a value
        "01feffffffffff",
    ],
)
def test_what_is_wrong_is_refused(data: str) -> None:
    with pytest.raises(RdbError):
        decode(bytes.fromhex(data))


@given(data=st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        texts = decode(data + b"\xff")
    except RdbError:
        return
    assert texts
    assert len(texts) % 2 == 0
    assert sum(map(len, texts)) < len(data)
