"""cmsgpack: MessagePack as lua-cmsgpack 0.4.0 writes and reads it."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.scripting.lua_library import Lua

PACKED = {
    "nil, false, true": "c0c2c3",
    "0, 127, 128, 255, 256, 65535, 65536": "007fcc80ccffcd0100cdffffce00010000",
    "4294967295, 4294967296": "ceffffffffcf0000000100000000",
    "-1, -32, -33, -128, -129, -32768, -32769": "ffe0d0dfd080d1ff7fd18000d2ffff7fff",
    "-2147483649, -2^63": "d3ffffffff7fffffffd38000000000000000",
    "1.5, 1.1, 2^63, 1/0": "ca3fc00000cb3ff199999999999aca5f000000ca7f800000",
    "0/0": "cbfff8000000000000",
    "2^-149, 5e-324": "ca00000001cb0000000000000001",
    "'', 'a'": "a0a161",
    "{}, {1,2}, {1,nil,3}": "9092010282010103" + "03",
    "{a=1}, {[0]=1}": "81a16101810001",
    "print, cjson.null": "c0c0",
}

BAD = {
    "\\193": "Bad data format in input.",
    "\\196\\1a": "Bad data format in input.",
    "\\217\\5abc": "Missing bytes in input.",
    "\\221\\255\\255\\255\\255": "Missing bytes in input.",
    "\\223\\255\\255\\255\\255\\1": "Missing bytes in input.",
    "\\219\\255\\255\\255\\255": "Missing bytes in input.",
}


@pytest.mark.parametrize(("values", "text"), PACKED.items())
def test_pack(lua: Lua, values: str, text: str) -> None:
    packed = lua(f"cmsgpack.pack({values})")
    assert isinstance(packed, bytes)
    assert packed.hex() == text


def test_pack_grows_its_headers(lua: Lua) -> None:
    heads = "(function() local t = {} for i, n in ipairs({31, 32, 255, 256, 65535, 65536}) do"
    heads += " t[i] = string.sub(cmsgpack.pack(string.rep('x', n)), 1, 1) end return table.concat(t) end)()"
    assert lua(heads) == b"\xbf\xd9\xd9\xda\xda\xdb"
    array = "(function(n) local t = {} for i = 1, n do t[i] = 1 end return string.byte(cmsgpack.pack(t)) end)"
    assert [lua(f"{array}({n})") for n in (15, 16, 65535, 65536)] == [0x9F, 0xDC, 0xDC, 0xDD]


def test_pack_stops_at_its_nesting(lua: Lua) -> None:
    cycle = "(function() local t = {} t[1] = t return t end)()"
    assert lua(f"cmsgpack.pack({cycle})") == b"\x91" * 16 + b"\xc0"


@pytest.mark.parametrize(("text", "message"), BAD.items())
def test_bad_input_is_refused(lua: Lua, text: str, message: str) -> None:
    assert lua.error(f"cmsgpack.unpack('{text}')") == message


def test_unpack_returns_every_value(lua: Lua) -> None:
    assert lua("cmsgpack.unpack('\\1\\2\\161a')") == (1, 2, b"a")
    assert lua("select('#', cmsgpack.unpack(string.rep('\\1', 7000)))") == 7000
    assert lua("cmsgpack.unpack('\\207\\255\\255\\255\\255\\255\\255\\255\\255')") == -1


def test_unpack_in_parts(lua: Lua) -> None:
    assert lua("cmsgpack.unpack_one('\\1\\2\\3')") == (1, 1)
    assert lua("cmsgpack.unpack_one('\\1\\2\\3', 2)") == (-1, 3)
    assert lua("cmsgpack.unpack_limit('\\1\\2\\3', 2, 1)") == (-1, 2, 3)
    assert lua.error("cmsgpack.unpack_one('\\1', -1)") == "Invalid request to unpack with offset of -1 and limit of 1."
    assert lua.error("cmsgpack.unpack_one('\\1', 2)") == "Start offset 2 greater than input length 1."


def test_arguments(lua: Lua) -> None:
    assert lua.error("cmsgpack.pack()") == "bad argument #0 to 'pack' (MessagePack pack needs input.)"
    assert lua.error("cmsgpack.unpack()") == "bad argument #1 to 'unpack' (string expected, got no value)"
    assert lua.error("cmsgpack.unpack_limit('')") == (
        "bad argument #2 to 'unpack_limit' (number expected, got no value)"
    )
    assert lua("pcall(cmsgpack.unpack, '\\129\\192\\1')") == (False, b"table index is nil")


def test_deep_input_is_refused(lua: Lua) -> None:
    assert lua.error("cmsgpack.unpack(string.rep('\\145', 100000))") == (
        "stack overflow (in function mp_decode_to_lua_array)"
    )


NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(NUMBERS | st.binary(max_size=40) | st.booleans(), min_size=2, max_size=8))
def test_what_was_packed_comes_back(lua: Lua, values: list[object]) -> None:
    assert lua("cmsgpack.unpack(cmsgpack.pack(...))", *values) == tuple(values)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.binary(max_size=30))
def test_any_bytes_are_read_or_refused(lua: Lua, text: bytes) -> None:
    done = lua("(function(...) local ok, message = pcall(cmsgpack.unpack, ...) return ok or message end)(...)", text)
    assert done is True or done in (
        b"Missing bytes in input.",
        b"Bad data format in input.",
        b"table index is nil",
        b"table index is NaN",
    )
