"""The checks before a command: their order, and what each of them refuses or holds back.

Texts and the order of the checks were compared with redis-server 7.0.15.
"""

from __future__ import annotations

import pytest

from kvcore import errors
from kvcore.blocking import Blocked
from kvcore.engine import Engine
from kvcore.gates import REPLICA
from tests.engine_client import Client

NO_AUTH = "NOAUTH Authentication required."
NOT_IN_MULTI = "ERR Command not allowed inside a transaction"
ABORTED = "EXECABORT Transaction discarded because of previous errors."


def lock_out(client: Client) -> None:
    """Make the client one that has not logged in, whatever else its state."""
    client.session.authenticated = False
    client.engine.config.set("requirepass", "secret")


def test_mistakes_are_named_before_a_password_is_asked_for(client: Client) -> None:
    lock_out(client)
    assert client.error("NOSUCH").startswith("ERR unknown command")
    assert client.error("GET") == "ERR wrong number of arguments for 'get' command"
    assert client.error("GET", "k") == NO_AUTH
    assert client("AUTH", "secret") == "OK"
    assert client("GET", "k") is None


def test_a_password_is_asked_for_before_anything_else(client: Client, other: Client) -> None:
    client("MULTI")
    lock_out(client)
    other("CLIENT", "PAUSE", 1000)
    assert client.error("SHUTDOWN") == NO_AUTH
    assert client.error("SET", "k", "v") == NO_AUTH


def test_what_no_transaction_may_hold_is_refused_before_a_pause_holds_it(client: Client, other: Client) -> None:
    client("MULTI")
    other("CLIENT", "PAUSE", 1000)
    assert client.error("SHUTDOWN") == NOT_IN_MULTI


def test_a_subscriber_is_refused_before_a_pause_holds_it(client: Client, other: Client) -> None:
    client("SUBSCRIBE", "c")
    other("CLIENT", "PAUSE", 1000)
    assert client.error("GET", "k").startswith("ERR Can't execute 'get': only (P|S)SUBSCRIBE")
    assert isinstance(client("PING"), Blocked)


def test_a_monitor_is_kept_from_keys_before_a_pause_holds_it(client: Client, other: Client) -> None:
    client("MONITOR")
    other("CLIENT", "PAUSE", 1000)
    assert client.error("GET", "k") == "ERR Replica can't interact with the keyspace"
    assert isinstance(client("PING"), Blocked)


def test_a_pause_holds_a_command_before_it_is_queued(client: Client, other: Client, engine: Engine) -> None:
    client("MULTI")
    other("CLIENT", "PAUSE", 1000)
    assert isinstance(client("SET", "k", "v"), Blocked)
    assert client.session.multi == []
    engine.unpause()
    assert client.delivered == ["QUEUED"]
    assert client("EXEC") == ["OK"]


@pytest.mark.parametrize("line", ["NOSUCH", "GET", "SHUTDOWN"])
def test_any_refusal_spoils_the_transaction(client: Client, line: str) -> None:
    client("MULTI")
    assert client("SET", "k", "v") == "QUEUED"
    client.error(line)
    assert client.error("EXEC") == ABORTED
    assert client("GET", "k") is None


def test_commands_of_a_transaction_pass_all_gates(client: Client, other: Client) -> None:
    client("MULTI")
    client("CLIENT", "PAUSE", 1000)
    client("SUBSCRIBE", "c")
    client("SET", "k", "v")
    assert client("EXEC") == ["OK", [b"subscribe", b"c", 1], "OK"]
    assert isinstance(other("GET", "k"), Blocked)


def test_the_gate_shuts_again_when_a_transaction_ends(engine: Engine, client: Client) -> None:
    gate = engine.gate
    client("MULTI")
    client("LPUSH", "k", 1)
    client("GET", "k")
    client("EXEC")
    assert engine.gate == gate == 0


# Where what is written may not stay


def test_of_several_reasons_not_to_write_the_disk_comes_first(client: Client, engine: Engine) -> None:
    engine.set_disk_error("replicas", errors.NOT_ENOUGH_REPLICAS)
    assert client.error("SET", "k", "v") == errors.NOT_ENOUGH_REPLICAS
    assert client("GET", "k") is None
    assert client("PING") == "PONG", "nobody needs a replica for that"
    engine.set_disk_error("aof", errors.cannot_append("No space left on device"))
    assert client.error("SET", "k", "v") == errors.cannot_append("No space left on device")
    assert client.error("PING") == errors.cannot_append("No space left on device")
    engine.set_disk_error("rdb", errors.CANNOT_PERSIST)
    assert client.error("SET", "k", "v") == errors.CANNOT_PERSIST
    for kind in ("rdb", "aof", "replicas"):
        engine.set_disk_error(kind, "")
    assert client("SET", "k", "v") == "OK"
    assert engine.gate == 0


# Replicas


def test_a_replica_takes_writes_of_its_primary_only(client: Client, other: Client, engine: Engine) -> None:
    engine.gate |= REPLICA
    engine.read_only = True
    assert client.error("SET", "k", "v") == errors.READ_ONLY_REPLICA
    assert client("PUBLISH", "c", "m") == 0
    client("MULTI")
    assert client.error("SET", "k", "v") == errors.READ_ONLY_REPLICA
    assert client.error("EXEC") == ABORTED
    other.session.kind = "master"
    engine.pause(engine.now_ms() + 1000, everything=True)
    assert other("SET", "k", "v") == "OK", "no pause holds the primary"
    other("MULTI")
    assert other("SET", "k", "w") == "QUEUED"
    assert other("EXEC") == ["OK"]
    engine.unpause()
    assert client("GET", "k") == b"w"
    engine.read_only = False
    assert client("SET", "mine", "v") == "OK"


def test_a_replica_without_its_primary_may_refuse_to_read(client: Client, engine: Engine) -> None:
    engine.gate |= REPLICA
    engine.stale = True
    assert client.error("GET", "k") == errors.STALE_REPLICA
    assert client.error("PING") == errors.STALE_REPLICA
    assert client("CONFIG", "GET", "port") == {b"port": b"6379"}
    engine.stale = False
    assert client("GET", "k") is None


def test_a_transaction_may_be_refused_for_what_it_holds(client: Client, engine: Engine) -> None:
    for words, refused in ((("GET", "k"), True), (("PING",), True), (("CONFIG", "GET", "port"), False)):
        engine.stale = False
        client("MULTI")
        client(*words)
        client("CONFIG", "GET", "port")
        engine.gate |= REPLICA
        engine.stale = True
        if refused:
            assert client.error("EXEC") == errors.exec_refused(errors.STALE_REPLICA)
        else:
            assert client("EXEC") == [{b"port": b"6379"}] * 2
    client("MULTI")
    engine.stale = False
    client("GET", "k")
    assert client("EXEC") == [None]


def test_the_memory_limit_of_a_replica_is_its_primarys_business(client: Client, engine: Engine) -> None:
    engine.config.set("maxmemory", "1")
    assert client.error("SET", "k", "v") == errors.OUT_OF_MEMORY
    engine.gate |= REPLICA
    engine.ignores_limit = True
    assert client("SET", "k", "v") == "OK"
    assert client("DBSIZE") == 1


@pytest.mark.parametrize("container", ["SLOWLOG", "LATENCY", "CLUSTER"])
def test_a_subcommand_called_reset_is_not_the_command(client: Client, container: str) -> None:
    client("MULTI")
    assert client(container, "RESET") == "QUEUED"
    client("DISCARD")
    client("SUBSCRIBE", "c")
    assert client.error(container, "RESET").startswith(f"ERR Can't execute '{container.lower()}|reset': only")
