"""Ends of input, of waits and of the server: on real sockets, and on a loop whose time is told."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, cast

import pytest

from kvcore.clock import ManualClock
from kvcore.config import Config
from kvcore.engine import Engine
from kvcore.frontends.asyncio_server import AsyncioServer, ClientProtocol, Loop, new_event_loop
from kvcore.frontends.threaded_server import ThreadedServer
from tests.frontends.test_connection import connect as connect_to
from tests.frontends.test_connection import request

COMMANDS = 20_000


@pytest.fixture(params=[AsyncioServer, ThreadedServer])
def server(request: pytest.FixtureRequest) -> Iterator[AsyncioServer]:
    config = Config()
    for name, value in (("port", "0"), ("bind", "127.0.0.1"), ("server-threads", "3")):
        config.set(name, value)
    running: AsyncioServer = request.param(Engine(config), config)
    running.start()
    yield running
    running.stop()


def connect(server: AsyncioServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def read_all(client: socket.socket) -> bytes:
    received = b""
    while data := client.recv(1 << 16):
        received += data
    return received


def test_a_half_closed_client_gets_every_reply(server: AsyncioServer) -> None:
    with connect(server) as client:
        client.sendall(request("INCR", "n") * COMMANDS)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"".join(b":%d\r\n" % number for number in range(1, COMMANDS + 1))


def test_a_half_closed_client_that_is_parked_is_let_go(server: AsyncioServer) -> None:
    with connect(server) as client, connect(server) as other:
        client.sendall(request("PING") + request("BLPOP", "list", "0"))
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"+PONG\r\n"
        other.sendall(request("RPUSH", "list", "x") + request("LLEN", "list"))
        received = b""
        while len(received) < 8:
            received += other.recv(100)
        assert received == b":1\r\n:1\r\n"


@pytest.mark.parametrize("waiting", [0, 200_000])
@pytest.mark.parametrize("make", [asyncio.new_event_loop, new_event_loop])
def test_the_end_is_right_behind_the_last_reply(make: Callable[[], asyncio.AbstractEventLoop], waiting: int) -> None:
    config = Config()
    engine = Engine(config)
    server = AsyncioServer(engine, config)
    loop = make()
    near, far = socket.socketpair()
    near.setblocking(False)
    protocol = ClientProtocol(server, Loop(loop, engine))

    async def serve() -> bytes:
        await loop.connect_accepted_socket(lambda: protocol, far)
        protocol.data_received(request("PING", "x" * waiting) + request("QUIT"))
        if waiting:  # more than the socket takes, or than goes out at once: it takes the loop's turns
            return b"".join([part async for part in parts(loop, near)])
        return near.recv(100) + near.recv(100)  # a second one that found nothing would raise

    try:
        assert loop.run_until_complete(serve()) == b"$%d\r\n%b\r\n+OK\r\n" % (waiting, b"x" * waiting)
    finally:
        near.close()
        loop.close()


async def parts(loop: asyncio.AbstractEventLoop, peer: socket.socket) -> AsyncIterator[bytes]:
    while part := await loop.sock_recv(peer, 1 << 16):
        yield part


def test_shutdown_on_any_loop_stops_a_server_in_the_background(server: AsyncioServer) -> None:
    clients = [connect(server) for _ in range(3)]
    for client in clients:
        client.sendall(request("PING"))
        assert client.recv(100) == b"+PONG\r\n"
    clients[1].sendall(request("SHUTDOWN", "NOSAVE"))
    for client in clients:
        assert client.recv(100) == b""
        client.close()
    server.stop()


def test_only_a_second_sigint_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    monkeypatch.setattr(signal, "signal", lambda number, handler: handlers.setdefault(number, handler))
    handlers: dict[int, Any] = {}
    server = AsyncioServer(Engine(), Config())
    stopped: list[bool] = []
    server.engine.on_shutdown = lambda: stopped.append(True)

    class Loop:
        def call_soon_threadsafe(self, call: Callable[[str], None], name: str) -> None:
            call(name)

    server._watch_signals(cast("asyncio.AbstractEventLoop", Loop()))
    handlers[signal.SIGINT](signal.SIGINT, None)
    handlers[signal.SIGTERM](signal.SIGTERM, None)
    assert ended == []
    assert stopped == [], "the next tick begins"
    handlers[signal.SIGINT](signal.SIGINT, None)
    assert ended == [1]
    server.engine.tick()
    assert stopped == [True]


def test_a_second_sigint_counts_though_the_loop_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    handlers: dict[int, Any] = {}
    calls: list[Callable[[], None]] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    monkeypatch.setattr(signal, "signal", lambda number, handler: handlers.setdefault(number, handler))
    server = AsyncioServer(Engine(), Config())

    class Loop:
        def call_soon_threadsafe(self, call: Callable[[str], None], name: str) -> None:
            calls.append(lambda: call(name))

    server._watch_signals(cast("asyncio.AbstractEventLoop", Loop()))
    handlers[signal.SIGINT](signal.SIGINT, None)
    assert ended == []
    handlers[signal.SIGINT](signal.SIGINT, None)
    assert ended == [1]
    for call in calls:
        call()
    assert server.engine.shutdown.asked
    assert server.engine.shutdown.abort()
    handlers[signal.SIGINT](signal.SIGINT, None)
    assert ended == [1], "that was taken back"


class Timers:
    """The part of an event loop that a server's clockwork uses."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._due: dict[object, tuple[float, Callable[[], None]]] = {}

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        timers = self

        class Handle:
            def cancel(self) -> None:
                timers._due.pop(self, None)

        handle = Handle()
        self._due[handle] = (self._clock.now_us() + delay_s * 1e6, callback)
        return cast("asyncio.TimerHandle", handle)

    def call_soon_threadsafe(self, callback: Callable[[int], None], argument: int) -> None:
        callback(argument)

    def advance(self, ms: int) -> None:
        self._clock.advance(ms)
        for handle, (at_us, callback) in list(self._due.items()):
            if at_us <= self._clock.now_us():
                del self._due[handle]
                callback()


def test_each_of_several_deadlines_has_a_timer() -> None:
    clock = ManualClock()
    config = Config()
    server = AsyncioServer(Engine(config, clock=clock), config)
    timers = Timers(clock)
    server._loop = cast("asyncio.AbstractEventLoop", timers)
    server.host.on_sooner = server._tick_at
    server._tick()
    clients = [connect_to(server.host, port) for port in range(1, 5)]
    for number, client in enumerate(clients, 1):
        assert client("BLPOP", "none", f"0.0{2 * number}") == b""
    for number, client in enumerate(clients):
        assert client.take() == b""
        timers.advance(20)
        assert [each.take() for each in clients[number:]] == [b"*-1\r\n"] + [b""] * (3 - number)
