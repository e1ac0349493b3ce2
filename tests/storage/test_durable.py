"""Which files are loaded, and the log switched on and off while serving."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kvcore.clock import ManualClock
from kvcore.config import Config
from kvcore.engine import Engine
from kvcore.storage.durable import Durable
from kvcore.storage.files import Files, SystemFiles
from kvcore.storage.middleware import FaultyFiles, MemoryFiles, fail_on, no_fault
from kvcore.storage.snapshots import LoadError
from tests.engine_client import Client


class Server:
    """An engine with its directory, as a server has it."""

    def __init__(self, files: Files, *, adopt: bool = False, **directives: str) -> None:
        config = Config()
        config.assign("dir", ".")
        for name, value in {"save": "", "appendfsync": "always", **directives}.items():
            config.set(name, value)
        self.clock = ManualClock()
        self.engine = Engine(config, clock=self.clock)
        self.durable = Durable(self.engine, files=files, threaded=False)
        self.found = self.durable.load(adopt=adopt)
        self.call = Client(self.engine)

    def keys(self) -> set[bytes]:
        return set(self.engine.keyspace.databases[0])

    def settle(self) -> None:
        """Let what runs in the background come to its end."""
        for _ in range(100):
            self.engine.tick()

    def commit(self) -> bool:
        return self.engine.persistence.commit()


@pytest.fixture
def files() -> MemoryFiles:
    return MemoryFiles()


def test_with_the_log_off_the_snapshot_is_the_data_set(files: MemoryFiles) -> None:
    server = Server(files)
    assert not server.found
    server.call("SET", "a", 1)
    assert server.call("SAVE") == "OK"
    server.call("SET", "b", 1)
    server.durable.close()
    again = Server(files)
    assert (again.found, again.keys()) == (True, {b"a"})


def test_with_the_log_on_the_snapshot_is_not_looked_at(files: MemoryFiles) -> None:
    server = Server(files)
    server.call("SET", "a", 1)
    server.call("SAVE")
    server.durable.close()
    log = Server(files, appendonly="yes")
    assert (log.found, log.keys()) == (False, set())


def test_unless_it_is_to_be_the_logs_beginning(files: MemoryFiles) -> None:
    server = Server(files)
    server.call("SET", "a", 1)
    server.call("SAVE")
    server.durable.close()
    for _ in range(2):
        log = Server(files, adopt=True, appendonly="yes")
        assert (log.found, log.keys()) == (True, {b"a"})
        log.durable.close()


def test_the_log_can_be_switched_on_while_serving(files: MemoryFiles) -> None:
    server = Server(files)
    server.call("SET", "before", 1)
    assert server.call("CONFIG", "SET", "appendonly", "yes") == "OK"
    server.call("SET", "after", 1)
    server.settle()
    server.call("SET", "later", 1)
    assert server.commit()
    assert Server(files.crashed(), appendonly="yes").keys() == {b"before", b"after", b"later"}


def test_a_base_that_fails_is_tried_again_and_nothing_is_logged_twice(files: MemoryFiles) -> None:
    faulty = FaultyFiles(files)
    server = Server(faulty)
    server.call("SET", "a", 1)
    assert server.call("CONFIG", "SET", "appendonly", "yes") == "OK"
    faulty.fault = fail_on("rename")
    server.call("RPUSH", "list", 1)
    server.commit()
    server.settle()
    assert not files.exists("appendonlydir/appendonly.aof.manifest")
    faulty.fault = no_fault
    server.clock.advance(60_000)  # after three failures in a row it waits
    server.settle()
    server.call("RPUSH", "list", 2)
    server.commit()
    again = Server(files.crashed(), appendonly="yes")
    assert again.keys() == {b"a", b"list"}
    assert again.call("LRANGE", "list", 0, -1) == [b"1", b"2"]


def test_and_off_and_on_again(files: MemoryFiles) -> None:
    server = Server(files, appendonly="yes")
    server.call("SET", "a", 1)
    assert server.call("CONFIG", "SET", "appendonly", "no") == "OK"
    server.call("SET", "b", 1)
    assert server.commit()
    assert server.call("CONFIG", "SET", "appendonly", "yes") == "OK"
    server.call("SET", "c", 1)
    server.settle()
    server.commit()
    assert Server(files.crashed(), appendonly="yes").keys() == {b"a", b"b", b"c"}
    names = files.list("appendonlydir")
    assert len(names) == 3, names


def test_a_disk_that_refuses_leaves_the_log_off(files: MemoryFiles) -> None:
    faulty = FaultyFiles(files)
    server = Server(faulty)
    server.call("SET", "a", 1)
    faulty.fault = fail_on("create")
    assert "Unable to turn on AOF" in server.call.error("CONFIG", "SET", "appendonly", "yes")
    assert server.call("CONFIG", "GET", "appendonly") == {b"appendonly": b"no"}
    faulty.fault = no_fault
    assert server.call("SET", "b", 1) == "OK"
    assert server.call("CONFIG", "SET", "appendonly", "yes") == "OK"
    server.settle()
    assert Server(files.crashed(), appendonly="yes").keys() == {b"a", b"b"}


@pytest.mark.parametrize("appendonly", ["yes", "no"])
def test_what_cannot_be_read_is_not_served(files: MemoryFiles, appendonly: str) -> None:
    server = Server(files, appendonly=appendonly)
    server.call("SET", "a", "x" * 100)
    server.call("SAVE")
    server.durable.close()
    for name in ("dump.rdb", "appendonlydir/appendonly.aof.1.base.rdb"):
        if files.exists(name):
            data = files.open(name).read(1 << 20)
            files.create(name).write(data[: len(data) // 2])
    with pytest.raises(LoadError, match="Fatal error loading the DB"):
        Server(files, appendonly=appendonly)


def test_reading_leaves_everything_as_it_is(files: MemoryFiles) -> None:
    server = Server(files, appendonly="yes")
    server.call("SET", "a", 1)
    server.commit()
    changes = FaultyFiles(files)
    engine = Engine(Config())
    engine.config.assign("dir", ".")
    assert Durable(engine, files=changes, threaded=False).read()
    assert (changes.changes, engine.keyspace.databases[0].size) == (0, 1)


def directory_server(directory: Path, monkeypatch: pytest.MonkeyPatch, **directives: str) -> Server:
    monkeypatch.chdir(directory)
    return Server(SystemFiles(), **directives)


def test_a_log_that_waits_for_a_snapshot_to_end_begins_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was logged while it waited, and what is not yet written when the base begins, is in the base."""
    server = directory_server(tmp_path, monkeypatch)
    server.call("SET", "a", "x" * 1000)
    assert server.call("BGSAVE") == "Background saving started"
    assert server.call("CONFIG", "SET", "appendonly", "yes") == "OK"
    server.call("SET", "b", "x" * 500)
    server.commit()
    server.call("RPUSH", "list", 1)  # nobody commits before the tick that begins the base
    server.settle()
    server.call("RPUSH", "list", 2)
    assert server.commit()
    server.durable.close()
    again = directory_server(tmp_path, monkeypatch, appendonly="yes")
    assert again.keys() == {b"a", b"b", b"list"}
    assert again.call("LRANGE", "list", 0, -1) == [b"1", b"2"]
    again.durable.close()
    assert len(os.listdir(tmp_path / "appendonlydir")) == 3


