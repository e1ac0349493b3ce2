"""A store on a server: the methods, collections, pipelines and locks of :class:`kvcore.Store` over ``redis://``.

    with kvcore.connect("redis://localhost:6379/0") as store:
        store.set("k", "v")
        store.dict("user:1")["name"] = "Ada"

Each thread has a connection of its own, as it has a session of its own in process: SELECT, MULTI and a blocking call in
one thread do not disturb another. Pipelines and listeners have theirs. Connections are made when they are first needed.

What lives here: how a command runs, pipelines, subscriptions, the store's life. What must not: sockets
(remote_link.py). The rule: a command is sent once, and never again by itself.
"""

from __future__ import annotations

import os
import threading
import time
import warnings
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kvcore.arguments import Argument, encode
from kvcore.errors import ClosedError, ConnectionLostError
from kvcore.frontends.remote_address import Address
from kvcore.frontends.remote_link import KINDS, REFUSED, STATE, WAITS, Link, Pool, Profile, check_allowed, waits
from kvcore.frontends.remote_locks import steps
from kvcore.frontends.remote_messages import LinkFeed
from kvcore.frontends.store import BaseStore
from kvcore.frontends.store_base import Convert, R, T, settle
from kvcore.frontends.store_pipeline import Pipeline
from kvcore.frontends.store_pubsub import PubSub
from kvcore.replies import NULL_ARRAY, Reply

CLOSED: Final = "the store is closed; connect again with kvcore.connect()"

_ONLY_IN_PROCESS: Final = frozenset(
    {"engine", "is_durable", "keep", "messages", "mutex", "run_in", "new_session", "tick", "own_session"}
)
_Argv = list[bytes]


class _ThreadEnd:
    """Held by a thread's locals only: it dies when the thread does."""

    __slots__ = ("__weakref__", "link")

    def __init__(self) -> None:
        self.link: list[Link] = []


class _Local(threading.local):
    """The thread's connection."""

    def __init__(self) -> None:
        self.link: Link | None = None
        self.end: _ThreadEnd | None = None


_stores: weakref.WeakSet[RemoteStore[Reply]] = weakref.WeakSet()


def _forked() -> None:
    """Leave all connections to the parent process; the stores connect anew here."""
    for store in list(_stores):
        store.leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


class RemoteStore(BaseStore[T]):
    """A store on a server. Make one with :func:`kvcore.connect`."""

    __slots__ = ("__weakref__", "_decode", "_finalizer", "_local", "_pool")

    def __init__(self, address: Address, *, decode_responses: bool = False) -> None:
        self._pool = Pool(address)
        self._decode = decode_responses
        self._local = _Local()
        self._finalizer = weakref.finalize(self, _abandon, self._pool)
        _stores.add(self)

    def __repr__(self) -> str:
        return f"<RemoteStore on {self._pool.address}>"

    if not TYPE_CHECKING:  # a type checker is to know the names that there are, and no others

        def __getattr__(self, name: str) -> object:
            if name in _ONLY_IN_PROCESS:
                raise AttributeError(f"a remote store has no {name}: that is for a store in process, kvcore.open()")
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    # Life

    def close(self) -> None:
        """Close every connection; whoever waits for a reply gets ClosedError. Closing twice does nothing."""
        self._finalizer.detach()
        self._pool.close(CLOSED)
        self._local = _Local()

    def leave_to_parent(self) -> None:
        """Begin anew in a process that was forked: what is connected is the parent's."""
        self._pool.leave_to_parent()
        self._local = _Local()

    def begin_with(self, profile: Profile) -> None:
        """Let this thread go on with that database and name, and connections made from now on begin with them."""
        self._pool.profile = profile
        local = self._local
        link = local.link
        if link is not None and link.profile != profile:
            local.link = None
            if local.end is not None:
                local.end.link.clear()
            self._pool.give(link)

    def check_open(self) -> None:
        """Raise ClosedError if the store was closed."""
        self._pool.check_open()

    @property
    def decodes(self) -> bool:
        """Whether it returns text where Redis has strings."""
        return self._decode

    # Commands

    def run(self, argv: _Argv) -> Reply:
        """Run a command given as bytes, on this thread's connection; error replies are returned.

        Raises ConnectionLostError, ReplyTimeoutError and UnsupportedError.
        """
        link = self._local.link
        if link is None or link.stale():
            link = self._connect(link)
        kind = KINDS.get(argv[0].upper(), 0)
        try:
            if not kind:
                return link.run(argv)
            if kind == REFUSED or argv[0].upper() == b"CLIENT":
                check_allowed(argv)
            reply = link.run(argv, kind == WAITS and waits(argv))
        except ConnectionLostError as error:
            if self._pool.closed:
                raise ClosedError(self._pool.closed) from error
            raise
        if kind == STATE:
            link.note(argv, reply)
        return reply

    def _call(self, convert: Convert[R], *arguments: Argument) -> R:
        reply = self.run([word if type(word) is bytes else encode(word) for word in arguments])
        return settle(reply, convert, self._decode)  # type: ignore[no-any-return]

    def _connect(self, lost: Link | None) -> Link:
        """Give this thread a connection, in place of one that was lost."""
        profile = self._pool.profile
        local = self._local
        if lost is not None:
            profile = lost.profile
            self._pool.drop(lost)
            if lost.dirty:
                lost.transaction = lost.altered = False  # the next call goes on, with the same database
                self._pool.check_open()
                raise ConnectionLostError(
                    f"the connection to {self._pool.address} was lost, and what MULTI, WATCH or AUTH had made of it: "
                    "begin again"
                )
        link = self._pool.take(profile)
        if local.end is None:
            local.end = _ThreadEnd()
            weakref.finalize(local.end, _give_all, self._pool, local.end.link).atexit = False
        local.end.link[:] = [link]
        local.link = link
        return link

    def _own_profile(self) -> Profile:
        """Return the database and name of this thread's connection."""
        link = self._local.link
        return self._pool.profile if link is None else link.profile

    def run_lock_command(self, *words: Argument) -> int:
        """Run what stands for one of the commands behind locks and rate limits."""
        work = steps(words)
        reply: Reply = None
        try:
            while True:
                step = work.send(reply)
                reply = None
                if isinstance(step, float):
                    time.sleep(step)
                else:
                    reply = self.run(step)
        except StopIteration as end:
            result: int = end.value
            return result

    # What is more than a command

    def pipeline(self, transaction: bool = True) -> Pipeline[T]:
        """Return a batch of commands that are sent together when :meth:`~Pipeline.execute` is called."""
        return RemotePipeline(self._pool, self._own_profile, self._decode, transaction)

    def pubsub(self, ignore_subscribe_messages: bool = False) -> PubSub[T]:
        """Return a listener to channels and patterns, with a connection of its own."""
        self.check_open()
        return PubSub(LinkFeed(self._pool), self._decode, ignore_subscribe_messages)


