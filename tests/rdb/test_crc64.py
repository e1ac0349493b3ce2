"""The checksum against its published check value, and both ways of computing it against each other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kvcore.rdb.crc64 import crc64, table_crc64


def test_check_value() -> None:
    assert table_crc64(b"123456789") == 0xE9C6D914C4B8D9CA
    assert crc64(b"123456789") == 0xE9C6D914C4B8D9CA
    assert crc64(b"") == table_crc64(b"") == 0


@given(first=st.binary(max_size=300), second=st.binary(max_size=300))
def test_both_ways_agree_and_go_on(first: bytes, second: bytes) -> None:
    whole = table_crc64(first + second)
    assert crc64(first + second) == whole
    assert crc64(second, crc64(first)) == whole
    assert table_crc64(second, table_crc64(first)) == whole
