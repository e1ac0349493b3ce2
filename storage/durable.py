"""The data set on disk: snapshots and, if `appendonly` says so, the append-only file; what servers and stores open.

What lives here: which of the two is loaded, and switching the log on and off while serving. What must not: either of
them. The rule, Redis's own: with `appendonly yes` the log is the data set, and the snapshot file is not looked at.
"""

from __future__ import annotations

import logging

from kvcore.engine import Engine
from kvcore.errors import ConfigError, KvcoreError
from kvcore.storage.aof import AppendOnlyFile
from kvcore.storage.files import Files, SystemFiles
from kvcore.storage.lock import DirectoryLock
from kvcore.storage.progress import Progress, Turns
from kvcore.storage.snapshots import LoadError, Snapshots

logger = logging.getLogger("kvcore.storage")


class Durable:
    """What keeps an engine's data set on disk."""

    __slots__ = ("_abandoned", "_engine", "_exclusive", "_lock", "_locked", "log", "snapshots")

    def __init__(
        self,
        engine: Engine,
        *,
        files: Files | None = None,
        threaded: bool = True,
        exclusive: bool = False,
        locked: bool = False,
    ) -> None:
        """Without ``threaded`` everything is written by whoever calls the engine's tick.

        With ``exclusive`` the directory is locked while a log is written there: two writers would ruin it. ``locked``
        says that the caller holds that lock. With either, what killed processes left is removed before a log begins.
        """
        port: Files = SystemFiles() if files is None else files
        self._engine = engine
        self._abandoned = False
        self._exclusive = exclusive
        self._locked = locked
        self._lock: DirectoryLock | None = None
        self.snapshots = Snapshots(engine, files=port, threaded=threaded)
        self.log = AppendOnlyFile(self.snapshots, engine, port, threaded=threaded)
        self.log.claim = self._take_directory

    def load(self, turns: Turns | None = None, *, adopt: bool = False) -> bool:
        """Load what is on disk into the engine, which nobody uses yet; False if there is nothing. O(bytes).

        With ``turns`` others use it meanwhile, and are told that it loads.

        With `appendonly yes` and no log yet, redis-server begins with an empty data set even if there is a snapshot;
        ``adopt`` takes the snapshot for the beginning of the log. Raises LoadError; after that the engine holds part of
        the data, and must not be used.
        """
        engine = self._engine
        progress = self.snapshots.loading = Progress(engine, turns)
        engine.loading = turns is not None
        if engine.loading:
            engine.begin_receiving(exclusive=True)
        try:
            if not engine.config.flag("appendonly"):
                found = self.snapshots.load(progress)
            else:
                self._take_directory()
                self._remove_leftovers()
                found = self.log.load(progress) or (adopt and self.snapshots.load(progress))
                self.log.start()
        except OSError as error:
            raise LoadError(f"Fatal error loading the DB: {error}. Exiting.") from error
        finally:
            self.snapshots.loading = None
        if engine.loading:
            engine.loading = False
            engine.end_receiving()
        engine.replication.loaded()
        engine.config.on_change("appendonly", self._follow_config)
        return found

    def read(self) -> bool:
        """Load what is on disk, and leave it as it is: the log if there is one, else the snapshot. Raises LoadError."""
        try:
            return self.log.read() or self.snapshots.load()
        except OSError as error:
            raise LoadError(f"Fatal error loading the DB: {error}. Exiting.") from error

    def close(self) -> bool:
        """Write, sync and close what is open; False if that failed, and the log says why."""
        self.snapshots.background.cancel()
        try:
            return self.log.stop()
        finally:
            self._leave_directory()

    def _take_directory(self) -> None:
        """Lock the directory, if that is wanted; raise LockedError if another process writes there."""
        directory = self._engine.config.string("dir")
        if self._exclusive and (self._lock is None or self._lock.directory != directory):
            lock = DirectoryLock(directory)
            self._leave_directory()
            self._lock = lock

    def _remove_leftovers(self) -> None:
        """Delete the temporary files of processes that were killed, if nobody else can be at work on them."""
        if not (self._locked or self._lock is not None):
            return
        try:
            self.log.remove_leftovers()
            self.snapshots.remove_leftovers()
        except OSError as error:
            logger.warning("Can't delete what an earlier process left: %s", error)

    def _leave_directory(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def abandon(self) -> None:
        """Keep off the files from now on: another process has them. Nothing is written or closed."""
        self._abandoned = True
        self.log.abandon()

    def _follow_config(self) -> None:
        if self._abandoned:
            return
        wanted = self._engine.config.flag("appendonly")
        if not wanted:
            if not self.log.stop():
                logger.warning("Can't sync the AOF file before it is switched off")
            self._leave_directory()
            return
        try:
            self.log.switch_on()
        except (OSError, KvcoreError) as error:
            self._leave_directory()
            logger.warning("Can't begin an append-only file: %s", error)
            raise ConfigError("Unable to turn on AOF. Check server logs.") from error
