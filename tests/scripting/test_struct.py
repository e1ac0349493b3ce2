"""struct: values as bytes in the layout a format describes."""

from __future__ import annotations

import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.scripting.lua_library import Lua

PACKED = {
    "'bBhHiIlLT', -1, 255, -2, 65535, -3, 4294967295, -4, 2^53, 1": "ffff"
    "feff"
    "ffff"
    "fdffffff"
    "ffffffff"
    "fcffffffffffffff"
    "0000000000002000"
    "0100000000000000",
    "'>i<i', 1, 1": "0000000101000000",
    "'i3', -2": "feffff",
    "'i16', -1": "ff" * 8 + "00" * 8,
    "'fd', 1.1, 1.1": "cdcc8c3f9a9999999999f13f",
    "'>f', 1e300": "7f800000",
    "'s', 'ab'": "616200",
    "'c2c0', 'abc', 'de'": "61626465",
    "'xb', 1": "0001",
    "'!bi', 1, 2": "0100000002000000",
    "'!4bl', 1, 2": "010000000200000000000000",
    "'b\\0z', 1": "01",
    "'L', 1e300": "00" * 8,
}

ERRORS = {
    "struct.pack('z')": "bad argument #1 to 'pack' (invalid format option 'z')",
    "struct.pack('i33', 1)": "integral size 33 is larger than limit of 32",
    "struct.pack('i99999999999', 1)": "integral size overflow",
    "struct.pack('!3i', 1)": "alignment 3 is not a power of 2",
    "struct.pack('i')": "bad argument #2 to 'pack' (number expected, got nil)",
    "struct.pack('c5', 'abc')": "bad argument #3 to 'pack' (string too short)",
    "struct.unpack('i', 'abc')": "bad argument #2 to 'unpack' (data string too short)",
    "struct.unpack('c2147483647', 'abc')": "bad argument #2 to 'unpack' (data string too short)",
    "struct.unpack('i', 'abcd', 0)": "bad argument #3 to 'unpack' (offset must be 1 or greater)",
    "struct.unpack('i', 'abcd', -1)": "bad argument #2 to 'unpack' (data string too short)",
    "struct.unpack('s', 'abc')": "unfinished string in data",
    "struct.unpack('c0', 'abc')": "format 'c0' needs a previous size",
    "struct.unpack('dc0', struct.pack('d', -1))": "bad argument #2 to 'unpack' (data string too short)",
    "struct.size('s')": "bad argument #1 to 'size' (option 's' has no fixed size)",
    "struct.size('c0')": "bad argument #1 to 'size' (option 'c0' has no fixed size)",
    "struct.size('%')": "bad argument #1 to 'size' (invalid format option '%')",
}


@pytest.mark.parametrize(("arguments", "text"), PACKED.items())
def test_pack(lua: Lua, arguments: str, text: str) -> None:
    packed = lua(f"struct.pack({arguments})")
    assert isinstance(packed, bytes)
    assert packed.hex() == text


@pytest.mark.parametrize(("expression", "message"), ERRORS.items())
def test_errors(lua: Lua, expression: str, message: str) -> None:
    assert lua.error(expression) == message


def test_unpack(lua: Lua) -> None:
    assert lua("struct.unpack('>i<h', '\\0\\0\\1\\0\\255\\255')") == (256, -1, 7)
    assert lua("struct.unpack('sbc0', 'ab\\0\\2cdef')") == (b"ab", b"cd", 7)
    assert lua("struct.unpack('xb', 'zzA', 2)") == (65, 4)
    assert lua("struct.unpack('', '', 77)") == 77


def test_sizes(lua: Lua) -> None:
    assert lua("struct.size('!bhil'), struct.size('bhil'), struct.size('!bbi5'), struct.size('z')") == (16, 15, 11, 0)


def test_many_results(lua: Lua) -> None:
    assert lua("select('#', struct.unpack(string.rep('b', 7990), string.rep('x', 7990)))") == 7991
    assert lua.error("struct.unpack(string.rep('b', 9000), string.rep('x', 9000))") == (
        "stack overflow (too many results)"
    )


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(number=st.floats(allow_nan=False).filter(bool), order=st.sampled_from("<>"))
def test_doubles_are_those_of_the_machine(lua: Lua, number: float, order: str) -> None:
    # Zeros are left out: on its way in a negative one may lose its sign.
    expected = struct.pack(order + "d", number)
    assert lua(f"struct.pack('{order}d', ...)", number) == expected
    assert lua(f"struct.unpack('{order}d', ...)", expected) == (number, 9)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bits=st.integers(0, 2**32 - 1))
def test_floats_are_those_of_the_machine(lua: Lua, bits: int) -> None:
    packed = struct.pack(">I", bits)
    number = struct.unpack(">f", packed)[0]
    back = lua("struct.unpack('>f', ...)", packed)
    assert isinstance(back, tuple)
    if number == number:
        assert back[0] == number
        assert lua("struct.pack('>f', (struct.unpack('>f', ...)))", packed) == packed
    else:
        assert back[0] != back[0]
