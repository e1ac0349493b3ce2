"""Memory limits beside the real server: refusals, who goes and who is told, INFO, OBJECT FREQ and IDLETIME."""

from __future__ import annotations

import re

import pytest

from tests.oracle.harness import Error, Pair, check

POLICIES = [
    "noeviction",
    *(f"{which}-{how}" for which in ("allkeys", "volatile") for how in ("lru", "lfu", "random")),
    "volatile-ttl",
]


def number(text: bytes, name: str) -> float:
    found = re.search(rf"^{name}:([0-9.-]+)%?\r$", text.decode(), re.M)
    assert found, name
    return float(found[1])


def test_directives(pair: Pair) -> None:
    for name, value in (
        ("maxmemory", 0),
        ("maxmemory-policy", "noeviction"),
        ("maxmemory-samples", 5),
        ("maxmemory-eviction-tenacity", 10),
        ("lfu-log-factor", 10),
        ("lfu-decay-time", 1),
    ):
        pair.config(name, value)
    check(
        pair,
        """
        CONFIG SET maxmemory 100mb maxmemory-policy allkeys-lfu
        CONFIG GET maxmemory*
        CONFIG SET maxmemory-policy allkeys-ttl
        CONFIG SET maxmemory-samples 0
        CONFIG SET maxmemory-samples 10
        CONFIG SET maxmemory-eviction-tenacity 101
        CONFIG SET maxmemory-eviction-tenacity 100
        CONFIG SET lfu-log-factor -1
        CONFIG SET lfu-decay-time 0
        CONFIG GET lfu-*
        CONFIG GET maxmemory-*
        """,
    )


def test_writes_are_refused(pair: Pair) -> None:
    pair.both("MSET", "a", 1, "b", 2)
    pair.both("RPUSH", "l", 1, 2, 3)
    pair.config("maxmemory", 1)
    check(
        pair,
        """
        SET c 3
        SET a
        GET a
        INCR a
        APPEND a x
        LPUSH l x
        LPOP l
        LMOVE l l2 LEFT LEFT
        EXPIRE a 100
        PERSIST a
        SINTERSTORE d s
        SORT l STORE d
        SORT l
        RENAME b c
        COPY c d
        MSET x 1 y 2
        HSET h f v
        HDEL h f
        ZADD z 1 a
        SADD s a
        SREM s a
        GETDEL c
        DEL a
        PUBLISH channel message
        BLPOP l 0
        DBSIZE
        FLUSHALL
        SET c 3
        CONFIG SET maxmemory 0
        SET c 3
        """,
    )


def test_transactions_are_refused(pair: Pair) -> None:
    pair.config("maxmemory", 1)
    check(
        pair,
        """
        MULTI
        GET a
        EXEC
        MULTI
        DISCARD
        MULTI
        SET a 1
        MULTI
        EXEC
        MULTI
        NOSUCH
        EXEC
        MULTI
        WATCH a
        EXEC
        MULTI
        EXEC
        CONFIG SET maxmemory 0
        MULTI
        SET a 1
        GET a
        2> CONFIG SET maxmemory 1
        EXEC
        GET a
        CONFIG SET maxmemory 0
        MULTI
        GET a
        2> CONFIG SET maxmemory 1
        EXEC
        """,
    )


@pytest.mark.parametrize("policy", POLICIES)
def test_who_may_go(pair: Pair, policy: str) -> None:
    for index in range(20):
        pair.both("SET", f"k{index}", "v")
    for index in range(0, 20, 2):
        pair.both("EXPIRE", f"k{index}", 1000)
    pair.config("maxmemory-eviction-tenacity", 100)
    pair.config("maxmemory-policy", policy)
    pair.config("maxmemory", 1)
    pair.both("SET", "new", 1)
    pair.both("DBSIZE")
    pair.both_sorted("KEYS", "*")
    pair.both("CONFIG", "SET", "maxmemory", 0)
    pair.both("SET", "new", 1)


def test_evicted_keys_are_announced(pair: Pair) -> None:
    pair.config("notify-keyspace-events", "Ke")
    pair.config("maxmemory-policy", "allkeys-lru")
    listener = pair.client(protocol=pair.protocol)
    pair.both("SET", "k", "v")
    pair.both("WATCH", "k")
    listener.both("SUBSCRIBE", "__keyspace@0__:k")
    pair.config("maxmemory", 1)
    pair.both("GET", "k")
    if pair.protocol == 2:
        listener.read()
    else:
        listener.read_push()
    pair.both("CONFIG", "SET", "maxmemory", 0)
    pair.both("MULTI")
    pair.both("PING")
    pair.both("EXEC")


