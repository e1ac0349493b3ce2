"""One process to a directory: a lock file that says who has it.

The operating system holds the lock, so it ends with its process, however that ends; the file stays. What the file says
is for the message only. Many may share it to read.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
from typing import IO, Final

from kvcore.errors import LockedError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

NAME: Final = "kvcore.lock"


class DirectoryLock:
    """The lock on a directory; held from the moment it is made until :meth:`release`."""

    __slots__ = ("_file", "directory", "path")

    def __init__(self, directory: str, *, shared: bool = False) -> None:
        """Take the lock at once; raise LockedError, naming the holder, if that is not possible."""
        self.directory = directory
        self.path = os.path.join(directory, NAME)
        self._file: IO[str] | None = _opened(self.path, shared)
        if self._file is None:
            return
        try:
            _lock(self._file, shared=shared)
        except OSError:
            holder = self._holder()
            self._file.close()
            self._file = None
            advice = "it can be read once that has closed it" if shared else "a directory has one writer at a time"
            if holder.startswith(f"process {os.getpid()} "):
                advice = "that is this process, whose stores share a directory by kvcore.connect('file:///...')"
            raise LockedError(f"the directory {directory!r} is in use by {holder}; {advice}") from None
        if not shared:
            self._sign(self._file)

    def release(self) -> None:
        """Let others have the directory, those too who got the open file by a fork; doing so twice does nothing."""
        if self._file is not None:
            _unlock(self._file)
            self.abandon()

    def abandon(self) -> None:
        """Close the file in a process that got it by a fork: the lock is the parent's."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _sign(self, file: IO[str]) -> None:
        program = " ".join(sys.argv)[:200]
        text = f"process {os.getpid()} ({program}) on {socket.gethostname()} since {time.ctime()}\n"
        with contextlib.suppress(OSError):  # a full disk keeps nobody from reading what is there
            os.ftruncate(file.fileno(), 0)
            os.write(file.fileno(), text.encode("utf-8", "replace"))

    def _holder(self) -> str:
        assert self._file is not None
        with contextlib.suppress(OSError, UnicodeDecodeError):
            self._file.seek(0)
            return self._file.readline().strip() or "another process"
        return "another process"


def _opened(path: str, shared: bool) -> IO[str] | None:
    """Open the file that is locked, for as long as it is held; None where a reader finds none and may not make one."""
    try:
        return open(path, "a+", encoding="utf-8")
    except OSError:
        if not shared:
            raise
    try:
        return open(path, encoding="utf-8")
    except FileNotFoundError:
        return None  # nor has anybody written here by way of a lock


def is_alive(process: int) -> bool:
    """Say whether a process with this number may be running: another one that only has the number counts, too."""
    if process == os.getpid():
        return False  # what bears the number is older than we are
    if sys.platform == "win32":
        return True  # asking would end it
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _lock(file: IO[str], *, shared: bool) -> None:
    if sys.platform == "win32":
        file.seek(1 << 30)  # a byte nobody reads: locked ones cannot be
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)


def _unlock(file: IO[str]) -> None:
    if sys.platform == "win32":
        file.seek(1 << 30)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_UN)
