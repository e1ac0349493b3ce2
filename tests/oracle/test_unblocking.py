"""What statistics, the slow log and the latency monitor say of commands that waited, beside the real server.

Must not live here: who is served, and with what; the tests of the blocking commands themselves have that.
"""

from __future__ import annotations

import re

import pytest

from tests.oracle.harness import Pair
from tests.oracle.wire import Wire


def ids(pair: Pair) -> list[bytes]:
    """Return the session's id on both sides."""
    return [side.text for side in pair.ask("CLIENT", "ID")]


def unblock(pair: Pair, numbers: list[bytes], *reason: str) -> None:
    for side, number in zip((pair.oracle, pair.kvcore), numbers, strict=True):
        side.send(["CLIENT", "UNBLOCK", number, *reason])
        assert side.read().native() == 1


def failures(info: Wire) -> dict[bytes, bytes]:
    """Return the calls and failures of each command, INFO's and CLIENT's own apart."""
    found = re.findall(rb"cmdstat_([^:]+):(calls=\d+).*?(rejected_calls=\d+,failed_calls=\d+)", info.native())
    return {name: calls + b"," + failed for name, calls, failed in found if not name.startswith((b"info", b"client"))}


def same_counts(pair: Pair) -> dict[bytes, bytes]:
    """Compare what INFO counts of commands and errors; return the commands'."""
    commands = [failures(side) for side in pair.ask("INFO", "commandstats")]
    assert commands[0] == commands[1]
    pair.both("INFO", "errorstats")
    totals = [re.findall(rb"total_error_replies:(\d+)", side.native()) for side in pair.ask("INFO", "stats")]
    assert totals[0] == totals[1]
    return commands[1]


@pytest.mark.parametrize("reason", ["ERROR", "TIMEOUT"])
def test_a_wait_that_is_cut_short_is_a_failure(pair: Pair, reason: str) -> None:
    waiter = pair.client()
    numbers = ids(waiter)
    pair.both("XGROUP", "CREATE", "x", "g", "$", "MKSTREAM")
    pair.both("CONFIG", "RESETSTAT")
    for command in (
        ("BLPOP", "k", 0),
        ("XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", "x", ">"),
        ("WAIT", 1, 0),
    ):
        waiter.send(*command)
        pair.wait_blocked(1)
        unblock(pair, numbers, reason)
        waiter.read()
    counted = same_counts(pair)
    assert {counted[name] for name in (b"blpop", b"xreadgroup", b"wait")} == {
        b"calls=1,rejected_calls=0,failed_calls=1"
    }


def test_a_wait_that_ends_by_time_is_none(pair: Pair) -> None:
    pair.both("CONFIG", "RESETSTAT")
    pair.both("BLPOP", "k", "0.01")
    assert same_counts(pair)[b"blpop"] == b"calls=1,rejected_calls=0,failed_calls=0"


def test_an_error_found_when_it_is_served_counts_once(pair: Pair) -> None:
    waiter = pair.client()
    pair.both("XGROUP", "CREATE", "x", "g", "$", "MKSTREAM")
    pair.both("RPUSH", "target", "a")
    pair.both("CONFIG", "RESETSTAT")
    waiter.send("XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", "x", ">")
    pair.wait_blocked(1)
    pair.both("DEL", "x")
    waiter.read()
    same_counts(pair)


def logs(pair: Pair) -> list[list[list[bytes]]]:
    """Return the commands in the slow logs of both sides."""
    return [[entry.items[3].native() for entry in side.items] for side in pair.ask("SLOWLOG", "GET", "-1")]


def logged(pair: Pair) -> list[list[bytes]]:
    """Return the commands in the slow log, which must be the same."""
    oracle, kvcore = logs(pair)
    assert oracle == kvcore
    return kvcore


def test_the_slow_log_has_a_command_once_it_is_served(pair: Pair) -> None:
    waiter = pair.client()
    pair.config("slowlog-log-slower-than", 0)
    pair.both("SLOWLOG", "RESET")
    waiter.send("BLPOP", "k", 0)
    pair.wait_blocked(1)
    assert [b"BLPOP", b"k", b"0"] not in logged(pair)
    pair.both("RPUSH", "k", "v")
    waiter.read()
    assert logged(pair)[0:3:2] == [[b"BLPOP", b"k", b"0"], [b"SLOWLOG", b"GET", b"-1"]]
    waiter.send("BLMOVE", "k", "k2", "LEFT", "LEFT", 0)
    pair.wait_blocked(1)
    pair.both("MULTI")
    pair.both("LPUSH", "k", "v")
    pair.both("SLOWLOG", "RESET")
    pair.both("EXEC")
    waiter.read()
    assert logged(pair)[0] == [b"BLMOVE", b"k", b"k2", b"LEFT", b"LEFT", b"0"]


@pytest.mark.parametrize("reason", ["TIMEOUT", "ERROR"])
def test_one_that_is_cut_short_is_logged(pair: Pair, reason: str) -> None:
    """With its arguments, which the real server has thrown away by then."""
    waiter = pair.client()
    numbers = ids(waiter)
    pair.config("slowlog-log-slower-than", 0)
    waiter.send("BZPOPMIN", "z", 0)
    pair.wait_blocked(1)
    pair.both("SLOWLOG", "RESET")
    unblock(pair, numbers, reason)
    waiter.read()
    oracle, kvcore = logs(pair)
    assert [words[:1] for words in oracle] == [[b"CLIENT"], [], [b"SLOWLOG"]]
    assert [words[:1] for words in kvcore] == [[b"CLIENT"], [b"BZPOPMIN"], [b"SLOWLOG"]]


def test_one_that_times_out_is_not_logged(pair: Pair) -> None:
    pair.config("slowlog-log-slower-than", 0)
    pair.both("SLOWLOG", "RESET")
    pair.both("BLPOP", "k", "0.01")
    assert logged(pair) == [[b"SLOWLOG", b"RESET"]]
