"""CONFIG beside the real server: what handlers do; the directives themselves are compared in the tests of config."""

from __future__ import annotations

import re

from tests.oracle.harness import Error, Pair, check


def test_get(pair: Pair) -> None:
    check(
        pair,
        """
        CONFIG GET maxmemory
        CONFIG GET MAXMEMORY
        CONFIG GET nosuch
        CONFIG GET maxmemory timeout max*memory
        CONFIG GET hash-max-*
        CONFIG GET requirepass
        CONFIG GET
        CONFIG
        CONFIG NOSUCH
        CONFIG NOSUCH a b
    """,
    )


def test_set_changes_all_or_nothing(pair: Pair) -> None:
    pair.config("timeout", 0)
    pair.config("hash-max-listpack-entries", 128)
    check(
        pair,
        """
        CONFIG SET timeout 7
        CONFIG GET timeout
        CONFIG SET timeout 8 hash-max-listpack-entries 64
        CONFIG GET timeout
        CONFIG GET hash-max-listpack-entries
        CONFIG SET timeout 9 hash-max-listpack-entries x
        CONFIG GET timeout
        CONFIG SET timeout 9 nosuch 1
        CONFIG SET nosuch 1
        CONFIG SET timeout 9 timeout 10
        CONFIG SET timeout 9 TIMEOUT 10
        CONFIG SET timeout
        CONFIG SET timeout 9 port
        CONFIG GET timeout
        CONFIG SET databases 4
        CONFIG SET DATABASES 4
        CONFIG SET TIMEOUT x
        CONFIG SET Dir /
        CONFIG SET appendonly maybe
        CONFIG SET maxmemory x
        CONFIG SET enable-debug-command yes
        CONFIG SET notify-keyspace-events Q
    """,
    )


def test_resetstat(pair: Pair) -> None:
    check(
        pair,
        """
        GET missing
        NOSUCH
        CONFIG RESETSTAT
        CONFIG RESETSTAT x
    """,
    )
    pair.both("CONFIG", "RESETSTAT")
    oracle, kvcore = pair.ask("INFO", "stats")
    for name in ("keyspace_hits", "keyspace_misses", "total_error_replies", "expired_keys", "rejected_connections"):
        for side in (oracle, kvcore):
            assert re.search(rf"^{name}:0\r$", side.native().decode(), re.M), name


def test_rewrite_without_a_file(pair: Pair) -> None:
    assert isinstance(pair.both("CONFIG", "REWRITE"), Error)
    pair.both("CONFIG", "REWRITE", "x")


def test_help(pair: Pair) -> None:
    for words in (("CONFIG", "HELP"), ("SLOWLOG", "HELP"), ("OBJECT", "HELP")):
        oracle, kvcore = pair.ask(*words)
        assert kvcore.native()[0] == oracle.native()[0]
        assert kvcore.native()[-2:] == oracle.native()[-2:]
        pair.both(*words, "x")
