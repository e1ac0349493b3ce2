"""The other end of a replica's link: what a primary sends, and what it hears, without a socket.

Lives here: a network that hands its wires to the test, and the bytes of a primary. Must not live here: expected values.
"""

from __future__ import annotations

from collections.abc import Iterable

from kvcore.clock import ManualClock
from kvcore.engine import Engine
from kvcore.ports import NoNetwork, WireListener
from kvcore.rdb.file_writer import Account, Checksum, FileWriter
from kvcore.resp.decoder import Decoder
from kvcore.resp.encoder import encode
from kvcore.snapshot import Snapshot

HISTORY = "1" * 40
OTHER = "2" * 40
MARK = b"m" * 40
BURST = [[b"REPLCONF", b"listening-port", b"7001"], [b"REPLCONF", b"capa", b"eof", b"capa", b"psync2"]]
PASSED = b"+OK\r\n+OK\r\n"


class Wire:
    """One connection that a replica made."""

    def __init__(self, host: bytes, port: int, listener: WireListener) -> None:
        self.host, self.port = host, port
        self.listener = listener
        self.sent = b""
        self.closed = False
        self.local_address = "127.0.0.1:50000"
        self.descriptor = 9

    def send(self, data: bytes) -> None:
        assert not self.closed
        self.sent += data

    def close(self) -> None:
        self.closed = True

    def heard(self) -> list[list[bytes]]:
        """Return the commands that were sent since the last call."""
        decoder = Decoder()
        data, self.sent = self.sent, b""
        if data:
            decoder.feed(data)
        return decoder.take() if data else []

    def give(self, *pieces: bytes) -> None:
        """Send the replica bytes, in these pieces."""
        for piece in pieces:
            if not self.closed:
                self.listener.received(piece)

    def give_bytes(self, data: bytes, sizes: Iterable[int]) -> None:
        """Send bytes in pieces of these sizes, and the rest at once."""
        for size in sizes:
            self.give(*[data[:size]][: 1 if data[:size] else 0])
            data = data[size:]
        if data:
            self.give(data)


class Wires(NoNetwork):
    """A network whose connections are :class:`Wire`, made when the test says so."""

    def __init__(self) -> None:
        self.made: list[Wire] = []
        self.refuses = False

    def open(self, host: bytes, port: int, listener: WireListener) -> Wire:
        if self.refuses:
            raise OSError("no threads")
        self.made.append(Wire(host, port, listener))
        return self.made[-1]

    @property
    def last(self) -> Wire:
        return self.made[-1]


def command(*words: bytes | str | int) -> bytes:
    """Encode a command as a primary's stream has it."""
    return encode([word if isinstance(word, bytes) else str(word).encode() for word in words], 2)


class _Collected:
    """An output that keeps everything."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.parts.append(data)

    def full(self) -> bool:
        return False

    def waiting(self) -> int:
        return 0


def snapshot_of(engine: Engine, *, database: int = 0) -> bytes:
    """Return the data set of an engine as a file, written where a stream is in ``database``."""
    account = Account(engine.now_ms() // 1000, "7.0.15")
    account.functions = engine.libraries.sources()
    account.replication = (("repl-stream-db", str(database)), ("repl-id", HISTORY), ("repl-offset", "0"))
    form = FileWriter(-2, False)
    output = _Collected()
    snapshot = Snapshot(engine.keyspace, engine.clock, form, output)
    snapshot.begin(form.begin(account))
    snapshot.advance(1 << 62)
    data = b"".join(output.parts)
    checksum = Checksum(True)
    checksum.update(data)
    return data + checksum.footer()


def shake_hands(wire: Wire) -> list[list[bytes]]:
    """Answer as a primary without a password does, up to PSYNC; return what was said there."""
    wire.listener.connected()
    assert wire.heard() == [[b"PING"]]
    wire.give(b"+PONG\r\n")
    assert wire.heard() == BURST
    wire.give(PASSED)
    return wire.heard()


def transfer(source: Engine, *, offset: int = 100, database: int = 0, mark: bytes = b"") -> bytes:
    """Return the answer to PSYNC and the data set of ``source`` behind it."""
    data = snapshot_of(source, database=database)
    head = b"+FULLRESYNC %b %d\r\n" % (HISTORY.encode(), offset)
    return head + (b"$EOF:%b\r\n%b%b" % (mark, data, mark) if mark else b"$%d\r\n%b" % (len(data), data))


def again(engine: Engine, wires: Wires, clock: ManualClock, seconds: float = 1) -> Wire:
    """Let time pass until the next attempt to connect; return its wire."""
    before = len(wires.made)
    clock.advance(seconds * 1000)
    engine.tick()
    assert len(wires.made) == before + 1
    return wires.last
