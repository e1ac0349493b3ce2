"""Whole data sets: from a server into another store by SCAN and RESTORE, resumable, or into a snapshot file.

What lives here: the order of things, where commands go, and the note that says how far an import came. What must not:
arguments and progress bars (:mod:`kvcore.frontends.tools`). The rule: a cursor is noted only after every key before it
arrived, so an import that was interrupted goes on without leaving one out, and what comes twice does no harm.

A cursor means nothing to another process than the one that gave it (the order of SCAN hangs on a seed), so the note
also has the id of the source's run.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

from kvcore.config import Config
from kvcore.errors import KvcoreError
from kvcore.frontends.interrupts import hold_interrupts
from kvcore.frontends.output import note, printable
from kvcore.frontends.remote import Dumped, Remote
from kvcore.frontends.remote_address import hidden
from kvcore.rdb import types
from kvcore.rdb.file_writer import Account, Checksum, FileWriter
from kvcore.rdb.payload import seal
from kvcore.rdb.sink import string
from kvcore.rdb.source import Source
from kvcore.storage.files import File, SystemFile, SystemFiles, write_all
from kvcore.version import REDIS_VERSION

Watch = Callable[[int, int], None]

_CHUNK: Final = 1 << 20
_NOTE_SECONDS: Final = 0.5
_FOOTER: Final = 10  # version and checksum
_SEVERAL: Final = "there is more than one database to be copied: leave the number out of the target's URL"


class Choice:
    """Which keys of a source are meant, and what happens to those the target has already."""

    __slots__ = ("databases", "pattern", "replace")

    def __init__(
        self, pattern: bytes | None = None, databases: frozenset[int] | None = None, replace: bool = False
    ) -> None:
        """None means all."""
        self.pattern = pattern
        self.databases = databases
        self.replace = replace


class Position:
    """How far an import came, in a file beside the target."""

    __slots__ = ("_about", "_clock", "_due", "_path", "_settle", "cursor", "database", "restarted", "resumed", "run_id")

    def __init__(
        self, path: str, source: str, target: str, choice: Choice, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Read the note at ``path``; raise KvcoreError if it is about another import."""
        self._path = path
        self._about: dict[str, object] = {
            "source": hidden(source),
            "target": hidden(target),
            "pattern": None if choice.pattern is None else choice.pattern.decode("utf-8", "backslashreplace"),
            "databases": None if choice.databases is None else sorted(choice.databases),
        }
        self._clock = clock
        self._due = 0.0
        self._settle: Callable[[], None] = _nothing
        self.run_id = ""
        self.database = -1
        self.cursor = 0
        self.resumed = False
        self.restarted = False
        """Whether the source is not the process any more that the cursor was from."""
        if not os.path.exists(path):
            return
        try:
            with open(path, encoding="utf-8") as file:
                found = json.load(file)
            about = {name: found[name] for name in self._about}
            self.database, self.cursor = int(found["database"]), int(found["cursor"])
            self.run_id = str(found["run_id"])
        except (ValueError, KeyError, TypeError) as error:
            raise KvcoreError(f"{path} is no note of an import: {error}") from None
        for name, value in self._about.items():
            if about[name] != value:
                told = f"{path} is about an import with another {name}, {about[name]}"
                raise KvcoreError(f"{told}; remove it, or choose another --state")
        self.resumed = True

    def begin(self, run_id: str) -> None:
        """Learn which process the source is."""
        if self.resumed and run_id != self.run_id:
            self.cursor = 0
            self.restarted = True
        self.run_id = run_id

    def settle_with(self, settle: Callable[[], None]) -> None:
        """Learn what sees to it that the target keeps what arrived."""
        self._settle = settle

    def note(self, database: int, cursor: int) -> None:
        """Remember that everything before ``cursor`` has arrived; on disk twice a second."""
        self.database, self.cursor = database, cursor
        if self._clock() >= self._due:
            self.write()
            self._due = self._clock() + _NOTE_SECONDS

    def write(self) -> None:
        """Put the note on disk, after what it says. Raises KvcoreError, OSError."""
        if self.database < 0:
            return
        self._settle()
        temporary = f"{self._path}.new"
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump({**self._about, "run_id": self.run_id, "database": self.database, "cursor": self.cursor}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self._path)

    def done(self) -> None:
        """Forget the note."""
        if os.path.exists(self._path):
            os.unlink(self._path)


def _nothing() -> None:
    """Settle a target that looks after itself."""


