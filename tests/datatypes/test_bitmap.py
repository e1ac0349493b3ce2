"""Bits counted, searched and combined, against strings of zeros and ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcore.datatypes import bitmap
from kvcore.datatypes.bitmap import combine, count_ones, find_bit, invert, shift

SLICE = bitmap._SLICE
STRINGS = st.binary(min_size=1, max_size=40) | st.builds(
    lambda byte, length, rest: bytes((byte,)) * length + rest,
    st.sampled_from([0, 255]),
    st.sampled_from([1, 63, 64, 65, 200, SLICE - 1, SLICE, SLICE + 70, 2 * SLICE + 64]),
    st.binary(max_size=3),
)


def spelled(value: bytes | bytearray) -> str:
    """Write the bits one by one, the first of byte 0 first."""
    return f"{int.from_bytes(value, 'big'):0{len(value) * 8}b}"


@st.composite
def ranges(draw: st.DrawFn) -> tuple[bytes | bytearray, int, int]:
    value = draw(STRINGS)
    last = len(value) * 8 - 1
    ends = st.integers(0, last) | st.integers(max(0, last - 20), last) | st.integers(0, min(20, last))
    first, second = sorted((draw(ends), draw(ends)))
    return draw(st.sampled_from([bytes, bytearray]))(value), first, second


@given(ranges())
def test_counting(case: tuple[bytes | bytearray, int, int]) -> None:
    value, first, last = case
    assert count_ones(value, first, last) == spelled(value)[first : last + 1].count("1")


@given(ranges(), st.sampled_from([0, 1]))
def test_searching(case: tuple[bytes | bytearray, int, int], bit: int) -> None:
    value, first, last = case
    assert find_bit(value, bit, first, last) == spelled(value).find(str(bit), first, last + 1)


@pytest.mark.parametrize("bit", [0, 1])
@pytest.mark.parametrize("where", [0, 7, 8, 511, 520, SLICE * 8 + 3, 3 * SLICE * 8 - 1])
def test_a_lonely_bit_is_found_wherever_it_is(bit: int, where: int) -> None:
    value = bytearray(b"\0" if bit else b"\xff") * (3 * SLICE)
    value[where >> 3] ^= 0x80 >> (where & 7)
    last = len(value) * 8 - 1
    assert find_bit(value, bit, 0, last) == where
    assert find_bit(value, bit, where, where) == where
    assert where == last or find_bit(value, bit, where + 1, last) == -1
    assert where == 0 or find_bit(value, bit, 0, where - 1) == -1


@given(st.binary(max_size=50))
def test_inverting(value: bytes) -> None:
    assert invert(value) == bytes(byte ^ 255 for byte in value)
    assert type(invert(bytearray(value))) is bytearray


@pytest.mark.parametrize("operation", [b"AND", b"OR", b"XOR"])
@given(sources=st.lists(STRINGS | st.just(b""), min_size=1, max_size=4))
def test_combining_pads_with_zeros(operation: bytes, sources: list[bytes]) -> None:
    length = max(map(len, sources))
    numbers = [int.from_bytes(source.ljust(length, b"\0"), "big") for source in sources]
    expected = numbers[0]
    for number in numbers[1:]:
        if operation == b"AND":
            expected &= number
        elif operation == b"OR":
            expected |= number
        else:
            expected ^= number
    assert combine(operation, list(sources)) == expected.to_bytes(length, "big")


@pytest.mark.parametrize(
    ("value", "bits", "result"),
    [
        (b"\xff", 1, b"\xfe\x01"),
        (b"ab", 8, b"\0ab"),
        (b"ab", 0, b"ab"),
        (b"\xfe\x01", -1, b"\xff\x00"),
        (b"abc", -8, b"bc"),
        (b"abc", -20, b"\x06"),
        (b"abc", -24, b""),
        (b"abc", -1000, b""),
        (b"", 9, b"\0\0"),
        (bytearray(b"a"), 3, (97 << 3).to_bytes(2, "little")),
    ],
)
def test_shift(value: bytes, bits: int, result: bytes) -> None:
    assert shift(value, bits) == result
