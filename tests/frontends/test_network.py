"""Sockets and threads for the engine: what fails, and in which way."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading

import pytest

from kvcore.frontends.network import SocketNetwork


@pytest.fixture
def network() -> SocketNetwork:
    return SocketNetwork(threading.Lock(), lambda: None)


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

    assert SocketNetwork(lock, lambda: None).background(work, done)
    assert ended.wait(5)
    assert held == [False, True]


# Connections that are listened to


class Listener:
    """What a wire reports, in order."""

    def __init__(self) -> None:
        self.events: queue.Queue[object] = queue.Queue()
        self.delays: list[float] = []
        self.asked = 0

    def connected(self) -> None:
        self.events.put("connected")

    def received(self, data: bytes) -> None:
        self.events.put(data)

    def delay_ms(self) -> float:
        self.asked += 1
        return self.delays.pop(0) if self.delays else 0.0

    def lost(self, reason: str) -> None:
        self.events.put(ConnectionError(reason))

    def next(self) -> object:
        return self.events.get(timeout=5)

    def collect(self, size: int) -> bytes:
        """Return the bytes that came, once there are so many."""
        parts = b""
        while len(parts) < size:
            part = self.next()
            assert isinstance(part, bytes)
            parts += part
        return parts


@pytest.fixture
def heard() -> Listener:
    return Listener()


def test_a_wire_reports_what_comes(listener: socket.socket, heard: Listener) -> None:
    lock = threading.Lock()
    commits: list[bool] = []
    network = SocketNetwork(lock, lambda: commits.append(lock.locked()))
    with listener:
        wire = network.open(b"127.0.0.1", listener.getsockname()[1], heard)
        peer, address = listener.accept()
        assert heard.next() == "connected"
        with lock:
            assert wire.local_address == f"127.0.0.1:{address[1]}"
            assert wire.descriptor > 0
            wire.send(b"hello")
        assert peer.recv(100) == b"hello"
        peer.sendall(b"x" * 100_000)
        assert heard.collect(100_000) == b"x" * 100_000
        peer.close()
        assert isinstance(heard.next(), ConnectionError)
        assert commits
        assert not any(commits)  # without the lock
        with lock:
            assert wire.local_address == "?:0"
            wire.send(b"nobody hears this")
            wire.close()
    assert heard.events.empty()


def test_a_listener_that_wants_no_more_is_left_alone(
    network: SocketNetwork, listener: socket.socket, heard: Listener
) -> None:
    heard.delays = [0.1, 0.1, 0.0, 3_600_000.0]
    with listener:
        wire = network.open(b"127.0.0.1", listener.getsockname()[1], heard)
        peer, _ = listener.accept()
        assert heard.next() == "connected"
        with peer:
            peer.sendall(b"first")
            assert heard.next() == b"first"
            peer.sendall(b"second")
            assert heard.next() == b"second"
            assert heard.asked >= 3, "it is asked again until it wants more"
            heard.delays = [3_600_000.0] * 1000
            peer.sendall(b"third")
            wire.close()
            with contextlib.suppress(ConnectionResetError):  # for what was left alone
                assert peer.recv(1) == b""
    wait_for_threads()  # closing ends the wait
    assert heard.events.empty()


def test_a_wire_that_was_closed_reports_nothing(
    network: SocketNetwork, listener: socket.socket, heard: Listener
) -> None:
    with listener:
        wire = network.open(b"127.0.0.1", listener.getsockname()[1], heard)
        peer, _ = listener.accept()
        assert heard.next() == "connected"
        wire.close()
        wire.close()
        with peer:
            assert peer.recv(1) == b""
    wait_for_threads()
    assert heard.events.empty()


def test_a_wire_closed_before_it_is_connected(network: SocketNetwork, listener: socket.socket, heard: Listener) -> None:
    with listener:
        with network._lock:  # the thread cannot report before this is over
            wire = network.open(b"127.0.0.1", listener.getsockname()[1], heard)
            peer, _ = listener.accept()
            assert wire.local_address == "?:0"
            assert wire.descriptor == -1
            wire.send(b"too early")
            wire.close()
        with peer:
            assert peer.recv(1) == b""
    wait_for_threads()
    assert heard.events.empty()


@pytest.mark.parametrize("host", [b"127.0.0.1", b"\xff\xfe", b"a" * 300, b"a\0b"])
def test_a_wire_to_nowhere(network: SocketNetwork, listener: socket.socket, heard: Listener, host: bytes) -> None:
    port = listener.getsockname()[1]
    listener.close()
    network.open(host, port, heard)
    assert isinstance(heard.next(), ConnectionError)
    wait_for_threads()
    assert heard.events.empty()


def test_a_peer_that_takes_nothing_is_given_up(
    network: SocketNetwork, listener: socket.socket, heard: Listener
) -> None:
    with listener:
        wire = network.open(b"127.0.0.1", listener.getsockname()[1], heard)
        peer, _ = listener.accept()
        assert heard.next() == "connected"
        for _ in range(100):
            wire.send(bytes(1 << 20))
        with peer:
            assert isinstance(heard.next(), ConnectionError)


def test_a_listener_with_a_bug_hears_that_it_is_over(
    network: SocketNetwork, listener: socket.socket, heard: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_data: bytes) -> None:
        raise RuntimeError("a bug")

    heard.received = fail  # type: ignore[method-assign]
    with listener:
        network.open(b"127.0.0.1", listener.getsockname()[1], heard)
        peer, _ = listener.accept()
        assert heard.next() == "connected"
        peer.sendall(b"x")
        assert str(heard.next()) == "internal error"
        assert "a bug" in caplog.text
        peer.close()


def test_a_wire_comes_from_the_address_asked_for(listener: socket.socket, heard: Listener) -> None:
    network = SocketNetwork(threading.Lock(), lambda: None, lambda: "127.0.0.2")
    with listener:
        wire = network.open(b"127.0.0.1", listener.getsockname()[1], heard)
        peer, address = listener.accept()
        assert address[0] == "127.0.0.2"
        with peer:
            assert heard.next() == "connected"
        wire.close()


def test_no_thread_for_a_wire(network: SocketNetwork, heard: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(OSError, match="can't start new thread"):
        network.open(b"127.0.0.1", 1, heard)


def wait_for_threads() -> None:
    """Return once no wire has a thread any more."""
    for thread in threading.enumerate():
        if thread.name == "kvcore-upstream":
            thread.join(5)
            assert not thread.is_alive()
