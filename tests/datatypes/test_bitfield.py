"""Integers inside strings, against strings of zeros and ones, and what does not fit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcore.datatypes.bitfield import FAIL, SATURATE, WRAP, fetch, fit, fit_assigned, place

TYPES = st.tuples(st.booleans(), st.integers(1, 64)).filter(lambda kind: kind[0] or kind[1] < 64)


def spelled(value: bytes | bytearray) -> str:
    return f"{int.from_bytes(value, 'big'):0{len(value) * 8}b}" if value else ""


def bounds(signed: bool, bits: int) -> tuple[int, int]:
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


@given(value=st.binary(max_size=20), offset=st.integers(0, 200), kind=TYPES)
def test_fetching_reads_zeros_behind_the_end(value: bytes, offset: int, kind: tuple[bool, int]) -> None:
    signed, bits = kind
    number = int((spelled(value) + "0" * 300)[offset : offset + bits], 2)
    if signed and number >= 2 ** (bits - 1):
        number -= 2**bits
    assert fetch(value, offset, bits, signed) == number
    assert fetch(bytearray(value), offset, bits, signed) == number


@given(value=st.binary(min_size=20, max_size=20), offset=st.integers(0, 96), kind=TYPES, data=st.data())
def test_placing_changes_nothing_else(value: bytes, offset: int, kind: tuple[bool, int], data: st.DataObject) -> None:
    signed, bits = kind
    number = data.draw(st.integers(*bounds(signed, bits)))
    buffer = bytearray(value)
    place(buffer, offset, bits, number)
    assert fetch(buffer, offset, bits, signed) == number
    before, after = spelled(value), spelled(buffer)
    assert len(after) == len(before)
    assert after[:offset] == before[:offset]
    assert after[offset + bits :] == before[offset + bits :]


@given(number=st.integers(-(2**65), 2**65), kind=TYPES)
def test_fitting(number: int, kind: tuple[bool, int]) -> None:
    signed, bits = kind
    low, high = bounds(signed, bits)
    fits = low <= number <= high
    assert fit(number, bits, signed, FAIL) == (number if fits else None)
    assert fit(number, bits, signed, SATURATE) == min(max(number, low), high)
    wrapped = fit(number, bits, signed, WRAP)
    assert wrapped is not None
    assert low <= wrapped <= high
    assert (wrapped - number) % 2**bits == 0


@pytest.mark.parametrize(
    ("number", "bits", "signed", "saturated"),
    [
        (-1, 8, False, 255),
        (256, 8, False, 255),
        (-129, 8, True, -128),
        (128, 8, True, 127),
        (-(2**63) + 128, 8, True, -128),
        (-(2**63) + 127, 8, True, 127),
        (-(2**63), 8, True, 127),
        (-(2**62) - 1, 63, True, 2**62 - 1),
        (-(2**63), 64, True, -(2**63)),
    ],
)
def test_an_assigned_integer_saturates_on_the_side_that_the_real_server_sees(
    number: int, bits: int, signed: bool, saturated: int
) -> None:
    assert fit_assigned(number, bits, signed, SATURATE) == saturated


@given(number=st.integers(-(2**63), 2**63 - 1), kind=TYPES)
def test_an_assigned_integer_wraps_and_fails_as_any_other(number: int, kind: tuple[bool, int]) -> None:
    signed, bits = kind
    assert fit_assigned(number, bits, signed, WRAP) == fit(number, bits, signed, WRAP)
    assert fit_assigned(number, bits, signed, FAIL) == fit(number, bits, signed, FAIL)
