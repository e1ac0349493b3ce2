"""INFO, SLOWLOG, DEBUG, MONITOR and other commands about the server, beside the real one."""

from __future__ import annotations

import re

import pytest

from tests.oracle.harness import NOTHING, Pair, check

SECTIONS = (
    "server",
    "clients",
    "memory",
    "persistence",
    "stats",
    "replication",
    "cpu",
    "modules",
    "commandstats",
    "errorstats",
    "latencystats",
    "cluster",
    "keyspace",
)
# Fields of which the real server shows some only while the feature runs.
OURS_ONLY = {"kvcore_version", "server_threads"}
KEYDB = "# KeyDB\r\nmvcc_depth:0\r\n"
"""A section of KeyDB, by which its clients know it: last where it is, behind an empty line."""


def names(text: str) -> list[str]:
    """Return the headings and field names of INFO in order; line ends are part of the format."""
    assert not text or text.endswith("\r\n")
    assert "\n" not in text.replace("\r\n", "")
    text = text.removesuffix(KEYDB)
    found = []
    for line in text.split("\r\n"):
        name = line.split(":", 1)[0]
        if name.startswith(("cmdstat_", "errorstat_", "latency_percentiles_")):
            continue
        if name not in OURS_ONLY:
            found.append(name)
    return found


def info(pair: Pair, *sections: str) -> tuple[str, str]:
    oracle, kvcore = pair.ask("INFO", *sections)
    assert oracle.kind == kvcore.kind
    return oracle.native().decode(), kvcore.native().decode()


@pytest.mark.parametrize(
    "sections",
    [
        *((name,) for name in SECTIONS),
        (),
        ("default",),
        ("all",),
        ("everything",),
        ("SERVER",),
        ("server", "Server", "clients"),
        ("keyspace", "server"),
        ("nosuch",),
        ("nosuch", "cpu"),
        ("default", "commandstats"),
    ],
)
def test_info_has_the_same_fields(pair: Pair, sections: tuple[str, ...]) -> None:
    oracle, kvcore = info(pair, *sections)
    theirs = names(oracle)
    if kvcore.endswith(KEYDB):
        theirs.insert(-1, "")  # the line between sections
    assert names(kvcore) == theirs


def value(text: str, name: str) -> str:
    found = re.search(rf"^{name}:(.*)\r$", text, re.M)
    assert found, name
    return found[1]


@pytest.mark.parametrize(
    "name",
    [
        "redis_version",
        "redis_mode",
        "arch_bits",
        "hz",
        "configured_hz",
        "config_file",
        "maxclients",
        "maxmemory",
        "maxmemory_human",
        "maxmemory_policy",
        "loading",
        "role",
        "connected_slaves",
        "cluster_enabled",
        "rdb_last_bgsave_status",
        "aof_enabled",
        "tracking_clients",
    ],
)
def test_info_has_the_same_values(pair: Pair, name: str) -> None:
    oracle, kvcore = info(pair, "everything")
    if name == "config_file":  # kvcore's test server may have been started with one
        assert value(oracle, name) == ""
    else:
        assert value(kvcore, name) == value(oracle, name)


def test_info_counts(pair: Pair) -> None:
    check(
        pair,
        """
        CONFIG RESETSTAT
        SET a 1
        SET b 1 PX 1000000
        GET a
        GET missing
        GET
        LPUSH a x
        NOSUCH
        SELECT 3
        SET c 1
    """,
    )
    oracle, kvcore = info(pair, "all")
    for name in ("keyspace_hits", "keyspace_misses", "total_error_replies", "pubsub_channels", "expired_keys"):
        assert value(kvcore, name) == value(oracle, name), name
    for name in ("errorstat_ERR", "errorstat_WRONGTYPE", "db3"):
        assert value(kvcore, name) == value(oracle, name), name
    assert value(kvcore, "db0").split(",")[:2] == value(oracle, "db0").split(",")[:2]
    for name in ("set", "get", "lpush", "select", r"config\|resetstat"):
        stats = [
            re.sub(r"usec=\d+,usec_per_call=[\d.]+", "", value(text, f"cmdstat_{name}")) for text in (oracle, kvcore)
        ]
        assert stats[0] == stats[1]


