"""A store on a server for coroutines: the same methods, awaited, on asyncio and on trio.

    async with kvcore.aio.connect("redis://localhost") as store:
        await store.set("k", "v")

A call takes a connection that nobody uses, or makes one, and gives it back with the reply; a command that may wait, a
pipeline and a listener keep theirs for as long. Connections are bound to no event loop. The store has one database and
one name, which SELECT and CLIENT SETNAME change for all that comes after.

What lives here: how a coroutine talks to a server, and what it may have at once. What must not: sockets
(remote_link.py). The rules: a call that is cancelled closes its connection, so that nobody gets its reply; a command is
sent once, and never again by itself.
"""

from __future__ import annotations

import contextlib
import os
import threading
import warnings
import weakref
from collections import deque
from collections.abc import Coroutine, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Final, overload

from kvcore.arguments import Argument
from kvcore.errors import UnsupportedError, text
from kvcore.frontends.remote_address import Address
from kvcore.frontends.remote_link import (
    BLOCKED,
    KINDS,
    READ_BYTES,
    REFUSED,
    STATE,
    WAITS,
    Link,
    Pool,
    Profile,
    check_allowed,
    waits,
)
from kvcore.frontends.remote_locks import steps
from kvcore.frontends.remote_messages import AsyncLinkFeed, connect_aside
from kvcore.frontends.remote_store import RemoteStore, check_all, concluded, usable
from kvcore.frontends.store import NO_VALUE, check_no_options
from kvcore.frontends.store_async import BaseAsyncStore
from kvcore.frontends.store_base import Duration, Key, Moment, Seconds, T, Value
from kvcore.frontends.store_pipeline import AsyncPipeline
from kvcore.frontends.store_pubsub import AsyncPubSub
from kvcore.frontends.waiting import Wakeup, pause, ready, wakeup
from kvcore.replies import Reply, Singleton
from kvcore.resp.client import pack_all

if TYPE_CHECKING:
    from kvcore.frontends.caching import Cache, KeyFunction
    from kvcore.frontends.views import Counter, HashView, ListView, SetView, SortedSetView, StreamView

_CLOSED: Final = "the store is closed; connect again with kvcore.aio.connect()"
_VIEW_TIMEOUT_S: Final = 10.0
_ONLY_IN_PROCESS: Final = frozenset({"engine", "messages", "mutex", "own_session", "new_session", "run_in"})
_SHARED: Final = (b"SELECT", b"CLIENT")
_OF_ONE_CONNECTION: Final = (b"CACHING", b"NO-EVICT", b"NO-TOUCH", b"SETINFO")
"""What CLIENT changes of the connection that it comes by."""

# The store has methods called list, dict and set.
_Argv = list[bytes]
_Replies = list[Reply]


async def converse(link: Link, commands: Sequence[_Argv], patient: bool = False) -> _Replies:
    """Run commands over a connection of which the calling coroutine is the only user; return the replies.

    Raises ConnectionLostError. Whatever ends the conversation early, a cancellation too, closes the connection.
    """
    replies: _Replies = []
    sock = link.sock
    left = memoryview(pack_all(commands))
    limit_s = None if patient else link.address.timeout_s
    deadline = None if limit_s is None else monotonic() + limit_s
    whole = len(left)
    try:
        while link.collect(replies, len(commands)):
            if left:
                with contextlib.suppress(*BLOCKED):
                    left = left[sock.send(left) :]
            try:
                data = sock.recv(READ_BYTES)
            except BLOCKED:
                if not await ready(sock, bool(left), None if deadline is None else deadline - monotonic()):
                    raise TimeoutError from None
                continue
            if not data:
                raise ConnectionResetError("the server closed the connection")
            link.decoder.feed(data)
            deadline = None if limit_s is None else monotonic() + limit_s
    except BaseException as error:
        link.fail(error, commands[0][0] if len(commands) == 1 else b"", len(left) < whole)
    return replies


class _Turns:
    """How many calls may be under way at once; the others wait in line, on whichever event loop."""

    __slots__ = ("_free", "_line", "_mutex")

    def __init__(self, most: int) -> None:
        self._free = most
        self._line: deque[Wakeup] = deque()
        self._mutex = threading.Lock()

    async def take(self) -> None:
        """Wait for a turn."""
        with self._mutex:
            if self._free > 0:
                self._free -= 1
                return
            bell = wakeup()
            self._line.append(bell)
        try:
            await bell.wait()
        except BaseException:
            with self._mutex:
                waiting = bell in self._line
                if waiting:
                    self._line.remove(bell)
            if not waiting:
                self.give()  # it was this one's turn already
            raise

    def give(self) -> None:
        """End a turn."""
        with self._mutex:
            if self._line:
                self._line.popleft().set()
            else:
                self._free += 1


