"""The lock on a directory: one writer or many readers, across processes, and a message that names the holder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kvcore.errors import LockedError
from kvcore.storage.lock import NAME, DirectoryLock, is_alive


def test_a_directory_has_one_writer(tmp_path: Path) -> None:
    lock = DirectoryLock(str(tmp_path))
    with pytest.raises(LockedError, match=rf"in use by process {os.getpid()} .* since .*; that is this process"):
        DirectoryLock(str(tmp_path))
    with pytest.raises(LockedError, match="in use by process"):
        DirectoryLock(str(tmp_path), shared=True)
    lock.release()
    lock.release()
    DirectoryLock(str(tmp_path)).release()


def test_or_many_readers(tmp_path: Path) -> None:
    readers = [DirectoryLock(str(tmp_path), shared=True) for _ in range(2)]
    with pytest.raises(LockedError):
        DirectoryLock(str(tmp_path))
    for reader in readers:
        reader.release()
    DirectoryLock(str(tmp_path)).release()


def test_who_has_it_already_is_told_how_to_share(tmp_path: Path) -> None:
    lock = DirectoryLock(str(tmp_path))
    for shared in (False, True):
        with pytest.raises(LockedError, match=r"that is this process, .*connect\('file:///"):
            DirectoryLock(str(tmp_path), shared=shared)
    lock.release()


@pytest.mark.parametrize("signed", [False, True])
def test_a_reader_needs_no_permission_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signed: bool) -> None:
    if signed:
        DirectoryLock(str(tmp_path)).release()
    real = open

    def may_read(path: str, mode: str = "r", **how: Any) -> Any:
        if mode != "r":
            raise PermissionError(13, "Permission denied", path)
        return real(path, mode, **how)

    monkeypatch.setattr("kvcore.storage.lock.open", may_read, raising=False)
    with pytest.raises(PermissionError):
        DirectoryLock(str(tmp_path))
    reader = DirectoryLock(str(tmp_path), shared=True)
    monkeypatch.undo()
    if signed:
        with pytest.raises(LockedError):
            DirectoryLock(str(tmp_path))
    reader.release()
    DirectoryLock(str(tmp_path)).release()


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    program = (
        "import sys; from kvcore.storage.lock import DirectoryLock; lock = DirectoryLock(sys.argv[1]);"
        "print('locked', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(LockedError, match=f"in use by process {other.pid} .*; a directory has one writer"):
            DirectoryLock(str(tmp_path))
        with pytest.raises(LockedError, match="it can be read once that has closed it"):
            DirectoryLock(str(tmp_path), shared=True)
        other.kill()
        other.wait()
        DirectoryLock(str(tmp_path)).release()
    assert (tmp_path / NAME).exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_does_not_keep_what_its_parent_released(tmp_path: Path) -> None:
    lock = DirectoryLock(str(tmp_path))
    begin, end = os.pipe()
    child = os.fork()
    if not child:
        os.close(end)
        os.read(begin, 1)
        os._exit(0)
    try:
        lock.release()
        DirectoryLock(str(tmp_path)).release()
    finally:
        os.close(end)
        os.close(begin)
        os.waitpid(child, 0)


def test_whether_a_process_may_be_running() -> None:
    assert is_alive(os.getppid())
    assert not is_alive(os.getpid()), "whose temporary files are from before it"
    assert is_alive(1), "even one that we may not signal"
    if sys.platform != "win32":
        assert not is_alive(2**22 + 1), "more than a system gives"
    assert is_alive(2**70)


def test_neither_a_full_disk_nor_odd_arguments_keep_anybody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["program", os.fsdecode(b"\xff")])
    lock = DirectoryLock(str(tmp_path))
    with pytest.raises(LockedError, match=r"in use by process \d+ \(program \?\) on "):
        DirectoryLock(str(tmp_path))
    lock.release()
    if not os.path.exists("/dev/full"):
        return
    (tmp_path / NAME).unlink()
    (tmp_path / NAME).symlink_to("/dev/full")
    DirectoryLock(str(tmp_path)).release()
