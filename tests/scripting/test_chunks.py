"""The rewrite of compiled chunks: callers stay on the stack, results stay what they were."""

from __future__ import annotations

import pytest

lua51 = pytest.importorskip("lupa.lua51")

from kvcore.scripting.chunks import keep_callers  # noqa: E402 - after the skip

LOADER = b"""local source, keep = ...
local code = string.dump(loadstring(source, '=test'))
return loadstring(keep and keep(code) or code, '=test')"""


def rewrite(code: bytes) -> bytes:
    return keep_callers(code)[0]


def strip(code: bytes) -> bytes:
    return keep_callers(code, strip=True)[0]


PROGRAMS = [
    b"return 1",
    b"local function f(...) return ... end return f(1, 2, 3)",
    b"local function f(n) if n == 0 then return 'end' end return f(n - 1) end return f(1000)",
    b"return (function(...) return select('#', ...) end)(nil, nil)",
    b"local t = {x = 1.5, y = 'text', z = true, w = nil} function t:m(a) return self.x + a end return t:m(2)",
    b"local a, b = 1, 2 return (function() return (function() return a + b end)() end)()",
    b"return pcall(error, 'x')",
    b"return ('x'):rep(3), 'last'",
    b"local s = '' for i = 1, 200 do s = s .. i end return #s",
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_results_stay_the_same(program: bytes) -> None:
    lua = lua51.LuaRuntime(encoding=None)
    before = lua.execute(LOADER, program)()
    assert lua.execute(LOADER, program, rewrite)() == before
    assert lua.execute(LOADER, program, strip)() == before


def test_a_tail_call_keeps_its_caller() -> None:
    lua = lua51.LuaRuntime(encoding=None)
    program = b"local where = debug.getinfo return (function() return where(2, 'Sl') end)()"
    assert lua.execute(LOADER, program)()[b"what"] == b"tail"
    kept = lua.execute(LOADER, program, rewrite)()
    assert (kept[b"what"], kept[b"currentline"]) == (b"main", 1)


def test_errors_of_stripped_code_have_no_position() -> None:
    lua = lua51.LuaRuntime(encoding=None)
    program = b"local function f() error('text', 2) end local function g() f() end return pcall(g)"
    assert lua.execute(LOADER, program, rewrite)() == (False, b"test:1: text")
    assert lua.execute(LOADER, program, strip)() == (False, b"text")


def test_a_program_without_tail_calls_is_left_as_it_is() -> None:
    lua = lua51.LuaRuntime(encoding=None)
    code = lua.execute(b"return string.dump(loadstring('local x = {1, 2.5, [[s]], nil, true} return #x'))")
    assert rewrite(code) == code


@pytest.mark.parametrize(
    ("source", "brief"),
    [
        (b"return 1", True),
        (b"return redis.call('get', KEYS[1])", True),
        (b"if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end", True),
        (
            b"local t = redis.call('get', KEYS[1]) if not t or t ~= ARGV[1] then return 0 end return tonumber(t) + 1",
            True,
        ),
        (b"return redis.call(unpack(ARGV))", True),
        (b"return redis.pcall('nosuch').err", True),
        (b"while true do end", False),
        (b"repeat local x = 1 until false", False),
        (b"for i = 1, 10 do end", False),
        (b"for k in pairs(KEYS) do end", False),
        (b"local function f() return f() end return f()", False),
        (b"return KEYS[1]:rep(1e9)", False),
        (b"return KEYS[1].rep(KEYS[1], 2)", False),
        (b"return KEYS[1].gsub(KEYS[1], '.', redis.call)", False),
        (b"return KEYS[1][ARGV[1]](KEYS[1], '.', redis.call)", False),
        (b"return string.rep('x', 10)", False),
        (b"return _G.string", False),
        (b"return loadstring(ARGV[1])()", False),
        (b"return redis[ARGV[1]]", False),
        (b"return xpcall(redis.call, redis.call)", False),
        (b"return redis.call('get', (function() return 'k' end)())", False),
        (b"return KEYS['']", False),
        (b"local s = KEYS[1] return " + b" .. ".join([b"s"] * 100), True),
        (b"local s = KEYS[1] " + b"s = s .. s " * 30, True),
        (b"local s = KEYS[1] " + b"s = s .. s " * 40, False),
        (b"local n = 0 " + b"n = n + 1 " * 40, False),
        (b"local n = 0 " + b"n = KEYS[1] < KEYS[2] " * 40, False),
        (b"redis.call('keys', '*') " * 40, False),
        (b"local n " + b"n = 1 " * 1100, False),
    ],
)
def test_brief_scripts_are_told(source: bytes, brief: bool) -> None:
    code = lua51.LuaRuntime(encoding=None).execute(b"return string.dump(loadstring(...))", source)
    assert keep_callers(code)[1] is brief
