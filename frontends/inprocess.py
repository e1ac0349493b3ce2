"""The embedded store: commands without sockets or RESP bytes.

    store = kvcore.open()
    store.set("k", "v")
    store.get("k")                  # b'v'
    store.execute("ZADD", "z", 1, "a")

A store is thread-safe: each thread has a session of its own on one engine, so that SELECT, MULTI and a blocking call in
one thread do not disturb another. Replies are native values (:mod:`kvcore.replies`), errors are raised.
"""

from __future__ import annotations

import queue
import threading
import weakref
from types import TracebackType

from kvcore.blocking import Blocked
from kvcore.clock import Clock
from kvcore.config import Config
from kvcore.engine import Engine
from kvcore.errors import ClosedError, CommandError
from kvcore.frontends.host import Host
from kvcore.replies import NULL_ARRAY, OK, Push, Reply, Transaction
from kvcore.session import Session

Argument = bytes | bytearray | memoryview | str | int | float

_COMMANDS_PER_TICK = 256
"""No thread ticks for an embedded store: every so many commands one of them does."""


def encode(argument: Argument) -> bytes:
    """Return the bytes a client would send for ``argument``; raise TypeError for what has no one form."""
    if isinstance(argument, bytes):
        return argument
    if isinstance(argument, str):
        return argument.encode()
    if isinstance(argument, bool):
        raise TypeError("a bool has no one spelling in commands: pass 1 or 0, or a string")
    if isinstance(argument, int):
        return b"%d" % argument
    if isinstance(argument, float):
        return repr(argument).encode()
    if isinstance(argument, bytearray | memoryview):
        return bytes(argument)
    raise TypeError(f"commands take bytes, str, int and float, not {type(argument).__name__}")


def plain(reply: Reply) -> Reply:
    """Return None for a null array, also among the replies of a transaction."""
    if reply is NULL_ARRAY:
        return None
    if type(reply) is Transaction:
        return [plain(item) for item in reply]
    return reply


class _ThreadEnd:
    """Held by a thread's locals only: it dies when the thread does."""

    __slots__ = ("__weakref__",)


class _Local(threading.local):
    """The thread's session, and where replies of its parked commands arrive."""

    def __init__(self) -> None:
        self.session: Session | None = None
        self.delivered: queue.SimpleQueue[Reply] = queue.SimpleQueue()
        self.end: _ThreadEnd | None = None


