"""Lines of the log about files that cannot be read or written: the first words are those people search for."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from kvcore.errors import RdbError, RdbShortError
from kvcore.storage.report import malformed, unreadable_snapshot, unsaved_snapshot


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        (
            RdbShortError("9 bytes are wanted and 2 are left", 7, 7),
            [
                "Short read or OOM loading DB. Unrecoverable error, aborting now.",
                "Internal error in RDB reading offset 7 -> Unexpected EOF reading RDB file",
            ],
        ),
        (RdbError("Can't handle RDB format version 99", 5), ["Can't handle RDB format version 99"]),
        (
            RdbError("Wrong RDB checksum expected: (a) but got (b)", 90),
            [
                "Wrong RDB checksum expected: (a) but got (b). Aborting now.",
                "Internal error in RDB reading offset 90 -> RDB CRC error",
            ],
        ),
        (
            RdbError("listpack is too short", 12),
            ["Internal error in RDB reading offset 12 -> Listpack integrity check failed: listpack is too short"],
        ),
        (
            RdbError("Unknown RDB encoding type 51", 9),
            ["Internal error in RDB reading offset 9 -> Unknown RDB encoding type 51"],
        ),
        (OSError(errno.EISDIR, "Is a directory"), []),
    ],
)
def test_a_file_that_cannot_be_read(error: BaseException, lines: list[str]) -> None:
    assert unreadable_snapshot(error) == lines


def test_what_is_malformed_comes_first() -> None:
    assert malformed("hash has a field twice") == "hash has a field twice"
    assert malformed("ziplist is too short").startswith("Ziplist integrity check failed")


def test_a_file_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = os.getcwd()
    denied = os.strerror(errno.EACCES)
    assert unsaved_snapshot(OSError(errno.EACCES, denied, "temp-1.rdb")) == (
        f"Failed opening the temp RDB file temp-1.rdb (in server root dir {here}) for saving: {denied}"
    )
    assert unsaved_snapshot(OSError(errno.EACCES, denied, "temp-1.rdb", None, "dump.rdb")) == (
        f"Error moving temp DB file temp-1.rdb on the final destination dump.rdb (in server root dir {here}): {denied}"
    )
    assert unsaved_snapshot(OSError(errno.ENOSPC, "full")) == "Write error saving DB on disk(write): full"
    assert unsaved_snapshot(ValueError("a bug")) == "Write error saving DB on disk: a bug"
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert "(in server root dir unknown)" in unsaved_snapshot(OSError(errno.ENOENT, "gone", "x"))
