"""Scripts as others see them: statistics, the cache, transactions, limits, MONITOR. Beside the real server."""

from __future__ import annotations

import pytest

from tests.oracle.harness import NOTHING, Pair, check


def stats(pair: Pair, section: str) -> None:
    """Compare the counters of a section, times left out."""
    texts = [reply.native().decode() for reply in pair.ask("INFO", section)]
    counted = []
    for text in texts:
        lines_of = [line for line in text.split("\r\n") if ":" in line]
        found = {}
        for line in lines_of:
            name, fields = line.split(":", 1)
            if not name.startswith(
                ("cmdstat_info", "cmdstat_hello", "cmdstat_flushall", "cmdstat_config", "cmdstat_ping")
            ):
                found[name] = {
                    field.split("=")[0]: field.split("=")[1] for field in fields.split(",") if "usec" not in field
                }
        counted.append(found)
    assert counted[1] == counted[0]


STATISTICS = r"""
return redis.call('set', 'k', 1)
return redis.call('foo')
return redis.pcall('foo')
return redis.call('lpush', 'k', 1)
return redis.pcall('lpush', 'k', 1)
return {redis.pcall('lpush', 'k', 1), redis.pcall('foo')}
redis.pcall('lpush', 'k', 1); return 1
return redis.call('get')
return redis.call('eval', '1', 0)
return redis.call()
return redis.pcall()
return redis.error_reply('MINE x')
return {redis.error_reply('MINE x'), redis.error_reply('OTHER x')}
error('x')
error({err = 'THEIRS y'})
return {err = 'PLAIN'}
while
return nosuch
pcall(redis.call, 'lpush', 'k', 1); return 1
local e = redis.pcall('lpush', 'k', 1); error(e)
local ok, e = pcall(redis.call, 'lpush', 'k', 1); return {err = e}
"""


@pytest.mark.parametrize("body", STATISTICS.strip().split("\n"))
def test_statistics(pair: Pair, body: str) -> None:
    pair.both("SET", "k", "v")
    pair.both("CONFIG", "RESETSTAT")
    pair.both("EVAL", body, 0)
    stats(pair, "commandstats")
    stats(pair, "errorstats")


def test_statistics_of_refused_calls(pair: Pair) -> None:
    pair.both("CONFIG", "RESETSTAT")
    check(
        pair,
        """
        EVAL "return 1"
        EVAL "return 1" x
        EVAL "return 1" 1
        EVAL "return 1" -1
        EVAL "return 1" 99999999999999999999
        EVALSHA abc 0
        EVALSHA 0123456789012345678901234567890123456789 0
        EVALSHA 0123456789012345678901234567890123456789 5
        EVALSHA abc x
        EVAL_RO "return redis.call('set', 'a', 1)" 0
        EVAL_RO "return redis.pcall('set', 'a', 1)" 0
        EVAL_RO "return redis.call('get', 'a')" 0
        EVAL_RO "return redis.call('publish', 'a', 'b')" 0
        EVAL_RO "return redis.call('pfcount', 'a')" 0
        EVALSHA_RO abc 0
    """,
    )
    stats(pair, "commandstats")
    stats(pair, "errorstats")


def test_script_commands(pair: Pair) -> None:
    check(
        pair,
        """
        SCRIPT LOAD "return 1"
        SCRIPT LOAD "return ("
        SCRIPT EXISTS e0e1f9fabfc9d4800c877a703b823ac0578ff8db
        SCRIPT EXISTS E0E1F9FABFC9D4800C877A703B823AC0578FF8DB abc ""
        EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0
        EVALSHA E0E1F9FABFC9D4800C877A703B823AC0578FF8DB 0
        EVALSHA_RO e0e1f9fabfc9d4800c877a703b823ac0578ff8db 1 k v
        SCRIPT EXISTS
        SCRIPT FLUSH x
        SCRIPT FLUSH sync sync
        SCRIPT FLUSH async
        EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0
        EVAL "return 1" 0
        EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0
        SCRIPT FLUSH SYNC
        SCRIPT FLUSH
        SCRIPT EXISTS e0e1f9fabfc9d4800c877a703b823ac0578ff8db
        SCRIPT KILL
        SCRIPT DEBUG no
        SCRIPT DEBUG x
        SCRIPT x
        SCRIPT LOAD
        SCRIPT KILL x
    """,
    )


