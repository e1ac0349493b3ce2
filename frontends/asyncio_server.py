"""RESP servers on asyncio event loops: one loop here, several in :mod:`kvcore.frontends.threaded_server`.

A socket's life is an :class:`asyncio.Protocol` around one :class:`~kvcore.frontends.connection.Connection`; this file
moves bytes and time, and decides nothing about either. uvloop is used where it is installed.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable
from typing import cast

from kvcore.config import Config
from kvcore.engine import Engine
from kvcore.errors import ConfigError
from kvcore.frontends.connection import Connection, refusal
from kvcore.frontends.host import Host
from kvcore.frontends.listen import ListenError, format_address, open_tcp, open_unix, tune_client
from kvcore.frontends.process import ServerProcess

logger = logging.getLogger("kvcore.server")


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Make a loop: uvloop's where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


class WriteBatch:
    """What one turn of an event loop has to send, sent together at its end.

    Sending while others are still to be read wakes their peers one by one, and a wake-up costs more than the system
    call: a fifth of the server's time with 50 pipelining clients. Sent in a row, most find their peer awake.
    """

    __slots__ = ("_clients", "loop", "thread")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.thread = 0
        """The thread the loop runs in, known once it runs."""
        self._clients: list[ClientProtocol] = []

    def add(self, client: ClientProtocol) -> None:
        """Have ``client.send`` called at the end of the turn."""
        if not self._clients:
            self.loop.call_soon(self._send)
        self._clients.append(client)

    def _send(self) -> None:
        clients, self._clients = self._clients, []
        for client in clients:
            client.send()


class ClientProtocol(asyncio.Protocol):
    """The transport side of one client."""

    __slots__ = ("_batch", "_check_output", "_connection", "_receive", "_server", "_socket_transport", "_unsent")

    def __init__(self, server: AsyncioServer, batch: WriteBatch) -> None:
        self._server = server
        self._batch = batch
        batch.thread = threading.get_ident()
        self._unsent: list[bytes] = []
        self._connection: Connection | None = None
        self._receive: Callable[[bytes], None] = _drop
        self._check_output: Callable[[], None] = _nothing

    # asyncio's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin a session, or say why not and close."""
        self._socket_transport = cast("asyncio.Transport", transport)
        server = self._server
        if server.stopping:
            self._socket_transport.abort()
            return
        refused = refusal(server.host, transport.get_extra_info("peername"))
        if refused:
            self._socket_transport.write(refused)
            self._socket_transport.close()
            return
        client = transport.get_extra_info("socket")
        if client.family != socket.AF_UNIX:
            with contextlib.suppress(OSError):  # the peer may be gone already
                tune_client(client, server.config.integer("tcp-keepalive"))
        path = server.config.string("unixsocket")
        peer = format_address(transport.get_extra_info("peername"), path)
        local = format_address(transport.get_extra_info("sockname"), path)
        self._connection = connection = Connection(server.host, self, peer, local, client.fileno())
        self._receive = connection.receive
        self._check_output = connection.check_output
        server.connections[connection] = None

    def data_received(self, data: bytes) -> None:
        """Hand bytes to the connection."""
        self._receive(data)

    def eof_received(self) -> bool:
        """Close once all that the client sent has been answered; True if that is still to be done."""
        connection = self._connection
        more = connection is not None and connection.end()
        self.send()
        return more

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """End the session."""
        connection = self._connection
        if connection is not None:
            self._server.connections.pop(connection, None)
            connection.lost()
            # The two hold each other, and the collector of a server looks at young objects only.
            self._connection = None
            self._receive = _drop
            self._check_output = _nothing
            self._unsent = []

    # The connection's calls

    def write(self, data: bytes) -> None:
        """Send bytes at the end of the loop's turn."""
        if not self._unsent:
            self._batch.add(self)
        self._unsent.append(data)

    def send(self) -> None:
        """Send what was written in this turn."""
        unsent = self._unsent
        if unsent:
            self._unsent = []
            self._socket_transport.write(unsent[0] if len(unsent) == 1 else b"".join(unsent))
            self._check_output()

    def buffered(self) -> int:
        """Return how many bytes wait to be sent."""
        return self._socket_transport.get_write_buffer_size() + sum(map(len, self._unsent))

    def close(self) -> None:
        """Send what is buffered, then close."""
        self.send()
        self._socket_transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._socket_transport.abort()

    def schedule(self) -> None:
        """Have the connection flushed by its own loop."""
        connection = self._connection
        if connection is None:
            return  # lost meanwhile
        loop = self._batch.loop
        if threading.get_ident() == self._batch.thread:
            loop.call_soon(connection.flush)
        else:
            with contextlib.suppress(RuntimeError):  # the loop has closed: the connection goes with it
                loop.call_soon_threadsafe(connection.flush)

    def pause_reading(self) -> None:
        """Leave what the client sends with the operating system."""
        if not self._socket_transport.is_closing():
            self._socket_transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on reading."""
        if not self._socket_transport.is_closing():
            self._socket_transport.resume_reading()


def _nothing() -> None:
    """Stand in until the connection is made."""


def _drop(_data: bytes) -> None:
    """Ignore what a refused client sends."""


def _refuse_rebinding() -> None:
    raise ConfigError("the listening addresses of a running server are fixed")


def calm_collector() -> None:
    """Keep the cycle collector from walking the data set, for a process that serves nothing else.

    Values hold no cycles and a connection breaks its own when it ends, yet a full collection visits every container:
    a pause of 100 ms with ten million of them. The young generations go on as they are.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 1_000_000)


