"""The increments of the append-only file: effects in, bytes on the disk, as `appendfsync` asks.

What lives here: the queue of effects, their form, writing, syncing, and what happens when the disk refuses. What must
not: manifests and rewrites (:mod:`kvcore.storage.aof`). Two sides meet here. The engine's, under its lock, calls
:meth:`AofWriter.take` and never waits. Whoever is about to tell a client that its command is done calls
:meth:`AofWriter.commit`, without that lock: one write for all that piled up, and with `appendfsync always` one sync.

The rule when the disk takes no more: nothing that was taken is dropped. What is half written is cut off again,
everything is kept and tried again, and until that succeeds no command that writes is accepted (``failure`` says why).

The rule when a sync fails: what it was to save is in doubt for good. The system may have dropped those pages, and tells
of that once: a later sync of the same file succeeds and proves nothing. So nothing is safe, and no command that writes
is accepted, until all of the data set has been written to other files (:meth:`AofWriter.rewritten`).
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
        "_current_failed",
        "_file",
        "_formers",
        "_io",
        "_now_s",
        "_postponed_s",
        "_refused",
        "_selected",
        "_stamp_s",
        "_syncing",
        "_thread",
        "_torn",
        "_units",
        "_unsynced",
        "_unwritten",
        "_written",
        "delayed_syncs",
        "doubt",
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
        self._refused: OSError | None = None  # why the last write failed
        self.delayed_syncs = 0
        """How often writing went on although a sync had been running for two seconds."""
        self.doubt: OSError | None = None
        """Why a sync failed: what it was to save may be lost, whatever later ones say. Only a rewrite heals that."""
        self._current_failed = False  # it was a sync of the present file, so a rewrite that began before heals nothing
        self.taken = 0
        """Units taken so far."""
        self.synced = 0
        """How many of them are known to be on the disk."""
        self._written = 0
        self._now_s = now_s
        self._stamp_s = 0
        self._units: deque[Sequence[Effect]] = deque()
        self._unwritten = b""
        self._selected = -1
        self._torn = False
        """Behind ``size`` bytes the file has the beginning of something that could not be written whole."""
        self._unsynced = False
        self._formers: set[File] = set()
        """Files before this one that are still to be synced, by whoever got them."""
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

    @property
    def failure(self) -> OSError | None:
        """Why nothing that is written now is safe; None while all is well."""
        return self._refused if self._refused is not None else self.doubt

    def flush(self) -> bool:
        """Write everything now; False if not all of it could be written."""
        with self._io:
            self._flush()
            return not self._unwritten

    def switch(self, file: File, *, covered: bool = False) -> File:
        """Go on in a new, empty file; return the old one, to be synced, told of (:meth:`former_synced`) and closed.

        The old one holds all that was taken before, because :meth:`flush` said so; with `appendfsync always` it is
        synced already. ``covered`` tells that the data set is about to be written whole: then the old one is left as it
        is, and what it could not take is dropped, since it would come twice. The caller holds the engine lock: nothing
        is taken meanwhile.
        """
        with self._io:
            if covered:
                self._written += len(self._units)
                self._units.clear()
                self._unwritten = b""
                self._refused = None
            else:
                self._flush()
                assert not self._unwritten, "it was flushed"
                if self.policy == ALWAYS:
                    self._sync_now()
            old, self._file = self._file, file
            self._formers.add(old)
            self.size = 0
            self._torn = self._current_failed = self._unsynced = False
            self._selected = -1
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

    def former_failed(self, file: File, error: OSError) -> None:
        """Hear that a file from :meth:`switch` could not be synced: only a rewrite heals that."""
        with self._io:
            if file in self._formers:  # else a rewrite has come meanwhile, and nobody needs it any more
                self.doubt = error

    def rewritten(self) -> None:
        """Hear that no file from :meth:`switch` is needed any more: the data set of that moment is on the disk."""
        with self._io:
            self._formers.clear()
            self._unsynced = True
            if not self._current_failed:
                self.doubt = None
        if not self._awake:
            self._wake()

    # The side of the front ends

    def commit(self) -> bool:
        """Write what was taken, and sync it with `appendfsync always`; False if it is not as safe as it should be.

        After a failed sync that is so until the log is rewritten: then, nobody is told of anything that may be lost.
        """
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
    def syncing(self) -> bool:
        """Whether a sync is under way beside the writing, of this file or of one before it."""
        return self._syncing or bool(self._formers)

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
            self._refused = error
            return
        self.size += len(data)
        self._unwritten = b""
        self._unsynced = True
        self._refused = None

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
            self._fail(error)
            return
        self._unsynced = False
        self._note_synced(self._in_file())

    def _fail(self, error: OSError) -> None:
        self.doubt = error
        self._current_failed = True

    def _note_synced(self, written: int) -> None:
        """Take note that the units up to ``written`` are on the disk, if earlier ones are."""
        if self.doubt is None and not self._formers:
            self.synced = max(self.synced, written)

    def _in_file(self) -> int:
        """Return up to which unit the files have all: what they could not take counts as soon as it is written."""
        return self.synced if self._unwritten else self._written

    # The thread: a sync each second while there is something to sync, and new tries after a failure

    def _wake(self) -> None:
        with self._condition:
            if self._thread is None and not self._closing:
                thread = threading.Thread(target=self._run, name="kvcore-aof", daemon=True)
                try:
                    thread.start()
                finally:
                    if thread.is_alive():  # a signal handler that raises may have come before
                        self._thread = thread
            self._condition.notify()

    def _has_work(self) -> bool:
        # In this order: what has left the queue is being written, or known to be unsynced.
        return bool(
            self._units or self._io.locked() or self._refused is not None or (self._unsynced and self.policy != NEVER)
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
                self._syncing = self._unsynced and policy == EVERY_SECOND
                size, written = self.size, self._in_file()
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
                if failure is not None and file in self._formers:
                    self.doubt = failure
                return
            if failure is not None:
                self._fail(failure)
            else:
                self._unsynced = self.size != size
                self._note_synced(written)


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
