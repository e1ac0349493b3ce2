"""PSYNC, SYNC, REPLCONF and ROLE: arguments and replies. What follows from them: tests/replication."""

from __future__ import annotations

import pytest

from kvcore.engine import Engine
from kvcore.replication.primary import Primary
from tests.commands.conftest import Client
from tests.replication.links import Link


@pytest.fixture
def primary(engine: Engine) -> Primary:
    return Primary(engine)


@pytest.fixture
def replica(engine: Engine, primary: Primary) -> Link:
    return Link(engine)


def test_a_primary_has_a_role(client: Client, primary: Primary) -> None:
    assert primary.offset == 0
    assert client("ROLE") == [b"master", 0, []]


def test_replconf_takes_pairs(replica: Link) -> None:
    assert replica("REPLCONF") == "OK"
    assert replica("REPLCONF", "listening-port", "6380", "CAPA", "eof", "capa", "unheard-of") == "OK"
    assert replica.error("REPLCONF", "capa") == "ERR syntax error"
    assert replica.error("REPLCONF", "version", "7.2.0") == "ERR Unrecognized REPLCONF option: version"


def test_pairs_before_a_wrong_one_count(primary: Primary, replica: Link) -> None:
    replica.error("REPLCONF", "listening-port", 6380, "version", 7)
    replica.follow()
    assert ",port=6380," in str(primary.fields()["slave0"])


@pytest.mark.parametrize("words", [("ack", "5"), ("ACK", "x"), ("ack", "9" * 30), ("getack", "*")])
def test_some_of_it_is_never_answered(replica: Link, words: tuple[str, str]) -> None:
    assert replica("REPLCONF", *words) is None
    replica.follow()
    assert replica("REPLCONF", *words) is None
    assert replica("REPLCONF", *words, "fack", "1") is None


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("?", "x"), "ERR value is not an integer or out of range"),
        (("?", "-1", "failover"), "ERR PSYNC FAILOVER can't be sent to a master."),
        (("?",), "ERR wrong number of arguments for 'psync' command"),
    ],
)
def test_psync_that_cannot_be(primary: Primary, replica: Link, words: tuple[str, ...], error: str) -> None:
    assert replica.error("PSYNC", *words) == error
    assert not primary.replicas


def test_options_that_psync_may_get_one_day(primary: Primary, replica: Link) -> None:
    assert replica("PSYNC", "?", "-1", "later") is None
    assert len(primary.replicas) == 1


def test_no_replica_begins_inside_a_transaction(client: Client, primary: Primary) -> None:
    client("MULTI")
    assert client.error("PSYNC", "?", -1) == "ERR Command not allowed inside a transaction"
    assert client.error("SYNC") == "ERR Command not allowed inside a transaction"
    assert client("ROLE") == "QUEUED"
    assert client.error("EXEC").startswith("EXECABORT ")
    assert not primary.replicas


def test_no_script_may_ask_for_it(client: Client, primary: Primary) -> None:
    assert "not allowed from script" in client.error("EVAL", "return redis.call('SYNC')", 0)
    assert not primary.replicas


def test_roles_change(client: Client, primary: Primary, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "kvcore.replication")
    assert client("REPLICAOF", "NO", "ONE") == "OK"
    assert "MASTER MODE" not in caplog.text, "it was one"
    assert client("SLAVEOF", "example", 6379) == "OK"
    assert "REPLICAOF example:6379 enabled (user request from 'id=" in caplog.text
    assert client("ROLE") == [b"slave", b"example", 6379, b"connect", -1]
    assert client("CONFIG", "GET", "slaveof") == {b"slaveof": b"example 6379"}
    assert client("REPLICAOF", "example", 6379) == "OK Already connected to specified master"
    assert client("REPLICAOF", "other", 0) == "OK"
    assert client.error("SET", "k", "v").startswith("READONLY")
    assert client.error("WAIT", 0, 0).startswith("ERR WAIT cannot be used with replica instances.")
    assert client("replicaof", "No", "oNE") == "OK"
    assert "MASTER MODE enabled (user request from 'id=" in caplog.text
    assert primary.upstream is None
    assert client("SET", "k", "v") == "OK"


@pytest.mark.parametrize("port", ["x", "-1", "65536", ""])
def test_ports_that_are_none(client: Client, primary: Primary, port: str) -> None:
    assert client.error("REPLICAOF", "example", port) == "ERR Invalid master port"
    assert primary.upstream is None


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("x",), "ERR syntax error"),
        (("TO", "h"), "ERR syntax error"),
        (("TO", "h", "x"), "ERR value is not an integer or out of range"),
        (("TO", "h", "1", "TO", "h", "1"), "ERR syntax error"),
        (("TIMEOUT",), "ERR syntax error"),
        (("TIMEOUT", "0"), "ERR FAILOVER timeout must be greater than 0"),
        (("TIMEOUT", "5", "TIMEOUT", "5"), "ERR syntax error"),
        (("ABORT", "FORCE"), "ERR syntax error"),
        (("FORCE", "FORCE"), "ERR syntax error"),
        (("abort",), "ERR No failover in progress."),
        (("TO", "h", "1", "FORCE", "TIMEOUT", "5"), "ERR FAILOVER requires connected replicas."),
    ],
)
def test_failover_that_cannot_be(client: Client, primary: Primary, options: tuple[str, ...], error: str) -> None:
    assert client.error("FAILOVER", *options) == error
    assert primary.fields()["master_failover_state"] == "no-failover"


def test_failover_on_a_replica(client: Client, primary: Primary) -> None:
    primary.follow("example", 6379)
    assert client.error("FAILOVER") == "ERR FAILOVER is not valid when server is a replica."