# Targets


class Target(Protocol):
    """Where commands go."""

    def expect(self, databases: Collection[int]) -> None:
        """Raise KvcoreError if not all of these databases can be had."""

    def run(self, commands: list[list[bytes]]) -> list[Any]:
        """Run commands in order and return their replies, errors among them. Raises KvcoreError."""

    def settle(self) -> None:
        """See to it that what was run outlives the process. Raises KvcoreError."""


class _ServerTarget:
    """A server; a lost connection never makes commands go to another database."""

    __slots__ = ("_found", "_remote", "_selected")

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._selected: list[bytes] = [b"SELECT", b"%d" % (remote.database or 0)]
        self._found: bytes | None = None

    def expect(self, databases: Collection[int]) -> None:
        """Raise KvcoreError if these databases would become one."""
        if self._remote.database is not None and len(databases) > 1:
            raise KvcoreError(_SEVERAL)

    def run(self, commands: list[list[bytes]]) -> list[Any]:
        """Run commands in one pipeline; a SELECT among them leads to the database of the URL, if it names one."""
        sent = [self._selected]
        sent += [self._select(argv) if argv[0].upper() == b"SELECT" else argv for argv in commands]
        first, *replies = self._remote.run(sent)
        if isinstance(first, Exception):
            raise KvcoreError(f"SELECT was refused: {first}")
        return replies

    def _select(self, argv: list[bytes]) -> list[bytes]:
        if self._remote.database is None:
            self._selected = argv
            return argv
        if self._found is not None and self._found != argv[1]:
            raise KvcoreError(_SEVERAL)
        self._found = argv[1]
        return self._selected

    def settle(self) -> None:
        """Leave it to the server: it keeps what it acknowledged as it is configured to."""


class _StoreTarget:
    """A data directory, opened by this process."""

    __slots__ = ("_run",)

    def __init__(self, run: Callable[[list[bytes]], object]) -> None:
        self._run = run

    def expect(self, databases: Collection[int]) -> None:
        """Leave it to SELECT, which knows how many there are."""

    def run(self, commands: list[list[bytes]]) -> list[Any]:
        """Run commands one after the other."""
        return [self._run(argv) for argv in commands]

    def settle(self) -> None:
        """Wait until the log is on the disk."""
        reply = self._run([b"WAITAOF", b"1", b"0", b"0"])
        if isinstance(reply, Exception):
            raise KvcoreError(f"the target does not keep what it is given: {reply}")


@contextmanager
def opened(target: str) -> Iterator[Target]:
    """Open a URL or a data directory to run commands in. Raises KvcoreError, OSError."""
    if "://" in target:
        remote = Remote(target)
        try:
            remote.check()
            yield _ServerTarget(remote)
        finally:
            remote.close()
        return
    from kvcore.frontends.inprocess import open as open_store

    with hold_interrupts(), open_store(target) as store:
        yield _StoreTarget(store.run)


# Import


class Copied:
    """What an import did."""

    __slots__ = ("arrived", "kept")

    def __init__(self) -> None:
        self.arrived = 0
        """Keys that were put in place."""
        self.kept = 0
        """Keys of the same name that the target had and still has."""


def copy(source: Remote, target: Target, position: Position, choice: Choice, watch: Watch) -> Copied:
    """Copy keys and functions, from where the last import stopped. Raises KvcoreError, OSError.

    Functions come along unless only keys of a pattern are asked for.
    """
    position.settle_with(target.settle)
    if position.restarted:
        note(f"the source was restarted meanwhile: database {position.database} from its beginning")
    elif position.resumed:
        note(f"going on in database {position.database}")
    counts = source.databases(choice.databases)
    target.expect(counts)
    copied = Copied()
    if choice.pattern is None and not position.resumed:
        _copy_functions(source, target, choice.replace)
    try:
        _copy_databases(source, target, position, choice, counts, copied, watch)
    except BaseException:
        # What stopped it is what is to be told; a note half a second old does as well.
        with contextlib.suppress(OSError, KvcoreError):
            position.write()
        raise
    target.settle()
    position.done()
    return copied


def _copy_functions(source: Remote, target: Target, replace: bool) -> None:
    for code in libraries_of(source.functions()):
        policy = b"REPLACE" if replace else b"APPEND"
        restored = seal(b"%c%b" % (types.FUNCTION_2, string(code, 0)))
        (reply,) = target.run([[b"FUNCTION", b"RESTORE", restored, policy]])
        if isinstance(reply, Exception):
            if "already exists" not in str(reply) or replace:
                raise KvcoreError(f"a library of functions was refused: {reply}")
            note(f"a library of functions stays as it is in the target: {reply}")


