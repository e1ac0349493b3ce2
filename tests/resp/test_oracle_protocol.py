"""The decoder and the encoder against a live redis-server over a raw socket.

Each stream is sent to the server and given to the decoders, whose commands a tiny interpreter answers. Replies, the
error line and whether the connection is closed must be the same. Nothing waits for a time to pass: the server is known
to have dealt with a stream when it has answered another connection often enough afterwards.
"""

from __future__ import annotations

import math
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from kvcore import errors
from kvcore.dispatch import declared_commands
from kvcore.errors import CommandError, ProtocolError
from kvcore.replies import NULL_ARRAY, Attributed, BigNumber, Push, Reply, Verbatim
from kvcore.resp.decoder import Decoder, PythonDecoder
from kvcore.resp.encoder import encode, encode_many
from tests.resp.streams import FRAMES, STREAMS, mutated, request

PASSWORD = b"secret"
ARITY = {b"ECHO": 2, b"SET": 3, b"AUTH": 2}
COMMANDS = declared_commands()

MORE_FRAMES = (
    b"a" * 65536,
    b"a" * 65537,
    b"*" + b"1" * 65535,
    b"*" + b"1" * 65536,
    b"*1\r\n" + b"$" * 65536,
    b"*1\r\n" + b"$" * 65537,
    request([b"ECHO", b"x" * 16384]),
    request([b"ECHO", b"x" * 16385]),
    request([b"ECHO", b"x" * 100_000]) + b"PING\r\n",
    b"ECHO " + b"x" * 60_000 + b"\r\n",
    request([b"PING"] * 10),
    request([b"PING"] * 11),
    b"ECHO '\\x41\\n'\r\n",
    b'ECHO ""\r\n',
    b'ECHO "\\x4"\r\n',
    b'ECHO "a"\x0b\r\n',
    b'ECHO "\xe9\x85\xa0"\r\n',
    b"ECHO \xa0\r\n",
    b'"\r\n',
    b"'\r\n",
    b'ECHO "\\"\r\n',
    b"ECHO 'a'b\r\n",
    b"\x0b\x0cPING\r\n",
    b"PING\r\r\n",
    b"*1\r\n$16384\r\n",
    b"PI\rNG\r\n",
)


