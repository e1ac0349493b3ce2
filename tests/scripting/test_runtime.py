"""One Lua state: the border, the sandbox, the memory ceiling. Hosts that try to break out of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("lupa.lua51")

from kvcore.replies import OrderedSet, Reply
from kvcore.scripting.convert import ERROR, FLAT, NESTED, STATUS, UNCOUNTED, Item
from kvcore.scripting.runtime import CompileError, Failure, Runtime, as_error

MB = 1 << 20


class FakeHost:
    """A host that answers what a test tells it to."""

    def __init__(self) -> None:
        self.calls: list[tuple[Item, ...]] = []
        self.answers: list[Item | tuple[Item, int]] = []
        self.items: list[tuple[Item, ...]] = []
        self.kept: tuple[Item, ...] = ()
        self.ends = False
        self.checkpoints = 0
        self.checkpoints_at_log = 0
        self.logged: list[tuple[int, bytes]] = []

    def execute(self, *arguments: Item) -> Item | tuple[Item, int]:
        # A Lua object must not outlive the coroutine it came from.
        self.calls.append(tuple(word if isinstance(word, bytes | int | float) else None for word in arguments))
        return self.answers.pop(0) if self.answers else b"answer"

    def keep_arguments(self, *arguments: Item) -> None:
        self.kept = arguments

    def execute_rest(self, *arguments: Item) -> Item | tuple[Item, int]:
        return self.execute(*self.kept, *arguments)

    def pull(self) -> tuple[Item, ...]:
        return self.items.pop(0)

    def checkpoint(self) -> bool:
        self.checkpoints += 1
        return self.ends

    def log(self, level: int, message: bytes) -> None:
        self.logged.append((level, message))
        self.checkpoints_at_log = self.checkpoints

    def set_protocol(self, version: int) -> None:
        self.protocol = version

    def set_replication(self, flags: int) -> None:
        self.replication = flags

    def check(self, *arguments: Item) -> bool | tuple[Item, int]:
        return arguments == (b"get",)

    def register(self, *arguments: object) -> bytes | None:
        return None

    def sha1(self, value: bytes) -> bytes:
        return b"sha1 of " + value


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


@pytest.fixture
def runtime(host: FakeHost) -> Runtime:
    return Runtime(host, 32 * MB)


def run(runtime: Runtime, body: str | bytes, *words: bytes, keys: int = 0) -> Reply | Failure:
    source = body.encode() if isinstance(body, str) else body
    return runtime.run(runtime.compile(source, b"@user_script"), keys, words)


def fails(runtime: Runtime, body: str) -> str:
    result = run(runtime, body)
    assert isinstance(result, Failure), result
    return result.message.decode()


def test_keys_and_arguments(runtime: Runtime) -> None:
    body = "return {#KEYS, #ARGV, KEYS[1] or 'none', ARGV[1] or 'none'}"
    assert run(runtime, body) == [0, 0, b"none", b"none"]
    assert run(runtime, body, b"k", keys=1) == [1, 0, b"k", b"none"]
    assert run(runtime, body, b"a", b"b") == [0, 2, b"none", b"a"]
    assert run(runtime, body, b"k", b"a", b"b", keys=1) == [1, 2, b"k", b"a"]
    assert run(runtime, body, b"k", b"l", b"a", keys=2) == [2, 1, b"k", b"a"]
    many = [b"%d" % number for number in range(10_000)]
    assert run(runtime, body, *many, keys=6000) == [6000, 4000, b"0", b"6000"]


def test_keys_of_one_run_are_gone_in_the_next(runtime: Runtime) -> None:
    run(runtime, "return 1", b"k", b"a", keys=1)
    assert run(runtime, "return #KEYS + #ARGV") == 0


def test_long_results_come_in_parts(runtime: Runtime) -> None:
    assert run(runtime, "local t = {} for i = 1, 20000 do t[i] = i end return t") == list(range(1, 20001))


def test_replies_reach_the_script(runtime: Runtime, host: FakeHost) -> None:
    host.answers = [5, False, (b"OK", STATUS), (b"ERR e", ERROR), (b"ERR u", UNCOUNTED), (False, FLAT)]
    host.items = [(b"a", 1)]
    body = """
        local t = {}
        for i = 1, 6 do t[i] = redis.pcall('x', i) end
        return {t[1], tostring(t[2]), t[3].ok, t[4].err, tostring(t[4].ignore_error_stats_update),
                tostring(t[5].ignore_error_stats_update), #t[6], t[6][1]}
    """
    assert run(runtime, body) == [5, b"false", b"OK", b"ERR e", b"true", b"nil", 2, b"a"]
    assert host.calls[1] == (b"x", 2)


def test_nested_replies_reach_the_script(runtime: Runtime, host: FakeHost) -> None:
    host.answers = [(False, NESTED)]
    host.items = [(True, b"*", 3, True, b"%", 1), (b"k", True, b","), (1.5, True, b"~", 1, b"m", True, b"_")]
    body = "local t = redis.call('x') return {#t, tostring(t[1].map.k.double), tostring(t[2].set.m), tostring(t[3])}"
    assert run(runtime, body) == [2, b"1.5", b"true", b"nil"]


def test_errors_say_where(runtime: Runtime, host: FakeHost) -> None:
    host.answers = [(b"ERR no", ERROR)]
    result = run(runtime, "local x = 1\nreturn redis.call('x')")
    assert isinstance(result, Failure)
    assert (result.message, result.source, result.line, result.counted) == (b"ERR no", b"@user_script", 2, True)
    assert str(as_error(result, b"abc")) == "ERR no script: abc, on @user_script:2."


def test_an_error_without_text_is_answered(runtime: Runtime) -> None:
    for body in ("error({})", "error({err = {}})", "error({err = false, line = 1, source = 1})"):
        result = run(runtime, body)
        assert isinstance(result, Failure)
        assert str(as_error(result, b"abc")).count("\n") == 0


def test_sets_and_maps(runtime: Runtime) -> None:
    assert run(runtime, "return {map = {a = {set = {b = true}}}}") == {b"a": OrderedSet([b"b"])}


def test_compile_errors(runtime: Runtime) -> None:
    with pytest.raises(CompileError, match="user_script:2: unexpected symbol near"):
        runtime.compile(b"\nreturn return", b"@user_script")
    code = run(runtime, "return string.dump(function() return 1 end)")
    assert isinstance(code, bytes)
    with pytest.raises(CompileError, match="unexpected symbol near 'char\\(27\\)'"):
        runtime.compile(code, b"@user_script")


def test_the_log(runtime: Runtime, host: FakeHost) -> None:
    run(runtime, "redis.log(redis.LOG_WARNING, 'a', 1, {}, 'b')")
    assert host.logged == [(3, b"a 1 b")]


# Ways out


ESCAPES = [
    # Whatever is reachable from the globals, metatables, upvalues of iterators and coroutines: no userdata.
    """
    local seen, bad = {}, 0
    local function walk(v)
      local kind = type(v)
      if kind == 'userdata' then
        if v ~= cjson.null then bad = bad + 1 end
      end
      if kind ~= 'table' or seen[v] then return end
      seen[v] = true
      for k, x in pairs(v) do walk(k) walk(x) end
      for k, x in next, v do walk(k) walk(x) end
      walk(getmetatable(v))
    end
    walk(_G) walk(getmetatable('')) walk(getmetatable(_G))
    for _, f in pairs({pairs, ipairs, next}) do
      local ok, a, b, c = pcall(f, redis)
      walk({a, b, c})
    end
    return bad
    """,
    # Errors of every function when it is called with nonsense are text or tables.
    """
    local bad = 0
    local check
    local odd = {nil, false, 0, -1, 1e308, 0/0, '', 'x', {}, print, function() error() end,
                 coroutine.create(function() check() end)}
    function check(...)
      for i = 1, select('#', ...) do
        local v = (select(i, ...))
        if type(v) == 'userdata' and v ~= cjson.null then bad = bad + 1 end
      end
    end
    local skip = {random = true, collectgarbage = true, rep = true, format = true, yield = true}
    for _, lib in pairs({_G, redis, string, table, math, coroutine, cjson, cmsgpack, struct, bit}) do
      for name, f in pairs(lib) do
        if type(f) == 'function' and not skip[name] then
          for i = 1, 12 do
            for j = 1, 12, 5 do
              check(pcall(f, odd[i], odd[j]))
              check(coroutine.resume(coroutine.create(function() return f(odd[i], odd[j]) end)))
              check(xpcall(function() return f(odd[i], odd[j]) end, function(e) check(e) return e end))
            end
          end
        end
      end
    end
    return bad
    """.replace("print", "tostring"),
    # Deep in the C stack and at its end, what comes back is still no Python object.
    """
    local bad = 0
    local function deep(n)
      local ok, e = pcall(redis.call, 'x')
      if type(e) == 'userdata' then bad = bad + 1 end
      if n > 0 then
        local ok, e = pcall(deep, n - 1)
        if type(e) == 'userdata' then bad = bad + 1 end
      end
    end
    deep(250)
    local function wide(n)
      local ok, e = pcall(redis.call, unpack({}, 1, n))
      if type(e) == 'userdata' then bad = 1 end
    end
    for n = 7000, 8000, 50 do pcall(wide, n) end
    return bad
    """,
    "local n = 0 for _, name in pairs({'debug', 'io', 'os', 'package', 'require', 'python', 'getfenv', 'setfenv', "
    "'newproxy', 'dofile', 'loadfile', 'module', 'print'}) do if rawget(_G, name) ~= nil then n = n + 1 end "
    "if pcall(function() return _G[name] end) then n = n + 1 end end return n",
    "return loadstring('return debug') and (pcall(loadstring('return debug')) and 1 or 0)",
    # The tables behind the faces are nowhere to be had, so that nothing of a script stays.
    """
    local bad = 0
    for _, lib in pairs({_G, redis, string, table, math, coroutine}) do
      local f, t, k = pairs(lib)
      if t ~= lib then bad = bad + 1 end
      for _, change in pairs({rawset, function(t, k, v) t[k] = v end, table.insert, setmetatable}) do
        if pcall(change, lib, 'escaped', {}) then bad = bad + 1 end
      end
      if rawget(lib, 'escaped') ~= nil then bad = bad + 1 end
      local meta = getmetatable(lib)
      if meta ~= nil and pcall(rawset, meta, '__index', nil) then bad = bad + 1 end
      if meta ~= nil and pcall(setmetatable, lib, nil) then bad = bad + 1 end
    end
    return bad
    """,
]


@pytest.mark.parametrize("body", ESCAPES)
def test_nothing_leads_out(runtime: Runtime, body: str) -> None:
    assert run(runtime, body) == 0


class InterruptedHost(FakeHost):
    """A host that breaks its promise: what it raises is raised inside lupa."""

    def execute(self, *arguments: Item) -> Item | tuple[Item, int]:
        raise KeyboardInterrupt


def test_an_interrupt_never_becomes_a_value() -> None:
    """An exception at the worst moment, inside the callable, is passed on by everything that catches errors."""
    host = InterruptedHost()
    broken = Runtime(host, 32 * MB)
    for body in (
        "local ok, e = pcall(redis.call, 'x') return type(e)",
        "local ok, e = xpcall(function() redis.call('x') end, function(e) return type(e) end) return e",
        "local ok, e = coroutine.resume(coroutine.create(function() redis.call('x') end)) return type(e)",
        "local ok, e = pcall(coroutine.wrap(function() redis.call('x') end)) return type(e)",
        "local f, e = load(function() redis.call('x') end) return type(e)",
    ):
        function = broken.compile(body.encode(), b"@user_script")
        with pytest.raises(KeyboardInterrupt):
            broken.run(function, 0, ())
    assert broken.run(broken.compile(b"return 7", b"@user_script"), 0, ()) == 7


# Limits

HOGS = [
    "local s = 'x' while true do s = s .. s end",
    "local t = {} local i = 0 while true do i = i + 1 t[i] = {i} end",
    "return #string.rep('xxxxxxxx', 2 ^ 28)",
    "return string.rep('x', 1e9):rep(1e9)",
    "local t = {} for i = 1, 1e9 do t[i] = 'item' .. i end",
    "return table.concat({('x'):rep(2e7), ('y'):rep(2e7)})",
]


@pytest.mark.parametrize("body", HOGS)
def test_the_memory_ceiling_holds(runtime: Runtime, body: str) -> None:
    assert "not enough memory" in fails(runtime, body)
    assert run(runtime, "return 'alive'") == b"alive"
    assert runtime.memory_bytes <= 32 * MB


@pytest.mark.parametrize(
    "step",
    [
        "redis.call('get', 'a' .. j)",
        "redis.call({})",
        "redis.pcall('get', j)",
        "redis.sha1hex('a' .. j)",
        "redis.acl_check_cmd('get')",
        "loadstring('return ' .. j)",
        "redis.log(1, 'x' .. j)",
    ],
)
def test_nothing_crosses_the_border_near_the_ceiling(runtime: Runtime, step: str) -> None:
    """Lua runs out of memory while lupa is on the stack: that would be the end of the process, not of the script."""
    body = f"""
        local j, t, i = 0, {{}}, 0
        local function fill() while true do i = i + 1 t[i] = {{i}} end end
        local function step() {step} end
        pcall(fill)
        for n = 1, 500 do j = n pcall(step) end
        return 'over'
    """
    assert run(runtime, body) == b"over"
    assert run(runtime, "return 'alive'") == b"alive"


def test_a_large_argument_is_refused(runtime: Runtime) -> None:
    function = runtime.compile(b"return #ARGV[1]", b"@user_script")
    result = runtime.run(function, 0, [bytes(33 * MB)])
    assert isinstance(result, Failure)
    assert b"not enough memory" in result.message
    with pytest.raises(CompileError, match="not enough memory"):
        runtime.compile(b"return '" + b"x" * (33 * MB) + b"'", b"@user_script")


@pytest.mark.parametrize(
    "body",
    [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "while true do coroutine.wrap(function() while true do end end)() end",
        "while true do pcall(coroutine.wrap(function() while true do end end)) end",
        "while true do xpcall(function() while true do end end, function(e) return e end) end",
        "local co = coroutine.create(function() while true do coroutine.yield() end end) "
        "while true do coroutine.resume(co) end",
        "while true do redis.call('x') end",
        "local t = setmetatable({}, {__index = function(t, k) while true do end end}) return t.x",
        "table.sort({3, 2, 1}, function() while true do end end)",
        "string.gsub('aaa', '.', function() while true do end end)",
        "loadstring('while true do end')()",
        "local function f() return f() end while true do pcall(f) end",
    ],
)
def test_a_killed_script_ends(runtime: Runtime, host: FakeHost, body: str) -> None:
    host.ends = True
    assert "Script killed by user with SCRIPT KILL" in fails(runtime, body)
    host.ends = False
    assert run(runtime, "local n = 0 for i = 1, 100000 do n = n + 1 end return n") == 100000


def test_the_clock_is_looked_at_in_coroutines(runtime: Runtime, host: FakeHost) -> None:
    run(runtime, "return coroutine.wrap(function() for i = 1, 1e6 do end return 1 end)()")
    assert host.checkpoints > 10


class LateKill(FakeHost):
    """A host that ends a script after so many looks."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def checkpoint(self) -> bool:
        self.checkpoints += 1
        return self.checkpoints > self.most


class Ticking:
    """Processor time: so much passes between two looks at it."""

    def __init__(self, step: float) -> None:
        self.now = 0.0
        self.step = step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


STEP_BYTES = 2 * MB
STRINGS = f"local n = {STEP_BYTES} local a, b, digits = string.rep('x', n), string.rep('y', n), string.rep('1', n) "
STEPS = [
    "local s = a .. b",
    "local s = a < a",
    "local s = digits + 1",
    "local s = string.rep('x', #a)",
    "local s = string.rep(a, 1)",
    "local s = a:upper()",
    "local s = a:reverse()",
    "local s = a:sub(2)",
    "local s = string.format('%s%s', a, b)",
    "local s = string.format('%q', a)",
    "local s = table.concat({a, b})",
    "local s = a:find('y', 1, true)",
    "local s = a:find('xy')",
    "local s = a:gsub('y', '')",
    "local s = cjson.encode(a)",
    "local s = cmsgpack.pack(a)",
    "local s = struct.pack('s', a)",
    "local s = redis.sha1hex(a)",
    "local s = redis.call('set', 'k', a)",
    "local s = coroutine.wrap(function() return a .. b end)()",
    "local ok, s = pcall(function() return a .. b end)",
]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("late", ["", "for i = 1, 100000 do end "], ids=["early", "late"])
def test_the_clock_is_looked_at_for_so_many_bytes(host: FakeHost, step: str, late: str) -> None:
    """Each step of these loops goes through megabytes; a dozen of them, some 100 ms, are never without a look."""
    runtime = Runtime(host, 256 * MB, cpu_time=Ticking(1.0))
    run(runtime, f"{STRINGS} {late} redis.log(1, 'begins') for i = 1, 100 do {step} end")
    assert host.checkpoints - host.checkpoints_at_log >= 8


def test_most_long_strings_are_left_alone(host: FakeHost) -> None:
    """Where the processor's time says that instructions are short, there are fewer looks, but not few."""
    looks = []
    for step in (1.0, 0.0011):
        runtime = Runtime(host, 256 * MB, cpu_time=Ticking(step))
        host.checkpoints = 0
        run(runtime, STRINGS + "for i = 1, 200000 do local x = #a end")
        looks.append(host.checkpoints)
    assert looks[0] > 4 * looks[1] > 400


def test_a_string_that_grows_between_two_looks_is_noticed(host: FakeHost) -> None:
    """Doubling takes a few dozen instructions; the collector tells."""
    runtime = Runtime(host, 256 * MB, cpu_time=Ticking(1.0))
    run(runtime, "local s = 'x' for i = 1, 22 do s = s .. s end for i = 1, 50 do local t = s .. 'y' end")
    assert host.checkpoints >= 5


@pytest.mark.parametrize(
    "body",
    [
        "return string.find(('a'):rep(50000), ('.-'):rep(20) .. 'b')",
        "return string.find(('a'):rep(5000), 'a-a-a-b')",
        "return string.match(('a'):rep(50000), '(.-)(.-)%2b')",
        "for w in string.gmatch(('a'):rep(50000), '.-.-.-b') do end",
        "return string.gsub(('a'):rep(50000), 'a-a-b', '')",
        "return string.find(('a'):rep(5000000), ('a'):rep(2500000) .. 'b', 1, true)",
        "return string.find(('('):rep(300000), '%b()')",
        "local t = {} for i = 1, 300000 do t[i] = i % 7 end while true do table.sort(t) end",
        "local t = {} for i = 1, 300000 do t[i] = i end while true do table.insert(t, 1, 0) table.remove(t, 1) end",
        "local t = {} for i = 1, 300000 do t[i] = i end while true do table.foreach(t, type) end",
        "local t = {} for i = 1, 300000 do t[i] = {} end while true do collectgarbage() end",
    ],
)
def test_no_call_is_out_of_reach_of_a_kill(body: str) -> None:
    """These would run for minutes, and in C; the kill comes when they are well under way."""
    host = LateKill(3000)
    runtime = Runtime(host, 256 * MB)
    assert "Script killed by user with SCRIPT KILL" in fails(runtime, body)


def test_compiling_is_not_out_of_reach_either() -> None:
    """The clock is looked at between pieces of a long source."""
    source = "local source = string.rep('x=1 ', 2 ^ 20) "
    host = LateKill(10**9)
    run(Runtime(host, 256 * MB, cpu_time=Ticking(1.0)), source)
    before = host.checkpoints
    run(Runtime(host, 256 * MB, cpu_time=Ticking(1.0)), source + "return type(loadstring(source))")
    assert host.checkpoints >= 2 * before + 4


def test_scripts_leave_the_collector_alone(runtime: Runtime) -> None:
    body = """
        collectgarbage('stop')
        local before = {collectgarbage('setpause', 100000), collectgarbage('setstepmul', 1)}
        return {before[1], before[2], collectgarbage('setpause', 200), collectgarbage('setstepmul', 200)}
    """
    assert run(runtime, body) == [200, 200, 100000, 1]
    assert run(runtime, "for i = 1, 200 do local s = string.rep('x', 2 ^ 20 + i) end return 'alive'") == b"alive"
    assert runtime.memory_bytes < 32 * MB


def test_deep_results_end_with_an_error(runtime: Runtime) -> None:
    reply = run(runtime, "local t = {} t[1] = t return t")
    depth = 0
    while isinstance(reply, list):
        [reply] = reply
        depth += 1
    assert "reached lua stack limit" in str(reply)
    assert depth == 200


def test_importing_the_engine_imports_no_lua() -> None:
    program = "import sys, kvcore.engine, kvcore.frontends.inprocess; print([m for m in sys.modules if 'lupa' in m])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
