"""From an RDB file's records to keys: what of them is taken, and what is only counted.

Here: expired keys, duplicates, members' times, access stamps, what the header tells. Not here: bytes
(:mod:`kvcore.rdb.file_reader`), files. The rule: a loader fills the databases it was given and announces nothing;
whoever uses it sees to it that nobody reads them before the end, or never if an error came.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from kvcore.datatypes.cron_job import CronJob
from kvcore.datatypes.deadlines import Perishable
from kvcore.datatypes.table import Table
from kvcore.errors import CommandError, RdbError

if TYPE_CHECKING:
    from kvcore.keyspace import Database, Value

logger = logging.getLogger("kvcore.rdb")

_EMPTY_LOGGED_MAX: Final = 10
_ENDED_MAX: Final = 1 << 16
"""Ended keys remembered: the DELs of so many fill a backlog of the usual size, and replicas synchronise anew anyway."""

_ID_LENGTH: Final = 40
_MEBIBYTE: Final = 1 << 20


class Loader:
    """Puts the keys of a file into databases."""

    __slots__ = (
        "_add_function",
        "_container",
        "_databases",
        "_due_ms",
        "_keep_replicated",
        "_now_ms",
        "_owner",
        "_replicated",
        "_uses",
        "aux",
        "empty",
        "ended",
        "expired",
        "loaded",
    )

    def __init__(
        self,
        databases: Sequence[Database],
        now_ms: int,
        add_function: Callable[[bytes], None],
        *,
        keep_expired: bool = False,
        keep_replicated: bool = False,
        keep_uses: bool = False,
    ) -> None:
        """``keep_expired`` takes keys whose time is past: the commands behind a base file may yet refer to them.

        ``keep_replicated`` does so if the file was written with a replication stream, which has yet to tell the end of
        them; without it they are remembered in :attr:`ended`. ``keep_uses`` is for databases that keep none, whose
        contents will be moved (:meth:`move`).
        """
        self._databases = databases
        self._now_ms = now_ms
        self._keep_replicated = keep_replicated
        self._due_ms = -(1 << 63) if keep_expired else now_ms
        self._add_function = add_function
        self._owner: Database | None = None
        self._container: tuple[bytes, Perishable | CronJob] | None = None
        self._uses: dict[tuple[int, bytes], tuple[int, int]] | None = {} if keep_uses else None
        self.aux: dict[bytes, bytes] = {}
        """What the file tells of itself."""
        self.loaded = 0
        self.expired = 0
        """Keys left out because their time was past."""
        self._replicated = False  # the file was written with a stream, which can be gone on with
        self.ended: list[tuple[int, bytes]] = []
        """Which they were, with their databases, if replicas may have them: the stream has to tell their end."""
        self.empty = 0

    def add(
        self, index: int, key: bytes, value: Value, at_ms: int | None, idle_s: int, frequency: int, offset: int
    ) -> None:
        """Take a key; raises RdbError if it is there already. O(1)."""
        self._container = None
        db = self._databases[index]
        if type(value) is bytes and at_ms is None and idle_s < 0 > frequency and not (db.hooked or db.waiters):
            # What most of loading is.
            if not Table.put(db, key, value):
                raise RdbError(f"Internal error in RDB reading: key '{_shown(key)}' is there twice", offset)
            self.loaded += 1
            return
        if at_ms is not None and at_ms <= self._due_ms:
            self.expired += 1
            if self._replicated:
                self._remember_end(index, key)
            return
        # Nobody waits for keys of a data set that is being loaded; and most of loading would be spent finding out.
        new = db.store(key, value) if db.hooked or db.waiters or db.notify_mask else Table.put(db, key, value)
        if not new:
            raise RdbError(f"Internal error in RDB reading: key '{_shown(key)}' is there twice", offset)
        if at_ms is not None:
            db.set_expiry(key, at_ms)
        if isinstance(value, Perishable):
            self._container = key, value
            self._owner = db
            if value.expires is not None:
                db.follow_members(key)
        elif type(value) is CronJob:
            self._container = key, value
            self._owner = db
            db.follow_members(key)
        if idle_s >= 0 or frequency >= 0:
            if self._uses is not None:
                self._uses[index, key] = idle_s, frequency
            else:
                _set_use(db, key, idle_s, frequency)
        self.loaded += 1

    def _remember_end(self, index: int, key: bytes) -> None:
        self.ended.append((index, key))
        if len(self.ended) > _ENDED_MAX:
            self.ended = []
            self._replicated = False

    def expire_member(self, member: bytes, at_ms: int) -> None:
        """Let a member of the last container expire; ignored where there is none. O(log n)."""
        if self._container is not None and self._owner is not None:
            key, container = self._container
            if isinstance(container, CronJob):
                self._owner.plan(key, container, at_ms)  # KeyDB's word for the next run of a job
            elif member in container:  # type: ignore[operator]
                self._owner.set_member_expiry(key, container, member, at_ms)

    def skip(self, index: int, key: bytes) -> None:
        """Log a key without a value, the first few of them."""
        self._container = None
        self.empty += 1
        if self.empty <= _EMPTY_LOGGED_MAX:
            logger.info("rdbLoadObject skipping empty key: %s (db %d)", _shown(key), index)
        if self.empty == _EMPTY_LOGGED_MAX:
            logger.info("Too many empty keys, further ones are not logged")

    def log_end(self) -> None:
        """Log what was loaded, once that is all."""
        told = f"Done loading RDB, keys loaded: {self.loaded}, keys expired: {self.expired}"
        if self.empty:
            logger.warning("%s, empty keys skipped: %d.", told, self.empty)
        else:
            logger.info("%s.", told)

    def note(self, name: bytes, text: bytes) -> None:
        """Keep what the file tells of itself, and log it as the real server does."""
        if name.startswith(b"%"):
            logger.info("RDB '%s': %s", _shown(name), _shown(text))
        elif name == b"redis-ver":
            logger.info("Loading RDB produced by version %s", _shown(text))
        elif name == b"ctime" and text.isdigit():
            logger.info("RDB age %d seconds", max(0, self._now_ms // 1000 - int(text)))
        elif name == b"used-mem" and text.isdigit():
            logger.info("RDB memory usage when created %.2f Mb", int(text) / _MEBIBYTE)
        elif name == b"repl-id":
            self._replicated = True
            if self._keep_replicated:
                self._due_ms = -(1 << 63)
        if len(self.aux) < 64:
            self.aux[name] = text

    @property
    def position(self) -> tuple[str, int, int] | None:
        """History, offset and database of the stream in which the file was written.

        None if there was no stream, or if more keys have ended since than replicas could be told.
        """
        history, offset = self.aux.get(b"repl-id", b""), self.aux.get(b"repl-offset", b"")
        database = self.aux.get(b"repl-stream-db", b"")
        if not self._replicated or len(history) != _ID_LENGTH or not (offset.isdigit() and database.isdigit()):
            return None
        index = int(database)
        return _shown(history), int(offset), index if index < len(self._databases) else 0

    def move(self, loaded: Database, db: Database) -> None:
        """Move all keys of a database that was loaded to ``db``, in place of those with the same names. O(keys)."""
        mask, db.notify_mask = db.notify_mask, 0  # what is loaded makes no events
        for key, value in loaded.items():
            db.put(key, value)
            at_ms = loaded.expiry(key)
            if at_ms is not None:
                db.set_expiry(key, at_ms)
            db.follow_members(key)
            use = None if self._uses is None else self._uses.get((loaded.index, key))
            if use is not None:
                _set_use(db, key, *use)
        db.notify_mask = mask
        loaded.clear()  # its keyspace is a cycle, which would hold what is deleted here until it is found

    def replace(self, loaded: Database, db: Database) -> None:
        """Put the contents of a database that was loaded in place of those of ``db``. O(1), with usage O(keys)."""
        db.flush()
        if db.usage is None:
            db.exchange(loaded)
        else:
            self.move(loaded, db)

    def sizes(self, index: int, keys: int, expires: int) -> None:
        """Ignore the hint: tables grow without a pause."""

    def function(self, source: bytes, offset: int) -> None:
        """Take a function library; raises RdbError if it does not load."""
        try:
            self._add_function(source)
        except CommandError as error:
            raise RdbError(f"Failed loading a function library: {error}", offset) from error


def _shown(text: bytes) -> str:
    return text[:128].decode("utf-8", "surrogateescape")


def _set_use(db: Database, key: bytes, idle_s: int, frequency: int) -> None:
    """Set how long the key was idle or how often it was used, whichever of them the policy goes by."""
    usage = db.usage
    if usage is None or usage.access is None:
        return
    if usage.clock.lfu:
        if frequency >= 0:
            usage.set_stamp(key, usage.clock.with_frequency(frequency))
    elif idle_s >= 0:
        usage.set_stamp(key, usage.clock.with_idle_time(idle_s))
