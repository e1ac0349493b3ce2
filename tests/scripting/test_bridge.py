"""`redis.*` in an engine: what scripts may do with commands, and what is heard of it."""

from __future__ import annotations

import logging

import pytest

from kvcore import errors
from kvcore.call import Call
from kvcore.clock import ManualClock
from kvcore.command import NOSCRIPT
from kvcore.effects import AOF, REPLICAS
from kvcore.engine import Engine
from kvcore.errors import CommandError
from kvcore.replies import OK, Reply
from kvcore.scripting.bridge import Bridge
from kvcore.scripting.convert import FLAT, UNCOUNTED
from tests.engine_client import Client

pytest.importorskip("lupa.lua51")


def test_effects_of_a_script_are_one_transaction(client: Client, engine: Engine) -> None:
    units: list[list[list[bytes]]] = []
    engine.subscribe(lambda unit: units.append([argv for _, argv in unit]))
    client("EVAL", "redis.call('set', 'a', 1) redis.call('incr', 'a') return redis.call('get', 'a')", 0)
    assert units == [[[b"MULTI"], [b"set", b"a", b"1"], [b"incr", b"a"], [b"EXEC"]]]


def test_one_effect_needs_no_transaction(client: Client, effects: list[list[bytes]]) -> None:
    client("EVAL", "return redis.call('set', 'a', 1)", 0)
    assert effects == [[b"set", b"a", b"1"]]


def test_effects_are_the_deterministic_ones(client: Client, effects: list[list[bytes]]) -> None:
    client("SADD", "s", "only")
    effects.clear()
    client("EVAL", "return redis.call('spop', 's')", 0)
    assert [argv[0].upper() for argv in effects] == [b"SREM"]


def test_what_was_done_before_an_error_stays(client: Client, effects: list[list[bytes]]) -> None:
    client("EVAL", "redis.call('set', 'a', 1) error('x')", 0)
    assert client("GET", "a") == b"1"
    assert effects == [[b"set", b"a", b"1"]]


def test_set_repl_keeps_effects_back(client: Client, effects: list[list[bytes]]) -> None:
    body = """
        redis.set_repl(redis.REPL_NONE) redis.call('set', 'quiet', 1)
        redis.set_repl(redis.REPL_ALL) redis.call('set', 'loud', 1)
    """
    client("EVAL", body, 0)
    assert effects == [[b"set", b"loud", b"1"]]
    client("EVAL", "redis.call('set', 'next', 1)", 0)
    assert effects[-1] == [b"set", b"next", b"1"]


def test_set_repl_chooses_who_hears_of_effects(client: Client, engine: Engine) -> None:
    heard: dict[int, list[bytes]] = {AOF: [], REPLICAS: []}
    for target, keys in heard.items():
        engine.subscribe(lambda unit, keys=keys: keys.extend(argv[1] for _, argv in unit if argv[1:]), target)
    body = """
        redis.set_repl(redis.REPL_AOF) redis.call('set', 'log', 1)
        redis.set_repl(redis.REPL_REPLICA) redis.call('set', 'replicas', 1)
        redis.set_repl(redis.REPL_ALL) redis.call('set', 'both', 1)
    """
    client("EVAL", body, 0)
    client("EVAL", "redis.call('set', 'next', 1)", 0)
    assert heard == {AOF: [b"log", b"both", b"next"], REPLICAS: [b"replicas", b"both", b"next"]}


def test_a_large_reply_says_how_much_of_it_is_long_strings(client: Client, engine: Engine) -> None:
    client("RPUSH", "l", "x" * 300_000, "y" * 5_000, "z" * 100)
    scripts = engine.scripts
    scripts.runtime()
    bridge = scripts.bridge
    assert bridge is not None
    bridge.begin(client.session, read_only=False, allow_oom=False)
    assert bridge.execute(b"lrange", b"l", 0, -1) == (False, FLAT, 305_000)
    assert bridge.execute(b"lrange", b"l", 1, -1) == (False, FLAT)


def test_effects_in_a_transaction_belong_to_it(client: Client, engine: Engine) -> None:
    units: list[list[bytes]] = []
    engine.subscribe(lambda unit: units.append([argv[0] for _, argv in unit]))
    client("MULTI")
    client("SET", "a", 1)
    client("EVAL", "redis.call('incr', 'a') redis.call('incr', 'a')", 0)
    assert client("EXEC") == [OK, None]
    assert units == [[b"MULTI", b"SET", b"incr", b"incr", b"EXEC"]]


def test_the_selected_database_is_the_scripts_own(client: Client) -> None:
    client("SELECT", 2)
    client("EVAL", "redis.call('set', 'here', 1) redis.call('select', 5) redis.call('set', 'there', 1)", 0)
    assert (client("EXISTS", "here"), client("EXISTS", "there")) == (1, 0)
    assert client("EVAL", "return redis.call('exists', 'here')", 0) == 1


def test_time_stands_still(client: Client, clock: ManualClock, engine: Engine) -> None:
    """A key that a script has just set does not run out of time before the script ends."""
    record = engine.commands[b"get"]
    get = record.handler

    def slow(call: Call, key: bytes) -> Reply:
        clock.advance(60)
        return get(call, key)

    record.handler = slow
    body = """
        redis.call('set', 'k', 1, 'px', 100)
        for i = 1, 5 do redis.call('get', 'k') end
        return redis.call('pttl', 'k')
    """
    assert client("EVAL", body, 0) == 100
    assert client("GET", "k") is None