_stores: weakref.WeakSet[AsyncRemoteStore[Reply]] = weakref.WeakSet()


def _forked() -> None:
    """Leave all connections to the parent process; the stores connect anew here."""
    for store in list(_stores):
        store.leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


class _ViewStore(RemoteStore[T]):
    """What an asynchronous store's collections talk through: always on its database."""

    __slots__ = ("_leader",)

    def __init__(self, leader: Pool, decode: bool) -> None:
        super().__init__(leader.address.with_limit(_VIEW_TIMEOUT_S), decode_responses=decode)
        self._leader = leader

    def run(self, argv: _Argv) -> Reply:
        """Run a command given as bytes, on this thread's connection; error replies are returned."""
        self.begin_with(self._leader.profile)
        return super().run(argv)

    def _own_profile(self) -> Profile:
        return self._leader.profile


class AsyncRemoteStore(BaseAsyncStore[T]):
    """A store on a server, for coroutines. Make one with :func:`kvcore.aio.connect`.

    Collections and what ``cache()`` decorates work as in process; a collection needs no await, and holds the event loop
    for the time of a reply.
    """

    __slots__ = ("__weakref__", "_finalizer", "_pool", "_turns", "_twin", "decodes")

    def __init__(self, address: Address, *, decode_responses: bool = False) -> None:
        self._pool = Pool(address)
        self._turns = _Turns(address.max_connections)
        # Collections talk through a store of their own: what they do cannot be awaited.
        self._twin: RemoteStore[T] = _ViewStore(self._pool, decode_responses)
        self.decodes = decode_responses
        self._finalizer = weakref.finalize(self, _abandon, self._pool)
        _stores.add(self)

    def __repr__(self) -> str:
        return f"<AsyncRemoteStore on {self._pool.address}>"

    if not TYPE_CHECKING:  # a type checker is to know the names that there are, and no others

        def __getattr__(self, name: str) -> object:
            if name in _ONLY_IN_PROCESS:
                raise AttributeError(f"a remote store has no {name}: that is for a store in process, kvcore.aio.open()")
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    # Life

    async def aclose(self) -> None:
        """Close every connection; whoever waits for a reply gets ClosedError. Closing twice does nothing."""
        self._finalizer.detach()
        self._pool.close(_CLOSED, users_close=True)
        self._twin.close()

    def leave_to_parent(self) -> None:
        """Begin anew in a process that was forked: what is connected is the parent's."""
        self._pool.leave_to_parent()
        self._turns = _Turns(self._pool.address.max_connections)

    def check_open(self) -> None:
        """Raise ClosedError if the store was closed."""
        self._pool.check_open()

    # Commands

    async def run(self, argv: _Argv) -> Reply:
        """Run a command given as bytes; error replies are returned.

        Raises ConnectionLostError, ReplyTimeoutError and UnsupportedError.
        """
        kind = KINDS.get(argv[0].upper(), 0)
        if kind & (STATE | REFUSED):
            check_allowed(argv)
            _check_shareable(argv)
        patient = kind == WAITS and waits(argv)
        if patient:
            return (await self._converse([argv], True))[0]
        turns = self._turns
        await turns.take()
        try:
            reply = (await self._converse([argv], False))[0]
        finally:
            turns.give()
        return reply

    async def _converse(self, commands: list[_Argv], patient: bool) -> _Replies:
        link = await take(self._pool)
        try:
            with self._pool.explained():
                replies = await converse(link, commands, patient)
        except BaseException:
            self._pool.drop(link)
            raise
        if KINDS.get(commands[0][0].upper(), 0) == STATE:
            before = link.profile
            link.note(commands[0], replies[0])
            # Only what this call has changed: another one may have changed the rest meanwhile.
            database, name = self._pool.profile
            if link.profile[0] != before[0]:
                database = link.profile[0]
            if link.profile[1] != before[1]:
                name = link.profile[1]
            self._pool.profile = (database, name)
        self._pool.give(link)
        return replies

    async def run_lock_command(self, *words: Argument) -> int:
        """Run what stands for one of the commands behind locks and rate limits."""
        work = steps(words)
        reply: Reply = None
        try:
            while True:
                step = work.send(reply)
                reply = None
                if isinstance(step, float):
                    await pause(step)
                else:
                    reply = await self.run(step)
        except StopIteration as end:
            result: int = end.value
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
            return self._views().set(name)
        return super().set(name, value, ex, px, nx, xx, keepttl, get, exat, pxat)

    # What is more than a command

    def pipeline(self, transaction: bool = True) -> AsyncPipeline[T]:
        """Return a batch of commands that are sent together when its ``execute()`` is awaited."""
        return AsyncRemotePipeline(self._pool, self.decodes, transaction)

    def pubsub(self, ignore_subscribe_messages: bool = False) -> AsyncPubSub[T]:
        """Return a listener to channels and patterns, with a connection of its own."""
        self.check_open()
        return AsyncPubSub(AsyncLinkFeed(self._pool), self.decodes, ignore_subscribe_messages)

    def _views(self) -> RemoteStore[T]:
        """Return the store that collections talk through."""
        self.check_open()
        return self._twin

    def cache(self, ttl: Seconds | None = None, *, key: KeyFunction | None = None, prefix: str = "cache") -> Cache:
        """Return a decorator that keeps a function's results for ``ttl`` seconds, as JSON; None keeps them for ever."""
        return self._views().cache(ttl, key=key, prefix=prefix)

    def dict(self, name: Key) -> HashView[T]:
        """Return a hash as a mutable mapping. Needs no await."""
        return self._views().dict(name)

    def list(self, name: Key) -> ListView[T]:
        """Return a list as a mutable sequence. Needs no await."""
        return self._views().list(name)

    def sorted_set(self, name: Key) -> SortedSetView[T]:
        """Return a sorted set as a mutable mapping of members to scores, in the order of these. Needs no await."""
        return self._views().sorted_set(name)

    def stream(self, name: Key) -> StreamView[T]:
        """Return a stream as a sequence of entries to append to. Needs no await, and must not be asked to block."""
        return self._views().stream(name)

    def counter(self, name: Key) -> Counter:
        """Return an integer to count with. Needs no await."""
        return self._views().counter(name)


