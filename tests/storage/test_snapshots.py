"""SAVE, BGSAVE, save points, the last save and loading, on files that can fail and a clock that can be set."""

from __future__ import annotations

import errno
import gc
import logging
import random
from pathlib import Path

import pytest

from kvcore import errors
from kvcore.clock import ManualClock
from kvcore.config import Config
from kvcore.digest import dataset_digest
from kvcore.engine import Engine
from kvcore.replies import NO_REPLY, OK, Reply, Verbatim
from kvcore.storage.middleware import Crash, FaultyFiles, MemoryFiles, crash_at, fail_on, no_fault
from kvcore.storage.progress import Progress
from kvcore.storage.snapshots import LoadError, Snapshots
from tests.engine_client import Client


class Server:
    """An engine with a snapshot file on files in memory."""

    def __init__(self, clock: ManualClock, files: FaultyFiles | None = None, **directives: str) -> None:
        config = Config()
        for name, value in directives.items():
            config.set(name.replace("_", "-"), value)
        self.clock = clock
        self.files = files if files is not None else FaultyFiles(MemoryFiles())
        self.engine = Engine(config, clock=clock, random=random.Random(7))
        self.snapshots = Snapshots(self.engine, files=self.files, threaded=False)
        self.run = Client(self.engine)

    def info(self) -> dict[str, str]:
        reply = self.run("INFO", "persistence")
        assert isinstance(reply, Verbatim)
        text = reply.text.decode()
        return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)

    def digest(self) -> bytes | str:
        return dataset_digest(self.engine.keyspace.databases)

    def tick(self, times: int = 1) -> None:
        for _ in range(times):
            self.engine.tick()

    def restarted(self, files: MemoryFiles | None = None, **directives: str) -> Server:
        """Return another server on the same files, loaded."""
        other = Server(self.clock, FaultyFiles(files if files is not None else self.files.files), **directives)  # type: ignore[arg-type]
        other.snapshots.load()
        return other


@pytest.fixture
def server(clock: ManualClock) -> Server:
    return Server(clock)


def names(server: Server) -> list[str]:
    return server.files.list(".")


