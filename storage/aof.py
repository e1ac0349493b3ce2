"""The append-only file: every change on disk before, or soon after, its client hears of it.

What lives here: the life of the log, rewriting it, and what INFO tells. What must not: bytes and disks that refuse
(:mod:`kvcore.storage.aof_writer`), the files' names and loading (:mod:`kvcore.storage.aof_files`), snapshots
(:mod:`kvcore.storage.snapshots`), which this stands in front of as ``engine.persistence``. The rule: a new base is
named by the manifest only when it is on disk, so that at any moment the manifest's files together are the whole data
set.

After a failed sync they may not be (:mod:`kvcore.storage.aof_writer`). Then the log begins anew as if it had just been
switched on: a base out of memory, and an increment that the manifest names together with it. Until both are there
nothing is acknowledged and no command that writes is accepted; a crash finds the old files as the failure left them.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import threading
from collections.abc import Callable
from typing import Final

from kvcore import errors
from kvcore.background import LOG
from kvcore.config import Config
from kvcore.effects import AOF
from kvcore.engine import Engine
from kvcore.errors import CommandError, KvcoreError
from kvcore.gates import NESTED
from kvcore.loading import Loader
from kvcore.rdb.file_writer import Checksum, FileWriter
from kvcore.session import Session
from kvcore.storage.aof_files import TEMPORARY, AofFiles
from kvcore.storage.aof_format import TextFormat
from kvcore.storage.aof_manifest import AofFile, Manifest
from kvcore.storage.aof_writer import NEVER, AofWriter
from kvcore.storage.background import SnapshotFile
from kvcore.storage.files import File, Files
from kvcore.storage.progress import Progress
from kvcore.storage.snapshots import LoadError, Snapshots

logger = logging.getLogger("kvcore.storage")

STARTED: Final = "Background append only file rewriting started"
SCHEDULED: Final = "Background append only file rewriting scheduled"

_FAILURES_MAX: Final = 3
"""Failed rewrites in a row after which the automatic ones wait."""

_DELAY_MAX_MINUTES: Final = 60

_HEALING_DELAY_MAX_S: Final = 30
"""The longest pause between two attempts to write the log anew after a sync of it failed."""

_RETRY_MS: Final = 5000
"""How long after a log could not be begun for a data set that came from elsewhere it is tried again."""

_WAITING_MS: Final = 5
"""How often to look whether the disk has what clients wait for."""


class AppendOnlyFile:
    """The log of one engine. Takes the place of ``engine.persistence``, in front of the snapshots' driver."""

    __slots__ = (
        "_asked",
        "_base_size",
        "_begun_ms",
        "_coming",
        "_config",
        "_engine",
        "_failures",
        "_files",
        "_last_ok",
        "_last_time_s",
        "_lost",
        "_next_try_ms",
        "_older_size",
        "_port",
        "_refusal",
        "_rewrites",
        "_scheduled",
        "_threaded",
        "_units_before",
        "_unsubscribe",
        "claim",
        "snapshots",
        "writer",
    )

    def __init__(
        self,
        snapshots: Snapshots,
        engine: Engine,
        files: Files,
        *,
        threaded: bool = True,
    ) -> None:
        """Without ``threaded`` everything is written by whoever calls :meth:`commit` and :meth:`tick`."""
        self.snapshots = snapshots
        self._engine = engine
        self._config = engine.config
        self._port = files
        self._files = AofFiles(engine.config, files)
        self._threaded = threaded
        self.writer: AofWriter | None = None
        """None while the log is off."""
        self.claim: Callable[[], None] = _nothing
        """Takes the directory for this process before anything is written there; raises LockedError."""
        self._unsubscribe: Callable[[], None] | None = None
        self._coming: Manifest | None = None  # what the manifest will be, but for its base, once the log is whole
        self._base_size = 0  # bytes of the base and what was appended to it up to the last rewrite or load
        self._older_size = 0  # bytes of base and increments but the present one
        self._begun_ms = -1
        self._last_ok = True
        self._last_time_s = -1
        self._scheduled = False
        self._failures = 0
        self._rewrites = 0
        self._next_try_ms = 0
        self._units_before = 0  # units that the engine had ended when the writer took its first
        self._asked = False  # somebody heard that what it wrote is not synced yet, and may wait for that
        self._refusal = ""
        self._lost = False  # there is no log, although there should be one
        engine.persistence = self
        engine.acknowledgements.on_disk = self.is_synced
        for name in ("appendfsync", "aof-timestamp-enabled"):
            engine.config.on_change(name, self._follow_config)

    # The start and the end

    def load(self, progress: Progress | None = None) -> bool:
        """Load the log into the engine, which nobody uses yet; False if there is none. Raises LoadError."""
        self._files.settle()
        try:
            if not self._files.read_manifest():
                return False
            self._base_size = self._files.load(self._engine, progress)
        except (KvcoreError, OSError) as error:
            raise LoadError(f"Fatal error loading the DB from {self._files.directory}: {error}. Exiting.") from error
        return True

    def read(self) -> bool:
        """Load the log and leave its files as they are; False if there is none. Raises LoadError."""
        self._files.settle()
        try:
            if not self._files.read_manifest(upgrade=False):
                return False
            self._files.load(self._engine, cut=False)
        except (KvcoreError, OSError) as error:
            raise LoadError(f"Fatal error loading the DB from {self._files.directory}: {error}. Exiting.") from error
        return True

    def start(self) -> None:
        """Go on with the log where loading ended, or begin one with the data set as it is. Raises OSError."""
        files = self._files
        if not files.manifest.files:
            base = files.manifest.next_base(files.prefix, rdb=self._config.flag("aof-use-rdb-preamble"))
            logger.info("Creating AOF base file %s on server start", base.name)
            self._port.make_directory(files.directory)
            self._write_base(base)
            files.write_manifest(files.manifest.with_base(base, keep=0))
        said = "Opening" if files.manifest.increments else "Creating"
        if files.manifest.increments:
            file = self._port.append(files.path(files.manifest.increments[-1].name))
        else:
            file = self._create_increment()
        last = files.manifest.increments[-1]
        size = file.size()
        files.remove_history()
        self._older_size = sum(map(self._size_of, files.manifest.files[:-1]))
        self._base_size = self._older_size + size
        self._begin_writing(file, size)
        logger.info("%s AOF incr file %s on server start", said, last.name)

    def remove_leftovers(self) -> None:
        """Delete temporary files in the log's directory, which this process has to itself. Raises OSError."""
        self._files.remove_leftovers()

    def stop(self) -> bool:
        """Write and sync what is left, and close; False if that failed."""
        writer, self.writer = self.writer, None
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        self._kill_rewrite()
        coming, self._coming = self._coming, None
        self._scheduled = False
        self._older_size = 0
        if writer is None:
            self._note_lost("")
            return True
        self._engine.acknowledgements.advance()  # who waits for this log waits in vain
        self._engine.set_disk_error("aof", "")
        self._refusal = ""
        whole = writer.close()
        if coming is not None and coming.increments[-1] not in self._files.manifest.increments:
            with contextlib.suppress(OSError):  # no manifest names it: it is in nobody's way
                self._port.remove(self._files.path(coming.increments[-1].name))
        return whole

    def _kill_rewrite(self) -> None:
        """Give up a rewrite that runs; that is no failure."""
        if self._begun_ms >= 0:
            logger.info("Killing running AOF rewrite child: %d", self._engine.process.pid)
            self.snapshots.background.cancel()
            self._begun_ms = -1

    def abandon(self) -> None:
        """Log nothing any more, and leave the files to the process that this one was forked from."""
        self.writer = None
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    def switch_on(self) -> None:
        """Begin a log while serving (CONFIG SET appendonly yes). Raises OSError, AofError and LockedError.

        Changes are logged from now on, and a base is written in the background; the manifest names both once it is
        there, and what may be left of an earlier log is history then.
        """
        if self.writer is not None:
            return
        files = self._files
        if self._begun_ms >= 0:  # its base lacks what was written since it began, which no log has
            logger.warning(
                "AOF was enabled but there is already an AOF rewriting in background. "
                "Stopping background AOF and starting a rewrite now."
            )
            self._kill_rewrite()
        self.claim()
        files.settle()
        files.read_manifest()
        self._port.make_directory(files.directory)
        self._begin_writing(self._create_coming(files.manifest), 0)
        if self.snapshots.background.busy:
            self._scheduled = True
            logger.warning(
                "AOF was enabled but there is already another background operation. "
                "An AOF background was scheduled to start when possible."
            )
        elif self._engine.gate & NESTED:
            self._scheduled = True
            logger.warning(
                "AOF was enabled during a transaction. An AOF background was scheduled to start when possible."
            )
        elif not self._begin_rewrite(fresh=True):
            self.stop()
            logger.warning(
                "Redis needs to enable the AOF but can't trigger a background AOF rewrite operation. "
                "Check the above logs for more info about the error."
            )
            raise OSError(errno.EIO, "the base cannot be written")

    def replaced(self) -> None:
        """Begin the log anew; until the new base is there a crash finds the old data set, and nothing of the new."""
        if self.writer is None and not self._lost:
            return
        if not self.stop():
            logger.warning("Can't sync the AOF file of the former data set")
        try:
            self.switch_on()
        except (OSError, KvcoreError) as error:
            logger.warning("Can't begin an append-only file: %s", error)
            self._note_lost(str(error))
            self._next_try_ms = self._engine.now_ms() + _RETRY_MS

    def _note_lost(self, reason: str) -> None:
        """Refuse writes while there is no log that should be there; ``reason`` says why, empty if all is well."""
        self._lost = bool(reason)
        self._engine.set_disk_error("aof", errors.cannot_append(reason) if reason else "")

    def _create_coming(self, manifest: Manifest) -> File:
        """Create the increment that the log is to begin with once its base is there."""
        files = self._files
        coming = manifest.with_increment(files.prefix)
        path = files.path(coming.increments[-1].name)
        self._port.create(path).close()
        file = self._port.append(path)
        self._coming = coming
        return file

    def _begin_anew(self, writer: AofWriter) -> None:
        """Go on in an increment that the manifest is to name together with the base that is begun now."""
        coming = self._coming
        if coming is None:
            logger.warning("A sync of the AOF file failed: rewriting it, since what it was to save may be lost")
            size = writer.size
            self._close_former(writer, writer.switch(self._create_coming(self._files.manifest), covered=True))
            self._older_size += size
            return
        # The increment of the last attempt: what it has is in the data set that is written now.
        last = coming.increments[-1]
        previous = coming._replace(increments=coming.increments[:-1])
        former = writer.switch(self._create_coming(previous), covered=True)
        former.close()
        writer.former_synced(former)
        self._port.remove(self._files.path(last.name))

    def _create_increment(self) -> File:
        """Create the next increment, and have the manifest name it."""
        files = self._files
        manifest = files.manifest.with_increment(files.prefix)
        self._port.make_directory(files.directory)
        path = files.path(manifest.increments[-1].name)
        self._port.create(path).close()
        file = self._port.append(path)
        try:
            files.write_manifest(manifest)
        except BaseException:
            file.close()
            raise
        return file

    def _begin_writing(self, file: File, size: int) -> None:
        engine = self._engine
        policy = self._config.string("appendfsync")
        self.writer = writer = AofWriter(file, size, policy, self._now_s, threaded=self._threaded)
        writer.stamped = self._config.flag("aof-timestamp-enabled")
        self._units_before = engine.effects.units
        self._unsubscribe = engine.subscribe(writer.take, AOF)

    def _now_s(self) -> int:
        return self._engine.clock.now_us() // 1_000_000

    def _size_of(self, file: AofFile) -> int:
        opened = self._port.open(self._files.path(file.name))
        try:
            return opened.size()
        finally:
            opened.close()

    def _follow_config(self) -> None:
        if self.writer is not None:
            self.writer.follow(self._config.string("appendfsync"))
            self.writer.stamped = self._config.flag("aof-timestamp-enabled")

    # Rewriting

    def rewrite(self) -> str:
        """Begin to rewrite the log, or plan it; return the reply. Raises CommandError."""
        if self._begun_ms >= 0:
            raise CommandError(errors.REWRITE_RUNS)
        if self.snapshots.background.busy or self._engine.gate & NESTED:
            self._scheduled = True
            return SCHEDULED
        if not self._begin_rewrite():
            raise CommandError(errors.REWRITE_FAILED)
        return STARTED

    def _begin_rewrite(self, *, fresh: bool = False) -> bool:
        """Go on in a new increment and begin to write the data set as it is now; False if the disk refuses.

        ``fresh`` says that the present increment has nothing in it, and will do.
        """
        files = self._files
        engine = self._engine
        writer = self.writer
        self._scheduled = False
        try:
            if writer is None:
                self.claim()
                files.settle()
                files.read_manifest()  # another log may be there, whose files keep their names
                self._port.make_directory(files.directory)
            elif fresh:
                pass
            elif self._coming is not None or writer.doubt is not None:
                self._begin_anew(writer)
            elif not writer.flush():
                # What it takes no more would come twice: after the base that has it, too.
                raise writer.failure or OSError(errno.EIO, "the AOF file cannot be written")
            else:
                size = writer.size
                self._close_former(writer, writer.switch(self._create_increment()))
                self._older_size += size
            base = files.manifest.next_base(files.prefix, rdb=self._config.flag("aof-use-rdb-preamble"))
            output = self._output(base, self._threaded, self._rewritten(base))
        except (OSError, KvcoreError) as error:
            logger.warning("Can't begin to rewrite the append only file: %s", error)
            self._count_failure()
            return False
        self._begun_ms = engine.now_ms()
        self._rewrites += 1
        if writer is not None:
            last = (files.manifest if self._coming is None else self._coming).increments[-1]
            logger.info("Creating AOF incr file %s on background rewrite", last.name)
        form = self._format(base)
        self.snapshots.background.start(form, self._head(form), output, self._rewrite_ended, LOG)
        logger.info("Background append only file rewriting started by pid %d", engine.process.pid)
        engine.on_deadline(self._begun_ms)
        return True

    def _format(self, base: AofFile) -> FileWriter | TextFormat:
        if base.name.endswith(".rdb"):
            return FileWriter(self._engine.limits.list_size, self._config.flag("rdbcompression"))
        return TextFormat()

    def _head(self, form: FileWriter | TextFormat) -> bytes:
        account = self.snapshots.account()
        account.is_aof_base = True
        account.replication = ()  # the commands behind it would go on beyond that
        if isinstance(form, FileWriter):
            return form.begin(account)
        stamp = b"#TS:%d\r\n" % self._now_s() if self._config.flag("aof-timestamp-enabled") else b""
        return stamp + form.begin(account)

    def _output(self, base: AofFile, threaded: bool, then: Callable[[], None] | None) -> SnapshotFile:
        files = self._files
        is_rdb = base.name.endswith(".rdb")
        return SnapshotFile(
            self._port,
            files.path(base.name),
            self._temporary(),
            checksum=Checksum(self._config.flag("rdbchecksum")) if is_rdb else None,
            incremental_sync=self._config.flag("aof-rewrite-incremental-fsync"),
            threaded=threaded,
            on_complete=then,
        )

    def _temporary(self) -> str:
        return self._files.path(f"{TEMPORARY}{self._engine.process.pid}.aof")

    def _write_base(self, base: AofFile) -> None:
        """Write a base while everybody waits. O(keys)."""
        form = self._format(base)
        background = self.snapshots.background
        background.finish()
        background.start(form, self._head(form), self._output(base, False, None), _ignore, LOG)
        error = background.finish()
        if error is not None:
            raise error

    def _rewritten(self, base: AofFile) -> Callable[[], None]:
        """Return what puts the new base in the place of all that came before. It runs where the base is written."""
        files = self._files
        temporary = self._temporary()
        keep = 0 if self.writer is None else 1

        def replace() -> None:
            logger.info("Successfully created the temporary AOF base file %s", os.path.basename(temporary))
            self._port.rename(temporary, files.path(base.name))
            logger.info(
                "Successfully renamed the temporary AOF base file %s into %s", os.path.basename(temporary), base.name
            )
            self._port.sync_directory(files.directory)
            manifest = files.manifest if self._coming is None else self._coming
            files.write_manifest(manifest.with_base(base, keep))
            try:
                files.remove_history()
            except OSError as problem:
                logger.warning("Can't delete a former AOF file: %s", problem)

        return replace

    def _rewrite_ended(self, error: BaseException | None) -> None:
        engine = self._engine
        now_ms = engine.now_ms()
        self._last_time_s = (now_ms - self._begun_ms) // 1000
        self._begun_ms = -1
        self._last_ok = error is None
        if error is not None:
            logger.warning("Write error writing append only file on disk: %s", error)
            logger.warning("Background AOF rewrite terminated with error")
            self._count_failure()
            self._scheduled = self._coming is not None
            return
        logger.info("Background AOF rewrite terminated with success")
        self._failures = 0
        self._coming = None
        if self.writer is not None:
            self.writer.rewritten()
        logger.info("Background AOF rewrite finished successfully")
        former = self._files.manifest.files[: -1 if self.writer is not None else None]
        try:
            self._older_size = sum(map(self._size_of, former))
        except OSError as problem:
            logger.warning("Can't look how large an AOF file is: %s", problem)
        self._base_size = self.current_size

    def _close_former(self, writer: AofWriter, former: File) -> None:
        """Sync and close the increment before a rewrite, in a thread: nobody should wait for it."""

        def close() -> None:
            try:
                former.sync()
                writer.former_synced(former)
            except OSError as error:
                logger.warning("Can't sync a former AOF file: %s", error)
                writer.former_failed(former, error)
            former.close()

        if self._threaded:
            threading.Thread(target=close, name="kvcore-aof-close").start()
        else:
            close()

    def _count_failure(self) -> None:
        self._last_ok = False
        self._failures += 1
        if self.writer is not None and self.writer.doubt is not None:
            # Nobody may write until it succeeds.
            self._next_try_ms = self._engine.now_ms() + min(2 ** (self._failures - 1), _HEALING_DELAY_MAX_S) * 1000
        elif self._failures >= _FAILURES_MAX:
            minutes = min(2 ** (self._failures - _FAILURES_MAX), _DELAY_MAX_MINUTES)
            self._next_try_ms = self._engine.now_ms() + minutes * 60_000

    # Time, and what a front end calls

    def commit(self) -> bool:
        """Make safe what was done so far, as `appendfsync` asks; False if nothing may be acknowledged.

        Called without the engine lock, before replies leave.
        """
        writer = self.writer
        return True if writer is None else writer.commit()

    def tick(self, now_ms: int) -> int:
        """Work on what runs, begin what is due; return in how many milliseconds to call again, -1 if it is not soon."""
        delay = self.snapshots.tick(now_ms)
        if self._lost and now_ms >= self._next_try_ms:
            self.replaced()
        if self.writer is not None:
            self._follow_writer(self.writer)
            if self._asked:
                self._asked = False
                self._engine.acknowledgements.advance()
                if self._asked:  # again, by somebody who goes on waiting
                    delay = min(delay, _WAITING_MS) if delay >= 0 else _WAITING_MS
        wanted = self._scheduled and (self._is_whole() or now_ms >= self._next_try_ms)
        if not self.snapshots.background.busy and (wanted or self._has_grown(now_ms)):
            self._begin_rewrite()
            return 0
        return delay

    def _follow_writer(self, writer: AofWriter) -> None:
        """Refuse writes while the log cannot take them."""
        failure = writer.failure
        reason = "" if failure is None else failure.strerror or str(failure)
        if reason != self._refusal:
            self._refusal = reason
            self._engine.set_disk_error("aof", errors.cannot_append(reason) if reason else "")
            if reason:
                logger.warning("Error writing to the AOF file: %s", reason)
            else:
                logger.warning("AOF write error looks solved, Redis can write again.")
        if writer.doubt is not None and self._begun_ms < 0:
            self._scheduled = True  # a rewrite that runs may heal it, too
        relaxed = failure is None and self.snapshots.background.busy and self._config.flag("no-appendfsync-on-rewrite")
        writer.follow(NEVER if relaxed else self._config.string("appendfsync"))

    def _has_grown(self, now_ms: int) -> bool:
        percentage = self._config.integer("auto-aof-rewrite-percentage")
        size = self.current_size
        if self.writer is None or self.writer.failure is not None or self._coming is not None or not percentage:
            return False
        if size <= self._config.integer("auto-aof-rewrite-min-size"):
            return False
        if now_ms < self._next_try_ms:
            return False
        growth = size * 100 // (self._base_size or 1) - 100
        if growth < percentage:
            return False
        logger.info("Starting automatic rewriting of AOF on %d%% growth", growth)
        return True

    @property
    def current_size(self) -> int:
        """Bytes of the base and all increments."""
        return self._older_size + (0 if self.writer is None else self.writer.size)

    def _is_whole(self) -> bool:
        """Whether the files that the manifest names hold, or will once they are synced, all of the data set."""
        return self._coming is None and (self.writer is None or self.writer.doubt is None)

    def is_synced(self, session: Session) -> bool:
        """Say whether what ``session`` wrote is on the disk (WAITAOF). Called under the engine lock."""
        writer = self.writer
        if writer is None:
            return False
        if self._is_whole() and writer.synced >= session.last_write - self._units_before:
            return True
        self._asked = True
        self._engine.on_deadline(self._engine.now_ms() + _WAITING_MS)
        return False

    def reload_log(self) -> None:
        """Load the log in place of the data set (DEBUG LOADAOF); raise CommandError. O(bytes)."""
        engine = self._engine
        if self.writer is not None and not (self.writer.sync() and self._is_whole()):
            logger.warning("The AOF files do not hold the data set at present")
            raise CommandError(errors.LOAD_AOF_FAILED)
        scratch = Engine(_like(engine.config), clock=engine.clock)
        scratch.limits = engine.limits
        files = self._files
        try:
            if self.writer is None:
                files.settle()
            files.read_manifest()
            files.load(scratch)
        except (KvcoreError, OSError) as error:
            logger.warning("Error trying to load the AOF files: %s", error)
            raise CommandError(errors.LOAD_AOF_FAILED) from error
        loader = Loader((), 0, engine.libraries.load)
        engine.libraries.flush()
        for source in scratch.libraries.sources():
            engine.libraries.load(source)
        for db, loaded in zip(engine.keyspace.databases, scratch.keyspace.databases, strict=True):
            db.flush()
            loader.move(loaded, db)
        logger.warning("Append Only File loaded by DEBUG LOADAOF")

    # What the snapshots' driver does

    @property
    def last_save_s(self) -> int:
        """When the snapshot file was last written, in seconds since the Unix epoch."""
        return self.snapshots.last_save_s

    def save(self) -> None:
        """Write the snapshot file now; raise CommandError. O(keys)."""
        self.snapshots.save()

    def save_in_background(self, schedule: bool) -> str:
        """Begin to write the snapshot file, or plan it; return the reply."""
        return self.snapshots.save_in_background(schedule)

    def emptied(self) -> bool:
        """Take note of FLUSHALL: with save points an empty snapshot is written; say whether it was."""
        return self.snapshots.emptied()

    def reload(self, save: bool, flush: bool, merge: bool) -> None:
        """Do DEBUG RELOAD; what was loaded goes into a new base."""
        self.snapshots.reload(save, flush, merge)
        if self.writer is not None:
            self._scheduled = True

    def prepare_shutdown(self, save: bool | None, *, force: bool = False) -> bool:
        """Sync the log and save if that is asked for; False if either fails, unless ``force`` overrules that.

        A rewrite that runs is given up: what it was to replace is whole. Not so the first base of a log, which stands
        for the data set that no file has yet.
        """
        if self._begun_ms >= 0 and (self.writer is None or self.writer.doubt is None):
            if self._coming is not None:
                logger.warning("Writing initial AOF%s", ". Exit anyway." if force else ", can't exit.")
                if not force:
                    return False
            logger.warning("There is a child rewriting the AOF. Killing it!")
            self._kill_rewrite()
        if self.writer is not None:
            logger.info("Calling fsync() on the AOF file.")
            if not self.writer.sync() and save is not False and not self._heal() and not force:
                logger.warning("Can't sync the AOF file, can't exit.")
                return False
        return self.snapshots.prepare_shutdown(save, force=force)

    def drop_unfinished(self) -> None:
        """Delete the files that are being written, which are never to be finished."""
        self.snapshots.drop_unfinished()
        if self._begun_ms >= 0:
            with contextlib.suppress(OSError):
                self._port.remove(self._temporary())

    def _heal(self) -> bool:
        """Write the log anew while everybody waits, if a sync had failed; say whether all is well now. O(keys)."""
        writer = self.writer
        if writer is None or writer.doubt is None:
            return False
        self.snapshots.background.finish()
        if self._is_whole() or not self._begin_rewrite():
            return writer.sync()
        self.snapshots.background.finish()
        return writer.sync()

    def fields(self) -> dict[str, str | int]:
        """Return the fields of INFO persistence that differ from those of a server which keeps nothing."""
        found = self.snapshots.fields()
        running = self._begun_ms >= 0
        writer = self.writer
        found |= {
            "aof_enabled": int(writer is not None),
            "aof_rewrite_in_progress": int(running),
            "aof_rewrite_scheduled": int(self._scheduled),
            "aof_last_rewrite_time_sec": self._last_time_s,
            "aof_current_rewrite_time_sec": (self._engine.now_ms() - self._begun_ms) // 1000 if running else -1,
            "aof_last_bgrewrite_status": "ok" if self._last_ok else "err",
            "aof_rewrites": self._rewrites,
            "aof_rewrites_consecutive_failures": self._failures,
            "aof_last_write_status": "ok" if writer is None or writer.failure is None else "err",
        }
        if writer is not None:
            found |= {
                "aof_current_size": self.current_size,
                "aof_base_size": self._base_size,
                "aof_pending_rewrite": int(self._scheduled),
                "aof_buffer_length": writer.buffered,
                "aof_pending_bio_fsync": int(writer.syncing),
                "aof_delayed_fsync": writer.delayed_syncs,
            }
        return found


def _like(config: Config) -> Config:
    """Return a configuration for an engine that only holds as many databases."""
    result = Config()
    result.assign("databases", config.get("databases"))
    return result


def _nothing() -> None:
    """Stand in where nobody else could have the directory."""


def _ignore(_error: BaseException | None) -> None:
    """Stand in where the end is looked at otherwise."""
