"""A stream whose commands fail here, or cannot be kept on disk: what is logged, and when the process ends."""

from __future__ import annotations

import random

import pytest

from kvcore.clock import ManualClock
from kvcore.engine import Engine
from kvcore.ports import LocalProcess
from kvcore.replication.primary import Primary
from tests.engine_client import Client
from tests.replication.upstreams import HISTORY, Wire, Wires, command, snapshot_of


@pytest.fixture
def wire(engine: Engine, clock: ManualClock) -> Wire:
    """Return the link of a replica that is up; there is a string ``k``."""
    source = Engine(clock=clock, random=random.Random(3))
    Client(source)("SET", "k", "v")
    engine.network = wires = Wires()
    Primary(engine).follow("example", 1)
    engine.tick()
    wires.last.listener.connected()
    data = snapshot_of(source)
    wires.last.give(b"+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC %b 0\r\n$%d\r\n%b" % (HISTORY.encode(), len(data), data))
    return wires.last


class Mortal(LocalProcess):
    """A process whose crashes are counted."""

    def __init__(self) -> None:
        super().__init__()
        self.crashes = 0

    def crash(self, segfault: bool) -> None:
        assert not segfault
        self.crashes += 1


@pytest.mark.parametrize(
    ("behaviour", "read_only", "crashes"),
    [("ignore", "yes", 0), ("panic", "yes", 1), ("panic-on-replicas", "yes", 1), ("panic", "no", 0)],
)
def test_errors_may_end_the_process(engine: Engine, wire: Wire, behaviour: str, read_only: str, crashes: int) -> None:
    engine.process = process = Mortal()
    engine.config.set("propagation-error-behavior", behaviour)
    engine.config.set("replica-read-only", read_only)
    wire.give(command("LPUSH", "k", 1), command("GET", "k"))
    assert process.crashes == crashes


@pytest.mark.parametrize(("ignored", "crashes", "lines"), [("no", 3, 2), ("yes", 0, 2)])
def test_a_disk_that_refuses(
    engine: Engine,
    wire: Wire,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
    ignored: str,
    crashes: int,
    lines: int,
) -> None:
    engine.process = process = Mortal()
    engine.config.set("replica-ignore-disk-write-errors", ignored)
    engine.set_disk_error("replicas", "is no matter of disks")
    wire.give(command("SET", "a", 0))
    assert process.crashes == 0
    engine.set_disk_error("rdb", "the disk is full")
    wire.give(command("PING"), command("SET", "a", 1), command("SET", "a", 2))
    clock.advance(10_000)
    wire.give(command("SET", "a", 3))
    assert process.crashes == crashes
    assert Client(engine)("GET", "a") == b"3"
    said = [record for record in caplog.records if "unable to write to disk" in record.getMessage()]
    assert len(said) == lines
