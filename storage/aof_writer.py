"""The increments of the append-only file: effects in, bytes on the disk, as `appendfsync` asks.

What lives here: the queue of effects, their form, writing, syncing, and what happens when the disk refuses. What must
not: manifests and rewrites (:mod:`kvcore.storage.aof`). Two sides meet here. The engine's, under its lock, calls
:meth:`AofWriter.take` and never waits. Whoever is about to tell a client that its command is done calls
:meth:`AofWriter.commit`, without that lock: one write for all that piled up, and with `appendfsync always` one sync.

The rule when the disk refuses: nothing that was taken is dropped. What is half written is cut off again, everything is
kept and tried again, and until that succeeds no command that writes is accepted (``failure`` says why).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from kvcore.effects import Effect
from kvcore.storage.aof_text import encode
from kvcore.storage.files import File, write_all

ALWAYS: Final = "always"
EVERY_SECOND: Final = "everysec"
NEVER: Final = "no"

SYNC_INTERVAL_S: Final = 1.0
_PATIENCE_S: Final = 2.0
"""How long writing waits for a sync that is under way, so as not to be held up by it."""

_NOT_LOGGED: Final = frozenset({b"publish", b"spublish"})
"""Effects that replicas must hear of and that change no data."""


class AofWriter:
    """Appends effects to one file after another."""

    __slots__ = (
        "_awake",
        "_closing",
        "_condition",
        "_file",
        "_formers",
        "_io",
        "_now_s",
        "_postponed_s",
        "_selected",
        "_stamp_s",
        "_sync_failed",
        "_syncing",
        "_thread",
        "_torn",
        "_units",
        "_unsynced",
        "_unwritten",
        "_unwritten_db",
        "_written",
        "delayed_syncs",
        "doubtful",
        "failure",
        "policy",
        "size",
        "stamped",
        "synced",
        "taken",
    )

    def __init__(self, file: File, size: int, policy: str, now_s: Callable[[], int], *, threaded: bool = True) -> None:
        """Go on behind ``size`` bytes of ``file``; ``now_s`` is the Unix time for annotations.

        Without ``threaded`` nothing is written or synced but by :meth:`commit` and :meth:`sync`.
        """
        self._file = file
        self.size = size
        """Bytes of whole units in the present file."""
        self.policy = policy
        self.stamped = False
        """`aof-timestamp-enabled`: a line with the time stands before the first command of a second."""
        self.failure: OSError | None = None
        """Why nothing can be written at present; None while all is well."""
        self.delayed_syncs = 0
        """How often writing went on although a sync had been running for two seconds."""
        self.doubtful = False
        """A sync failed once: what it was to save may be lost even if a later one succeeded. For a rewrite to heal."""
        self.taken = 0
        """Units taken so far."""
        self.synced = 0
        """How many of them are known to be on the disk."""
        self._written = 0
        self._now_s = now_s
        self._stamp_s = 0
        self._units: deque[Sequence[Effect]] = deque()
        self._unwritten = b""
        self._unwritten_db = -1  # the database that the file has selected where that begins
        self._selected = -1
        self._torn = False
        """Behind ``size`` bytes the file has the beginning of something that could not be written whole."""
        self._unsynced = False
        self._formers: set[File] = set()
        """Files before this one that are still to be synced, by whoever got them."""
        self._sync_failed = False
        self._postponed_s = 0.0
        self._io = threading.Lock()
        """Held while the file is written; never together with the engine's lock by :meth:`commit`."""
        self._condition = threading.Condition(threading.Lock())
        self._awake = not threaded
        """Whether the thread will look at ``_units`` within a second without being told."""
        self._syncing = False
        self._closing = False
        self._thread: threading.Thread | None = None

    # The engine's side

    def take(self, unit: Sequence[Effect]) -> None:
        """Take the effects of an execution unit. O(1)."""
        self._units.append(unit)
        self.taken += 1
        if not self._awake:
            self._wake()

    def switch(self, file: File) -> File:
        """Go on in a new, empty file; return the old one, to be synced, told of (:meth:`former_synced`) and closed.

        It holds all that was taken before and could be written. With `appendfsync always` it is synced already. The
        caller holds the engine lock: nothing is taken meanwhile.
        """
        with self._io:
            self._flush()
            if self.policy == ALWAYS:
                self._sync_now()
            old, self._file = self._file, file
            self._formers.add(old)
            self.size = 0
            self._torn = False
            if self._unwritten and self._unwritten_db >= 0:
                self._unwritten = _select(self._unwritten_db) + self._unwritten
            self._selected = self._unwritten_db = -1
            return old

    def follow(self, policy: str) -> None:
        """Take over a changed `appendfsync`: what a laxer one left unsynced is synced soon."""
        if policy != self.policy:
            self.policy = policy
            if self._unsynced and not self._awake:
                self._wake()

    def former_synced(self, file: File) -> None:
        """Hear that a file from :meth:`switch` is on the disk, or needed no more. Any thread may call this."""
        with self._io:
            self._formers.discard(file)
            self._unsynced = True  # the next sync of this file says how far all of them have come
        if not self._awake:
            self._wake()

    def former_failed(self) -> None:
        """Hear that a file from :meth:`switch` could not be synced: only a rewrite heals that."""
        self.doubtful = True

    def rewritten(self) -> None:
        """Hear that no file from :meth:`switch` is needed any more."""
        with self._io:
            self._formers.clear()
            self._unsynced = True
        if not self._awake:
            self._wake()

    # The side of the front ends

    def commit(self) -> bool:
        """Write what was taken, and sync it with `appendfsync always`; False if it is not as safe as it should be."""
        always = self.policy == ALWAYS
        # Whoever read what another thread wrote waits for its sync, too: it must not see what a crash would undo. The
        # order of these questions matters: what has left the queue is in work, or the flags say how that ended.
        idle = not self._units and not (always and self._io.locked())
        if idle and self.failure is None and not (always and self._unsynced):
            return True
        with self._io:
            if self.policy == EVERY_SECOND and self._should_wait():
                return True
            self._flush()
            if always and self._unsynced:
                self._sync_now()
        return not always or self.failure is None

    @property
    def buffered(self) -> int:
        """Bytes that could not be written yet."""
        return len(self._unwritten)

    def sync(self) -> bool:
        """Write and sync everything now; False if that failed."""
        with self._io:
            self._flush()
            self._sync_now()
        return self.failure is None

    def close(self) -> bool:
        """Write and sync everything, stop the thread, close the file; False if something could not be written."""
        whole = self.sync()
        with self._condition:
            self._closing = True
            self._condition.notify()
        if self._thread is not None:
            self._thread.join()
        with self._io:
            self._file.close()
        return whole

    # Writing, under the I/O lock

    def _should_wait(self) -> bool:
        """Whether to write later, because a sync is under way that would hold the write up."""
        if not self._syncing:
            self._postponed_s = 0.0
            return False
        now = time.monotonic()
        if not self._postponed_s:
            self._postponed_s = now
        if now - self._postponed_s < _PATIENCE_S:
            return True
        self._postponed_s = 0.0
        self.delayed_syncs += 1
        return False

    def _flush(self) -> None:
        units = self._units
        if units:
            parts = [self._unwritten] if self._unwritten else []
            if not parts:
                self._unwritten_db = self._selected
            for _ in range(len(units)):  # not until there are none: others go on adding
                self._add(parts, units.popleft())
                self._written += 1
            self._unwritten = b"".join(parts)
        data = self._unwritten
        if not data:
            return
        try:
            if self._torn:
                self._file.truncate(self.size)
                self._torn = False
            self._torn = True
            write_all(self._file, data)
            self._torn = False
        except OSError as error:
            self.failure = error
            return
        self.size += len(data)
        self._unwritten = b""
        self._unsynced = True
        if not self._sync_failed:
            self.failure = None

    def _add(self, parts: list[bytes], unit: Sequence[Effect]) -> None:
        if self.stamped:
            now_s = self._now_s()
            if now_s != self._stamp_s:
                self._stamp_s = now_s
                parts.append(b"#TS:%d\r\n" % now_s)
        for db, argv in _logged(unit):
            if db != self._selected:
                parts.append(_select(db))
                self._selected = db
            parts.append(encode(argv))

    def _sync_now(self) -> None:
        try:
            self._file.sync()
        except OSError as error:
            self._sync_failed = self.doubtful = True
            self.failure = error
            return
        self._unsynced = False
        self._sync_failed = False
        if not self._unwritten:
            self.failure = None
            if not self._formers:
                self.synced = self._written

    # The thread: a sync each second while there is something to sync, and new tries after a failure

    def _wake(self) -> None:
        with self._condition:
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(target=self._run, name="kvcore-aof", daemon=True)
                self._thread.start()
            self._condition.notify()

    def _has_work(self) -> bool:
        # In this order: what has left the queue is being written, or known to be unsynced.
        return bool(
            self._units or self._io.locked() or self.failure is not None or (self._unsynced and self.policy != NEVER)
        )

    def _run(self) -> None:
        while True:
            with self._condition:
                self._awake = False
                if not self._has_work() and not self._closing:
                    self._condition.wait()
                self._awake = True
                self._condition.wait_for(lambda: self._closing, SYNC_INTERVAL_S)
                if self._closing:
                    return
            with self._io:
                self._flush()
                file, policy = self._file, self.policy
                if policy == ALWAYS and self._unsynced:
                    self._sync_now()
                self._syncing = self._unsynced and (policy == EVERY_SECOND or self._sync_failed)
                size, written = self.size, self._written
            if self._syncing:
                self._sync_aside(file, size, written)

    def _sync_aside(self, file: File, size: int, written: int) -> None:
        """Sync without holding up who writes: ``size`` bytes, with the units up to ``written``."""
        failure: OSError | None = None
        try:
            file.sync()
        except OSError as error:
            failure = error
        with self._io:
            self._syncing = False
            if file is not self._file:
                # A rewrite went on in another, and syncs this one itself; but the disk tells of a failure only once.
                self.doubtful = self.doubtful or failure is not None
                return
            self._sync_failed = failure is not None
            if failure is not None:
                self.doubtful = True
                self.failure = failure
            else:
                self._unsynced = self.size != size
                if not self._unwritten:
                    self.failure = None
                if not self._formers:
                    self.synced = written


def _select(db: int) -> bytes:
    return encode((b"SELECT", b"%d" % db))


def _logged(unit: Sequence[Effect]) -> Sequence[Effect]:
    """Return what of a unit changes data; a single change needs no transaction."""
    if len(unit) == 1:
        return () if unit[0][1][0].lower() in _NOT_LOGGED else unit
    kept = [effect for effect in unit if effect[1][0].lower() not in _NOT_LOGGED]
    around = 2  # MULTI and EXEC
    if len(kept) == len(unit):
        return unit
    return kept if len(kept) > around + 1 else kept[1:-1]
