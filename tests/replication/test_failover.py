"""FAILOVER on the side that hands over: what it waits for, and what ends it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kvcore.clock import ManualClock
from kvcore.engine import Engine
from kvcore.replication.primary import Primary
from tests.engine_client import Client
from tests.replication.links import Link, settle
from tests.replication.upstreams import OTHER, Wires


@pytest.fixture
def wires(engine: Engine) -> Wires:
    engine.network = made = Wires()
    return made


@pytest.fixture
def online(engine: Engine, replica: Link, wires: Wires) -> Link:
    """Return a replica that is online at 127.0.0.1:7001, and has everything."""
    replica("REPLCONF", "listening-port", 7001)
    replica.follow("eof", "psync2")
    settle(engine)
    replica.read()
    replica.acknowledge(0)
    return replica


def state(primary: Primary) -> object:
    return primary.fields()["master_failover_state"]


def answer(wires: Wires, line: bytes) -> list[list[bytes]]:
    """Let the replica that was chosen answer; return what it was asked."""
    wire = wires.last
    wire.listener.connected()
    wire.give(b"+PONG\r\n+OK\r\n+OK\r\n")
    asked = wire.heard()
    wire.give(line + b"\r\n")
    return asked[-1:]


def test_hands_over(engine: Engine, primary: Primary, online: Link, wires: Wires) -> None:
    client, writer = Client(engine), Client(engine)
    client("SET", "k", "v")
    history, offset = engine.replication_id, primary.offset
    assert client("FAILOVER", "TO", "127.0.0.1", 7001) == "OK"
    assert state(primary) == "waiting-for-sync"
    writer("SET", "k", "w")
    assert writer.delivered == []
    engine.tick()
    assert state(primary) == "waiting-for-sync"
    online.acknowledge(offset)
    engine.tick()
    assert state(primary) == "failover-in-progress"
    assert (wires.last.host, wires.last.port) == (b"127.0.0.1", 7001)
    assert primary.role() == [b"slave", b"127.0.0.1", 7001, b"connecting", -1]
    assert answer(wires, b"+CONTINUE " + OTHER.encode()) == [
        [b"PSYNC", history.encode(), b"%d" % (offset + 1), b"FAILOVER"]
    ]
    assert state(primary) == "no-failover"
    assert primary.role() == [b"slave", b"127.0.0.1", 7001, b"connected", offset]
    assert str(writer.delivered[0]).startswith("READONLY")
    assert client("GET", "k") == b"v"
    assert engine.replication_id == OTHER


def test_any_replica_that_has_everything(
    engine: Engine, primary: Primary, online: Link, wires: Wires, link: Callable[[], Link]
) -> None:
    late = link()
    late("REPLCONF", "listening-port", 7002)
    late.follow("eof")
    Client(engine)("SET", "k", "v")
    Client(engine)("FAILOVER")
    settle(engine)
    assert not wires.made
    online.acknowledge(primary.offset)
    engine.tick()
    assert wires.last.port == 7001
    assert not late.is_ending


def test_a_refusal_leaves_everything_as_it_was(engine: Engine, primary: Primary, online: Link, wires: Wires) -> None:
    client, writer = Client(engine), Client(engine)
    history, offset = engine.replication_id, primary.offset
    client("FAILOVER")
    writer("SET", "k", "w")
    online.acknowledge(offset)
    engine.tick()
    answer(wires, b"-ERR PSYNC FAILOVER replid must match my replid.\r\n+OK")
    assert wires.last.closed
    assert state(primary) == "no-failover"
    assert not engine.is_replica
    assert writer.delivered == ["OK"]
    assert primary.second_id == history  # replicas may go on
    engine.tick()
    assert len(wires.made) == 1


def test_time_runs_out(engine: Engine, primary: Primary, online: Link, clock: ManualClock) -> None:
    client, writer = Client(engine), Client(engine)
    client("SET", "k", "v")
    client("FAILOVER", "TIMEOUT", 1000)
    writer("INCR", "n")
    clock.advance(999)
    engine.tick()
    assert state(primary) == "waiting-for-sync"
    clock.advance(1)
    engine.tick()
    assert state(primary) == "no-failover"
    assert writer.delivered == [1]
    assert not online.is_ending


def test_force_goes_on_without_everything(
    engine: Engine, primary: Primary, online: Link, wires: Wires, clock: ManualClock
) -> None:
    client = Client(engine)
    client("SET", "k", "v")
    client("FAILOVER", "TO", "127.0.0.1", 7001, "FORCE", "TIMEOUT", 1000)
    clock.advance(1000)
    engine.tick()
    assert state(primary) == "failover-in-progress"
    assert not online.is_ending
    assert client("FAILOVER", "ABORT") == "OK"
    assert wires.last.host == b"127.0.0.1"
    assert state(primary) == "no-failover"
    assert client("SET", "k", "w") == "OK"
    assert client.error("FAILOVER", "ABORT") == "ERR No failover in progress."


def test_a_pause_before_it_goes_on_after_it(engine: Engine, primary: Primary, online: Link, clock: ManualClock) -> None:
    client, reader = Client(engine), Client(engine)
    client("SET", "k", "v")
    client("CLIENT", "PAUSE", 5000, "ALL")
    assert primary.begin_failover(None, forced=False, timeout_ms=1000) is None
    clock.advance(1000)
    engine.tick()
    assert state(primary) == "no-failover"
    reader("GET", "k")
    assert reader.delivered == []
    clock.advance(4001)
    engine.tick()
    assert reader.delivered == [b"v"]
    assert not online.is_ending


def test_nobody_ends_its_pause(engine: Engine, primary: Primary, online: Link) -> None:
    client, writer = Client(engine), Client(engine)
    client("SET", "k", "v")
    client("FAILOVER")
    client("CLIENT", "UNPAUSE")
    engine.tick()
    assert state(primary) == "waiting-for-sync"
    writer("SET", "k", "w")
    assert writer.delivered == []
    assert not online.is_ending


def test_refusals(engine: Engine, primary: Primary, replica: Link, link: Callable[[], Link]) -> None:
    client = Client(engine)
    assert client.error("FAILOVER") == "ERR FAILOVER requires connected replicas."
    replica("REPLCONF", "listening-port", 7001)
    replica.follow("eof")
    assert client.error("FAILOVER", "TO", "127.0.0.1", 7001) == "ERR FAILOVER target replica is not online."
    assert client.error("FAILOVER", "TO", "127.0.0.1", 7002) == "ERR FAILOVER target HOST and PORT is not a replica."
    assert "requires both a timeout" in client.error("FAILOVER", "FORCE")
    assert client.error("FAILOVER", "TIMEOUT", 0) == "ERR FAILOVER timeout must be greater than 0"
    assert client.error("FAILOVER", "what") == "ERR syntax error"
    assert client("FAILOVER") == "OK"
    assert client.error("FAILOVER") == "ERR FAILOVER already in progress."
    assert link().error("PSYNC", "?", -1).startswith("NOMASTERLINK")
    assert client.error("REPLICAOF", "h", 1) == "ERR REPLICAOF not allowed while failing over."
    assert client.error("REPLICAOF", "NO", "ONE") == "ERR REPLICAOF not allowed while failing over."
    assert state(primary) == "waiting-for-sync"


def test_takes_over_when_the_primary_asks(engine: Engine, primary: Primary, wires: Wires) -> None:
    link = Link(engine)
    history = engine.replication_id
    assert link.error("PSYNC", history, 1, "FAILOVER").startswith("ERR PSYNC FAILOVER can't be sent to a master")
    primary.follow("example", 1)
    engine.tick()
    assert wires.made
    assert link.error("PSYNC", "f" * 40, 1, "FAILOVER") == "ERR PSYNC FAILOVER replid must match my replid."
    assert engine.is_replica
    link("REPLCONF", "capa", "psync2")
    assert link("PSYNC", history.upper(), 1, "FAILOVER") is None
    assert not engine.is_replica
    assert link.read() == b"+CONTINUE " + engine.replication_id.encode() + b"\r\n"
    assert primary.second_id == history
