"""Listening sockets of running servers: what CONFIG SET of `bind`, `port` and `maxclients` does, and idle clients."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from kvcore.config import Config
from kvcore.engine import Engine
from kvcore.frontends.asyncio_server import AsyncioServer
from kvcore.frontends.threaded_server import ThreadedServer
from tests.frontends.test_connection import request
from tests.oracle.servers import free_port

FAILED = b"-ERR CONFIG SET failed (possibly related to argument '%b') - %b\r\n"


@pytest.fixture(params=[AsyncioServer, ThreadedServer])
def server(request: pytest.FixtureRequest) -> Iterator[AsyncioServer]:
    config = Config()
    for name, value in (("port", "0"), ("bind", "127.0.0.1"), ("server-threads", "4")):
        config.set(name, value)
    running: AsyncioServer = request.param(Engine(config), config)
    running.start()
    yield running
    running.stop()


def connect(port: int, host: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection((host, port), timeout=10)


def ask(client: socket.socket, *words: str) -> bytes:
    client.sendall(request(*words))
    return client.recv(65536)


def test_the_port_moves_and_clients_stay(server: AsyncioServer) -> None:
    old, new = server.port, free_port()
    with connect(old) as client:
        assert ask(client, "CONFIG", "SET", "port", str(new)) == b"+OK\r\n"
        assert ask(client, "PING") == b"+PONG\r\n"
        assert b"tcp_port:%d\r\n" % new in ask(client, "INFO", "server")
        with connect(new) as later:
            assert ask(later, "PING") == b"+PONG\r\n"
        with pytest.raises(OSError, match="refused"):
            connect(old)
        # and back, from each of the loops in turn
        for port in (old, new, old, new):
            with connect(server.port) as other:
                assert ask(other, "CONFIG", "SET", "port", str(port)) == b"+OK\r\n"
        assert server.port == new


def test_a_port_in_use_is_refused_and_all_stays(server: AsyncioServer) -> None:
    with socket.socket() as taken, connect(server.port) as client:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        answer = ask(client, "CONFIG", "SET", "timeout", "9", "port", str(port))
        assert answer == FAILED % (b"port", b"Unable to listen on this port. Check server logs.")
        assert ask(client, "CONFIG", "GET", "timeout") == b"*2\r\n$7\r\ntimeout\r\n$1\r\n0\r\n"
        with connect(server.port) as later:
            assert ask(later, "PING") == b"+PONG\r\n"


def test_addresses_change(server: AsyncioServer) -> None:
    with connect(server.port) as client:
        answer = ask(client, "CONFIG", "SET", "bind", "192.0.2.1")
        assert answer == FAILED % (b"bind", b"Failed to bind to specified addresses.")
        for bind in ("*", "127.0.0.2 -192.0.2.1", "127.0.0.1 127.0.0.2", "*", "127.0.0.2"):
            assert ask(client, "CONFIG", "SET", "bind", bind) == b"+OK\r\n"
            with connect(server.port, "127.0.0.2") as later:
                assert ask(later, "PING") == b"+PONG\r\n"
        with pytest.raises(OSError, match="refused"):
            connect(server.port)
        assert ask(client, "CONFIG", "SET", "bind", "") == b"+OK\r\n"
        with pytest.raises(OSError, match="refused"):
            connect(server.port, "127.0.0.2")


def test_a_tls_port_without_a_certificate_is_refused(server: AsyncioServer) -> None:
    with connect(server.port) as client:
        answer = ask(client, "CONFIG", "SET", "tls-port", str(free_port()))
        assert answer == FAILED % (b"tls-port", b"Unable to update TLS configuration. Check server logs.")


def test_a_configuration_that_outlives_its_server_opens_nothing(server: AsyncioServer) -> None:
    port = free_port()
    server.stop()
    server.config.set("port", str(port))
    with pytest.raises(OSError, match="refused"):
        connect(port)


def test_many_clients_at_once_never_pass_the_limit(server: AsyncioServer) -> None:
    with connect(server.port) as first:
        assert ask(first, "CONFIG", "SET", "maxclients", "5") == b"+OK\r\n"
        for _ in range(10):
            surplus = [connect(server.port) for _ in range(20)]
            answers = []
            for client in surplus:
                client.sendall(request("PING"))
                answers.append(client.recv(100))
            assert answers.count(b"+PONG\r\n") == 4
            assert answers.count(b"-ERR max number of clients reached\r\n") == 16
            for client in surplus:
                client.close()
            while b"connected_clients:1\r\n" not in ask(first, "INFO", "clients"):
                pass


def test_more_clients_than_open_files_are_refused(server: AsyncioServer) -> None:
    with connect(server.port) as client:
        answer = ask(client, "CONFIG", "SET", "maxclients", "4000000000")
        reason = b"The operating system is not able to handle the specified number of clients, try with "
        assert answer.startswith((FAILED % (b"maxclients", reason)).rstrip(b"\r\n"))
