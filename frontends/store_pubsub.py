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

import queue
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Final, Generic, Self, TypedDict

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

_PATTERNS: Final = frozenset({"pmessage", "psubscribe", "punsubscribe"})
_DATA: Final = frozenset({"message", "pmessage", "smessage"})

Handler = Callable[["Message"], object]


class Message(TypedDict):
    """What a listener returns: redis-py's dictionary."""

    type: str
    pattern: Reply
    channel: Reply
    data: Reply


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


def _nothing() -> None:
    """Stand in while nobody waits."""


class BasePubSub(Generic[T]):
    """Subscriptions and the messages that came."""

    __slots__ = (
        "__weakref__",
        "_decode",
        "_finalizer",
        "_handlers",
        "_ignore",
        "_inbox",
        "_messages",
        "_session",
        "_source",
    )

    def __init__(self, source: Store[T] | AsyncStore[T], ignore_subscribe_messages: bool) -> None:
        source.check_open()
        self._source = source
        self._decode = source.decodes
        self._ignore = ignore_subscribe_messages
        self._handlers: dict[bytes, Handler] = {}
        self._messages: deque[list[Reply]] = deque()
        self._session: Session | None = source.own_aside()
        self._inbox = _Inbox(self._session)
        self._finalizer = weakref.finalize(self, source.leave, self._session)
        self._finalizer.atexit = False

    @property
    def subscribed(self) -> bool:
        """Whether it listens to anything."""
        session = self._session
        return session is not None and bool(session.channels or session.patterns or session.shard_channels)

    def _run(self, name: bytes, names: tuple[Key, ...], handlers: dict[str, Handler]) -> None:
        """Run one of the commands of subscribing; its confirmations come as messages."""
        session = self._session
        if session is None:
            raise ClosedError("the listener is closed; make another one with pubsub()")
        channels = [*map(encode, names), *map(encode, handlers)]
        if not channels and not name.endswith(b"UNSUBSCRIBE"):
            raise TypeError("name a channel or pattern to listen to")
        for channel, handler in handlers.items():
            if not callable(handler):
                raise TypeError(f"the handler of {channel} cannot be called")
            self._handlers[channel.encode()] = handler
        for plain in map(encode, names):
            self._handlers.pop(plain, None)
        self._source.check_open()
        with self._source.mutex:
            reply = session.engine.execute(session, [name, *channels])
            session.release_pushes()
            session.interrupt = 0
        if isinstance(reply, CommandError):
            raise reply

    def _take(self) -> list[Reply] | None:
        """Return the next message as it came."""
        if not self._messages:
            session = self._session
            if session is None:
                raise ClosedError("the listener is closed; make another one with pubsub()")
            if self._inbox.overflowed:
                self.close()
                raise KvcoreError("the listener took too few of its messages, and was cut off: make another one")
            self._source.check_open()
            with self._source.mutex:
                session.release_pushes()
                self._messages.extend(item for item in session.outbox if isinstance(item, Push))
                session.outbox.clear()
        return self._messages.popleft() if self._messages else None

    def _next(self, ignore: bool) -> Message | None:
        """Return the next message for the caller: no confirmations it ignores, nothing that a handler took."""
        while (items := self._take()) is not None:
            kind = items[0].decode() if isinstance(items[0], bytes) else str(items[0])
            pattern, channel, data = (None, *items[1:]) if len(items) == 3 else items[1:]
            if kind in _PATTERNS and len(items) == 3:
                pattern, channel = None, items[1]
            if kind not in _DATA:
                if not (ignore or self._ignore):
                    return self._message(kind, pattern, channel, data)
                continue
            handler = self._handlers.get(pattern if kind == "pmessage" else channel)
            message = self._message(kind, pattern, channel, data)
            if handler is None:
                return message
            handler(message)
        return None

    def _message(self, kind: str, pattern: Reply, channel: Reply, data: Reply) -> Message:
        if self._decode:
            pattern, channel, data = (
                item.decode() if isinstance(item, bytes) else item for item in (pattern, channel, data)
            )
        return {"type": kind, "pattern": pattern, "channel": channel, "data": data}

    def close(self) -> None:
        """Listen to nothing any more; closing twice does nothing."""
        session, self._session = self._session, None
        if session is not None:
            self._finalizer.detach()
            self._inbox.wake()
            self._source.end_session(session)


