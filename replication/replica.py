"""A replica as its primary knows it: what it said of itself, how far it is, what waits to be sent.

What lives here: the facts of one link. What must not: the decisions of :mod:`kvcore.replication.primary`. The rule:
whatever is sent goes through the outbox of the link's session, so that a front end carries it as it carries replies.
Nothing but that goes there: a client that becomes a replica stops listening to all else.
"""

from __future__ import annotations

from typing import Final

from kvcore.replies import Raw
from kvcore.session import CLOSE, OBSERVER, REPLY_OFF, Session

WAITING: Final = "wait_bgsave"
"""It waits for a snapshot to begin."""

SENDING: Final = "send_bulk"
"""It is being sent one."""

ONLINE: Final = "online"
DONE: Final = "rdb_transmitted"
"""It wanted the snapshot only and is closed once it has all of it."""


class Replica:
    """One link."""

    __slots__ = (
        "acked",
        "acked_ms",
        "announced_ip",
        "attached",
        "bare",
        "exclude",
        "exempt",
        "given",
        "knows_ids",
        "marked",
        "moved_ms",
        "next_offset",
        "over_soft_ms",
        "port",
        "session",
        "snapshot_only",
        "starts_on_ack",
        "state",
        "taken",
        "takes_mark",
        "waiting_since_ms",
    )

    def __init__(self, session: Session) -> None:
        self.session = session
        self.attached = False
        """It has asked for the stream, and is still there."""
        self.state = WAITING
        self.port = 0
        """Where it listens itself, 0 if it did not say."""
        self.announced_ip = ""
        self.takes_mark = False
        """`capa eof`: a snapshot may come without its length."""
        self.knows_ids = False
        """`capa psync2`: it wants to hear the stream's identifier whenever it goes on."""
        self.snapshot_only = False
        self.exclude = ""
        """What the snapshot is to leave out: nothing, ``keys``, or ``all`` but its header (`rdb-filter-only`)."""
        self.bare = False
        """It came with SYNC: it sends no acknowledgements."""
        self.acked = 0
        """The offset up to which it has the stream."""
        self.acked_ms = 0
        self.next_offset = 0
        """What it is to be sent next, unless it is online and is sent everything at once."""
        self.starts_on_ack = False
        """Its snapshot is on its way; the stream goes on when it says that it has loaded it."""
        self.waiting_since_ms = 0
        self.marked = False
        """Its snapshot comes between two marks."""
        self.exempt = 0
        """How many of the bytes that were sent to it were its snapshot: no output limit is meant for them."""
        self.given = 0
        """Bytes that were sent to it."""
        self.taken = 0
        """How many of them it had taken when :meth:`note_progress` was last called."""
        self.moved_ms = 0
        """When it last took some, or lacked none."""
        self.over_soft_ms = 0
        """Since when more waits for it than the soft limit allows, 0 if that is not so."""

    @property
    def host(self) -> str:
        """The address that others are told."""
        address = self.session.peer.address
        if self.announced_ip or not address.startswith("/"):
            return self.announced_ip or address.rpartition(":")[0].strip("[]")
        return "/unixsocket"  # as redis-server calls all of them

    @property
    def name(self) -> str:
        """What the log calls it."""
        if not self.session.alive():
            return f"client id #{self.session.id}"
        host = self.host
        return f"{f'[{host}]' if ':' in host else host}:{self.port or '<unknown-replica-port>'}"

    @property
    def fed(self) -> bool:
        """Whether it is sent the stream as it grows."""
        return self.state == ONLINE and not self.starts_on_ack

    def attach(self) -> None:
        """Turn the client's session into a link: from now on it hears no replies and touches no keys."""
        session = self.session
        engine = session.engine
        engine.unwatch(session)
        engine.pubsub.drop(session)
        engine.caching.disable(session)
        session.kind = "replica"
        session.gate |= OBSERVER
        session.interrupt |= REPLY_OFF
        self.attached = True

    def send(self, data: bytes) -> None:
        """Send bytes after all others. Called under the engine lock. O(1), O(bytes) unless they are Raw."""
        session = self.session
        session.outbox.append(data if type(data) is Raw else Raw(data))
        self.given += len(data)
        session.wake()

    def waiting_bytes(self) -> int:
        """Return how much of what was sent has not left. O(pieces in the outbox)."""
        session = self.session
        return session.peer.output_buffer + sum(len(part) for part in session.outbox if type(part) is Raw)

    def note_progress(self, now_ms: int) -> None:
        """Note whether it took some of what was sent since the last call."""
        waiting = self.waiting_bytes()
        taken = self.given - waiting
        if taken != self.taken or not waiting:
            self.taken = taken
            self.moved_ms = now_ms

    def finish(self) -> None:
        """End the link once everything that was sent has left."""
        self.session.interrupt |= CLOSE
        self.session.wake()

    def close(self) -> None:
        """End the link at once."""
        self.session.interrupt |= CLOSE
        self.session.close()
