"""Lengths and strings as the real server writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcore.rdb import sink
from kvcore.rdb.source import Source


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (0, "00"),
        (63, "3f"),
        (64, "4040"),
        (16383, "7fff"),
        (16384, "8000004000"),
        (2**32 - 1, "80ffffffff"),
        (2**32, "810000000100000000"),
        (2**64 - 1, "81ffffffffffffffff"),
    ],
)
def test_lengths(value: int, data: str) -> None:
    assert sink.length(value).hex() == data


@pytest.mark.parametrize(
    ("text", "data"),
    [
        (b"", "00"),
        (b"hello", "0568656c6c6f"),
        (b"12", "c00c"),
        (b"-129", "c17fff"),
        (b"127", "c07f"),
        (b"128", "c18000"),
        (b"100000", "c2a0860100"),
        (b"-2147483648", "c200000080"),
        (b"2147483648", "0a" + b"2147483648".hex()),
        (b"3000000000", "0a" + b"3000000000".hex()),
        (b"-2147483649", "0b" + b"-2147483649".hex()),
        (b"007", "03" + b"007".hex()),
        (b"-0", "02" + b"-0".hex()),
        (b"+1", "02" + b"+1".hex()),
        (b"a" * 20, "14" + "61" * 20),
        (b"a" * 21, "c30615016161e00a00"),
    ],
)
def test_strings(text: bytes, data: str) -> None:
    assert sink.string(text, True).hex() == data
    assert Source(sink.string(text, True)).string() == text


def test_compression_is_a_choice_and_has_an_end() -> None:
    assert sink.string(b"a" * 21, False) == b"\x15" + b"a" * 21
    huge = b"a" * (sink.COMPRESS_MAX + 1)
    assert sink.string(huge, True) == sink.length(len(huge)) + huge
    assert len(sink.string(huge[1:], True)) < 20_000


TEXTS = st.one_of(st.binary(max_size=70), st.integers(-(2**40), 2**40).map(lambda number: b"%d" % number))


@given(texts=st.lists(TEXTS, max_size=20), compress=st.booleans())
def test_many_are_one_after_the_other(texts: list[bytes], compress: bool) -> None:
    data = sink.strings(texts, compress)
    assert data == b"".join(sink.string(text, compress) for text in texts)
    source = Source(data)
    assert [source.string() for _ in texts] == texts
    assert source.left() == 0
