"""Checking files: whole ones, and the place where others stop making sense."""

from __future__ import annotations

from random import Random

import pytest

from kvcore.errors import AofError
from kvcore.storage.aof_text import encode
from kvcore.storage.check import check_aof, check_log, check_rdb, fix
from kvcore.storage.middleware import MemoryFiles
from tests.storage.test_aof import NAMES, Log


@pytest.fixture
def files() -> MemoryFiles:
    return MemoryFiles()


def put(files: MemoryFiles, name: str, data: bytes) -> None:
    files.create(name).write(data)


def saved(files: MemoryFiles) -> bytes:
    """Save a snapshot with one key of each kind; return its bytes."""
    log = Log(files, appendonly="no")
    log("SET", "s", "v", "EX", 1000)
    log("RPUSH", "l", 1, 2)
    log("HSET", "h", "f", "v")
    log("SELECT", 1)
    log("SADD", "S", 1)
    assert log("SAVE") == "OK"
    return files.open("dump.rdb").read(1 << 20)


def test_a_whole_snapshot(files: MemoryFiles) -> None:
    data = saved(files)
    report = check_rdb(files, "dump.rdb")
    assert report.is_valid
    assert (report.valid_up_to, report.size) == (len(data), len(data))
    assert (report.keys, report.expires) == (4, 1)
    assert report.types == {"string": 1, "list": 1, "hash": 1, "set": 1}
    assert report.facts["redis-ver"] == "7.0.15"


def test_no_cut_and_no_flipped_bit_of_a_snapshot_goes_unseen(files: MemoryFiles) -> None:
    data = saved(files)
    for size in range(len(data)):
        put(files, "cut", data[:size])
        report = check_rdb(files, "cut")
        assert report.error, size
        assert report.valid_up_to <= size
    random = Random(1)
    for at in range(9, len(data)):
        put(files, "flipped", data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :])
        assert check_rdb(files, "flipped").error, at


def test_bytes_behind_a_snapshot_are_seen(files: MemoryFiles) -> None:
    data = saved(files)
    put(files, "long", data + b"x")
    assert check_rdb(files, "long").error == f"1 bytes behind the end (at byte {len(data)})"


def test_a_whole_log(files: MemoryFiles) -> None:
    log = Log(files)
    log("SET", "a", 1)
    log("MULTI")
    log("SET", "b", 1)
    log("SET", "c", 1)
    log("EXEC")
    log.stop()
    base, increment = check_log(files, f"{NAMES}.manifest")
    assert (base.is_valid, increment.is_valid) == (True, True)
    assert (increment.commands, increment.valid_up_to) == (6, increment.size)


COMMANDS = [
    [b"SELECT", b"0"],
    [b"SET", b"a", b"1"],
    [b"MULTI"],
    [b"SET", b"b", b"2"],
    [b"EXEC"],
    [b"SET", b"c", b"3"],
]


def test_a_cut_log_can_be_fixed_wherever_it_was_cut(files: MemoryFiles) -> None:
    text = b"".join(map(encode, COMMANDS))
    ends = [len(b"".join(map(encode, COMMANDS[:count]))) for count in (0, 1, 2, 5, 6)]
    for size in range(len(text) + 1):
        put(files, "log", text[:size])
        report = check_aof(files, "log")
        assert report.valid_up_to == max(end for end in ends if end <= size), size
        assert report.is_valid == (size in ends), size
        fix(files, report)
        again = check_aof(files, "log")
        assert again.is_valid
        assert again.size == report.valid_up_to


@pytest.mark.parametrize(
    ("commands", "error"),
    [
        ([[b"EXEC"]], "EXEC without MULTI at offset 14"),
        ([[b"MULTI"], [b"MULTI"]], "MULTI inside MULTI at offset 30"),
    ],
)
def test_transactions_must_be_paired(files: MemoryFiles, commands: list[list[bytes]], error: str) -> None:
    put(files, "log", b"".join(map(encode, commands)))
    report = check_aof(files, "log")
    assert (report.error, report.valid_up_to) == (error, 0)


def test_a_log_may_begin_with_a_snapshot(files: MemoryFiles) -> None:
    data = saved(files)
    put(files, "log", data + encode([b"SET", b"k", b"v"]))
    report = check_aof(files, "log")
    assert report.is_valid
    assert (report.keys, report.commands) == (4, 1)
    put(files, "log", data + b"*1\r\n$x\r\n")
    report = check_aof(files, "log")
    assert report.valid_up_to == len(data)
    assert report.error == f"Bad file format reading the append only file at offset {len(data) + 4}"


def test_a_manifest_without_files_is_no_log(files: MemoryFiles) -> None:
    put(files, "m.manifest", b"# nothing\n")
    with pytest.raises(AofError, match="names no file"):
        check_log(files, "m.manifest")
