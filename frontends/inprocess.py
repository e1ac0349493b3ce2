"""The embedded store: commands without sockets or RESP bytes.

    store = kvcore.open()
    store.set("k", "v")
    store.get("k")                  # b'v'
    store.execute("ZADD", "z", 1, "a")

A store is thread-safe: each thread has a session of its own on one engine, so that SELECT, MULTI and a blocking call in
one thread do not disturb another. Errors are raised.

What lives here: the store's life, its sessions, how a command runs and waits, and the short ways of GET and SET. The
methods for commands come from :mod:`kvcore.frontends.store_commands`, the rest from modules of its kind. The rule:
whoever touches the engine or a session holds ``store.mutex``.
"""

from __future__ import annotations

import os
import queue
import threading
import warnings
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Literal, overload

from kvcore import plugins
from kvcore.arguments import Argument, encode
from kvcore.blocking import Blocked
from kvcore.clock import Clock
from kvcore.config import Config
from kvcore.engine import Engine
from kvcore.errors import ClosedError, CommandError, ConfigError, NotDurableError, WrongTypeError
from kvcore.frontends.host import Host
from kvcore.frontends.store import NO_VALUE, BaseStore
from kvcore.frontends.store_base import (
    Convert,
    Duration,
    Key,
    Moment,
    R,
    T,
    Value,
    decoded,
    same,
    settle,
)
from kvcore.frontends.store_mapping import StoreMapping
from kvcore.frontends.users import open_acl_file
from kvcore.replies import Push, Reply, Singleton
from kvcore.session import Session

if TYPE_CHECKING:
    from kvcore.frontends.keeper import Keeper
    from kvcore.frontends.store_pipeline import Pipeline
    from kvcore.frontends.store_pubsub import PubSub
    from kvcore.frontends.views import SetView

_COMMANDS_PER_TICK: Final = 256
"""No thread ticks for an embedded store: every so many commands one of them looks whether it is time to."""


class _ThreadEnd:
    """Held by a thread's locals only: it dies when the thread does."""

    __slots__ = ("__weakref__",)


class Local(threading.local):
    """The thread's session, and where replies of its parked commands arrive."""

    def __init__(self) -> None:
        self.session: Session | None = None
        self.delivered: queue.SimpleQueue[Reply] = queue.SimpleQueue()
        self.end: _ThreadEnd | None = None


# The store has methods called list, dict and set.
_Argv = list[bytes]
_Replies = list[Reply]
_Messages = list[list[Reply]]
_Sessions = list[Session]

_CLOSED: Final = "the store is closed; open it again with kvcore.open()"
_TICK_MASK: Final = _COMMANDS_PER_TICK - 1
UNREAD: Final = Singleton("UNREAD")
_FORKED: Final = "the store was opened before this process was forked, and stays with the parent: open one here"

_stores: weakref.WeakSet[Store[Reply]] = weakref.WeakSet()


def _forked() -> None:
    """Leave every store to the parent process: its lock may be held by a thread that does not exist here."""
    for store in list(_stores):
        store.leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


class _ClosingError(CommandError):
    """What a command that waits hears when its store is closed."""


def unless_closed(reply: Reply) -> Reply:
    """Return what a command waited for; raise ClosedError if that was the end of the store."""
    if type(reply) is _ClosingError:
        raise ClosedError(_CLOSED)
    return reply