def test_save_and_load(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.run("SET", "a", "1", "EX", 100)
    server.run("SELECT", 3)
    server.run("HSET", "h", "f", "v")
    server.run("HEXPIRE", "h", 50, "FIELDS", 1, "f")
    server.clock.advance(5000)
    with caplog.at_level(logging.INFO, "kvcore"):
        assert server.run("SAVE") is OK
        other = server.restarted()
    assert names(server) == ["dump.rdb"]
    assert other.digest() == server.digest()
    assert other.run("TTL", "a") == 95
    other.run("SELECT", 3)
    assert other.run("HTTL", "h", "FIELDS", 1, "f") == [45]
    assert server.run("LASTSAVE") == server.clock.now_us() // 1_000_000
    assert "DB saved on disk" in caplog.messages
    assert caplog.messages[-2] == "Done loading RDB, keys loaded: 2, keys expired: 0."
    assert caplog.messages[-1].startswith("DB loaded from disk: ")
    assert gc.isenabled()


def test_background_save_is_of_the_moment_it_began(server: Server) -> None:
    for number in range(500):
        server.run("SET", f"k{number}", number)
    before = server.digest()
    assert server.run("BGSAVE") == "Background saving started"
    assert server.info()["rdb_bgsave_in_progress"] == "1"
    assert server.info()["current_save_keys_total"] == "500"
    assert server.info()["rdb_current_bgsave_time_sec"] == "0"
    for number in range(500):
        server.run("SET", f"k{number}", "other")
    server.clock.advance(3000)
    assert server.run.error("BGSAVE") == errors.BGSAVE_RUNS
    assert server.run.error("BGSAVE", "SCHEDULE") == errors.BGSAVE_RUNS
    assert server.run.error("SAVE") == errors.BGSAVE_RUNS
    server.tick(2)
    found = server.info()
    assert (found["rdb_bgsave_in_progress"], found["rdb_last_bgsave_status"], found["rdb_saves"]) == ("0", "ok", "1")
    assert (found["rdb_last_bgsave_time_sec"], found["rdb_changes_since_last_save"]) == ("3", "500")
    assert found["rdb_last_save_time"] == str(server.clock.now_us() // 1_000_000)
    other = server.restarted()
    assert other.digest() == before
    assert other.info()["rdb_changes_since_last_save"] == "0"
    assert other.info()["rdb_last_load_keys_loaded"] == "500"


def test_in_a_transaction_it_is_scheduled(server: Server) -> None:
    for word in ("MULTI", "BGSAVE"):
        server.run(word)
    assert server.run("EXEC") == ["Background saving scheduled"]
    assert names(server) == []
    server.tick(3)
    assert names(server) == ["dump.rdb"]


def test_another_snapshot_is_waited_for(server: Server) -> None:
    server.run("SET", "a", "1")
    snapshots = server.snapshots
    form = snapshots._format()
    output = snapshots._output(threaded=False)
    snapshots.background.start(form, form.begin(snapshots.account()), output, lambda _error: None)
    assert server.run.error("BGSAVE") == errors.OTHER_SNAPSHOT_RUNS
    assert server.run("BGSAVE", "SCHEDULE") == "Background saving scheduled"
    assert server.info()["rdb_bgsave_in_progress"] == "0"
    server.tick(4)
    assert server.info()["rdb_saves"] == "1"
    assert server.info()["rdb_bgsave_in_progress"] == "0"


def test_save_points(clock: ManualClock, caplog: pytest.LogCaptureFixture) -> None:
    server = Server(clock, save="60 3 10 100")
    for number in range(2):
        server.run("SET", "k", number)
    clock.advance(61_000)
    server.tick(3)
    assert names(server) == [], "too few changes"
    server.run("SET", "k", "3")
    with caplog.at_level(logging.INFO, "kvcore"):
        server.tick(3)
    assert names(server) == ["dump.rdb"]
    assert "3 changes in 60 seconds. Saving..." in caplog.messages
    for number in range(100):
        server.run("SET", "k", number)
    server.tick(3)
    assert server.info()["rdb_saves"] == "1"
    clock.advance(11_000)
    server.tick(3)
    assert server.info()["rdb_saves"] == "2"
    server.run("CONFIG", "SET", "save", "")
    for number in range(1000):
        server.run("SET", "k", number)
    clock.advance(10_000_000)
    server.tick(3)
    assert server.info()["rdb_saves"] == "2"


@pytest.mark.parametrize("operation", ["create", "write", "sync", "rename", "sync_directory"])
def test_a_failing_disk_stops_writes_until_a_save_succeeds(clock: ManualClock, operation: str) -> None:
    server = Server(clock, save="60 1")
    server.run("SET", "k", "v")
    server.files.fault = fail_on(operation, errno.ENOSPC)
    clock.advance(61_000)
    server.tick(3)
    assert server.info()["rdb_last_bgsave_status"] == "err"
    assert [name for name in names(server) if name.startswith("temp")] == []
    for command in (("SET", "k", "w"), ("DEL", "k"), ("PING",), ("FLUSHALL",)):
        assert server.run.error(*command) == errors.CANNOT_PERSIST
    assert server.run("GET", "k") == b"v"
    server.run("MULTI")
    assert server.run.error("SET", "k", "w") == errors.CANNOT_PERSIST
    assert server.run.error("EXEC").startswith("EXECABORT")
    tried = server.files.changes
    server.tick(5)
    assert server.files.changes == tried, "not again at once"
    server.run("CONFIG", "SET", "stop-writes-on-bgsave-error", "no")
    assert server.run("SET", "k", "w") is OK
    server.run("CONFIG", "SET", "stop-writes-on-bgsave-error", "yes")
    assert server.run.error("SET", "k", "w") == errors.CANNOT_PERSIST
    server.files.fault = no_fault
    clock.advance(6_000)
    server.tick(3)
    assert server.info()["rdb_last_bgsave_status"] == "ok"
    assert server.run("SET", "k", "x") is OK
    assert server.run("PING") == "PONG"
    assert server.restarted().run("GET", "k") == b"w"


def test_without_save_points_a_failure_stops_nobody(server: Server) -> None:
    server.run("CONFIG", "SET", "save", "")
    server.files.fault = fail_on("write")
    server.run("BGSAVE")
    server.tick(3)
    assert server.info()["rdb_last_bgsave_status"] == "err"
    assert server.run("SET", "k", "v") is OK
    assert server.run.error("SAVE") == "ERR"
    server.files.fault = no_fault
    assert server.run("SAVE") is OK
    assert server.info()["rdb_last_bgsave_status"] == "ok"


def test_flushall_stops_a_save_and_saves_nothing(clock: ManualClock) -> None:
    server = Server(clock, save="3600 1")
    server.run("SET", "k", "v")
    server.run("SAVE")
    server.run("BGSAVE")
    server.run("FLUSHALL")
    assert server.info()["rdb_bgsave_in_progress"] == "0"
    assert server.info()["rdb_last_bgsave_status"] == "ok"
    assert len(server.restarted().engine.keyspace.databases[0]) == 0
    server.run("CONFIG", "SET", "save", "")
    server.run("SET", "k", "v")
    server.run("SAVE")
    server.run("FLUSHALL")
    assert server.restarted().run("GET", "k") == b"v", "without save points the file stays"


@pytest.mark.parametrize(
    ("points", "words", "saved"),
    [("1 1", (), True), ("", (), False), ("", ("SAVE",), True), ("1 1", ("NOSAVE",), False), ("1 1", ("NOW",), True)],
)
def test_shutdown_saves(clock: ManualClock, points: str, words: tuple[str, ...], saved: bool) -> None:
    server = Server(clock, save=points)
    stopped: list[bool] = []
    server.engine.on_shutdown = lambda: stopped.append(True)
    server.run("SET", "k", "v")
    server.run("BGSAVE")
    assert server.run("SHUTDOWN", *words) is NO_REPLY
    assert stopped == [True]
    assert names(server) == (["dump.rdb"] if saved else [])
    held: Reply = Client(server.engine)("SET", "k", "late")
    assert type(held).__name__ == "Blocked", "nobody is told that a write after the save was done"


def test_shutdown_fails_where_saving_does(clock: ManualClock) -> None:
    server = Server(clock, save="1 1")
    stopped: list[bool] = []
    server.engine.on_shutdown = lambda: stopped.append(True)
    server.files.fault = fail_on("sync")
    assert server.run.error("SHUTDOWN") == errors.SHUTDOWN_FAILED
    assert server.run("SET", "k", "v") is OK
    assert stopped == []
    assert server.run("SHUTDOWN", "FORCE") is NO_REPLY
    assert stopped == [True]


def test_reload(server: Server) -> None:
    server.engine.config.assign("enable-debug-command", "yes")
    for number in range(100):
        server.run("SET", f"k{number}", number, "EX", 1000)
    before = server.digest()
    assert server.run("DEBUG", "RELOAD") is OK
    assert server.digest() == before
    server.run("SET", "new", "1")
    assert server.run("DEBUG", "RELOAD", "NOSAVE", "NOFLUSH", "MERGE") is OK
    assert server.run("EXISTS", "new", "k1") == 2
    assert server.run.error("DEBUG", "RELOAD", "NOSAVE", "NOFLUSH") == errors.RELOAD_FAILED
    assert server.run("EXISTS", "new", "k1") == 2
    assert server.run("DEBUG", "RELOAD", "nosave") is OK
    assert server.run("EXISTS", "new") == 0
    assert server.run.error("DEBUG", "RELOAD", "SOON") == errors.RELOAD_OPTIONS
    with server.files.create("dump.rdb") as file:
        file.write(b"REDIS0010\0\1k\1v")
    assert server.run.error("DEBUG", "RELOAD", "NOSAVE") == errors.RELOAD_FAILED
    assert server.digest() == before, "a file that cannot be read changes nothing"
    server.files.remove("dump.rdb")
    assert server.run.error("DEBUG", "RELOAD", "NOSAVE") == errors.RELOAD_FAILED


def test_a_file_that_cannot_be_read_stops_the_start(server: Server, clock: ManualClock) -> None:
    assert not Server(clock).snapshots.load(), "no file is no error"
    for number in range(100):
        server.run("RPUSH", f"k{number}", *range(10))
    server.run("SAVE")
    data = server.files.open("dump.rdb").read(1 << 20)
    for damaged in (data[:-1], data[:200], b"", b"MYFILE", data[:300] + b"\x81" + data[301:], data[:-2] + b"xx"):
        with server.files.create("dump.rdb") as file:
            file.write(damaged)
        with pytest.raises(
            LoadError, match=r"Fatal error loading the DB from .*dump\.rdb: .* \(at byte \d+\)\. Exiting"
        ):
            Server(clock, server.files).snapshots.load()
        assert gc.isenabled()


def test_directives_of_files(clock: ManualClock) -> None:
    server = Server(clock, rdb_version="9", dbfilename="other.rdb", rdbcompression="no")
    server.run("HSET", "h", "f", "v" * 300)
    server.run("SAVE")
    data = server.files.open("other.rdb").read(1 << 20)
    assert data.startswith(b"REDIS0009")
    assert b"v" * 300 in data
    assert server.restarted(dbfilename="other.rdb").digest() == server.digest()


def test_libraries_are_kept(server: Server) -> None:
    source = b"#!lua name=x\nredis.register_function('f', function() return 1 end)"
    server.engine.libraries.load(source)
    server.run("SAVE")
    assert server.restarted().engine.libraries.sources() == [source]
    server.engine.config.assign("enable-debug-command", "yes")
    assert server.run("DEBUG", "RELOAD") is OK
    assert server.engine.libraries.sources() == [source]


def test_progress_of_loading_is_told(server: Server, clock: ManualClock) -> None:
    server.run("SET", "k", random.Random(1).randbytes(3 << 20))
    server.run("SAVE")
    told: list[tuple[int, int]] = []
    again = Server(clock, server.files)
    again.snapshots.load(Progress(again.engine, watch=lambda done, size: told.append((done, size))))
    assert told[-1][0] == told[-1][1] > 3 << 20
    assert len(told) > 2


def test_every_crash_leaves_a_whole_file(clock: ManualClock) -> None:
    """Whichever change of the disk is the last: after it there is the old data set or the new one."""
    number = 1
    while True:
        memory = MemoryFiles()
        files = FaultyFiles(memory)
        server = Server(clock, files)
        server.run("SET", "k", "old")
        server.run("SAVE")
        old = server.digest()
        server.run("SET", "k", "new")
        new = server.digest()
        files.changes = 0
        files.fault = crash_at(number)
        try:
            server.run("BGSAVE")
            server.tick(3)
        except Crash:
            pass
        for lucky in (False, True):
            found = server.restarted(memory.crashed(lucky=lucky)).digest()
            assert found in (old, new)
        if files.changes < number:
            assert found == new
            break
        number += 1
    assert number > 5


def test_on_a_real_disk_with_a_thread(tmp_path: Path) -> None:
    config = Config()
    config.assign("dir", str(tmp_path))
    engine = Engine(config)
    snapshots = Snapshots(engine)
    client = Client(engine)
    for number in range(2000):
        client("SET", f"k{number}", number)
    assert client("BGSAVE") == "Background saving started"
    snapshots.background.finish()
    assert [path.name for path in tmp_path.iterdir()] == ["dump.rdb"]
    other = Engine(config)
    assert Snapshots(other).load()
    assert dataset_digest(other.keyspace.databases) == dataset_digest(engine.keyspace.databases)


def test_reload_beside_what_is_there(server: Server) -> None:
    engine = server.engine
    engine.config.assign("enable-debug-command", "yes")
    engine.config.assign("notify-keyspace-events", "KEAn")
    source = b"#!lua name=l\nredis.register_function('f', function() return 1 end)"
    server.run("FUNCTION", "LOAD", source)
    server.run("SAVE")
    assert server.run.error("DEBUG", "RELOAD", "NOSAVE", "NOFLUSH") == errors.RELOAD_FAILED, "the library is there"
    assert server.run("DEBUG", "RELOAD", "NOSAVE", "NOFLUSH", "MERGE") is OK
    assert engine.libraries.sources() == [source]
    server.run("SET", "k", "v")
    listener = Client(engine)
    listener("PSUBSCRIBE", "__key*")
    listener.session.outbox.clear()
    assert server.run("DEBUG", "RELOAD") is OK
    assert not listener.session.outbox, "what is loaded makes no events"
