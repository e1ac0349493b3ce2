"""What clients' sessions cost, and closing the largest when together they take too much (`maxmemory-clients`).

Lives here: the estimate behind CLIENT LIST's memory fields, the account, the choice of victims. Must not live here:
the limits of one client (`client-output-buffer-limit`, `client-query-buffer-limit`), which its connection keeps. The
rule: while no limit is set nothing is counted; with one, a session is weighed when bytes of it had to wait or a command
was queued, and all are at each tick, and at the end of a command that changed who may take how much.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from kvcore import errors
from kvcore.session import CLOSE, Session

if TYPE_CHECKING:
    from kvcore.engine import Engine

logger = logging.getLogger("kvcore.client_memory")

SESSION_BYTES: Final = 2048
"""An idle connection: its objects, without the transport's and the operating system's."""

SUBSCRIPTION_BYTES: Final = 128
"""A channel, pattern, watched key or broadcast prefix in the tables of both sides."""

POINTER_BYTES: Final = 8
"""What the real server adds to each queued argument's own length."""

SMALLEST_LIMIT: Final = 128 * 1024
"""A lower limit counts as this one, as in the real server: nobody could connect to raise it."""


def queued_bytes(session: Session) -> int:
    """Return what the commands between MULTI and EXEC take. O(arguments)."""
    if not session.multi:
        return 0
    return sum(len(argument) + POINTER_BYTES for argv in session.multi for argument in argv)


def memory_of(session: Session) -> int:
    """Estimate what a session takes, buffers included. O(queued arguments)."""
    peer = session.peer
    entries = session.subscriptions + len(session.shard_channels) + len(session.watched)
    if session.tracker is not None:
        entries += len(session.tracker.prefixes)
    argv = session.call.argv if session.blocked is not None else ()
    return (
        SESSION_BYTES
        + peer.request_bytes
        + peer.output_buffer
        + sum(map(len, argv))
        + queued_bytes(session)
        + entries * SUBSCRIPTION_BYTES
    )


class ClientMemory:
    """The account of all normal and subscribed clients of an engine."""

    __slots__ = ("_buffers", "_costs", "_engine", "_summed_ms", "_total", "changed", "evicted", "limit", "watching")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._costs: dict[Session, int] = {}
        self._total = 0
        self._buffers: dict[Session, int] = {}
        """What counts for `maxmemory`, of the clients of whom anything does."""
        self._summed_ms = 0
        self.limit = 0
        """Bytes from which on clients are closed, 0 for no limit."""
        self.watching = False
        """Whether anybody wants to hear of buffers at all: there is this limit, or `maxmemory`."""
        self.changed = False
        """The limit, or whom it holds for, is another than at the last survey."""
        self.evicted = 0
        """Clients closed since the start or CONFIG RESETSTAT."""

    def configure(self, limit: int, maxmemory: int) -> None:
        """Follow `maxmemory-clients`, in bytes or as a negative percentage of `maxmemory`."""
        if limit < 0:
            limit = maxmemory * -limit // 100
        self.limit = max(limit, SMALLEST_LIMIT) if limit else 0
        if not self.limit:
            self._costs.clear()
            self._total = 0
        self.watching = bool(self.limit or maxmemory)
        if not maxmemory:
            self._buffers.clear()
        self._summed_ms = 0
        self.follow()

    def follow(self) -> None:
        """Have a survey at the end of the present command, which changed what is allowed."""
        if self.limit:
            self.changed = True
            self._engine.pending = True

    def total(self) -> int:
        """Return what all clients take together. O(clients)."""
        return sum(memory_of(session) for session in self._engine.sessions.values() if _counts(session))

    def buffered(self, now_ms: int) -> int:
        """Return what waits in the buffers of clients, for `maxmemory`. O(clients) once a second, else O(buffers).

        What an idle connection takes is not counted.
        """
        if abs(now_ms - self._summed_ms) >= 1000:
            sessions = self._engine.sessions
            self._summed_ms = now_ms
            self._buffers = {
                session: waiting
                for session in sessions.values()
                if _counts(session) and (waiting := _buffered_bytes(session))
            }
        return sum(self._buffers.values())

    def weigh(self, session: Session) -> None:
        """Look at one session whose buffers changed, and close clients if all take too much. O(queued arguments)."""
        if not _counts(session) or session.id not in self._engine.sessions:
            return
        eviction = self._engine.eviction
        if eviction.limit:
            waiting = _buffered_bytes(session)
            eviction.client_bytes = max(0, eviction.client_bytes + waiting - self._buffers.get(session, 0))
            self._buffers[session] = waiting
        if self.limit:
            cost = memory_of(session)
            self._total += cost - self._costs.get(session, 0)
            self._costs[session] = cost
            if self._total >= self.limit:
                self.survey()

    def queued(self, session: Session, argv: list[bytes]) -> None:
        """Add a command that ``session`` has just queued behind MULTI. O(arguments)."""
        cost = self._costs.get(session)
        if cost is None:
            self.weigh(session)
            return
        added = sum(len(argument) + POINTER_BYTES for argument in argv)
        self._costs[session] = cost + added
        self._total += added
        if self._total >= self.limit:
            self.survey(session)

    def survey(self, current: Session | None = None) -> None:
        """Weigh every session, and close the largest clients until the others are within the limit. O(clients).

        ``current`` is whose command runs: it still gets the reply.
        """
        self.changed = False
        if not self.limit:
            return
        self._costs = {s: memory_of(s) for s in self._engine.sessions.values() if _counts(s)}
        self._total = sum(self._costs.values())
        if self._total >= self.limit:
            self._evict(current)

    def _evict(self, current: Session | None) -> None:
        for session in sorted(self._costs, key=self._costs.__getitem__, reverse=True):
            if self._total < self.limit:
                break
            if session.no_evict or session.peer.descriptor < 0:
                continue  # what is in this process has nothing to close
            logger.info("Evicting client: %s", errors.printable(self._engine.acl.describe_client(session)))
            self.evicted += 1
            if session is current and not session.peer.output_buffer:
                session.interrupt |= CLOSE
                self.forget(session)
            else:
                self.forget(session)
                self._engine.disconnect(session)

    def forget(self, session: Session) -> None:
        """Take a session that ends out of the account."""
        self._total -= self._costs.pop(session, 0)
        waiting = self._buffers.pop(session, 0)
        if waiting:
            eviction = self._engine.eviction
            eviction.client_bytes = max(0, eviction.client_bytes - waiting)


def _buffered_bytes(session: Session) -> int:
    return session.peer.request_bytes + session.peer.output_buffer + queued_bytes(session)


def _counts(session: Session) -> bool:
    return session.kind in ("normal", "pubsub") and not session.interrupt & CLOSE
