"""The library functions made of pieces: what those of Lua give, however small the pieces are, and no deep recursion."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from importlib.resources import files

import pytest

lua51 = pytest.importorskip("lupa.lua51")

from kvcore.scripting.chunks import keep_callers  # noqa: E402 - after the skip

MB = 1 << 20

LOADER = b"""local source, rewrite = ...
own = {string = {}, table = {}}
for _, name in pairs({'string', 'table'}) do for k, v in pairs(_G[name]) do own[name][k] = v end end
return loadstring(rewrite(string.dump(loadstring(source, '=pieces'))), '=pieces')"""

BOTH = b"""
local concat, tostring, select, pcall = own.table.concat, tostring, select, pcall
local function spell(...)
  local out = {}
  for i = 1, select('#', ...) do out[i] = tostring((select(i, ...))) end
  return concat(out, '|')
end
local function matches(f, s, p)
  local out = {}
  for a, b, c in f(s, p) do
    out[#out + 1] = spell(a, b, c)
    if #out > 40 then break end
  end
  return concat(out, ';')
end
local results = {
  call = function(a, b) if a == 'a' then return false end return (b or '') .. '<' .. a .. '>' end,
  look = {a = '1', b = 2, ab = false}, bad = {a = {}, c = {}},
}
return function(original, library, name, ...)
  local f = (original and own or _G)[library][name]
  if name == 'gmatch' then return spell(pcall(matches, f, ...)) end
  if name == 'gsub' then
    local s, p, with, most = ...
    return spell(pcall(f, s, p, results[with] or with, most))
  end
  return spell(pcall(f, ...))
end
"""

Compare = Callable[..., None]


def state(budget: int, piece: int) -> object:
    lua = lua51.LuaRuntime(encoding=None, max_memory=256 * MB)
    source = files("kvcore.scripting").joinpath("libraries/pieces.lua").read_bytes()
    lua.execute(LOADER, source, lambda code: keep_callers(code, strip=True)[0])(budget, piece, 256 * MB)
    return lua


def without_position(text: bytes) -> bytes:
    return re.sub(rb"^(false\|)[^ ]*:\d*: ", rb"\1", text)


@pytest.fixture(params=[(-1, 32), (0, 32), (50, 64), (10_000_000, MB)], ids=str)
def same(request: pytest.FixtureRequest) -> Compare:
    """Return what compares a function with the original; the parameters are the steps and bytes left to C."""
    run = state(*request.param).execute(BOTH)  # type: ignore[attr-defined] - of a library without types

    def compare(library: str, name: str, *arguments: object) -> None:
        before = without_position(run(True, library.encode(), name.encode(), *arguments))
        after = without_position(run(False, library.encode(), name.encode(), *arguments))
        assert after == before, (name, arguments)

    return compare


ITEMS = [*b"ab.-x^$[%", b"%a", b"%d", b"[ab]", b"[^a]", b"[a-c]", b"%%", b"%s", b"[]]", b"[^]a]", b"[a-]", b"\0"]


def pattern(choice: random.Random) -> bytes:
    parts = [b"^"] if choice.random() < 0.15 else []
    for _ in range(choice.randint(0, 5)):
        kind = choice.random()
        if kind < 0.7:
            item = choice.choice(ITEMS)
            parts += [
                bytes([item]) if isinstance(item, int) else item,
                choice.choice([b"", b"", b"*", b"+", b"-", b"?"]),
            ]
        else:
            parts.append(
                choice.choice([b"(", b"(", b")", b")", b"()", b"%1", b"%2", b"%b()", b"%f[%w]", b"%f", b"(a*)"])
            )
    return b"".join([*parts, b"$" if choice.random() < 0.15 else b""])


def test_patterns_match_what_they_match_in_c(same: Compare) -> None:
    choice = random.Random(5)
    for _ in range(8_000):
        subject = bytes(choice.choice(b"aaabbc(1) -x\0") for _ in range(choice.randint(0, 12)))
        name = choice.choice(["find", "match", "gmatch", "gsub"])
        extra: list[object] = []
        if name in ("find", "match") and choice.random() < 0.4:
            extra = [choice.randint(-14, 14)] + [True] * (name == "find" and choice.random() < 0.3)
        if name == "gsub":
            replacements = [b"<%0>", b"%1", b"-", b"", b"%2%1", b"%%", b"%", b"call", b"look", b"bad"]
            extra = [choice.choice(replacements), choice.choice([None, 0, 1, 2])]
        same("string", name, subject, pattern(choice), *extra)


def test_plain_text_is_found_where_it_is(same: Compare) -> None:
    choice = random.Random(6)
    for _ in range(500):
        subject = bytes(choice.choice(b"ab") for _ in range(choice.randint(0, 900)))
        start = choice.randint(0, 900)
        for needle in (subject[start : start + choice.randint(0, 300)], b"a" * choice.randint(0, 9) + b"b"):
            same("string", "find", subject, needle, choice.randint(-9, 99), True)


def test_copies(same: Compare) -> None:
    choice = random.Random(7)
    for length in (0, 1, 31, 32, 33, 100, 1000, 70_000):
        text = bytes(choice.randrange(256) for _ in range(length))
        for name in ("upper", "lower", "reverse"):
            same("string", name, text)
        same("string", "format", b"%q|%5s|%%q|%q", text, b"x", text)
        for count in (-1, 0, 1, 2.9, 3, 7, 64, 1000 if length < 100 else 5, float("nan"), 2.0**32 + 2, -(2.0**40)):
            same("string", "rep", text, count)


def test_nothing_is_repeated_in_no_time(same: Compare) -> None:
    same("string", "rep", b"", 2)
    assert state(0, 32).execute(b"return string.rep('', 2 ^ 31 - 1)") == b""  # type: ignore[attr-defined]


TABLES = b"""
math.randomseed(8)
local draw = math.random
local function copy(t) local o = {} for k, v in pairs(t) do o[k] = v end return o end
local function spell(t, ...)
  local out = {}
  for i = 1, #t do out[i] = tostring(t[i]) end
  return own.table.concat(out, ',') .. ' ' .. tostring((...)) .. ' ' .. tostring((select(2, ...)))
end
local function upside(a, b) return b < a end
local function odd(a, b) return (a * 7 + b) % 3 == 0 end
for round = 1, 300 do
  local t = {}
  for i = 1, draw(0, 70) do t[i] = draw(1, 50) end
  for _, case in pairs({
    {'sort'}, {'sort', upside}, {'sort', odd}, {'insert', draw(1, 90), 'x'}, {'insert', 'x'}, {'remove'},
    {'remove', draw(-2, 90)}, {'maxn'}, {'concat', ','}, {'concat', '-', draw(1, 30), draw(0, 70)}, {'concat', nil, 5},
    {'foreach', function(k, v) if v == 9 then return k end end},
    {'foreachi', function(k, v) if v == 9 then return k end end},
  }) do
    local a, b = copy(t), copy(t)
    local before = spell(a, pcall(own.table[case[1]], a, unpack(case, 2, 4)))
    local after = spell(b, pcall(table[case[1]], b, unpack(case, 2, 4)))
    before, after = own.string.gsub(before, '[^ ]*: ', ''), own.string.gsub(after, '[^ ]*: ', '')
    if before ~= after then return case[1] .. ': ' .. before .. ' / ' .. after end
  end
end
return 'same'
"""


def test_tables_become_what_they_become_in_c() -> None:
    lua = state(0, 64)
    assert lua.execute(TABLES) == b"same"  # type: ignore[attr-defined]


def test_a_pattern_of_any_length_leaves_the_stack_alone(same: Compare) -> None:
    """The matcher in C recurses once for each of these, and the process would end."""
    lua = state(10_000_000, MB)
    deep = b"return pcall(string.find, ('a'):rep(300000), ('a?'):rep(300000))"
    ok, message = lua.execute(deep)  # type: ignore[attr-defined]
    assert not ok
    assert b"stack overflow" in message
    same("string", "find", b"a" * 200, b"a?" * 300)
