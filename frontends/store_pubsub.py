"""Listening to channels and patterns of a store.

    with store.pubsub() as listener:
        listener.subscribe("news")
        for message in listener.listen():
            ...

What lives here: subscriptions with a session of their own, the queue of messages, their shape, which is redis-py's.
The rule: messages are taken from the session under the engine lock; who waits for one uses no processor time. A
listener that does not take its messages is cut off at ``MOST_UNREAD`` of them, and told so.
"""

from __future__ import annotations

import inspect
import queue
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Final, Generic, Protocol, Self, TypedDict

from kvcore.arguments import encode
from kvcore.errors import ClosedError, CommandError, KvcoreError
from kvcore.frontends.store_base import Key, T
from kvcore.frontends.waiting import Wakeup, wakeup
from kvcore.replies import Push, Reply
from kvcore.session import Session

if TYPE_CHECKING:
    from kvcore.frontends.inprocess import Store
    from kvcore.frontends.inprocess_async import AsyncStore

MOST_UNREAD: Final = 1_000_000
"""Messages that may wait in a listener: one that takes none must not take the memory instead."""

_CLOSED: Final = "the listener is closed; make another one with pubsub()"
_PATTERNS: Final = frozenset({"pmessage", "psubscribe", "punsubscribe"})
_DATA: Final = frozenset({"message", "pmessage", "smessage"})

_Subscription = tuple[str, bytes]
"""The kind of a subscription, "" or "p" or "s", and its channel or pattern."""

Handler = Callable[["Message"], object]


def _kind_of(word: str) -> str:
    """Return the kind of subscription that a message, a confirmation, or a command in lower case is of."""
    return word.removesuffix("message").removesuffix("subscribe").removesuffix("un")


class Message(TypedDict):
    """What a listener returns: redis-py's dictionary."""

    type: str
    pattern: Reply
    channel: Reply
    data: Reply


def _nothing() -> None:
    """Stand in while nobody waits."""


class _Inbox:
    """The session's side: counts what waits, and says when something does."""

    __slots__ = ("__weakref__", "overflowed", "session", "wake")

    def __init__(self, session: Session) -> None:
        self.session = session
        self.overflowed = False
        self.wake: Callable[[], None] = _nothing
        session.wake = session.close = self.arrived

    def arrived(self) -> None:
        """Look after something was pushed; called under the lock."""
        session = self.session
        if self.overflowed or len(session.outbox) > MOST_UNREAD:
            # Whoever publishes goes through the listeners now: the session ends when the owner comes to look.
            self.overflowed = True
            session.outbox.clear()
        self.wake()


class Feed(Protocol):
    """Where a listener's messages come from."""

    @property
    def subscribed(self) -> bool:
        """Whether anything is listened to."""

    @property
    def waiting(self) -> bool:
        """Whether a message is there to be taken."""

    def take(self) -> list[Reply] | None:
        """Return the next message as it came, None if there is none. Raises ClosedError, KvcoreError."""

    def close(self) -> None:
        """Listen to nothing any more; closing twice does nothing."""


class ThreadFeed(Feed, Protocol):
    """Where a listener of a store has its messages from."""

    def run(self, argv: list[bytes]) -> None:
        """Run one of the commands of subscribing; its confirmations come as messages."""

    def wait(self, timeout_s: float | None) -> bool:
        """Wait until there may be a message; False if the time is up first."""


class TaskFeed(Feed, Protocol):
    """Where a listener of an asynchronous store has its messages from."""

    async def run(self, argv: list[bytes]) -> None:
        """Run one of the commands of subscribing; its confirmations come as messages."""

    async def wait(self, timeout_s: float | None) -> bool:
        """Wait until there may be a message; False if the time is up first."""