class Store(BaseStore[T]):
    """An embedded store. Make one with :func:`kvcore.open`.

    Its commands have redis-py's names and arguments and return what those do. ``Store[bytes]`` returns bytes where
    Redis has strings, ``Store[str]`` text, as ``decode_responses`` says.
    """

    __slots__ = (
        "__weakref__",
        "_closed",
        "_commit",
        "_countdown",
        "_decode",
        "_execute",
        "_finalizer",
        "_get",
        "_host",
        "_keyspace",
        "_local",
        "_set",
        "engine",
        "mutex",
    )

    def __init__(
        self,
        config: Config | None = None,
        *,
        path: str | None = None,
        readonly: bool = False,
        clock: Clock | None = None,
        shared: Store[Reply] | None = None,
        decode_responses: bool = False,
    ) -> None:
        """Begin with an empty data set, or with that of the directory ``path``, which is kept there from then on.

        Or be another handle on the data set of the ``shared`` store.
        """
        if shared is None:
            plugins.load_commands()
            self.engine = Engine(config, clock=clock)
            open_acl_file(self.engine)
            self._host = Host(self.engine)
        else:
            self.engine = shared.engine
            self._host = shared._host
        self.mutex = self._host.lock
        self._execute = self.engine.execute
        self._keyspace = self.engine.keyspace
        self._get = self.engine.originals[b"get"]
        self._set = self.engine.originals[b"set"]
        self._decode = decode_responses
        self._local = Local()
        self._countdown = _COMMANDS_PER_TICK
        self._closed = ""
        """Why it is not open, empty as long as it is."""
        self._commit: Callable[[], bool] | None = None if shared is None else shared._commit
        """Makes safe what a command did; None for a store in memory."""
        self._finalizer: weakref.finalize[[Keeper], Store[T]] | None = None
        if path is not None:
            from kvcore.frontends.keeper import Keeper

            keeper = Keeper(self._host, path, readonly=readonly)
            self._commit = keeper.commit
            self._finalizer = weakref.finalize(self, _abandon, keeper)
        _stores.add(self)

    # Life

    def __repr__(self) -> str:
        if self._closed:
            return "<kvcore.Store, closed>"
        place = self.engine.config.string("dir") if self.is_durable else ""
        return f"<kvcore.Store in {place!r}>" if place else "<kvcore.Store in memory>"

    def leave_to_parent(self) -> None:
        """Be closed without a trace, in a process that was forked from the one that goes on with this store."""
        self._closed = _FORKED
        self._local = Local()
        finalizer, self._finalizer = self._finalizer, None
        kept = None if finalizer is None else finalizer.detach()
        if kept is not None:
            kept[2][0].leave_to_parent()

    def close(self) -> None:
        """Close the store; closing twice does nothing. Without a directory its data is gone.

        Raises NotDurableError if something could not be written to the directory.
        """
        if self._closed:
            return
        self._end(list(self.engine.sessions.values()))
        with self.mutex:
            self.engine.migrations.close()
        finalizer, self._finalizer = self._finalizer, None
        kept = None if finalizer is None else finalizer.detach()
        if kept is not None and not kept[2][0].close():
            raise NotDurableError("the store was closed before everything was on the disk; the log says why")

    def _end(self, sessions: _Sessions) -> None:
        """Let nobody use this handle any more, and end ``sessions``."""
        with self.mutex:
            self._closed = _CLOSED
            self._local = Local()  # no thread finds a session any more
            for session in sessions:
                if session.blocked is not None:
                    self.engine.blocking.finish(session.blocked, _ClosingError("UNBLOCKED the store was closed"))
                session.close()
                self.engine.drop(session)

    # Commands

    def _call(self, convert: Convert[R], *arguments: Argument) -> R:
        # run(), without its calls: they would be a third of a command's time.
        local = self._local
        session = local.session
        if session is None:
            session = self._begin()
        argv = [
            word if type(word) is bytes else word.encode() if type(word) is str else encode(word) for word in arguments
        ]
        with self.mutex:
            reply = self._execute(session, argv)
            interrupt = session.interrupt  # a parked command may be served from here on, and look as if it never was
            self._countdown -= 1
            if self._countdown < 0:
                self._tick_if_due()
        if interrupt or self._commit is not None:
            reply = self._conclude(session, local.delivered, reply)
        if convert is same and type(reply) is int:
            return reply  # type: ignore[return-value]
        return settle(reply, convert, self._decode)  # type: ignore[no-any-return]

    def run(self, argv: _Argv) -> Reply:
        """Run a command given as bytes; error replies are returned. What a front end on top of this one calls."""
        session = self._local.session
        if session is None:
            session = self._begin()
        return self.run_in(session, self._local.delivered, argv)

    def run_in(self, session: Session, delivered: queue.SimpleQueue[Reply], argv: _Argv) -> Reply:
        """Run a command in a session of which this thread is the only user; parked ones wait for ``delivered``."""
        with self.mutex:
            reply = self._execute(session, argv)
            interrupt = session.interrupt
            self._countdown -= 1
            if self._countdown < 0:
                self._tick_if_due()
        if interrupt or self._commit is not None:
            return self._conclude(session, delivered, reply)
        return reply

    def _conclude(self, session: Session, delivered: queue.SimpleQueue[Reply], reply: Reply) -> Reply:
        """Do what few commands need after they ran: wait, look at pushes, see to the disk."""
        if type(reply) is Blocked:
            reply = unless_closed(self._wait(reply, delivered))
        elif session.interrupt:
            with self.mutex:
                session.release_pushes()
                session.interrupt = 0
        if self._commit is not None:
            self.keep()
        return reply

    def run_all(self, session: Session, delivered: queue.SimpleQueue[Reply], commands: Sequence[_Argv]) -> _Replies:
        """Run commands in order, as :meth:`run_in` runs one; others get their turns in between. O(commands)."""
        replies: _Replies = []
        done = 0
        while done < len(commands):
            with self.mutex:
                done += self.engine.execute_many(session, commands[done : done + _COMMANDS_PER_TICK], replies)
                interrupt = session.interrupt
                self._tick_if_due()
            if interrupt:
                if type(replies[-1]) is Blocked:
                    replies[-1] = unless_closed(self._wait(replies[-1], delivered))
                else:
                    with self.mutex:
                        session.release_pushes()
                        session.interrupt = 0
        if self._commit is not None:
            self.keep()
        return replies

    def get(self, name: Key) -> T | None:
        """Return the string at ``name``, None if there is none. O(1)."""
        session = self._local.session
        if session is None:
            session = self._begin()
        key = name.encode() if type(name) is str else name if type(name) is bytes else encode(name)
        engine = self.engine
        with self.mutex:
            if engine.gate | session.gate or engine.monitors:
                value: Reply = UNREAD
            else:
                # What the dispatcher does for GET where nothing unusual is the matter, without its stop-watch; and what
                # Database.read() does for a string that cannot have expired. Change those two, too.
                self._get.calls += 1
                db = session.call.db
                try:
                    value = db.directory[hash(key) & db.mask][key]
                except KeyError:
                    value = None
                if type(value) is bytes and not (db.expires.size or db.hooked):
                    db.statistics.hits += 1
                    if not (self._decode or self._host.reads_wait):
                        return value  # type: ignore[return-value]
                else:
                    self._keyspace.unit_ms = 0
                    value = db.read(key)
                    if engine.pending:
                        engine.finish_unit()
                self.count_command()
        if value is UNREAD:
            return super().get(key)
        return self._got(value)

    def _got(self, value: Reply) -> T | None:
        """Return what :meth:`get` found where that is not simply bytes."""
        if self._commit is not None:
            self.keep()  # the key may have expired, or another thread's write be on its way to the disk
        if value is not None and not isinstance(value, bytes | bytearray):
            with self.mutex:
                self._get.failed += 1
                self.engine.statistics.count_error("WRONGTYPE")
            raise WrongTypeError
        if type(value) is bytearray:
            value = bytes(value)
        return value.decode() if self._decode and value is not None else value  # type: ignore[no-any-return]

    @overload
    def set(self, name: Key) -> SetView[T]: ...
    @overload
    def set(
        self,
        name: Key,
        value: Value,
        ex: Duration | None = None,
        px: Duration | None = None,
        nx: bool = False,
        xx: bool = False,
        keepttl: bool = False,
        get: bool = False,
        exat: Moment | None = None,
        pxat: Moment | None = None,
    ) -> bool | T | None: ...
    def set(
        self,
        name: Key,
        value: Value | Singleton = NO_VALUE,
        ex: Duration | None = None,
        px: Duration | None = None,
        nx: bool = False,
        xx: bool = False,
        keepttl: bool = False,
        get: bool = False,
        exat: Moment | None = None,
        pxat: Moment | None = None,
    ) -> bool | T | SetView[T] | None:
        """Set a string, for ``ex`` seconds or ``px`` milliseconds, or until ``exat`` or ``pxat``, if given. O(1).

        With ``nx`` only if the key is new, with ``xx`` only if it exists: None says that it was not set. ``keepttl``
        leaves the key's time to live. With ``get`` the old value is returned. Without a value, return the set at
        ``name`` as a mutable set.
        """
        if nx or xx or get or keepttl or not (ex is px is exat is pxat is None):
            if isinstance(value, Singleton):
                raise TypeError("set() needs a value for these options")
            return StoreMapping.set(self, name, value, ex, px, nx, xx, keepttl, get, exat, pxat)
        session = self._local.session
        if session is None:
            session = self._begin()
        key = name.encode() if type(name) is str else name if type(name) is bytes else encode(name)
        if type(value) is bytes:
            data = value
        elif type(value) is str:
            data = value.encode()
        elif isinstance(value, Singleton):
            from kvcore.frontends.views import SetView

            return SetView(self, name)
        else:
            data = encode(value)
        engine = self.engine
        with self.mutex:
            db = session.call.db
            if not (engine.gate | session.gate or engine.monitors or db.observed or engine.effects.listening):
                # What the dispatcher and SET's handler do where nobody wants to know, without the stop-watch.
                self._keyspace.unit_ms = 0
                command = self._set
                command.calls = calls = command.calls + 1
                db.put(key, data)
                engine.statistics.dirty += 1
                if engine.pending:
                    engine.finish_unit()
                if not calls & _TICK_MASK:
                    self._tick_if_due()
                return True
        return StoreMapping.set(self, key, data)

    def read_in(self, session: Session, key: bytes) -> Reply:
        """Do GET in a session, or return ``UNREAD`` where something unusual is the matter."""
        engine = self.engine
        with self.mutex:
            if engine.gate | session.gate or engine.monitors:
                return UNREAD
            # As in get(): what Database.read() does for a string that cannot have expired.
            self._get.calls += 1
            db = session.call.db
            try:
                value: Reply = db.directory[hash(key) & db.mask][key]
            except KeyError:
                value = None
            if type(value) is bytes and not (db.expires.size or db.hooked):
                db.statistics.hits += 1
            else:
                self._keyspace.unit_ms = 0
                value = db.read(key)
                if engine.pending:
                    engine.finish_unit()
            self._countdown -= 1
            if self._countdown < 0:
                self._tick_if_due()
        if type(value) is bytes and not (self._decode or self._host.reads_wait):
            return value
        return self._got(value)

    def put_in(self, session: Session, key: bytes, data: bytes) -> bool:
        """Do SET in a session, or return False where something unusual is the matter."""
        engine = self.engine
        with self.mutex:
            db = session.call.db
            if engine.gate | session.gate or engine.monitors or db.observed or engine.effects.listening:
                return False
            self._keyspace.unit_ms = 0
            self._set.calls += 1
            db.put(key, data)
            engine.statistics.dirty += 1
            if engine.pending:
                engine.finish_unit()
            self.count_command()
        return True

    # What is more than a command

    def pipeline(self, transaction: bool = True) -> Pipeline[T]:
        """Return a batch of commands that run together when :meth:`~Pipeline.execute` is called."""
        from kvcore.frontends.store_pipeline import SessionPipeline

        return SessionPipeline(self, transaction)

    def pubsub(self, ignore_subscribe_messages: bool = False) -> PubSub[T]:
        """Return a listener to channels and patterns."""
        from kvcore.frontends.store_pubsub import PubSub, SessionFeed

        self.check_open()
        return PubSub(SessionFeed(self), self.decodes, ignore_subscribe_messages)

    def declare(self, declaration: Callable[[Engine], None]) -> None:
        """Let the engine know commands of a front end."""
        with self.mutex:
            declaration(self.engine)

    def run_lock_command(self, *words: Argument) -> int:
        """Run one of the commands behind locks and rate limits; see :mod:`kvcore.frontends.locking`."""
        if words[0] not in self.engine.commands:
            from kvcore.frontends.locking import declare

            self.declare(declare)
        return self._call(same, *words)

    # Life, behind the scenes

    def tick(self) -> None:
        """Expire keys and time out waiting commands; happens by itself as commands run."""
        with self.mutex:
            self.tick_locked()

    def tick_locked(self) -> None:
        """Do what :meth:`tick` does, for a caller that holds the lock."""
        self._countdown = _COMMANDS_PER_TICK
        self._host.tick_locked()

    def _tick_if_due(self) -> None:
        """Do what :meth:`tick` does, `hz` times a second at most: it costs as much as a hundred commands."""
        self._countdown = _COMMANDS_PER_TICK
        host = self._host
        now = self.engine.now_ms()
        if now >= host.next_tick_ms or now < host.now_ms or host.orphans:
            host.tick_locked()

    def count_command(self) -> None:
        """Count a command that another front end ran on this store's engine; the caller holds the lock."""
        self._countdown -= 1
        if self._countdown < 0:
            self._tick_if_due()

    def messages(self) -> _Messages:
        """Take the messages that the calling thread's subscriptions received."""
        session = self._local.session
        return [] if session is None else self.messages_of(session)

    def messages_of(self, session: Session) -> _Messages:
        """Take the messages that a session received."""
        with self.mutex:
            session.release_pushes()
            pushes = [list(item) for item in session.outbox if isinstance(item, Push)]
            session.outbox.clear()
        return decoded(pushes) if self._decode else pushes

    def check_open(self) -> None:
        """Raise ClosedError if the store was closed."""
        if self._closed:
            raise ClosedError(self._closed)

    def leave(self, session: Session) -> None:
        """Have a session end at the next tick: for a collector that may run in a thread that holds the lock."""
        self._host.orphans.append(session)

    @property
    def is_durable(self) -> bool:
        """Whether the data is kept in a directory."""
        return self._commit is not None

    def keep(self) -> None:
        """See to it that the disk has what commands did, as `appendfsync` asks; each command does so by itself.

        Raises NotDurableError.
        """
        if self._commit is not None and not self._commit():
            raise NotDurableError("the command ran, but the disk refused to keep it; it is tried again")

    # Inner works

    def _begin(self) -> Session:
        self.check_open()
        session = self.new_session(self._local.delivered)
        self._local.session = session
        self._local.end = end = _ThreadEnd()
        # The collector may find the end in a thread that holds the lock: leave the session to the next tick.
        weakref.finalize(end, self._host.orphans.append, session)
        return session

    def new_session(self, delivered: queue.SimpleQueue[Reply], like: Session | None = None) -> Session:
        """Begin a session, on the database of ``like``; its owner ends it with :meth:`end_session` or :meth:`leave`."""
        with self.mutex:
            session = self.engine.session(trusted=True)
            session.protocol = 3
            session.deliver = delivered.put
            if like is not None:
                session.call.db = like.call.db
        return session

    def own_aside(self) -> Session:
        """Begin a session beside the calling thread's, on its database, for what parks no commands."""
        return self.new_session(queue.SimpleQueue(), self.own_session())

    @property
    def is_closed(self) -> bool:
        """Whether it was closed."""
        return self._closed != ""

    @property
    def decodes(self) -> bool:
        """Whether it returns text where Redis has strings."""
        return self._decode

    def own_session(self) -> Session:
        """Return the calling thread's session."""
        return self._local.session or self._begin()

    def end_session(self, session: Session) -> None:
        """End a session that :meth:`new_session` began."""
        with self.mutex:
            self.engine.drop(session)

    def _wait(self, blocked: Blocked, delivered: queue.SimpleQueue[Reply]) -> Reply:
        """Wait in this thread until the parked command is served or its time is up."""
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
            with self.mutex:
                self.engine.blocking.remove(blocked)
            # Interrupted after it was served: the reply must not become the next call's.
            while not delivered.empty():
                delivered.get_nowait()
            raise


