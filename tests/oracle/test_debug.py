"""DEBUG beside the real server; what would crash it is left out."""

from __future__ import annotations

import re
import time

import pytest

from tests.oracle.harness import NOTHING, Error, Pair, check


def test_debug(wire_pair: Pair) -> None:
    check(
        wire_pair,
        r"""
        DEBUG
        DEBUG NOSUCH
        DEBUG HELP x
        DEBUG OBJECT
        DEBUG OBJECT missing
        DEBUG OBJECT a b
        DEBUG SLEEP
        DEBUG SLEEP 0
        DEBUG SLEEP 0.001
        DEBUG SLEEP 1e-3x
        DEBUG SLEEP x
        DEBUG SET-ACTIVE-EXPIRE
        DEBUG SET-ACTIVE-EXPIRE 0
        DEBUG SET-ACTIVE-EXPIRE x
        DEBUG SET-ACTIVE-EXPIRE 1
        DEBUG ERROR
        DEBUG ERROR 'FOO some message'
        DEBUG ERROR "a\r\nb"
        DEBUG PROTOCOL
        DEBUG PROTOCOL nosuch
        MULTI
        DEBUG SLEEP 0
        EXEC
    """,
    )


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize(
    "kind",
    ["string", "integer", "double", "null", "array", "set", "map", "bignum", "true", "false", "verbatim", "STRING"],
)
def test_debug_protocol(wire_pair: Pair, protocol: int, kind: str) -> None:
    wire_pair.client(protocol).both("DEBUG", "PROTOCOL", kind)


def test_debug_protocol_push(wire_pair: Pair) -> None:
    assert isinstance(wire_pair.client(2).both("DEBUG", "PROTOCOL", "push"), Error)
    client = wire_pair.client(3)
    client.send("DEBUG", "PROTOCOL", "push")
    assert client.read() is not NOTHING
    assert client.read() is not NOTHING


@pytest.mark.parametrize(
    ("setup", "encoding"),
    [
        (("SET", "k", "v"), "embstr"),
        (("SET", "k", "12"), "int"),
        (("SET", "k", "x" * 45), "raw"),
        (("RPUSH", "k", "a", "b"), "quicklist"),
        (("SADD", "k", "1"), "intset"),
        (("SADD", "k", "a"), "hashtable"),
        (("HSET", "k", "f", "v"), "listpack"),
        (("ZADD", "k", "1", "a"), "listpack"),
    ],
)
def test_debug_object(wire_pair: Pair, setup: tuple[str, ...], encoding: str) -> None:
    wire_pair.both(*setup)
    texts = wire_pair.matches(rf"^Value at:0x[0-9a-f]+ .*encoding:{encoding} ", "DEBUG", "OBJECT", "k")
    assert [part.split(":")[0] for part in texts[0].split()] == [part.split(":")[0] for part in texts[1].split()]
    if setup[0] == "SET":
        for name in ("refcount", "serializedlength"):
            if encoding != "raw":  # the real server compresses it
                found = [re.findall(rf"{name}:(\d+)", text) for text in texts]
                assert len(found[0]) == 1
                assert found[0] == found[1], name


def test_subcommands_that_answer_alike(wire_pair: Pair) -> None:
    check(
        wire_pair,
        r"""
        SET text hello
        SET number 12
        RPUSH list a b
        HSET hash f v
        SADD set a b
        ZADD zset 1 a
        DEBUG JMAP
        DEBUG STRINGMATCH-LEN a b
        DEBUG CLIENT-ENFORCE-REPLY-LIST 1
        DEBUG DICT-RESIZING 1
        DEBUG SDSLEN none
        DEBUG SDSLEN number
        DEBUG SDSLEN list
        DEBUG SDSLEN
        DEBUG LISTPACK none
        DEBUG LISTPACK text
        DEBUG LISTPACK hash
        DEBUG LISTPACK zset
        DEBUG LISTPACK list
        DEBUG QUICKLIST none
        DEBUG QUICKLIST text
        DEBUG QUICKLIST list
        DEBUG QUICKLIST list 1
        DEBUG QUICKLIST list x
        DEBUG QUICKLIST list 1 1
        DEBUG HTSTATS
        DEBUG HTSTATS x
        DEBUG HTSTATS 99
        DEBUG HTSTATS -1
        DEBUG HTSTATS 0 full
        DEBUG HTSTATS-KEY none
        DEBUG HTSTATS-KEY text
        DEBUG HTSTATS-KEY list
        DEBUG STRINGMATCH-TEST x
        DEBUG CHANGE-REPL-ID
        DEBUG CHANGE-REPL-ID x
        DEBUG LOG hi
        DEBUG LOG
        DEBUG LOG a b
    """,
    )


