"""What every store for coroutines is, as :mod:`kvcore.frontends.store` says it of the others.

What lives here: all that rests on running a command, and the short list of what a kind of store supplies. What must
not: engines (inprocess_async.py) and connections (remote_async.py). The rule: whoever takes a store takes this class.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Never, Self

from kvcore.arguments import Argument, encode
from kvcore.errors import CommandError
from kvcore.frontends.store import NO_COPY, explained
from kvcore.frontends.store_base import (
    Convert,
    Key,
    Seconds,
    T,
    Value,
    as_string,
    decoded,
    plain,
    settle,
)
from kvcore.replies import Reply

if TYPE_CHECKING:
    from kvcore.frontends.async_commands import AsyncCommands
    from kvcore.frontends.caching import Cache, KeyFunction
    from kvcore.frontends.locking import AsyncLock, AsyncRateLimit
    from kvcore.frontends.store_pipeline import AsyncPipeline
    from kvcore.frontends.store_pubsub import AsyncPubSub
    from kvcore.frontends.store_scripts import BitField, Script
    from kvcore.frontends.views import Counter, HashView, ListView, SortedSetView, StreamView
else:
    from kvcore.frontends.store_commands import StoreCommands as AsyncCommands

# The store has methods called list, dict and set.
_Argv = list[bytes]
_Replies = list[Reply]


class BaseAsyncStore(AsyncCommands[T], ABC):
    """A store for coroutines, in this process (:class:`AsyncStore`) or on a server (:class:`AsyncRemoteStore`)."""

    __slots__ = ()

    decodes: bool
    """Whether it returns text where Redis has strings."""

    def __reduce__(self) -> Never:
        """Refuse to be pickled or copied."""
        raise TypeError(NO_COPY)

    # What a kind of store supplies

    @abstractmethod
    async def run(self, argv: _Argv) -> Reply:
        """Run a command given as bytes; error replies are returned."""

    @abstractmethod
    async def run_lock_command(self, *words: Argument) -> int:
        """Run one of the commands behind locks and rate limits; see :mod:`kvcore.frontends.locking`."""

    @abstractmethod
    def pipeline(self, transaction: bool = True) -> AsyncPipeline[T]:
        """Return a batch of commands that run together when its ``execute()`` is awaited."""

    @abstractmethod
    def pubsub(self, ignore_subscribe_messages: bool = False) -> AsyncPubSub[T]:
        """Return a listener to channels and patterns."""

    @abstractmethod
    def cache(self, ttl: Seconds | None = None, *, key: KeyFunction | None = None, prefix: str = "cache") -> Cache:
        """Return a decorator that keeps a function's results for ``ttl`` seconds, as JSON; None keeps them for ever."""

    @abstractmethod
    def dict(self, name: Key) -> HashView[T]:
        """Return a hash as a mutable mapping."""

    @abstractmethod
    def list(self, name: Key) -> ListView[T]:
        """Return a list as a mutable sequence."""

    @abstractmethod
    def sorted_set(self, name: Key) -> SortedSetView[T]:
        """Return a sorted set as a mutable mapping of members to scores, in the order of these."""

    @abstractmethod
    def stream(self, name: Key) -> StreamView[T]:
        """Return a stream as a sequence of entries to append to."""

    @abstractmethod
    def counter(self, name: Key) -> Counter:
        """Return an integer to count with."""

    @abstractmethod
    async def aclose(self) -> None:
        """Close the store; closing twice does nothing."""

    @abstractmethod
    def check_open(self) -> None:
        """Raise ClosedError if the store was closed."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    # Commands

    async def execute(self, *arguments: Argument) -> Reply:
        """Run any command and return its reply; raise CommandError for an error reply."""
        if not arguments:
            raise TypeError("execute() needs the name of a command")
        reply = await self.run([encode(argument) for argument in arguments])
        if isinstance(reply, CommandError):
            raise explained(reply, arguments)
        return decoded(plain(reply)) if self.decodes else plain(reply)

    async def _call(self, convert: Convert[object], *arguments: Argument) -> Reply:
        return settle(await self.run([encode(word) for word in arguments]), convert, self.decodes)

    async def _call_status(self, convert: Convert[object], *arguments: Argument) -> Reply:
        return as_string(await self._call(convert, *arguments), self.decodes)

    async def _call_undecoded(self, convert: Convert[object], *arguments: Argument) -> Reply:
        return settle(await self.run([encode(word) for word in arguments]), convert, False)

    # Iterators

    def __aiter__(self) -> AsyncIterator[T]:
        """Yield the keys."""
        return self.scan_iter()

    async def scan_iter(
        self, match: Value | None = None, count: int | None = None, _type: str | None = None
    ) -> AsyncIterator[T]:
        """Yield the keys, each that is there all the while once or more; nothing is held while it is not asked."""
        cursor = -1
        while cursor:
            cursor, keys = await self.scan(max(cursor, 0), match, count, _type)
            for key in keys:
                yield key

    async def hscan_iter(
        self, name: Key, match: Value | None = None, count: int | None = None
    ) -> AsyncIterator[tuple[T, T]]:
        """Yield the fields of a hash with their values."""
        cursor = -1
        while cursor:
            cursor, fields = await self.hscan(name, max(cursor, 0), match, count)
            for item in fields.items():
                yield item

    async def sscan_iter(self, name: Key, match: Value | None = None, count: int | None = None) -> AsyncIterator[T]:
        """Yield the members of a set."""
        cursor = -1
        while cursor:
            cursor, members = await self.sscan(name, max(cursor, 0), match, count)
            for member in members:
                yield member

    async def zscan_iter(
        self, name: Key, match: Value | None = None, count: int | None = None
    ) -> AsyncIterator[tuple[T, float]]:
        """Yield the members of a sorted set with their scores."""
        cursor = -1
        while cursor:
            cursor, members = await self.zscan(name, max(cursor, 0), match, count)
            for member in members:
                yield member

    # What is more than a command

    async def transaction(self, func: Callable[[AsyncPipeline[T]], object], *watches: Key) -> _Replies:
        """Run ``func(pipeline)``, awaited if it can be, and what it queued, until no watched key changed meanwhile."""
        from kvcore.frontends.store_pipeline import transact_async

        return await transact_async(self, func, watches)

    def lock(
        self,
        name: Key,
        ttl: Seconds | None = None,
        *,
        blocking: bool = True,
        blocking_timeout: Seconds | None = None,
    ) -> AsyncLock:
        """Return a lock by that name, for ``async with``; its holder loses it after ``ttl`` seconds, if given.

        It is not reentrant. A waiter gives up after ``blocking_timeout`` seconds, or at once with ``blocking=False``.
        """
        from kvcore.frontends.locking import AsyncLock

        return AsyncLock(self, name, ttl, blocking=blocking, blocking_timeout=blocking_timeout)

    def rate_limit(self, name: Key, limit: int, window: Seconds) -> AsyncRateLimit:
        """Return a counter that allows ``limit`` hits in any ``window`` seconds."""
        from kvcore.frontends.locking import AsyncRateLimit

        return AsyncRateLimit(self, name, limit, window)

    def register_script(self, script: str | bytes) -> Script:
        """Return a Lua script to be called like a coroutine function."""
        from kvcore.frontends.store_scripts import Script

        return Script(self, script)

    def bitfield(self, key: Key, default_overflow: str | None = None) -> BitField:
        """Return a list of operations on integers of any width in a string; its ``execute()`` is awaited."""
        from kvcore.frontends.store_scripts import BitField

        return BitField(self, key, default_overflow)