@overload
def open(  # noqa: A001
    path: str | os.PathLike[str] | None = None,
    *,
    readonly: bool = False,
    decode_responses: Literal[False] = False,
    **config: bool | int | str,
) -> Store[bytes]: ...
@overload
def open(  # noqa: A001
    path: str | os.PathLike[str] | None = None,
    *,
    readonly: bool = False,
    decode_responses: Literal[True],
    **config: bool | int | str,
) -> Store[str]: ...
def open(  # noqa: A001 - `kvcore.open`, as the standard library's modules have it
    path: str | os.PathLike[str] | None = None,
    *,
    readonly: bool = False,
    decode_responses: bool = False,
    **config: bool | int | str,
) -> Store[bytes] | Store[str]:
    """Open an embedded store; keyword arguments are directives with underscores (``maxmemory_policy="allkeys-lru"``).

    ``path`` is a directory to keep the data in, made if it is not there; None keeps it in memory only. There the store
    writes an append-only file, synced each second unless ``appendfsync`` says otherwise; Redis's own files are read and
    written. One process at a time may have a directory; ``readonly=True`` may be shared, and refuses to write. With
    ``decode_responses`` the store returns text where Redis has strings, which must be UTF-8 then.

    Raises ConfigError for an unknown directive or a value it does not allow, LockedError if another process has the
    directory, LoadError for files that cannot be read.
    """
    if path is None:
        if readonly:
            raise ConfigError("a store in memory cannot be opened with readonly=True: it would stay empty")
        return Store(make_config(config), decode_responses=decode_responses)
    directory = _directory(path)
    settings = make_config({"appendonly": True, "save": "", **config})
    return Store(settings, path=directory, readonly=readonly, decode_responses=decode_responses)


