"""What a replica, or a primary that had replicas, finds on disk when it begins again."""

from __future__ import annotations

import random

import pytest

from kvcore.clock import ManualClock
from kvcore.config import Config
from kvcore.digest import dataset_digest
from kvcore.engine import Engine
from kvcore.replication.primary import Primary
from kvcore.storage.aof import AppendOnlyFile
from kvcore.storage.files import Files
from kvcore.storage.middleware import Crash, FaultyFiles, MemoryFiles, crash_at, fail_at
from kvcore.storage.snapshots import Snapshots
from tests.engine_client import Client
from tests.replication.links import Link
from tests.replication.upstreams import HISTORY, OTHER, Wires, command, snapshot_of
from tests.waiting import until


class Server:
    """A server on files in memory."""

    def __init__(
        self, files: Files, *, clock: ManualClock | None = None, log: bool = False, follows: bool = False
    ) -> None:
        config = Config()
        config.assign("dir", ".")
        config.set("save", "")
        config.set("appendonly", "yes" if log else "no")
        config.set("appendfsync", "always")
        if follows:
            config.assign("replicaof", ("example", "6379"))
        self.engine = Engine(config, clock=clock or ManualClock(), random=random.Random(5))
        self.engine.network = self.wires = Wires()
        self.snapshots = Snapshots(self.engine, files=files, threaded=False)
        if log:
            aof = AppendOnlyFile(self.snapshots, self.engine, files, threaded=False)
            aof.load()
            aof.start()
        else:
            self.snapshots.load()
        self.primary = Primary(self.engine)
        self.client = Client(self.engine)

    def commit(self) -> None:
        self.engine.persistence.commit()

    def ask(self) -> list[bytes]:
        """Connect to the primary; return what it is asked."""
        self.engine.tick()
        wire = self.wires.last
        wire.listener.connected()
        wire.give(b"+PONG\r\n+OK\r\n+OK\r\n")
        return wire.heard()[-1]

    def synchronise(self, source: Engine, offset: int = 100) -> None:
        """Receive a data set."""
        data = snapshot_of(source)
        self.ask()
        self.wires.last.give(b"+FULLRESYNC %b %d\r\n$%d\r\n%b" % (HISTORY.encode(), offset, len(data), data))
        self.commit()

    def run_rewrite(self) -> None:
        def ended() -> bool:
            self.engine.tick()
            return self.engine.persistence.fields()["aof_rewrite_in_progress"] == 0

        until("the rewrite ends", ended, pause=0)

    @property
    def digest(self) -> str:
        return dataset_digest(self.engine.keyspace.databases)


@pytest.fixture
def source(clock: ManualClock) -> Engine:
    made = Engine(clock=clock, random=random.Random(3))
    client = Client(made)
    for number in range(30):
        client("SET", f"new{number}", number)
    return made


def live(files: FaultyFiles, source: Engine, seen: list[str]) -> int:
    """Write as a primary with a log, then follow another; note each state that a restart may find.

    Return how many changes of files there were before the first write.
    """
    server = Server(files, log=True)
    started = files.changes
    for number in range(5):
        server.client("SET", f"old{number}", number)
    server.commit()
    seen.append(server.digest)
    server.primary.follow("example", 6379)
    server.synchronise(source)
    seen.append(server.digest)
    server.wires.last.give(command("SET", "streamed", 1))
    server.commit()
    seen.append(server.digest)
    server.run_rewrite()
    server.wires.last.give(command("DEL", "new0"))
    server.commit()
    seen.append(server.digest)
    return started


def test_a_log_never_mixes_two_data_sets(source: Engine) -> None:
    everything = FaultyFiles(MemoryFiles())
    states: list[str] = []
    live(everything, source, states)
    assert Server(everything.files, log=True).digest == states[-1]  # type: ignore[arg-type]
    assert len(set(states)) == 4
    mixed = 0
    begun = 0
    for step in range(1, everything.changes + 1):
        files = MemoryFiles()
        seen: list[str] = []
        with pytest.raises(Crash):
            live(FaultyFiles(files, crash_at(step)), source, seen)
        if not seen:
            continue  # before the old data set was complete
        begun += 1
        found = Server(files.crashed(lucky=True), log=True).digest
        mixed += found not in states
    assert begun > 10
    assert mixed == 0