class Server:
    """A redis-server of this test and a connection to ask it questions on."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        command += ["--appendonly", "no", "--dir", str(folder), "--enable-debug-command", "local", *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if b"Ready to accept connections" in line:
                break
        else:
            raise RuntimeError("redis-server did not start")
        self.admin = self.connect()
        self.answers = self.admin.makefile("rb")

    def connect(self) -> socket.socket:
        """Open a connection."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def ask(self, line: bytes) -> bytes:
        """Run a command on the admin connection; return the first line of its reply."""
        self.admin.sendall(line + b"\r\n")
        return self.answers.readline()

    def settle(self, size: int) -> None:
        """Return when the server has read ``size`` bytes sent before on another connection, and answered them."""
        for _ in range(3 + size // 4096):
            assert self.ask(b"PING") == b"+PONG\r\n"

    def stop(self) -> None:
        """End the server."""
        self.answers.close()
        self.admin.close()
        self.process.terminate()
        self.process.communicate()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server without a password."""
    yield from _running(tmp_path_factory.mktemp("redis"))


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server that wants a password."""
    for running in _running(tmp_path_factory.mktemp("redis"), "--requirepass", PASSWORD.decode()):
        assert running.ask(b"AUTH " + PASSWORD) == b"+OK\r\n"
        yield running


def _running(folder: Path, *arguments: str) -> Iterator[Server]:
    if shutil.which("redis-server") is None:
        pytest.skip("no redis-server on this machine")
    running = Server(folder, *arguments)
    yield running
    running.stop()


def answer(argv: list[bytes], decoder: PythonDecoder) -> Reply:
    """Do what the server does for the few commands that the streams hold."""
    name = argv[0].upper()
    if name != b"PING" and name not in ARITY:
        if name in COMMANDS:
            reject()  # chance, or a constant that hypothesis read in our sources, made a real command of it
        return CommandError(errors.unknown_command(argv))
    if len(argv) != ARITY.get(name, len(argv)):
        return CommandError(errors.wrong_arity(name.decode().lower()))
    if name == b"AUTH":
        decoder.restricted = False
        return "OK"
    if decoder.restricted:
        return CommandError(errors.NO_AUTH)
    if name == b"SET":
        return "OK"
    if len(argv) > 2:  # PING looks at its arguments itself, after the gate
        return CommandError(errors.wrong_arity("ping"))
    return argv[1] if len(argv) == 2 else "PONG"


def ours(decoder: PythonDecoder, chunks: list[bytes]) -> tuple[bytes, bool]:
    """Return what a server on this decoder would send, and whether it would close the connection."""
    replies: list[Reply] = []
    try:
        for chunk in chunks:
            decoder.feed(chunk)
            while commands := decoder.take():
                replies += [answer(argv, decoder) for argv in commands]
    except ProtocolError as error:
        replies.append(error)
        return encode_many(replies, 2), True
    return encode_many(replies, 2), False


def exchange(server: Server, connection: socket.socket, data: bytes) -> tuple[bytes, bool]:
    """Send bytes; return what the server answers, and whether it closes the connection."""
    received = b""
    connection.setblocking(True)
    connection.sendall(data)
    server.settle(len(data))
    connection.setblocking(False)
    try:
        while part := connection.recv(1 << 20):
            received += part
    except BlockingIOError:
        return received, False
    return received, True


def theirs(server: Server, chunks: list[bytes]) -> tuple[bytes, bool]:
    """Return what the real server sends on a new connection, and whether it closes it."""
    received, closed = b"", False
    with server.connect() as connection:
        for chunk in chunks:
            part, closed = exchange(server, connection, chunk)
            received += part
            if closed:
                break
    return received, closed


def compare(server: Server, chunks: list[bytes], restricted: bool = False) -> None:
    """Assert that the decoders and the server make the same of a stream."""
    expected = ours(PythonDecoder(restricted), [b"".join(chunks)])
    assert ours(Decoder(restricted), chunks) == expected
    assert theirs(server, chunks) == expected


@pytest.mark.parametrize("frame", FRAMES + MORE_FRAMES, ids=lambda frame: repr(frame[:40]))
def test_frames(server: Server, frame: bytes) -> None:
    before, after = request([b"ECHO", b"before"]), request([b"PING"])
    compare(server, [frame])
    compare(server, [before, frame])
    if len(frame) < 60_000:  # of longer ones the size of a read decides whether a limit is met
        stream = before + frame + after
        compare(server, [stream])
        middle = len(before) + len(frame) // 2
        compare(server, [stream[:middle], stream[middle:]])


@pytest.mark.parametrize("frame", FRAMES + MORE_FRAMES, ids=lambda frame: repr(frame[:40]))
def test_frames_before_authentication(locked: Server, frame: bytes) -> None:
    if not frame.startswith(b"*2\r\n$4\r\nECHO\r\n$1"):  # refused unread, the error may be lost in the reset
        compare(locked, [frame], restricted=True)
    compare(locked, [request([b"PING"]) + request([b"AUTH", PASSWORD]) + frame], restricted=True)


@settings(max_examples=150, deadline=None)
@given(stream=STREAMS, place=st.integers(1, 200))
def test_frames_strung_together(server: Server, stream: bytes, place: int) -> None:
    compare(server, [chunk for chunk in (stream[:place], stream[place:]) if chunk])


ECHOES = st.lists(st.lists(st.binary(max_size=9), max_size=2).map(lambda items: [b"ECHO", *items]), max_size=6)


@settings(max_examples=150, deadline=None)
@given(stream=mutated(ECHOES))
def test_mutations(server: Server, stream: bytes) -> None:
    compare(server, [stream] if stream else [])


def reply_of(server: Server, protocol: int, argv: list[bytes]) -> bytes:
    """Return the bytes the real server answers to a command."""
    with server.connect() as connection:
        exchange(server, connection, b"HELLO %d\r\n" % protocol)
        return exchange(server, connection, request(argv))[0]


SAMPLES: dict[bytes, tuple[Reply, Reply]] = {
    b"string": (b"Hello World", b"Hello World"),
    b"integer": (12345, 12345),
    b"double": (3.141, 3.141),
    b"null": (None, None),
    b"array": ([0, 1, 2], [0, 1, 2]),
    b"set": ({0, 1, 2}, {0, 1, 2}),
    b"map": ({0: False, 1: True, 2: False}, {0: False, 1: True, 2: False}),
    b"true": (True, True),
    b"false": (False, False),
    b"bignum": (BigNumber("1234567999999999999999999999999999999"),) * 2,
    b"verbatim": (Verbatim(b"This is a verbatim\nstring"),) * 2,
    b"attrib": (Attributed({b"key-popularity": [b"key:123", 90]}, b"Some real reply following the attribute"),) * 2,
}
"""What a handler would return for DEBUG PROTOCOL, in RESP2 and in RESP3."""


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("kind", SAMPLES)
def test_every_kind_of_reply(server: Server, protocol: int, kind: bytes) -> None:
    real = reply_of(server, protocol, [b"DEBUG", b"PROTOCOL", kind])
    assert encode(SAMPLES[kind][protocol - 2], protocol) == real


def test_a_push(server: Server) -> None:
    replies = [Push([b"server-cpu-usage", 42]), b"Some real reply following the push reply"]
    assert encode_many(replies, 3) == reply_of(server, 3, [b"DEBUG", b"PROTOCOL", b"push"])


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize(
    ("script", "reply"),
    [
        (b"return {ok='a\\r\\nb\\r\\n'}", "a\r\nb\r\n"),
        (b"return redis.error_reply('a\\r\\nb\\r\\n')", CommandError("ERR a\r\nb\r\n")),
        (b"return {err='\\r\\na\\r\\n\\r\\n'}", CommandError("\r\na\r\n\r\n")),
        (b"return {1,{2,{'a',{}}},false}", [1, [2, [b"a", []]], None]),
        *[
            (b"redis.setresp(3) return {double=%b}" % text, value)
            for text, value in {
                b"3": 3.0,
                b"-0.0": -0.0,
                b"0.1": 0.1,
                b"1e17": 1e17,
                b"1e20": 1e20,
                b"1e23": 1e23,
                b"123456789.125": 123456789.125,
                b"5e-324": 5e-324,
                b"1/0": math.inf,
                b"-1/0": -math.inf,
                b"-(0/0)": math.copysign(math.nan, 1.0),
                b"0/0": math.copysign(math.nan, -1.0),
            }.items()
        ],
    ],
)
def test_replies_of_scripts(server: Server, protocol: int, script: bytes, reply: Reply) -> None:
    assert encode(reply, protocol) == reply_of(server, protocol, [b"EVAL", script, b"0"])


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize(
    ("argv", "reply"),
    [
        ([b"GET", b"absent"], None),
        ([b"LPOP", b"absent", b"2"], NULL_ARRAY),
        ([b"HGETALL", b"absent"], {}),
        ([b"SMEMBERS", b"absent"], set()),
        ([b"HMGET", b"absent", b"f"], [None]),
        ([b"PING"], "PONG"),
        ([b"foo\r\n\xff", b"\n"], CommandError(errors.unknown_command([b"foo\r\n\xff", b"\n"]))),
    ],
)
def test_replies_of_commands(server: Server, protocol: int, argv: list[bytes], reply: Reply) -> None:
    assert encode(reply, protocol) == reply_of(server, protocol, argv)
