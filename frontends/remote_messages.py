"""Messages of a server's channels: what a listener of a remote store takes them from.

What lives here: the connection of a listener, which confirmations belong to which command, and who reads. What must
not: the shape of messages (store_pubsub.py). The rules: a subscription has begun when the call returns, and what the
server refuses is raised by the call that asked for it; whoever waits first reads for all. A connection that is lost is
an error, for messages may have been missed: a listener is never connected again by itself.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections import deque
from time import monotonic
from typing import Final

from kvcore.errors import ClosedError, CommandError, ConnectionLostError, ProtocolError, ReplyTimeoutError
from kvcore.frontends.remote_link import BLOCKED, READ_BYTES, Link, Pool, reason_of, select_for
from kvcore.frontends.waiting import Wakeup, in_thread, pause, ready, wakeup
from kvcore.replies import Push, Reply
from kvcore.resp.client import UNFINISHED, pack

_CLOSED: Final = "the listener is closed; make another one with pubsub()"
_NO_CONFIRMATION: Final = "no confirmation in time"
_SENT_IN_PART: Final = "a command of subscribing was not sent to its end"
_SEND_PAUSE_S: Final = 0.005
_CONFIRMATIONS: Final = (b"subscribe", b"psubscribe", b"ssubscribe", b"unsubscribe", b"punsubscribe", b"sunsubscribe")


class _Asked:
    """A command of subscribing that is not confirmed yet."""

    __slots__ = ("error", "everything", "kind", "left")

    def __init__(self, argv: list[bytes]) -> None:
        self.kind = argv[0].lower()
        self.everything = len(argv) == 1
        """Whether it ends all subscriptions of its kind, however many there are."""
        self.left = max(1, len(argv) - 1)
        self.error: CommandError | None = None


class _Feed:
    """A connection to listen with, and what it received."""

    __slots__ = (
        "__weakref__",
        "_asked",
        "_closed",
        "_finalizer",
        "_link",
        "_lost",
        "_messages",
        "_pool",
        "_subscribed",
    )

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._link: Link | None = None
        self._messages: deque[list[Reply]] = deque()
        self._asked: deque[_Asked] = deque()
        self._subscribed: dict[bytes, set[bytes]] = {b"": set(), b"p": set(), b"s": set()}
        """Channels, patterns and shard channels."""
        self._lost = ""
        """Why the connection was lost, empty as long as it was not."""
        self._closed = False
        self._finalizer: weakref.finalize[[Link], _Feed] | None = None

    @property
    def subscribed(self) -> bool:
        """Whether anything is listened to."""
        return any(self._subscribed.values())

    @property
    def waiting(self) -> bool:
        """Whether a message is there to be taken."""
        return bool(self._messages)

    def take(self) -> list[Reply] | None:
        """Return the next message as it came, None if there is none."""
        if not self._messages:
            self._check()
            if self._link is not None:
                self._receive()
        return self._messages.popleft() if self._messages else None

    def _check(self) -> None:
        """Raise what keeps the listener from hearing anything."""
        if self._closed:
            raise ClosedError(_CLOSED)
        self._pool.check_open()
        if self._lost:
            raise ConnectionLostError(self._lost)

    def _use(self, link: Link) -> None:
        link.sock.settimeout(0)
        link.altered = True
        self._link = link
        self._finalizer = weakref.finalize(self, self._pool.drop, link)
        self._finalizer.atexit = False

    def _ask(self, argv: list[bytes]) -> _Asked:
        """Note a command of subscribing that is about to be sent."""
        asked = _Asked(argv)
        self._asked.append(asked)
        return asked

    def _receive(self) -> bool:
        """Take in what has come, without waiting; say whether there was anything."""
        link = self._link
        if link is None:
            raise ClosedError(_CLOSED)
        try:
            data = link.sock.recv(READ_BYTES)
        except BLOCKED:
            return False
        except OSError as error:
            self._lose(reason_of(error))
            return True
        if not data:
            self._lose("the server closed the connection")
            return True
        try:
            link.decoder.feed(data)
            while (reply := link.decoder.take()) is not UNFINISHED:
                self._accept(reply)
        except ProtocolError as error:
            self._lose(str(error))
        return True

    def _lose(self, reason: str) -> None:
        """Close the connection for a reason; the first one counts."""
        if self._link is not None:
            self._pool.drop(self._link)
        self._forget()
        self._lost = self._lost or (
            f"the connection of the listener to {self._pool.address} was lost ({reason}): messages may have been "
            "missed; make another one with pubsub()"
        )

    def _late(self) -> ReplyTimeoutError:
        """Return what to raise, as a confirmation did not come in time."""
        self._lose(_NO_CONFIRMATION)
        return ReplyTimeoutError(self._lost, True)

    def _forget(self) -> None:
        for names in self._subscribed.values():
            names.clear()

    def _accept(self, reply: Reply) -> None:
        if isinstance(reply, CommandError):
            if not self._asked:
                raise ProtocolError(f"an error that nobody asked for: {reply}")
            asked = self._asked.popleft()
            asked.error, asked.left = reply, 0
        elif type(reply) is Push:
            if reply[0] in _CONFIRMATIONS:
                self._confirm(reply[0], reply[1])
            self._messages.append(reply)

    def _confirm(self, kind: bytes, channel: bytes) -> None:
        names = self._subscribed[kind.removesuffix(b"subscribe").removesuffix(b"un")]
        if kind.endswith(b"unsubscribe"):
            names.discard(channel)
        else:
            names.add(channel)
        asked = self._asked[0] if self._asked else None
        if asked is None or asked.kind != kind:
            return  # a server ends subscriptions unasked where a shard moves
        asked.left = len(names) if asked.everything else asked.left - 1
        if not asked.left:
            self._asked.popleft()

    def _end(self) -> None:
        """Close the connection; whoever waits finds out."""
        link, self._link = self._link, None
        self._forget()
        self._messages.clear()
        if self._finalizer is not None:
            self._finalizer.detach()
        if link is not None:
            link.cut()
            self._pool.drop(link)


class LinkFeed(_Feed):
    """A connection to listen with, for threads: one takes messages, any may subscribe."""

    __slots__ = ("_changed", "_reading")

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self._changed = threading.Condition()
        self._reading = False

    def run(self, argv: list[bytes]) -> None:
        """Run one of the commands of subscribing; return when it is confirmed."""
        with self._changed:
            self._check()
            if self._link is None:
                self._use(self._pool.connect(self._pool.profile))
            asked = self._ask(argv)
            try:
                self._send(pack(argv))
            except BaseException:
                self._lose(_SENT_IN_PART)
                raise
        if not self._pump(asked, self._pool.address.timeout_s):
            with self._changed:
                raise self._late()
        if asked.error is not None:
            raise asked.error

    def _send(self, request: bytes) -> None:
        """Send a command, taking in what comes meanwhile; the caller holds the lock."""
        left = memoryview(request)
        while left:
            self._check()
            link = self._link
            if link is None:
                raise ClosedError(_CLOSED)
            try:
                left = left[link.sock.send(left) :]
            except BLOCKED:
                if not select_for(link.sock, self._pool.address.timeout_s):
                    raise self._late() from None
                self._receive()
            except OSError as error:
                self._lose(reason_of(error))

    def wait(self, timeout_s: float | None) -> bool:
        """Wait until there may be a message; False if the time is up first."""
        return self._pump(None, timeout_s)

    def take(self) -> list[Reply] | None:
        """Return the next message as it came, None if there is none."""
        with self._changed:
            if self._reading and not self._messages:
                self._check()
                return None
            return super().take()

    def _pump(self, asked: _Asked | None, timeout_s: float | None) -> bool:
        """Read, or wait for who reads, until something has come."""
        deadline = None if timeout_s is None else monotonic() + timeout_s
        with self._changed:
            while True:
                if self._messages if asked is None else not asked.left:
                    return True
                self._check()
                left = None if deadline is None else deadline - monotonic()
                if left is not None and left <= 0:
                    return False
                if self._link is None or self._reading:  # nothing was subscribed to yet: another thread may
                    self._changed.wait(left)
                else:
                    self._read(self._link, left)

    def _read(self, link: Link, timeout_s: float | None) -> None:
        """Wait for the connection with the lock released, and take in what came."""
        self._reading = True
        self._changed.release()
        try:
            with contextlib.suppress(OSError, ValueError):
                link.wait_readable(timeout_s)
        finally:
            self._changed.acquire()
            self._reading = False
            self._changed.notify_all()
        self._check()
        self._receive()

    def close(self) -> None:
        """Listen to nothing any more; closing twice does nothing."""
        with self._changed:
            self._closed = True
            self._end()
            self._changed.notify_all()


async def connect_aside(pool: Pool) -> Link:
    """Make a connection in a thread: names are looked up, and hands are shaken. A cancelled one is not left behind."""
    made: list[Link] = []
    wanted = True
    mutex = threading.Lock()
    profile = pool.profile

    def connect() -> None:
        new = pool.connect(profile)
        new.sock.settimeout(0)
        with mutex:
            if wanted:
                made.append(new)
                return
        pool.drop(new)

    try:
        await in_thread(connect)
    except BaseException:
        with mutex:
            wanted = False
        for new in made:
            pool.give(new)
        raise
    return made[0]


class AsyncLinkFeed(_Feed):
    """A connection to listen with, for the coroutines of one event loop: one takes messages, any may subscribe."""

    __slots__ = ("_bells", "_reading", "_sending")

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self._bells: list[Wakeup] = []
        self._reading = False
        self._sending = False

    async def run(self, argv: list[bytes]) -> None:
        """Run one of the commands of subscribing; return when it is confirmed."""
        self._check()
        if self._link is None:
            new = await connect_aside(self._pool)
            if self._link is None and not self._closed:
                self._use(new)
            else:
                self._pool.drop(new)  # another task was faster, or closed the listener
                self._check()
        while self._sending:
            await pause(_SEND_PAUSE_S)
        asked = self._ask(argv)
        self._sending = True
        try:
            await self._send(pack(argv))
        except BaseException:
            self._lose(_SENT_IN_PART)
            raise
        finally:
            self._sending = False
        if not await self._pump(asked, self._pool.address.timeout_s):
            raise self._late()
        if asked.error is not None:
            raise asked.error

    async def _send(self, request: bytes) -> None:
        """Send a command, taking in what comes meanwhile."""
        limit_s = self._pool.address.timeout_s
        deadline = None if limit_s is None else monotonic() + limit_s
        left = memoryview(request)
        while left:
            self._check()
            link = self._link
            if link is None:
                raise ClosedError(_CLOSED)
            try:
                left = left[link.sock.send(left) :]
            except BLOCKED:
                if deadline is not None and monotonic() > deadline:
                    raise self._late() from None
                # An event loop knows one who waits for a socket, and that is who takes messages.
                if not self._reading:
                    self._receive()
                await pause(_SEND_PAUSE_S)
            except OSError as error:
                self._lose(reason_of(error))

    def take(self) -> list[Reply] | None:
        """Return the next message as it came, None if there is none."""
        if self._reading and not self._messages:
            # What is there may be the confirmation that the one who reads waits for: it would wait for ever.
            self._check()
            return None
        return super().take()

    async def wait(self, timeout_s: float | None) -> bool:
        """Wait until there may be a message; False if the time is up first."""
        return await self._pump(None, timeout_s)

    async def _pump(self, asked: _Asked | None, timeout_s: float | None) -> bool:
        """Read, or wait for who reads, until something has come."""
        deadline = None if timeout_s is None else monotonic() + timeout_s
        while True:
            if self._messages if asked is None else not asked.left:
                return True
            self._check()
            left = None if deadline is None else deadline - monotonic()
            if left is not None and left <= 0:
                return False
            link = self._link
            if self._reading or link is None:
                bell = wakeup()
                self._bells.append(bell)
                try:
                    await bell.wait(left)
                finally:
                    self._bells.remove(bell)
                continue
            self._reading = True
            try:
                if await ready(link.sock, False, left):
                    self._receive()
            except ConnectionAbortedError as error:
                self._check()
                self._lose(reason_of(error))
            finally:
                self._reading = False
                for bell in self._bells:
                    bell.set()

    def close(self) -> None:
        """Listen to nothing any more; closing twice does nothing."""
        link, self._closed = self._link, True
        if self._reading and link is not None:
            # Who reads must see the end before the number of the connection may be another's.
            link.cut()
            self._forget()
        else:
            self._end()
        for bell in self._bells:
            bell.set()
