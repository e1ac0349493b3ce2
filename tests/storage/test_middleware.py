"""The doubles of a file system: what survives a crash, and failing at the n-th change."""

from __future__ import annotations

import errno

import pytest

from kvcore.storage.middleware import Crash, FaultyFiles, MemoryFiles, crash_at, fail_at, fail_on, no_fault


def test_files_in_memory_are_files() -> None:
    files = MemoryFiles()
    with files.create("a") as file:
        assert file.write(b"hello") == 5
        assert file.size() == 5
        file.truncate(4)
    with files.append("a") as file:
        file.write(b"!")
    with files.open("./a") as file:
        assert (file.read(3), file.read(9), file.read(9)) == (b"hel", b"l!", b"")
    files.make_directory("d")
    files.rename("a", "d/b")
    assert (files.list("."), files.list("d")) == ([], ["b"])
    assert files.exists("d") and files.exists("d/b") and not files.exists("a")  # noqa: PT018 - one fact
    files.create("d/b")
    assert files.open("d/b").read(9) == b""
    files.remove("d/b")
    files.remove("d/b")
    for call in (
        lambda: files.open("a"),
        lambda: files.list("e"),
        lambda: files.create("e/f"),
        lambda: files.rename("a", "b"),
    ):
        with pytest.raises(FileNotFoundError):
            call()


def test_a_crash_leaves_what_was_synced() -> None:
    files = MemoryFiles()
    file = files.create("a")
    file.write(b"safe")
    file.sync()
    assert not files.crashed().exists("a"), "its name is not on the disk"
    files.sync_directory(".")
    file.write(b" and lost")
    files.create("other").write(b"x")
    after = files.crashed()
    assert after.open("a").read(99) == b"safe"
    assert not after.exists("other")
    lucky = files.crashed(lucky=True)
    assert lucky.open("a").read(99) == b"safe and lost"
    assert lucky.exists("other")


def test_a_rename_lasts_once_its_directory_is_synced() -> None:
    files = MemoryFiles()
    for name in ("old", "new"):
        file = files.create(name)
        file.write(name.encode())
        file.sync()
    files.sync_directory(".")
    files.rename("new", "old")
    assert files.crashed().open("old").read(9) == b"old"
    files.sync_directory(".")
    assert files.crashed().open("old").read(9) == b"new"
    assert not files.crashed().exists("new")


def test_every_change_is_counted_and_may_fail() -> None:
    files = FaultyFiles(MemoryFiles())
    file = files.create("a")
    file.write(b"1")
    file.sync()
    file.truncate(0)
    files.append("a").close()
    files.rename("a", "b")
    files.sync_directory(".")
    files.make_directory("d")
    files.remove("b")
    assert files.changes == 9
    assert (files.list("."), files.exists("b"), file.size()) == ([], False, 0)
    with pytest.raises(FileNotFoundError):
        files.open("b")
    files = FaultyFiles(MemoryFiles(), fail_at(2, errno.ENOSPC))
    file = files.create("a")
    with pytest.raises(OSError, match="No space left"):
        file.write(b"full")
    assert files.open("a").read(9) == b"fu", "a full disk takes what fits"
    file.write(b"ll")
    assert file.read(9) == b"full"
    files.fault = fail_on("sync")
    with pytest.raises(OSError, match="Input/output"):
        file.sync()


def test_after_the_end_of_the_world_nothing_happens() -> None:
    files = FaultyFiles(MemoryFiles(), crash_at(2))
    file = files.create("a")
    with pytest.raises(Crash):
        file.write(b"ab")
    with pytest.raises(Crash):
        file.sync()
    with pytest.raises(Crash):
        files.rename("a", "b")


def test_what_a_failed_sync_was_to_save_no_later_one_saves() -> None:
    memory = MemoryFiles()
    files = FaultyFiles(memory)
    file = files.create("a")
    file.write(b"one")
    file.sync()
    memory.sync_directory(".")
    files.fault = fail_on("sync")
    file.write(b"two")
    with pytest.raises(OSError, match="Input/output error"):
        file.sync()
    files.fault = no_fault
    file.write(b"six")
    file.sync()
    assert memory.open("a").read(20) == b"onetwosix"
    assert memory.crashed().open("a").read(20) == b"one\0\0\0six"
