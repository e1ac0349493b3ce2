"""An engine's scripts: cache, flags, time limit, being parked; with turns that a test plays by hand."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable

import pytest

from kvcore import errors
from kvcore.blocking import Blocked
from kvcore.call import Call
from kvcore.engine import Engine
from kvcore.errors import CommandError
from kvcore.ports import PARKED, Parked
from kvcore.replies import OK, Reply
from kvcore.scripting.scripts import ALLOW_OOM, COMPATIBLE, NO_WRITES, parse_shebang
from kvcore.session import Session
from tests.engine_client import Client

pytest.importorskip("lupa.lua51")
greenlets = pytest.importorskip("greenlet")

LOOP = "while true do end"


class Visitor:
    """Turns of an engine without other threads: what a test does meanwhile is done in yield_now."""

    parks = False

    def __init__(self, visit: Callable[[], None]) -> None:
        self.visit = visit
        self.visits = 0

    def run(self, job: Callable[[], None], done: Callable[[], None]) -> None:
        job()

    def yield_now(self) -> None:
        self.visits += 1
        self.visit()


class ByHand:
    """Turns that park the script whenever it gives way, until a test says `step`."""

    parks = True

    def __init__(self) -> None:
        self.runner = None
        self.done: Callable[[], None] = list

    def run(self, job: Callable[[], None], done: Callable[[], None]) -> Parked | None:
        self.runner = greenlets.greenlet(job)
        self.runner.switch()
        if self.runner.dead:
            return None
        self.done = done
        return PARKED

    def yield_now(self) -> None:
        self.runner.parent.switch()

    def step(self) -> bool:
        """Run a slice; True if the script ended."""
        self.runner.switch()
        if self.runner.dead:
            self.done()
        return self.runner.dead


@pytest.fixture
def clock_runs(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a millisecond pass whenever a script's time is looked at."""
    scripts = engine.scripts
    steady = engine.clock

    class Running:
        now_us = steady.now_us
        ns = 0

        def steady_ns(self) -> int:
            self.ns += 3_000_000
            return self.ns

    engine.clock = Running()  # type: ignore[assignment] - what the scripts ask for
    scripts.limit_ns = 30_000_000


@pytest.fixture
def by_hand(engine: Engine, clock_runs: None) -> ByHand:
    engine.scripts.turns = turns = ByHand()
    return turns


# The cache


def test_a_script_is_compiled_once(client: Client, engine: Engine) -> None:
    sha = client("SCRIPT", "LOAD", "return 1")
    script = engine.scripts.get(sha)
    client("EVAL", "return 1", 0)
    assert engine.scripts.get(sha.upper()) is script
    assert engine.scripts.count == 1
    assert engine.scripts.cache_bytes > 0
    assert engine.scripts.lua_bytes > 0


def test_a_script_that_does_not_compile_is_not_kept(client: Client, engine: Engine) -> None:
    client.error("EVAL", "return (", 0)
    client.error("SCRIPT", "LOAD", "#!lua flags=nonsense\nreturn 1")
    assert engine.scripts.count == 0


def test_flush_ends_the_interpreter(client: Client, engine: Engine) -> None:
    client("EVAL", "return 1", 0)
    client("SCRIPT", "FLUSH")
    assert (engine.scripts.count, engine.scripts.lua_bytes, engine.scripts.cache_bytes) == (0, 0, 0)
    assert client("EVAL", "return 2", 0) == 2


def test_engines_share_nothing() -> None:
    first, second = Client(Engine()), Client(Engine())
    sha = first("SCRIPT", "LOAD", "return 1")
    assert second("SCRIPT", "EXISTS", sha) == [0]


