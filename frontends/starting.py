"""The time between the first client and the first answer: the data set is loaded while clients hear LOADING.

What lives here: the thread that loads, and how it lets the event loops have the engine. What must not: what is loaded
(a ``kvcore.storage`` plug-in's), and what clients may do meanwhile (:mod:`kvcore.gates`). The rule: the thread holds
the engine lock but while it waits for the disk, and nothing else touches the data set before it has ended.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

from kvcore.storage.progress import StoppedError, Turns

_SLICE_NS: Final = 10_000_000
"""How long the loader keeps the engine at least, if its files come at once."""

_MOMENT_S: Final = 0.001
"""How long others have it then: a thread that waits for a lock must get the time to wake up."""


class Load(Protocol):
    """Brings the data set; ``turns`` lets others have the engine meanwhile. Raises KvcoreError."""

    def __call__(self, turns: Turns | None = None) -> object:
        """Load; called with the engine lock held."""


class LockTurns:
    """Frees the engine lock now and then."""

    __slots__ = ("_left_ns", "_lock", "_since_ns")

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock
        self._since_ns = time.monotonic_ns()
        self._left_ns = 0

    def leave(self) -> None:
        """Free the lock."""
        self._left_ns = time.monotonic_ns()
        self._lock.release()

    def come_back(self, pause_s: float) -> None:
        """Take the lock again: at once if others had it a moment ago, else after a moment, or after ``pause_s``."""
        due = self._left_ns - self._since_ns >= _SLICE_NS
        pause_s = max(pause_s, _MOMENT_S if due else 0.0)
        if pause_s:
            time.sleep(pause_s)
            self._since_ns = time.monotonic_ns()
        self._lock.acquire()


class Loading:
    """One load, in a thread of its own."""

    __slots__ = ("_done", "_load", "_lock", "_thread", "error")

    def __init__(self, load: Load, lock: threading.Lock, done: Callable[[], None]) -> None:
        """``done`` is called at the end, however that came, in the thread that loaded."""
        self._load = load
        self._lock = lock
        self._done = done
        self.error: BaseException | None = None
        """What went wrong, None while nothing has; being stopped is no error."""
        self._thread = threading.Thread(target=self._run, name="kvcore-loader", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self) -> None:
        """Wait for the end; one that hangs on a read ends with the process."""
        self._thread.join(1.0)

    def _run(self) -> None:
        try:
            with self._lock:
                self._load(LockTurns(self._lock))
        except StoppedError:
            pass
        except BaseException as error:
            self.error = error
        self._done()
