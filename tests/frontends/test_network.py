"""Sockets and threads for the engine: what fails, and in which way."""

from __future__ import annotations

import socket
import threading

import pytest

from kvcore.frontends.network import SocketNetwork


@pytest.fixture
def network() -> SocketNetwork:
    return SocketNetwork(threading.Lock())


@pytest.fixture
def listener() -> socket.socket:
    made = socket.create_server(("127.0.0.1", 0))
    made.settimeout(5)
    return made


def test_there_and_back(network: SocketNetwork, listener: socket.socket) -> None:
    with listener:
        link = network.connect(b"127.0.0.1", listener.getsockname()[1], 5)
        peer, _ = listener.accept()
        with peer:
            link.send(b"hello", 5)
            assert peer.recv(100) == b"hello"
            peer.sendall(b"world")
            assert link.receive(5) == b"world"
        assert link.receive(5) == b""
        link.close()
        link.close()


def test_nobody_reads_and_nobody_answers(network: SocketNetwork, listener: socket.socket) -> None:
    with listener:
        link = network.connect(b"127.0.0.1", listener.getsockname()[1], 5)
        with pytest.raises(TimeoutError):
            link.receive(0.01)
        with pytest.raises(TimeoutError):
            link.send(bytes(64 << 20), 0.05)
        link.close()


def test_refused(network: SocketNetwork, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    listener.close()
    with pytest.raises(ConnectionError):
        network.connect(b"127.0.0.1", port, 1)


@pytest.mark.parametrize(("host", "port"), [(b"127.0.0.1", -1), (b"\xff\xfe", 1), (b"a" * 300, 1), (b"a\0b", 1)])
def test_no_such_place(network: SocketNetwork, host: bytes, port: int) -> None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - any but the one below
        network.connect(host, port, 0.2)
    assert not isinstance(caught.value, ConnectionError)


@pytest.mark.parametrize("fails", [False, True])
def test_work_is_done_without_the_lock_and_ends_under_it(fails: bool) -> None:
    lock = threading.Lock()
    held: list[bool] = []
    ended = threading.Event()

    def work() -> None:
        held.append(lock.locked())
        if fails:
            raise ZeroDivisionError

    def done() -> None:
        held.append(lock.locked())
        ended.set()

    assert SocketNetwork(lock).background(work, done)
    assert ended.wait(5)
    assert held == [False, True]
