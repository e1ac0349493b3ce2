"""cjson, cmsgpack, struct and bit beside the real server: a table of expressions, and random ones.

An expression is evaluated in a script that spells all it returned, or the error it raised, exactly.
"""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.oracle.harness import Pair

EXPRESSIONS = Path(__file__).with_name("lua_expressions.txt")

SPELL = r"""
local function text(v)
  local t = type(v)
  if t == 'string' then return (string.format('%q', v):gsub('\n', 'n'):gsub('%z', '0'))
  elseif t == 'number' then return string.format('%.17g', v)
  elseif t == 'table' then
    local o = {}
    for k, x in pairs(v) do o[#o + 1] = text(k) .. '=' .. text(x) end
    return '{' .. table.concat(o, ',') .. '}'
  elseif t == 'function' then return t
  else return tostring(v) end
end
local function spell(...)
  local o = {}
  for i = 1, select('#', ...) do o[i] = text((select(i, ...))) end
  return table.concat(o, ' | ')
end
local function all(...) return select('#', ...), ... end
"""


def script(expression: str) -> bytes:
    """Return a script that spells what an expression gives; what stands before ``;;`` comes first."""
    before, _, last = expression.rpartition(";;")
    return f"{SPELL} {before} return spell(pcall(function() return all({last}) end))".encode("latin-1")


def expressions() -> list[str]:
    """Return the table."""
    return [line for line in EXPRESSIONS.read_text("latin-1").split("\n") if line and not line.startswith("# ")]


def test_the_table(pair: Pair) -> None:
    for expression in expressions():
        pair.both("EVAL", script(expression), 0)


def test_errors_that_nobody_catches(pair: Pair) -> None:
    for source in (
        "return cjson.decode('x')",
        "local x = cjson.decode('x')",
        "\n\nreturn cjson.encode(print)",
        "return cmsgpack.unpack('\\193')",
        "\nreturn struct.pack('z')",
        "return bit.band()",
        "local f = bit.band return f('x')",
        "return {pcall(cjson.decode, 'x')}",
        "cjson.x = 1",
        "cjson.encode = nil",
        "bit.band = 1",
        "cmsgpack = nil",
    ):
        pair.both("EVAL", source, 0)


def quoted(text: bytes) -> str:
    """Spell a Lua string."""
    return "'" + "".join(f"\\{byte:03}" for byte in text) + "'"


NUMBERS = st.one_of(
    st.integers(-300, 300).map(str),
    st.integers(-(2**53), 2**53).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(0, 70).flatmap(lambda e: st.integers(-3, 3).map(lambda d: f"2^{e}+{d}")),
    st.sampled_from(["0/0", "1/0", "-1/0", "-0"]),
)
STRINGS = st.binary(max_size=20).map(quoted)
KEYS = st.one_of(st.sampled_from(["'a'", "'b'", "'1'", "1.5"]), st.integers(-1, 14).map(str))
VALUES = st.recursive(
    st.one_of(NUMBERS, STRINGS, st.sampled_from(["true", "false", "nil", "cjson.null", "{}"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: "{" + ",".join(items) + "}"),
        st.dictionaries(KEYS, inner, max_size=4).map(
            lambda entries: "{" + ",".join(f"[{key}]={value}" for key, value in entries.items()) + "}"
        ),
    ),
    max_leaves=8,
)
DOCUMENTS = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=3), inner, max_size=4)),
    max_leaves=8,
)
FORMATS = st.lists(
    st.one_of(
        st.sampled_from([*"bBhHiIlLTfdxsc<>!z", "c0", "c3", "!1", "!2", "!4", "!16"]),
        st.integers(0, 18).map(lambda size: f"i{size}"),
    ),
    max_size=6,
).map("".join)


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """Draw JSON text with a few bytes changed."""
    text = bytearray(json.dumps(draw(DOCUMENTS), ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass"))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(text)))
        text[at : at + draw(st.integers(0, 1))] = draw(
            st.sampled_from(
                [b"", b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"0", b"x", b"-", b"e", b"nan", b"\0"]
            )
        )
    return bytes(text)


BIT = ["tobit", "bnot", "band", "bor", "bxor", "lshift", "rshift", "arshift", "rol", "ror", "bswap", "tohex"]
UNPACKERS = ["unpack", "unpack_one", "unpack_limit"]
CODES = st.one_of(st.integers(0, 255), st.integers(0xC0, 0xDF), st.sampled_from([0x81, 0x91, 0x92, 0xA1, 0, 1]))


def joined(items: list[str]) -> str:
    """Spell an argument list."""
    return ",".join(items)


RANDOM = st.one_of(
    VALUES.map(lambda value: f"cjson.encode({value})"),
    spoilt().map(lambda text: f"cjson.decode({quoted(text)})"),
    st.lists(VALUES, max_size=3).map(lambda values: f"cmsgpack.pack({joined(values)})"),
    st.builds(
        lambda name, text, rest: f"cmsgpack.{name}({joined([quoted(bytes(text)), *rest])})",
        st.sampled_from(UNPACKERS),
        st.lists(CODES, max_size=12),
        st.lists(st.integers(-1, 4).map(str), max_size=2),
    ),
    st.builds(
        lambda layout, values: f"struct.pack({joined([quoted(layout.encode()), *values])})",
        FORMATS,
        st.lists(st.one_of(NUMBERS, STRINGS), max_size=6),
    ),
    st.builds(
        lambda layout, data, rest: f"struct.unpack({joined([quoted(layout.encode()), data, *rest])})",
        FORMATS,
        st.binary(max_size=40).map(quoted),
        st.lists(st.integers(-1, 9).map(str), max_size=1),
    ),
    FORMATS.map(lambda layout: f"struct.size({quoted(layout.encode())})"),
    st.builds(
        lambda name, values: f"bit.{name}({joined(values)})", st.sampled_from(BIT), st.lists(NUMBERS, max_size=3)
    ),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=st.lists(RANDOM, min_size=1, max_size=6))
def test_random_expressions(pair: Pair, batch: list[str]) -> None:
    for expression in batch:
        pair.both("EVAL", script(expression), 0)