class AsyncioServer:
    """A server on one event loop.

    ``run`` blocks until SHUTDOWN, SIGTERM or SIGINT and returns the exit status. ``start`` and ``stop`` run the same
    server in a background thread.
    """

    def __init__(self, engine: Engine, config: Config, host: Host | None = None) -> None:
        self.engine = engine
        self.config = config
        self.host = host if host is not None else Host(engine)
        self.port = 0
        """The TCP port in use, 0 if none."""
        self.connections: dict[Connection, None] = {}
        self.stopping = False
        """Whoever is still being accepted comes too late."""
        self._sockets: list[socket.socket] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._last_idle_check_ms = 0

    # Life

    def open(self) -> None:
        """Bind the listening sockets; raises ListenError."""
        self._sockets = open_tcp(self.config)
        if self._sockets:
            self.port = self._sockets[0].getsockname()[1]
            self.config.assign("port", self.port)
        self.engine.process = ServerProcess(self.port)
        unix = open_unix(self.config)
        if unix is not None:
            self._sockets.append(unix)

    def run(self, on_ready: Callable[[], None] | None = None) -> int:
        """Serve until told to stop; return 0, or 1 if a socket could not be bound."""
        try:
            self.open()
        except ListenError as error:
            logger.critical("%s", error)
            return 1
        logger.info("Running mode=standalone, port=%d.", self.port)
        logger.info("Port: %d, PID: %d", self.port, os.getpid())
        calm_collector()
        loop = new_event_loop()
        try:
            loop.run_until_complete(self._serve(loop, on_ready))
        finally:
            loop.close()
        return 0

    def start(self) -> None:
        """Serve in a background thread; return once connections are accepted. Raises ListenError."""
        self.open()
        ready = threading.Event()
        loop = new_event_loop()

        def body() -> None:
            try:
                loop.run_until_complete(self._serve(loop, ready.set))
            finally:
                loop.close()
                ready.set()

        self._thread = threading.Thread(target=body, name="kvcore-server", daemon=True)
        self._thread.start()
        ready.wait()

    def _ask_to_stop(self) -> None:
        """Begin to stop, and wait for nothing: SHUTDOWN calls this under the engine lock, on any loop."""
        loop, stopping = self._loop, self._stopping
        if loop is not None and stopping is not None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(stopping.set)

    def stop(self) -> None:
        """Stop serving; from any thread. Joins the background thread if there is one."""
        self._ask_to_stop()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    async def _serve(self, loop: asyncio.AbstractEventLoop, on_ready: Callable[[], None] | None) -> None:
        self._loop = loop
        self._stopping = asyncio.Event()
        self.stopping = False
        self.engine.on_shutdown = self._ask_to_stop
        self._watch_signals(loop)
        self.host.on_sooner = self._tick_at
        for name in ("bind", "port"):
            self.config.on_change(name, _refuse_rebinding)
        self.config.on_change("proto-max-bulk-len", self._follow_config)
        self._tick()
        servers = await self.listen(loop)
        logger.info("Ready to accept connections")
        if on_ready is not None:
            on_ready()
        await self._stopping.wait()
        logger.warning("User requested shutdown...")
        for server in servers:
            server.close()
        await self.close_clients()
        self._cleanup()
        logger.warning("kvcore is now ready to exit, bye bye...")

    async def listen(self, loop: asyncio.AbstractEventLoop) -> list[asyncio.AbstractServer]:
        """Accept connections on every listening socket."""
        backlog = self.config.integer("tcp-backlog")

        batch = WriteBatch(loop)

        def client() -> ClientProtocol:
            return ClientProtocol(self, batch)

        servers: list[asyncio.AbstractServer] = []
        for listener in self._sockets:
            if listener.family == socket.AF_UNIX:
                servers.append(await loop.create_unix_server(client, sock=listener, backlog=backlog))
            else:
                servers.append(await loop.create_server(client, sock=listener, backlog=backlog))
        return servers

    async def close_clients(self) -> None:
        """Close every connection and let them go, those too that were being accepted."""
        self.stopping = True
        for _ in range(100):
            with self.host.lock:
                for connection in list(self.connections):
                    connection.kill()
            await asyncio.sleep(0.01)
            if not self.connections:
                break

    def _watch_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        if threading.current_thread() is threading.main_thread():
            for number, name in ((signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "SIGINT")):
                loop.add_signal_handler(number, self._signalled, name)

    def _signalled(self, name: str) -> None:
        logger.warning("Received %s scheduling shutdown...", name)
        assert self._stopping is not None
        if self._stopping.is_set():
            os._exit(1)  # asked twice: the user does not want to wait
        self._stopping.set()

    def _cleanup(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.engine.on_shutdown = None
        path = self.config.string("unixsocket")
        if path:
            with contextlib.suppress(OSError):
                os.unlink(path)

    def _follow_config(self) -> None:
        for connection in list(self.connections):
            connection.follow_config()

    # Time

    def _tick(self) -> None:
        assert self._loop is not None
        delay_ms = self.host.tick()
        now_ms = self.engine.now_ms()
        if now_ms - self._last_idle_check_ms >= 1000:
            self._last_idle_check_ms = now_ms
            self.check_clients(now_ms)
        self._timer = self._loop.call_later(delay_ms / 1000, self._tick)

    def _tick_at(self, at_ms: int) -> None:
        """Tick sooner than planned; called under the lock from any thread."""
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._hasten, at_ms)

    def _hasten(self, at_ms: int) -> None:
        if self._timer is not None and self._loop is not None:
            self._timer.cancel()
            delay_s = max(0.001, (at_ms - self.engine.now_ms()) / 1000)
            self._timer = self._loop.call_later(delay_s, self._tick)

    def check_clients(self, now_ms: int) -> None:
        """Close idle clients and those that stayed over a soft limit."""
        timeout_s = self.config.integer("timeout")
        for connection in list(self.connections):
            connection.check(now_ms, timeout_s)
