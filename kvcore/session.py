"""One client's state, whatever carries its bytes: a socket, a thread or a test.

The session knows no transport. A front end sets the callbacks (``wake``, ``deliver``, ``close``, ``alive``) and drains
``outbox``. Everything here is touched under the engine lock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from kvcore.call import Call
from kvcore.replies import Push, Reply

if TYPE_CHECKING:
    from kvcore.acl.users import User
    from kvcore.blocking import Blocked
    from kvcore.engine import Engine
    from kvcore.keyspace import Database
    from kvcore.tracking import Tracker

# Gate bits: why a command of this session must take the careful path through the dispatcher.
NEEDS_AUTH: Final = 1
IN_MULTI: Final = 2
SUBSCRIBED: Final = 4
NO_TOUCH: Final = 16  # CLIENT NO-TOUCH: commands are no use of the keys they name
OBSERVER: Final = 8  # MONITOR, later a replica's link: listens, and may not touch the keyspace
RESTRICTED: Final = 32  # the user may not do everything: ACL rules are looked at
TRACKED: Final = 64  # CLIENT TRACKING: what it reads is remembered

# Interrupt bits: why a front end must stop after this command and look.
BLOCKED: Final = 1
CLOSE: Final = 2
REPLY_OFF: Final = 4
REPLY_SKIP_NEXT: Final = 8
REPLY_SKIP: Final = 16
SWITCHED: Final = 32  # the protocol changed: replies before this one are still encoded in the old one
PUSHES: Final = 64  # pushes wait for the command's reply to go first


class Peer(Protocol):
    """What CLIENT LIST wants to know of the transport."""

    @property
    def address(self) -> str:
        """``ip:port``, or ``path:0`` for a Unix socket."""
        ...

    @property
    def local_address(self) -> str:
        """The address the client connected to."""
        ...

    @property
    def descriptor(self) -> int:
        """The socket's file descriptor, -1 where there is none."""
        ...

    @property
    def query_buffer(self) -> int:
        """Bytes received that are part of no argument yet."""
        ...

    @property
    def announced(self) -> int:
        """Bytes of a large argument that are still to come: there must be room for them."""
        ...

    @property
    def argument_bytes(self) -> int:
        """Bytes of the arguments received of a command that is not complete. O(arguments)."""
        ...

    @property
    def request_bytes(self) -> int:
        """About what all of these take together. O(1)."""
        ...

    @property
    def output_buffer(self) -> int:
        """Bytes of replies not yet taken by the operating system."""
        ...


class InProcessPeer:
    """The peer of a session that no bytes reach."""

    __slots__ = ()

    address = "127.0.0.1:0"
    local_address = "127.0.0.1:0"
    descriptor = -1
    query_buffer = 0
    announced = 0
    argument_bytes = 0
    request_bytes = 0
    output_buffer = 0


def _nothing() -> None:
    """Stand in for a callback that no front end has set."""


def _always() -> bool:
    return True


def _never() -> bool:
    return False


def _swallow(_reply: Reply) -> None:
    """Take a reply that nobody can receive any more."""


class Watch:
    """A key a session watches; ``expired`` if it was already past its time when WATCH was called."""

    __slots__ = ("database", "expired", "key")

    def __init__(self, database: Database, key: bytes, expired: bool) -> None:
        self.database = database
        self.key = key
        self.expired = expired


