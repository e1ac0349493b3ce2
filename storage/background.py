"""Snapshots on their way to a file: a queue on the engine's side, a thread that writes on the other.

Here: the bounded way from the walk to the file, and giving it its name. Not here: pace (:mod:`kvcore.background`),
which file and which format (:mod:`kvcore.storage.snapshots`, the append only file). The rule: the engine's side never
waits for the disk. Files are touched by the writer only; what both look at is a queue and a few flags that are set
once.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final

from kvcore.rdb.file_writer import Checksum
from kvcore.storage.files import File, Files, write_all

logger = logging.getLogger("kvcore.storage")

_QUEUED_MAX: Final = 4 << 20
_TURN_BYTES: Final = 8 << 20
"""Bytes that the writer takes out of the queue in one turn of the interpreter."""

_SYNC_BYTES: Final = 4 << 20
_WAIT_S: Final = 0.001


class SnapshotFile:
    """A file that becomes visible under its name once it is complete and on the disk.

    An :class:`~kvcore.snapshot.Output`. With ``threaded`` a thread writes it; otherwise every call does its own part.
    """

    __slots__ = (
        "_checksum",
        "_error",
        "_file",
        "_files",
        "_incremental",
        "_on_complete",
        "_path",
        "_queue",
        "_queued",
        "_temporary",
        "_thread",
        "_unsynced",
        "_written",
        "ended",
        "size",
    )

    def __init__(
        self,
        files: Files,
        path: str,
        temporary: str,
        *,
        checksum: Checksum | None,
        incremental_sync: bool,
        threaded: bool,
        on_complete: Callable[[], None] | None = None,
    ) -> None:
        """``temporary`` is the name until the end; both are in one directory.

        ``checksum`` ends the file, if given. ``on_complete`` takes the place of the last step, giving the file its
        name, and runs where the file is written.
        """
        self._files = files
        self._path = path
        self._temporary = temporary
        self._checksum = checksum
        self._incremental = incremental_sync
        self._on_complete = on_complete
        self._file: File | None = None
        self._error: BaseException | None = None
        self._unsynced = 0
        self._queued = 0  # bytes given, and
        self._written = 0  # bytes taken out again
        self.size = 0
        """Bytes of the file, once it is complete."""
        self.ended = False
        """The file has its name, or the attempt failed and left nothing."""
        self._queue: SimpleQueue[bytes | bool | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        if threaded:
            self._thread = threading.Thread(target=self._run, name="kvcore-snapshot", daemon=True)
            self._thread.start()

    @property
    def error(self) -> BaseException | None:
        """What went wrong, None while nothing has."""
        return self._error

    # The engine's side

    def write(self, data: bytes) -> None:
        """Take bytes that follow those before."""
        self._queued += len(data)
        self._give(data)

    def full(self) -> bool:
        """Say whether more is on its way than should be."""
        return self.waiting() > _QUEUED_MAX

    def waiting(self) -> int:
        """Return how many bytes are on their way."""
        return self._queued - self._written

    def wait(self) -> bool:
        """Let some time pass; return True."""
        time.sleep(_WAIT_S)
        return True

    def close(self) -> None:
        """Say that all was given."""
        self._give(None)

    def abort(self) -> None:
        """Give up: the file is removed, and what was on its way to it is dropped."""
        if self._thread is not None:
            with contextlib.suppress(Empty):
                while True:
                    self._queue.get_nowait()
        self._give(False)

    def join(self) -> None:
        """Wait for the end, after :meth:`close` or :meth:`abort`."""
        if self._thread is not None:
            self._thread.join()

    def _give(self, item: bytes | bool | None) -> None:
        if self._thread is None:
            if not self.ended:
                self._take(item)
        else:
            self._queue.put(item)

    # The writer's side

    def _run(self) -> None:
        while not self.ended:
            # All that piled up at once: a busy engine gives this thread a turn each few milliseconds only, and what
            # it has to save early does not wait for the disk.
            pieces: list[bytes] = []
            size = 0
            item = self._queue.get()
            while isinstance(item, bytes):
                pieces.append(item)
                size += len(item)
                if size >= _TURN_BYTES or self._queue.empty():
                    break
                item = self._queue.get()
            if pieces:
                self._take(b"".join(pieces))
            if not isinstance(item, bytes):
                self._take(item)

    def _take(self, item: bytes | bool | None) -> None:
        try:
            if isinstance(item, bytes):
                if self._error is None:
                    self._append(item)
                self._written += len(item)
                return
            if item is None and self._error is None:
                self._complete()
            else:
                self._remove()
            self.ended = True
        except Exception as error:
            self._error = error
            if not isinstance(item, bytes):
                self._remove()
                self.ended = True
            else:
                self._written += len(item)

    def _append(self, data: bytes) -> None:
        file = self._file
        if file is None:
            file = self._file = self._files.create(self._temporary)
        if self._checksum is not None:
            self._checksum.update(data)
        write_all(file, data)
        self.size += len(data)
        self._unsynced += len(data)
        if self._incremental and self._unsynced >= _SYNC_BYTES:
            file.sync()
            self._unsynced = 0

    def _complete(self) -> None:
        if self._checksum is not None:
            self._append(self._checksum.footer())
        file = self._file
        assert file is not None, "a snapshot is never empty"
        file.sync()
        file.close()
        if self._on_complete is not None:
            self._on_complete()
            return
        self._files.rename(self._temporary, self._path)
        slash = self._path.rpartition("/")
        self._files.sync_directory((slash[0] or "/") if slash[1] else ".")

    def _remove(self) -> None:
        """Leave nothing behind; what fails here has failed before."""
        if self._file is None:
            return
        try:
            self._file.close()
            self._files.remove(self._temporary)
        except OSError as error:
            if self._error is None:
                self._error = error
