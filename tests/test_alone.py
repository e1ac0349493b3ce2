"""An engine without a replication plug-in: a primary that has no replicas and takes none."""

from __future__ import annotations

import re

import pytest

from kvcore.alone import Alone
from kvcore.engine import Engine
from tests.engine_client import Client

REFUSED = "ERR this store takes no replicas; kvcore-server does"


def test_it_is_what_an_engine_begins_with(engine: Engine) -> None:
    assert isinstance(engine.replication, Alone)
    assert engine.replication.tick(engine.now_ms()) == -1


@pytest.mark.parametrize("words", [("PSYNC", "?", "-1"), ("SYNC",)])
def test_nobody_becomes_a_replica(engine: Engine, client: Client, words: tuple[str, ...]) -> None:
    assert client("REPLCONF", "listening-port", 1) == "OK"
    assert client.error(*words) == REFUSED
    assert client.session.kind == "normal"
    engine.drop(client.session)


def test_what_replicas_say_is_ignored(engine: Engine, client: Client) -> None:
    engine.replication.hear(client.session)
    engine.replication.acknowledge(client.session, 7)
    assert engine.replication.counters() == {}


def test_its_fields(engine: Engine, client: Client) -> None:
    assert client("ROLE") == [b"master", 0, []]
    fields = engine.replication.fields()
    assert fields["role"] == "master"
    assert fields["master_replid"] == engine.replication_id
    assert fields["repl_backlog_size"] == 1 << 20


def test_another_history(engine: Engine) -> None:
    before = engine.replication_id
    engine.replication.change_history()
    assert re.fullmatch("[0-9a-f]{40}", engine.replication_id)
    assert engine.replication_id != before


def test_there_is_no_role_to_change(engine: Engine, client: Client) -> None:
    assert client.error("REPLICAOF", "127.0.0.1", 6379) == REFUSED
    assert client("REPLICAOF", "NO", "ONE") == "OK"
    assert client.error("FAILOVER") == "ERR FAILOVER requires connected replicas."
    assert client.error("FAILOVER", "ABORT") == "ERR No failover in progress."
    assert client.error("PSYNC", "x" * 40, 1, "FAILOVER") == "ERR PSYNC FAILOVER can't be sent to a master."
    assert engine.replication.saved_fields() == ()
    assert not engine.is_replica