def test_a_disk_that_refuses_keeps_the_replica_going(source: Engine) -> None:
    everything = FaultyFiles(MemoryFiles())
    states: list[str] = []
    started = live(everything, source, states)
    for step in range(started + 1, everything.changes + 1):
        seen: list[str] = []
        live(FaultyFiles(MemoryFiles(), fail_at(step, 28)), source, seen)
        assert seen == states, step


def test_a_replica_asks_for_what_its_snapshot_lacks(source: Engine) -> None:
    files = MemoryFiles()
    server = Server(files, follows=True)
    server.synchronise(source)
    server.wires.last.give(command("SELECT", 3) + command("SET", "k", 1) + command("SET", "brief", 1, "PXAT", 5))
    server.snapshots.save()
    offset = server.primary.offset
    server.wires.last.give(command("SET", "k", 2))  # the file lacks it
    again = Server(files, follows=True)
    assert again.ask() == [b"PSYNC", HISTORY.encode(), b"%d" % (offset + 1)]
    again.wires.last.give(b"+CONTINUE\r\n" + command("PERSIST", "brief") + command("SET", "k", 2))
    again.client("SELECT", 3)
    assert again.client("GET", "k") == b"2"
    assert again.client("GET", "brief") == b"1"  # its time was past when the file was loaded, but not by the primary
    assert again.engine.replication_id == HISTORY


def test_a_primary_goes_on_behind_its_snapshot() -> None:
    files = MemoryFiles()
    clock = ManualClock()
    server = Server(files, clock=clock)
    Link(server.engine).follow()
    for words in (("SELECT", 2), ("SET", "k", 1), ("SET", "brief", 1, "PX", 100)):
        server.client(*words)
    server.snapshots.save()
    history, offset = server.engine.replication_id, server.primary.offset
    clock.advance(200)
    again = Server(files, clock=clock)
    assert again.engine.replication_id != history
    assert (again.primary.second_id, again.primary.second_offset) == (history, offset + 1)
    link = Link(again.engine)
    assert link.continue_from(history, offset + 1) == b"+CONTINUE\r\n" + command("SELECT", 2) + command("DEL", "brief")
    assert again.snapshots.fields()["rdb_last_load_keys_expired"] == 1
    for words in (("SELECT", 2), ("SET", "k", 2)):
        again.client(*words)
    assert link.read() == command("SET", "k", 2)


def test_without_a_stream_the_file_tells_of_none() -> None:
    files = MemoryFiles()
    server = Server(files)
    server.client("SET", "k", 1)
    server.snapshots.save()
    assert b"repl-id" not in files.open("dump.rdb").read(1 << 20)
    again = Server(files, follows=True)
    assert again.ask() == [b"PSYNC", b"?", b"-1"]
    again.snapshots.save()
    assert b"repl-id" not in files.open("dump.rdb").read(1 << 20)


def test_a_log_tells_of_no_stream(source: Engine) -> None:
    files = MemoryFiles()
    server = Server(files, log=True, follows=True)
    server.synchronise(source)
    server.run_rewrite()
    again = Server(files, log=True, follows=True)
    assert again.digest == server.digest
    assert again.ask() == [b"PSYNC", b"?", b"-1"]


@pytest.mark.parametrize("name", [b"repl-id", b"repl-offset", b"repl-stream-db"])
def test_a_file_that_tells_nonsense_of_a_stream(source: Engine, name: bytes) -> None:
    files = MemoryFiles()
    server = Server(files, follows=True)
    server.synchronise(source)
    server.engine.replication_id = OTHER
    server.engine.config.set("rdbchecksum", "no")
    server.snapshots.save()
    data = files.open("dump.rdb").read(1 << 20)
    assert name in data
    with files.create("dump.rdb") as file:
        file.write(data.replace(name, b"x" * len(name)))
    assert Server(files, follows=True).ask() == [b"PSYNC", b"?", b"-1"]
