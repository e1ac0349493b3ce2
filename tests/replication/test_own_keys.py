"""A writable replica expires what its own clients gave a time to live, and nothing else."""

from __future__ import annotations

import random

import pytest

from kvcore.clock import ManualClock
from kvcore.engine import Engine
from kvcore.replication.primary import Primary
from tests.engine_client import Client
from tests.replication.upstreams import HISTORY, Wires, command, snapshot_of


@pytest.fixture
def wires(engine: Engine, clock: ManualClock) -> Wires:
    """Return the link of a writable replica that has one key of its primary's."""
    source = Engine(clock=clock, random=random.Random(3))
    Client(source)("SET", "theirs", "v", "PX", 1000)
    engine.network = made = Wires()
    engine.config.set("replica-read-only", "no")
    Primary(engine).follow("example", 1)
    engine.tick()
    wire = made.last
    wire.listener.connected()
    data = snapshot_of(source)
    wire.give(b"+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC %b 0\r\n$%d\r\n%b" % (HISTORY.encode(), len(data), data))
    return made


def tracked(client: Client) -> str:
    info = client("INFO", "stats")
    (line,) = (line for line in bytes(info.text).decode().splitlines() if "slave_expires" in line)  # type: ignore[union-attr]
    return line.partition(":")[2]


def test_own_keys_end_here(engine: Engine, wires: Wires, clock: ManualClock) -> None:
    client = Client(engine)
    for words in (
        ("SET", "mine", "v", "PX", 1000),
        ("SET", "later", "v", "PX", 5000),
        ("SET", "kept", "v", "PX", 1000),
        ("SET", "plain", "v"),
        ("COPY", "mine", "copy"),
    ):
        client(*words)
    client("PERSIST", "kept")
    wires.last.give(command("SET", "streamed", "v", "PX", 500))
    assert client("DBSIZE") == 7
    assert tracked(client) == "4"
    clock.advance(1001)
    engine.tick()
    assert client("DBSIZE") == 5  # theirs and streamed are the primary's to delete
    assert client("GET", "theirs") is None
    assert tracked(client) == "1"
    clock.advance(4000)
    engine.tick()
    assert client("DBSIZE") == 4
    assert tracked(client) == "0"


def test_reading_deletes_nothing_and_writing_begins_anew(engine: Engine, wires: Wires, clock: ManualClock) -> None:
    client = Client(engine)
    assert not wires.last.closed
    clock.advance(1001)
    assert client("GET", "theirs") is None
    assert client("DBSIZE") == 1
    assert client("INCR", "theirs") == 1
    assert client("TTL", "theirs") == -1
    assert client("GET", "theirs") == b"1"


def test_many_keys_end_in_turn(engine: Engine, wires: Wires, clock: ManualClock) -> None:
    client = Client(engine)
    assert not wires.last.closed
    for number in range(2500):
        client("SET", number, "v", "PX", 1000)
    clock.advance(1001)
    sizes = []
    for _ in range(4):
        engine.tick()
        sizes.append(client("DBSIZE"))
        clock.advance(100)
    assert sizes == [1501, 501, 1, 1]


def test_another_data_set_or_role_forgets_them(engine: Engine, wires: Wires, clock: ManualClock) -> None:
    client = Client(engine)
    assert not wires.last.closed
    client("SET", "mine", "v", "PX", 1000)
    client("REPLICAOF", "NO", "ONE")
    assert tracked(client) == "0"
    clock.advance(1001)
    engine.tick()
    assert client("DBSIZE") == 0  # as any primary's
