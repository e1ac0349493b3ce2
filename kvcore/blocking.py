"""Sessions parked until a key is ready or time runs out: one implementation for every front end.

``Blocked`` carries keys, deadline and a retry callable. After each execution unit the engine calls :meth:`serve`,
which re-runs the retry of the sessions parked on each signalled key, first come first served, and calls the session's
``deliver`` once. Nothing here waits: a front end awaits, a thread waits, a test completes it by hand.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kvcore.errors import UNBLOCKED, CommandError
from kvcore.replies import Reply, Singleton

if TYPE_CHECKING:
    from kvcore.engine import Engine
    from kvcore.keyspace import Database
    from kvcore.session import Session

Retry = Callable[[bytes], Reply]

STILL_BLOCKED: Final = Singleton("STILL_BLOCKED")
"""What a retry returns when its key cannot serve it."""

_EARLY_NS: Final = 500_000
"""Timers may fire this much early; without the allowance their owner would begin to wait anew."""

_SESSION_BLOCKED: Final = 1  # session.BLOCKED; the session module imports this one


class Blocked:
    """A parked command."""

    __slots__ = (
        "db",
        "deadline_ms",
        "delayed",
        "dependent",
        "done",
        "due_ns",
        "keys",
        "on_timeout",
        "paused",
        "retry",
        "session",
    )

    def __init__(
        self,
        session: Session,
        db: Database,
        keys: tuple[bytes, ...],
        deadline_ms: int,
        retry: Retry,
        on_timeout: Reply,
        dependent: bool = False,
        *,
        paused: bool = False,
        delayed: bool = False,
    ) -> None:
        self.session = session
        self.db = db
        self.keys = keys
        self.deadline_ms = deadline_ms
        """Wall time at which it times out, 0 for never."""
        self.retry = retry
        self.on_timeout = on_timeout
        self.dependent = dependent
        """Whether it is retried, and will fail, when a key of it is removed."""
        self.paused = paused
        """Whether CLIENT PAUSE holds it back: it runs when the pause ends, and waits for no key."""
        self.delayed = delayed
        """Whether it runs when its time comes instead of timing out, and waits for no key (injected latency)."""
        self.due_ns = 0
        """Steady time at which it times out even if the wall clock was stopped or set back meanwhile."""
        self.done = False


class BlockingQueues:
    """Who waits for which key, and until when."""

    __slots__ = ("_deadlines", "_engine", "_resuming", "_sequence", "_serving", "count", "paused", "ready")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._deadlines: list[tuple[int, int, Blocked]] = []
        self._sequence = 0
        self._serving = False
        self._resuming = False
        self.ready: list[tuple[Database, bytes]] = []
        """Keys signalled in this execution unit, in order."""
        self.count = 0
        """Sessions parked now."""
        self.paused: dict[Blocked, None] = {}
        """Commands held back by CLIENT PAUSE, in order of arrival."""

    def add(self, blocked: Blocked) -> None:
        """Park a session. O(keys + log n)."""
        session = blocked.session
        session.blocked = blocked
        session.interrupt |= _SESSION_BLOCKED
        self.count += 1
        for key in blocked.keys:
            blocked.db.waiters.setdefault(key, {})[blocked] = None
            if blocked.dependent:
                dependents = blocked.db.dependents
                dependents[key] = dependents.get(key, 0) + 1
        if blocked.paused:
            self.paused[blocked] = None
        if blocked.deadline_ms:
            self._schedule(blocked)

    def _schedule(self, blocked: Blocked) -> None:
        self._sequence += 1
        clock = self._engine.clock
        blocked.due_ns = clock.steady_ns() + blocked.deadline_ms * 1_000_000 - clock.now_us() * 1000
        heapq.heappush(self._deadlines, (blocked.deadline_ms, self._sequence, blocked))
        self._engine.deadline_added(blocked.deadline_ms)

    def remove(self, blocked: Blocked) -> None:
        """Unpark without a reply (the session is served, timed out or gone). O(keys)."""
        if blocked.done:
            return
        blocked.done = True
        blocked.session.blocked = None
        blocked.session.interrupt &= ~_SESSION_BLOCKED
        self.count -= 1
        self.paused.pop(blocked, None)
        waiters = blocked.db.waiters
        for key in blocked.keys:
            queue = waiters.get(key)
            if queue is not None:
                queue.pop(blocked, None)
                if not queue:
                    del waiters[key]
            if blocked.dependent:
                dependents = blocked.db.dependents
                dependents[key] -= 1
                if not dependents[key]:
                    del dependents[key]
        # Timed-out heaps keep dead entries until they surface; rebuild when most of them are dead.
        if len(self._deadlines) > 64 and len(self._deadlines) > 4 * self.count:
            self._deadlines = [entry for entry in self._deadlines if not entry[2].done]
            heapq.heapify(self._deadlines)

    def finish(self, blocked: Blocked, reply: Reply) -> None:
        """Unpark with a reply."""
        if blocked.done:
            return
        self.remove(blocked)
        blocked.session.deliver(reply)

    def fail(self, blocked: Blocked, error: CommandError) -> None:
        """Unpark with an error, which is counted."""
        self._engine.statistics.count_error(error.code)
        self.finish(blocked, error)

    def serve(self) -> None:
        """Serve sessions parked on the signalled keys, in order, until no key is newly ready."""
        if self._serving:
            return  # a session's deliver ran a command: the loop below comes to what it signalled
        self._serving = True
        try:
            while self.ready:
                signalled, self.ready = self.ready, []
                for db, key in dict.fromkeys(signalled):
                    self._serve_key(db, key)
        finally:
            self._serving = False

    def _serve_key(self, db: Database, key: bytes) -> None:
        present = key in db
        # Usually the head of the queue is served and gone, and the key with it: no copy of a long queue for that.
        while queue := db.waiters.get(key):
            if not self._try(next(iter(queue)), key):
                break
            if present and key not in db:
                return
        for blocked in list(db.waiters.get(key, ()))[1:]:
            if present and key not in db:
                return
            self._try(blocked, key)

    def _try(self, blocked: Blocked, key: bytes) -> bool:
        """Retry a parked command; False if it waits on."""
        if blocked.done or not blocked.session.alive():
            return False
        reply = self._engine.resume(blocked, key)
        if reply is STILL_BLOCKED:
            return False
        self.finish(blocked, reply)
        return True

    def next_deadline_ms(self) -> int:
        """Return when the next parked session times out, 0 if none does."""
        while self._deadlines and self._deadlines[0][2].done:
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else 0

    def expire(self, now_ms: int) -> None:
        """Time out every session whose deadline has passed. O(log n) each.

        Deadlines are given in wall time, which tests move; but who waited that long on a clock that was stopped or set
        back meanwhile has waited enough.
        """
        while (deadline := self.next_deadline_ms()) and (
            deadline <= now_ms or self._deadlines[0][2].due_ns <= self._engine.clock.steady_ns() + _EARLY_NS
        ):
            blocked = heapq.heappop(self._deadlines)[2]
            if blocked.delayed:
                self.resume_paused(blocked)
            elif blocked not in self.paused:
                self.finish(blocked, blocked.on_timeout)
            elif self._engine.pause_until_ms > now_ms:
                # The pause was made longer meanwhile: it waits on, and keeps its place in the order of arrival.
                blocked.deadline_ms = self._engine.pause_until_ms
                self._schedule(blocked)
            else:
                self.resume_paused(blocked)

    def resume_paused(self, blocked: Blocked) -> None:
        """Run a command that CLIENT PAUSE held back, or that was delayed."""
        self.remove(blocked)
        reply = blocked.retry(b"")
        if not isinstance(reply, Blocked):
            blocked.session.deliver(reply)

    def resume_all_paused(self) -> None:
        """Run what CLIENT PAUSE held back, in order of arrival, once the pause is over."""
        if self._resuming:
            return  # a resumed command ended its own unit: the loop below comes to the others
        self._resuming = True
        try:
            for blocked in list(self.paused):
                if not blocked.done:
                    self.resume_paused(blocked)
        finally:
            self._resuming = False

    def unblock(self, session: Session, with_error: bool) -> bool:
        """Do CLIENT UNBLOCK: end a session's wait as if timed out, or with an error. False if it does not wait."""
        blocked = session.blocked
        if blocked is None or blocked.delayed or blocked in self.paused:
            return False
        if with_error:
            self.fail(blocked, CommandError(UNBLOCKED))
        else:
            self.finish(blocked, blocked.on_timeout)
        session.call.command.failed += 1  # to the real server every wait that is cut short is a failure
        self._engine.note_unblocked(session.call, 0)
        return True
