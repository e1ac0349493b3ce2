"""Byte streams for the decoder's tests: valid ones, broken ones, and what a decoder makes of them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from hypothesis import strategies as st

from kvcore.errors import ProtocolError
from kvcore.resp.decoder import Decoder, PythonDecoder

Outcome = tuple[list[list[bytes]], str | None]


def request(argv: Iterable[bytes]) -> bytes:
    """Encode one command as a client does."""
    items = list(argv)
    return b"*%d\r\n" % len(items) + b"".join(b"$%d\r\n%b\r\n" % (len(item), item) for item in items)


def outcome(decoder: PythonDecoder, chunks: Iterable[bytes]) -> Outcome:
    """Feed chunks, taking after each until nothing comes; return the commands and the error, if one was raised."""
    commands: list[list[bytes]] = []
    try:
        for chunk in chunks:
            decoder.feed(chunk)
            while taken := decoder.take():
                commands += taken
    except ProtocolError as error:
        return commands, str(error)
    return commands, None


def cut(stream: bytes, places: Iterable[int]) -> list[bytes]:
    """Cut a stream at the places given, in any order and modulo its length."""
    edges = sorted({0, len(stream), *(place % (len(stream) + 1) for place in places)})
    return [stream[a:b] for a, b in pairwise(edges)]


def everywhere(stream: bytes) -> Iterable[list[bytes]]:
    """Yield the stream whole, byte by byte, and cut once at each place."""
    yield [stream]
    yield [stream[i : i + 1] for i in range(len(stream))]
    for place in range(1, len(stream)):
        yield [stream[:place], stream[place:]]


def decoders(restricted: bool = False) -> list[PythonDecoder]:
    """Return one of each kind."""
    return [PythonDecoder(restricted), Decoder(restricted)]


ARGUMENTS = st.one_of(
    st.binary(max_size=12),
    st.sampled_from([b"", b"SET", b"\r\n", b"\r\n*", b"\r\n$", b"*1\r\n$4\r\nPING\r\n", b"\0", b"x" * 300]),
    st.binary(min_size=90, max_size=1200),
)
COMMANDS = st.lists(st.lists(ARGUMENTS, min_size=1, max_size=6), max_size=8)

FRAMES = (
    # Broken or odd pieces of protocol; strung together they reach most states.
    b"*1\r\n$4\r\nPING\r\n",
    b"*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n",
    b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n",
    b"*1\r\n$4\r\nPINGxx",
    b"*1\rX$4\rYPINGzz",
    b"*1\r\n$04\r\nPING\r\n",
    b"*01\r\n",
    b"*+1\r\n",
    b"* 1\r\n",
    b"*-0\r\n",
    b"*0\r\n",
    b"*-1\r\n",
    b"*-9223372036854775808\r\n",
    b"*-9223372036854775809\r\n",
    b"*\r\n",
    b"*x\r\n",
    b"*1\n$4\nPING\n",
    b"*2147483647\r\n",
    b"*2147483648\r\n",
    b"*99999999999999999999\r\n",
    b"*1024\r\n",
    b"*11\r\n",
    b"*1\r\n$-1\r\n",
    b"*1\r\n$536870912\r\n",
    b"*1\r\n$536870913\r\n",
    b"*1\r\n$16385\r\n",
    b"*1\r\n$+4\r\nPING\r\n",
    b"*1\r\n$4 \r\nPING\r\n",
    b"*1\r\n$\r\n\r\n",
    b"*1\r\n\r\n",
    b"*1\r\n\n\r\n",
    b"*1\r\n\xff\r\n",
    b"*1\r\n\0\r\n",
    b"*1\0\r\n",
    b"*2\r\n$4\r\nECHO\r\n+a\r\n",
    b"*2\r\n$4\r\nECHO\r\n:1\r\n",
    b"*2\r\n$4\r\nECHO\r\n=6\r\ntxt:ab\r\n",
    b"*2\r\n$3\r\n\r\n$\r\n+a\r\n",
    b"*1\r\n*1\r\n$4\r\nPING\r\n",
    b"*1\r\n$0\r\n\r\n",
    b"$4\r\nPING\r\n",
    b"$0\r\n\r\n",
    b"+PING\r\n",
    b"~1\r\n$4\r\nPING\r\n",
    b">1\r\n$4\r\nPING\r\n",
    b"%1\r\n$1\r\na\r\n$1\r\nb\r\n",
    b"|1\r\n$1\r\na\r\n$1\r\nb\r\n",
    b"PING\r\n",
    b"PING\n",
    b"\r\n",
    b"\n",
    b"  \r\n",
    b'ECHO "a\\x41\\n\\q"\r\n',
    b'ECHO "a"b\r\n',
    b'ECHO "abc\r\n',
    b"ECHO 'it\\'s'\r\n",
    b'ECHO a"b c"\r\n',
    b"ECHO a\x0bb\x0b\r\n",
    b"PI\0NG\r\n",
    b"\r",
    b"$",
    b"*",
    b"*3\r\n$3\r\nSET\r\n",
)
STREAMS = st.lists(st.sampled_from(FRAMES), max_size=6).map(b"".join)


@st.composite
def mutated(draw: st.DrawFn, commands: st.SearchStrategy[list[list[bytes]]] = COMMANDS) -> bytes:
    """Draw a valid stream with a few bytes changed, removed or put in."""
    stream = bytearray(b"".join(map(request, draw(commands))))
    for _ in range(draw(st.integers(0, 4))):
        if not stream:
            break
        at = draw(st.integers(0, len(stream) - 1))
        byte = draw(st.sampled_from(b"\r\n*$0123456789-+:\0 \"'x"))
        kind = draw(st.sampled_from("cri"))
        if kind == "c":
            stream[at] = byte
        elif kind == "r":
            del stream[at]
        else:
            stream.insert(at, byte)
    return bytes(stream)
