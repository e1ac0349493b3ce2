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
import ssl
import threading
from collections.abc import Callable
from types import FrameType
from typing import Final, Protocol, cast

from kvcore import plugins
from kvcore.alone import Alone
from kvcore.clock import steady_clock
from kvcore.config import Config
from kvcore.engine import Engine
from kvcore.errors import ConfigError
from kvcore.frontends.connection import REPLY_BYTES, Connection, RefusedError
from kvcore.frontends.host import Host
from kvcore.frontends.listen import (
    NO_PORT,
    NOT_BOUND,
    Listener,
    ListenError,
    Listeners,
    follow_max_clients,
    format_address,
    raise_file_limit,
    tune_client,
)
from kvcore.frontends.process import ServerProcess
from kvcore.frontends.script_turns import server_turns
from kvcore.frontends.service import Supervisor
from kvcore.frontends.starting import Load, Loading
from kvcore.frontends.tls import DIRECTIVES as TLS_DIRECTIVES
from kvcore.frontends.tls import Handshakes, TlsError, TlsLayer, make_context

logger = logging.getLogger("kvcore.server")

ACCEPTS_PER_TURN: Final = 1000
"""Clients taken from one listening socket before the others have their turn."""

NO_TLS: Final = "Unable to update TLS configuration. Check server logs."


class _SteadyLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop, whose timers go on while freezegun has stopped the clock that it would ask."""

    def __init__(self) -> None:
        self._steady_ns = steady_clock()
        super().__init__()

    def time(self) -> float:
        """Return the steady time in seconds."""
        return self._steady_ns() / 1e9


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Make a loop: uvloop's where it is installed. It must be one that watches sockets, for accepting."""
    try:
        import uvloop
    except ImportError:
        return _SteadyLoop()
    return uvloop.new_event_loop()


class Loop:
    """One event loop's own: what a turn has to send, sent together at its end, and the handshakes under way.

    Sending while others are still to be read wakes their peers one by one, and a wake-up costs more than the system
    call: a fifth of the server's time with 50 pipelining clients. Sent in a row, most find their peer awake.
    """

    __slots__ = ("_clients", "_engine", "handshakes", "loop", "thread")

    def __init__(self, loop: asyncio.AbstractEventLoop, engine: Engine, loops: int = 1) -> None:
        self.loop = loop
        self._engine = engine
        self.handshakes = Handshakes(engine.config, loops)
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
        if self.commit():
            for client in clients:
                client.send()
        else:
            for client in clients:
                client.abort()

    def commit(self) -> bool:
        """Make this turn's changes as safe as `appendfsync` asks; False if no client may hear that they were made."""
        return self._engine.persistence.commit()


