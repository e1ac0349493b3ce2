"""The embedded store for coroutines: the same methods, awaited, on asyncio and on trio.

    store = kvcore.aio.open()
    await store.set("k", "v")
    await store.blpop("queue")

Commands run at once on the event loop's own thread, for they take microseconds; only a blocking command waits. Nothing
is bound to a loop: a store may be used from several, one after another or at once in several threads.
"""

from __future__ import annotations

import os
import queue
import weakref
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Final, Literal, overload

from kvcore.arguments import Argument, encode
from kvcore.blocking import Blocked
from kvcore.command import BLOCKING
from kvcore.config import Config
from kvcore.engine import Engine
from kvcore.errors import ClosedError, CommandError
from kvcore.frontends.inprocess import UNREAD, Local, Store, unless_closed
from kvcore.frontends.inprocess import open as open_store
from kvcore.frontends.store import NO_VALUE, check_no_options
from kvcore.frontends.store_async import BaseAsyncStore
from kvcore.frontends.store_base import (
    Convert,
    Duration,
    Key,
    Moment,
    Seconds,
    T,
    Value,
    same,
    settle,
)
from kvcore.frontends.waiting import Wakeup, in_thread, wakeup
from kvcore.gates import HOLDING, INTERCEPTED, PAUSED
from kvcore.replies import Reply, Singleton
from kvcore.session import Session

if TYPE_CHECKING:
    import threading

    from kvcore.frontends.caching import Cache, KeyFunction
    from kvcore.frontends.store_pipeline import AsyncPipeline
    from kvcore.frontends.store_pubsub import AsyncPubSub
    from kvcore.frontends.views import Counter, HashView, ListView, SetView, SortedSetView, StreamView

_WAITING: Final = frozenset({"migrate", "wait", "waitaof"})
"""Commands that may wait although they are not marked as blocking."""

_COMMANDS_PER_TURN: Final = 256
_WAITS: Final = Singleton("WAITS")

# The store has methods called list, dict and set.
_Argv = list[bytes]
_Replies = list[Reply]
_Messages = list[list[Reply]]


class _SharedSession(Local):
    """The session that coroutines share, in place of a thread's."""

    def __init__(self, source: AsyncStore[Reply]) -> None:
        self._source = source

    @property
    def session(self) -> Session:  # type: ignore[override]
        """The session; raise ClosedError if the store was closed."""
        return self._source.own_session()

    @property
    def delivered(self) -> queue.SimpleQueue[Reply]:  # type: ignore[override]
        """Where replies of its parked commands arrive."""
        return self._source.delivered


class _Immediate(Store[T]):
    """What needs no await of an asynchronous store: in its session, so in its database, too."""

    __slots__ = ("_source",)

    def __init__(self, source: AsyncStore[T], store: Store[T]) -> None:
        super().__init__(shared=store, decode_responses=source.decodes)
        self._source: AsyncStore[Reply] = source
        self._local = _SharedSession(source)

    def check_open(self) -> None:
        """Raise ClosedError if the store was closed."""
        self._source.check_open()


