"""Whole data sets from a server: into another store by SCAN and RESTORE, resumable, or into a snapshot file.

What lives here: the order of things, and the note that says how far an import came. What must not: arguments and
progress bars (:mod:`kvcore.frontends.tools`). The rule: a cursor is noted only after every key before it arrived, so an
import that was interrupted goes on without leaving one out; keys that are copied twice are replaced by themselves.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any, Final

from kvcore.config import Config
from kvcore.errors import KvcoreError
from kvcore.frontends.remote import Remote
from kvcore.rdb.file_writer import Account, Checksum, FileWriter
from kvcore.storage.files import File, SystemFiles, write_all
from kvcore.version import REDIS_VERSION

Run = Callable[[list[list[bytes]]], list[Any]]
Watch = Callable[[int, int], None]

_CHUNK: Final = 1 << 20


class Position:
    """How far an import came, in a file beside the target."""

    __slots__ = ("_path", "_source", "cursor", "database", "resumed")

    def __init__(self, path: str, source: str) -> None:
        """Read the note at ``path``, if it is about the same source."""
        self._path = path
        self._source = source
        self.database = -1
        self.cursor = 0
        self.resumed = False
        if not os.path.exists(path):
            return
        try:
            with open(path, encoding="utf-8") as file:
                found = json.load(file)
            same = found["source"] == source
            self.database, self.cursor = int(found["database"]), int(found["cursor"])
        except (ValueError, KeyError, TypeError) as error:
            raise KvcoreError(f"{path} is no note of an import: {error}") from None
        if not same:
            raise KvcoreError(f"{path} is about an import from {found['source']}; remove it, or choose another --state")
        self.resumed = True

    def note(self, database: int, cursor: int) -> None:
        """Remember that everything before ``cursor`` has arrived."""
        self.database, self.cursor = database, cursor
        temporary = f"{self._path}.new"
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump({"source": self._source, "database": database, "cursor": cursor}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self._path)

    def done(self) -> None:
        """Forget the note."""
        if os.path.exists(self._path):
            os.unlink(self._path)


def copy(source: Remote, run: Run, position: Position, watch: Watch) -> int:
    """Copy all keys and functions of ``source`` through ``run``; return how many keys came now. Raises KvcoreError."""
    count = 0
    counts = source.databases()
    total, passed = sum(counts.values()), 0
    libraries = source.functions()
    if libraries is not None and not position.resumed:
        _check([b"FUNCTION"], run([[b"FUNCTION", b"RESTORE", libraries, b"REPLACE"]])[0])
    for db, keys in sorted(counts.items()):
        if db < position.database:
            passed += keys
            continue
        cursor = position.cursor if db == position.database else 0
        _check([b"SELECT"], run([[b"SELECT", b"%d" % db]])[0])
        done = 0
        for following, batch in source.batches(db, cursor):
            commands = [
                [b"RESTORE", key, b"%d" % (at_ms or 0), dumped, b"REPLACE", b"ABSTTL"]
                for key, dumped, at_ms in batch
                if dumped is not None
            ]
            for argv, reply in zip(commands, run(commands), strict=True):
                _check(argv[:2], reply)
            count += len(commands)
            done += len(batch)
            position.note(db, following)
            watch(passed + done, total)
        passed += keys
        position.note(db + 1, 0)
    position.done()
    return count


def save(source: Remote, path: str, watch: Watch) -> int:
    """Write the data set of ``source`` to a snapshot file; return how many keys it has. Raises KvcoreError, OSError."""
    files = SystemFiles()
    temporary = f"{path}.new"
    form = FileWriter(Config().integer("list-max-listpack-size"), compress=True)
    checksum = Checksum(enabled=True)
    account = Account(source.now_ms() // 1000, REDIS_VERSION)
    counts = source.databases()
    total, count = sum(counts.values()), 0
    file = files.create(temporary)
    try:
        parts = [form.begin(account)]
        for db in sorted(counts):
            parts.append(form.database(db))
            for _, key, value, at_ms in source.records(lambda *_: None, db):
                form.add(parts, key, value, at_ms, -1, -1)
                count += 1
                if len(parts) > _CHUNK >> 6:
                    _write(file, checksum, parts)
                    watch(count, total)
        parts.append(form.end())
        _write(file, checksum, parts)
        write_all(file, checksum.footer())
        file.sync()
    except BaseException:
        file.close()
        files.remove(temporary)
        raise
    file.close()
    files.rename(temporary, path)
    files.sync_directory(os.path.dirname(path) or ".")
    watch(total, total)
    return count


def _write(file: File, checksum: Checksum, parts: list[bytes]) -> None:
    data = b"".join(parts)
    parts.clear()
    checksum.update(data)
    write_all(file, data)


def _check(argv: list[bytes], reply: object) -> None:
    if isinstance(reply, Exception):
        words = b" ".join(argv).decode("utf-8", "replace")
        raise KvcoreError(f"{words} was refused: {reply}")
