"""The slow log and its commands, with commands as slow as a test's clock makes them."""

from __future__ import annotations

import pytest

from kvcore.clock import ManualClock
from kvcore.engine import Engine
from kvcore.ports import LocalProcess
from kvcore.slowlog import SlowLog
from tests.commands.conftest import Client


class SleepingProcess(LocalProcess):
    """Sleeping moves the test's clock."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self.clock = clock

    def sleep(self, seconds: float) -> None:
        self.clock.advance(seconds * 1000)


@pytest.fixture
def sleepy(engine: Engine, client: Client, clock: ManualClock) -> Client:
    engine.config.set("enable-debug-command", "yes")
    engine.process = SleepingProcess(clock)
    return client


def test_slow_commands_are_logged_with_their_time(sleepy: Client) -> None:
    sleepy("CLIENT", "SETNAME", "me")
    sleepy("DEBUG", "SLEEP", "0.02")
    sleepy("GET", "k")
    assert sleepy("SLOWLOG", "LEN") == 1
    (entry,) = sleepy("SLOWLOG", "GET")
    assert entry == [0, 1_700_000_000, 20_000, [b"DEBUG", b"SLEEP", b"0.02"], b"127.0.0.1:0", b"me"]


def test_threshold_and_length_follow_the_configuration(sleepy: Client) -> None:
    sleepy("CONFIG", "SET", "slowlog-log-slower-than", 5000, "slowlog-max-len", 3)
    for milliseconds in (4, 5, 6, 7, 8):
        sleepy("DEBUG", "SLEEP", milliseconds / 1000)
    assert [entry[2] for entry in sleepy("SLOWLOG", "GET", -1)] == [8000, 7000, 6000]
    assert len(sleepy("SLOWLOG", "GET", 2)) == 2
    assert sleepy("SLOWLOG", "GET", 0) == []
    sleepy("CONFIG", "SET", "slowlog-log-slower-than", -1)
    sleepy("DEBUG", "SLEEP", 1)
    assert sleepy("SLOWLOG", "LEN") == 3
    assert sleepy("SLOWLOG", "RESET") == "OK"
    assert sleepy("SLOWLOG", "LEN") == 0


def test_get_refuses_bad_counts(client: Client) -> None:
    for count in ("-2", "x", "1.5", "99999999999999999999"):
        assert client.error("SLOWLOG", "GET", count) == "ERR count should be greater than or equal to -1"


def test_long_commands_are_cut() -> None:
    log = SlowLog()
    log.add([b"MSET", *([b"x" * 130] * 40)], 1, 0, b"", b"", 10)
    (entry,) = log.newest(-1)
    assert len(entry.argv) == 32
    assert entry.argv[1] == b"x" * 128 + b"... (2 more bytes)"
    assert entry.argv[31] == b"... (10 more arguments)"


def test_a_command_that_waited_is_logged_when_it_is_served(client: Client, other: Client) -> None:
    client("CONFIG", "SET", "slowlog-log-slower-than", 0)
    other("BLPOP", "k", 0)
    client("SLOWLOG", "RESET")
    client("RPUSH", "k", "v")
    entries = client("SLOWLOG", "GET", -1)
    assert isinstance(entries, list)
    assert [entry[3][0] for entry in entries] == [b"BLPOP", b"RPUSH", b"SLOWLOG"]
