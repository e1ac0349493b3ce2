"""Links to other servers for the engine, which opens no socket: what MIGRATE and replicas talk through.

Lives here: blocking sockets, and the threads that wait for them. Must not live here: what is said. The rule: nobody
waits for a socket under the engine lock, unless the command could not wait (a transaction); a wire is sent to under it,
a few bytes that the operating system takes at once or not at all.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Callable
from typing import Final

from kvcore.ports import WireListener

logger = logging.getLogger("kvcore.network")

_CHUNK: Final = 1 << 16
_HEARD: Final = 1 << 14
"""Bytes that a listener is given at a time: a data set of small values takes about 2 ms of the engine for them."""

_DELAY_MS: Final = 50.0
"""For how long a listener that wants nothing more is left alone until it is asked again."""

_CONNECT_S: Final = 60.0


class SocketLink:
    """A TCP connection to another server."""

    __slots__ = ("_socket",)

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self._socket = socket.create_connection((host, port), timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes, timeout_s: float) -> None:
        """Send all of ``data``; no 64 KiB of it may take longer than ``timeout_s``."""
        self._socket.settimeout(timeout_s)
        view = memoryview(data)
        for start in range(0, len(data), _CHUNK):
            self._socket.sendall(view[start : start + _CHUNK])

    def receive(self, timeout_s: float) -> bytes:
        """Return what has arrived, waiting for at least one byte; ``b""`` once the other end has closed."""
        self._socket.settimeout(timeout_s)
        return self._socket.recv(_CHUNK)

    def close(self) -> None:
        """Close; closing twice does nothing."""
        self._socket.close()


class SocketNetwork:
    """Sockets and threads of this process, for the engine under one lock."""

    __slots__ = ("_commit", "_lock", "_source")

    def __init__(
        self, lock: threading.Lock, commit: Callable[[], object], source: Callable[[], str] = lambda: ""
    ) -> None:
        """``commit`` is called without the lock after something was received.

        ``source`` tells which address of this machine a wire comes from, if that is not all the same.
        """
        self._lock = lock
        self._commit = commit
        self._source = source

    def open(self, host: bytes, port: int, listener: WireListener) -> SocketWire:
        """Begin to connect on a thread of its own; raise OSError if there can be none."""
        wire = SocketWire(self._lock, listener, self._commit, self._source())
        name = host.decode("utf-8", "surrogateescape")
        try:
            threading.Thread(target=wire.run, args=(name, port), name="kvcore-upstream", daemon=True).start()
        except RuntimeError as error:
            raise OSError(str(error)) from error
        return wire

    def connect(self, host: bytes, port: int, timeout_s: float) -> SocketLink:
        """Return a link; raise ConnectionError if it is refused, another OSError if there can be none."""
        try:
            return SocketLink(host.decode(), port, timeout_s)
        except (ValueError, OverflowError) as error:  # no host name, no port
            raise OSError(str(error)) from error

    def background(self, work: Callable[[], None], done: Callable[[], None]) -> bool:
        """Run ``work`` on a thread of its own, then ``done`` under the engine lock; False if there can be none."""
        try:
            threading.Thread(target=self._run, args=(work, done), name="kvcore-network", daemon=True).start()
        except RuntimeError:
            return False
        return True

    def _run(self, work: Callable[[], None], done: Callable[[], None]) -> None:
        try:
            work()
        except Exception:
            logger.exception("Talking to another server failed")
        with self._lock:
            done()


class SocketWire:
    """A TCP connection with a thread that listens, and reports under the engine lock."""

    __slots__ = ("_closed", "_commit", "_ended", "_listener", "_lock", "_socket", "_source")

    def __init__(
        self, lock: threading.Lock, listener: WireListener, commit: Callable[[], object], source: str = ""
    ) -> None:
        self._source = (source, 0) if source else None
        self._lock = lock
        self._listener = listener
        self._commit = commit
        self._socket: socket.socket | None = None
        self._closed = False
        self._ended = threading.Event()

    # Under the engine lock

    def send(self, data: bytes) -> None:
        """Send a few bytes; a peer that takes none of them ends the connection."""
        connected = self._socket
        if connected is None or self._closed:
            return
        try:
            sent = connected.send(data, socket.MSG_DONTWAIT)
        except OSError:
            sent = 0
        if sent < len(data):
            self._shut_down(connected)  # the thread that listens says so

    def close(self) -> None:
        """Close; the listener hears no more of it."""
        self._closed = True
        self._ended.set()
        if self._socket is not None:
            self._shut_down(self._socket)

    @staticmethod
    def _shut_down(connected: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connected.shutdown(socket.SHUT_RDWR)

    @property
    def local_address(self) -> str:
        """The address of this end, ``?:0`` while there is no connection."""
        try:
            name = self._socket.getsockname() if self._socket is not None else None
        except OSError:
            name = None
        return f"{name[0]}:{name[1]}" if name is not None else "?:0"

    @property
    def descriptor(self) -> int:
        """The socket's file descriptor, -1 while there is none."""
        return self._socket.fileno() if self._socket is not None else -1

    # The thread

    def run(self, host: str, port: int) -> None:
        """Connect and listen until the end."""
        reason = "the other end closed the connection"
        try:
            with socket.create_connection((host, port), _CONNECT_S, self._source) as connected:
                connected.settimeout(None)
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._listen(connected)
        except (OSError, ValueError, OverflowError) as error:
            reason = str(error)
        except Exception:
            logger.exception("Listening to another server failed")
            reason = "internal error"
        with self._lock:
            if not self._closed:
                self._closed = True
                self._listener.lost(reason)

    def _listen(self, connected: socket.socket) -> None:
        with self._lock:
            if self._closed:
                return
            self._socket = connected
            self._listener.connected()
        while data := connected.recv(_HEARD):
            with self._lock:
                if self._closed:
                    return
                self._listener.received(data)
                delay_ms = self._listener.delay_ms()
            self._commit()
            while delay_ms:
                self._ended.wait(min(delay_ms, _DELAY_MS) / 1000)
                with self._lock:
                    if self._closed:
                        return
                    delay_ms = self._listener.delay_ms()