def test_without_lupa_the_error_names_the_extra(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lupa", None)
    monkeypatch.setitem(sys.modules, "lupa.lua51", None)
    for words in (("EVAL", "return 1", 0), ("SCRIPT", "LOAD", "return 1")):
        assert client.error(*words) == errors.LUA_MISSING
    assert "kvcore[server]" in errors.LUA_MISSING


@pytest.mark.parametrize(
    ("body", "flags", "rest"),
    [
        (b"return 1", COMPATIBLE, b"return 1"),
        (b"#!lua\nreturn 1", 0, b"\nreturn 1"),
        (b"#!lua flags=no-writes,allow-oom\nx", NO_WRITES | ALLOW_OOM, b"\nx"),
    ],
)
def test_shebang(body: bytes, flags: int, rest: bytes) -> None:
    found, skipped = parse_shebang(body)
    assert (found, body[skipped:]) == (flags, rest)


@pytest.mark.parametrize("body", [b"#!lua", b"#!python\n", b"#!lua x=y\n", b"#!lua flags=x\n", b"#!lua 'x\n"])
def test_bad_shebang(body: bytes) -> None:
    with pytest.raises(CommandError):
        parse_shebang(body)


# The limit, in the same thread


def test_others_hear_busy_and_may_kill(client: Client, other: Client, engine: Engine, clock_runs: None) -> None:
    heard: list[str] = []

    def visit() -> None:
        heard.append(other.error("GET", "k"))
        heard.append(other.error("EVAL", "return 1", 0))
        heard.append(other.error("NOSUCH"))
        assert other("MULTI") == OK
        heard.append(other.error("SET", "k", 1))
        heard.append(other.error("EXEC"))
        assert other("SCRIPT", "KILL") == OK

    engine.scripts.turns = Visitor(visit)
    error = client.error("EVAL", LOOP, 0)
    assert error.startswith("ERR Script killed by user with SCRIPT KILL... script: ")
    assert heard[0] == heard[1] == heard[3] == errors.BUSY_SCRIPT
    assert heard[2].startswith("ERR unknown command")
    assert heard[4].startswith("EXECABORT")
    assert other("GET", "k") is None
    assert other.error("SCRIPT", "KILL") == errors.NOT_BUSY


def test_a_script_that_wrote_cannot_be_killed(client: Client, other: Client, engine: Engine, clock_runs: None) -> None:
    heard: list[str] = []

    def visit() -> None:
        heard.append(other.error("SCRIPT", "KILL"))
        heard.append(other.error("SHUTDOWN"))
        engine.scripts.abandon()

    engine.scripts.turns = Visitor(visit)
    client.error("EVAL", "redis.call('set', 'k', 1) while true do end", 0)
    assert heard == [errors.UNKILLABLE, errors.BUSY_SCRIPT]
    assert client("GET", "k") == b"1"


def test_without_a_threshold_nobody_is_let_in(client: Client, engine: Engine, clock_runs: None) -> None:
    engine.scripts.turns = visitor = Visitor(list)
    engine.scripts.limit_ns = 0
    assert client("EVAL", "local n = 0 for i = 1, 1e6 do n = n + 1 end return n", 0) == 1_000_000
    assert visitor.visits == 0


def test_a_tick_meanwhile_changes_nothing(client: Client, engine: Engine, clock_runs: None) -> None:
    client("SET", "k", 1, "PX", 1)
    engine.keyspace.unit_ms = 0
    ticked: list[int] = []

    def visit() -> None:
        ticked.append(client.engine.keyspace.databases[0].size)
        engine.tick()
        ticked.append(client.engine.keyspace.databases[0].size)
        engine.scripts.kill()

    engine.scripts.turns = Visitor(visit)
    client.error("EVAL", LOOP, 0)
    assert ticked == [1, 1]


# Parked


def test_a_long_script_is_parked_and_goes_on(client: Client, other: Client, by_hand: ByHand) -> None:
    body = "local n = 0 for i = 1, 5e5 do n = n + 1 end return redis.call('incr', 'k')"
    parked = client("EVAL", body, 0)
    assert isinstance(parked, Blocked)
    assert client.session.blocked is parked
    assert other.error("GET", "k") == errors.BUSY_SCRIPT
    while not by_hand.step():
        assert other.error("GET", "k") == errors.BUSY_SCRIPT
    assert client.delivered == [1]
    assert client.session.blocked is None
    assert other("GET", "k") == b"1"


def test_a_short_script_is_not_parked(client: Client, by_hand: ByHand) -> None:
    assert client("EVAL", "return 1", 0) == 1


def test_an_error_of_a_parked_script_is_delivered(client: Client, other: Client, by_hand: ByHand) -> None:
    client("EVAL", LOOP, 0)
    other("SCRIPT", "KILL")
    assert by_hand.step()
    [error] = client.delivered
    assert "Script killed by user" in str(error)
    assert other("PING") == "PONG"


def test_a_transaction_is_parked_as_a_whole(
    client: Client, other: Client, by_hand: ByHand, effects: list[list[bytes]]
) -> None:
    client("MULTI")
    client("SET", "k", 1)
    client("EVAL", "for i = 1, 5e5 do end return redis.call('incr', 'k')", 0)
    client("INCR", "k")
    client("EVAL", "for i = 1, 5e5 do end return redis.call('foo')", 0)
    assert isinstance(client("EXEC"), Blocked)
    assert effects == []
    while not by_hand.step():
        assert other.error("INCR", "k") == errors.BUSY_SCRIPT
        assert effects == []
    [replies] = client.delivered
    assert replies[:3] == [OK, 2, 3]
    assert "Unknown Redis command" in str(replies[3])
    assert [argv[0] for argv in effects] == [b"MULTI", b"SET", b"incr", b"INCR", b"EXEC"]


def test_a_script_goes_on_without_its_client(client: Client, other: Client, engine: Engine, by_hand: ByHand) -> None:
    client("MULTI")
    client("EVAL", "for i = 1, 5e5 do end return redis.call('set', 'k', 'done')", 0)
    client("APPEND", "k", "!")
    client("EXEC")
    engine.drop(client.session)
    client.session.detach()
    while not by_hand.step():
        pass
    assert client.delivered == []
    assert other("GET", "k") == b"done!"
    assert not hasattr(client.session.call, "session")


def test_effects_of_a_parked_script_are_one_unit(
    client: Client, other: Client, by_hand: ByHand, engine: Engine
) -> None:
    units: list[list[bytes]] = []
    engine.subscribe(lambda unit: units.append([argv[0] for _, argv in unit]))
    client("EVAL", "redis.call('set', 'a', 1) for i = 1, 5e5 do end redis.call('set', 'b', 1)", 0)
    other("MULTI")
    other("DISCARD")
    assert units == []
    while not by_hand.step():
        pass
    assert units == [[b"MULTI", b"set", b"set", b"EXEC"]]


def test_who_waits_is_served_when_the_script_ends(client: Client, other: Client, by_hand: ByHand) -> None:
    assert isinstance(other("BLPOP", "l", 0), Blocked)
    client("EVAL", "redis.call('rpush', 'l', 1) for i = 1, 5e5 do end return 1", 0)
    assert other.delivered == []
    while not by_hand.step():
        pass
    assert other.delivered == [[b"l", b"1"]]


def test_a_paused_script_may_be_parked_when_it_runs(client: Client, other: Client, by_hand: ByHand) -> None:
    other("CLIENT", "PAUSE", 10_000, "WRITE")
    assert isinstance(client("EVAL", "for i = 1, 5e5 do end return 5", 0), Blocked)
    other("CLIENT", "UNPAUSE")
    while not by_hand.step():
        pass
    assert client.delivered == [5]


def test_abandon_ends_what_runs(client: Client, engine: Engine, by_hand: ByHand) -> None:
    client("EVAL", "redis.call('set', 'k', 1) while true do pcall(function() while true do end end) end", 0)
    engine.scripts.abandon()
    assert by_hand.step()
    assert engine.scripts.running is None


# Nothing stays behind


def test_twenty_thousand_runs_leave_nothing_behind(client: Client, engine: Engine) -> None:
    client("SET", "k", "v" * 100)
    shas = [
        client("SCRIPT", "LOAD", body)
        for body in (
            "return redis.call('get', KEYS[1])",
            "return {redis.call('get', KEYS[1]), {1, 2, {ARGV[1]}}}",
            "return redis.pcall('lpush', KEYS[1], 1)",
            "return redis.call('foo')",
            "error({err = 'x'})",
            "return coroutine.wrap(function() return redis.call('mget', KEYS[1], 'none') end)()",
        )
    ]

    def work(times: int) -> None:
        for _ in range(times):
            for sha in shas:
                client("EVALSHA", sha, 1, "k", "a")

    work(500)
    gc.collect()
    tracemalloc.start()
    try:
        before, lua_before = tracemalloc.get_traced_memory()[0], engine.scripts.lua_bytes
        work(20_000 // len(shas))
        gc.collect()
        after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert after - before < 100_000
    assert engine.scripts.lua_bytes < lua_before + 2_000_000


def test_many_scripts_can_be_flushed(client: Client, engine: Engine) -> None:
    for number in range(500):
        client("EVAL", f"return {number}", 0)
    assert engine.scripts.count == 500
    runtime = engine.scripts.runtime()
    client("SCRIPT", "FLUSH")
    gc.collect()
    assert sys.getrefcount(runtime) == 2  # the test's own, and the argument of this call


def test_a_dropped_session_is_not_kept(engine: Engine) -> None:
    session: Session = engine.session()
    engine.execute(session, [b"EVAL", b"return 1", b"0"])
    assert engine.scripts.bridge is not None
    assert engine.scripts.bridge.caller is None


def test_a_killed_run_leaves_the_next_one_alone(client: Client, engine: Engine) -> None:
    """Without a threshold, too, where nobody has looked at the clock."""
    record = engine.commands[b"get"]
    get = record.handler

    def kill(call: Call, key: bytes) -> Reply:
        engine.scripts.abandon()
        return get(call, key)

    engine.config.set("busy-reply-threshold", "0")
    record.handler = kill
    client.error("EVAL", "redis.call('get', 'k') while true do end", 0)
    assert client("EVAL", "local n = 0 for i = 1, 1e5 do n = n + 1 end return n", 0) == 100_000


def test_an_engine_with_scripts_can_be_collected() -> None:
    """Lua holds Python callables, which no collector sees: they must not hold the engine."""

    def engines() -> int:
        gc.collect()
        return sum(type(each) is Engine for each in gc.get_objects())

    before = engines()
    client = Client(Engine())
    client("EVAL", "return redis.call('set', 'k', redis.pcall('nosuch').err)", 0)
    client(
        "FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function() return redis.call('get', 'k') end)"
    )
    client("FCALL", "f", 0)
    assert engines() == before + 1
    del client
    assert engines() == before