class Store:
    """An embedded store. Make one with :func:`kvcore.open`."""

    __slots__ = ("__weakref__", "_closed", "_countdown", "_execute", "_host", "_local", "engine", "lock")

    def __init__(self, config: Config | None = None, *, clock: Clock | None = None) -> None:
        self.engine = Engine(config, clock=clock)
        self._host = Host(self.engine)
        self.lock = self._host.lock
        self._execute = self.engine.execute
        self._local = _Local()
        self._countdown = _COMMANDS_PER_TICK
        self._closed = False

    # Life

    def close(self) -> None:
        """Close the store and forget its data; closing twice does nothing."""
        with self.lock:
            self._closed = True
            self._local = _Local()  # no thread finds a session any more
            for session in list(self.engine.sessions.values()):
                if session.blocked is not None:
                    error = CommandError("UNBLOCKED the store was closed")
                    self.engine.blocking.finish(session.blocked, error)
                self.engine.drop(session)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # Commands

    def execute(self, *arguments: Argument) -> Reply:
        """Run any command and return its reply; raise CommandError for an error reply.

        A blocking command (BLPOP ...) blocks the calling thread only.
        """
        if not arguments:
            raise TypeError("execute() needs the name of a command")
        reply = self.run([encode(argument) for argument in arguments])
        if isinstance(reply, CommandError):
            raise reply
        return plain(reply)

    def run(self, argv: list[bytes]) -> Reply:
        """Run a command given as bytes; error replies are returned. What a front end on top of this one calls."""
        session = self._local.session
        if session is None:
            session = self._begin()
        with self.lock:
            reply = self._execute(session, argv)
            self._countdown -= 1
            if self._countdown < 0:
                self.tick_locked()
        if session.interrupt:
            if type(reply) is Blocked:
                return self._wait(reply)
            session.interrupt = 0
        return reply

    def get(self, key: bytes | str) -> bytes | None:
        """Return the string at ``key``, None if there is none. O(1)."""
        reply = self.run([b"GET", key.encode() if isinstance(key, str) else key])
        if type(reply) is not bytes and isinstance(reply, CommandError):
            raise reply
        return reply

    def set(self, key: bytes | str, value: Argument, *, px: int | None = None) -> None:
        """Set ``key`` to a string, for ``px`` milliseconds if given. O(1)."""
        if isinstance(key, str):
            key = key.encode()
        if isinstance(value, str):
            value = value.encode()
        elif not isinstance(value, bytes):
            value = encode(value)
        reply = self.run([b"SET", key, value] if px is None else [b"SET", key, value, b"PX", b"%d" % px])
        if reply is not OK and isinstance(reply, CommandError):
            raise reply

    def delete(self, *keys: bytes | str) -> int:
        """Delete keys; return how many existed."""
        count: int = self.execute(b"DEL", *keys)
        return count

    def tick(self) -> None:
        """Expire keys and time out waiting commands; happens by itself as commands run."""
        with self.lock:
            self.tick_locked()

    def tick_locked(self) -> None:
        """Do what :meth:`tick` does, for a caller that holds the lock."""
        self._countdown = _COMMANDS_PER_TICK
        self._host.tick_locked()

    def count_command(self) -> None:
        """Count a command that another front end ran on this store's engine; the caller holds the lock."""
        self._countdown -= 1
        if self._countdown < 0:
            self.tick_locked()

    def messages(self) -> list[list[Reply]]:
        """Take the messages that the calling thread's subscriptions received."""
        session = self._local.session
        if session is None:
            return []
        with self.lock:
            pushes = [list(item) for item in session.outbox if isinstance(item, Push)]
            session.outbox.clear()
        return pushes

    # Inner works

    def _begin(self) -> Session:
        if self._closed:
            raise ClosedError("the store is closed; open it again with kvcore.open()")
        with self.lock:
            session = self.engine.session(trusted=True)
            session.protocol = 3
            session.deliver = self._local.delivered.put
        self._local.session = session
        self._local.end = end = _ThreadEnd()
        # The collector may find the end in a thread that holds the lock: leave the session to the next tick.
        weakref.finalize(end, self._host.orphans.append, session)
        return session

    def _wait(self, blocked: Blocked) -> Reply:
        """Wait in this thread until the parked command is served or its time is up."""
        delivered = self._local.delivered
        try:
            while True:
                timeout_s = None
                if blocked.deadline_ms:
                    timeout_s = max(0, blocked.deadline_ms - self.engine.now_ms()) / 1000
                try:
                    return delivered.get(timeout=timeout_s)
                except queue.Empty:
                    self._host.tick()
        except BaseException:
            with self.lock:
                self.engine.blocking.remove(blocked)
            # Interrupted after it was served: the reply must not become the next call's.
            while not delivered.empty():
                delivered.get_nowait()
            raise


def open(**config: bool | int | str) -> Store:  # noqa: A001 - `kvcore.open`, as the standard library's modules have it
    """Open an embedded store; keyword arguments are directives with underscores (``maxmemory_policy="allkeys-lru"``).

    Raises ConfigError for an unknown directive or a value it does not allow.
    """
    return Store(make_config(config))


def make_config(directives: dict[str, bool | int | str]) -> Config:
    """Return a configuration from keyword arguments."""
    result = Config()
    for name, value in directives.items():
        text = ("yes" if value else "no") if isinstance(value, bool) else str(value)
        result.set(name.replace("_", "-"), text)
    return result
