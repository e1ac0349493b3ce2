"""The benchmark's side of a connection: replies counted however they are cut, and servers that misbehave."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcore.errors import KvcoreError
from kvcore.frontends.bench_sockets import Replies, Server
from kvcore.frontends.bench_tests import TESTS, Commands, Plan
from kvcore.replies import OK
from kvcore.resp.client import pack
from kvcore.resp.encoder import encode_many

REPLIES = st.recursive(
    st.one_of(st.just(OK), st.integers(-5, 10**12), st.binary(max_size=40), st.none()),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(REPLIES, max_size=12), st.integers(1, 60))
def test_replies_are_counted_however_they_are_cut(replies: list[object], step: int) -> None:
    data = encode_many(replies, 2)  # type: ignore[arg-type]
    counter = Replies()
    counts = [counter.feed(data[start : start + step]) for start in range(0, len(data), step)]
    assert sum(counts) == len(replies)
    assert counter.error == ""


def test_a_reply_counts_when_its_last_byte_is_there() -> None:
    counter = Replies()
    found = [counter.feed(bytes([byte])) for byte in b"*2\r\n$1\r\na\r\n*-1\r\n:1\r\n"]
    assert [at for at, count in enumerate(found) if count] == [15, 19]


def test_the_same_reply_again_and_again() -> None:
    counter = Replies()
    assert counter.feed(b"$3\r\nxxx\r\n" * 5 + b"$3\r\nx") == 5
    assert counter.feed(b"xx\r\n+OK\r\n+OK\r\n$3\r\nxxx\r\n") == 4


def test_the_first_error_is_kept() -> None:
    counter = Replies()
    assert counter.feed(b"+OK\r\n-ERR one\r\n-ERR two\r\n") == 3
    assert counter.error == "ERR one"


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n", b"$x\r\n", b"%1\r\n", b"a" * 70_000])
def test_what_is_no_reply(said: bytes) -> None:
    with pytest.raises(KvcoreError, match="does not speak RESP"):
        Replies().feed(said)


# A server that does not do what it should


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def answer(listener: socket.socket, said: bytes) -> threading.Thread:
    """Say something to the first client as soon as it has sent something, and hang up."""

    def serve() -> None:
        link, _ = listener.accept()
        with link:
            link.recv(1000)
            link.sendall(said)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"+PONG\r\n+PONG\r\n+PONG\r\n", "more replies than"),
        (b"-ERR no\r\n", "the server refuses: ERR no"),
        (b"+PO", "closed the connection"),
        (b"HTTP/1.1 200 OK\r\n", "does not speak RESP"),
    ],
)
def test_servers_that_misbehave(listener: socket.socket, said: bytes, error: str) -> None:
    thread = answer(listener, said)
    server = Server(f"redis://127.0.0.1:{listener.getsockname()[1]}")
    try:
        with pytest.raises((KvcoreError, ConnectionError), match=error):
            server.measure("PING", [Commands(TESTS["PING"], b"", 1, "")], Plan(2, 1, 2, 0, 1, 0, 0), lambda *_: None)
    finally:
        server.close()
        thread.join()


def test_an_interrupted_test_is_over_when_the_server_has_read_all_of_it(listener: socket.socket) -> None:
    interrupted = threading.Event()
    read = bytearray()

    def serve() -> None:
        link, _ = listener.accept()
        with link:
            assert interrupted.wait(20)
            while data := link.recv(1000):
                read.extend(data)

    def watch(_done: int, _total: int) -> None:
        interrupted.set()
        raise KeyboardInterrupt

    thread = threading.Thread(target=serve)
    thread.start()
    server = Server(f"redis://127.0.0.1:{listener.getsockname()[1]}")
    try:
        plan = Plan(20_000, 1, 20_000, 0, 1, 0, 0)
        sample = server.measure("PING", [Commands(TESTS["PING"], b"", 1, "")], plan, watch)
        assert (sample.complete, bytes(read)) == (False, pack([b"PING"]) * 20_000)
    finally:
        server.close()
        thread.join()


def test_a_preparation_that_fails_is_not_answered_to_the_next_commands(listener: socket.socket) -> None:
    """What the first connection is told is no reply; the second one begins anew."""

    def serve() -> None:
        for said in (b"+OK\r\n!x\r\n", b"+OK\r\n"):
            link, _ = listener.accept()
            with link:
                link.recv(1000)
                link.sendall(said)
                while link.recv(1000):
                    continue

    thread = threading.Thread(target=serve)
    thread.start()
    server = Server(f"redis://127.0.0.1:{listener.getsockname()[1]}")
    try:
        with pytest.raises(KvcoreError, match="does not speak RESP"):
            server.run([[b"PING"], [b"PING"], [b"PING"]])
        server.run([[b"PING"]])
    finally:
        server.close()
        thread.join()


def test_the_timeout_of_the_url_is_how_long_answers_are_waited_for(listener: socket.socket) -> None:
    server = Server(f"redis://127.0.0.1:{listener.getsockname()[1]}?timeout=0.2")
    try:
        with pytest.raises(KvcoreError, match=r"no answer for 0\.2 s"):
            server.measure("PING", [Commands(TESTS["PING"], b"", 1, "")], Plan(1, 1, 1, 0, 1, 0, 0), lambda *_: None)
    finally:
        server.close()
