"""AUTH, HELLO, PING, SELECT, RESET and the like beside the real server."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle.harness import Error, Pair, check, run_sequence
from tests.oracle.wire import CLOSED


def test_ping_and_echo(pair: Pair) -> None:
    check(
        pair,
        """
        PING
        PING hello
        PING ''
        PING a b
        ECHO hello
        ECHO ''
        ECHO
        ECHO a b
    """,
    )


def test_select(pair: Pair) -> None:
    check(
        pair,
        """
        SET k zero
        SELECT 1
        GET k
        SET k one
        SELECT 15
        GET k
        SELECT 0
        GET k
        SELECT 16
        SELECT -1
        SELECT x
        SELECT 1.5
        SELECT +1
        SELECT ' 1'
        SELECT ''
        SELECT 2147483648
        SELECT 99999999999999999999
        SELECT
        SELECT 1 2
        GET k
    """,
    )


def test_auth_without_a_password(pair: Pair) -> None:
    check(
        pair,
        """
        AUTH x
        AUTH default x
        AUTH default ''
        AUTH nobody x
        AUTH a b c
        AUTH
        MULTI
        AUTH x
        AUTH default x
        EXEC
    """,
    )


def test_auth_with_a_password(wire_pair: Pair) -> None:
    wire_pair.config("requirepass", "secret")
    other = wire_pair.client(2)
    assert wire_pair.both("PING") == "PONG"  # who was in stays in
    check(
        other,
        """
        PING
        GET k
        NOSUCH
        GET
        CLIENT ID
        MULTI
        HELLO
        HELLO 3
        HELLO 3 SETNAME x
        HELLO 3 AUTH default wrong
        HELLO 9 AUTH default secret
        AUTH wrong
        AUTH default wrong
        AUTH nobody secret
        AUTH ''
        GET k
        AUTH secret
        GET k
        AUTH wrong
        GET k
        RESET
        GET k
        AUTH default secret
        GET k
        RESET
    """,
    )
    third = wire_pair.client(2)
    assert isinstance(third.both("GET", "k"), Error)
    wire_pair.both("CONFIG", "SET", "requirepass", "")
    assert third.both("GET", "k") is None  # nobody needs to log in any more
    assert other.both("GET", "k") is None


def hello_facts(pair: Pair, *arguments: str) -> list[object]:
    """Compare HELLO but for the id; return the fields that are compared."""
    oracle, kvcore = pair.ask("HELLO", *arguments)
    assert oracle.kind == kvcore.kind
    theirs, ours = oracle.pairs(), kvcore.pairs()
    assert [name for name, _ in theirs] == [name for name, _ in ours]
    assert [value for name, value in theirs if name.text != b"id"] == [
        value for name, value in ours if name.text != b"id"
    ]
    return [value.native() for _, value in ours]


def test_hello(wire_pair: Pair) -> None:
    client = wire_pair.client(2)
    hello_facts(client)
    hello_facts(client, "2")
    hello_facts(client, "3")
    hello_facts(client)
    client.both("CONFIG", "GET", "maxmemory")  # a map now
    hello_facts(client, "3", "SETNAME", "me")
    assert client.both("CLIENT", "GETNAME") == b"me"
    hello_facts(client, "2", "AUTH", "default", "anything", "setname", "")
    check(
        client,
        """
        CLIENT GETNAME
        HELLO 1
        HELLO 4
        HELLO x
        HELLO ''
        HELLO 3 FOO
        HELLO 3 AUTH default
        HELLO 3 AUTH nobody x
        HELLO 3 SETNAME
        HELLO 3 SETNAME 'a b'
        HELLO 3 SETNAME a AUTH nobody x
        CLIENT GETNAME
        HELLO 3 SETNAME b NOSUCH
        CLIENT GETNAME
        CONFIG GET maxmemory
        GET missing
    """,
    )


def test_hello_switches_from_its_own_reply_on(wire_pair: Pair) -> None:
    client = wire_pair.client(2)
    client.send_raw(b"GET none\r\nHELLO 3\r\nGET none\r\nHELLO 2\r\nGET none\r\n")
    for side in (client.oracle, client.kvcore):
        assert [side.read().kind for _ in range(5)] == ["$-1", "%", "_", "*", "$-1"]


@pytest.mark.parametrize("protocol", [2, 3])
def test_ping_while_subscribed(wire_pair: Pair, protocol: int) -> None:
    client = wire_pair.client(protocol)
    check(
        client,
        """
        SUBSCRIBE ch
        PING
        PING hello
        PING a b
        UNSUBSCRIBE ch
        PING
        PING hello
    """,
    )


def test_reset(wire_pair: Pair) -> None:
    client = wire_pair.client(2)
    check(
        client,
        """
        SELECT 3
        SET in-three 1
        CLIENT SETNAME me
        WATCH k
        MULTI
        SET a 1
        RESET
        EXEC
        GET in-three
        CLIENT GETNAME
        SUBSCRIBE ch
        PSUBSCRIBE p*
        GET k
        RESET
        GET k
        PUBLISH ch x
        RESET x
    """,
    )
    third = wire_pair.client(3)
    assert third.both("GET", "none") is None
    third.send("RESET")
    assert third.read() == "RESET"
    assert third.oracle.read(0.01) == third.kvcore.read(0.01)
    third.send("GET", "none")
    assert [side.read().kind for side in (third.oracle, third.kvcore)] == ["$-1", "$-1"]


STEPS = st.sampled_from(
    [
        ("SELECT", 0),
        ("SELECT", 1),
        ("SELECT", 99),
        ("SET", "k", 1),
        ("INCR", "k"),
        ("GET", "k"),
        ("WATCH", "k"),
        ("MULTI",),
        ("EXEC",),
        ("DISCARD",),
        ("RESET",),
        ("PING",),
        ("PING", "x"),
        ("CLIENT", "SETNAME", "me"),
        ("CLIENT", "SETNAME", "a b"),
        ("CLIENT", "GETNAME"),
        ("AUTH", "x"),
        ("AUTH", "default", "x"),
        ("HELLO", "9"),
        ("HELLO", "2", "NOSUCH"),
        ("NOSUCH",),
    ]
)


@settings(max_examples=50)
@given(st.lists(STEPS, max_size=20))
def test_any_sequence(wire_pair: Pair, steps: list[tuple[str | int, ...]]) -> None:
    client = wire_pair.client(2)
    run_sequence(client, [("RESET",), *steps])


def test_quit(wire_pair: Pair) -> None:
    client = wire_pair.client(2)
    client.send_raw(b"SET k 1\r\nQUIT\r\nSET k 2\r\n")
    assert client.read() == "OK"
    assert client.read() == "OK"
    assert client.oracle.read() == client.kvcore.read() == CLOSED
    assert wire_pair.both("GET", "k") == b"1"
