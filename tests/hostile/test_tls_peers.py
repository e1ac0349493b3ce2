"""Peers of the TLS port that mean no good: the server stays up, its memory flat, and other clients are served."""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
from collections.abc import Iterator

import pytest

from tests.certificates import Certificates
from tests.hostile.test_frames import MEMORY_GROWTH_KIB, resident_kib
from tests.oracle.servers import HOST, Server, free_port, start_kvcore

PEERS = 600
"""More than `tls-max-handshakes` lets wait."""


class Target:
    """A server with a TLS port, and a client that was there before."""

    def __init__(self, server: Server, port: int, certificates: Certificates) -> None:
        self.server = server
        self.port = port
        self.certificates = certificates
        self.bystander = self.connect()
        assert self.ask(self.bystander) == b"+PONG\r\n"

    def open(self) -> socket.socket:
        return socket.create_connection((HOST, self.port), timeout=10)

    def connect(self) -> ssl.SSLSocket:
        return self.certificates.context().wrap_socket(self.open(), server_hostname="localhost")

    def ask(self, client: ssl.SSLSocket) -> bytes:
        client.sendall(b"PING\r\n")
        return client.recv(100)

    def check(self, before_kib: int) -> None:
        """The old client and a new one are served; nothing has grown."""
        assert self.ask(self.bystander) == b"+PONG\r\n"
        with self.connect() as newcomer:
            assert self.ask(newcomer) == b"+PONG\r\n"
        assert self.server.alive()
        assert "Traceback" not in self.server.log()
        assert resident_kib(self.server) - before_kib < MEMORY_GROWTH_KIB


@pytest.fixture(scope="module", params=["asyncio", "threaded"])
def target(request: pytest.FixtureRequest, certificates: Certificates) -> Iterator[Target]:
    port = free_port()
    server = start_kvcore(
        request.param, *certificates.options("--tls-port", str(port), "--port", str(free_port()), "--maxclients", "50")
    )
    yield Target(server, port, certificates)
    server.stop()


def hello(target: Target) -> bytes:
    """Return the first message of a proper client."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = target.certificates.context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def read_end(peer: socket.socket) -> None:
    with contextlib.suppress(ConnectionError):
        while peer.recv(65536):
            pass


def test_peers_that_say_nothing_take_no_place(target: Target) -> None:
    before = resident_kib(target.server)
    silent = [target.open() for _ in range(PEERS)]
    target.check(before)
    read_end(silent[0])  # the oldest had to go
    for peer in silent:
        peer.close()


def test_half_handshakes_take_no_place(target: Target) -> None:
    before = resident_kib(target.server)
    first = hello(target)
    half = [target.open() for _ in range(PEERS)]
    for peer in half:
        with contextlib.suppress(ConnectionError):
            peer.sendall(first)
    target.check(before)
    for peer in half:
        peer.close()


def test_slow_handshakes_do_not_slow_the_others(target: Target) -> None:
    before = resident_kib(target.server)
    first = hello(target)
    slow = [target.open() for _ in range(40)]
    for byte in range(60):
        for peer in slow:
            peer.sendall(first[byte : byte + 1])
        assert target.ask(target.bystander) == b"+PONG\r\n"
    target.check(before)
    for peer in slow:
        peer.close()


def test_garbage_and_plain_text(target: Target) -> None:
    before = resident_kib(target.server)
    source = random.Random(4)
    first = hello(target)
    said = [
        b"PING\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\xff\xff" + b"x" * 70000,
    ]
    for _ in range(200):
        broken = bytearray(first)
        for _ in range(source.randrange(1, 8)):
            broken[source.randrange(len(broken))] = source.randrange(256)
        said += [bytes(broken), source.randbytes(source.randrange(1, 600))]
    for count, words in enumerate(said):
        with target.open() as peer:
            with contextlib.suppress(ConnectionError):
                peer.sendall(words)
                peer.shutdown(socket.SHUT_WR)
            with contextlib.suppress(OSError):
                assert b"PONG" not in peer.recv(65536)
        if count % 50 == 0:
            assert target.ask(target.bystander) == b"+PONG\r\n"
    target.check(before)


def test_garbage_after_the_handshake_ends_that_client_only(target: Target) -> None:
    before = resident_kib(target.server)
    for said in (
        b"\x17\x03\x03\x00\x20" + b"x" * 32,
        b"PING\r\n",
        b"\x15\x03\x03\x00\x02\x02\x28",
        b"\x17\x03\x03\xff\xff",
    ):
        client = target.connect()
        assert target.ask(client) == b"+PONG\r\n"
        raw = socket.socket(fileno=client.detach())
        raw.settimeout(10)
        raw.sendall(said)
        raw.shutdown(socket.SHUT_WR)
        read_end(raw)
        raw.close()
    target.check(before)


def test_connections_cut_at_every_point_of_the_handshake(target: Target) -> None:
    before = resident_kib(target.server)
    first = hello(target)
    for end in range(0, len(first), 7):
        with target.open() as peer:
            peer.sendall(first[:end])
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    target.check(before)