class _SessionFeed:
    """A session of a store in this process."""

    __slots__ = ("__weakref__", "_finalizer", "_inbox", "_messages", "_session", "_source")

    def __init__(self, source: Store[T] | AsyncStore[T]) -> None:
        self._source: Store[Reply] | AsyncStore[Reply] = source
        self._messages: deque[list[Reply]] = deque()
        self._session: Session | None = source.own_aside()
        self._inbox = _Inbox(self._session)
        self._finalizer = weakref.finalize(self, source.leave, self._session)
        self._finalizer.atexit = False

    @property
    def subscribed(self) -> bool:
        """Whether anything is listened to."""
        session = self._session
        return session is not None and bool(session.channels or session.patterns or session.shard_channels)

    @property
    def waiting(self) -> bool:
        """Whether a message is there to be taken."""
        return bool(self._messages or (self._session is not None and self._session.outbox))

    def execute(self, argv: list[bytes]) -> None:
        """Run one of the commands of subscribing."""
        session = self._open_session()
        self._source.check_open()
        with self._source.mutex:
            reply = session.engine.execute(session, argv)
            session.release_pushes()
            session.interrupt = 0
            self._inbox.arrived()  # the confirmation, for whoever waits meanwhile
        if isinstance(reply, CommandError):
            raise reply

    def _open_session(self) -> Session:
        if self._session is None:
            raise ClosedError(_CLOSED)
        return self._session

    def take(self) -> list[Reply] | None:
        """Return the next message as it came, None if there is none."""
        if not self._messages:
            session = self._open_session()
            if self._inbox.overflowed:
                self.close()
                raise KvcoreError("the listener took too few of its messages, and was cut off: make another one")
            self._source.check_open()
            with self._source.mutex:
                session.release_pushes()
                self._messages.extend(item for item in session.outbox if isinstance(item, Push))
                session.outbox.clear()
        return self._messages.popleft() if self._messages else None

    def _comes(self, wake: Callable[[], None]) -> bool:
        """Have ``wake`` called from now on when something comes, or say that it is there."""
        session = self._open_session()
        self._inbox.wake = wake
        self._source.check_open()
        with self._source.mutex:
            session.release_pushes()
            return bool(session.outbox) or self._inbox.overflowed

    def close(self) -> None:
        """Listen to nothing any more; closing twice does nothing."""
        session, self._session = self._session, None
        if session is not None:
            self._finalizer.detach()
            self._inbox.wake()
            self._source.end_session(session)


class SessionFeed(_SessionFeed):
    """A session of a store, for threads."""

    __slots__ = ()

    def run(self, argv: list[bytes]) -> None:
        """Run one of the commands of subscribing."""
        self.execute(argv)

    def wait(self, timeout_s: float | None) -> bool:
        """Wait until there may be a message; False if the time is up first."""
        bell: queue.SimpleQueue[None] = queue.SimpleQueue()
        try:
            if not self._comes(lambda: bell.put(None)):
                bell.get(timeout=timeout_s)
        except queue.Empty:
            return False
        finally:
            self._inbox.wake = _nothing
        return True


class AsyncSessionFeed(_SessionFeed):
    """A session of a store, for coroutines."""

    __slots__ = ()

    async def run(self, argv: list[bytes]) -> None:
        """Run one of the commands of subscribing."""
        self.execute(argv)

    async def wait(self, timeout_s: float | None) -> bool:
        """Wait until there may be a message; False if the time is up first."""
        bell: Wakeup = wakeup()
        try:
            return self._comes(bell.set) or await bell.wait(timeout_s)
        finally:
            self._inbox.wake = _nothing


