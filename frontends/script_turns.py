"""How a script that runs long lets other clients in (:class:`kvcore.ports.ScriptTurns`).

What lives here: the two ways there are. What must not: when to give way, and what others may do meanwhile
(:mod:`kvcore.scripting.scripts`). The rule: whoever comes back from :meth:`yield_now` holds the engine lock.

On an event loop the script must leave the thread, with its C stack: scripts run in a greenlet, one for each loop, which
is left in the middle of the script and entered again by the loop, slice by slice. Where nothing like that is to be had
(an embedded store, no greenlet installed) the lock is free for a moment, and other threads come in.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kvcore.ports import PARKED, Parked, ScriptTurns

if TYPE_CHECKING:
    import asyncio

    from greenlet import greenlet

Job = Callable[[], None]

_MOMENT_S: Final = 0.001
"""How long the lock is free between two slices.

Who frees it and takes it again at once keeps it from everybody: a thread that waits for it wakes up too late, again and
again.
"""


class LockTurns:
    """Frees the lock for a moment."""

    __slots__ = ("_lock",)

    parks = False

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock

    def run(self, job: Job, done: Job) -> Parked | None:  # noqa: ARG002 - the protocol's argument
        """Run ``job`` to its end."""
        job()
        return None

    def yield_now(self) -> None:
        """Let other threads have the lock."""
        self._lock.release()
        try:
            time.sleep(_MOMENT_S)
        finally:
            self._lock.acquire()


class GreenletTurns(LockTurns):
    """Leaves the script, and has the event loop come back to it."""

    __slots__ = ("_current", "_done", "_loop", "_new", "_parked", "_runners")

    parks = True

    def __init__(self, lock: threading.Lock) -> None:
        """Raise ImportError without greenlet."""
        from greenlet import getcurrent, greenlet

        super().__init__(lock)
        self._new = greenlet
        self._current = getcurrent
        self._runners: dict[int, greenlet] = {}  # by thread
        self._parked: greenlet | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._done: Job = _nothing

    def run(self, job: Job, done: Job) -> Parked | None:
        """Run ``job`` in this thread's greenlet."""
        thread = threading.get_ident()
        runner = self._runners.get(thread)
        if runner is None or runner.dead:
            runner = self._runners[thread] = self._new(_serve)
        if runner.switch(job) is not PARKED:
            return None
        self._parked = runner
        self._done = done
        import asyncio

        self._loop = asyncio.get_running_loop()
        self._loop.call_later(_MOMENT_S, self._go_on)
        parked: Parked = PARKED
        return parked

    def yield_now(self) -> None:
        """Go back to the event loop; outside of one, free the lock instead."""
        current = self._current()
        runner = self._runners.get(threading.get_ident())
        if runner is None or current is not runner or not _in_event_loop():
            super().yield_now()
            return
        runner.parent.switch(PARKED)

    def _go_on(self) -> None:
        """Run the next slice; the loop has served everybody who was ready."""
        assert self._parked is not None
        assert self._loop is not None
        with self._lock:
            if self._parked.switch() is PARKED:
                self._loop.call_later(_MOMENT_S, self._go_on)
                return
            self._parked = None
            done, self._done = self._done, _nothing
            done()


def _serve(job: Job) -> None:
    """Run job after job in a greenlet: making one for each would take longer than most scripts."""
    from greenlet import getcurrent

    switch_back = getcurrent().parent.switch
    while True:
        job()
        job = switch_back(None)


def _in_event_loop() -> bool:
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _nothing() -> None:
    """Stand in while nothing is parked."""


def server_turns(lock: threading.Lock) -> ScriptTurns:
    """Return the best way for a server on event loops."""
    try:
        return GreenletTurns(lock)
    except ImportError:
        return LockTurns(lock)