def test_small_commands(pair: Pair) -> None:
    pair.kinds("ROLE")  # the offset is whatever replicas were sent
    check(
        pair,
        """
        ROLE x
        TIME x
        LASTSAVE x
        LOLWUT
        LOLWUT x
        LOLWUT 1 2
        LOLWUT VERSION
        LOLWUT VERSION x
        LOLWUT VERSION 7
        LOLWUT version 4
        LOLWUT VERSION 5 x
        LOLWUT VERSION 5 1 1 x
        LOLWUT VERSION 6 x
        LOLWUT VERSION 6 1 x
        SHUTDOWN NOSUCH
        SHUTDOWN SAVE NOSAVE
        SHUTDOWN NOSAVE ABORT
        SHUTDOWN ABORT
        SHUTDOWN ABORT NOW
        SHUTDOWN NOSAVE NOSUCH
        MULTI
        SHUTDOWN NOSAVE
        EXEC
        MONITOR x
        MULTI
        MONITOR
        EXEC
    """,
    )
    pair.matches(r"^\d{10}$", "LASTSAVE")
    (seconds, microseconds), (our_seconds, our_microseconds) = pair.kinds("TIME")
    assert abs(int(seconds) - int(our_seconds)) <= 1
    assert 0 <= int(microseconds) < 1_000_000
    assert 0 <= int(our_microseconds) < 1_000_000


@pytest.mark.parametrize(
    "words", [("5",), ("5", "10"), ("5", "0", "0", "0"), ("6",), ("6", "7", "3"), ("6", "-1", "9")]
)
def test_lolwut_draws(pair: Pair, words: tuple[str, ...]) -> None:
    pair.matches(r"[^\n]\n.*Redis ver\. \d+\.\d+\.\d+\n$", "LOLWUT", "VERSION", *words)


def test_slowlog(pair: Pair) -> None:
    check(
        pair,
        """
        SLOWLOG RESET
        SLOWLOG LEN
        SLOWLOG GET
        SLOWLOG GET 0
        SLOWLOG GET -1
        SLOWLOG GET -2
        SLOWLOG GET x
        SLOWLOG GET 1 2
        SLOWLOG GET 99999999999999999999
        SLOWLOG LEN x
        SLOWLOG RESET x
        SLOWLOG
        SLOWLOG NOSUCH
    """,
    )
    pair.config("slowlog-log-slower-than", 0)
    pair.both("SLOWLOG", "RESET")
    pair.both("SET", "k", "v" * 200)
    pair.both("MSET", *(f"k{index}" for index in range(40)))
    pair.both("CLIENT", "SETNAME", "me")
    pair.both("GET", "k")
    theirs, ours = (side.native() for side in pair.ask("SLOWLOG", "GET", 4))
    assert len(ours) == len(theirs) == 4
    for their_entry, our_entry in zip(theirs, ours, strict=True):
        assert len(our_entry) == len(their_entry) == 6
        assert our_entry[3] == their_entry[3]
        assert our_entry[5] == their_entry[5]
        assert abs(our_entry[1] - their_entry[1]) <= 1
    assert theirs[0][0] - theirs[3][0] == ours[0][0] - ours[3][0] == 3


def test_slowlog_hides_passwords(pair: Pair) -> None:
    pair.config("slowlog-log-slower-than", 0)
    pair.both("SLOWLOG", "RESET")
    pair.both("AUTH", "default", "secret")
    pair.both("AUTH", "secret")
    pair.both("CONFIG", "SET", "requirepass", "")
    theirs, ours = (side.native() for side in pair.ask("SLOWLOG", "GET", 3))
    assert [entry[3] for entry in ours] == [entry[3] for entry in theirs]


def test_monitor(wire_pair: Pair) -> None:
    monitor = wire_pair.client(2)
    assert monitor.both("MONITOR") == "OK"
    wire_pair.both("SET", "k", 'va"lue')
    wire_pair.both("AUTH", "default", "secret")
    wire_pair.both("CONFIG", "GET", "maxmemory")
    wire_pair.both("SELECT", 2)
    wire_pair.both("get", "k")
    wire_pair.both("NOSUCH", "k")
    wire_pair.both("PING")
    lines = []
    for side in (monitor.oracle, monitor.kvcore):
        seen = []
        while not seen or "PING" not in seen[-1]:
            line = side.read().native()
            assert re.match(r"\d{10}\.\d{6} \[\d+ 127\.0\.0\.1:\d+\] ", line), line
            seen.append(re.sub(r"^\S+ \[(\d+) \S+\]", r"[\1]", line))
        lines.append(seen)
    assert lines[1] == lines[0]
    monitor.send("MONITOR")
    assert monitor.read(0.05) is NOTHING
    monitor.send("RESET")
    assert monitor.read() == "RESET"
    wire_pair.both("PING")
    assert monitor.read(0.05) is NOTHING


def test_a_monitor_may_not_touch_the_keyspace(wire_pair: Pair) -> None:
    monitor = wire_pair.client(2)
    monitor.both("MONITOR")
    for words in (["GET", "k"], ["SET", "k", "v"], ["PUBLISH", "c", "m"], ["DBSIZE"], ["KEYS", "*"]):
        monitor.both(*words)
    monitor.send("RESET")
    replies = [side.read().native() for side in (monitor.oracle, monitor.kvcore)]
    assert replies == ["RESET", "RESET"]
    monitor.both("GET", "k")