def _directory(path: str | os.PathLike[str]) -> str:
    """Return the directory that a path names; raise ConfigError for what was hardly meant to name one."""
    name = os.fsdecode(path)
    if not name:
        raise ConfigError("the path of a store is empty; without one, a store is in memory")
    if "://" in name:
        raise ConfigError(f"{name.partition('://')[0]}://... is a URL, not a path: kvcore.connect() opens it")
    if os.path.exists(name) and not os.path.isdir(name):
        raise ConfigError(f"{name!r} is a file: a store is kept in a directory")
    return os.path.abspath(name)


def _abandon(keeper: Keeper) -> None:
    """Close the directory of a store that was collected, or is still open when the interpreter ends."""
    text = f"the store in {keeper.directory!r} was not closed: call close(), or use it in a with statement"
    warnings.warn(text, ResourceWarning, stacklevel=2)
    keeper.close()


def make_config(directives: dict[str, bool | int | str]) -> Config:
    """Return a configuration from keyword arguments."""
    result = Config()
    for name, value in directives.items():
        text = ("yes" if value else "no") if isinstance(value, bool) else str(value)
        try:
            result.set(name.replace("_", "-"), text)
        except ConfigError as error:
            if name in str(error):
                raise
            raise ConfigError(f"{name}={value!r}: {error}") from None
    return result
