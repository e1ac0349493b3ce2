"""The file port: all that storage asks of a file system, so that tests can put one that fails in its place.

:class:`SystemFiles` is the real one; :class:`kvcore.storage.middleware.FaultyFiles` stops, fills up or breaks where a
test says. The rule: storage calls nothing of the operating system but through a :class:`Files`. Every method raises
OSError as the system does. Paths are text as the system has it.
"""

from __future__ import annotations

import contextlib
import errno
import os
from typing import Protocol


class File(Protocol):
    """An open file. One thread at a time."""

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes from where reading stands, none at the end."""
        ...

    def write(self, data: bytes) -> int:
        """Write at the end, or where a new file's writing stands; return how many bytes the system took."""
        ...

    def sync(self) -> None:
        """Have what was written reach the disk (fdatasync)."""
        ...

    def truncate(self, size: int) -> None:
        """Cut the file off behind ``size`` bytes."""
        ...

    def size(self) -> int:
        """Return how many bytes the file has."""
        ...

    def close(self) -> None:
        """Close the file; closing twice does nothing."""
        ...


class Files(Protocol):
    """A file system."""

    def open(self, path: str) -> File:
        """Open a file to be read."""
        ...

    def create(self, path: str) -> File:
        """Create a file to be written, emptying one that is there."""
        ...

    def append(self, path: str) -> File:
        """Open a file to be written at its end, creating it if it is not there."""
        ...

    def exists(self, path: str) -> bool:
        """Say whether there is a file or directory at ``path``."""
        ...

    def list(self, path: str) -> list[str]:
        """Return the names in a directory, sorted."""
        ...

    def rename(self, source: str, target: str) -> None:
        """Put ``source`` in the place of ``target``, at once."""
        ...

    def remove(self, path: str) -> None:
        """Delete a file, if it is there."""
        ...

    def make_directory(self, path: str) -> None:
        """Create a directory, unless it is there."""
        ...

    def sync_directory(self, path: str) -> None:
        """Have the names in a directory reach the disk, after a file was created, renamed or removed in it."""
        ...


class SystemFile:
    """A file of the operating system."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes from where reading stands, none at the end."""
        return os.read(self._descriptor, size)

    def write(self, data: bytes) -> int:
        """Write at the end, or where a new file's writing stands; return how many bytes the system took."""
        return os.write(self._descriptor, data)

    def sync(self) -> None:
        """Have what was written reach the disk (fdatasync)."""
        _sync(self._descriptor)

    def truncate(self, size: int) -> None:
        """Cut the file off behind ``size`` bytes."""
        os.ftruncate(self._descriptor, size)

    def size(self) -> int:
        """Return how many bytes the file has."""
        return os.fstat(self._descriptor).st_size

    def close(self) -> None:
        """Close the file; closing twice does nothing."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)


_sync = getattr(os, "fdatasync", os.fsync)
_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_MODE = 0o644


class SystemFiles:
    """The operating system's files."""

    __slots__ = ()

    def open(self, path: str) -> SystemFile:
        """Open a file to be read."""
        return SystemFile(os.open(path, os.O_RDONLY | _FLAGS))

    def create(self, path: str) -> SystemFile:
        """Create a file to be written, emptying one that is there."""
        return SystemFile(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _FLAGS, _MODE))

    def append(self, path: str) -> SystemFile:
        """Open a file to be written at its end, creating it if it is not there."""
        return SystemFile(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | _FLAGS, _MODE))

    def exists(self, path: str) -> bool:
        """Say whether there is a file or directory at ``path``."""
        return os.path.exists(path)

    def list(self, path: str) -> list[str]:
        """Return the names in a directory, sorted."""
        return sorted(os.listdir(path))

    def rename(self, source: str, target: str) -> None:
        """Put ``source`` in the place of ``target``, at once."""
        os.replace(source, target)

    def remove(self, path: str) -> None:
        """Delete a file, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)

    def make_directory(self, path: str) -> None:
        """Create a directory, unless it is there."""
        os.makedirs(path, 0o755, exist_ok=True)

    def sync_directory(self, path: str) -> None:
        """Have the names in a directory reach the disk, after a file was created, renamed or removed in it."""
        if os.name == "nt":
            return  # a directory cannot be opened there, and its names are journalled
        descriptor = os.open(path or ".", os.O_RDONLY | _FLAGS)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_all(file: File, data: bytes) -> None:
    """Write all of ``data``; raise OSError where the system takes no more."""
    written = file.write(data)
    while written < len(data):
        data = data[written:]
        written = file.write(data)
        if not written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