class PubSub(BasePubSub[T]):
    """A listener of a store; make one with :meth:`Store.pubsub`. One thread takes messages, any may subscribe."""

    __slots__ = ()

    def __init__(self, store: Store[T], ignore_subscribe_messages: bool = False) -> None:
        super().__init__(store, ignore_subscribe_messages)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def subscribe(self, *channels: Key, **handlers: Handler) -> None:
        """Listen to channels; a keyword's handler is called with its channel's messages."""
        self._run(b"SUBSCRIBE", channels, handlers)

    def psubscribe(self, *patterns: Key, **handlers: Handler) -> None:
        """Listen to the channels that match patterns."""
        self._run(b"PSUBSCRIBE", patterns, handlers)

    def ssubscribe(self, *channels: Key, **handlers: Handler) -> None:
        """Listen to shard channels."""
        self._run(b"SSUBSCRIBE", channels, handlers)

    def unsubscribe(self, *channels: Key) -> None:
        """Listen to channels, or all of them, no longer."""
        self._run(b"UNSUBSCRIBE", channels, {})

    def punsubscribe(self, *patterns: Key) -> None:
        """Listen to patterns, or all of them, no longer."""
        self._run(b"PUNSUBSCRIBE", patterns, {})

    def sunsubscribe(self, *channels: Key) -> None:
        """Listen to shard channels, or all of them, no longer."""
        self._run(b"SUNSUBSCRIBE", channels, {})

    def get_message(self, ignore_subscribe_messages: bool = False, timeout: float | None = 0.0) -> Message | None:
        """Return the next message, None if none came within ``timeout`` seconds (None: wait for ever)."""
        message = self._next(ignore_subscribe_messages)
        if message is not None or timeout == 0:
            return message
        deadline = None if timeout is None else monotonic() + timeout
        bell: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._inbox.wake = lambda: bell.put(None)
        try:
            while True:
                message = self._next(ignore_subscribe_messages)
                if message is not None:
                    return message
                left = None if deadline is None else deadline - monotonic()
                if left is not None and left <= 0:
                    return None
                bell.get(timeout=left)
        except queue.Empty:
            return None
        finally:
            self._inbox.wake = _nothing

    def listen(self) -> Iterator[Message]:
        """Yield messages as they come, until nothing is listened to any more."""
        while self.subscribed or self._messages or (self._session is not None and self._session.outbox):
            message = self.get_message(timeout=None if self.subscribed else 0)
            if message is not None:
                yield message


class AsyncPubSub(BasePubSub[T]):
    """A listener of an asynchronous store; make one with :meth:`AsyncStore.pubsub`. One task takes messages."""

    __slots__ = ()

    def __init__(self, store: AsyncStore[T], ignore_subscribe_messages: bool = False) -> None:
        super().__init__(store, ignore_subscribe_messages)

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
        self._run(b"SUBSCRIBE", channels, handlers)

    async def psubscribe(self, *patterns: Key, **handlers: Handler) -> None:
        """Listen to the channels that match patterns."""
        self._run(b"PSUBSCRIBE", patterns, handlers)

    async def ssubscribe(self, *channels: Key, **handlers: Handler) -> None:
        """Listen to shard channels."""
        self._run(b"SSUBSCRIBE", channels, handlers)

    async def unsubscribe(self, *channels: Key) -> None:
        """Listen to channels, or all of them, no longer."""
        self._run(b"UNSUBSCRIBE", channels, {})

    async def punsubscribe(self, *patterns: Key) -> None:
        """Listen to patterns, or all of them, no longer."""
        self._run(b"PUNSUBSCRIBE", patterns, {})

    async def sunsubscribe(self, *channels: Key) -> None:
        """Listen to shard channels, or all of them, no longer."""
        self._run(b"SUNSUBSCRIBE", channels, {})

    async def get_message(self, ignore_subscribe_messages: bool = False, timeout: float | None = 0.0) -> Message | None:
        """Return the next message, None if none came within ``timeout`` seconds (None: wait for ever)."""
        message = self._next(ignore_subscribe_messages)
        if message is not None or timeout == 0:
            return message
        deadline = None if timeout is None else monotonic() + timeout
        bell: Wakeup = wakeup()
        self._inbox.wake = bell.set
        try:
            while True:
                message = self._next(ignore_subscribe_messages)
                if message is not None:
                    return message
                left = None if deadline is None else deadline - monotonic()
                if (left is not None and left <= 0) or not await bell.wait(left):
                    return None
        finally:
            self._inbox.wake = _nothing

    async def listen(self) -> AsyncIterator[Message]:
        """Yield messages as they come, until nothing is listened to any more."""
        while self.subscribed or self._messages or (self._session is not None and self._session.outbox):
            message = await self.get_message(timeout=None if self.subscribed else 0)
            if message is not None:
                yield message