def test_info(pair: Pair) -> None:
    pair.both("CONFIG", "RESETSTAT")
    before = [side.native() for side in pair.ask("INFO", "memory")]
    pair.both("SET", "k", "v" * 1_000_000)
    after = [side.native() for side in pair.ask("INFO", "memory")]
    for first, second in zip(before, after, strict=True):
        grown = number(second, "used_memory") - number(first, "used_memory")
        assert 900_000 < grown < 2_500_000
        assert number(second, "used_memory_peak") >= number(second, "used_memory")
        assert number(second, "used_memory_startup") < 3_000_000
        assert number(second, "used_memory_overhead") >= number(second, "used_memory_startup")
        assert number(second, "used_memory_dataset") >= 900_000
        assert 50 < number(second, "used_memory_dataset_perc") <= 100
    pair.config("maxmemory-policy", "allkeys-random")
    pair.config("maxmemory", 1)
    pair.both("GET", "k")
    pair.both("SET", "k", "v")
    for side in pair.ask("INFO", "stats"):
        assert number(side.native(), "evicted_keys") == 1
    pair.both("CONFIG", "RESETSTAT")
    for side in pair.ask("INFO", "stats"):
        assert number(side.native(), "evicted_keys") == 0
    for side in pair.ask("INFO", "memory"):
        assert number(side.native(), "maxmemory") == 1


def test_frequencies(pair: Pair) -> None:
    """With the factor 0 every use counts one: which commands are a use, and how often, can be seen."""
    pair.config("lfu-log-factor", 0)
    pair.config("lfu-decay-time", 0)
    pair.config("maxmemory-policy", "allkeys-lfu")
    pair.both("OBJECT", "FREQ", "absent")
    pair.both("OBJECT", "IDLETIME", "absent")
    for words in (
        *("SET a v", "SET a w", "GET a", "TTL a", "PTTL a", "TYPE a", "EXISTS a a", "TOUCH a", "APPEND a x"),
        *("STRLEN a", "GETSET a q", "EXPIRE a 100", "PERSIST a", "PERSIST a", "GETEX a", "SETNX a q"),
        *("SETRANGE a 0 xx", "SETRANGE a 0 yy", "GETRANGE a 0 1", "SET a b XX", "SET a b GET", "SET a b KEEPTTL"),
        *("MSET a b", "MGET a", "OBJECT ENCODING a", "OBJECT REFCOUNT a", "SETEX a 100 b", "SCAN 0 TYPE string"),
        *("INCRBYFLOAT a x", "SET a v NX"),
    ):
        pair.both_auto(*words.split())
        pair.both("OBJECT", "FREQ", "a")
    pair.both("OBJECT", "IDLETIME", "a")
    for key, script in {
        "h": ("HSET h f v", "HSET h f w", "HGET h f", "HLEN h", "HGETALL h", "HDEL h x"),
        "l": ("LPUSH l a", "LPUSH l b", "LRANGE l 0 -1", "LLEN l", "LPOP l"),
        "s": ("SADD s a", "SADD s b", "SCARD s", "SISMEMBER s a", "SREM s a"),
        "z": ("ZADD z 1 a", "ZADD z 1 b", "ZINCRBY z 1 a", "ZRANGE z 0 -1", "ZSCORE z a", "ZREM z a"),
        "d": ("SINTERSTORE d s", "SINTERSTORE d s", "SMEMBERS d"),
    }.items():
        for words in script:
            pair.both_auto(*words.split())
            pair.both("OBJECT", "FREQ", key)
    check(
        pair,
        """
        COPY a copy
        OBJECT FREQ copy
        RENAME a renamed
        OBJECT FREQ renamed
        MOVE renamed 1
        SELECT 1
        OBJECT FREQ renamed
        DEL renamed
        SET renamed v
        OBJECT FREQ renamed
        SELECT 0
        SWAPDB 0 1
        OBJECT FREQ renamed
        """,
    )


def test_idle_times(pair: Pair) -> None:
    pair.config("maxmemory-policy", "volatile-lru")
    pair.both("SET", "a", "v")
    assert pair.both_ttl("OBJECT", "IDLETIME", "a", tolerance=1) <= 1
    assert isinstance(pair.both("OBJECT", "FREQ", "a"), Error)
    pair.config("maxmemory", "100mb")
    pair.both("SET", "n", 5)
    pair.both("OBJECT", "REFCOUNT", "n")
    pair.config("maxmemory-policy", "allkeys-lfu")
    assert isinstance(pair.both("OBJECT", "IDLETIME", "a"), Error)
