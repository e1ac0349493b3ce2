"""KEYS, SCAN and RANDOMKEY: filters, the scan guarantee, expired keys."""

from __future__ import annotations

import pytest

from kvcore.clock import ManualClock
from kvcore.engine import Engine
from tests.commands.conftest import Argument, Client


def scan_all(client: Client, *options: Argument) -> list[bytes]:
    """Scan from 0 to 0; return the keys as they came."""
    cursor: Argument = b"0"
    found: list[bytes] = []
    while True:
        cursor, keys = client("SCAN", cursor, *options)
        found += keys
        if cursor == b"0":
            return found


def test_keys_by_pattern(client: Client) -> None:
    client("MSET", "one", 1, "two", 2, "three", 3, "t*o", 4)
    assert sorted(client("KEYS", "*")) == [b"one", b"t*o", b"three", b"two"]
    assert sorted(client("KEYS", "t*")) == [b"t*o", b"three", b"two"]
    assert client("KEYS", r"t\*o") == [b"t*o"]
    assert client("KEYS", "one") == [b"one"]
    assert client("KEYS", "absent") == []


def test_keys_hides_the_expired_without_deleting(client: Client, clock: ManualClock, engine: Engine) -> None:
    client("SET", "gone", 1, "PX", 5)
    client("SET", "later", 1, "PX", 50)
    client("SET", "kept", 1)
    clock.advance(5)
    assert sorted(client("KEYS", "*")) == [b"kept", b"later"]
    assert client("KEYS", "gone") == []
    assert engine.keyspace.databases[0].size == 3


def test_scan_returns_every_key_once_when_nothing_changes(client: Client) -> None:
    names = {b"key:%d" % number for number in range(3000)}
    client("MSET", *(word for name in names for word in (name, b"v")))
    found = scan_all(client)
    assert len(found) == 3000
    assert set(found) == names
    assert set(scan_all(client, "COUNT", 1000)) == names


def test_scan_returns_what_stays_while_others_come_and_go(client: Client) -> None:
    stay = {b"stay:%d" % number for number in range(1500)}
    client("MSET", *(word for name in stay for word in (name, b"v")))
    cursor: Argument = b"0"
    found: set[bytes] = set()
    step = 0
    while True:
        cursor, keys = client("SCAN", cursor, "COUNT", 50)
        found.update(keys)
        if cursor == b"0":
            break
        client("MSET", *(word for n in range(100) for word in (b"%d:%d" % (step, n), b"v")))
        client("DEL", *(b"%d:%d" % (step - 1, n) for n in range(100)))
        step += 1
    assert stay <= found


def test_scan_filters(client: Client) -> None:
    client("MSET", "a1", 1, "a2", 2, "b1", 3)
    client("RPUSH", "alist", "x")
    assert sorted(scan_all(client, "MATCH", "a*")) == [b"a1", b"a2", b"alist"]
    assert sorted(scan_all(client, "TYPE", "STRING")) == [b"a1", b"a2", b"b1"]
    assert sorted(scan_all(client, "MATCH", "a*", "COUNT", 1, "TYPE", "list")) == [b"alist"]
    assert scan_all(client, "TYPE", "nosuch") == []
    assert sorted(scan_all(client, "MATCH", "b*", "MATCH", "a*", "TYPE", "list", "TYPE", "string")) == [b"a1", b"a2"]


def test_scan_deletes_the_expired(client: Client, clock: ManualClock, engine: Engine) -> None:
    client("SET", "gone", 1, "PX", 5)
    client("SET", "kept", 1)
    clock.advance(5)
    assert scan_all(client) == [b"kept"]
    assert engine.keyspace.databases[0].size == 1


@pytest.mark.parametrize("cursor", ["x", "0x0", "0 ", " 0", "99999999999999999999", "-"])
def test_scan_refuses_a_bad_cursor(client: Client, cursor: str) -> None:
    assert client.error("SCAN", cursor, "COUNT", 0) == "ERR invalid cursor"


@pytest.mark.parametrize("cursor", ["-1", "18446744073709551615", "123456789", ""])
def test_scan_takes_any_number(client: Client, cursor: str) -> None:
    client("SET", "k", "v")
    assert len(client("SCAN", cursor)) == 2


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("COUNT", 0), "ERR syntax error"),
        (("COUNT",), "ERR syntax error"),
        (("TYPE",), "ERR syntax error"),
        (("SORTED", "yes"), "ERR syntax error"),
        (("COUNT", "x", "TYPE"), "ERR value is not an integer or out of range"),
    ],
)
def test_scan_option_errors(client: Client, options: tuple[Argument, ...], error: str) -> None:
    assert client.error("SCAN", 0, *options) == error


def test_randomkey(client: Client, clock: ManualClock) -> None:
    assert client("RANDOMKEY") is None
    client("MSET", "a", 1, "b", 2)
    client("SET", "gone", 1, "PX", 5)
    clock.advance(5)
    assert {client("RANDOMKEY") for _ in range(50)} == {b"a", b"b"}


@pytest.mark.parametrize("words", [("SCAN", 0), ("SCAN", 0, "TYPE", "string"), ("RANDOMKEY",)])
def test_keys_met_past_their_time_are_units_of_their_own(
    client: Client, engine: Engine, clock: ManualClock, words: tuple[Argument, ...]
) -> None:
    client("SET", "a", 1, "PX", 1)
    client("SET", "b", 1, "PX", 1)
    units: list[int] = []
    engine.subscribe(lambda unit: units.append(len(unit)))
    clock.advance(1000)
    client(*words)
    assert units == [1, 1]
    client("SET", "a", 1, "PX", 1)
    client("SET", "b", 1, "PX", 1)
    units.clear()
    clock.advance(1000)
    client("MULTI")
    client(*words)
    client("EXEC")
    assert units == [4]
