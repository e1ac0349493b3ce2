"""Listpacks: the real server's own bytes, round trips, and what deep reading adds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcore.errors import RdbError
from kvcore.rdb.listpack import decode, encode, encode_entry

NUMBERS = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-70000, 70000), st.integers(-5, 130))
TEXTS = st.one_of(st.binary(max_size=100), NUMBERS.map(lambda number: b"%d" % number))


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        (b"0", "0001"),
        (b"127", "7f01"),
        (b"128", "c08002"),
        (b"-1", "dfff02"),
        (b"4095", "cfff02"),
        (b"-4096", "d00002"),
        (b"4096", "f1001003"),
        (b"-32768", "f1008003"),
        (b"32768", "f200800004"),
        (b"8388608", "f30000800005"),
        (b"2147483648", "f4000000800000000009"),
        (b"a", "816102"),
        (b"", "8001"),
        (b"x" * 64, "e040" + "78" * 64 + "42"),
        (b"b" * 127, "e07f" + "62" * 127 + "0181"),
        (b"c" * 4095, "efff" + "63" * 4095 + "2081"),
        (b"d" * 17000, "f068420000" + "64" * 17000 + "0184ed"),
        (b"+1", "822b3103"),
        (b"007", "8330303704"),
        (b"-0", "822d3003"),
        (b"9223372036854775808", "93" + b"9223372036854775808".hex() + "14"),
    ],
)
def test_entries_of_the_real_server(text: bytes, entry: str) -> None:
    assert encode_entry(text).hex() == entry
    assert decode(encode([text]), True) == [text]


@pytest.mark.parametrize("size", [16376, 16377, 16378, 16379, 2097145, 2097146, 2097147])
def test_lengths_on_both_sides_of_a_longer_backward_length(size: int) -> None:
    texts = [b"x" * size, b"behind"]
    assert decode(encode(texts), True) == texts


def test_empty() -> None:
    assert encode([]).hex() == "070000000000ff"
    assert decode(encode([]), True) == []


@given(texts=st.lists(TEXTS, max_size=40))
def test_round_trip(texts: list[bytes]) -> None:
    assert decode(encode(texts), True) == texts


def test_more_entries_than_the_header_counts() -> None:
    texts = [b"%d" % number for number in range(70_000)]
    data = encode(texts)
    assert data[4:6] == b"\xff\xff"
    assert decode(data, True) == texts


@pytest.mark.parametrize(
    "data",
    [
        "",
        "0700000000ff",  # too short
        "080000000000ff",  # another size
        "070000000000fe",  # no end mark
        "0800000001007fff",  # an entry without its backward length
        "09000000010083 61ff",  # a string beyond the end
        "0a0000000100f50002ff",  # no such encoding
        "0b0000000100f0ffffffff",  # a length beyond the end
        "0c0000000100f0ffffffffff",
        "090000000100c080ff",
    ],
)
@pytest.mark.parametrize("deep", [False, True])
def test_what_cannot_be_read_is_refused(data: str, deep: bool) -> None:
    with pytest.raises(RdbError):
        decode(bytes.fromhex(data), deep)


@pytest.mark.parametrize(
    ("data", "texts"),
    [
        ("0900000001000102ff", [b"1"]),  # a backward length of 2 where it is 1
        ("0900000002000101ff", [b"1"]),  # a count of 2 where it is 1
    ],
)
def test_only_deep_reading_refuses(data: str, texts: list[bytes]) -> None:
    assert decode(bytes.fromhex(data), False) == texts
    with pytest.raises(RdbError):
        decode(bytes.fromhex(data), True)


def test_a_count_that_does_not_count() -> None:
    assert decode(bytes.fromhex("0900000002000101ff"), True, counted=False) == [b"1"]


def test_a_backward_length_may_reach_into_the_data() -> None:
    # The byte behind the text says "and more before me", and the byte before it adds nothing.
    assert decode(bytes.fromhex("0a000000010081 0082 ff"), True) == [b"\0"]


@given(data=st.binary(max_size=60), deep=st.booleans())
def test_any_bytes_are_read_or_refused(data: bytes, deep: bool) -> None:
    body = data + b"\xff"
    whole = (len(body) + 4).to_bytes(4, "little") + body
    try:
        texts = decode(whole, deep)
    except RdbError:
        return
    assert sum(map(len, texts)) < 20 * len(whole)