def test_transactions(pair: Pair) -> None:
    check(
        pair,
        """
        MULTI
        EVAL "return redis.call('incr', KEYS[1])" 1 a
        EVAL "return redis.call('foo')" 0
        EVALSHA abc 0
        EVAL "redis.call('select', 3) return redis.call('set', 'x', 1)" 0
        GET a
        GET x
        EXEC
        MULTI
        EVAL "return 1"
        EXEC
        MULTI
        SCRIPT LOAD "return 2"
        SCRIPT FLUSH
        EXEC
        WATCH w
        EVAL "return redis.call('set', 'w', 1)" 0
        MULTI
        PING
        EXEC
        WATCH w
        EVAL "return redis.call('get', 'w')" 0
        MULTI
        PING
        EXEC
    """,
    )


def test_a_script_wakes_who_waits(pair: Pair) -> None:
    waiter = pair.client()
    waiter.send("BLPOP", "l", 0)
    pair.wait_blocked(1)
    pair.both("EVAL", "redis.call('rpush', 'l', 1, 2) redis.call('rpush', 'l', 3) return redis.call('llen', 'l')", 0)
    assert waiter.read() == [b"l", b"1"]
    pair.both("LRANGE", "l", 0, -1)


def test_memory_limit(pair: Pair) -> None:
    pair.both("SET", "k", "v")
    pair.config("maxmemory", 1)
    for body in (
        "return 1",
        "return redis.call('set', 'a', 1)",
        "return redis.pcall('set', 'a', 1)",
        "return redis.call('get', 'k')",
        "redis.call('del', 'nosuch') return redis.call('set', 'a', 1)",
        "#!lua\nreturn 1",
        "#!lua flags=allow-oom\nreturn redis.call('set', 'b', 1)",
        "#!lua flags=no-writes\nreturn redis.call('get', 'k')",
        "#!lua flags=no-writes\nreturn redis.call('set', 'b', 1)",
    ):
        pair.both("EVAL", body, 0)
        pair.both("EVAL_RO", body, 0)
    pair.both("CONFIG", "RESETSTAT")
    pair.both("EVAL", "return redis.call('set', 'a', 1)", 0)
    pair.both("EVAL", "#!lua\nreturn 1", 0)
    stats(pair, "commandstats")
    stats(pair, "errorstats")


@pytest.mark.parametrize(
    ("command", "body"),
    [
        ("EVAL", "return 1"),
        ("EVAL_RO", "return 1"),
        ("EVAL", "#!lua flags=no-writes\nreturn 1"),
        ("EVAL_RO", "#!lua flags=no-writes\nreturn 1"),
        ("EVAL", "#!lua\nreturn 1"),
        ("EVAL_RO", "#!lua\nreturn 1"),
        ("EVAL", "#!nonsense\nreturn 1"),
    ],
)
def test_client_pause_write_holds_back_what_may_write(pair: Pair, command: str, body: str) -> None:
    other = pair.client()
    pair.both("CLIENT", "PAUSE", 100000, "WRITE")
    other.send(command, body, 0)
    early = other.read(0.2)
    pair.both("CLIENT", "UNPAUSE")
    if early is NOTHING:
        other.read()


def test_monitor_shows_what_scripts_do(wire_pair: Pair) -> None:
    pair = wire_pair
    watcher = pair.client()
    watcher.both("MONITOR")
    pair.both("EVAL", "redis.call('set', 'k', 1) return redis.pcall('lpush', 'k', 2)", 1, "k")
    for _ in range(3):
        oracle, kvcore = watcher._replies()
        assert shape(oracle.text) == shape(kvcore.text)


def shape(line: bytes) -> str:
    words = line.decode().split(" ", 3)
    return f"{words[1]} {words[2] if words[2] == 'lua]' else 'client]'} {words[3]}"
