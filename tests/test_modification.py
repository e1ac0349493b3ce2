"""When keys changed last: kept when asked for, and only then."""

from __future__ import annotations

import pytest

from kvcore import errors
from kvcore.clock import ManualClock
from kvcore.engine import Engine
from tests.engine_client import Client


@pytest.fixture
def keeping(engine: Engine) -> Engine:
    engine.config.set("key-modification-times", "yes")
    return engine


def test_without_the_directive_nothing_is_kept(engine: Engine, client: Client) -> None:
    client("SET", "k", "v")
    assert client.error("OBJECT", "LASTMODIFIED", "k") == errors.NO_MODIFICATION_TIMES
    assert client("OBJECT", "LASTMODIFIED", "none") is None
    assert not engine.keyspace.databases[0].observed


def test_writes_count_and_reads_do_not(keeping: Engine, client: Client, clock: ManualClock) -> None:
    client("RPUSH", "k", "v")
    clock.advance(3000)
    client("LRANGE", "k", 0, -1)
    assert client("OBJECT", "LASTMODIFIED", "k") == 3
    client("RPUSH", "k", "w")
    assert client("OBJECT", "LASTMODIFIED", "k") == 0
    clock.advance(2000)
    client("EXPIRE", "k", 100)
    assert client("OBJECT", "LASTMODIFIED", "k") == 0


def test_keys_from_before_are_as_old_as_the_table(engine: Engine, client: Client, clock: ManualClock) -> None:
    client("SET", "k", "v")
    clock.advance(50_000)
    engine.config.set("key-modification-times", "yes")
    clock.advance(4000)
    assert client("OBJECT", "LASTMODIFIED", "k") == 4
    engine.config.set("key-modification-times", "no")
    assert client.error("OBJECT", "LASTMODIFIED", "k") == errors.NO_MODIFICATION_TIMES


def test_databases_that_trade_their_keys(keeping: Engine, client: Client, clock: ManualClock) -> None:
    client("SET", "k", "v")
    clock.advance(3000)
    client("SELECT", 1)
    client("SET", "k", "w")
    client("SWAPDB", 0, 1)
    assert client("OBJECT", "LASTMODIFIED", "k") == 3
    client("SELECT", 0)
    assert client("OBJECT", "LASTMODIFIED", "k") == 0


def test_keys_that_go_are_forgotten(keeping: Engine, client: Client, clock: ManualClock) -> None:
    table = keeping.modifications._tables
    client("SET", "k", "v")
    client("DEL", "k")
    client("SET", "k", "v", "PX", 5)
    clock.advance(5)
    client("GET", "k")
    assert table[0].size == 0
    for number in range(3000):
        client("SET", number, "v")
    client("FLUSHALL")
    client("SET", "k", "v")
    assert table[0].size == 1
