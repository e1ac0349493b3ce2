"""Function libraries in Lua: what their bodies see, time, memory, what lasts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kvcore import errors
from kvcore.clock import ManualClock
from kvcore.engine import Engine
from kvcore.errors import CommandError
from kvcore.scripting import runtime
from tests.engine_client import Client


class HurriedClock(ManualClock):
    """A clock that every look moves by 50 ms."""

    def __init__(self) -> None:
        super().__init__()
        self.steady_ns: Callable[[], int] = self._look

    def _look(self) -> int:
        self.advance(50)
        return self._now_ns()


def source(body: str, name: str = "lib") -> bytes:
    """Return the source of a library whose function `f` has this body."""
    return f"#!lua name={name}\nredis.register_function('f', function(keys, arguments) {body} end)".encode()


def refusal(engine: Engine, code: bytes) -> str:
    """Return the error of a library that cannot be loaded."""
    with pytest.raises(CommandError) as caught:
        engine.functions.libraries.load(code)
    return str(caught.value)


def test_a_body_registers_and_the_function_is_called(engine: Engine, client: Client) -> None:
    engine.functions.load(source("return {keys, arguments}"))
    assert client("FCALL", "f", 1, "k", "a") == [[b"k"], [b"a"]]
    assert engine.functions.sources() == [source("return {keys, arguments}")]


def test_load_replaces(engine: Engine, client: Client) -> None:
    engine.functions.load(source("return 1"))
    engine.functions.load(source("return 2"))
    assert client("FCALL", "f", 0) == 2


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("foo()", "Script attempted to access nonexistent global variable 'foo'"),
        ("local x = pairs", "Script attempted to access nonexistent global variable 'pairs'"),
        ("redis.call('ping')", "Script attempted to access nonexistent global variable 'call'"),
        ("x = 1", "Attempt to modify a readonly table"),
        ("redis.x = 1", "Attempt to modify a readonly table"),
    ],
)
def test_a_body_sees_little(engine: Engine, body: str, reason: str) -> None:
    assert refusal(engine, f"#!lua name=a\n{body}".encode()) == (
        f"ERR Error registering functions: ERR user_function:2: {reason}"
    )


def test_after_a_failed_load_functions_see_everything(engine: Engine, client: Client) -> None:
    engine.functions.load(source("return type(pairs) .. type(redis.call) .. type(redis.register_function)"))
    refusal(engine, b"#!lua name=a\nfoo()")
    assert client("FCALL", "f", 0) == b"functionfunctionnil"


def test_registering_later_is_refused(engine: Engine, client: Client) -> None:
    engine.functions.load(
        b"#!lua name=a\nlocal add = redis.register_function\nadd('f', function() add('g', redis.log) end)"
    )
    assert "can only be called on FUNCTION LOAD command" in client.error("FCALL", "f", 0)


@pytest.mark.parametrize("loop", ["while true do end", "repeat until false"])
def test_a_body_that_does_not_end_is_ended(loop: str) -> None:
    engine = Engine(clock=HurriedClock())
    assert refusal(engine, f"#!lua name=a\n{loop}".encode()) == (
        "ERR Error registering functions: ERR FUNCTION LOAD timeout"
    )
    engine.functions.load(source("return 1"))
    assert Client(engine)("FCALL", "f", 0) == 1


def test_a_body_that_takes_all_memory_is_ended() -> None:
    engine = Engine(clock=ManualClock())
    bomb = b"#!lua name=a\nlocal t = {} for i = 1, 1e9 do t[i] = {i} end"
    assert "memory" in refusal(engine, bomb)
    engine.functions.load(source("return 1"))
    assert Client(engine)("FCALL", "f", 0) == 1


def test_what_a_script_does_not_share(engine: Engine, client: Client) -> None:
    engine.functions.load(source("return cjson.encode_max_depth()"))
    client("EVAL", "cjson.encode_max_depth(5)", 0)
    assert client("FCALL", "f", 0) == 1000
    client("SCRIPT", "FLUSH")
    assert client("FCALL", "f", 0) == 1000


def test_figures(engine: Engine) -> None:
    functions = engine.functions
    assert (functions.library_count, functions.function_count, functions.registry_bytes, functions.lua_bytes) == (
        0,
        0,
        0,
        0,
    )
    functions.load(source("return 1"))
    assert (functions.library_count, functions.function_count) == (1, 1)
    assert functions.registry_bytes > 100
    assert functions.lua_bytes > 10_000
    functions.flush()
    assert (functions.library_count, functions.registry_bytes) == (0, 0)


def test_without_lua_libraries_are_kept(engine: Engine, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_lua(_limit: int) -> None:
        raise runtime.LuaMissingError(errors.LUA_MISSING)

    monkeypatch.setattr(runtime, "_new_lua", no_lua)
    engine.functions.load(source("return 1"))
    assert engine.functions.sources() == [source("return 1")]
    assert client.error("FUNCTION", "LOAD", source("return 1", "other")) == errors.LUA_MISSING
    assert client.error("FCALL", "f", 0) == errors.FUNCTION_NOT_FOUND
