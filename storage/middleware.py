"""File systems for tests and rehearsals: one in memory that crashes as a disk does, and one that fails on demand.

Here: doubles of :class:`kvcore.storage.files.Files`. Not here: tests. The rule: :class:`MemoryFiles` keeps what a disk
promises and not a byte more (a file's bytes up to its last ``sync``, a directory's names as of its last
``sync_directory``), so that code which survives :meth:`MemoryFiles.crashed` survives a power cut; :class:`FaultyFiles`
counts every call, so that "fail at the n-th" can be tried for every n.
"""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import Callable
from types import TracebackType
from typing import Self

from kvcore.storage.files import File, Files


class _Contents:
    """The bytes of a file, and those of them that are on the disk."""

    __slots__ = ("data", "lost", "synced")

    def __init__(self) -> None:
        self.data = bytearray()
        self.synced = b""
        self.lost: list[tuple[int, int]] = []
        """Ranges that no later sync brings to the disk."""


class _Closing:
    """What files of this module have in common."""

    __slots__ = ()

    def close(self) -> None:
        """Close the file; nothing is held open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class MemoryFile(_Closing):
    """An open file in memory."""

    __slots__ = ("_contents", "_position")

    def __init__(self, contents: _Contents) -> None:
        self._contents = contents
        self._position = 0

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes from where reading stands."""
        data = bytes(self._contents.data[self._position : self._position + size])
        self._position += len(data)
        return data

    def write(self, data: bytes) -> int:
        """Append ``data``."""
        self._contents.data += data
        return len(data)

    def sync(self) -> None:
        """Note that everything is on the disk, but for what a failed sync has lost."""
        contents = self._contents
        synced = bytearray(contents.data)
        for begin, end in contents.lost:
            synced[begin:end] = bytes(len(synced[begin:end]))
        contents.synced = bytes(synced)

    def lose_unsynced(self) -> None:
        """Do what Linux does when a sync fails: the pages count as clean from then on, and are not written again."""
        self._contents.lost.append((len(self._contents.synced), len(self._contents.data)))

    def truncate(self, size: int) -> None:
        """Cut the file off behind ``size`` bytes."""
        contents = self._contents
        del contents.data[size:]
        contents.lost = [(begin, min(end, size)) for begin, end in contents.lost if begin < size]

    def size(self) -> int:
        """Return how many bytes the file has."""
        return len(self._contents.data)


class MemoryFiles:
    """Files in memory, and what a crash would leave of them."""

    def __init__(self) -> None:
        self._names: dict[str, _Contents] = {}
        self._synced_names: dict[str, _Contents] = {}
        self._directories: set[str] = {".", "/"}

    def crashed(self, *, lucky: bool = False) -> MemoryFiles:
        """Return the files as they are found after a power cut.

        ``lucky``: the disk happened to have everything already. Both are possible, so both must be safe.
        """
        after = MemoryFiles()
        after._directories = set(self._directories)
        for path, contents in (self._names if lucky else self._synced_names).items():
            copy = _Contents()
            copy.data = bytearray(contents.data if lucky else contents.synced)
            copy.synced = bytes(copy.data)
            after._names[path] = after._synced_names[path] = copy
        return after

    def open(self, path: str) -> File:
        """Open a file to be read."""
        return MemoryFile(self._find(path))

    def create(self, path: str) -> File:
        """Create a file to be written, emptying one that is there."""
        file = self.append(path)
        file.truncate(0)
        return file

    def append(self, path: str) -> File:
        """Open a file to be written at its end."""
        return MemoryFile(self._names.setdefault(self._checked(path), _Contents()))

    def exists(self, path: str) -> bool:
        """Say whether there is a file or directory at ``path``."""
        path = posixpath.normpath(path)
        return path in self._names or path in self._directories

    def rename(self, source: str, target: str) -> None:
        """Give a file another name."""
        contents = self._find(source)
        del self._names[posixpath.normpath(source)]
        self._names[self._checked(target)] = contents

    def remove(self, path: str) -> None:
        """Delete a file; one that is not there is no error."""
        self._names.pop(posixpath.normpath(path), None)

    def make_directory(self, path: str) -> None:
        """Create a directory."""
        self._directories.add(posixpath.normpath(path))

    def sync_directory(self, path: str) -> None:
        """Note that the names in a directory are on the disk."""
        path = posixpath.normpath(path)
        elsewhere = {name: contents for name, contents in self._synced_names.items() if _parent(name) != path}
        here = {name: contents for name, contents in self._names.items() if _parent(name) == path}
        self._synced_names = elsewhere | here

    def list(self, path: str) -> list[str]:
        """Return the names in a directory, sorted."""
        path = posixpath.normpath(path)
        if path not in self._directories:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return sorted(posixpath.basename(name) for name in self._names if _parent(name) == path)

    def _find(self, path: str) -> _Contents:
        contents = self._names.get(posixpath.normpath(path))
        if contents is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return contents

    def _checked(self, path: str) -> str:
        path = posixpath.normpath(path)
        if _parent(path) not in self._directories:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return path


