"""Is a file on disk whole? What `kvcore check-rdb` and `kvcore check-aof` find out, and cut off.

What lives here: reading files to their end and saying where they stop making sense. What must not: loading them. The
rule: nothing is changed unless the caller asks for :func:`fix`, and then only bytes are cut off that no server could
use.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from kvcore.config import Config
from kvcore.engine import Limits
from kvcore.errors import AofError, KvcoreError, RdbError
from kvcore.keyspace import TYPE_NAMES, Value
from kvcore.rdb.file_reader import FileReader
from kvcore.storage.aof_manifest import Manifest, parse
from kvcore.storage.aof_reader import AofReader
from kvcore.storage.files import Files

_READ_BYTES: Final = 1 << 20
_RDB_MARK: Final = b"REDIS"

Progress = Callable[[int, int], None]
"""Is told how many bytes of how many were read."""


def _silent(_read: int, _size: int) -> None:
    """Stand in where nobody watches."""


class Report:
    """What was found in one file."""

    __slots__ = ("commands", "error", "expires", "facts", "functions", "keys", "path", "size", "types", "valid_up_to")

    def __init__(self, path: str, size: int) -> None:
        self.path = path
        self.size = size
        self.valid_up_to = 0
        """Bytes that make sense."""
        self.error = ""
        """Why the rest does not, empty if there is no rest."""
        self.keys = 0
        self.expires = 0
        """Keys that have a time to live."""
        self.types: dict[str, int] = {}
        self.functions = 0
        self.commands = 0
        """Commands of an append-only file."""
        self.facts: dict[str, str] = {}
        """What a snapshot tells of itself."""

    @property
    def is_valid(self) -> bool:
        """Whether the file is whole."""
        return not self.error


class _Counter:
    """Counts what an RDB file holds; a :class:`kvcore.rdb.file_reader.Target`."""

    __slots__ = ("_report", "_seen")

    def __init__(self, report: Report) -> None:
        self._report = report
        self._seen: set[tuple[int, bytes]] = set()

    def add(
        self,
        index: int,
        key: bytes,
        value: Value,
        at_ms: int | None,
        idle_s: int,  # noqa: ARG002 - the protocol's arguments
        frequency: int,  # noqa: ARG002
        offset: int,
    ) -> None:
        report = self._report
        if (index, key) in self._seen:
            raise RdbError(f"key {key[:64]!r} is there twice", offset)
        self._seen.add((index, key))
        report.keys += 1
        report.expires += at_ms is not None
        name = TYPE_NAMES[type(value)]
        report.types[name] = report.types.get(name, 0) + 1

    def expire_member(self, member: bytes, at_ms: int) -> None:
        """Members are not counted."""

    def skip(self, index: int, key: bytes) -> None:
        """Empty keys are left out by every loader."""

    def note(self, name: bytes, text: bytes) -> None:
        self._report.facts[name.decode("utf-8", "replace")] = text.decode("utf-8", "replace")

    def sizes(self, index: int, keys: int, expires: int) -> None:
        """Hints are not checked."""

    def function(self, source: bytes, offset: int) -> None:  # noqa: ARG002 - the protocol's arguments
        self._report.functions += 1


def check_rdb(files: Files, path: str, progress: Progress = _silent) -> Report:
    """Read a snapshot file to its end, every value included; OSError if it cannot be read. O(bytes)."""
    report, rest = _check(files, path, progress, commands=False)
    if report.is_valid and rest:
        report.error = f"{rest} bytes behind the end (at byte {report.valid_up_to})"
    return report


def check_aof(files: Files, path: str, progress: Progress = _silent) -> Report:
    """Read one file of an append-only file to its end, with the snapshot it may begin with. O(bytes)."""
    return _check(files, path, progress, commands=True)[0]


def check_log(files: Files, path: str, progress: Progress = _silent) -> list[Report]:
    """Check the files that the manifest at ``path`` names, in order, up to the first that is not whole.

    Raises AofError for a manifest that makes no sense, OSError for files that are not there.
    """
    manifest = read_manifest(files, path)
    reports: list[Report] = []
    for file in manifest.files:
        reports.append(check_aof(files, os.path.join(os.path.dirname(path), file.name), progress))
        if not reports[-1].is_valid:
            break
    if not reports:
        raise AofError("the manifest names no file to load")
    return reports


def read_manifest(files: Files, path: str) -> Manifest:
    """Read a manifest; raises AofError."""
    file = files.open(path)
    try:
        return parse(file.read(max(1, file.size())).decode("utf-8", "surrogateescape"))
    finally:
        file.close()


def fix(files: Files, report: Report) -> None:
    """Cut a file off behind what makes sense. Raises OSError."""
    file = files.append(report.path)
    try:
        file.truncate(report.valid_up_to)
        file.sync()
    finally:
        file.close()


def _check(files: Files, path: str, progress: Progress, *, commands: bool) -> tuple[Report, int]:
    """Return what was found, and how many bytes follow a snapshot's end."""
    file = files.open(path)
    try:
        report = Report(path, file.size())
        rest = 0
        try:
            data = file.read(_READ_BYTES)
            if not commands or data.startswith(_RDB_MARK):
                reader = FileReader(_Counter(report), Limits(Config()), deep=True, size=report.size)
                try:
                    while not reader.done and data:
                        reader.feed(data)
                        progress(reader.position, report.size)
                        data = b"" if reader.done else file.read(_READ_BYTES)
                    reader.finish()
                finally:
                    report.valid_up_to = reader.position
                rest = report.size - reader.position
                data = reader.tail or file.read(_READ_BYTES)
            if commands:
                _check_commands(report, file.read, data, progress)
        except KvcoreError as error:
            report.error = str(error)
        return report, rest
    finally:
        file.close()


def _check_commands(report: Report, read: Callable[[int], bytes], data: bytes, progress: Progress) -> None:
    reader = AofReader(report.valid_up_to)
    multi = -1
    while True:
        found = reader.feed(data, last=not data)
        for argv, end in found:
            name = argv[0].lower()
            if name == b"multi":
                if multi >= 0:
                    raise AofError(f"MULTI inside MULTI at offset {end}")
                multi = report.valid_up_to
            elif name == b"exec":
                if multi < 0:
                    raise AofError(f"EXEC without MULTI at offset {end}")
                multi = -1
            report.commands += 1
            if multi < 0:
                report.valid_up_to = end
        progress(reader.offset, report.size)
        if not data and not found:
            break
        data = read(_READ_BYTES)
    if multi >= 0:
        raise AofError(f"the file ends in a transaction that begins at offset {multi}")
    if reader.pending:
        raise AofError(f"the file ends in a command that begins at offset {reader.offset}")
    report.valid_up_to = report.size  # with a comment at its end