class BasePubSub(Generic[T]):
    """Subscriptions and the messages that came."""

    __slots__ = ("__weakref__", "_decode", "_ending", "_handlers", "_ignore", "_source")

    _awaits: ClassVar[bool] = False
    """Whether handlers may be coroutine functions."""

    def __init__(self, source: Feed, decode: bool, ignore_subscribe_messages: bool) -> None:
        self._source = source
        self._decode = decode
        self._ignore = ignore_subscribe_messages
        self._handlers: dict[_Subscription, Handler] = {}
        self._ending: set[_Subscription] = set()
        """Whose handlers are forgotten with the confirmation: what was published before is theirs."""

    @property
    def subscribed(self) -> bool:
        """Whether it listens to anything."""
        return self._source.subscribed

    def _words(self, name: bytes, names: tuple[Key, ...], handlers: dict[str, Handler]) -> list[bytes]:
        """Return one of the commands of subscribing, and remember the handlers."""
        channels = [*map(encode, names), *map(encode, handlers)]
        kind, begins = _kind_of(name.decode().lower()), not name.endswith(b"UNSUBSCRIBE")
        if not channels and begins:
            raise TypeError("name a channel or pattern to listen to")
        for channel, handler in handlers.items():
            if not callable(handler):
                raise TypeError(f"the handler of {channel} cannot be called")
            if inspect.iscoroutinefunction(handler) and not self._awaits:
                raise TypeError(f"the handler of {channel} is a coroutine function: nothing here awaits it")
        subscriptions = {(kind, channel) for channel in channels}
        if begins:
            for plain in names:
                self._handlers.pop((kind, encode(plain)), None)
            self._handlers.update({(kind, encode(channel)): handler for channel, handler in handlers.items()})
            self._ending -= subscriptions
        else:
            everything = {subscription for subscription in self._handlers if subscription[0] == kind}
            self._ending |= everything & subscriptions if channels else everything
        return [name, *channels]

    def _next(self, ignore: bool) -> tuple[Message, Handler | None] | None:
        """Return the next message and the handler that it is for, leaving out confirmations that are not wanted."""
        while (items := self._source.take()) is not None:
            kind = items[0].decode() if isinstance(items[0], bytes) else str(items[0])
            pattern, channel, data = (None, *items[1:]) if len(items) == 3 else items[1:]
            if kind in _PATTERNS and len(items) == 3:
                pattern, channel = None, items[1]
            subscription = _kind_of(kind), channel if pattern is None else pattern
            if kind in _DATA:
                return self._message(kind, pattern, channel, data), self._handlers.get(subscription)
            if kind.endswith("unsubscribe") and subscription in self._ending:
                self._ending.discard(subscription)
                self._handlers.pop(subscription, None)
            if not (ignore or self._ignore):
                return self._message(kind, pattern, channel, data), None
        return None

    @property
    def _goes_on(self) -> bool:
        """Whether there is anything to listen to, or to be read still."""
        return self._source.subscribed or self._source.waiting

    def _message(self, kind: str, pattern: Reply, channel: Reply, data: Reply) -> Message:
        if self._decode:
            pattern, channel, data = (
                item.decode() if isinstance(item, bytes) else item for item in (pattern, channel, data)
            )
        return {"type": kind, "pattern": pattern, "channel": channel, "data": data}

    def close(self) -> None:
        """Listen to nothing any more; closing twice does nothing."""
        self._source.close()


class PubSub(BasePubSub[T]):
    """A listener of a store; make one with :meth:`Store.pubsub`. One thread takes messages, any may subscribe."""

    __slots__ = ("_feed",)

    def __init__(self, feed: ThreadFeed, decode: bool, ignore_subscribe_messages: bool = False) -> None:
        super().__init__(feed, decode, ignore_subscribe_messages)
        self._feed = feed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def subscribe(self, *channels: Key, **handlers: Handler) -> None:
        """Listen to channels; a keyword's handler is called with its channel's messages."""
        self._feed.run(self._words(b"SUBSCRIBE", channels, handlers))

    def psubscribe(self, *patterns: Key, **handlers: Handler) -> None:
        """Listen to the channels that match patterns."""
        self._feed.run(self._words(b"PSUBSCRIBE", patterns, handlers))

    def ssubscribe(self, *channels: Key, **handlers: Handler) -> None:
        """Listen to shard channels."""
        self._feed.run(self._words(b"SSUBSCRIBE", channels, handlers))

    def unsubscribe(self, *channels: Key) -> None:
        """Listen to channels, or all of them, no longer."""
        self._feed.run(self._words(b"UNSUBSCRIBE", channels, {}))

    def punsubscribe(self, *patterns: Key) -> None:
        """Listen to patterns, or all of them, no longer."""
        self._feed.run(self._words(b"PUNSUBSCRIBE", patterns, {}))

    def sunsubscribe(self, *channels: Key) -> None:
        """Listen to shard channels, or all of them, no longer."""
        self._feed.run(self._words(b"SUNSUBSCRIBE", channels, {}))

    def get_message(self, ignore_subscribe_messages: bool = False, timeout: float | None = 0.0) -> Message | None:
        """Return the next message, None if none came within ``timeout`` seconds (None: wait for ever).

        One that has a handler is given to that, and None returned at once, as redis-py does.
        """
        found = self._next(ignore_subscribe_messages)
        deadline = None if timeout is None else monotonic() + timeout
        while found is None:
            left = None if deadline is None else deadline - monotonic()
            if (left is not None and left <= 0) or not self._feed.wait(left):
                return None
            found = self._next(ignore_subscribe_messages)
        return self._hand_over(*found)

    def _hand_over(self, message: Message, handler: Handler | None) -> Message | None:
        """Give a message to its handler, or return it."""
        if handler is None:
            return message
        handler(message)
        return None

    def listen(self) -> Iterator[Message]:
        """Yield messages as they come, until nothing is listened to any more."""
        while self._goes_on:
            found = self._next(False)
            # What was taken, and is not for the caller, may have been the end of the last subscription.
            while found is None and self.subscribed:
                self._feed.wait(None)
                found = self._next(False)
            if found is not None and (message := self._hand_over(*found)) is not None:
                yield message


