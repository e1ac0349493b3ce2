"""What a connection does across turns: held-back readers, replies of parked and paused commands, ends of input."""

from __future__ import annotations

import gc

import pytest

from kvcore.clock import ManualClock
from kvcore.config import Config
from kvcore.engine import Engine
from kvcore.frontends.connection import COMMANDS_PER_TURN, Connection
from kvcore.frontends.host import Host
from kvcore.replies import Reply
from kvcore.session import Session
from tests.frontends.test_connection import Wire, connect, request


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def host(clock: ManualClock) -> Host:
    return Host(Engine(Config(), clock=clock))


def receive(wire: Wire, *commands: tuple[str, ...]) -> None:
    assert wire.connection is not None
    wire.connection.receive(b"".join(request(*words) for words in commands))


@pytest.mark.parametrize("switch", ["OFF", "SKIP"])
def test_hello_without_a_reply_still_switches_the_protocol(host: Host, switch: str) -> None:
    wire = connect(host)
    receive(wire, ("CLIENT", "REPLY", switch), ("HELLO", "3"), ("CLIENT", "REPLY", "ON"), ("HGETALL", "none"))
    assert wire.take() == b"+OK\r\n%0\r\n"


def test_a_blocked_command_keeps_its_reply_to_itself_while_replies_are_off(host: Host) -> None:
    wire, other = connect(host), connect(host, 2)
    receive(wire, ("CLIENT", "REPLY", "OFF"), ("BLPOP", "list", "0"), ("CLIENT", "REPLY", "ON"))
    other("RPUSH", "list", "x")
    assert wire.take() == b"+OK\r\n"


def test_skip_holds_for_a_command_that_blocks_and_for_no_other(host: Host) -> None:
    wire, other = connect(host), connect(host, 2)
    receive(wire, ("CLIENT", "REPLY", "SKIP"), ("BLPOP", "list", "0"), ("PING",))
    other("RPUSH", "list", "x")
    assert wire.take() == b"+PONG\r\n"


def test_a_skipped_reset_is_not_answered(host: Host) -> None:
    wire = connect(host)
    receive(wire, ("CLIENT", "REPLY", "SKIP"), ("RESET",), ("PING",))
    assert wire.take() == b"+PONG\r\n"


def test_commands_held_back_by_a_pause_act_on_their_connections_when_they_run(host: Host, clock: ManualClock) -> None:
    admin, hello, leaver, mute = connect(host), connect(host, 2), connect(host, 3), connect(host, 4)
    admin("CLIENT", "PAUSE", "100", "ALL")
    receive(hello, ("HELLO", "3"), ("HGETALL", "none"))
    receive(leaver, ("QUIT",), ("SET", "evil", "1"))
    receive(mute, ("CLIENT", "REPLY", "SKIP"), ("PING",), ("ECHO", "heard"))
    clock.advance(101)
    host.tick()
    assert hello.take().startswith(b"%7\r\n")
    assert leaver.take() == b"+OK\r\n"
    assert leaver.closed
    assert mute.take() == b"$5\r\nheard\r\n"
    assert admin("EXISTS", "evil") == b":0\r\n"


def test_a_long_pipeline_is_read_no_faster_than_it_runs(host: Host) -> None:
    wire = connect(host)
    receive(wire, *[("INCR", "n")] * (3 * COMMANDS_PER_TURN))
    assert not wire.reading
    wire.turn()
    assert wire.reading
    assert wire.take().endswith(b":%d\r\n" % (3 * COMMANDS_PER_TURN))


def test_a_parked_client_is_read_so_that_its_end_is_seen(host: Host) -> None:
    wire = connect(host)
    receive(wire, *[("INCR", "n")] * COMMANDS_PER_TURN, ("BLPOP", "list", "0"), ("PING",))
    wire.turn()
    assert wire.reading


def test_what_was_sent_before_the_end_of_input_is_answered(host: Host) -> None:
    wire = connect(host)
    assert wire.connection is not None
    receive(wire, *[("INCR", "n")] * (3 * COMMANDS_PER_TURN))
    assert wire.connection.end()
    assert wire.take().endswith(b":%d\r\n" % (3 * COMMANDS_PER_TURN))
    assert wire.closed
    assert not host.engine.sessions