def test_a_torn_write_leaves_no_hole_in_a_log_that_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    faulty = FaultyFiles(SystemFiles())
    server = Server(faulty)
    assert server.call("CONFIG", "SET", "appendonly", "yes") == "OK"
    server.call("SET", "a", "x" * 100)
    faulty.fault = fail_on("write")
    assert not server.commit()
    faulty.fault = no_fault
    assert server.commit()
    server.settle()
    server.durable.close()
    assert Server(SystemFiles(), appendonly="yes").keys() == {b"a"}


def test_nothing_counts_as_synced_before_a_log_has_its_base(files: MemoryFiles) -> None:
    server = Server(files)
    server.call("RPUSH", "list", *range(100_000))
    assert server.call("CONFIG", "SET", "appendonly", "yes") == "OK"
    server.call("SET", "a", 1)
    server.commit()
    assert server.call("WAITAOF", 0, 0, 0) == [0, 0]
    server.settle()
    assert server.call("WAITAOF", 1, 0, 0) == [1, 0]


def test_who_waits_for_a_log_that_is_switched_off_is_told(files: MemoryFiles) -> None:
    server = Server(files, appendonly="yes", appendfsync="no")
    other = Client(server.engine)
    server.call("SET", "a", 1)
    server.call("WAITAOF", 1, 0, 0)
    assert other("CONFIG", "SET", "appendonly", "no") == "OK"
    server.settle()
    assert [str(reply) for reply in server.call.delivered] == [
        "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."
    ]
