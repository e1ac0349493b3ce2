"""The network servers with real sockets: order of blocked clients, sudden deaths, limits, signals."""

from __future__ import annotations

import random
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.oracle.servers import HOST, Server, start_kvcore
from tests.oracle.wire import WireSession
from tests.waiting import until


@pytest.fixture(scope="module", params=["asyncio", "threaded"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    running = start_kvcore(request.param)
    yield running
    running.stop()


@pytest.fixture
def client(server: Server) -> Iterator[WireSession]:
    session = server.connect()
    session.send(["FLUSHALL"])
    session.read()
    yield session
    session.close()


def wait_for_blocked(client: WireSession, count: int) -> None:
    def seen() -> bool:
        client.send(["INFO", "clients"])
        return b"blocked_clients:%d\r" % count in client.read().text

    until(f"{count} blocked clients", seen, pause=0)


def park(server: Server, client: WireSession, count: int) -> list[WireSession]:
    """Block ``count`` clients on one list, each after the one before is parked."""
    parked = []
    for number in range(1, count + 1):
        session = server.connect()
        session.send(["BLPOP", "queue", "0"])
        wait_for_blocked(client, number)
        parked.append(session)
    return parked


def test_a_hundred_blocked_clients_are_served_in_order(server: Server, client: WireSession) -> None:
    parked = park(server, client, 100)
    for number in range(100):
        client.send(["RPUSH", "queue", str(number)])
        client.read()
    for number, session in enumerate(parked):
        assert session.read().items[1].text == b"%d" % number
        session.close()


def test_one_push_serves_many_in_order(server: Server, client: WireSession) -> None:
    parked = park(server, client, 20)
    client.send(["RPUSH", "queue", *map(str, range(20))])
    client.read()
    for number, session in enumerate(parked):
        assert session.read().items[1].text == b"%d" % number
        session.close()


def test_killing_half_of_the_blocked_clients_loses_no_element(server: Server, client: WireSession) -> None:
    parked = park(server, client, 100)
    source = random.Random(7)
    dead = set(source.sample(range(100), 50))
    for number in sorted(dead):
        # Half of them vanish with a reset, the others close as they should.
        if number % 2:
            parked[number].raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        parked[number].close()
    wait_for_blocked(client, 50)
    client.send(["RPUSH", "queue", *map(str, range(60))])
    client.read()
    living = [session for number, session in enumerate(parked) if number not in dead]
    assert [session.read().items[1].text for session in living] == [b"%d" % number for number in range(50)]
    client.send(["LRANGE", "queue", "0", "-1"])
    assert [item.text for item in client.read().items] == [b"%d" % number for number in range(50, 60)]
    for session in living:
        session.close()


def test_a_client_that_never_reads_hurts_only_itself(server: Server, client: WireSession) -> None:
    client.send(["CONFIG", "SET", "client-output-buffer-limit", "normal 2mb 0 0"])
    client.read()
    client.send(["SET", "big", "x" * 100_000])
    client.read()
    mute = socket.create_connection((HOST, server.port), timeout=5)
    mute.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    mute.sendall(b"GET big\r\n" * 200)

    def closed() -> bool:
        client.send(["INFO", "stats"])
        return b"client_output_buffer_limit_disconnections:0\r" not in client.read().text

    until("the client that never reads is closed", closed)
    mute.close()
    client.send(["CONFIG", "SET", "client-output-buffer-limit", "normal 0 0 0"])
    client.read()
    client.send(["STRLEN", "big"])
    assert client.read().native() == 100_000


def test_published_messages_cross_event_loops(server: Server, client: WireSession) -> None:
    listeners = [server.connect() for _ in range(6)]
    for listener in listeners:
        listener.send(["SUBSCRIBE", "news"])
        listener.read()
    for number in range(50):
        client.send(["PUBLISH", "news", str(number)])
        assert client.read().native() == 6
    for listener in listeners:
        for number in range(50):
            assert listener.read().items[2].text == b"%d" % number
        listener.close()


def test_maxclients(server: Server, client: WireSession) -> None:
    client.send(["CONFIG", "SET", "maxclients", "3"])
    client.read()
    held = [socket.create_connection((HOST, server.port), timeout=5) for _ in range(8)]
    refused = 0
    for connection in held:
        connection.sendall(b"PING\r\n")
        answer = connection.recv(100)
        assert answer in (b"+PONG\r\n", b"-ERR max number of clients reached\r\n")
        refused += answer.startswith(b"-")
    for connection in held:
        connection.close()
    client.send(["CONFIG", "SET", "maxclients", "10000"])
    client.read()
    assert refused >= 6


@pytest.mark.parametrize("frontend", ["asyncio", "threaded"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_stop_the_server_cleanly(frontend: str, number: signal.Signals) -> None:
    server = start_kvcore(frontend)
    try:
        parked = server.connect()
        parked.send(["BLPOP", "queue", "0"])
        server.signal(number)
        assert server.wait(10) == 0
        assert "ready to exit" in server.log()
    finally:
        server.stop()


@pytest.mark.parametrize("frontend", ["asyncio", "threaded"])
def test_shutdown_stops_the_server(frontend: str) -> None:
    server = start_kvcore(frontend)
    try:
        client = server.connect()
        client.send(["SHUTDOWN", "NOSAVE"])
        assert server.wait(10) == 0
    finally:
        server.stop()


@pytest.mark.parametrize("frontend", ["asyncio", "threaded"])
def test_a_unix_socket_serves_beside_tcp_and_is_removed(frontend: str, tmp_path: Path) -> None:
    path = tmp_path / "kvcore.sock"
    server = start_kvcore(frontend, "--unixsocket", str(path), "--unixsocketperm", "700")
    try:
        assert path.stat().st_mode & 0o777 == 0o700
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            assert connection.recv(100) == b"+PONG\r\n"
    finally:
        server.stop()
    assert not path.exists()
