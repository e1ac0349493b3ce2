"""What keeps an embedded store's data in a directory: the lock, the files, and a thread that sees to them.

The rule: a store without a directory has none of this, and no thread. With one, the thread ticks (expiry, automatic
rewrites, save points) so that data on disk is looked after while the program does something else.
"""

from __future__ import annotations

import os
import threading

from kvcore.background import LOG
from kvcore.errors import CLOSED_STORE, FORKED_STORE, READ_ONLY_STORE, KvcoreError
from kvcore.frontends.host import Host
from kvcore.ports import MemoryOnly
from kvcore.storage.aof_writer import ALWAYS
from kvcore.storage.durable import Durable
from kvcore.storage.lock import DirectoryLock


class Keeper:
    """The directory of one store."""

    __slots__ = ("_closing", "_durable", "_host", "_lock", "_process", "_thread", "directory", "readonly")

    def __init__(self, host: Host, directory: str, *, readonly: bool) -> None:
        """Lock the directory, load what is there, and begin to write; raises LockedError and LoadError."""
        self._host = host
        self.directory = directory
        self.readonly = readonly
        self._process = os.getpid()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        engine = host.engine
        engine.config.assign("dir", directory)
        if not readonly:
            os.makedirs(directory, exist_ok=True)
        elif not os.path.isdir(directory):
            raise KvcoreError(f"there is no directory {directory!r} to be read")
        self._lock = DirectoryLock(directory, shared=readonly)
        try:
            self._durable = Durable(engine, locked=not readonly)
            if readonly:
                self._durable.read()
                self._keep_off(READ_ONLY_STORE)
                return
            self._durable.load(adopt=True)
            engine.config.on_change("appendfsync", self._follow_config)
            self._follow_config()
        except BaseException:
            self._lock.release()
            raise
        self._thread = threading.Thread(target=self._run, name="kvcore-keeper", daemon=True)
        self._thread.start()

    def commit(self) -> bool:
        """Make safe what was done so far, as `appendfsync` asks; False if it is not."""
        return self._host.engine.persistence.commit()

    def close(self) -> bool:
        """Write, sync and close the files, and unlock the directory; False if not everything could be written."""
        if os.getpid() != self._process:
            return True  # what there is to be written, the process that opened the directory writes
        self._closing.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        try:
            if self.readonly:
                return True
            with self._host.lock:
                engine = self._host.engine
                if engine.background.purpose == LOG:
                    engine.background.finish()  # it may be the first base, without which there is no log
                saved = engine.persistence.prepare_shutdown(None)
                # A thread that was on its way in when the store was closed must not hear that something was kept.
                engine.set_disk_error("readonly", CLOSED_STORE)
                return self._durable.close() and saved
        finally:
            self._lock.release()

    def _follow_config(self) -> None:
        self._host.reads_wait = self._host.engine.config.string("appendfsync") == ALWAYS

    def _keep_off(self, refusal: str) -> None:
        """Have the engine change nothing and save nothing."""
        engine = self._host.engine
        engine.set_disk_error("readonly", refusal)
        engine.persistence = MemoryOnly(engine.persistence.last_save_s)

    def leave_to_parent(self) -> None:
        """Keep off the files, in a process that was forked from the one that goes on writing them."""
        self._thread = None  # it stayed behind
        self._keep_off(FORKED_STORE)
        self._durable.abandon()
        self._lock.abandon()

    def _run(self) -> None:
        delay_s = 0.0
        while not self._closing.wait(delay_s):
            delay_s = self._host.tick() / 1000
