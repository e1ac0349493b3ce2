"""DBSIZE, FLUSHDB, FLUSHALL and SWAPDB."""

from __future__ import annotations

import pytest

from kvcore.engine import Engine
from tests.commands.conftest import Client


def test_dbsize(client: Client) -> None:
    assert client("DBSIZE") == 0
    client("MSET", "a", 1, "b", 2)
    assert client("DBSIZE") == 2


@pytest.mark.parametrize("mode", [(), ("SYNC",), ("async",)])
def test_flushdb_empties_one_database(client: Client, engine: Engine, mode: tuple[str, ...]) -> None:
    engine.keyspace.databases[1].put(b"k", b"v")
    client("SET", "a", 1, "EX", 10)
    assert client("FLUSHDB", *mode) == "OK"
    assert client("DBSIZE") == 0
    assert client("TTL", "a") == -2
    assert engine.keyspace.databases[1].size == 1


def test_flushall_empties_all(client: Client, engine: Engine) -> None:
    engine.keyspace.databases[1].put(b"k", b"v")
    client("SET", "a", 1)
    assert client("FLUSHALL") == "OK"
    assert [db.size for db in engine.keyspace.databases] == [0] * 16


def test_an_empty_flush_still_propagates(client: Client, effects: list[list[bytes]]) -> None:
    client("FLUSHDB")
    client("FLUSHALL", "ASYNC")
    assert effects == [[b"FLUSHDB"], [b"FLUSHALL", b"ASYNC"]]


@pytest.mark.parametrize("name", ["FLUSHDB", "FLUSHALL"])
def test_flush_modes_are_two(client: Client, name: str) -> None:
    client("SET", "a", 1)
    assert client.error(name, "LATER") == "ERR syntax error"
    assert client.error(name, "SYNC", "ASYNC") == "ERR syntax error"
    assert client("DBSIZE") == 1


def test_flush_breaks_watches_on_what_existed(client: Client, other: Client) -> None:
    client("SET", "a", 1)
    client("WATCH", "absent")
    other("FLUSHDB")
    assert not client.session.watched_changed
    client("SET", "a", 1)
    client("WATCH", "a")
    other("FLUSHDB")
    assert client.session.watched_changed


def test_freed_databases_are_collected_in_slices(client: Client, engine: Engine) -> None:
    client("MSET", *(word for n in range(5000) for word in (b"%d" % n, b"v")))
    client("FLUSHDB")
    assert engine.keyspace.garbage
    engine.tick()
    assert not engine.keyspace.garbage


def test_swapdb_trades_keys_and_times_to_live(client: Client, engine: Engine, effects: list[list[bytes]]) -> None:
    engine.keyspace.databases[1].put(b"k", b"one")
    client("SET", "k", "zero", "EX", 10)
    assert client("SWAPDB", 0, 1) == "OK"
    assert client("GET", "k") == b"one"
    assert client("TTL", "k") == -1
    assert engine.keyspace.databases[1].expiry(b"k") is not None
    assert client("SWAPDB", 0, 0) == "OK"
    assert effects[1:] == [[b"SWAPDB", b"0", b"1"], [b"SWAPDB", b"0", b"0"]]


@pytest.mark.parametrize(
    ("first", "second", "error"),
    [
        ("x", "x", "ERR invalid first DB index"),
        (2**40, 0, "ERR invalid first DB index"),
        (99, "x", "ERR invalid second DB index"),
        (0, 16, "ERR DB index is out of range"),
        (-1, 0, "ERR DB index is out of range"),
    ],
)
def test_swapdb_errors(client: Client, first: str | int, second: str | int, error: str) -> None:
    assert client.error("SWAPDB", first, second) == error