def _copy_databases(
    source: Remote,
    target: Target,
    position: Position,
    choice: Choice,
    counts: dict[int, int],
    copied: Copied,
    watch: Watch,
) -> None:
    total, passed = sum(counts.values()), 0
    for db, keys in sorted(counts.items()):
        if db < position.database:
            passed += keys
            continue
        cursor = position.cursor if db == position.database else 0
        done = 0
        for following, batch in source.batches(db, cursor, choice.pattern):
            _restore(target, db, batch, choice.replace, copied)
            done = min(done + len(batch), keys)
            position.note(db, following)
            watch(passed + done, total)
        passed += keys
        position.note(db + 1, 0)


def _restore(target: Target, db: int, batch: list[Dumped], replace: bool, copied: Copied) -> None:
    commands = [
        [b"RESTORE", key, b"%d" % (at_ms or 0), dumped, *([b"REPLACE"] if replace else []), b"ABSTTL"]
        for key, dumped, at_ms in batch
        if dumped is not None
    ]
    if not commands:
        return
    selected, *replies = target.run([[b"SELECT", b"%d" % db], *commands])
    if isinstance(selected, Exception):
        raise KvcoreError(f"the target has no database {db}: {selected}")
    for argv, reply in zip(commands, replies, strict=True):
        if not isinstance(reply, Exception):
            copied.arrived += 1
        elif not replace and "BUSYKEY" in str(reply):
            copied.kept += 1
        else:
            raise KvcoreError(f"key {printable(argv[1][:100])} was refused: {reply}")


def libraries_of(payload: bytes | None) -> list[bytes]:
    """Return the sources in what FUNCTION DUMP returned, none of a server that knows no functions."""
    codes = []
    source = Source(payload[:-_FOOTER] if payload else b"")
    while source.left():
        if source.byte() != types.FUNCTION_2:
            raise KvcoreError("the source's functions are of a version that cannot be read")
        codes.append(source.string())
    return codes


# Export


def save(source: Remote, path: str, choice: Choice, watch: Watch) -> int:
    """Write a data set to a snapshot file; return how many keys it has. Raises KvcoreError, OSError."""
    source.check()
    with created(path) as file:
        return _write_all(source, file, choice, watch)


@contextmanager
def created(path: str) -> Iterator[File]:
    """Open a file to write, ``-`` for standard output; it appears under its name when it is complete. Raises OSError.

    A device or a pipe is written as it is.
    """
    files = SystemFiles()
    special = path == "-" or (os.path.exists(path) and not stat.S_ISREG(os.stat(path).st_mode))
    temporary = path if special else f"{path}.new"
    file = SystemFile(os.dup(1)) if path == "-" else files.create(temporary)
    try:
        yield file
        if not special:
            file.sync()
    except BaseException:
        file.close()
        if not special:
            files.remove(temporary)
        raise
    file.close()
    if not special:
        files.rename(temporary, path)
        files.sync_directory(os.path.dirname(path) or ".")


def _write_all(source: Remote, file: File, choice: Choice, watch: Watch) -> int:
    form = FileWriter(Config().integer("list-max-listpack-size"), compress=True)
    checksum = Checksum(enabled=True)
    account = Account(source.now_ms() // 1000, REDIS_VERSION)
    if choice.pattern is None:
        account.functions = libraries_of(source.functions())
    counts = source.databases(choice.databases)
    total, count = sum(counts.values()), 0
    parts = [form.begin(account)]
    measured = size = 0
    for db in sorted(counts):
        parts.append(form.database(db))
        for _, key, value, at_ms in source.records(lambda *_: None, db, choice.pattern):
            form.add(parts, key, value, at_ms, -1, -1)
            count += 1
            size += sum(map(len, parts[measured:]))
            measured = len(parts)
            if size > _CHUNK:
                _write(file, checksum, parts)
                measured = size = 0
                watch(min(count, total), total)
    parts.append(form.end())
    _write(file, checksum, parts)
    write_all(file, checksum.footer())
    watch(total, total)
    return count


def _write(file: File, checksum: Checksum, parts: list[bytes]) -> None:
    data = b"".join(parts)
    parts.clear()
    checksum.update(data)
    write_all(file, data)