async def take(pool: Pool) -> Link:
    """Take a connection that nobody uses, or make one."""
    return pool.find(pool.profile) or await connect_aside(pool)


def _check_shareable(argv: _Argv) -> None:
    """Raise UnsupportedError for what would be forgotten with the reply: calls have no connection of their own."""
    name = argv[0].upper()
    if name in (b"MULTI", b"EXEC", b"DISCARD", b"WATCH", b"UNWATCH"):
        raise UnsupportedError(f"an asynchronous remote store does not run {text(name)}: use pipeline()")
    if name not in _SHARED and KINDS.get(name) == STATE:
        raise UnsupportedError(f"an asynchronous remote store does not run {text(name)}: say it in the URL")
    if name == b"CLIENT" and len(argv) > 1 and argv[1].upper() in _OF_ONE_CONNECTION:
        raise UnsupportedError(
            f"an asynchronous remote store does not run CLIENT {text(argv[1].upper())}: it is for one connection"
        )


def _abandon(pool: Pool) -> None:
    """Close the connections of a store that was collected, or is still open when the interpreter ends."""
    if pool.close(_CLOSED):
        text = "a remote store was not closed: await aclose(), or use it in an async with statement"
        warnings.warn(text, ResourceWarning, stacklevel=2)


class AsyncRemotePipeline(AsyncPipeline[T]):
    """A pipeline of an asynchronous remote store: it has a connection from its first WATCH or execute() on."""

    __slots__ = ("__weakref__", "_link", "_pool")

    def __init__(self, pool: Pool, decode: bool, transaction: bool) -> None:
        super().__init__(decode, transaction)
        self._pool = pool
        self._link: Link | None = None

    def __del__(self) -> None:
        self._release()

    def _release(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            self._pool.give(link)  # one that watches still is closed there

    async def _run_all(self, commands: list[_Argv]) -> _Replies:
        kinds = check_all(commands)
        link = usable(self._link, self._watching)
        if link is None:
            self._release()
            link = self._link = await take(self._pool)
        with self._pool.explained():
            replies = await converse(link, commands, bool(kinds & WAITS))
        return concluded(link, commands, replies)
