"""A data set on its way in: what clients are told, how far it is, how long it is held up."""

from __future__ import annotations

import random

import pytest

from kvcore import errors
from kvcore.clock import ManualClock
from kvcore.engine import Engine
from kvcore.replication.incoming import ASYNC, BESIDE, EXCLUSIVE, Incoming, LinkError, mode_for
from tests.engine_client import Client
from tests.replication.upstreams import HISTORY, MARK, OTHER, snapshot_of


@pytest.fixture
def data(clock: ManualClock) -> bytes:
    """Return a data set of three keys as a file."""
    source = Engine(clock=clock, random=random.Random(3))
    client = Client(source)
    for number in range(3):
        client("SET", f"k{number}", "v" * 100)
    return snapshot_of(source)


@pytest.mark.parametrize(
    ("directive", "history", "keys", "mode"),
    [
        ("disabled", HISTORY, 1, BESIDE),
        ("disabled", OTHER, 0, BESIDE),
        ("on-empty-db", HISTORY, 1, BESIDE),
        ("on-empty-db", HISTORY, 0, EXCLUSIVE),
        ("swapdb", HISTORY, 1, ASYNC),
        ("swapdb", HISTORY, 0, ASYNC),
        ("swapdb", OTHER, 1, EXCLUSIVE),
        ("swapdb", "", 1, EXCLUSIVE),
    ],
)
def test_what_clients_are_told(
    engine: Engine, client: Client, directive: str, history: str, keys: int, mode: str
) -> None:
    engine.config.set("repl-diskless-load", directive)
    engine.replication_id = HISTORY
    if keys:
        client("SELECT", 3)
        client("SET", "k", "v")
    assert mode_for(engine, history) == mode


def test_some_commands_are_refused_and_others_not(engine: Engine, client: Client, other: Client) -> None:
    client("SET", "k", "v")
    for words in (("MULTI",), ("GET", "k")):
        other(*words)
    engine.begin_receiving(exclusive=True)
    assert client.error("GET", "k") == errors.LOADING
    assert client("CONFIG", "GET", "port") == {b"port": b"6379"}
    assert client("MULTI") == "OK"
    assert client("EXEC") == []
    assert other.error("EXEC") == errors.exec_refused(errors.LOADING)
    engine.begin_receiving(exclusive=False)
    assert client("GET", "k") == b"v"
    assert client.error("REPLICAOF", "no", "one") == errors.LOADING
    assert client("MULTI") == "OK"
    assert client.error("REPLICAOF", "no", "one") == errors.LOADING
    client.error("EXEC")
    engine.config.set("enable-protected-configs", "yes")
    for name in ("appendonly", "dir", "repl-diskless-load"):
        assert client.error("CONFIG", "SET", "maxmemory-samples", 7, name, "no") == errors.LOADING
    assert client("CONFIG", "GET", "maxmemory-samples") == {b"maxmemory-samples": b"5"}
    engine.end_receiving()
    assert client("REPLICAOF", "no", "one") == "OK"


def test_how_far_it_is(engine: Engine, clock: ManualClock, data: bytes) -> None:
    incoming = Incoming(engine, EXCLUSIVE, len(data) * 4)
    clock.advance(2000)
    assert incoming.feed(data) is None
    fields = incoming.fields()
    assert (fields["loading"], fields["async_loading"]) == (1, 0)
    assert fields["loading_start_time"] == engine.now_ms() // 1000 - 2
    assert fields["loading_total_bytes"] == 4 * len(data)
    assert fields["loading_loaded_bytes"] == len(data)
    assert fields["loading_loaded_perc"] == "25.00"
    assert fields["loading_eta_seconds"] == 5


def test_how_far_it_is_without_a_length(engine: Engine, data: bytes) -> None:
    incoming = Incoming(engine, ASYNC, -1, MARK)
    assert incoming.fields()["loading_loaded_perc"] == "0.00"
    assert incoming.feed(data) is None
    fields = incoming.fields()
    assert (fields["loading"], fields["async_loading"]) == (0, 1)
    assert (fields["loading_total_bytes"], fields["loading_rdb_used_mem"]) == (0, 0)
    incoming.loader.aux[b"used-mem"] = b"%d" % (len(data) // 2)
    assert incoming.fields()["loading_loaded_perc"] == "99.99"
    assert incoming.feed(MARK + b"more") == b"more"


def test_nothing_is_told_of_one_beside_the_old(engine: Engine) -> None:
    assert Incoming(engine, BESIDE, 100).fields() == {}


def test_what_is_given_up_is_freed_at_once(engine: Engine, data: bytes) -> None:
    incoming = Incoming(engine, BESIDE, -1, MARK)
    incoming.feed(data)
    databases = incoming.keyspace.databases
    assert len(databases[0]) == 3
    incoming.discard()
    assert not any(len(db) for db in databases)
    assert engine.keyspace.garbage
    assert not incoming.keyspace.garbage
    while engine.keyspace.collect():
        pass
    assert len(engine.keyspace.databases[0]) == 0


def test_the_mark_must_be_right(engine: Engine, data: bytes) -> None:
    with pytest.raises(LinkError, match="marker is broken"):
        Incoming(engine, BESIDE, -1, MARK).feed(data + b"x" * 40)


@pytest.mark.parametrize(("delay_us", "wait_ms"), [(0, 0), (2000, 6.0), (-3, 0.001)])
def test_keys_may_be_delayed(engine: Engine, clock: ManualClock, data: bytes, delay_us: int, wait_ms: float) -> None:
    engine.config.set("key-load-delay", str(delay_us))
    incoming = Incoming(engine, BESIDE, -1, MARK)
    assert incoming.delay_ms() == 0
    incoming.feed(data)
    assert incoming.delay_ms() == pytest.approx(wait_ms)
    clock.advance(2)
    assert incoming.delay_ms() == pytest.approx(max(0, wait_ms - 2))
    engine.config.set("key-load-delay", "0")
    assert incoming.delay_ms() == 0


def test_what_the_log_says_of_a_broken_link(engine: Engine, data: bytes) -> None:
    assert Incoming(engine, BESIDE, 9).broken("gone") == "I/O error trying to sync with MASTER: gone"
    incoming = Incoming(engine, ASYNC, -1, MARK)
    incoming.feed(data[:30])
    assert incoming.broken("gone") == "Internal error in RDB reading offset 30: Unexpected EOF reading RDB file"