def test_switches_and_keys_made_in_bulk(wire_pair: Pair) -> None:
    check(
        wire_pair,
        r"""
        SET text hello
        DEBUG POPULATE
        DEBUG POPULATE 3
        DEBUG POPULATE 3 foo 5
        DEBUG POPULATE 3 text
        DEBUG POPULATE 2 long 20
        DEBUG POPULATE 2 empty 0
        DEBUG POPULATE 0 none
        DEBUG POPULATE x
        DEBUG POPULATE -1
        DEBUG POPULATE 1 p x
        DEBUG POPULATE 1 p 3 4
        MGET key:0 key:2 key:3 foo:0 text:1 long:1 empty:0
        DBSIZE
        DEBUG REPLYBUFFER
        DEBUG REPLYBUFFER PEAK-RESET-TIME NEVER
        DEBUG REPLYBUFFER peak-reset-time 5x
        DEBUG REPLYBUFFER PEAK-RESET-TIME RESET
        DEBUG REPLYBUFFER RESIZING 1
        DEBUG REPLYBUFFER RESIZING x
        DEBUG REPLYBUFFER NOSUCH 1
        DEBUG QUICKLIST-PACKED-THRESHOLD 10b
        DEBUG QUICKLIST-PACKED-THRESHOLD x
        DEBUG QUICKLIST-PACKED-THRESHOLD 5gb
        DEBUG QUICKLIST-PACKED-THRESHOLD 0
        DEBUG SET-SKIP-CHECKSUM-VALIDATION x
        DEBUG SET-SKIP-CHECKSUM-VALIDATION 0
        DEBUG PAUSE-CRON
        DEBUG PAUSE-CRON x
        DEBUG PAUSE-CRON 0
        DEBUG CONFIG-REWRITE-FORCE-ALL
        DEBUG CONFIG-REWRITE-FORCE-ALL x
        DEBUG OBJECT text fast
    """,
    )


def test_shapes_of_what_is_each_servers_own(wire_pair: Pair) -> None:
    wire_pair.both("SET", "text", "hello")
    wire_pair.both("SADD", "set", "a", "b")
    wire_pair.matches(
        r"key_sds_len:4, key_sds_avail:\d+, key_zmalloc: \d+, val_sds_len:5, val_sds_avail:\d+, val_zmalloc: \d+$",
        "DEBUG",
        "SDSLEN",
        "text",
    )
    table = (
        r"Hash table 0 stats \(main hash table\):\n table size: \d+\n number of elements: 2\n different slots: \d+\n"
    )
    empty = r"\[Expires HT\]\n.*No stats available for empty dictionaries"
    wire_pair.matches(rf"\[Dictionary HT\]\n{table}.*{empty}", "DEBUG", "HTSTATS", 0)
    wire_pair.matches(table, "DEBUG", "HTSTATS-KEY", "set")


def test_checksums_may_be_skipped(wire_pair: Pair) -> None:
    wire_pair.both("SET", "k", "v")
    payload = wire_pair.both("DUMP", "k")
    broken = payload[:-1] + bytes([payload[-1] ^ 1])
    wire_pair.both("RESTORE", "c", 0, broken)
    wire_pair.both("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", 1)
    wire_pair.both("RESTORE", "c", 0, broken)
    wire_pair.both("RESTORE", "d", 0, payload[:-9] + b"\xff" + payload[-8:])
    wire_pair.both("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", 0)
    wire_pair.both("RESTORE", "d", 0, broken)
    wire_pair.both("GET", "c")


def test_keys_past_their_time_are_looked_at_and_stay(wire_pair: Pair) -> None:
    wire_pair.both("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    wire_pair.both("SET", "k", "value", "PX", 1)
    time.sleep(0.005)
    wire_pair.matches("Value at:0x[0-9a-f]+ refcount:1 encoding:embstr serializedlength:6 ", "DEBUG", "OBJECT", "k")
    wire_pair.matches("key_sds_len:1, ", "DEBUG", "SDSLEN", "k")
    wire_pair.both("DBSIZE")
    wire_pair.both("OBJECT", "ENCODING", "k")
    wire_pair.both("DBSIZE")
    wire_pair.both("DEBUG", "SET-ACTIVE-EXPIRE", 1)


def test_reload_beside_libraries(wire_pair: Pair) -> None:
    wire_pair.both("FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function() return 1 end)")
    for options in (["NOFLUSH"], ["NOFLUSH", "MERGE"], ["MERGE"], []):
        wire_pair.both("DEBUG", "RELOAD", *options)
        wire_pair.both("FCALL", "f", 0)
    wire_pair.both("FUNCTION", "FLUSH")
