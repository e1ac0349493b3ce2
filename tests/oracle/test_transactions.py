"""MULTI, EXEC, DISCARD and WATCH beside the real server."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle.harness import Pair, check


@pytest.mark.parametrize(
    "script",
    [
        "EXEC; DISCARD; UNWATCH; MULTI; DISCARD; EXEC",
        "MULTI; EXEC; MULTI; PING; EXEC",
        "MULTI; MULTI; SET k 1; EXEC; GET k",
        "MULTI; WATCH k; SET k 1; EXEC; GET k",
        "MULTI; WATCH; SET k 1; EXEC; GET k",
        "MULTI; NOSUCHCOMMAND a b; SET k 1; EXEC; EXEC; GET k",
        "MULTI; GET; DISCARD; GET k",
        "MULTI; SET k 1; EXEC now; GET k; EXEC",
        "MULTI; DISCARD now; EXEC",
        "MULTI x; EXEC; EXEC x; DISCARD x; UNWATCH x; WATCH",
        "MULTI; MULTI x; EXEC",
        "MULTI; CONFIG NOSUCH; EXEC",
        "MULTI; CONFIG GET; EXEC",
        "SET s x; MULTI; INCR s; LPUSH s 1; SET s 2; GET s; EXEC; GET s",
        "MULTI; SELECT 1; SET k 1; SELECT 0; GET k; SELECT 99; SELECT 2; EXEC; GET k; SELECT 1; GET k",
        "MULTI; SET k v; LPUSH l a b; LRANGE l 0 -1; HSET h f v; HGETALL h; ZADD z 1.5 m; ZSCORE z m; EXEC",
        "MULTI; BLPOP no 0; BRPOPLPUSH no d 0; BLMOVE no d LEFT LEFT 0; BLMPOP 0 1 no LEFT; BZPOPMIN no 0; EXEC",
        "WATCH k; SET k 1; MULTI; GET k; EXEC; MULTI; GET k; EXEC",
        "WATCH k; SET k 1; UNWATCH; MULTI; GET k; EXEC",
        "WATCH k; SET k 1; MULTI; DISCARD; MULTI; GET k; EXEC",
        "WATCH k; SET k 1; MULTI; NOSUCHCOMMAND; EXEC",
        "WATCH k; MULTI; UNWATCH; SET k 1; EXEC",
        "SELECT 1; WATCH k; SELECT 0; SET k 1; MULTI; GET k; EXEC",
        "WATCH k k k; WATCH k; MULTI; PING; EXEC",
        "MULTI; RESET; EXEC",
        "MULTI; FLUSHALL; SET k 1; DBSIZE; EXEC",
        "MULTI; AUTH x; PING; EXEC",
        "MULTI; CLIENT PAUSE 1 WRITE; SET k 1; EXEC; GET k",
    ],
)
def test_one_session(pair: Pair, script: str) -> None:
    check(pair, "\n".join(script.split(";")))


BREAKERS = [
    ("", "SET k 1"),
    ("", "DEL k"),
    ("", "FLUSHALL"),
    ("", "SWAPDB 0 1"),
    ("", "SET other 1"),
    ("SET k 1", "GET k"),
    ("SET k 1", "DEL k"),
    ("SET k 1", "SETNX k 2"),
    ("SET k 1", "EXPIRE k 100"),
    ("SET k 1 EX 100", "PERSIST k"),
    ("SET k 1", "PERSIST k"),
    ("SET k 1", "LPUSH k 1"),
    ("SET k 1", "RENAME k l"),
    ("SET l 1", "RENAME l k"),
    ("SET k 1", "RENAMENX k l"),
    ("SET k 1", "MOVE k 1"),
    ("SET k 1", "COPY k l"),
    ("SET l 1", "COPY l k"),
    ("SET k 1", "FLUSHALL"),
    ("SET k 1", "FLUSHDB"),
    ("SET k 1", "SWAPDB 0 1"),
    ("SET k 1", "SWAPDB 2 3"),
    ("SET k 1", "GETDEL k"),
    ("RPUSH k 1", "LREM k 0 nothing"),
    ("RPUSH k 1", "LTRIM k 0 -1"),
    ("RPUSH k 1", "LSET k 0 1"),
    ("RPUSH k 1 2", "LMOVE k k LEFT RIGHT"),
    ("RPUSH k 1", "RPOPLPUSH k l"),
    ("RPUSH l 1", "RPOPLPUSH l k"),
    ("RPUSH k 1", "LINSERT k BEFORE nothing x"),
    ("SADD k a", "SADD k a"),
    ("SADD k a", "SREM k b"),
    ("HSET k f v", "HSET k f v"),
    ("HSET k f v", "HDEL k g"),
    ("ZADD k 1 m", "ZADD k 1 m"),
    ("ZADD k 1 m", "ZADD k 2 m"),
    ("SADD l a", "SUNIONSTORE k l"),
    ("SADD k a", "SINTERSTORE k nothing"),
]


@pytest.mark.parametrize(("before", "change"), BREAKERS, ids=str)
def test_what_breaks_a_watch(wire_pair: Pair, before: str, change: str) -> None:
    watcher = wire_pair.client()
    if before:
        wire_pair.both(*before.split())
    watcher.both("WATCH", "k")
    wire_pair.both(*change.split())
    watcher.both("MULTI")
    watcher.both("PING")
    watcher.both("EXEC")


@pytest.mark.parametrize("change", ["GET k", "SET k 2", "DEL k", "FLUSHALL", "SWAPDB 0 1", "PING"])
@pytest.mark.parametrize("expired_first", [True, False])
def test_watched_keys_that_expire(wire_pair: Pair, change: str, expired_first: bool) -> None:
    watcher = wire_pair.client()
    wire_pair.both("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    try:
        if not expired_first:
            wire_pair.both("SET", "k", 1, "PX", 40)
            watcher.both("WATCH", "k")
            wire_pair.wait_until(("EXISTS", "k"), 0)
        else:
            wire_pair.both("SET", "k", 1, "PX", 1)
            wire_pair.both("BLPOP", "nothing", "0.01")  # until it is past its time, and nobody asks for it
            watcher.both("WATCH", "k")
        wire_pair.both(*change.split())
        watcher.both("MULTI")
        watcher.both("GET", "k")
        watcher.both("EXEC")
    finally:
        wire_pair.both("DEBUG", "SET-ACTIVE-EXPIRE", 1)


def test_subcommands_named_like_commands_that_end_a_transaction(pair: Pair) -> None:
    check(
        pair,
        """
        MULTI
        SLOWLOG RESET
        LATENCY RESET
        CLUSTER RESET
        SLOWLOG LEN
        EXEC
        """,
    )


@pytest.mark.parametrize("command", ["SLOWLOG RESET", "LATENCY RESET", "CLUSTER RESET"])
def test_such_subcommands_while_subscribed(wire_pair: Pair, command: str) -> None:
    subscriber = wire_pair.client(2)
    subscriber.both("SUBSCRIBE", "ch")
    subscriber.both(*command.split())


def test_subscribing_in_a_transaction(wire_pair: Pair) -> None:
    client = wire_pair.client(protocol=2)
    for words in (
        ("MULTI",),
        ("SUBSCRIBE", "a", "b"),
        ("GET", "k"),
        ("UNSUBSCRIBE", "b", "a"),
        ("PING",),
    ):
        client.both(*words)
    client.send("EXEC")
    for _ in range(3):
        client.read()
    client.both("GET", "k")


def test_protocol_changed_in_a_transaction(wire_pair: Pair) -> None:
    client = wire_pair.client(protocol=2)
    for words in (("MULTI",), ("HELLO", "9"), ("GET", "k"), ("EXEC",), ("MULTI",), ("QUIT",)):
        client.both(*words)


LINES = [
    *["MULTI", "EXEC", "EXEC", "DISCARD", "WATCH {k}", "WATCH {k} {l}", "UNWATCH", "NOSUCH", "GET", "EXEC x"],
    *["SET {k} 1", "INCR {k}", "DEL {k}", "RPUSH {k} a", "LPOP {k}", "GET {k}", "BLPOP {k} 0.001", "SELECT 0"],
    *["RENAME {k} {l}", "FLUSHALL", "SWAPDB 0 1", "SELECT 1", "LRANGE {k} 0 -1", "MOVE {k} 1", "RESET"],
]
STEPS = st.tuples(st.integers(0, 2), st.sampled_from(LINES), st.sampled_from("ab"), st.sampled_from("ab"))


@settings(max_examples=25)
@given(steps=st.lists(STEPS, max_size=60))
def test_random_sequences_of_three_sessions(wire_pair: Pair, steps: list[tuple[int, str, str, str]]) -> None:
    wire_pair.flush()
    wire_pair.forget()
    clients = [wire_pair.client(protocol=2) for _ in range(3)]
    for who, line, k, other in steps:
        clients[who].both(*line.format(k=k, l=other).split())
    for client in clients:
        client.close()