def test_watched_keys(client: Client, other: Client) -> None:
    client("WATCH", "k")
    other("EVAL", "return redis.call('set', 'k', 1)", 0)
    client("MULTI")
    client("PING")
    assert repr(client("EXEC")) == "NULL_ARRAY"


def test_every_noscript_command_is_refused(client: Client, engine: Engine) -> None:
    for record in engine.originals.values():
        for command in (record, *(record.subcommands or {}).values()):
            if command.bits & NOSCRIPT and command.subcommands is None:
                words = command.full_name.split("|")
                words += ["x"] * (command.fewest - len(words))
                quoted = ", ".join(f"'{word}'" for word in words)
                text = client.error("EVAL", f"return redis.call({quoted})", 0)
                assert text.startswith("ERR This Redis command is not allowed from script"), (words, text)


def test_monitor(client: Client, other: Client) -> None:
    other("MONITOR")
    other.session.outbox.clear()
    client("EVAL", "return redis.call('get', 'k')", 1, "k")
    lines = [str(line).split(" ", 1)[1] for line in other.session.outbox]
    assert lines[0].endswith('"EVAL" "return redis.call(\'get\', \'k\')" "1" "k"')
    assert lines[1] == '[0 lua] "get" "k"'


def test_permissions(client: Client) -> None:
    client("ACL", "SETUSER", "u", "on", "nopass", "+@all", "-set", "~a*")
    client("AUTH", "u", "x")
    assert client("EVAL", "return redis.call('get', 'a1')", 0) is None
    command, key = (
        client("EVAL", f"return redis.pcall({words}).err", 0).decode() for words in ("'set', 'a', 1", "'get', 'b'")
    )
    assert command == errors.script_not_permitted(True, False)
    assert key == errors.script_not_permitted(False, True)
    may = "return {redis.acl_check_cmd('set', 'a', 1), redis.acl_check_cmd('get', 'a')}"
    assert client("EVAL", may, 0) == [None, 1]


def test_disk_errors_stop_the_first_write(client: Client, engine: Engine) -> None:
    engine.set_disk_error("rdb", "MISCONF no room")
    assert client.error("EVAL", "return redis.call('set', 'a', 1)", 0).startswith("MISCONF no room script:")
    assert client.error("EVAL", "#!lua\nreturn 1", 0).startswith("MISCONF")
    assert client("EVAL", "return redis.call('get', 'a')", 0) is None
    assert client("EVAL", "#!lua flags=no-writes\nreturn 1", 0) == 1


def test_tracking_remembers_what_a_script_reads(client: Client, other: Client) -> None:
    client.session.protocol = 3
    client("CLIENT", "TRACKING", "ON")
    client("EVAL", "return redis.call('get', 'k')", 1, "k")
    other("SET", "k", 1)
    assert [list(push) for push in client.session.outbox] == [[b"invalidate", [b"k"]]]


def test_a_bug_in_a_command_is_an_error_of_the_script(
    client: Client, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_arguments: object) -> None:
        raise ZeroDivisionError

    engine.commands[b"get"].handler = broken
    with caplog.at_level(logging.ERROR):
        assert "internal error" in client("EVAL", "return redis.pcall('get', 'k').err", 0).decode()
    assert "ZeroDivisionError" in caplog.text


def test_an_interrupt_ends_the_script_and_reaches_the_caller(client: Client, engine: Engine) -> None:
    def interrupted(*_arguments: object) -> None:
        raise KeyboardInterrupt

    engine.commands[b"get"].handler = interrupted
    with pytest.raises(KeyboardInterrupt):
        client("EVAL", "while true do pcall(redis.call, 'get', 'k') end", 0)
    assert client("EVAL", "return redis.call('set', 'k', 1)", 0) == OK
    assert not engine.nested


def test_the_log(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "kvcore.scripting"):
        client("EVAL", "redis.log(redis.LOG_WARNING, 'from', 'a script')", 0)
    assert [(record.levelname, record.message) for record in caplog.records] == [("WARNING", "from a script")]


def test_outside_of_a_script_nothing_runs(engine: Engine) -> None:
    bridge = Bridge(engine, lambda: False)
    assert bridge.execute(b"get", b"k") == (
        b"ERR redis.call/pcall can only be called inside a script invocation",
        UNCOUNTED,
    )
    assert bridge.check(b"get", b"k") is True
    assert bridge.register(b"f") == b"redis.register_function can only be called on FUNCTION LOAD command"


def test_register_tells_what_is_wrong(engine: Engine) -> None:
    bridge = Bridge(engine, lambda: False)

    def refuse(*_arguments: object) -> bytes | None:
        raise CommandError("wrong name")

    bridge.on_register = refuse
    assert bridge.register(b"f") == b"wrong name"


@pytest.mark.parametrize("count", [7797, 7798, 7799, 7995, 7999])
def test_a_command_may_have_as_many_arguments_as_lua_can_pass(client: Client, count: int) -> None:
    source = f"local a = {{}} for i = 1, {count} do a[i] = i end return redis.call('RPUSH', 'k', unpack(a))"
    assert client("EVAL", source, 0) == count
    assert client("LRANGE", "k", 0, -1) == [b"%d" % number for number in range(1, count + 1)]
    assert client("EVAL", source.replace("redis.call", "redis.pcall"), 0) == 2 * count
