"""MEMORY and MODULE beside the real server: shapes and errors; the numbers are each server's own."""

from __future__ import annotations

import pytest

from tests.oracle.harness import Pair, check


def test_usage_errors(pair: Pair) -> None:
    check(
        pair,
        """
        SET k v
        MEMORY
        MEMORY NOSUCH
        MEMORY USAGE
        MEMORY USAGE none
        MEMORY USAGE none SAMPLES
        MEMORY USAGE none SAMPLES x
        MEMORY USAGE none SAMPLES -1
        MEMORY USAGE none SAMPLES 99999999999999999999
        MEMORY USAGE none NOSUCH 1
        MEMORY USAGE none samples 0 1
        MEMORY USAGE none SAMPLES 1 SAMPLES x
        MEMORY USAGE none SAMPLES 1 SAMPLES 2
        MEMORY STATS x
        MEMORY DOCTOR x
        MEMORY PURGE
        MEMORY PURGE x
        MEMORY MALLOC-STATS x
        MEMORY HELP x
        MULTI
        MEMORY USAGE none
        MEMORY PURGE
        EXEC
    """,
    )


@pytest.mark.parametrize(
    "words",
    [
        ("SET", "k", "1"),
        ("SET", "k", "x" * 3000),
        ("RPUSH", "k", *map(str, range(1000))),
        ("HSET", "k", *map(str, range(1000))),
        ("SADD", "k", *map(str, range(1000))),
        ("SADD", "k", *(f"m{number}" for number in range(1000))),
        ("ZADD", "k", *map(str, range(1000))),
        ("XADD", "k", "1-1", "f", "v" * 1000),
    ],
)
def test_usage_is_a_number_of_the_same_magnitude(pair: Pair, words: tuple[str, ...]) -> None:
    pair.both(*words)
    for options in ((), ("SAMPLES", "0"), ("samples", "7")):
        theirs, ours = pair.kinds("MEMORY", "USAGE", "k", *options)
        assert theirs / 4 < ours < theirs * 30, (theirs, ours)  # small elements cost a Python program more


@pytest.mark.parametrize("protocol", [2, 3])
def test_statistics_have_the_same_items(wire_pair: Pair, protocol: int) -> None:
    pair = wire_pair.client(protocol)
    pair.both("SET", "k", "v")
    pair.both("SET", "e", "v", "EX", 100)
    pair.both("SELECT", 3)
    pair.both("SET", "k", "v")
    oracle, kvcore = pair.ask("MEMORY", "STATS")
    assert kvcore.kind == oracle.kind
    assert [item.text for item in kvcore.items[::2]] == [item.text for item in oracle.items[::2]]
    assert [item.kind for item in kvcore.items] == [item.kind for item in oracle.items]
    inside = [[item.items[::2] for item in side.items if item.items] for side in (oracle, kvcore)]
    assert inside[0] == inside[1]
    for name in (b"keys.count", b"cluster.links", b"aof.buffer"):
        found = [{key.text: value for key, value in side.pairs()}[name] for side in (oracle, kvcore)]
        assert found[0] == found[1]


def test_texts(pair: Pair) -> None:
    pair.matches(r"\S", "MEMORY", "DOCTOR")
    pair.matches(r"\S", "MEMORY", "MALLOC-STATS")


def test_modules(pair: Pair) -> None:
    check(
        pair,
        """
        MODULE
        MODULE NOSUCH
        MODULE LIST
        MODULE LIST x
        MODULE LOAD
        MODULE LOAD /none
        MODULE LOAD /none a b
        MODULE LOADEX
        MODULE LOADEX /none
        MODULE LOADEX /none CONFIG a
        MODULE LOADEX /none FOO
        MODULE UNLOAD
        MODULE UNLOAD none
        MODULE UNLOAD a b
        MODULE HELP x
        MULTI
        MODULE LIST
        EXEC
    """,
    )