class ClientProtocol(asyncio.Protocol):
    """The transport side of one client."""

    __slots__ = (
        "_check_output",
        "_connection",
        "_loop",
        "_receive",
        "_server",
        "_socket_transport",
        "_unsent",
        "_unsent_bytes",
    )

    def __init__(self, server: AsyncioServer, loop: Loop) -> None:
        self._server = server
        self._loop = loop
        loop.thread = threading.get_ident()
        self._unsent: list[bytes] = []
        self._unsent_bytes = 0
        self._connection: Connection | None = None
        self._receive: Callable[[bytes], None] = _drop
        self._check_output: Callable[[], bool] = _allow

    # asyncio's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin a session, or say why not and close."""
        self._socket_transport = cast("asyncio.Transport", transport)
        server = self._server
        if server.stopping:
            self._socket_transport.abort()
            return
        client = transport.get_extra_info("socket")
        if client.family != socket.AF_UNIX:
            with contextlib.suppress(OSError):  # the peer may be gone already
                tune_client(client, server.config.integer("tcp-keepalive"))
        path = server.config.string("unixsocket")
        origin = transport.get_extra_info("peername")
        peer = format_address(origin, path)
        local = format_address(transport.get_extra_info("sockname"), path)
        try:
            connection = Connection(server.host, self, peer, local, client.fileno(), origin)
        except RefusedError as error:
            self._socket_transport.write(error.reply)
            self._socket_transport.close()
            return
        self._connection = connection
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
        if self._unsent and self._loop.commit():
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
            self._check_output = _allow
            self._unsent = []

    # The connection's calls

    def write(self, data: bytes) -> None:
        """Send bytes at the end of the loop's turn."""
        if not self._unsent:
            self._loop.add(self)
            self._unsent_bytes = 0
        self._unsent.append(data)
        self._unsent_bytes += len(data)

    def send(self) -> None:
        """Send what was written in this turn, or nothing of it if that is more than the client may make wait."""
        unsent = self._unsent
        if unsent:
            if self._unsent_bytes > REPLY_BYTES and not self._check_output():
                self._unsent = []
                return  # the connection has this transport aborted
            self._unsent = []
            self._socket_transport.write(unsent[0] if len(unsent) == 1 else b"".join(unsent))
            self._check_output()

    def buffered(self) -> int:
        """Return how many bytes wait to be sent. Any thread may ask (CLIENT LIST, replication)."""
        while True:
            try:
                waiting = self._unsent_bytes if self._unsent else 0
                return self._socket_transport.get_write_buffer_size() + waiting
            except RuntimeError:  # asyncio's transport walks a deque, which its own thread changed meanwhile
                continue

    def close(self) -> None:
        """Send what is buffered, then close."""
        if self._unsent and not self._loop.commit():
            self.abort()
            return
        if not self._send_last():
            self.send()
        self._socket_transport.close()

    def _send_last(self) -> bool:
        """Send the last reply with the end of the stream right behind it; False if it has to take the usual way.

        The transport would close the socket some turns later, and until then a client that looks whether its
        connection is still good, as a pool does before it hands one out again, would find that it is.
        """
        transport = self._socket_transport
        unsent = b"".join(self._unsent)
        if len(unsent) > REPLY_BYTES or transport.get_write_buffer_size() or not transport.can_write_eof():
            return False  # the last of these is encryption, which nothing may go round
        client = transport.get_extra_info("socket")
        with contextlib.suppress(OSError), socket.fromfd(client.fileno(), client.family, client.type) as last:
            last.setblocking(False)
            sent = last.send(unsent) if unsent else 0
            self._unsent = [unsent[sent:]] if sent < len(unsent) else []
            if not self._unsent:
                last.shutdown(socket.SHUT_WR)
        return not self._unsent

    def abort(self) -> None:
        """Close at once, and send nothing more."""
        self._unsent = []
        self._socket_transport.abort()

    def hang_up(self) -> None:
        """End the stream now: whoever has a client killed and hears that it was finds it gone."""
        transport = self._socket_transport
        if transport.can_write_eof():
            client = transport.get_extra_info("socket")
            with contextlib.suppress(OSError), socket.fromfd(client.fileno(), client.family, client.type) as peer:
                peer.shutdown(socket.SHUT_WR)

    def schedule(self) -> None:
        """Have the connection flushed by its own loop."""
        connection = self._connection
        if connection is None:
            return  # lost meanwhile
        if threading.get_ident() == self._loop.thread:
            self._loop.loop.call_soon(connection.flush)
        else:
            with contextlib.suppress(RuntimeError):  # the loop has closed: the connection goes with it
                self._loop.loop.call_soon_threadsafe(connection.flush)

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


def _allow() -> bool:
    """Stand in for the check of a connection that is not there."""
    return True


def _drop(_data: bytes) -> None:
    """Ignore what a refused client sends."""


class Companion(Protocol):
    """A front end that runs beside a server, in a thread of its own."""

    def open(self) -> None:
        """Bind; raises ListenError."""

    def start(self) -> None:
        """Begin to serve."""

    def stop(self) -> None:
        """Stop serving, or undo ``open``."""


