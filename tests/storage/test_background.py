"""Background snapshots: the file appears whole or not at all, and the engine never waits for it."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest

from kvcore.background import PAUSE_MS, Background
from kvcore.clock import ManualClock
from kvcore.engine import Engine
from kvcore.rdb.file_writer import Account, Checksum, FileWriter
from kvcore.snapshot import StalledError
from kvcore.storage.background import SnapshotFile
from kvcore.storage.files import SystemFiles
from kvcore.storage.middleware import FaultyFiles, MemoryFiles, fail_at, fail_on
from tests.engine_client import Client


def snapshot_file(files: FaultyFiles | MemoryFiles, *, threaded: bool = False) -> SnapshotFile:
    return SnapshotFile(
        files, "dump.rdb", "temp-1.rdb", checksum=Checksum(True), incremental_sync=True, threaded=threaded
    )


def test_a_file_appears_when_it_is_complete() -> None:
    files = MemoryFiles()
    file = snapshot_file(files)
    file.write(b"REDIS0010")
    file.write(b"\xff")
    assert files.list(".") == ["temp-1.rdb"]
    assert not file.ended
    file.close()
    assert file.ended
    assert file.error is None
    assert files.list(".") == ["dump.rdb"]
    assert file.size == 18
    after = files.crashed()
    assert after.list(".") == ["dump.rdb"], "the name is on the disk"
    assert after.open("dump.rdb").size() == 18, "and so are the bytes"


def test_long_files_are_synced_on_the_way() -> None:
    files = FaultyFiles(MemoryFiles())
    synced: list[int] = []
    files.fault = lambda count, operation, path: synced.append(count) if operation == "sync" else None
    for incremental in (True, False):
        synced.clear()
        file = SnapshotFile(files, "a", "b", checksum=None, incremental_sync=incremental, threaded=False)
        for _ in range(20):
            file.write(bytes(1 << 20))
        file.close()
        assert len(synced) == (6 if incremental else 1)


@pytest.mark.parametrize("number", range(1, 8))
def test_whatever_fails_leaves_nothing_and_keeps_the_old_file(number: int) -> None:
    memory = MemoryFiles()
    memory.create("dump.rdb").write(b"old")
    files = FaultyFiles(memory, fail_at(number, errno.ENOSPC))
    file = snapshot_file(files)
    for _ in range(2):
        file.write(b"x")
    file.close()
    assert file.ended
    if files.changes < number:
        assert file.error is None
    else:
        assert isinstance(file.error, OSError)
        renamed = number == 7  # only the directory's sync failed
        assert memory.list(".") == ["dump.rdb"]
        assert (memory.open("dump.rdb").read(9) == b"old") is not renamed


def test_an_aborted_file_is_removed() -> None:
    files = MemoryFiles()
    for parts in ([], [b"a", b"b"]):
        file = snapshot_file(files)
        for part in parts:
            file.write(part)
        file.abort()
        assert file.ended
        assert files.list(".") == []


def test_a_step_of_its_own_takes_the_place_of_the_rename() -> None:
    files = MemoryFiles()
    done: list[list[str]] = []
    file = SnapshotFile(
        files,
        "x",
        "temporary",
        checksum=None,
        incremental_sync=False,
        threaded=False,
        on_complete=lambda: done.append(files.list(".")),
    )
    file.write(b"a")
    file.close()
    assert done == [["temporary"]]
    assert files.list(".") == ["temporary"]


class Gate:
    """Files whose writes wait until they are let through."""

    def __init__(self) -> None:
        self.memory = MemoryFiles()
        self.open_gate = threading.Event()
        self.files = FaultyFiles(self.memory, self._wait)

    def _wait(self, _count: int, operation: str, _path: str) -> None:
        if operation == "write":
            assert self.open_gate.wait(20)


def test_the_engine_never_waits_for_the_disk(engine: Engine, client: Client) -> None:
    for number in range(3000):
        client("SET", f"k{number}", "x" * 4000)
    gate = Gate()
    background = Background(engine)
    file = snapshot_file(gate.files, threaded=True)
    form = FileWriter(-2, False)
    ended: list[BaseException | None] = []
    background.start(form, form.begin(Account(0, "7.0.15")), file, ended.append)
    for _ in range(200):
        assert background.step() >= 0
    assert file.full(), "the disk stands still, so the walk does"
    done, total = background.progress
    assert 0 < done < total == 3000
    gate.open_gate.set()
    assert background.finish() is None
    assert ended == [None]
    assert not background.busy
    assert background.step() == -1
    assert gate.memory.list(".") == ["dump.rdb"]


def test_a_failure_ends_the_snapshot_and_is_told(engine: Engine, client: Client) -> None:
    client("SET", "k", "v")
    memory = MemoryFiles()
    background = Background(engine)
    ended: list[BaseException | None] = []
    form = FileWriter(-2, True)
    background.start(form, b"REDIS0010", snapshot_file(FaultyFiles(memory, fail_on("sync"))), ended.append)
    for _ in range(5):
        background.step()
    assert len(ended) == 1
    assert isinstance(ended[0], OSError)
    assert memory.list(".") == []
    assert not background.busy
    background.start(form, b"REDIS0010", snapshot_file(FaultyFiles(memory, fail_on("write"))), ended.append)
    assert isinstance(background.finish(), OSError)
    assert len(ended) == 2
    assert engine.keyspace.databases[0].walk is None


def test_a_cancelled_one_is_forgotten(engine: Engine, client: Client) -> None:
    client("SET", "k", "v")
    memory = MemoryFiles()
    background = Background(engine)
    background.cancel()
    assert background.finish() is None
    ended: list[BaseException | None] = []
    background.start(FileWriter(-2, True), b"REDIS0010", snapshot_file(memory, threaded=True), ended.append)
    background.cancel()
    assert not background.busy
    assert ended == []
    assert memory.list(".") == []
    assert background.progress == (0, 0)


def test_clients_get_more_of_the_time_than_a_snapshot(clock: ManualClock) -> None:
    engine = Engine(clock=clock)
    client = Client(engine)
    for number in range(50_000):
        client("SET", f"k{number}", "v")
    background = Background(engine)
    # This clock stands still, so each slice would take everything: a full output ends it.
    gate = Gate()
    file = snapshot_file(gate.files, threaded=True)
    file.write(bytes(5 << 20))
    background.start(FileWriter(-2, True), b"REDIS0010", file, lambda _error: None)
    engine.statistics.input_bytes += 1
    assert background.step() == PAUSE_MS
    gate.open_gate.set()
    assert background.finish() is None


def test_on_a_real_disk(engine: Engine, client: Client, tmp_path: Path) -> None:
    client("SET", "k", "v")
    path = tmp_path / "dump.rdb"
    file = SnapshotFile(
        SystemFiles(), str(path), str(tmp_path / "temp"), checksum=None, incremental_sync=True, threaded=True
    )
    background = Background(engine)
    form = FileWriter(-2, True)
    background.start(form, form.begin(Account(0, "7.0.15")), file, lambda _error: None)
    assert background.finish() is None
    assert path.read_bytes().startswith(b"REDIS0010")
    assert [each.name for each in tmp_path.iterdir()] == ["dump.rdb"]


def test_a_value_that_cannot_be_written_fails_the_snapshot_and_nothing_else(
    engine: Engine, client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_arguments: object) -> None:
        raise ArithmeticError("a bug")

    client("RPUSH", "list", "a")
    client("SET", "k", "v")
    monkeypatch.setattr(FileWriter, "_serialize", broken)
    memory = MemoryFiles()
    background = Background(engine)
    for change_first in (True, False):
        ended: list[BaseException | None] = []
        background.start(FileWriter(-2, True), b"REDIS0010", snapshot_file(memory), ended.append)
        if change_first:
            assert client("RPUSH", "list", "b") == 2
        background.step()
        assert isinstance(ended[0], ArithmeticError)
        assert not background.busy
        assert memory.list(".") == []
        assert engine.keyspace.databases[0].walk is None
    background.start(FileWriter(-2, True), b"REDIS0010", snapshot_file(memory), lambda _error: None)
    assert isinstance(background.finish(), ArithmeticError)
    assert "Taking a snapshot failed" in caplog.text


def test_a_disk_that_stands_still_gives_the_memory_back(
    engine: Engine, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kvcore.snapshot.EARLY_BYTES_MAX", 6 << 20)
    for number in range(3000):
        client("SET", f"k{number}", "x" * 4000)
    gate = Gate()
    background = Background(engine)
    file = snapshot_file(gate.files, threaded=True)
    form = FileWriter(-2, False)
    ended: list[BaseException | None] = []
    background.start(form, form.begin(Account(0, "7.0.15")), file, ended.append)
    for _ in range(50):
        background.step()
    for number in range(3000):
        client("SET", f"k{number}", "y")
    assert 6 << 20 < file.waiting() < 8 << 20
    background.step()
    assert background.busy
    assert file._queue.qsize() <= 1, "but what the writer had taken out"
    assert ended == [], "and nobody waited for it"
    gate.open_gate.set()
    file.join()
    background.step()
    assert isinstance(ended[0], StalledError)
    assert gate.memory.list(".") == []
    assert not background.busy
