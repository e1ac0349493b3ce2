"""LZF: the real server's own bytes, round trips, and streams that lie."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcore.errors import RdbError
from kvcore.rdb.lzf import compress, decompress


@pytest.mark.parametrize(
    ("data", "packed"),
    [
        (b"a" * 21, "016161e00a00"),
        (b"abc" * 9, "0361626361e00c020162 63"),
    ],
)
def test_bytes_of_the_real_server(data: bytes, packed: str) -> None:
    assert compress(data) == bytes.fromhex(packed)
    assert decompress(bytes.fromhex(packed), len(data)) == data


@pytest.mark.parametrize(
    "data", [b"", b"a", b"ab", b"aaaa", bytes(range(256)), b"abcdefghijklmnopqrstuvw", b"xyz1xyz2abcdefg"]
)
def test_what_saves_too_little_is_refused(data: bytes) -> None:
    assert compress(data) is None


TEXTS = st.one_of(
    st.binary(max_size=400),
    st.lists(st.sampled_from([b"a", b"b", b"ab", b"hello ", bytes(40)]), max_size=200).map(b"".join),
    st.builds(
        lambda text, times, end: text * times + end, st.binary(max_size=60), st.integers(0, 400), st.binary(max_size=5)
    ),
)


@given(data=TEXTS)
def test_round_trip(data: bytes) -> None:
    packed = compress(data)
    if packed is not None:
        assert len(packed) <= len(data) - 4
        assert decompress(packed, len(data)) == data


def test_matches_reach_8192_bytes_back() -> None:
    filler = b"".join(b"%05x" % (number * 7919 % 1048573) for number in range(3000))
    for distance, is_found in ((8192, True), (8193, False)):
        needle = b"\x01\x02\x03\x04\x05\x06\x07\x08\x09"
        data = b"." + needle + filler[: distance - len(needle)] + needle
        packed = compress(data)
        assert packed is not None
        assert (packed.count(needle) == 1) is is_found
        assert decompress(packed, len(data)) == data


@pytest.mark.parametrize(
    ("packed", "size"),
    [
        ("", 1),  # nothing stands for something
        ("0161", 2),  # literals that end early
        ("0061", 2),  # fewer bytes than promised
        ("01616261", 2),  # more bytes than promised
        ("20", 5),  # a match without a distance
        ("e0", 20),
        ("e005", 20),
        ("2000", 3),  # a match before the start
        ("00612001", 4),
        ("0061e0ff00", 4_000_000_000),  # a length that nothing so short can stand for
    ],
)
def test_what_lies_is_refused(packed: str, size: int) -> None:
    with pytest.raises(RdbError):
        decompress(bytes.fromhex(packed), size)


def test_nothing_is_nothing_whatever_it_says() -> None:
    assert decompress(b"\x00\x61", 0) == b""


@given(packed=st.binary(max_size=100), size=st.integers(0, 3000))
def test_any_bytes_give_the_size_or_an_error(packed: bytes, size: int) -> None:
    try:
        data = decompress(packed, size)
    except RdbError:
        return
    assert len(data) == size
