"""A connection that became a replica's link: it carries the stream, and nothing else ever."""

from __future__ import annotations

import pytest

from kvcore.frontends.connection import Connection
from kvcore.frontends.host import Host
from kvcore.replication.primary import Primary
from tests.frontends.test_connection import Wire, clock, config, connect, host, request

__all__ = ["clock", "config", "host"]


@pytest.fixture
def primary(host: Host) -> Primary:
    host.engine.config.set("repl-diskless-sync-delay", "0")
    return Primary(host.engine)


@pytest.fixture
def link(host: Host, primary: Primary) -> Wire:
    """Return a replica that is online."""
    wire = connect(host)
    wire("PSYNC", "?", "-1")
    while not primary.role()[2]:  # type: ignore[index, call-overload]
        host.engine.tick()
    assert wire.take().startswith(b"+FULLRESYNC ")
    return wire


def connection_of(wire: Wire) -> Connection:
    assert wire.connection is not None
    return wire.connection


def test_the_stream_goes_out(host: Host, link: Wire) -> None:
    connect(host, 2)("SET", "k", "v")
    assert link.take() == request("SELECT", "0") + request("SET", "k", "v")
    assert not link.aborted


@pytest.mark.parametrize(
    "words",
    [
        ("PING",),
        ("GET", "k"),
        ("SUBSCRIBE", "c"),
        ("CLIENT", "REPLY", "ON"),
        ("HELLO", "3"),
        ("WAIT", "0", "0"),
        ("NOSUCH",),
        ("QUIT",),
    ],
)
def test_who_asks_for_something_is_closed_without_an_answer(link: Wire, words: tuple[str, ...]) -> None:
    assert link(*words) == b""
    assert link.aborted


def test_a_parked_command_is_answered_with_the_end(host: Host, link: Wire) -> None:
    connect(host, 2)("SET", "k", "v")
    link.take()
    assert link("WAIT", "7", "1") == request("REPLCONF", "GETACK", "*")
    assert not link.aborted
    blocked = connection_of(link).session.blocked
    assert blocked is not None
    host.engine.blocking.finish(blocked, 0)
    assert link.take() == b""
    assert link.aborted


def test_a_broken_frame_is_not_answered_either(link: Wire) -> None:
    connection_of(link).receive(b"*1\r\n$x\r\n")
    assert link.take() == b""
    assert link.aborted


@pytest.mark.parametrize(
    "data", [request("REPLCONF", "ACK", "0"), request("REPLCONF", "GETACK", "*"), b"\n", b"\r\n\n"]
)
def test_what_needs_no_answer_gets_none(link: Wire, data: bytes) -> None:
    connection_of(link).receive(data)
    assert link.take() == b""
    assert not link.aborted


def test_an_empty_line_is_a_sign_of_life(host: Host, primary: Primary, link: Wire) -> None:
    (replica,) = primary.replicas.values()
    replica.acked_ms = 0
    connection_of(link).receive(b"\n")
    assert replica.acked_ms == host.engine.now_ms()
    other = connect(host, 2)
    connection_of(other).receive(b"\n")  # of no replica
    assert other("PING") == b"+PONG\r\n"


def test_the_last_bytes_leave_before_the_end(primary: Primary, link: Wire) -> None:
    (replica,) = primary.replicas.values()
    replica.send(b"-ERR no more\r\n")
    replica.finish()
    assert link.take() == b"-ERR no more\r\n"
    assert (link.closed, link.aborted) == (True, False)