def _parent(path: str) -> str:
    return posixpath.dirname(path) or "."


class Crash(BaseException):
    """The end of the world, raised in place of a call: nothing comes after it."""


Fault = Callable[[int, str, str], None]
"""Called before each change with its number (from 1), its name and the path; raises what shall happen instead."""


def no_fault(_count: int, _operation: str, _path: str) -> None:
    """Let everything succeed."""


def fail_at(number: int, code: int = errno.EIO) -> Fault:
    """Make the change with this number fail with an error code."""

    def fault(count: int, _operation: str, path: str) -> None:
        if count == number:
            raise OSError(code, os.strerror(code), path)

    return fault


def fail_on(operation: str, code: int = errno.EIO) -> Fault:
    """Make every change of this name fail: ``create``, ``write``, ``sync``, ``rename`` ..."""

    def fault(_count: int, name: str, path: str) -> None:
        if name == operation:
            raise OSError(code, os.strerror(code), path)

    return fault


def crash_at(number: int) -> Fault:
    """End the world in place of the change with this number, and of every later one."""

    def fault(count: int, operation: str, _path: str) -> None:
        if count >= number:
            raise Crash(f"{operation} number {count}")

    return fault


class FaultyFile(_Closing):
    """A file whose changes are counted."""

    __slots__ = ("_file", "_files", "_path")

    def __init__(self, files: FaultyFiles, file: File, path: str) -> None:
        self._files = files
        self._file = file
        self._path = path

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes."""
        return self._file.read(size)

    def write(self, data: bytes) -> int:
        """Write ``data``; half of it where that fails: a full disk takes what fits."""
        try:
            self._files.count("write", self._path)
        except BaseException:
            self._file.write(data[: len(data) // 2])
            raise
        return self._file.write(data)

    def sync(self) -> None:
        """Sync the file."""
        try:
            self._files.count("sync", self._path)
        except OSError:
            if isinstance(self._file, MemoryFile):
                self._file.lose_unsynced()
            raise
        self._file.sync()

    def truncate(self, size: int) -> None:
        """Cut the file off."""
        self._files.count("truncate", self._path)
        self._file.truncate(size)

    def size(self) -> int:
        """Return how many bytes the file has."""
        return self._file.size()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class FaultyFiles:
    """The files of another file system, with ``fault`` asked before everything that changes them."""

    def __init__(self, files: Files, fault: Fault = no_fault) -> None:
        self.files = files
        self.fault = fault
        self.changes = 0
        """How many there were, failed ones included."""

    def count(self, operation: str, path: str) -> None:
        """Count a change, and fail if it is to fail."""
        self.changes += 1
        self.fault(self.changes, operation, path)

    def open(self, path: str) -> File:
        """Open a file to be read."""
        return self.files.open(path)

    def create(self, path: str) -> File:
        """Create a file."""
        self.count("create", path)
        return FaultyFile(self, self.files.create(path), path)

    def append(self, path: str) -> File:
        """Open a file to be written at its end."""
        self.count("append", path)
        return FaultyFile(self, self.files.append(path), path)

    def exists(self, path: str) -> bool:
        """Say whether there is a file or directory."""
        return self.files.exists(path)

    def rename(self, source: str, target: str) -> None:
        """Give a file another name."""
        self.count("rename", target)
        self.files.rename(source, target)

    def remove(self, path: str) -> None:
        """Delete a file."""
        self.count("remove", path)
        self.files.remove(path)

    def make_directory(self, path: str) -> None:
        """Create a directory."""
        self.count("make_directory", path)
        self.files.make_directory(path)

    def sync_directory(self, path: str) -> None:
        """Sync a directory."""
        self.count("sync_directory", path)
        self.files.sync_directory(path)

    def list(self, path: str) -> list[str]:
        """Return the names in a directory."""
        return self.files.list(path)