def test_the_end_of_input_ends_a_parked_command(host: Host) -> None:
    wire, other = connect(host), connect(host, 2)
    assert wire.connection is not None
    receive(wire, ("BLPOP", "list", "0"))
    assert not wire.connection.end()
    assert other("RPUSH", "list", "x") == b":1\r\n"
    assert other("LLEN", "list") == b":1\r\n"


def test_an_error_behind_a_parked_command_is_answered_when_that_is_done(host: Host) -> None:
    wire, other = connect(host), connect(host, 2)
    assert wire.connection is not None
    wire.connection.receive(request("BLPOP", "list", "0") + b"*1\r\n$x\r\n")
    other("RPUSH", "list", "x")
    assert wire.take().endswith(b"-ERR Protocol error: invalid bulk length\r\n")
    assert wire.closed


def test_a_killed_connection_runs_nothing_more(host: Host) -> None:
    wire, other = connect(host), connect(host, 2)
    receive(wire, *[("INCR", "n")] * (COMMANDS_PER_TURN + 1))
    other("CLIENT", "KILL", "ADDR", "127.0.0.1:1")
    wire.turn()
    assert wire.aborted
    assert other("GET", "n") == b"$4\r\n%d\r\n" % COMMANDS_PER_TURN


def test_the_largest_argument_may_change_for_a_connection_that_is_open(host: Host) -> None:
    wire = connect(host)
    assert wire.connection is not None
    host.engine.config.set("proto-max-bulk-len", "1mb")
    wire.connection.follow_config()
    wire.connection.receive(b"*2\r\n$4\r\nECHO\r\n$1048577\r\n")
    assert wire.take() == b"-ERR Protocol error: invalid bulk length\r\n"


def test_a_client_in_the_middle_of_a_long_command_is_not_idle(host: Host, clock: ManualClock) -> None:
    wire = connect(host)
    assert wire.connection is not None
    clock.advance(10_000)
    host.tick()
    wire.connection.receive(b"*2\r\n$4\r\nECHO\r\n$100\r\nabc")
    wire.connection.check(host.now_ms, 5)
    wire.turn()
    assert not wire.aborted


def test_an_idle_client_does_not_hold_its_last_arguments(host: Host, clock: ManualClock) -> None:
    wire = connect(host)
    assert wire.connection is not None
    wire("ECHO", "large")
    clock.advance(2000)
    wire.connection.check(host.engine.now_ms(), 0)
    assert wire.connection.session.call.argv == []


def test_a_client_that_left_leaves_no_cycle(host: Host) -> None:
    def sessions() -> int:
        return sum(type(thing) is Session for thing in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = sessions()
        wire = connect(host)
        receive(wire, ("WATCH", "a"), ("SUBSCRIBE", "b"), ("PING",))
        assert isinstance(wire.connection, Connection)
        wire.connection.lost()
        wire.connection.lost()
        wire.connection = None
        assert sessions() == before
    finally:
        gc.enable()


def test_thousands_of_paused_writers_are_released_at_one_depth(host: Host, clock: ManualClock) -> None:
    seen: list[object] = []
    host.engine.subscribe(lambda effects: seen.extend(effects))
    admin = connect(host)
    admin("CLIENT", "PAUSE", "100", "WRITE")
    writers = [connect(host, port) for port in range(2, 2002)]
    for writer in writers:
        receive(writer, ("INCR", "n"))
    clock.advance(101)
    host.tick()
    replies: list[Reply] = [writer.take() for writer in writers]
    assert replies == [b":%d\r\n" % number for number in range(1, 2001)]
    assert len(seen) == 2000


def test_nothing_expires_by_itself_while_writes_are_paused(host: Host, clock: ManualClock) -> None:
    wire = connect(host)
    wire("SET", "key", "value", "PX", "50")
    wire("CLIENT", "PAUSE", "500", "WRITE")
    clock.advance(100)
    host.tick()
    assert wire("DBSIZE") == b":1\r\n"
    clock.advance(500)
    host.tick()
    host.tick()
    assert wire("DBSIZE") == b":0\r\n"
