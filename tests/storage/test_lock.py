"""The lock on a directory: one writer or many readers, across processes, and a message that names the holder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kvcore.errors import LockedError
from kvcore.storage.lock import NAME, DirectoryLock


def test_a_directory_has_one_writer(tmp_path: Path) -> None:
    lock = DirectoryLock(str(tmp_path))
    with pytest.raises(LockedError, match=rf"in use by process {os.getpid()} .* since .*; a directory has one writer"):
        DirectoryLock(str(tmp_path))
    with pytest.raises(LockedError, match="it can be read once that has closed it"):
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


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    program = (
        "import sys; from kvcore.storage.lock import DirectoryLock; lock = DirectoryLock(sys.argv[1]);"
        "print('locked', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(LockedError, match=f"in use by process {other.pid} "):
            DirectoryLock(str(tmp_path))
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