class Session:
    """The state of one client."""

    __slots__ = (
        "account",
        "alive",
        "authenticated",
        "blocked",
        "call",
        "channels",
        "close",
        "created_ms",
        "deliver",
        "engine",
        "gate",
        "id",
        "interrupt",
        "kind",
        "last_ms",
        "last_write",
        "later",
        "library_name",
        "library_version",
        "monitor",
        "multi",
        "multi_bits",
        "multi_common",
        "multi_dirty",
        "name",
        "no_evict",
        "no_touch",
        "outbox",
        "patterns",
        "peer",
        "protocol",
        "shard_channels",
        "tracker",
        "wake",
        "watched",
        "watched_changed",
    )

    def __init__(self, engine: Engine, session_id: int, peer: Peer | None = None) -> None:
        self.id = session_id
        self.engine = engine
        self.peer: Peer = peer if peer is not None else InProcessPeer()
        self.call: Call = Call(engine, self, engine.keyspace.databases[0])
        self.protocol = 2
        self.gate = 0
        self.interrupt = 0
        self.name = b""
        self.library_name = b""
        self.library_version = b""
        self.account: User = engine.acl.default
        """Whose permissions its commands have."""
        self.authenticated = True
        """It logged in, or came when nobody had to."""
        self.kind = "normal"
        """``normal``, ``pubsub``, ``replica`` or ``master``: the class of its output buffer limit."""
        self.no_evict = False
        self.no_touch = False
        """CLIENT NO-TOUCH: commands leave the access times of keys as they are."""
        self.monitor = False
        self.created_ms = self.last_ms = engine.now_ms()
        self.last_write = 0
        """Which of ``effects.units`` was the last that came of its commands: what WAIT and WAITAOF wait for."""
        self.outbox: list[Reply] = []
        """Replies and pushes in the order the client must see them."""
        self.later: list[Reply] = []
        """Pushes that follow the reply of the command that runs."""
        self.tracker: Tracker | None = None
        """What CLIENT TRACKING asked for, None while it is off."""
        self.blocked: Blocked | None = None
        self.multi: list[list[bytes]] | None = None
        """Queued commands between MULTI and EXEC."""
        self.multi_bits = 0
        """Flags of the queued commands, together."""
        self.multi_common = -1
        """Flags that every queued command has."""
        self.multi_dirty = False
        """A command could not be queued: EXEC answers EXECABORT."""
        self.watched: dict[tuple[int, bytes], Watch] = {}
        self.watched_changed = False
        self.channels: dict[bytes, None] = {}
        self.patterns: dict[bytes, None] = {}
        self.shard_channels: dict[bytes, None] = {}
        self.wake: Callable[[], None] = _nothing
        """Called when the outbox grew outside this session's own command."""
        self.deliver: Callable[[Reply], None] = self.outbox_reply
        """Called once with the reply of a blocked command."""
        self.close: Callable[[], None] = _nothing
        """Called to end the connection from outside (CLIENT KILL, limits)."""
        self.alive: Callable[[], bool] = _always
        """Asked before an element is popped for a blocked session."""

    def detach(self) -> None:
        """Let go of the front end, which is gone: what is left must not be a cycle for the collector to find."""
        if self.alive is _never:
            return  # detached before
        self.peer = InProcessPeer()
        self.wake = self.close = _nothing
        self.alive = _never
        self.deliver = _swallow
        if not self.engine.scripts.holds(self):
            del self.call.session

    def forget_command(self) -> None:
        """Let go of the last command's arguments, unless it is parked: an idle client must not hold large values."""
        if self.blocked is None:
            self.call.argv = []

    def switch_protocol(self, protocol: int) -> None:
        """Speak RESP2 or RESP3 from the present command's reply on (HELLO, RESET)."""
        if protocol != self.protocol:
            self.protocol = protocol
            self.interrupt |= SWITCHED

    @property
    def user(self) -> bytes:
        """The name of the user it is logged in as."""
        return self.account.name

    @property
    def subscriptions(self) -> int:
        """Channels and patterns this session listens to."""
        return len(self.channels) + len(self.patterns)

    def outbox_reply(self, reply: Reply) -> None:
        """Put the reply of a blocked command in the outbox and wake the front end."""
        self.outbox.append(reply)
        self.wake()

    def push(self, items: list[Reply]) -> None:
        """Send an out-of-band message; a replica, that could take it for a part of the stream, is closed instead."""
        if self.kind == "replica":
            self.close()
            return
        self.outbox.append(Push(items))
        self.wake()

    def push_later(self, items: list[Reply]) -> None:
        """Send an out-of-band message after the reply of the command that runs."""
        self.later.append(Push(items))
        self.interrupt |= PUSHES

    def release_pushes(self) -> None:
        """Let the pushes go that waited for a reply, which is in the outbox now."""
        self.interrupt &= ~PUSHES
        self.outbox += self.later
        self.later = []
