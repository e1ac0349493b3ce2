"""Which files are loaded, and the log switched on and off while serving."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kvcore.clock import ManualClock
from kvcore.config import Config
from kvcore.engine import Engine
from kvcore.storage.durable import Durable
from kvcore.storage.files import File, Files, SystemFiles
from kvcore.storage.lock import DirectoryLock
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


def test_what_killed_processes_left_is_removed_before_a_log_begins(tmp_path: Path) -> None:
    log_directory = tmp_path / "appendonlydir"
    log_directory.mkdir()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    gone = [
        tmp_path / f"temp-{ended.pid}.rdb",
        tmp_path / f"temp-{os.getpid()}.rdb",
        log_directory / f"temp-rewriteaof-bg-{os.getppid()}.aof",
        log_directory / "temp-appendonly.aof.manifest",
    ]
    kept = [
        tmp_path / f"temp-{os.getppid()}.rdb",
        tmp_path / "temp-x.rdb",
        tmp_path / "temp-1.rdb.bak",
        log_directory / "temp-other.aof",
    ]
    for path in gone + kept:
        path.write_bytes(b"")

    def start(**directives: str) -> None:
        config = Config()
        config.assign("dir", str(tmp_path))
        for name, value in directives.items():
            config.set(name, value)
        durable = Durable(Engine(config), exclusive=True)
        durable.load()
        durable.close()

    start()
    assert all(path.exists() for path in gone), "without a log the directory may be another server's, too"
    start(appendonly="yes")
    assert [path for path in gone if path.exists()] == []
    assert all(path.exists() for path in kept)


def test_no_base_is_written_where_another_process_has_the_log(tmp_path: Path) -> None:
    lock = DirectoryLock(str(tmp_path))
    config = Config()
    config.assign("dir", str(tmp_path))
    engine = Engine(config)
    durable = Durable(engine, exclusive=True)
    durable.load()
    client = Client(engine)
    try:
        assert "check the server logs" in str(client("BGREWRITEAOF"))
        lock.release()
        assert client("BGREWRITEAOF") == "Background append only file rewriting started"
    finally:
        lock.release()
        durable.close()


def test_the_lock_follows_the_directory_while_no_log_is_there(tmp_path: Path) -> None:
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    mine.mkdir()
    theirs.mkdir()
    config = Config()
    config.assign("dir", str(mine))
    engine = Engine(config)
    durable = Durable(engine, exclusive=True, threaded=False)
    durable.load()
    client = Client(engine)
    lock = DirectoryLock(str(theirs))
    try:
        client("BGREWRITEAOF")
        for _ in range(100):
            engine.tick()
        config.assign("dir", str(theirs))
        assert "check the server logs" in str(client("BGREWRITEAOF"))
        assert "Unable to turn on AOF" in str(client("CONFIG", "SET", "appendonly", "yes"))
        assert os.listdir(theirs) == ["kvcore.lock"]
        DirectoryLock(str(mine)).release()
    finally:
        lock.release()
        durable.close()


def test_a_base_that_was_begun_before_the_log_does_not_name_its_increment(files: MemoryFiles) -> None:
    server = Server(files)
    server.call("RPUSH", "list", *range(100_000))
    assert server.call("BGREWRITEAOF") == "Background append only file rewriting started"
    server.call("SET", "between", 1)
    assert server.call("CONFIG", "SET", "appendonly", "yes") == "OK"
    server.call("SET", "after", 1)
    assert server.commit()
    server.call("SET", "later", 1)
    for _ in range(200):
        server.engine.tick()
        server.call("SET", "later", 1)
        assert server.commit()
        if server.call("WAITAOF", 1, 0, 0) == [1, 0]:
            assert Server(files.crashed(), appendonly="yes").keys() == {b"list", b"between", b"after", b"later"}
            return
    raise AssertionError("it never began")


def test_without_the_log_of_a_data_set_from_elsewhere_nobody_may_write(files: MemoryFiles) -> None:
    faulty = FaultyFiles(files)
    server = Server(faulty, appendonly="yes")
    faulty.fault = fail_on("create")
    server.engine.persistence.replaced()
    assert str(server.call("SET", "a", 1)).startswith("MISCONF Errors writing to the AOF file: ")
    server.clock.advance(5000)
    server.settle()
    assert str(server.call("SET", "a", 1)).startswith("MISCONF Errors writing to the AOF file: ")
    faulty.fault = no_fault
    server.clock.advance(5000)
    server.settle()
    assert server.call("SET", "a", 1) == "OK"
    assert server.commit()
    assert Server(files.crashed(), appendonly="yes").keys() == {b"a"}
    faulty.fault = fail_on("create")
    server.engine.persistence.replaced()
    assert server.call("CONFIG", "SET", "appendonly", "no") == "OK"
    assert server.call("SET", "b", 1) == "OK"


def test_without_a_free_file_descriptor_a_rewrite_ends_well(
    files: MemoryFiles, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def too_many(_path: str) -> File:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    server = Server(files, appendonly="yes")
    server.call("SET", "a", 1)
    assert server.call("BGREWRITEAOF") == "Background append only file rewriting started"
    monkeypatch.setattr(files, "open", too_many)
    server.settle()
    assert "Too many open files" in caplog.text
    assert "aof_last_bgrewrite_status:ok" in str(server.call("INFO", "persistence"))
    server.call("SET", "b", 1)
    assert server.commit()
    assert Server(files.crashed(), appendonly="yes").keys() == {b"a", b"b"}