class AsyncStore(BaseAsyncStore[T]):
    """An embedded store for coroutines. Make one with :func:`kvcore.aio.open`, or over an open :class:`Store`.

    All coroutines share one session, as callers of one connection would; a blocking command waits in a session of its
    own, so that others go on. Cancelling a waiting command never loses an element. The views (:meth:`dict` ...) need no
    await.
    """

    __slots__ = (
        "__weakref__",
        "_closed",
        "_execute",
        "_immediate",
        "_keeps",
        "_session",
        "_store",
        "decodes",
        "delivered",
        "engine",
        "mutex",
    )

    def __init__(self, config: Config | None = None, *, store: Store[T] | None = None) -> None:
        # A store of bytes is what T is by default.
        self._store: Store[T] = store if store is not None else Store(config)
        self._keeps = self._store.is_durable
        self.engine: Engine = self._store.engine
        self.mutex: threading.Lock = self._store.mutex
        self.decodes = self._store.decodes
        self._execute = self.engine.execute
        self._closed = False
        self._session: Session | None = None
        self.delivered: queue.SimpleQueue[Reply] = queue.SimpleQueue()
        self._immediate: weakref.ref[_Immediate[T]] | None = None

    # Life

    def __repr__(self) -> str:
        return (
            "<kvcore.aio.AsyncStore, closed>"
            if self._closed
            else repr(self._store).replace("Store", "aio.AsyncStore", 1)
        )

    def check_open(self) -> None:
        """Raise ClosedError if the store was closed."""
        if self._closed:
            raise ClosedError("the store is closed; open it again with kvcore.aio.open()")
        self._store.check_open()

    def _begin(self) -> Session:
        self.check_open()
        session = self._session = self._store.new_session(self.delivered)
        return session

    def own_session(self) -> Session:
        """Return the session that coroutines share."""
        if self._closed or self._store.is_closed or self._session is None:
            return self._begin()
        return self._session

    def new_session(self) -> Session:
        """Begin a session on the shared one's database; its owner ends it with :meth:`end_session` or :meth:`leave`."""
        own = self.own_session()
        session = self._store.new_session(queue.SimpleQueue(), own)
        session.name = own.name
        return session

    own_aside = new_session

    def end_session(self, session: Session) -> None:
        """End a session that :meth:`new_session` began."""
        self._store.end_session(session)

    def leave(self, session: Session) -> None:
        """Have a session end at the next tick: for a collector that may run in a thread that holds the lock."""
        self._store.leave(session)

    async def aclose(self) -> None:
        """Close the store and forget its data; closing twice does nothing."""
        self._closed = True
        self._store.close()

    # Commands

    async def _call(self, convert: Convert[object], *arguments: Argument) -> Reply:
        argv = [word if type(word) is bytes else encode(word) for word in arguments]
        reply = self._run_now(argv)
        if reply is _WAITS or self._keeps:
            reply = await self._conclude(argv, reply)
        if convert is same and type(reply) is int:
            return reply
        return settle(reply, convert, self.decodes)

    async def run(self, argv: _Argv) -> Reply:
        """Run a command given as bytes; error replies are returned."""
        reply = self._run_now(argv)
        return await self._conclude(argv, reply) if reply is _WAITS or self._keeps else reply

    def _run_now(self, argv: _Argv) -> Reply:
        """Run a command in the shared session, unless it may have to wait."""
        session = self._session
        if session is None or self._closed or self._store.is_closed:
            session = self._begin()
        commands = self.engine.commands
        command = commands.get(argv[0]) or commands.get(argv[0].lower())
        with self.mutex:
            if not session.gate and (
                (command is not None and (command.bits & BLOCKING or command.name in _WAITING))
                or self.engine.gate & (PAUSED | HOLDING | INTERCEPTED)
            ):
                return _WAITS
            reply = self._execute(session, argv)
            if session.interrupt:
                session.release_pushes()
                session.interrupt = 0
            self._store.count_command()
        return reply

    async def _conclude(self, argv: _Argv, reply: Reply) -> Reply:
        """Run a command aside that may have to wait, or see to the disk for one that ran."""
        if reply is not _WAITS:
            await self._keep()
            return reply
        aside = self.new_session()
        try:
            return await self.run_in(aside, argv)
        finally:
            self.end_session(aside)

    async def run_in(self, session: Session, argv: _Argv) -> Reply:
        """Run a command in a session of which the calling coroutine is the only user, waiting if it is parked."""
        return (await self.run_all(session, [argv]))[0]

    async def run_all(self, session: Session, commands: Sequence[_Argv]) -> _Replies:
        """Run commands in order, as :meth:`run_in` runs one. O(commands)."""
        replies: _Replies = []
        done = 0
        while done < len(commands):
            arrived: _Replies = []
            with self.mutex:
                session.deliver = arrived.append
                done += self.engine.execute_many(session, commands[done : done + _COMMANDS_PER_TURN], replies)
                self._store.count_command()
            if type(replies[-1]) is Blocked:
                replies[-1] = unless_closed(await self._wait(session, replies[-1], arrived))
            elif session.interrupt:
                with self.mutex:
                    session.release_pushes()
                    session.interrupt = 0
        if self._keeps:
            await self._keep()
        return replies

    async def _wait(self, session: Session, blocked: Blocked, arrived: _Replies) -> Reply:
        """Wait until a parked command is served or its time is up."""
        bell: Wakeup = wakeup()

        def deliver(reply: Reply) -> None:
            arrived.append(reply)
            bell.set()

        with self.mutex:
            session.deliver = deliver
            if arrived:  # served by another thread since it was parked
                return arrived[0]
        try:
            while True:
                left_s = None
                if blocked.deadline_ms:
                    left_s = max(1, blocked.deadline_ms - self.engine.now_ms()) / 1000
                if await bell.wait(left_s) or arrived:
                    return arrived[0]
                self._store.tick()
        except BaseException:
            with self.mutex:
                self.engine.blocking.remove(blocked)
                if not arrived:
                    raise
            # The element is taken already: hand it over, and let the cancellation come after it.
            bell.hold_cancellation()
            return arrived[0]

    async def _keep(self) -> None:
        """Wait until the disk has what was done; a sync must not hold up the event loop."""
        if self.engine.config.string("appendfsync") == "always":
            await in_thread(self._store.keep)
        else:
            self._store.keep()

    def messages(self) -> _Messages:
        """Take the messages that subscriptions of the shared session received. Needs no await."""
        return [] if self._session is None else self._store.messages_of(self._session)

    # What is more than a command

    def pipeline(self, transaction: bool = True) -> AsyncPipeline[T]:
        """Return a batch of commands that run together when its ``execute()`` is awaited."""
        from kvcore.frontends.store_pipeline import AsyncSessionPipeline

        return AsyncSessionPipeline(self, transaction)

    def pubsub(self, ignore_subscribe_messages: bool = False) -> AsyncPubSub[T]:
        """Return a listener to channels and patterns."""
        from kvcore.frontends.store_pubsub import AsyncPubSub, AsyncSessionFeed

        self.check_open()
        return AsyncPubSub(AsyncSessionFeed(self), self.decodes, ignore_subscribe_messages)

    def cache(self, ttl: Seconds | None = None, *, key: KeyFunction | None = None, prefix: str = "cache") -> Cache:
        """Return a decorator that keeps a function's results for ``ttl`` seconds, as JSON; None keeps them for ever."""
        return self._at_once().cache(ttl, key=key, prefix=prefix)

    async def run_lock_command(self, *words: Argument) -> int:
        """Run one of the commands behind locks and rate limits; see :mod:`kvcore.frontends.locking`."""
        if words[0] not in self.engine.commands:
            from kvcore.frontends.locking import declare

            self._store.declare(declare)
        result: int = await self.run([encode(word) for word in words])
        if isinstance(result, CommandError):
            raise result
        return result

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
    ) -> Coroutine[object, object, bool | T | None]: ...
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
    ) -> Coroutine[object, object, bool | T | None] | SetView[T]:
        """Set a string, for ``ex`` seconds or ``px`` milliseconds, or until ``exat`` or ``pxat``, if given. O(1).

        With ``nx`` only if the key is new, with ``xx`` only if it exists: None says that it was not set. ``keepttl``
        leaves the key's time to live. With ``get`` the old value is returned. Without a value, return the set at
        ``name`` as a mutable set, which needs no await.
        """
        if isinstance(value, Singleton):
            check_no_options(ex, px, nx, xx, keepttl, get, exat, pxat)
            return self._at_once().set(name)
        if not (nx or xx or get or keepttl) and ex is px is exat is pxat is None:
            return self._put(encode(name), encode(value))
        return super().set(name, value, ex, px, nx, xx, keepttl, get, exat, pxat)

    async def _put(self, key: bytes, data: bytes) -> bool | T | None:
        session = self._session
        if session is None or self._closed or self._store.is_closed:
            session = self._begin()
        if not self._keeps and self._store.put_in(session, key, data):
            return True
        return await super().set(key, data)

    async def get(self, name: Key) -> T | None:
        """Return the string at ``name``, None if there is none. O(1)."""
        session = self._session
        if session is None or self._closed or self._store.is_closed:
            session = self._begin()
        key = name.encode() if type(name) is str else name if type(name) is bytes else encode(name)
        if not self._keeps:
            value = self._store.read_in(session, key)
            if value is not UNREAD:
                return value  # type: ignore[no-any-return]
        return await super().get(key)

    # Views: nothing in them waits

    def _at_once(self) -> Store[T]:
        """Return this store without the awaits. It lives as long as those who use it, who are not known here."""
        found = None if self._immediate is None else self._immediate()
        if found is None:
            found = _Immediate(self, self._store)
            self._immediate = weakref.ref(found)
        return found

    def dict(self, name: Key) -> HashView[T]:
        """Return a hash as a mutable mapping. Needs no await."""
        return self._at_once().dict(name)

    def list(self, name: Key) -> ListView[T]:
        """Return a list as a mutable sequence. Needs no await."""
        return self._at_once().list(name)

    def sorted_set(self, name: Key) -> SortedSetView[T]:
        """Return a sorted set as a mutable mapping of members to scores, in the order of these. Needs no await."""
        return self._at_once().sorted_set(name)

    def stream(self, name: Key) -> StreamView[T]:
        """Return a stream as a sequence of entries to append to. Needs no await, and must not be asked to block."""
        return self._at_once().stream(name)

    def counter(self, name: Key) -> Counter:
        """Return an integer to count with. Needs no await."""
        return self._at_once().counter(name)


@overload
def open(  # noqa: A001
    path: str | os.PathLike[str] | None = None,
    *,
    readonly: bool = False,
    decode_responses: Literal[False] = False,
    **config: bool | int | str,
) -> AsyncStore[bytes]: ...
@overload
def open(  # noqa: A001
    path: str | os.PathLike[str] | None = None,
    *,
    readonly: bool = False,
    decode_responses: Literal[True],
    **config: bool | int | str,
) -> AsyncStore[str]: ...
def open(  # noqa: A001 - as kvcore.open
    path: str | os.PathLike[str] | None = None,
    *,
    readonly: bool = False,
    decode_responses: bool = False,
    **config: bool | int | str,
) -> AsyncStore[bytes] | AsyncStore[str]:
    """Open an embedded store for coroutines; the arguments are those of :func:`kvcore.open`."""
    if decode_responses:
        texts: Store[str] = open_store(path, readonly=readonly, decode_responses=True, **config)
        return AsyncStore(store=texts)
    strings: Store[bytes] = open_store(path, readonly=readonly, decode_responses=False, **config)
    return AsyncStore(store=strings)