def _give_all(pool: Pool, links: list[Link]) -> None:
    """Give back what an ended thread had."""
    for link in links:
        pool.give(link)


def _abandon(pool: Pool) -> None:
    """Close the connections of a store that was collected, or is still open when the interpreter ends."""
    if pool.close(CLOSED):
        text = "a remote store was not closed: call close(), or use it in a with statement"
        warnings.warn(text, ResourceWarning, stacklevel=2)


class RemotePipeline(Pipeline[T]):
    """A pipeline of a remote store: it has a connection of its own from its first WATCH or execute() on."""

    __slots__ = ("__weakref__", "_link", "_pool", "_profile")

    def __init__(self, pool: Pool, profile: Callable[[], Profile], decode: bool, transaction: bool) -> None:
        super().__init__(decode, transaction)
        self._pool = pool
        self._profile = profile
        self._link: Link | None = None

    def __del__(self) -> None:
        self._release()

    def _release(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            self._pool.give(link)  # one that watches still is closed there

    def _run_all(self, commands: list[_Argv]) -> list[Reply]:
        kinds = check_all(commands)
        link = usable(self._link, self._watching)
        if link is None:
            self._release()
            link = self._link = self._pool.take(self._profile())
        with self._pool.explained():
            replies = link.exchange(commands, bool(kinds & WAITS))
        return concluded(link, commands, replies)


def check_all(commands: list[_Argv]) -> int:
    """Return the kinds of commands; raise UnsupportedError for what cannot be run."""
    kinds = 0
    for argv in commands:
        kind = KINDS.get(argv[0].upper(), 0)
        if kind:
            check_allowed(argv)
            kinds |= kind
    return kinds


def usable(link: Link | None, watching: bool) -> Link | None:
    """Return a pipeline's connection, None if it needs another.

    Raises ConnectionLostError if keys were watched on one that is lost.
    """
    if link is None or not link.stale():
        return link
    if watching:
        raise ConnectionLostError(
            f"the connection to {link.address} was lost, and what the pipeline watched: reset() it, and begin again"
        )
    return None


def concluded(link: Link, commands: list[_Argv], replies: list[Reply]) -> list[Reply]:
    """Note what a pipeline's commands made of its connection; return the replies as a session gives them."""
    for argv, reply in zip(commands, replies, strict=True):
        if KINDS.get(argv[0].upper(), 0) == STATE:
            link.note(argv, reply)
    if commands[-1] == [b"EXEC"] and replies[-1] is None:
        replies[-1] = NULL_ARRAY  # RESP3 has one null
    return replies
