"""The in-process end of a redis-py connection: a session of an open store where redis-py would have a socket.

What lives here: the store as connections see it (:class:`LocalServer`), one connection's session, its replies and
pushes, waiting in a thread. What must not: redis-py's classes (redis_sync.py, redis_asyncio.py), what replies look
like (redis_values.py). The rule: whoever touches the engine or the session holds the store's lock, and nobody waits
with it.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from kvcore.command import BLOCKING, READONLY, WRITE
from kvcore.errors import ClosedError, KvcoreError, NotDurableError
from kvcore.frontends.inprocess import Store
from kvcore.replies import NO_REPLY, Reply, Singleton
from kvcore.session import (
    BLOCKED,
    CLOSE,
    PUSHES,
    REPLY_OFF,
    REPLY_SKIP,
    REPLY_SKIP_NEXT,
    SWITCHED,
    Session,
)

FORKED: Final = (
    "this store lives in the process that opened it, and this is a fork of that process: open a store here, "
    "or share one through kvcore-server"
)
NO_SOCKET: Final = (
    "an in-process connection has no socket and no file descriptor: start kvcore.testing's kvcore_server fixture, "
    "or kvcore-server, and connect to that"
)

_MOST_UNREAD: Final = 1_000_000
"""Replies and messages that may wait for a client that does not read, before it is disconnected."""

_IDLE_S: Final = 1.0
_WATCHFUL_S: Final = 0.1
"""How long a waiting client leaves time alone: less where keyspace events may tell that a key expired."""

LATER: Final = Singleton("LATER")
"""The command ran, and its reply is to be read like any other: something came before it, or it waits."""

UNREADY: Final = Singleton("UNREADY")
"""The command did not run: the connection has ended, or has unread replies."""

_servers: weakref.WeakSet[LocalServer] = weakref.WeakSet()


def _after_fork() -> None:
    for server in list(_servers):
        server.forked = True
        for link in list(server.links):
            link.is_open = False
            link.why = FORKED


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class LocalServer:
    """A store, as the connections of redis-py clients see it.

    ``opener`` opens it: once for a store in memory, which lives as long as this object; each time the first connection
    comes for a ``durable`` one, whose directory is let go of with the last connection. ``admits_all`` ignores the
    credentials that clients bring, as a server would that nobody protected.
    """

    __slots__ = (
        "__weakref__",
        "_mutex",
        "_opener",
        "_plain",
        "_ports",
        "_store",
        "admits_all",
        "down",
        "durable",
        "forked",
        "links",
        "name",
    )

    def __init__(
        self, opener: Callable[[], Store], name: str, *, durable: bool = False, admits_all: bool = False
    ) -> None:
        self._opener = opener
        self._mutex = threading.Lock()
        self._plain: dict[str, bytes] = {}
        self._ports = itertools.count(1)
        self._store: Store | None = None if durable else opener()
        self.name = name
        self.durable = durable
        self.admits_all = admits_all
        self.forked = False
        self.down = ""
        """Why nobody can connect, empty if everybody can."""
        self.links: set[Link] = set()
        _servers.add(self)

    @property
    def store(self) -> Store:
        """The store, opened if it is not open."""
        with self._mutex:
            if self._store is None:
                self._store = self._opener()
            return self._store

    @property
    def plain(self) -> dict[str, bytes]:
        """The commands, by the names that redis-py calls them, that may take the short way."""
        if not self._plain:
            self._plain = plain_commands(self.store)
        return self._plain

    def connect(self) -> Link:
        """Begin a session; raise redis.ConnectionError where there can be none."""
        if self.forked:
            raise RedisConnectionError(FORKED)
        if self.down:
            raise RedisConnectionError(self.down)
        try:
            link = Link(self, self.store, next(self._ports))
        except (ClosedError, KvcoreError) as error:
            raise RedisConnectionError(str(error)) from error
        self.links.add(link)
        return link

    def go_down(self, why: str) -> None:
        """Disconnect everybody and let nobody in, until :meth:`come_back`."""
        self.down = why
        self.disconnect_all(why)

    def come_back(self) -> None:
        """Let clients in again."""
        self.down = ""

    def disconnect_all(self, why: str) -> None:
        """End every connection."""
        for link in list(self.links):
            link.close(why)

    def left(self, link: Link) -> None:
        """Hear that a connection has ended."""
        self.links.discard(link)
        if not self.durable or self.links or self.forked:
            return
        with self._mutex:
            store, self._store = self._store, None
        if store is not None:
            store.close()


class Loop(Protocol):
    """What a link asks of an event loop."""

    def is_closed(self) -> bool:
        """Say whether nothing will run in it any more."""
        ...


class Link:
    """One connection: a session, and what came back for it."""

    __slots__ = (
        "__weakref__",
        "_commands",
        "_count",
        "_execute",
        "_keeps",
        "_signal",
        "engine",
        "inbox",
        "is_open",
        "lock",
        "loop",
        "port",
        "server",
        "session",
        "store",
        "why",
    )

    local_address = "127.0.0.1:0"
    descriptor = -1
    query_buffer = announced = argument_bytes = request_bytes = 0
    output_buffer = 0

    def __init__(self, server: LocalServer, store: Store, port: int) -> None:
        self.server = server
        self.store = store
        self.engine = store.engine
        self.lock = store.mutex
        self._execute = store.engine.execute
        self._count = store.count_command
        self._keeps = store.is_durable
        self.port = port
        self.inbox: deque[Reply] = deque()
        self.loop: Loop | None = None
        """The event loop that waits for something to arrive."""
        self.why = "Connection closed by server."
        self._commands: deque[list[bytes]] = deque()
        """Commands behind one that is parked."""
        self._signal: Callable[[], None] | None = None
        store.check_open()
        with self.lock:
            self.engine.statistics.connections += 1
            self.session: Session = self.engine.session(self)
            self.session.wake = self._wake
            self.session.deliver = self._deliver
            self.session.close = self._killed
            self.session.alive = self._is_alive
        self.is_open = True

    # The peer, for CLIENT LIST

    @property
    def address(self) -> str:
        """A port of its own, so that CLIENT KILL ADDR means one connection."""
        return f"127.0.0.1:{self.port}"

    # Callbacks, under the lock

    def _wake(self) -> None:
        signal = self._signal
        if signal is not None:
            self._signal = None
            signal()
        elif len(self.session.outbox) > _MOST_UNREAD:
            self.why = "Connection closed by server: too many messages were left unread."
            self._killed()

    def _deliver(self, reply: Reply) -> None:
        self.session.outbox.append(reply)
        self._wake()

    def _killed(self) -> None:
        self.is_open = False
        self.session.interrupt |= CLOSE
        if self._signal is not None:
            self._wake()

    def _is_alive(self) -> bool:
        return self.is_open and (self.loop is None or not self.loop.is_closed())

    # Commands

    def call(self, argv: list[bytes]) -> Reply:
        """Run one command and return its reply, LATER or UNREADY."""
        session = self.session
        with self.lock:
            if not self.is_open or session.interrupt or session.outbox or self.inbox:
                return UNREADY
            reply = self._execute(session, argv)
            self._count()
            if session.interrupt or session.outbox:
                session.outbox.append(reply)
                if session.interrupt:
                    self.attend()
                return LATER
        if self._keeps:
            self.keep()
        return reply

    def transact(self, commands: list[list[bytes]]) -> Reply:
        """Run a whole transaction and return EXEC's reply, LATER or UNREADY."""
        session = self.session
        with self.lock:
            if not self.is_open or session.interrupt or session.outbox or self.inbox:
                return UNREADY
            if not self.engine.queue_all(session, commands):
                return UNREADY
            reply = self._execute(session, [b"EXEC"])
            self._count()
            if session.interrupt or session.outbox:
                session.outbox.append(reply)
                if session.interrupt:
                    self.attend()
                return LATER
        if self._keeps:
            self.keep()
        return reply

    def exchange(self, batch: list[list[bytes]]) -> list[Reply]:
        """Run commands and return their replies; none if they are to be read like any other, because one waits."""
        session = self.session
        with self.lock:
            outbox = session.outbox
            if self.is_open and not (session.interrupt or outbox or self.inbox or self._commands):
                session.last_ms = self.engine.now_ms()
                done = self.engine.execute_many(session, batch, outbox)
                self._count()
                if done == len(batch) == len(outbox) and not session.interrupt:
                    session.outbox = []
                else:
                    self._go_on(batch, done)
                    outbox = []
                batch = []
        if batch:
            self.sendall(batch)
            return []
        if self._keeps:
            self.keep()
        return outbox

    def sendall(self, batch: list[list[bytes]]) -> None:
        """Run commands; their replies are for :meth:`take`."""
        if not self.is_open:
            raise RedisConnectionError(self.why)
        session = self.session
        with self.lock:
            session.last_ms = self.engine.now_ms()
            if self._commands or session.blocked is not None:
                self._commands += batch
            else:
                self._run(batch)
            self.store.count_command()
            if self._signal is not None and session.outbox:
                self._wake()  # another thread, or task, reads what this one sent: a subscriber, for one
        if self._keeps:
            self.keep()

    def keep(self) -> None:
        """Make safe what commands did; raise redis.ResponseError where the disk refuses."""
        try:
            self.store.keep()
        except NotDurableError as error:
            raise ResponseError(str(error)) from error

    def _run(self, batch: list[list[bytes]]) -> None:
        """Run commands until one parks or ends the session; the caller holds the lock."""
        self._go_on(batch, self.engine.execute_many(self.session, batch, self.session.outbox))

    def _go_on(self, batch: list[list[bytes]], done: int) -> None:
        """Run the other commands of a batch of which ``done`` have run; the caller holds the lock."""
        session = self.session
        while True:
            if session.interrupt:
                self.attend()
                if session.blocked is not None:
                    self._commands.extend(batch[done:])
                    return
            if done == len(batch) or not self.is_open:
                return
            done += self.engine.execute_many(session, batch[done:], session.outbox)

    def attend(self) -> None:
        """Do what the last command, whose reply ends the outbox, asked of its connection; the lock is held."""
        session = self.session
        outbox = session.outbox
        flags = session.interrupt
        if flags & BLOCKED:
            outbox.pop()  # the reply comes through deliver
            if flags & PUSHES:
                session.release_pushes()
            return
        if flags & (REPLY_OFF | REPLY_SKIP):
            outbox[-1] = NO_REPLY
        if flags & REPLY_SKIP:
            session.interrupt &= ~REPLY_SKIP
        if flags & REPLY_SKIP_NEXT:
            session.interrupt = session.interrupt & ~REPLY_SKIP_NEXT | REPLY_SKIP
        session.interrupt &= ~SWITCHED
        if flags & PUSHES:
            session.release_pushes()
        if flags & CLOSE:
            self.is_open = False
            self.engine.drop(session)

    def fill(self) -> bool:
        """Move what arrived to the inbox; say whether there is anything. The lock is held."""
        outbox = self.session.outbox
        if not outbox and self._commands and self.session.blocked is None and self.is_open:
            commands = list(self._commands)
            self._commands.clear()
            self._run(commands)
        if outbox:
            self.inbox += [reply for reply in outbox if reply is not NO_REPLY]
            outbox.clear()
        return bool(self.inbox)

    def ready(self) -> bool:
        """Say whether something has arrived; raise redis.ConnectionError if nothing will any more."""
        if self.inbox:
            return True
        if self.is_open:
            with self.lock:
                if self.fill():
                    return True
        elif self.server.forked:
            raise RedisConnectionError(FORKED)
        else:
            with self.lock:
                if self.fill():
                    return True
        if not self.is_open:
            raise RedisConnectionError(self.why)
        return False

    def wait_on(self, signal: Callable[[], None]) -> bool:
        """Have ``signal`` called once when something arrives; True if it has already."""
        with self.lock:
            if self.fill() or not self.is_open:
                return True
            self._signal = signal
            return False

    def give_up(self) -> bool:
        """End a wait; True if something arrived meanwhile. A parked command that was not served never will be."""
        with self.lock:
            self._signal = None
            if self.fill():
                return True
            if self.session.blocked is not None:
                self.engine.blocking.remove(self.session.blocked)
            return False

    def pause_s(self, left_s: float | None) -> float:
        """Return how long to wait before time has to be looked at, at most ``left_s``."""
        blocked = self.session.blocked
        pause_s = _IDLE_S
        if blocked is not None and blocked.deadline_ms:
            pause_s = min(_IDLE_S, max(0.0, (blocked.deadline_ms - self.engine.now_ms()) / 1000))
        elif self.engine.config.string("notify-keyspace-events"):
            pause_s = _WATCHFUL_S
        return pause_s if left_s is None else min(pause_s, max(0.0, left_s))

    def wait(self, timeout_s: float | None) -> bool:
        """Wait in this thread until something arrives, None for ever; False if time ran out.

        This is the client's patience, and real time, whatever the store's clock shows.
        """
        until_s = None if timeout_s is None else time.monotonic() + timeout_s
        while not self.ready():
            left_s = None if until_s is None else until_s - time.monotonic()
            if left_s is not None and left_s <= 0:
                return False
            gate = threading.Lock()
            gate.acquire()
            try:
                if not self.wait_on(gate.release) and not gate.acquire(timeout=self.pause_s(left_s)):
                    self.store.tick()
            finally:
                self.stop_waiting()
        return True

    def stop_waiting(self) -> None:
        """Have nobody woken any more."""
        self._signal = None
        self.loop = None

    # Ends

    def close(self, why: str = "") -> None:
        """End the session; closing twice does nothing."""
        if self.server.forked or not self._retire(why):
            return
        # The collector may call this in a thread that holds the lock: then the session is left to the next tick.
        if self.lock.acquire(timeout=0.2):
            try:
                self.engine.drop(self.session)
                self.session.detach()
                if self._signal is not None:
                    self._wake()
            finally:
                self.lock.release()
        else:
            self.store.leave(self.session)
        self.server.left(self)

    def abandon(self) -> None:
        """End the session of a connection that is being collected: without the lock, at the next tick."""
        if not self.server.forked and self._retire(""):
            self.store.leave(self.session)
            self.server.links.discard(self)  # a directory is let go of when its handle is collected, too

    def _retire(self, why: str) -> bool:
        if why:
            self.why = why
        self.is_open = False
        return self in self.server.links

    def shutdown(self, _how: int) -> None:
        """Do nothing: what redis-py tells a socket before it closes it."""

    def settimeout(self, _timeout_s: float | None) -> None:
        """Do nothing: every wait is given its own time."""

    def fileno(self) -> int:
        """Raise OSError: there is no descriptor to poll."""
        raise OSError(NO_SOCKET)

    def getpeername(self) -> tuple[str, int]:
        """Return what CLIENT LIST calls the other end."""
        return "127.0.0.1", 0

    def getsockname(self) -> tuple[str, int]:
        """Return what CLIENT LIST calls this end."""
        return "127.0.0.1", self.port


_PLAIN_TOO: Final = frozenset(
    {"echo", "eval", "eval_ro", "evalsha", "evalsha_ro", "fcall", "fcall_ro", "publish", "time"}
)


def is_plain(name: str, bits: int) -> bool:
    """Say whether a command is about data only: nothing about its session, and no waiting."""
    if bits & (READONLY | WRITE):
        return not bits & BLOCKING and name not in ("migrate", "restore-asking")
    return name in _PLAIN_TOO


def plain_commands(store: Store) -> dict[str, bytes]:
    """Return the names, as redis-py spells them, of the commands that may take the short way."""
    return {
        name.decode("latin-1"): name
        for name, command in store.engine.commands.items()
        if name.isupper() and command.subcommands is None and is_plain(command.name, command.bits)
    }
