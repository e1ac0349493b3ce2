"""FUNCTION and FCALL: replies, what is propagated, a function that runs long."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kvcore import errors
from kvcore.clock import ManualClock
from kvcore.engine import Engine
from kvcore.ports import Parked
from kvcore.replies import OK, Reply
from tests.commands.conftest import Client

LIBRARY = b"""#!lua name=lib
redis.register_function('f', function(keys, arguments) return {keys, arguments} end)
redis.register_function{function_name='ro', callback=function() return redis.call('get', 'k') end,
  flags={'allow-oom', 'no-writes'}, description='reads'}
redis.register_function('twice', function(keys) redis.call('incr', keys[1]) return redis.call('incr', keys[1]) end)
redis.register_function('loop', function() while true do end end)
redis.register_function('write_and_loop', function() redis.call('set', 'k', 'v') for i = 1, 1e6 do end end)
"""


class Turns:
    """Lets another client run commands whenever a script gives way."""

    parks = False

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act

    def run(self, job: Callable[[], None], done: Callable[[], None]) -> Parked | None:
        raise AssertionError("nothing parks here")

    def yield_now(self) -> None:
        self._act()


class LookedAtClock(ManualClock):
    """A clock that every look moves by a second."""

    def __init__(self) -> None:
        super().__init__()
        self.steady_ns: Callable[[], int] = self._look

    def _look(self) -> int:
        self.advance(1000)
        return self._now_ns()


@pytest.fixture
def loaded(client: Client) -> Client:
    """A client whose engine has the library."""
    assert client("FUNCTION", "LOAD", LIBRARY) == b"lib"
    return client


def test_call(loaded: Client) -> None:
    assert loaded("FCALL", "f", 1, "k", "a", "b") == [[b"k"], [b"a", b"b"]]
    assert loaded("FCALL", "F", 0) == [[], []]
    assert loaded("FCALL_RO", "ro", 0) is None


def test_refused_calls(loaded: Client) -> None:
    assert loaded.error("FCALL", "nope", "x") == errors.FUNCTION_NOT_FOUND
    assert loaded.error("FCALL", "f", "x") == errors.BAD_KEY_COUNT
    assert loaded.error("FCALL", "f", 1) == errors.TOO_MANY_KEYS
    assert loaded.error("FCALL", "f", -1) == errors.NUMKEYS_NEGATIVE
    assert loaded.error("FCALL_RO", "f", 0) == errors.SCRIPT_WRITES_IN_READ_ONLY
    assert loaded.error("FCALL", "f") == errors.wrong_arity("fcall")


def test_list(loaded: Client) -> None:
    (described,) = loaded("FUNCTION", "LIST", "LIBRARYNAME", "L*", "WITHCODE")
    assert (described[b"library_name"], described[b"engine"], described[b"library_code"]) == (b"lib", b"LUA", LIBRARY)
    assert described[b"functions"][1] == {
        b"name": b"ro",
        b"description": b"reads",
        b"flags": ["no-writes", "allow-oom"],
    }
    assert loaded("FUNCTION", "LIST", "LIBRARYNAME", "x") == []
    assert b"library_code" not in loaded("FUNCTION", "LIST")[0]
    assert loaded.error("FUNCTION", "LIST", "LIBRARYNAME") == errors.LIBRARY_NAME_ARGUMENT
    assert loaded.error("FUNCTION", "LIST", "x") == errors.function_list_argument(b"x")


def test_load_options(loaded: Client) -> None:
    assert loaded.error("FUNCTION", "LOAD", LIBRARY) == errors.library_exists(b"lib")
    assert loaded.error("FUNCTION", "LOAD", "OVER", LIBRARY) == errors.function_load_option(b"OVER")
    assert loaded("FUNCTION", "LOAD", "replace", LIBRARY) == b"lib"


def test_delete_and_flush(loaded: Client) -> None:
    assert loaded.error("FUNCTION", "DELETE", "x") == errors.LIBRARY_NOT_FOUND
    assert loaded("FUNCTION", "DELETE", "lib") == OK
    assert loaded.error("FCALL", "f", 0) == errors.FUNCTION_NOT_FOUND
    loaded("FUNCTION", "LOAD", LIBRARY)
    assert loaded.error("FUNCTION", "FLUSH", "x") == errors.FUNCTION_FLUSH_MODE
    assert loaded.error("FUNCTION", "FLUSH", "SYNC", "x") == errors.wrong_subcommand("FUNCTION", b"FLUSH")
    assert loaded("FUNCTION", "FLUSH", "async") == OK
    assert loaded("FUNCTION", "LIST") == []


def test_dump_and_restore(loaded: Client) -> None:
    payload = loaded("FUNCTION", "DUMP")
    assert loaded.error("FUNCTION", "RESTORE", payload) == errors.library_exists_restoring(b"lib")
    assert loaded.error("FUNCTION", "RESTORE", payload, "x") == errors.FUNCTION_RESTORE_POLICY
    assert loaded("FUNCTION", "RESTORE", payload, "replace") == OK
    assert loaded("FUNCTION", "RESTORE", payload, "FLUSH") == OK
    assert loaded("FCALL", "f", 0) == [[], []]


def test_flushall_leaves_libraries(loaded: Client) -> None:
    loaded("FLUSHALL")
    assert loaded("FCALL", "f", 0) == [[], []]


def test_help_lists_the_subcommands(client: Client) -> None:
    lines = client("FUNCTION", "HELP")
    assert "RESTORE <payload> [FLUSH|APPEND|REPLACE]" in lines


def test_effects(client: Client, effects: list[list[bytes]]) -> None:
    client("FUNCTION", "LOAD", LIBRARY)
    payload = client("FUNCTION", "DUMP")
    client("FCALL", "f", 0)
    client("FCALL", "twice", 1, "n")
    client("FUNCTION", "RESTORE", payload, "REPLACE")
    client("FUNCTION", "DELETE", "lib")
    client("FUNCTION", "DELETE", "lib")
    client("FUNCTION", "LOAD", "x")
    client("FUNCTION", "FLUSH")
    assert effects == [
        [b"FUNCTION", b"LOAD", LIBRARY],
        [b"MULTI"],
        [b"incr", b"n"],
        [b"incr", b"n"],
        [b"EXEC"],
        [b"FUNCTION", b"RESTORE", payload, b"REPLACE"],
        [b"FUNCTION", b"DELETE", b"lib"],
        [b"FUNCTION", b"FLUSH"],
    ]


def test_a_call_is_one_unit(engine: Engine, loaded: Client) -> None:
    units: list[list[list[bytes]]] = []
    engine.subscribe(lambda unit: units.append([argv for _, argv in unit]))
    loaded("FCALL", "twice", 1, "n")
    assert units == [[[b"MULTI"], [b"incr", b"n"], [b"incr", b"n"], [b"EXEC"]]]


def test_stats(loaded: Client) -> None:
    assert loaded("FUNCTION", "STATS") == {
        b"running_script": None,
        b"engines": {b"LUA": {b"libraries_count": 1, b"functions_count": 5}},
    }


def test_nothing_runs_that_could_be_killed(loaded: Client) -> None:
    assert loaded.error("FUNCTION", "KILL") == errors.NOT_BUSY


def test_a_busy_function_is_described_and_killed() -> None:
    engine = Engine(clock=LookedAtClock())
    client, other = Client(engine), Client(engine)
    client("FUNCTION", "LOAD", LIBRARY)
    seen: list[Reply] = []

    def act() -> None:
        seen.append(other("GET", "k"))
        seen.append(other("FUNCTION", "STATS"))
        seen.append(other("SCRIPT", "KILL"))
        seen.append(other("FUNCTION", "KILL"))

    engine.scripts.turns = Turns(act)
    assert client.error("FCALL", "loop", 1, "k", "a").startswith("ERR Script killed by user with")
    assert str(seen[0]) == errors.BUSY_FUNCTION
    running = seen[1][b"running_script"]
    assert (running[b"name"], running[b"command"]) == (b"loop", [b"FCALL", b"loop", b"1", b"k", b"a"])
    assert running[b"duration_ms"] >= 5000
    assert str(seen[2]) == errors.BUSY_FUNCTION
    assert seen[3] == OK
    assert client("FUNCTION", "STATS")[b"running_script"] is None


def test_a_function_that_wrote_is_not_killed() -> None:
    engine = Engine(clock=LookedAtClock())
    client, other = Client(engine), Client(engine)
    client("FUNCTION", "LOAD", LIBRARY)
    seen: list[Reply] = []
    engine.scripts.turns = Turns(lambda: seen.append(other("FUNCTION", "KILL")))
    assert client("FCALL", "write_and_loop", 0) is None
    assert {str(reply) for reply in seen} == {errors.UNKILLABLE}


def test_a_busy_script_is_no_function() -> None:
    engine = Engine(clock=LookedAtClock())
    client, other = Client(engine), Client(engine)
    seen: list[Reply] = []

    def act() -> None:
        seen.append(other("FUNCTION", "STATS"))
        seen.append(other("FUNCTION", "KILL"))
        other("SCRIPT", "KILL")

    engine.scripts.turns = Turns(act)
    client("EVAL", "while true do end", 0)
    assert [str(reply) for reply in seen[:2]] == [errors.BUSY_SCRIPT, errors.BUSY_SCRIPT]
