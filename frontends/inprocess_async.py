"""The embedded store for asyncio: the same commands, awaited.

    store = kvcore.aio.open()
    await store.set("k", "v")
    await store.execute("BLPOP", "queue", 0)

Commands run at once on the event loop's own thread, for they take microseconds; only a blocking command waits. Nothing
is bound to a loop: a store may be used from several, one after another or at once in several threads.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

from kvcore.blocking import Blocked
from kvcore.command import BLOCKING
from kvcore.config import Config
from kvcore.errors import ClosedError, CommandError
from kvcore.frontends.inprocess import Argument, Store, encode, make_config, plain
from kvcore.replies import Reply
from kvcore.session import Session


class AsyncStore:
    """An embedded store for coroutines. Make one with :func:`kvcore.aio.open`, or over an open :class:`Store`."""

    __slots__ = ("_closed", "_execute", "_session", "_store", "engine")

    def __init__(self, config: Config | None = None, *, store: Store | None = None) -> None:
        self._store = store if store is not None else Store(config)
        self.engine = self._store.engine
        self._execute = self.engine.execute
        self._closed = False
        with self._store.lock:
            self._session = self._new_session()

    def _new_session(self) -> Session:
        session = self.engine.session(trusted=True)
        session.protocol = 3
        return session

    async def aclose(self) -> None:
        """Close the store and forget its data; closing twice does nothing."""
        self._closed = True
        self._store.close()

    async def __aenter__(self) -> AsyncStore:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def execute(self, *arguments: Argument) -> Reply:
        """Run any command and return its reply; raise CommandError for an error reply.

        All coroutines share one session, as callers of one connection would; a blocking command waits in a session of
        its own, so that others go on. Cancelling a waiting command never loses an element.
        """
        if not arguments:
            raise TypeError("execute() needs the name of a command")
        reply = await self.run([encode(argument) for argument in arguments])
        if isinstance(reply, CommandError):
            raise reply
        return plain(reply)

    async def run(self, argv: list[bytes]) -> Reply:
        """Run a command given as bytes; error replies are returned."""
        if self._closed:
            raise ClosedError("the store is closed; open it again with kvcore.aio.open()")
        command = self.engine.commands.get(argv[0]) or self.engine.commands.get(argv[0].lower())
        if command is not None and command.bits & BLOCKING and not self._session.gate:
            return await self._run_blocking(argv)
        with self._store.lock:
            reply = self._execute(self._session, argv)
            self._session.interrupt = 0
            self._store.count_command()
        return reply

    async def get(self, key: bytes | str) -> bytes | None:
        """Return the string at ``key``, None if there is none. O(1)."""
        reply = await self.run([b"GET", encode(key)])
        if isinstance(reply, CommandError):
            raise reply
        return reply  # type: ignore[no-any-return]

    async def set(self, key: bytes | str, value: Argument, *, px: int | None = None) -> None:
        """Set ``key`` to a string, for ``px`` milliseconds if given. O(1)."""
        options = [] if px is None else [b"PX", b"%d" % px]
        reply = await self.run([b"SET", encode(key), encode(value), *options])
        if isinstance(reply, CommandError):
            raise reply

    async def delete(self, *keys: bytes | str) -> int:
        """Delete keys; return how many existed."""
        count: int = await self.execute(b"DEL", *keys)
        return count

    async def _run_blocking(self, argv: list[bytes]) -> Reply:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        replies: list[Reply] = []

        def deliver(reply: Reply) -> None:
            replies.append(reply)
            loop.call_soon_threadsafe(_settle, future)

        lock = self._store.lock
        with lock:
            session = self._new_session()
            session.call.db = self._session.call.db
            session.name = self._session.name
            session.deliver = deliver
            reply = self._execute(session, argv)
            if type(reply) is not Blocked:
                self.engine.drop(session)
                return reply
        timer = _Timer(loop, self._store, reply) if reply.deadline_ms else None
        try:
            await future
        except asyncio.CancelledError:
            with lock:
                self.engine.drop(session)
                if not replies:
                    raise
            # The element is taken already: hand it over, and let the cancellation come after it.
            loop.call_soon(_cancel_again, asyncio.current_task())
        finally:
            if timer is not None:
                timer.cancel()
            with lock:
                self.engine.drop(session)
        return replies[0]


class _Timer:
    """Ticks the engine when a parked command's time is up."""

    __slots__ = ("_blocked", "_handle", "_loop", "_store")

    def __init__(self, loop: asyncio.AbstractEventLoop, store: Store, blocked: Blocked) -> None:
        self._loop = loop
        self._store = store
        self._blocked = blocked
        self._handle: asyncio.TimerHandle = self._schedule()

    def _schedule(self) -> asyncio.TimerHandle:
        delay_ms = max(1, self._blocked.deadline_ms - self._store.engine.now_ms())
        return self._loop.call_later(delay_ms / 1000, self._expire)

    def _expire(self) -> None:
        self._store.tick()
        if not self._blocked.done:  # a little early: the loop's clock is not the wall clock
            self._handle = self._schedule()

    def cancel(self) -> None:
        """Stop."""
        self._handle.cancel()


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _cancel_again(task: asyncio.Task[Reply] | None) -> None:
    """Repeat a cancellation that came too late, unless it was a time-out whose block has ended meanwhile."""
    if task is not None and not task.done() and task.cancelling():
        task.uncancel()
        task.cancel()


def open(**config: bool | int | str) -> AsyncStore:  # noqa: A001 - as kvcore.open
    """Open an embedded store for coroutines; arguments as :func:`kvcore.open`'s."""
    return AsyncStore(make_config(config))
