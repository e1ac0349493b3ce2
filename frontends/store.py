"""What every store is: typed methods, collections, pipelines, locks, caches; in this process or on a server.

What lives here: all that rests on running a command, and the short list of what a kind of store supplies. What must
not: engines (inprocess.py) and connections (remote_store.py). The rule: whoever takes a store takes this class, and
finds no difference but the speed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, Never, Self, overload

from kvcore.arguments import Argument, encode
from kvcore.errors import CommandError
from kvcore.frontends.store_base import (
    Convert,
    Duration,
    Key,
    Moment,
    R,
    Seconds,
    T,
    Value,
    as_string,
    decoded,
    plain,
    settle,
)
from kvcore.frontends.store_mapping import StoreMapping
from kvcore.replies import Reply, Singleton

if TYPE_CHECKING:
    from kvcore.frontends.caching import Cache, KeyFunction
    from kvcore.frontends.locking import Lock, RateLimit
    from kvcore.frontends.store_pipeline import Pipeline
    from kvcore.frontends.store_pubsub import PubSub
    from kvcore.frontends.store_scripts import BitField, Script
    from kvcore.frontends.views import Counter, HashView, ListView, SetView, SortedSetView, StreamView

NO_VALUE: Final = Singleton("NO_VALUE")
NO_COPY: Final = (
    "a store cannot be pickled or copied: open another one where it is needed; processes share data through a server, "
    "see kvcore.connect()"
)

# The store has methods called list, dict and set.
_Argv = list[bytes]
_Replies = list[Reply]


def check_no_options(*options: object) -> None:
    """Raise TypeError if ``set()`` was given options and no value."""
    if any(option is not None and option is not False for option in options):
        raise TypeError("set() needs a value for these options")


def explained(error: CommandError, arguments: tuple[Argument, ...]) -> CommandError:
    """Return the error, with a note if the whole command was given as one word."""
    if len(arguments) == 1 and len(words := str(arguments[0]).split()) > 1:
        error.add_note(f"each word is an argument of its own: execute({', '.join(map(repr, words))})")
    return error


class BaseStore(StoreMapping[T], ABC):
    """A store, in this process (:class:`kvcore.Store`) or on a server (:class:`kvcore.RemoteStore`).

    Its commands have redis-py's names and arguments and return what those do. ``BaseStore[bytes]`` returns bytes where
    Redis has strings, ``BaseStore[str]`` text, as ``decode_responses`` says.
    """

    __slots__ = ()

    def __reduce__(self) -> Never:
        """Refuse to be pickled or copied."""
        raise TypeError(NO_COPY)

    # What a kind of store supplies

    @abstractmethod
    def run(self, argv: _Argv) -> Reply:
        """Run a command given as bytes, in this thread's session; error replies are returned."""

    @abstractmethod
    def run_lock_command(self, *words: Argument) -> int:
        """Run one of the commands behind locks and rate limits; see :mod:`kvcore.frontends.locking`."""

    @abstractmethod
    def pipeline(self, transaction: bool = True) -> Pipeline[T]:
        """Return a batch of commands that run together when :meth:`~Pipeline.execute` is called."""

    @abstractmethod
    def pubsub(self, ignore_subscribe_messages: bool = False) -> PubSub[T]:
        """Return a listener to channels and patterns."""

    @abstractmethod
    def close(self) -> None:
        """Close the store; closing twice does nothing."""

    @abstractmethod
    def check_open(self) -> None:
        """Raise ClosedError if the store was closed."""

    @property
    @abstractmethod
    def decodes(self) -> bool:
        """Whether it returns text where Redis has strings."""

    def __enter__(self) -> Self:
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
            raise explained(reply, arguments)
        return decoded(plain(reply)) if self.decodes else plain(reply)

    def _call(self, convert: Convert[R], *arguments: Argument) -> R:
        return settle(self.run([encode(word) for word in arguments]), convert, self.decodes)  # type: ignore[no-any-return]

    def _call_status(self, convert: Convert[R], *arguments: Argument) -> R:
        return as_string(self._call(convert, *arguments), self.decodes)  # type: ignore[no-any-return]

    def _call_undecoded(self, convert: Convert[R], *arguments: Argument) -> R:
        return settle(self.run([encode(word) for word in arguments]), convert, False)  # type: ignore[no-any-return]

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
        if not isinstance(value, Singleton):
            return super().set(name, value, ex, px, nx, xx, keepttl, get, exat, pxat)
        check_no_options(ex, px, nx, xx, keepttl, get, exat, pxat)
        from kvcore.frontends.views import SetView

        return SetView(self, name)

    # What is more than a command

    @overload
    def transaction(
        self, func: Callable[[Pipeline[T]], object], *watches: Key, value_from_callable: Literal[False] = False
    ) -> _Replies: ...
    @overload
    def transaction(self, func: Callable[[Pipeline[T]], R], *watches: Key, value_from_callable: Literal[True]) -> R: ...
    def transaction(
        self, func: Callable[[Pipeline[T]], R], *watches: Key, value_from_callable: bool = False
    ) -> R | _Replies:
        """Run ``func(pipeline)`` and what it queued, as often as it takes until no watched key changed meanwhile.

        Reads come first and return values; after ``pipeline.multi()`` commands are queued. Return the replies, or
        what ``func`` returned.
        """
        from kvcore.frontends.store_pipeline import transact

        result, replies = transact(self, func, watches)
        return result if value_from_callable else replies

    def lock(
        self,
        name: Key,
        ttl: Seconds | None = None,
        *,
        blocking: bool = True,
        blocking_timeout: Seconds | None = None,
    ) -> Lock:
        """Return a lock by that name, for ``with``; who holds it loses it after ``ttl`` seconds, if given.

        It is not reentrant. A waiter gives up after ``blocking_timeout`` seconds, or at once with ``blocking=False``.
        """
        from kvcore.frontends.locking import Lock

        return Lock(self, name, ttl, blocking=blocking, blocking_timeout=blocking_timeout)

    def rate_limit(self, name: Key, limit: int, window: Seconds) -> RateLimit:
        """Return a counter that allows ``limit`` hits in any ``window`` seconds."""
        from kvcore.frontends.locking import RateLimit

        return RateLimit(self, name, limit, window)

    def cache(self, ttl: Seconds | None = None, *, key: KeyFunction | None = None, prefix: str = "cache") -> Cache:
        """Return a decorator that keeps a function's results for ``ttl`` seconds, as JSON; None keeps them for ever."""
        from kvcore.frontends.caching import Cache

        return Cache(self, ttl, key=key, prefix=prefix)

    def register_script(self, script: str | bytes) -> Script:
        """Return a Lua script to be called like a function."""
        from kvcore.frontends.store_scripts import Script

        return Script(self, script)

    def bitfield(self, key: Key, default_overflow: str | None = None) -> BitField:
        """Return a list of operations on integers of any width in a string, to be executed together."""
        from kvcore.frontends.store_scripts import BitField

        return BitField(self, key, default_overflow)

    # Views

    def dict(self, name: Key) -> HashView[T]:
        """Return a hash as a mutable mapping."""
        from kvcore.frontends.views import HashView

        return HashView(self, name)

    def list(self, name: Key) -> ListView[T]:
        """Return a list as a mutable sequence."""
        from kvcore.frontends.views import ListView

        return ListView(self, name)

    def sorted_set(self, name: Key) -> SortedSetView[T]:
        """Return a sorted set as a mutable mapping of members to scores, in the order of these."""
        from kvcore.frontends.views import SortedSetView

        return SortedSetView(self, name)

    def stream(self, name: Key) -> StreamView[T]:
        """Return a stream as a sequence of entries to append to."""
        from kvcore.frontends.views import StreamView

        return StreamView(self, name)

    def counter(self, name: Key) -> Counter:
        """Return an integer to count with."""
        from kvcore.frontends.views import Counter

        return Counter(self, name)
