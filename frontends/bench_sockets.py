"""The network half of ``kvcore bench``: connections to one server, and the loop that keeps them busy.

What lives here: keeping sockets busy, and counting replies. What must not: URLs (remote_address.py), what is sent
(:mod:`kvcore.frontends.bench_tests`).
The rule: replies are counted, not kept, so neither their size nor their number takes memory; what is sent and not yet
answered is one pipeline a connection.

One thread with non-blocking sockets is the cheapest client that Python can be: about 20 us a request without
pipelining, most of it in the two system calls.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final

from kvcore.errors import KvcoreError
from kvcore.frontends.bench_results import Sample, Times
from kvcore.frontends.bench_tests import Commands, Plan
from kvcore.frontends.remote_address import Address
from kvcore.frontends.remote_link import connected
from kvcore.resp.client import pack_all

_ANSWER_SECONDS: Final = 60.0
_SETTLE_SECONDS: Final = 10.0
"""How long the server may take, at the end of a test that failed, for what it was sent already."""

_TURN_SECONDS: Final = 0.1
_CHUNK: Final = 1 << 18
_LINE_MOST: Final = 1 << 16
_KEPT_REPLY: Final = 1 << 16
_BATCH: Final = 512
_BATCH_BYTES: Final = 1 << 22

Watch = Callable[[int, int], None]


class Replies:
    """Counts the replies in a stream of RESP2, however it is cut into reads."""

    __slots__ = ("_last", "_line", "_pending", "_skip", "error")

    def __init__(self) -> None:
        self._line = b""
        self._skip = 0
        self._pending = 0
        self._last = b"+OK\r\n"
        self.error = ""
        """The first error reply."""

    def feed(self, data: bytes) -> int:
        """Return how many replies are complete with ``data``; raise KvcoreError if they are none. O(bytes)."""
        if not self._skip and not self._pending:
            if self._line:
                data, self._line = self._line + data, b""
            count, position = self._same(data)
            if position == len(data):
                return count
        else:
            count, position = 0, 0
        return count + self._walk(data, position)

    def _same(self, data: bytes) -> tuple[int, int]:
        """Count the replies at the beginning that are the last one again, as most are; return also where they end."""
        last = self._last
        size = len(last)
        count = len(data) // size
        if count and data.startswith(last) and data[: count * size] == last * count:
            return count, count * size
        count = position = 0
        while data.startswith(last, position):
            count += 1
            position += size
        return count, position

    def _walk(self, data: bytes, position: int) -> int:
        if self._line:
            data, self._line = self._line + data[position:], b""
            position = 0
        size, count, start = len(data), 0, position if not self._pending and not self._skip else -1
        while position < size:
            if self._skip:
                taken = min(self._skip, size - position)
                self._skip -= taken
                position += taken
                if self._skip:
                    break
            else:
                end = data.find(b"\n", position)
                if end < 0:
                    if size - position > _LINE_MOST:
                        raise KvcoreError("the server does not speak RESP: a line without an end")
                    self._line = data[position:]
                    break
                self._header(data[position : end + 1])
                position = end + 1
                if self._skip:
                    continue
            if self._pending:
                self._pending -= 1
            if self._pending == 0:
                count += 1
                if start >= 0 and position - start <= _KEPT_REPLY:
                    self._last = data[start:position]
                start = position
        return count

    def _header(self, line: bytes) -> None:
        """Read a line: what it is, and what has to follow it before the reply is complete."""
        kind = line[:1]
        if kind in (b"+", b":"):
            return
        if kind == b"-":
            self.error = self.error or line[1:].strip().decode("utf-8", "replace")
            return
        try:
            number = int(line[1:])
        except ValueError:
            kind = b""
        if kind == b"$":
            self._skip = number + 2 if number >= 0 else 0
        elif kind == b"*":
            # The array itself is one of what is waited for, until its own header is done with.
            self._pending = max(self._pending, 1) + max(number, 0)
        else:
            shown = line[:40].decode("latin-1").strip()
            raise KvcoreError(f"the server does not speak RESP: it said {shown!a}")


class _Connection:
    """A socket that is kept busy."""

    __slots__ = ("begun_ns", "replies", "rest", "socket", "waiting")

    def __init__(self, link: socket.socket) -> None:
        self.socket = link
        self.replies = Replies()
        self.rest = memoryview(b"")
        """What the system did not take yet."""
        self.waiting = 0
        """Replies that are still to come."""
        self.begun_ns = 0


class Server:
    """A server under test."""

    __slots__ = ("_address", "_connections", "_control")

    def __init__(self, url: str) -> None:
        """Raises KvcoreError for a wrong URL; connects nothing yet."""
        self._address = Address(url).with_limit(_ANSWER_SECONDS)
        self._connections: list[_Connection] = []
        self._control: socket.socket | None = None

    def close(self) -> None:
        """Close every connection."""
        for connection in self._connections:
            connection.socket.close()
        self._connections.clear()
        if self._control is not None:
            self._control.close()
            self._control = None

    def run(self, commands: Iterable[list[bytes]]) -> None:
        """Run commands on a connection beside the measured ones, a few hundred at a time. Raises KvcoreError, OSError.

        An error reply is one of the errors.
        """
        if self._control is None:
            self._control = self._open()
        try:
            for batch in _batches(commands):
                _ask(self._control, batch)
        except BaseException:
            self._hang_up()
            raise

    def _open(self) -> socket.socket:
        address = self._address
        link = connected(address)
        try:
            link.settimeout(address.timeout_s)
            _ask(link, address.greeting(address.db))
        except BaseException:
            link.close()
            raise
        return link

    def _hang_up(self) -> None:
        """Close every connection when the server is done with what it was sent; keys would come after their deletion.

        What it still answers would be taken for the next test's.
        """
        links = [connection.socket for connection in self._connections]
        if self._control is not None:
            links.append(self._control)
        until = time.monotonic() + _SETTLE_SECONDS
        try:
            for link in links:
                with contextlib.suppress(OSError):
                    link.shutdown(socket.SHUT_WR)
            for link in links:
                with contextlib.suppress(OSError):
                    link.settimeout(max(0.0, until - time.monotonic()))
                    while link.recv(_CHUNK) and time.monotonic() < until:
                        continue
        finally:
            self.close()

    def measure(self, name: str, commands: list[Commands], plan: Plan, watch: Watch) -> Sample:
        """Run a test until the plan's requests are answered or its time is over.

        A KeyboardInterrupt ends it with what there is. Raises KvcoreError for an error reply, that or OSError if the
        server is gone.
        """
        while len(self._connections) < plan.clients:
            link = self._open()
            link.setblocking(False)
            self._connections.append(_Connection(link))
        run = _Run(self._connections, commands[0], plan, self._address.timeout_s or _ANSWER_SECONDS)
        begun, cpu = time.perf_counter(), time.process_time()
        try:
            complete = run.run(begun + plan.seconds if plan.seconds else 0.0, watch)
            taken, cpu = time.perf_counter() - begun, time.process_time() - cpu
        except BaseException:
            self._hang_up()
            raise
        finally:
            run.close()
        if not complete:
            self._hang_up()
        return Sample(name, taken, cpu, run.times, complete)


class _Run:
    """One test over all connections."""

    __slots__ = ("_commands", "_connections", "_left", "_patience_s", "_pipeline", "_requests", "_selector", "times")

    def __init__(self, connections: list[_Connection], commands: Commands, plan: Plan, patience_s: float) -> None:
        self._connections = connections
        self._patience_s = patience_s
        self._commands = commands
        self._requests = plan.requests
        self._left = plan.requests
        """Requests that are still to be sent."""
        self._pipeline = plan.pipeline
        self._selector = selectors.DefaultSelector()
        self.times = Times()

    def close(self) -> None:
        """Give back the selector."""
        self._selector.close()

    def run(self, deadline: float, watch: Watch) -> bool:
        """Send and receive until every request is answered, or the deadline has passed and those sent are answered.

        Return False if a KeyboardInterrupt came first.
        """
        try:
            self._run(deadline, watch)
        except KeyboardInterrupt:
            return False
        return True

    def _run(self, deadline: float, watch: Watch) -> None:
        busy = 0
        for idle in self._connections:
            self._selector.register(idle.socket, selectors.EVENT_READ, idle)
            busy += self._send(idle)
        clock = time.perf_counter
        shown = silent = clock()
        while busy:
            events = self._selector.select(_TURN_SECONDS)
            now = clock()
            if events:
                silent = now
            elif now - silent > self._patience_s:
                raise KvcoreError(f"no answer for {self._patience_s:g} s")
            if deadline and now >= deadline:
                self._left = 0
            if now - shown >= _TURN_SECONDS:
                shown = now
                watch(self.times.total, self._requests)
            answered = []
            for key, mask in events:
                connection: _Connection = key.data
                if mask & selectors.EVENT_WRITE:
                    self._flush(connection)
                if mask & selectors.EVENT_READ and self._receive(connection):
                    answered.append(connection)
            # Behind the reading, so that a server that has fallen asleep is woken once for all of them.
            for connection in answered:
                busy += self._send(connection) - 1

    def _send(self, connection: _Connection) -> int:
        """Send the next pipeline, if there is one; return 1 if there was."""
        count = min(self._pipeline, self._left)
        if not count:
            return 0
        self._left -= count
        data = self._commands.encoded(count)
        connection.waiting = count
        connection.begun_ns = time.perf_counter_ns()
        sent = _send_some(connection.socket, data)
        if sent < len(data):
            connection.rest = memoryview(data)[sent:]
            self._selector.modify(connection.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, connection)
        return 1

    def _flush(self, connection: _Connection) -> None:
        connection.rest = connection.rest[_send_some(connection.socket, connection.rest) :]
        if not connection.rest:
            self._selector.modify(connection.socket, selectors.EVENT_READ, connection)

    def _receive(self, connection: _Connection) -> bool:
        """Count what has arrived; say whether the pipeline is answered."""
        while True:
            try:
                data = connection.socket.recv(_CHUNK)
            except (BlockingIOError, ssl.SSLWantReadError):
                return False
            if not data:
                raise ConnectionError("the server has closed the connection")
            count = connection.replies.feed(data)
            if count:
                self.times.add(time.perf_counter_ns() - connection.begun_ns, count)
                connection.waiting -= count
                if connection.replies.error:
                    raise KvcoreError(f"the server refuses: {connection.replies.error}")
                if connection.waiting <= 0:
                    if connection.waiting < 0:
                        raise KvcoreError("the server has sent more replies than it was asked for")
                    return True


def _send_some(link: socket.socket, data: bytes | memoryview) -> int:
    try:
        return link.send(data)
    except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
        return 0


def _batches(commands: Iterable[list[bytes]]) -> Iterator[list[list[bytes]]]:
    """Yield commands a few at a time, fewer of large ones."""
    waiting = iter(commands)
    for first in waiting:
        size = sum(map(len, first)) + 1
        yield [first, *islice(waiting, max(0, min(_BATCH, _BATCH_BYTES // size) - 1))]


def _ask(link: socket.socket, commands: list[list[bytes]]) -> None:
    """Send commands and wait until all are answered; raise KvcoreError for an error reply."""
    link.sendall(pack_all(commands))
    replies, waiting = Replies(), len(commands)
    while waiting > 0:
        data = link.recv(_CHUNK)
        if not data:
            raise ConnectionError("the server has closed the connection")
        waiting -= replies.feed(data)
    if replies.error:
        raise KvcoreError(f"the server refuses: {replies.error}")