class CompanionClass(Protocol):
    """What ``kvcore.companions`` entry points name."""

    def __call__(self, host: Host, config: Config) -> Companion:
        """Prepare; binds nothing yet."""


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
        if isinstance(engine.replication, Alone):
            make_replication: Callable[[Engine], object] = plugins.load("kvcore.replication", "primary")  # type: ignore[assignment]
            make_replication(engine)
        self.host = host if host is not None else Host(engine)
        self.port = 0
        """The TCP port in use, 0 if none."""
        self.connections: dict[Connection, None] = {}
        self.stopping = False
        """Whoever is still being accepted comes too late."""
        self.listeners = Listeners(config)
        self._tls: ssl.SSLContext | None = None
        """What new TLS clients get; None while `tls-port` is 0."""
        self._loops: list[Loop] = []
        """The event loops that clients are dealt to, the main one first."""
        self._turn = 0
        self._http: Companion | None = None
        self._adopting: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._last_idle_check_ms = 0
        self._former_handlers: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}
        self._unheeded = 0  # signals that came, and that the loop has not yet come to

    # Life

    def open(self) -> None:
        """Bind the listening sockets; raises ListenError."""
        config = self.config
        clients = config.integer("maxclients")
        allowed = raise_file_limit(clients)
        if allowed < clients:
            logger.warning("The limit of open files allows %d clients: maxclients has been reduced.", allowed)
            config.assign("maxclients", max(1, allowed))
        if config.integer("tls-port"):
            try:
                self._tls = make_context(config)
            except TlsError as error:
                logger.warning("%s", error)
                raise ListenError("Failed to configure TLS. Check logs for more info.") from error
        if config.integer("http-port"):
            made: CompanionClass = plugins.load("kvcore.companions", "http")  # type: ignore[assignment]
            self._http = made(self.host, config)
            self._http.open()
        try:
            self.port = self.listeners.open()
        except ListenError:
            if self._http is not None:
                self._http.stop()
            raise
        self.engine.process = ServerProcess(self.port or config.integer("tls-port"))

    def run(self, supervisor: Supervisor | None = None, load: Load | None = None) -> int:
        """Serve until told to stop, and tell who supervises; return 0, or 1 if a socket could not be bound.

        ``load`` brings the data set while clients are told to wait for it; what it raises ends the server, and comes
        out of here.
        """
        try:
            self.open()
        except ListenError as error:
            logger.critical("%s", error)
            return 1
        logger.info("Running mode=standalone, port=%d.", self.engine.process.tcp_port)
        logger.info("Port: %d, PID: %d", self.port, os.getpid())
        logger.warning("Server initialized")
        watching = supervisor or Supervisor()
        self.engine.process.supervised = watching.name
        loop = new_event_loop()
        try:
            loop.run_until_complete(self._serve(loop, watching.ready, watching.stopping, load))
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
                loop.run_until_complete(self._serve(loop, ready.set, _nothing))
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

    async def _serve(
        self,
        loop: asyncio.AbstractEventLoop,
        on_ready: Callable[[], None],
        on_stopping: Callable[[], None],
        load: Load | None = None,
    ) -> None:
        self._loop = loop
        self._stopping = asyncio.Event()
        self.stopping = False
        self.engine.on_shutdown = self._ask_to_stop
        self.engine.scripts.turns = server_turns(self.host.lock)
        if load is not None:  # before the first client comes in
            self.engine.loading = True
            self.engine.begin_receiving(exclusive=True)
        self._watch_signals(loop)
        self.host.on_sooner = self._tick_at
        self._watch_config()
        self._tick()
        self._loops = self.make_loops(loop)
        self.listeners.on_open = self._accept_on
        self.listeners.on_retire = self._retire
        for listener in self.listeners.all():
            self._watch(listener)
        loading = None if load is None else await self._load(loop, load)
        if not self._stopping.is_set():
            if loading is not None:
                calm_collector()
            logger.info("Ready to accept connections")
            if self.config.string("unixsocket"):
                logger.info("The server is now ready to accept connections at %s", self.config.string("unixsocket"))
            if self._http is not None:
                self._http.start()
            on_ready()
            await self._stopping.wait()
        on_stopping()
        with self.host.lock:
            self.engine.scripts.abandon()
        if self._http is not None:
            self._http.stop()
        self._stop_accepting()
        await self.close_clients()
        self._cleanup()
        if loading is not None and loading.error is not None:
            raise loading.error

    async def _load(self, loop: asyncio.AbstractEventLoop, load: Load) -> Loading:
        """Serve clients as far as that goes until the data set is there, or cannot be had."""
        assert self._stopping is not None
        done = asyncio.Event()

        def ended() -> None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(done.set)

        loading = Loading(load, self.host.lock, ended)
        loading.start()
        waits = [asyncio.ensure_future(done.wait()), asyncio.ensure_future(self._stopping.wait())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for each in waits:
            each.cancel()
        loading.join()
        if loading.error is not None:
            self._stopping.set()
        return loading

    def make_loops(self, loop: asyncio.AbstractEventLoop) -> list[Loop]:
        """Return the event loops that clients are dealt to: the main one."""
        return [Loop(loop, self.engine)]

    # Accepting, on the main loop

    def _watch(self, listener: Listener) -> None:
        if self._loop is not None and not listener.retired and not self.stopping:
            self._loop.add_reader(listener.socket, self._accept, listener)

    def _accept_on(self, listener: Listener) -> None:
        """Begin to accept on a new socket. Called under the engine lock, on any loop."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._watch, listener)

    def _retire(self, listener: Listener) -> None:
        """Close a socket that listens no more. Called under the engine lock, on any loop."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._forget, listener)

    def _forget(self, listener: Listener) -> None:
        if self._loop is not None:
            self._loop.remove_reader(listener.socket)
        listener.socket.close()

    def _accept(self, listener: Listener) -> None:
        """Take the clients that wait and deal them to the loops in turn."""
        assert self._loop is not None
        for _ in range(ACCEPTS_PER_TURN):
            try:
                client, _address = listener.socket.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                if not listener.retired:  # out of file descriptors: later there may be some
                    logger.warning("Accepting client connection: %s", error.strerror or error)
                    self._loop.remove_reader(listener.socket)
                    self._loop.call_later(0.1, self._watch, listener)
                return
            client.setblocking(False)
            if listener.tls and len(self.engine.sessions) >= self.config.integer("maxclients"):
                # As the real server: an error would have to be encrypted, and a handshake is what there is no room for.
                self.engine.statistics.rejected_connections += 1
                client.close()
                continue
            owner = self._loops[self._turn % len(self._loops)]
            self._turn += 1
            if owner.loop is self._loop:
                self._adopt(owner, client, listener.tls)
            else:
                owner.loop.call_soon_threadsafe(self._adopt, owner, client, listener.tls)

    def _adopt(self, owner: Loop, client: socket.socket, tls: bool) -> None:
        """Make the client this loop's own; runs on it."""
        context = self._tls

        def plain() -> ClientProtocol:
            return ClientProtocol(self, owner)

        def encrypted() -> TlsLayer:
            assert context is not None
            return TlsLayer(context, owner.handshakes, owner.loop, plain)

        async def connect() -> None:
            try:
                await owner.loop.connect_accepted_socket(encrypted if tls else plain, client)
            except OSError:  # gone already
                client.close()

        if tls and context is None:  # TLS was switched off while the client came: it must not get plain text
            client.close()
            return
        task = owner.loop.create_task(connect())
        self._adopting.add(task)
        task.add_done_callback(self._adopting.discard)

    def _stop_accepting(self) -> None:
        assert self._loop is not None
        self.stopping = True
        for listener in self.listeners.all():
            listener.retired = True
            self._loop.remove_reader(listener.socket)
        self.listeners.close()

    async def close_clients(self) -> None:
        """Close every connection and let them go, those too that were being accepted."""
        for each in self._loops:
            each.loop.call_soon_threadsafe(each.handshakes.abort)
        for _ in range(100):
            with self.host.lock:
                for connection in list(self.connections):
                    connection.kill()
            await asyncio.sleep(0.01)
            if not self.connections:
                break

    def _watch_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hear of signals where they come in: a save holds the loop up, and a second SIGINT is to end that."""
        if threading.current_thread() is not threading.main_thread():
            return

        def hear(number: int, _frame: FrameType | None) -> None:
            if number == signal.SIGINT and (self._unheeded or self.engine.shutdown.asked):
                self._insist()
            self._unheeded += 1
            with contextlib.suppress(RuntimeError):  # the loop has closed: the process ends
                loop.call_soon_threadsafe(self._signalled, signal.Signals(number).name)

        for number in (signal.SIGTERM, signal.SIGINT):
            self._former_handlers[number] = signal.signal(number, hear)

    def _insist(self) -> None:
        """End at once, and leave nothing half-written."""
        logger.warning("You insist... exiting now.")
        self.engine.persistence.drop_unfinished()
        os._exit(1)

    def _signalled(self, name: str) -> None:
        self._unheeded -= 1
        if self.engine.loading:
            logger.warning("Received shutdown signal during loading, scheduling shutdown.")
        else:
            logger.warning("Received %s scheduling shutdown...", name)
        options = self.config.strings(f"shutdown-on-{name.lower()}")
        save = True if "save" in options else False if "nosave" in options else None
        with self.host.lock:
            self.engine.shutdown.ask(save, force="force" in options, now="now" in options)

    def _cleanup(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.engine.on_shutdown = None
        while self._former_handlers:
            signal.signal(*self._former_handlers.popitem())

    # Configuration; these run under the engine lock, on any loop

    def _watch_config(self) -> None:
        config = self.config
        config.on_change("bind", lambda: self._follow_addresses(NOT_BOUND))
        config.on_change("port", lambda: self._follow_addresses(NO_PORT))
        config.on_change("tls-port", self._follow_tls_port)
        config.on_change("maxclients", lambda: follow_max_clients(config))
        config.on_change("proto-max-bulk-len", self._follow_config)
        for name in TLS_DIRECTIVES:
            config.on_change(name, self._follow_tls)
        for name in ("tls-max-handshakes", "tls-handshake-timeout"):
            config.on_change(name, self._follow_handshakes)

    def _follow_addresses(self, refusal: str) -> None:
        if self.stopping:
            return  # the configuration may outlive the server
        if self.config.integer("tls-port") and self._tls is None:
            self._follow_tls()
        try:
            self.listeners.follow()
        except ListenError as error:
            raise ConfigError(refusal) from error
        self.port = self.config.integer("port")
        self.engine.process.tcp_port = self.port or self.config.integer("tls-port")

    def _follow_tls_port(self) -> None:
        self._follow_tls()
        self._follow_addresses(NO_PORT)

    def _follow_tls(self) -> None:
        """Make new clients' context; the present one stays if that fails."""
        if not self.config.integer("tls-port") or self.stopping:
            self._tls = None
            return
        try:
            self._tls = make_context(self.config)
        except TlsError as error:
            logger.warning("%s", error)
            raise ConfigError(NO_TLS) from error

    def _follow_handshakes(self) -> None:
        for each in self._loops:
            each.handshakes.follow(self.config)

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
