"""Links to other servers for the engine, which opens no socket: what MIGRATE talks through.

Lives here: blocking sockets, and the thread that waits for them. Must not live here: what is said. The rule: a socket
is used by one thread at a time, and never under the engine lock unless the command could not wait (a transaction).
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from typing import Final

logger = logging.getLogger("kvcore.network")

_CHUNK: Final = 1 << 16


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

    __slots__ = ("_lock",)

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock

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
