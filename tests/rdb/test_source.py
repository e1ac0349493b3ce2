"""Reading lengths, strings and numbers: what is believed and what is not."""

from __future__ import annotations

from math import inf, isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcore.errors import RdbError
from kvcore.rdb import sink
from kvcore.rdb.source import Source, parse_prefix


@given(value=st.one_of(st.integers(0, 2**64 - 2), st.integers(0, 20000)))
def test_lengths(value: int) -> None:
    source = Source(b"?" + sink.length(value), 1)
    assert source.length() == value
    assert source.left() == 0
    assert Source(sink.length(value)).number() == value


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ("4001", 1),  # longer than it need be
        ("8000000001", 1),
        ("810000000000000001", 1),
        ("c5", 5),  # the mark of an encoded string counts as its low bits
    ],
)
def test_other_forms_of_lengths(data: str, value: int) -> None:
    assert Source(bytes.fromhex(data)).length() == value


@pytest.mark.parametrize("data", ["", "40", "80000000", "8100000000000000", "82", "bf", "81ffffffffffffffff"])
def test_lengths_that_are_none(data: str) -> None:
    with pytest.raises(RdbError):
        Source(bytes.fromhex(data)).length()


def test_numbers_may_be_all_ones() -> None:
    assert Source(bytes.fromhex("81ffffffffffffffff")).number() == 2**64 - 1
    assert Source(b"\x82").number() == 2**64 - 1
    assert Source(bytes.fromhex("8000000007")).number() == 7
    for data in ("", "81ff"):
        with pytest.raises(RdbError):
            Source(bytes.fromhex(data)).number()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("0161", b"a"),
        ("400161", b"a"),
        ("800000000161", b"a"),
        ("c0ff", b"-1"),
        ("c10080", b"-32768"),
        ("c2ffffff7f", b"2147483647"),
        ("c30615016161e00a00", b"a" * 21),
        ("c3010000", b""),
    ],
)
def test_strings(data: str, text: bytes) -> None:
    source = Source(bytes.fromhex(data))
    assert source.string() == text
    assert source.left() == 0


@pytest.mark.parametrize(
    "data",
    [
        "",
        "0261",
        "4002",
        "c0",
        "c101",
        "c2010203",
        "c3",
        "c301",
        "c30202 61",
        "c4",
        "ff",
        "8061",
        "c3fffe",
        "c30105 00",
    ],
)
def test_strings_that_are_none(data: str) -> None:
    with pytest.raises(RdbError):
        Source(bytes.fromhex(data)).string()


def test_a_claimed_size_is_not_believed() -> None:
    for data in ("80ffffffff61", "817fffffffffffffff61", "c30580ffffffff0000000000"):
        with pytest.raises(RdbError):
            Source(bytes.fromhex(data)).string()


def test_errors_say_where() -> None:
    with pytest.raises(RdbError, match=r"5 bytes are wanted and 1 are left \(at byte 3\)") as caught:
        Source(b"??\x05a", 2).string()
    assert caught.value.offset == 3
    with pytest.raises(RdbError, match="refers to bytes before its start") as caught:
        Source(bytes.fromhex("c302032000")).string()
    assert caught.value.offset == 5


def test_counts_are_of_something() -> None:
    assert Source(b"\x02").count() == 2
    with pytest.raises(RdbError, match="empty"):
        Source(b"\x00").count()


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"\x031.5", 1.5),
        (b"\x0217", 17.0),
        (b"\x03-0x", -0.0),
        (b"\x04 1e2", 100.0),
        (b"\x060x1p4?", 16.0),
        (b"\xfe", inf),
        (b"\xff", -inf),
        (b"\x03inf", inf),
        (b"\x051e999", inf),
    ],
)
def test_doubles_as_text(data: bytes, value: float) -> None:
    assert Source(data).text_double() == value


def test_doubles_that_are_none() -> None:
    assert isnan(Source(b"\xfd").text_double())
    assert isnan(Source(b"\x03nan").text_double())
    for data in (b"", b"\x00", b"\x03abc", b"\x05 1", b"\x01 "):
        with pytest.raises(RdbError):
            Source(data).text_double()
    with pytest.raises(RdbError):
        Source(bytes(7)).binary_double()


def test_prefix() -> None:
    assert parse_prefix(b"12abc") == 12.0
    assert parse_prefix(b"1e") == 1.0
    assert parse_prefix(b".5.") == 0.5
    assert parse_prefix(b"abc") is None
    assert parse_prefix(b"") is None
