"""The files of the append-only file on disk: finding, loading, and replacing the manifest.

What lives here: the directory, Redis 7's manifest, older single files, what a crash left of the last increment. What
must not: when to write (:mod:`kvcore.storage.aof_writer`) and when to rewrite (:mod:`kvcore.storage.aof`). The rule:
the manifest on disk always names files that are whole, but for the last increment's end.
"""

from __future__ import annotations

import gc
import logging
import os
import time
from typing import Final

from kvcore.config import Config
from kvcore.engine import Engine
from kvcore.errors import AofError, KvcoreError
from kvcore.latency import NEVER_NS
from kvcore.loading import Loader
from kvcore.rdb.file_reader import FileReader
from kvcore.storage import report
from kvcore.storage.aof_manifest import BASE, AofFile, Manifest, parse
from kvcore.storage.aof_reader import AofReader, MalformedAofError
from kvcore.storage.aof_replay import Replay
from kvcore.storage.files import File, Files, write_all
from kvcore.storage.progress import Progress

logger = logging.getLogger("kvcore.storage")

_RDB_MARK: Final = b"REDIS"

TEMPORARY: Final = "temp-rewriteaof-bg-"
"""What the name of a base begins with, before the number of its process, until it is complete."""


class AofFiles:
    """The directory of one append-only file."""

    __slots__ = ("_config", "_directory", "_files", "manifest")

    def __init__(self, config: Config, files: Files) -> None:
        self._config = config
        self._files = files
        self._directory = ""
        self.manifest = Manifest()
        """As it is on disk."""

    @property
    def prefix(self) -> str:
        """`appendfilename`: what the files' names begin with."""
        return self._config.string("appendfilename")

    @property
    def directory(self) -> str:
        """Where the files are: what :meth:`settle` found, whatever `dir` says since."""
        return self._directory or os.path.join(self._config.string("dir"), self._config.string("appenddirname"))

    def settle(self) -> None:
        """Go by `dir` as it is now: nothing is open or being written."""
        self._directory = ""
        self._directory = self.directory

    def path(self, name: str) -> str:
        """Return the path of a file in the directory."""
        return os.path.join(self.directory, name)

    # The manifest

    def read_manifest(self, *, upgrade: bool = True) -> bool:
        """Read the manifest, bringing an older single file under one; False if there is nothing. Raises AofError."""
        if upgrade:
            self._upgrade()
        path = self.path(f"{self.prefix}.manifest")
        if not self._files.exists(path):
            self.manifest = Manifest()
            return False
        self.manifest = parse(self._read(path).decode("utf-8", "surrogateescape"))
        for file in self.manifest.files:
            if not self._files.exists(self.path(file.name)):
                raise AofError(f"Unable to obtain the AOF file {file.name} length. stat: No such file or directory")
        return bool(self.manifest.files)

    def write_manifest(self, manifest: Manifest) -> None:
        """Replace the manifest on disk, and wait until that is safe. Raises OSError and leaves the old one."""
        self._files.make_directory(self.directory)
        temporary = self.path(f"temp-{self.prefix}.manifest")
        file = self._files.create(temporary)
        try:
            write_all(file, manifest.text().encode("utf-8", "surrogateescape"))
            file.sync()
        finally:
            file.close()
        self._files.rename(temporary, self.path(f"{self.prefix}.manifest"))
        self._files.sync_directory(self.directory)
        self.manifest = manifest

    def remove_leftovers(self) -> None:
        """Delete what attempts left that a kill ended. Whoever calls has the directory to itself. Raises OSError."""
        directory = self.directory
        if not self._files.exists(directory):
            return
        for name in self._files.list(directory):
            if (name.startswith(TEMPORARY) and name.endswith(".aof")) or name == f"temp-{self.prefix}.manifest":
                logger.info("Removing %s, which an earlier process left", name)
                self._files.remove(self.path(name))

    def remove_history(self) -> None:
        """Delete the files that only wait for it, unless `aof-disable-auto-gc` keeps them. Raises OSError."""
        if not self.manifest.history or self._config.flag("aof-disable-auto-gc"):
            return
        for file in self.manifest.history:
            logger.info("Removing the history file %s in the background", file.name)
            self._files.remove(self.path(file.name))
        self.write_manifest(self.manifest.without_history())

    def _upgrade(self) -> None:
        """Bring the single file of Redis 6 and older into the directory, as the base."""
        old = os.path.join(self._config.string("dir"), self.prefix)
        if not self._files.exists(old):
            return
        manifest = self.path(f"{self.prefix}.manifest")
        if self._files.exists(manifest):
            # A crash between the manifest and the move left it so.
            names = [file.name for file in parse(self._read(manifest).decode("utf-8", "surrogateescape")).files]
            if names != [self.prefix] or self._files.exists(self.path(self.prefix)):
                return
        logger.info(
            "Successfully migrated an old-style AOF file (%s) into the AOF directory (%s).",
            self.prefix,
            self._config.string("appenddirname"),
        )
        self.write_manifest(Manifest(base=AofFile(self.prefix, 1, BASE), base_sequence=1))
        self._files.rename(old, self.path(self.prefix))
        self._files.sync_directory(self.directory)

    def _read(self, path: str) -> bytes:
        file = self._files.open(path)
        try:
            return file.read(max(file.size(), 1))
        finally:
            file.close()

    # Loading

    def load(self, engine: Engine, progress: Progress | None = None, *, cut: bool = True) -> int:
        """Load base and increments into an engine nobody uses yet; return their bytes. Raises AofError, OSError.

        What a crash left of the last command is cut off the file, unless ``cut`` says that files stay as they are.
        After an error the engine holds part of the data, and must not be used.
        """
        begun = time.perf_counter()
        total = 0
        collecting = gc.isenabled()
        gc.disable()  # it would look at every container, again and again, and find nothing
        turns = Progress(engine) if progress is None else progress
        # What was accepted once is not refused or evicted now; and no time to live had ended when the commands ran.
        engine.keyspace.replaying = engine.replays_file = True
        slow_ns, engine.slow_ns = engine.slow_ns, NEVER_NS
        engine.watch_some()
        try:
            files = self.manifest.files
            for file in files:
                turns.expect(self._size(file))
            with turns.replaying():
                for file in files:
                    total += self._load_file(engine, file, turns, last=file is files[-1], cut=cut)
        finally:
            engine.keyspace.replaying = engine.replays_file = False
            if engine.slow_ns == NEVER_NS:
                engine.slow_ns = slow_ns
            engine.watch_some()
            if collecting:
                gc.enable()
        engine.statistics.dirty = 0
        logger.info("DB loaded from append only file: %.3f seconds", time.perf_counter() - begun)
        return total

    def _size(self, file: AofFile) -> int:
        opened = self._files.open(self.path(file.name))
        try:
            return opened.size()
        finally:
            opened.close()

    def _load_file(self, engine: Engine, file: AofFile, progress: Progress, *, last: bool, cut: bool) -> int:
        begun = time.perf_counter()
        source = self._files.open(self.path(file.name))
        replay: Replay | None = None
        try:
            size = source.size()
            first = progress.read(source)
            start = 0
            if first.startswith(_RDB_MARK):
                first, start = self._load_rdb(engine, source, first, size, progress, file.name)
            reader = AofReader(start)
            replay = Replay(engine, file.name, start)
            try:
                self._replay(replay, reader, first, source, progress)
            except MalformedAofError as error:
                raise AofError(
                    f"Bad file format reading the append only file {file.name}: make a backup of your AOF file, "
                    f"then use 'kvcore check-aof --fix {self.path(file.name)}'. It is malformed at offset "
                    f"{error.offset}"
                ) from None
            whole = not reader.pending and not replay.in_transaction
        finally:
            source.close()
            if replay is not None:
                replay.close()
        if not whole:
            self._cut(file, replay, last=last, really=cut)
            size = replay.offset
        kind = "base" if file.kind == BASE else "incr"
        if not size:
            return 0
        logger.info("DB loaded from %s file %s: %.3f seconds", kind, file.name, time.perf_counter() - begun)
        return size

    def _replay(self, replay: Replay, reader: AofReader, data: bytes, source: File, progress: Progress) -> None:
        while data:
            replay.run(reader.feed(data))
            data = progress.read(source)
        while found := reader.feed(b"", last=True):
            replay.run(found)

    def _load_rdb(
        self, engine: Engine, source: File, first: bytes, size: int, progress: Progress, name: str
    ) -> tuple[bytes, int]:
        """Load the snapshot that a file begins with; return the bytes read beyond it, and where they stand."""
        is_base = name.endswith(".rdb")
        logger.info("Reading RDB %s...", "base file on AOF loading" if is_base else "preamble from AOF file")
        loader = Loader(engine.keyspace.databases, engine.now_ms(), engine.libraries.load, keep_expired=True)
        reader = FileReader(
            loader,
            engine.limits,
            deep=self._config.string("sanitize-dump-payload") == "yes",
            verify=self._config.flag("rdbchecksum"),
            databases=len(engine.keyspace.databases),
            size=size,
        )
        progress.watch(loader)
        data = first
        try:
            while not reader.done and data:
                reader.feed(data)
                data = b"" if reader.done else progress.read(source)
            reader.finish()
        except KvcoreError as error:
            for line in report.unreadable_snapshot(error):
                logger.warning("%s", line)
            what = "RDB base file" if is_base else "RDB preamble of the AOF file"
            logger.warning("Error reading the %s %s, AOF loading aborted", what, name)
            raise
        progress.watch(None)
        loader.log_end()
        if not is_base:
            logger.info("Reading the remaining AOF tail...")
        return reader.tail, reader.position

    def _cut(self, file: AofFile, replay: Replay, *, last: bool, really: bool) -> None:
        """Cut off what a crash left of the last command, if that is allowed."""
        path = self.path(file.name)
        if replay.in_transaction:
            logger.warning("Revert incomplete MULTI/EXEC transaction in AOF file %s", file.name)
        if not self._config.flag("aof-load-truncated"):
            raise AofError(
                f"Unexpected end of file reading the append only file {file.name}. You can: "
                f"1) Make a backup of your AOF file, then use 'kvcore check-aof --fix {path}'. "
                f"2) Alternatively you can set the 'aof-load-truncated' configuration option to yes and restart the "
                f"server. Its last whole command ends at offset {replay.offset}"
            )
        logger.warning("!!! Warning: short read while loading the AOF file %s!!!", file.name)
        logger.warning("!!! Truncating the AOF %s at offset %d !!!", file.name, replay.offset)
        logger.warning("AOF %s loaded anyway because aof-load-truncated is enabled", file.name)
        if really:
            target = self._files.append(path)
            try:
                target.truncate(replay.offset)
                target.sync()
            finally:
                target.close()
        if not last:
            raise AofError("Fatal error: the truncated file is not the last file")
