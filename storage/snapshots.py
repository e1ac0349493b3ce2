"""Snapshot files: SAVE and BGSAVE, save points, the last save before the end, loading at the start.

Here: when a snapshot begins, what follows from its end, which file it is. Not here: how it is taken
(:mod:`kvcore.snapshot`), paced (:mod:`kvcore.background`) and written (:mod:`kvcore.storage.background`), or its bytes
(:mod:`kvcore.rdb`). The rule: the file under its name is always a whole one, and a file that cannot be read to its end
is not loaded at all.

Everything here happens under the engine lock, but for :meth:`Snapshots.load` at the start.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import re
import time
from typing import Final

from kvcore import errors
from kvcore.background import REPLICAS, key_delay_ns
from kvcore.config import Config
from kvcore.engine import Engine
from kvcore.errors import CommandError, KvcoreError, RdbError
from kvcore.gates import NESTED
from kvcore.keyspace import Database, Keyspace
from kvcore.loading import Loader
from kvcore.rdb.file_reader import FileReader
from kvcore.rdb.file_writer import Account, Checksum, FileWriter
from kvcore.scripting.functions import read_metadata
from kvcore.snapshot import Snapshot
from kvcore.storage import report
from kvcore.storage.background import SnapshotFile
from kvcore.storage.files import Files, SystemFiles
from kvcore.storage.lock import is_alive
from kvcore.storage.progress import Progress
from kvcore.version import REDIS_VERSION

logger = logging.getLogger("kvcore.storage")

_TEMPORARY: Final = re.compile(r"temp-([1-9][0-9]{0,9})\.rdb")
_RETRY_S: Final = 5
"""Seconds after a failed background save before save points begin another."""

_WHOLE_NS: Final = 1 << 62


class LoadError(KvcoreError):
    """A file that should hold the data set cannot be read."""


class Snapshots:
    """The snapshot file of one engine. Takes the place of ``engine.persistence``."""

    __slots__ = (
        "_begun_ms",
        "_bgsave_dirty",
        "_bgsave_status_ok",
        "_bgsave_time_s",
        "_config",
        "_engine",
        "_files",
        "_last_load",
        "_points",
        "_saves",
        "_scheduled",
        "_threaded",
        "_tried_s",
        "background",
        "last_save_s",
        "loading",
    )

    def __init__(
        self, engine: Engine, config: Config | None = None, *, files: Files | None = None, threaded: bool = True
    ) -> None:
        """Use the directives `dir`, `dbfilename` and `save` of ``config``, the engine's own if None.

        Without ``threaded`` what is written is written at once, by whoever calls :meth:`tick`.
        """
        self._engine = engine
        self._config = config if config is not None else engine.config
        self._files: Files = files if files is not None else SystemFiles()
        self._threaded = threaded
        self.background = engine.background
        self.last_save_s = engine.now_ms() // 1000
        self.loading: Progress | None = None
        """The load that goes on, at the start."""
        self._points: list[tuple[int, int]] = []
        self._saves = 0
        self._scheduled = False
        self._begun_ms = -1  # a background save runs since then
        self._bgsave_dirty = 0
        self._bgsave_status_ok = True
        self._bgsave_time_s = -1
        self._tried_s = 0
        self._last_load = 0, 0
        for name in ("save", "stop-writes-on-bgsave-error"):
            self._config.on_change(name, self._follow_config)
        self._follow_config()
        engine.persistence = self

    @property
    def path(self) -> str:
        """The file's path."""
        return os.path.join(self._config.string("dir"), self._config.string("dbfilename"))

    @property
    def _is_saving(self) -> bool:
        """Whether a snapshot is made, for the file or for replicas: real servers make no difference."""
        return self._begun_ms >= 0 or self.background.purpose == REPLICAS

    # Commands

    def save(self) -> None:
        """Save now; raise CommandError. O(keys)."""
        if self._is_saving:
            raise CommandError(errors.BGSAVE_RUNS)
        self._saves += 1
        if not self._save():
            raise CommandError(errors.SAVE_FAILED)

    def save_in_background(self, schedule: bool) -> str:
        """Begin a background save, or plan one; return the reply."""
        if self._is_saving:
            raise CommandError(errors.BGSAVE_RUNS)
        if self.background.busy or self._engine.gate & NESTED:
            if not schedule and not self._engine.gate & NESTED:
                raise CommandError(errors.OTHER_SNAPSHOT_RUNS)
            self._scheduled = True
            return "Background saving scheduled"
        self._begin()
        return "Background saving started"

    def rewrite(self) -> str:
        """Raise CommandError: there is no append-only file here."""
        raise CommandError(errors.REWRITE_FAILED)

    def reload_log(self) -> None:
        """Raise CommandError: there is no append-only file here."""
        raise CommandError(errors.LOAD_AOF_FAILED)

    def commit(self) -> bool:
        """Return True: between two snapshots nothing is safe, and nobody is told otherwise."""
        return True

    def replaced(self) -> None:
        """Do nothing: the file is the former data set's until the next save, and may be."""

    def emptied(self) -> bool:
        """Stop a background save, and with save points save the empty data set, as the real server does."""
        if self._begun_ms >= 0:
            self._kill()
        return bool(self._points) and self._save()

    def reload(self, save: bool, flush: bool, merge: bool) -> None:
        """Save, load into databases nobody sees, and put those in the place of the others; raise CommandError."""
        if save and not self._save():
            raise CommandError(errors.SAVE_FAILED)
        engine = self._engine
        scratch = Keyspace(engine.clock, len(engine.keyspace.databases))
        libraries: list[bytes] = []
        loader = Loader(scratch.databases, engine.now_ms(), libraries.append, keep_uses=True)
        try:
            if not self._read(loader, Progress(engine)):
                raise LoadError("there is no such file")
            if not flush and not merge:
                _refuse_duplicates(engine.keyspace.databases, scratch.databases)
                _refuse_loaded(engine.libraries.sources(), libraries)
        except (KvcoreError, OSError) as error:
            logger.warning("Error trying to load the RDB dump: %s", error)
            raise CommandError(errors.RELOAD_FAILED) from error
        if flush:
            engine.libraries.flush()
            for db in engine.keyspace.databases:
                db.flush()
        for source in libraries:
            engine.libraries.load(source)
        for db, loaded in zip(engine.keyspace.databases, scratch.databases, strict=True):
            loader.move(loaded, db)
        self._last_load = loader.loaded, loader.expired
        logger.warning("DB reloaded by DEBUG RELOAD")

    def prepare_shutdown(self, save: bool | None, *, force: bool = False) -> bool:
        """Save if that is asked for, or if there are save points; False if it fails, and not with ``force``."""
        if self._begun_ms >= 0:
            logger.warning("There is a child saving an .rdb. Killing it!")
            self._kill()
        if save is False or (save is None and not self._points):
            return True
        logger.info("Saving the final RDB snapshot before exiting.")
        if self._save():
            return True
        if force:
            logger.warning("Error trying to save the DB. Exit anyway.")
        else:
            logger.warning("Error trying to save the DB, can't exit.")
        return force

    def drop_unfinished(self) -> None:
        """Delete the file that is being written, which is never to be finished."""
        with contextlib.suppress(OSError):
            self._files.remove(self._temporary())

    # Time

    def tick(self, now_ms: int) -> int:
        """Work on what runs, begin what is due; return in how many milliseconds to call again, -1 if it is not soon."""
        if self.background.busy:
            return -1
        now_s = now_ms // 1000
        may_try = self._bgsave_status_ok or now_s - self._tried_s > _RETRY_S
        if self._scheduled and may_try:
            self._scheduled = False
            self._begin()
        elif self._points and may_try:
            dirty = self._engine.statistics.dirty
            for seconds, changes in self._points:
                if dirty >= changes and now_s - self.last_save_s > seconds:
                    logger.info("%d changes in %d seconds. Saving...", changes, seconds)
                    self._begin()
                    break
        return 0 if self.background.busy else -1

    def fields(self) -> dict[str, str | int]:
        """Return the fields of INFO persistence that are about snapshots."""
        engine = self._engine
        done, total = self.background.progress
        running = self._begun_ms >= 0
        loaded, expired = self._last_load
        return {
            "current_fork_perc": f"{100 * done / total if total else 0.0:.2f}",
            "current_save_keys_processed": done,
            "current_save_keys_total": total,
            "rdb_bgsave_in_progress": int(self._is_saving),
            "rdb_last_save_time": self.last_save_s,
            "rdb_last_bgsave_status": "ok" if self._bgsave_status_ok else "err",
            "rdb_last_bgsave_time_sec": self._bgsave_time_s,
            "rdb_current_bgsave_time_sec": (engine.now_ms() - self._begun_ms) // 1000 if running else -1,
            "rdb_saves": self._saves,
            "rdb_last_load_keys_expired": expired,
            "rdb_last_load_keys_loaded": loaded,
            **({} if self.loading is None else self.loading.fields()),
        }

    # Loading at the start

    def load(self, progress: Progress | None = None) -> bool:
        """Load the file into the engine, which nobody uses yet; False if there is none. Raises LoadError. O(bytes).

        After an error the engine holds part of the data, and must not be used.
        """
        engine = self._engine
        begun = time.perf_counter()
        follows = bool(engine.config.strings("replicaof"))
        loader = Loader(engine.keyspace.databases, engine.now_ms(), engine.libraries.load, keep_replicated=follows)
        try:
            if not self._read(loader, Progress(engine) if progress is None else progress):
                return False
        except (KvcoreError, OSError) as error:
            for line in report.unreadable_snapshot(error):
                logger.warning("%s", line)
            raise LoadError(f"Fatal error loading the DB from {self.path}: {error}. Exiting.") from error
        self._last_load = loader.loaded, loader.expired
        engine.saved_position, engine.saved_ends = loader.position, loader.ended
        engine.statistics.dirty = 0
        logger.info("DB loaded from disk: %.3f seconds", time.perf_counter() - begun)
        return True

    def _read(self, loader: Loader, progress: Progress) -> bool:
        """Read the file; False if there is none."""
        path = self.path
        if not self._files.exists(path):
            return False
        engine = self._engine
        with progress.aside():  # a pipe under the file's name opens once somebody writes
            file = self._files.open(path)
        collecting = gc.isenabled()
        gc.disable()  # it would look at every container, again and again, and find nothing
        try:
            size = file.size()
            progress.expect(size)
            progress.watch(loader)
            reader = FileReader(
                loader,
                engine.limits,
                deep=self._config.string("sanitize-dump-payload") == "yes",
                verify=self._config.flag("rdbchecksum"),
                databases=len(engine.keyspace.databases),
                size=size,
            )
            while not reader.done and (data := progress.read(file)):
                reader.feed(data)
            reader.finish()
        finally:
            file.close()
            if collecting:
                gc.enable()
        loader.log_end()
        return True

    def remove_leftovers(self) -> None:
        """Delete the temporary files of processes that are no more. Raises OSError.

        One that does live may be a server without a log, which asks for no lock.
        """
        directory = os.path.dirname(self.path) or "."
        for name in self._files.list(directory):
            found = _TEMPORARY.fullmatch(name)
            if found is not None and not is_alive(int(found[1])):
                logger.info("Removing %s, which an earlier process left", name)
                self._files.remove(os.path.join(directory, name))

    # Saving

    def _follow_config(self) -> None:
        words = self._config.strings("save")
        self._points = [(int(words[at]), int(words[at + 1])) for at in range(0, len(words), 2)]
        self._judge()

    def _judge(self) -> None:
        """Refuse writes while snapshots are wanted and fail."""
        refuse = not self._bgsave_status_ok and self._points and self._config.flag("stop-writes-on-bgsave-error")
        self._engine.set_disk_error("rdb", errors.CANNOT_PERSIST if refuse else "")

    def _format(self) -> FileWriter:
        version = self._config.integer("rdb-version")
        return FileWriter(self._engine.limits.list_size, self._config.flag("rdbcompression"), version)

    def account(self) -> Account:
        """Return what a file written now tells of its writer."""
        engine = self._engine
        account = Account(engine.now_ms() // 1000, REDIS_VERSION, engine.eviction.used_bytes())
        account.functions = engine.libraries.sources()
        account.replication = engine.replication.saved_fields()
        return account

    def _temporary(self) -> str:
        return os.path.join(os.path.dirname(self.path), f"temp-{self._engine.process.pid}.rdb")

    def _output(self, threaded: bool) -> SnapshotFile:
        return SnapshotFile(
            self._files,
            self.path,
            self._temporary(),
            checksum=Checksum(self._config.flag("rdbchecksum")),
            incremental_sync=self._config.flag("rdb-save-incremental-fsync"),
            threaded=threaded,
        )

    def _save(self) -> bool:
        """Save while everybody waits; say whether that succeeded. O(keys)."""
        self.background.finish()
        engine = self._engine
        form = self._format()
        output = self._output(threaded=False)
        snapshot = Snapshot(engine.keyspace, engine.clock, form, output)
        snapshot.begin(form.begin(self.account()))
        output.write(b"")  # creates the file: who waits for it to come sees that saving goes on
        try:
            self._write_all(snapshot)
            output.close()
        except Exception:
            logger.exception("Taking a snapshot failed")
            snapshot.cancel()
            output.abort()
            return False
        if output.error is not None:
            logger.warning("%s", report.unsaved_snapshot(output.error))
            return False
        logger.info("DB saved on disk")
        engine.statistics.dirty = 0
        self.last_save_s = engine.now_ms() // 1000
        self._bgsave_status_ok = True
        self._judge()
        return True

    def _write_all(self, snapshot: Snapshot) -> None:
        """Write every key, at the pace that `rdb-key-save-delay` allows."""
        engine = self._engine
        if key_delay_ns(engine):
            snapshot.keys_at_once = 1
            while not snapshot.advance(0):
                engine.process.sleep(key_delay_ns(engine) / 1e9)
        snapshot.advance(_WHOLE_NS)

    def _begin(self) -> None:
        engine = self._engine
        self._saves += 1
        self._begun_ms = engine.now_ms()
        self._tried_s = self._begun_ms // 1000
        self._bgsave_dirty = engine.statistics.dirty
        form = self._format()
        output = self._output(self._threaded)
        output.write(b"")
        self.background.start(form, form.begin(self.account()), output, self._ended)
        logger.info("Background saving started by pid %d", engine.process.pid)
        engine.on_deadline(self._begun_ms)

    def _ended(self, error: BaseException | None) -> None:
        engine = self._engine
        now_ms = engine.now_ms()
        self._bgsave_time_s = (now_ms - self._begun_ms) // 1000
        self._begun_ms = -1
        self._bgsave_status_ok = error is None
        if error is None:
            logger.info("DB saved on disk")
            logger.info("Background saving terminated with success")
            engine.statistics.dirty -= self._bgsave_dirty
            self.last_save_s = now_ms // 1000
        else:
            logger.warning("%s", report.unsaved_snapshot(error))
            logger.warning("Background saving error")
        self._judge()

    def _kill(self) -> None:
        """Stop the background save; that is no failure."""
        self.background.cancel()
        self._bgsave_time_s = (self._engine.now_ms() - self._begun_ms) // 1000
        self._begun_ms = -1
        logger.warning("Background saving terminated by signal 10")  # what kills a child, where there is one


def _refuse_duplicates(databases: list[Database], others: list[Database]) -> None:
    for db, other in zip(databases, others, strict=True):
        for key in other:
            if key in db:
                raise RdbError(f"key '{errors.text(key[:128])}' is there already", 0)


def _refuse_loaded(sources: list[bytes], others: list[bytes]) -> None:
    names = {read_metadata(source)[1] for source in sources}
    for source in others:
        name = read_metadata(source)[1]
        if name in names:
            raise RdbError(f"function library '{errors.text(name)}' is there already", 0)
