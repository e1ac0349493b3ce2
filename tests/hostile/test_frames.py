"""Bytes that no client should send: the server stays up, its memory flat, and other clients see nothing of it."""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.oracle.servers import HOST, Server, start_kvcore

MEMORY_GROWTH_KIB = 48 * 1024
"""Far below what any of the claimed lengths would take (64 MiB to 8 EiB)."""

HUGE = (2**20, 2**26, 2**29 - 1, 2**29, 2**29 + 1, 2**31 - 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64, 10**30)
WORDS = (b"GET", b"SET", b"MSET", b"EVAL", b"XADD", b"\x00", b"\xff\xfe", b"a" * 70_000, b"")
SEPARATORS = (b"\r\n", b"\n", b"\r", b"", b"\x00", b"\r\n\r\n")


@pytest.fixture(scope="module", params=["asyncio", "threaded"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    running = start_kvcore(request.param)
    yield running
    running.stop()


def resident_kib(server: Server) -> int:
    status = Path(f"/proc/{server.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


def hostile_frames() -> Iterator[bytes]:
    """At least 500 frames: huge and negative lengths, nesting, truncation, wrong types, inline garbage."""
    for number in HUGE:
        for text in (b"%d" % number, b"-%d" % number, b"+%d" % number, b"0%d" % number, b"%d.5" % number):
            yield b"*" + text + b"\r\n"
            yield b"*1\r\n$" + text + b"\r\n"
            yield b"*3\r\n$3\r\nSET\r\n$" + text + b"\r\nabc\r\n"
    for depth in (2, 8, 9, 10, 100, 10_000):
        yield b"*1\r\n" * depth + b"$4\r\nPING\r\n"
        yield b"*%d\r\n" % depth * depth
    whole = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\n"
    for cut in range(1, len(whole)):
        yield whole[:cut]
        yield whole[:cut] + b"\x00" + whole[cut:]
        yield whole[:cut] + whole[cut + 1 :]
    for kind in b"+-:_,#(!=%~>|$*":
        yield bytes([kind]) + b"1\r\nx\r\n"
        yield b"*2\r\n$3\r\nGET\r\n" + bytes([kind]) + b"1\r\nx\r\n"
        yield b"*1\r\n" + bytes([kind]) * 3 + b"\r\n"
    for word in WORDS:
        for separator in SEPARATORS:
            yield word + separator
            yield word + b" '" + word + separator
            yield b'"' + word + separator
            yield b"*" + word + separator + b"$" + word + separator


def random_fragments(source: random.Random, count: int) -> Iterator[bytes]:
    pieces = [b"*", b"$", b"\r\n", b"-", b"1", b"3", b"0", b"99999999", b"GET", b"SET", b"k", b" ", b'"', b"'", b"\x00"]
    for _ in range(count):
        if source.random() < 0.3:
            yield source.randbytes(source.randrange(1, 64))
        else:
            yield b"".join(source.choices(pieces, k=source.randrange(1, 16)))


class Attacker:
    """Sends frames and reads whatever comes, on a connection that is replaced when the server closes it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None
        self._sent = 0

    def send(self, frame: bytes, per_connection: int) -> None:
        if self._socket is None or self._sent >= per_connection:
            self.close()
            self._socket = socket.create_connection((HOST, self._port), timeout=5)
            self._sent = 0
        self._sent += 1
        try:
            self._socket.sendall(frame)
            self._socket.setblocking(False)
            while self._socket.recv(65536):
                pass
            self.close()
        except BlockingIOError:
            self._socket.setblocking(True)
        except OSError:
            self.close()

    def close(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None


def check_untouched(server: Server, before_kib: int) -> None:
    assert server.alive(), server.log()
    assert "Traceback" not in server.log()
    grown = resident_kib(server) - before_kib
    assert grown < MEMORY_GROWTH_KIB, f"{grown} KiB more"


def test_hostile_frames(server: Server) -> None:
    bystander = server.connect()
    bystander.send(["SET", "bystander", "unharmed"])
    bystander.read()
    before = resident_kib(server)
    attacker = Attacker(server.port)
    count = 0
    for count, frame in enumerate(hostile_frames(), 1):
        attacker.send(frame, per_connection=1)
        if count % 50 == 0:
            bystander.send(["GET", "bystander"])
            assert bystander.read().text == b"unharmed"
    attacker.close()
    assert count >= 500
    check_untouched(server, before)


def test_random_fragments(server: Server) -> None:
    bystander = server.connect()
    bystander.send(["SET", "bystander", "unharmed"])
    bystander.read()
    before = resident_kib(server)
    attacker = Attacker(server.port)
    source = random.Random(20231)
    for count, fragment in enumerate(random_fragments(source, 10_000), 1):
        attacker.send(fragment, per_connection=20)
        if count % 500 == 0:
            bystander.send(["GET", "bystander"])
            assert bystander.read().text == b"unharmed"
    attacker.close()
    check_untouched(server, before)


def test_a_claimed_length_allocates_nothing(server: Server) -> None:
    before = resident_kib(server)
    claimants = []
    for _ in range(20):
        claimant = socket.create_connection((HOST, server.port), timeout=5)
        claimant.sendall(b"*2\r\n$3\r\nGET\r\n$536870912\r\n" + b"x" * 1000)
        claimants.append(claimant)
        claimant = socket.create_connection((HOST, server.port), timeout=5)
        claimant.sendall(b"*2147483647\r\n$3\r\nDEL\r\n")
        claimants.append(claimant)
    probe = server.connect()
    probe.send(["PING"])
    probe.read()
    check_untouched(server, before)
    for claimant in claimants:
        claimant.close()
