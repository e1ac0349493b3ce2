"""cjson: JSON text as lua-cjson 2.1.0 writes and reads it."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.scripting.lua_library import Lua

TEXTS = {
    "{}": b"{}",
    "{1,2,3}": b"[1,2,3]",
    "{1,nil,3}": b"[1,null,3]",
    "{[1]=1,a=2}": b'{"1":1,"a":2}',
    "{[0]=1}": b'{"0":1}',
    "{[1.5]=1}": b'{"1.5":1}',
    "{[1e10]=1}": b'{"10000000000":1}',
    "nil": b"null",
    "cjson.null": b"null",
    "true": b"true",
    "1/3": b"0.33333333333333",
    "1e14": b"1e+14",
    "'a/b\"\\\\\\0\\127\\200'": b'"a\\/b\\"\\\\\\u0000\\u007f\xc8"',
    "setmetatable({1}, {__index = error})": b"[1]",
}

UNREADABLE = {
    "": "Expected value but found T_END at character 1",
    "[1,]": "Expected value but found T_ARR_END at character 4",
    "[1 2]": "Expected comma or array end but found T_NUMBER at character 4",
    '{"a" 1}': "Expected colon but found T_NUMBER at character 6",
    "{1:1}": "Expected object key string but found T_NUMBER at character 2",
    '{"a":1': "Expected comma or object end but found T_END at character 7",
    '"abc': "Expected value but found unexpected end of string at character 5",
    '"a\\\\x"': "Expected value but found invalid escape code at character 3",
    '"\\\\ud83d"': "Expected value but found invalid unicode escape code at character 2",
    "1 2": "Expected the end but found T_NUMBER at character 3",
    "-x": "Expected value but found invalid number at character 1",
    "nope": "Expected value but found invalid token at character 1",
    "\\0\\0": "JSON parser does not support UTF-16 or UTF-32",
    "[" * 1001: "Found too many nested data structures (1001) at character 1001",
}


@pytest.mark.parametrize(("value", "text"), TEXTS.items())
def test_encode(lua: Lua, value: str, text: bytes) -> None:
    assert lua(f"cjson.encode({value})") == text


@pytest.mark.parametrize(("text", "message"), UNREADABLE.items())
def test_decode_says_what_is_wrong_and_where(lua: Lua, text: str, message: str) -> None:
    assert lua.error(f"cjson.decode('{text}')") == message


def test_decode_takes_what_strtod_takes(lua: Lua) -> None:
    assert lua("unpack(cjson.decode('[0x10, 1e400, -inf, 007, 0x1p4]'))") == (16, float("inf"), float("-inf"), 7, 16)
    assert lua("tostring(cjson.decode('nan'))") == b"nan"


def test_decode_builds_characters_of_escapes(lua: Lua) -> None:
    assert lua("cjson.decode(...)", b'"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\\u0000"') == "Aé€😀\0".encode()


def test_null_is_a_value_of_its_own(lua: Lua) -> None:
    assert lua("type(cjson.null), tostring(cjson.null), cjson.decode('[null]')[1] == cjson.null") == (
        b"userdata",
        b"userdata: (nil)",
        True,
    )


def test_what_cannot_be_encoded(lua: Lua) -> None:
    assert lua.error("cjson.encode(print)") == "Cannot serialise function: type not supported"
    assert lua.error("cjson.encode(0/0)") == "Cannot serialise number: must not be NaN or Inf"
    assert lua.error("cjson.encode({[11]=1})") == "Cannot serialise table: excessively sparse array"
    assert lua.error("cjson.encode({[true]=1})") == ("Cannot serialise boolean: table key must be a number or string")
    cycle = "(function() local t = {} t[1] = t return t end)()"
    assert lua.error(f"cjson.encode({cycle})") == "Cannot serialise, excessive nesting (1001)"


def test_settings_answer_and_last(lua: Lua) -> None:
    assert lua("cjson.encode_sparse_array()") == (False, 2, 10)
    assert lua("cjson.encode_sparse_array(true, 3)") == (True, 3, 10)
    assert lua("cjson.encode({[100]=1})") == b'{"100":1}'
    assert lua("cjson.encode_max_depth(1)") == 1
    assert lua.error("cjson.encode({{}})") == "Cannot serialise, excessive nesting (2)"
    assert lua("cjson.encode_number_precision(3)") == 3
    assert lua("cjson.encode(1/3)") == b"0.333"
    assert lua("cjson.encode_invalid_numbers('null')") == b"null"
    assert lua("cjson.encode(1/0)") == b"null"
    assert lua("cjson.encode_invalid_numbers('on')") is True
    assert lua("cjson.encode(0/0)") == b"nan"
    assert lua("cjson.decode_invalid_numbers(false)") is False
    assert "invalid number" in lua.error("cjson.decode('0x10')")
    assert lua("cjson.encode_keep_buffer('off')") is False
    assert lua("cjson.decode_max_depth(2)") == 2
    assert "nested" in lua.error("cjson.decode('[[[1]]]')")


def test_settings_refuse(lua: Lua) -> None:
    assert lua.error("cjson.encode_max_depth(0)") == (
        "bad argument #1 to 'encode_max_depth' (expected integer between 1 and 2147483647)"
    )
    assert lua.error("cjson.encode_invalid_numbers('x')") == (
        "bad argument #1 to 'encode_invalid_numbers' (invalid option 'x')"
    )
    assert lua.error("cjson.encode_keep_buffer(1, 2)") == (
        "bad argument #2 to 'encode_keep_buffer' (found too many arguments)"
    )


def test_new_has_settings_of_its_own(lua: Lua) -> None:
    assert (
        lua("(function() local own = cjson.new() own.encode_max_depth(1) return cjson.encode_max_depth() end)()")
        == 1000
    )


def test_errors_name_the_function_as_the_script_called_it(lua: Lua) -> None:
    assert lua.error("(function() local d = cjson.decode local x = d() end)()") == (
        "bad argument #1 to 'd' (expected 1 argument)"
    )
    assert lua.error("cjson:decode()") == "calling 'decode' on bad self (string expected, got table)"
    assert lua("pcall(cjson.decode)") == (False, b"bad argument #1 to '?' (expected 1 argument)")


def test_nesting_beyond_the_stack_of_c_is_refused_whatever_the_limit(lua: Lua) -> None:
    lua("cjson.decode_max_depth(2147483647)")
    assert lua.error("cjson.decode(string.rep('[', 100000))") == (
        "Found too many nested data structures (7999) at character 7999"
    )


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**13), 10**13) | st.text(max_size=8),
    lambda inner: st.lists(inner, min_size=1, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=DOCUMENTS)
def test_what_python_writes_comes_back(lua: Lua, document: object) -> None:
    text = json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")
    back = lua("cjson.encode(cjson.decode(...))", text)
    assert isinstance(back, bytes)
    assert json.loads(back.decode("utf-8", "surrogatepass")) == document
