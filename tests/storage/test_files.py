"""The operating system's files, and the two doubles, by one script: what storage relies on holds for each of them."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kvcore.storage.files import Files, SystemFiles, write_all
from kvcore.storage.middleware import FaultyFiles, MemoryFiles

Ports = dict[str, Callable[[], Files]]
PORTS: Ports = {"system": SystemFiles, "memory": MemoryFiles, "faulty": lambda: FaultyFiles(MemoryFiles())}


@pytest.fixture(params=PORTS)
def files(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    monkeypatch.chdir(tmp_path)
    return PORTS[request.param]()


def content(files: Files, path: str) -> bytes:
    file = files.open(path)
    try:
        return file.read(1 << 20)
    finally:
        file.close()


def test_what_was_written_is_read_in_pieces(files: Files) -> None:
    file = files.create("a")
    write_all(file, b"hello ")
    write_all(file, b"world")
    file.sync()
    assert file.size() == 11
    file.close()
    file.close()
    file = files.open("a")
    assert [file.read(5), file.read(100), file.read(1), file.size()] == [b"hello", b" world", b"", 11]
    file.close()


def test_appending_goes_on_and_creating_begins_anew(files: Files) -> None:
    for text in (b"one", b"two"):
        file = files.append("a")
        write_all(file, text)
        file.close()
    assert content(files, "a") == b"onetwo"
    files.create("a").close()
    assert content(files, "a") == b""


def test_a_file_is_cut_and_goes_on_at_its_end(files: Files) -> None:
    file = files.append("a")
    write_all(file, b"0123456789")
    file.truncate(4)
    write_all(file, b"x")
    file.close()
    assert content(files, "a") == b"0123x"


def test_names(files: Files) -> None:
    files.make_directory("d")
    files.make_directory("d")
    for name in ("d/b", "d/a"):
        files.create(name).close()
    files.sync_directory("d")
    assert files.list("d") == ["a", "b"]
    files.rename("d/a", "d/b")
    assert (files.list("d"), files.exists("d/a"), files.exists("d/b"), files.exists("d")) == (["b"], False, True, True)
    files.remove("d/b")
    files.remove("d/b")
    assert files.list("d") == []


def test_what_is_not_there_is_an_oserror(files: Files) -> None:
    with pytest.raises(FileNotFoundError):
        files.open("none")
    with pytest.raises(FileNotFoundError):
        files.create("none/a")
    with pytest.raises(FileNotFoundError):
        files.rename("none", "other")


class Narrow:
    """A file that takes a few bytes at a time, and then none."""

    def __init__(self, room: int) -> None:
        self.data = b""
        self._room = room

    def write(self, data: bytes) -> int:
        taken = data[: min(3, self._room - len(self.data))]
        self.data += taken
        return len(taken)

    def read(self, size: int) -> bytes: ...
    def sync(self) -> None: ...
    def truncate(self, size: int) -> None: ...
    def size(self) -> int: ...
    def close(self) -> None: ...


def test_a_write_goes_on_until_all_is_taken_or_nothing_more_is() -> None:
    file = Narrow(100)
    write_all(file, b"0123456789")
    assert file.data == b"0123456789"
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        write_all(Narrow(5), b"0123456789")