class AsyncPubSub(BasePubSub[T]):
    """A listener of an asynchronous store; make one with :meth:`AsyncStore.pubsub`. One task takes messages."""

    __slots__ = ("_feed",)

    _awaits = True

    def __init__(self, feed: TaskFeed, decode: bool, ignore_subscribe_messages: bool = False) -> None:
        super().__init__(feed, decode, ignore_subscribe_messages)
        self._feed = feed

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def aclose(self) -> None:
        """Listen to nothing any more; closing twice does nothing."""
        self.close()

    async def subscribe(self, *channels: Key, **handlers: Handler) -> None:
        """Listen to channels; a keyword's handler is called with its channel's messages."""
        await self._feed.run(self._words(b"SUBSCRIBE", channels, handlers))

    async def psubscribe(self, *patterns: Key, **handlers: Handler) -> None:
        """Listen to the channels that match patterns."""
        await self._feed.run(self._words(b"PSUBSCRIBE", patterns, handlers))

    async def ssubscribe(self, *channels: Key, **handlers: Handler) -> None:
        """Listen to shard channels."""
        await self._feed.run(self._words(b"SSUBSCRIBE", channels, handlers))

    async def unsubscribe(self, *channels: Key) -> None:
        """Listen to channels, or all of them, no longer."""
        await self._feed.run(self._words(b"UNSUBSCRIBE", channels, {}))

    async def punsubscribe(self, *patterns: Key) -> None:
        """Listen to patterns, or all of them, no longer."""
        await self._feed.run(self._words(b"PUNSUBSCRIBE", patterns, {}))

    async def sunsubscribe(self, *channels: Key) -> None:
        """Listen to shard channels, or all of them, no longer."""
        await self._feed.run(self._words(b"SUNSUBSCRIBE", channels, {}))

    async def get_message(self, ignore_subscribe_messages: bool = False, timeout: float | None = 0.0) -> Message | None:
        """Return the next message, None if none came within ``timeout`` seconds (None: wait for ever).

        One that has a handler, which may be a coroutine function, is given to that, and None returned at once, as
        redis-py does.
        """
        found = self._next(ignore_subscribe_messages)
        deadline = None if timeout is None else monotonic() + timeout
        while found is None:
            left = None if deadline is None else deadline - monotonic()
            if (left is not None and left <= 0) or not await self._feed.wait(left):
                return None
            found = self._next(ignore_subscribe_messages)
        return await self._hand_over(*found)

    async def _hand_over(self, message: Message, handler: Handler | None) -> Message | None:
        """Give a message to its handler, or return it."""
        if handler is None:
            return message
        taken = handler(message)
        if inspect.isawaitable(taken):
            await taken
        return None

    async def listen(self) -> AsyncIterator[Message]:
        """Yield messages as they come, until nothing is listened to any more."""
        while self._goes_on:
            found = self._next(False)
            # What was taken, and is not for the caller, may have been the end of the last subscription.
            while found is None and self.subscribed:
                await self._feed.wait(None)
                found = self._next(False)
            if found is not None and (message := await self._hand_over(*found)) is not None:
                yield message
