"""bit: 32-bit operations with signed results."""

from __future__ import annotations

import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.scripting.lua_library import Lua

VALUES = {
    "bit.tobit(1.5), bit.tobit(2.5), bit.tobit(-1.5), bit.tobit(2^31)": (2, 2, -2, -(2**31)),
    "bit.tobit(1e300), bit.tobit(1/0), bit.tobit(0/0)": (-2013235812, 0, 0),
    "bit.band(7, '12'), bit.bor(1, 2, 8), bit.bxor(1, 3, 5), bit.bnot(0)": (4, 11, 7, -1),
    "bit.lshift(1, 31), bit.lshift(1, 32), bit.lshift(1, -1)": (-(2**31), 1, -(2**31)),
    "bit.rshift(-1, 1), bit.rshift(-1, 0), bit.arshift(-8, 1)": (2**31 - 1, -1, -4),
    "bit.rol(0x12345678, 12), bit.ror(0x12345678, 20), bit.bswap(0x12345678)": (0x45678123, 0x45678123, 0x78563412),
    "bit.tohex(255), bit.tohex(255, -4), bit.tohex(1, 100), bit.tohex(1, 0)": (b"000000ff", b"00FF", b"00000001", b""),
}

ERRORS = {
    "bit.band()": "bad argument #1 to 'band' (number expected, got no value)",
    "bit.band(1, nil)": "bad argument #2 to 'band' (number expected, got nil)",
    "bit.lshift(1)": "bad argument #2 to 'lshift' (number expected, got no value)",
    "bit.tohex(1, {})": "bad argument #2 to 'tohex' (number expected, got table)",
    "bit:tobit()": "calling 'tobit' on bad self (number expected, got table)",
}


@pytest.mark.parametrize(("expression", "values"), VALUES.items())
def test_values(lua: Lua, expression: str, values: tuple[object, ...]) -> None:
    assert lua(expression) == values


@pytest.mark.parametrize(("expression", "message"), ERRORS.items())
def test_errors(lua: Lua, expression: str, message: str) -> None:
    assert lua.error(expression) == message


def signed(bits: int) -> int:
    """Return the low 32 bits as a signed integer."""
    return (bits + 2**31) % 2**32 - 2**31


WORDS = st.integers(-(2**31), 2**32 - 1)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=WORDS, second=WORDS, count=st.integers(0, 31))
def test_operations_are_those_of_the_processor(lua: Lua, first: int, second: int, count: int) -> None:
    assert lua("bit.band(...), bit.bor(...), bit.bxor(...)", first, second) == (
        signed(first & second),
        signed(first | second),
        signed(first ^ second),
    )
    word = first % 2**32
    assert lua("bit.lshift(...), bit.rshift(...), bit.arshift(...), bit.rol(...), bit.ror(...)", first, count) == (
        signed(word << count),
        signed(word >> count),
        signed(first) >> count,
        signed(word << count | word >> 32 - count),
        signed(word >> count | word << 32 - count),
    )


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(number=st.floats())
def test_any_number_is_taken_from_the_mantissa_of_a_sum(lua: Lua, number: float) -> None:
    bits = struct.unpack("<Q", struct.pack("<d", number + 6755399441055744.0))[0] if number == number else 0
    assert lua("bit.tobit(...)", number) == signed(bits)
