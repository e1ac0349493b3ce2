"""One wait of a coroutine, ended from any thread: on asyncio and on trio.

What lives here: all there is about event loops' kinds. What must not: what is waited for. The rule: nothing is imported
that the program has not imported itself, and nothing outlives the wait.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

from kvcore.errors import KvcoreError

if TYPE_CHECKING:
    import trio


R = TypeVar("R")


class Wakeup(Protocol):
    """A wait that is to come or goes on. Made in the coroutine that waits."""

    def set(self) -> None:
        """End the wait, or the next one; from any thread, and as often as one likes."""

    async def wait(self, timeout_s: float | None = None) -> bool:
        """Wait to be set; False if the time is up first."""

    def hold_cancellation(self) -> None:
        """Let a cancellation that :meth:`wait` raised come later: what was waited for is there, and is returned."""


def _on_trio() -> bool:
    """Say whether the caller is a coroutine of trio, which brings sniffio."""
    sniffio = sys.modules.get("sniffio")
    return sniffio is not None and "trio" in sys.modules and sniffio.current_async_library() == "trio"


def wakeup() -> Wakeup:
    """Return a wait for the running event loop."""
    return TrioWakeup() if _on_trio() else AsyncioWakeup()


def current_task() -> object:
    """Return what runs the calling coroutine."""
    if _on_trio():
        import trio

        return trio.lowlevel.current_task()
    return asyncio.current_task()


async def in_thread(function: Callable[[], R]) -> R:
    """Run a function that waits for the disk or a server, in a thread; return what it returns."""
    if _on_trio():
        import trio

        return await trio.to_thread.run_sync(function)
    return await asyncio.to_thread(function)


class AsyncioWakeup:
    """A wait on asyncio."""

    __slots__ = ("_future", "_loop")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[None] = self._loop.create_future()

    def set(self) -> None:
        """End the wait."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_finish, self._future)

    async def wait(self, timeout_s: float | None = None) -> bool:
        """Wait to be set; False if the time is up first."""
        if self._future.done():
            self._future = self._loop.create_future()
            return True
        timer = None if timeout_s is None else self._loop.call_later(max(timeout_s, 0), _expire, self._future)
        try:
            await self._future
        except TimeoutError:
            self._future = self._loop.create_future()
            return False
        finally:
            if timer is not None:
                timer.cancel()
        self._future = self._loop.create_future()
        return True

    def hold_cancellation(self) -> None:
        """Repeat the cancellation when the coroutine has gone on, unless it was a time-out whose block has ended."""
        self._loop.call_soon(_cancel_again, asyncio.current_task())


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _expire(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_exception(TimeoutError())


def _cancel_again(task: asyncio.Task[object] | None) -> None:
    if task is not None and not task.done() and task.cancelling():
        task.uncancel()
        task.cancel()


class TrioWakeup:
    """A wait on trio."""

    __slots__ = ("_event", "_token")

    def __init__(self) -> None:
        import trio

        self._token: trio.lowlevel.TrioToken = trio.lowlevel.current_trio_token()
        self._event = trio.Event()

    def set(self) -> None:
        """End the wait."""
        import trio

        try:
            self._token.run_sync_soon(self._event.set)
        except trio.RunFinishedError:
            return  # nobody can be waiting any more

    async def wait(self, timeout_s: float | None = None) -> bool:
        """Wait to be set; False if the time is up first."""
        import trio

        if timeout_s is None:
            await self._event.wait()
        else:
            with trio.move_on_after(max(timeout_s, 0)) as scope:
                await self._event.wait()
            if scope.cancelled_caught:
                return False
        self._event = trio.Event()
        return True

    def hold_cancellation(self) -> None:
        """Do nothing: what is cancelled stays so on trio, and the next wait says so."""


async def ready(sock: socket.socket, write: bool, timeout_s: float | None) -> bool:
    """Wait until a socket can be read, or with ``write`` be read or written; False if the time is up first.

    Nothing of the socket stays with the loop: the next wait may be on another one.
    """
    if _on_trio():
        return await _trio_ready(sock, write, timeout_s)
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    number = sock.fileno()
    if number < 0:
        raise ConnectionAbortedError("the connection was closed")
    try:
        loop.add_reader(number, _finish, future)
    except NotImplementedError:
        raise KvcoreError(
            "the Windows proactor event loop cannot wait for sockets: use asyncio.SelectorEventLoop"
        ) from None
    if write:
        loop.add_writer(number, _finish, future)
    timer = None if timeout_s is None else loop.call_later(max(timeout_s, 0), _expire, future)
    try:
        await future
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(number)
        if write:
            loop.remove_writer(number)
        if timer is not None:
            timer.cancel()
    return True


async def _trio_ready(sock: socket.socket, write: bool, timeout_s: float | None) -> bool:
    import trio

    async def first(wait: Callable[[socket.socket], Awaitable[None]], scope: trio.CancelScope) -> None:
        await wait(sock)
        scope.cancel()

    try:
        with trio.move_on_after(float("inf") if timeout_s is None else max(timeout_s, 0)) as limit:
            if not write:
                await trio.lowlevel.wait_readable(sock)
            else:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(first, trio.lowlevel.wait_readable, nursery.cancel_scope)
                    nursery.start_soon(first, trio.lowlevel.wait_writable, nursery.cancel_scope)
    except (trio.ClosedResourceError, ValueError):
        raise ConnectionAbortedError("the connection was closed") from None
    return not limit.cancelled_caught


async def pause(seconds: float) -> None:
    """Let others go on for a time."""
    if _on_trio():
        import trio

        await trio.sleep(seconds)
    else:
        await asyncio.sleep(seconds)
