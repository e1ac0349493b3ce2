"""The request decoder: every error, every way to cut a stream, and the two decoders against each other."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kvcore.errors import ProtocolError
from kvcore.resp import decoder as module
from kvcore.resp.decoder import Decoder, PythonDecoder
from tests.resp.streams import (
    COMMANDS,
    FRAMES,
    STREAMS,
    cut,
    decoders,
    everywhere,
    mutated,
    outcome,
    request,
)

KINDS = pytest.mark.parametrize("kind", [PythonDecoder, Decoder])
PING = [b"PING"]
CUTS = st.lists(st.integers(0, 4000), max_size=6)


@KINDS
@pytest.mark.parametrize(
    ("stream", "error"),
    [
        (b"*x\r\n", "invalid multibulk length"),
        (b"*\r\n", "invalid multibulk length"),
        (b"*01\r\n", "invalid multibulk length"),
        (b"*-0\r\n", "invalid multibulk length"),
        (b"*+1\r\n", "invalid multibulk length"),
        (b"* 1\r\n", "invalid multibulk length"),
        (b"*1 \r\n", "invalid multibulk length"),
        (b"*2147483648\r\n", "invalid multibulk length"),
        (b"*-9223372036854775809\r\n", "invalid multibulk length"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$\r\n", "invalid bulk length"),
        (b"*1\r\n$04\r\n", "invalid bulk length"),
        (b"*1\r\n$536870913\r\n", "invalid bulk length"),
        (b"*1\r\n$9223372036854775808\r\n", "invalid bulk length"),
        (b"*1\r\nPING\r\n", "expected '$', got 'P'"),
        (b"*2\r\n$4\r\nECHO\r\n+a\r\n", "expected '$', got '+'"),
        (b"*1\r\n*1\r\n", "expected '$', got '*'"),
        (b"*1\r\n\r\n", "expected '$', got ' '"),
        (b"*1\r\n\n\r\n", "expected '$', got ' '"),
        (b"*1\r\n\xff\r\n", "expected '$', got '\udcff'"),
        (b"a" * 65537, "too big inline request"),
        (b"a" * 65537 + b"\n", "too big inline request"),
        (b"*" + b"1" * 65536, "too big mbulk count string"),
        (b"*1\r\n" + b"$" * 65537, "too big bulk count string"),
        (b"*1\r\n$4\0\r\n" + b" " * 65537, "too big bulk count string"),
        (b'ECHO "abc\r\n', "unbalanced quotes in request"),
        (b"ECHO 'a'b\r\n", "unbalanced quotes in request"),
    ],
)
def test_malformed_streams(kind: type[PythonDecoder], stream: bytes, error: str) -> None:
    expected = f"Protocol error: {error}"
    assert outcome(kind(), [stream]) == ([], expected)
    before = request(PING) * 20
    assert outcome(kind(), [before + stream]) == ([PING] * 20, expected)


@KINDS
@pytest.mark.parametrize(
    ("stream", "commands"),
    [
        (b"*0\r\n*-1\r\n*-9223372036854775808\r\n\r\n\n \t\nPING\n", [PING]),
        (b"PING\r\nping\n", [PING, [b"ping"]]),
        (b"*1\r\n$4\r\nPINGxx*1\rX$4\rYPINGzz", [PING, PING]),
        (b"*2\r\n$0\r\n\r\n$2\r\n\r\n\r\n", [[b"", b"\r\n"]]),
        (b"*1\r\n$7\r\n\r\n*1\r\n$\r\nPING\n", [[b"\r\n*1\r\n$"], PING]),
        (b'""\r\n', [[b""]]),
        (b"a" * 65535 + b"\r\n", [[b"a" * 65535]]),
        (b"*1\r\n$5\r\na\0b\0c\r\n", [[b"a\0b\0c"]]),
        (request([b"DEL", *[b"k%d" % i for i in range(3000)]]), [[b"DEL", *[b"k%d" % i for i in range(3000)]]]),
    ],
)
def test_accepted_streams(kind: type[PythonDecoder], stream: bytes, commands: list[list[bytes]]) -> None:
    assert outcome(kind(), [stream]) == (commands, None)
    assert outcome(kind(), [stream[i : i + 1] for i in range(len(stream))]) == (commands, None)


@KINDS
@pytest.mark.parametrize(
    "stream",
    [
        b"*",
        b"*1\r",
        b"*2147483647\r\nx",
        b"*1\r\nfoo",
        b"*1\r\nfoo\r",
        b"*1\r\n$536870912\r\nabc",
        b"*1\r\n$4\r\nPING",
        b"*1\r\n$4\r\nPING\r",
        b"PING",
        b"PI\0NG\r\nPING\r\n",
        b"*1\0\r\n$4\r\nPING\r\n",
        b"*1\r\n\0\r\n",
        b"a" * 65536,
        b"*" + b"1" * 65535,
    ],
)
def test_incomplete_streams_wait(kind: type[PythonDecoder], stream: bytes) -> None:
    decoder = kind()
    assert outcome(decoder, [stream]) == ([], None)
    assert decoder.buffered == len(stream)
    decoder = kind()
    assert outcome(decoder, [request(PING) * 9 + stream]) == ([PING] * 9, None)
    assert decoder.buffered == len(stream)


@KINDS
def test_after_an_error_the_stream_is_dead(kind: type[PythonDecoder]) -> None:
    decoder = kind()
    decoder.feed(request(PING) + b"*x\r\n" + request(PING))
    assert decoder.take() == [PING]
    for _ in range(2):
        with pytest.raises(ProtocolError, match=r"^Protocol error: invalid multibulk length$"):
            decoder.take()
        decoder.feed(request(PING))
    assert decoder.buffered == 0


@KINDS
def test_restricted_peers_get_one_command_at_a_time(kind: type[PythonDecoder]) -> None:
    decoder = kind(restricted=True)
    decoder.feed(request([b"AUTH", b"secret"]) + b"*0\r\nPING\r\n" + request(PING) * 3)
    assert decoder.take() == [[b"AUTH", b"secret"]]
    assert decoder.take() == [PING]
    assert decoder.buffered == 3 * len(request(PING))
    decoder.restricted = False
    assert decoder.take() == [PING] * 3
    assert decoder.take() == []
    assert decoder.buffered == 0


@KINDS
def test_restricted_peers_have_small_limits(kind: type[PythonDecoder]) -> None:
    eleven = request([b"a"] * 11)
    assert outcome(kind(True), [request([b"a"] * 10)]) == ([[b"a"] * 10], None)
    assert outcome(kind(True), [eleven]) == ([], "Protocol error: unauthenticated multibulk length")
    assert outcome(kind(True), [request([b"a" * 16384])]) == ([[b"a" * 16384]], None)
    assert outcome(kind(True), [b"*1\r\n$16385\r\n"]) == ([], "Protocol error: unauthenticated bulk length")
    assert outcome(kind(True), [b"*1\r\n$-1\r\n"]) == ([], "Protocol error: invalid bulk length")
    assert outcome(kind(), [eleven]) == ([[b"a"] * 11], None)


@KINDS
def test_limits_are_lifted_between_two_commands_of_one_read(kind: type[PythonDecoder]) -> None:
    decoder = kind(restricted=True)
    decoder.feed(request([b"AUTH", b"secret"]) + request([b"a"] * 11))
    assert decoder.take() == [[b"AUTH", b"secret"]]
    decoder.restricted = False
    assert decoder.take() == [[b"a"] * 11]


@KINDS
@pytest.mark.parametrize("limit", [3, 100, 5000])
def test_longest_bulk_is_configurable(kind: type[PythonDecoder], limit: int) -> None:
    fits, exceeds = request([b"x" * limit]), request([b"x" * (limit + 1)])
    expected = ([[b"x" * limit]], "Protocol error: invalid bulk length")
    assert outcome(kind(max_bulk_len=limit), [fits + exceeds]) == expected
    assert outcome(kind(max_bulk_len=limit), [fits, exceeds]) == expected


@KINDS
def test_buffered_counts_the_command_begun(kind: type[PythonDecoder]) -> None:
    decoder = kind()
    stream = request([b"SET", b"key", b"v" * 50])
    for sent in range(1, len(stream)):
        decoder.feed(stream[sent - 1 : sent])
        assert decoder.take() == []
        assert decoder.buffered == sent
    decoder.feed(stream[-1:] + b"*1")
    assert decoder.take() == [[b"SET", b"key", b"v" * 50]]
    assert decoder.buffered == 2


@KINDS
def test_what_waits_is_told_apart(kind: type[PythonDecoder]) -> None:
    decoder = kind()
    decoder.feed(b"*4\r\n$3\r\nSET\r\n$10\r\n0123456789\r\n$100000\r\nabc")
    assert decoder.take() == []
    assert (decoder.unparsed, decoder.argument_bytes, decoder.announced) == (3, 13, 100_002 - 3)
    assert decoder.start(2) == b"ab"
    decoder.feed(b"x" * 99_997 + b"\r\n$30000\r\ny")
    assert decoder.take() == []
    assert (decoder.unparsed, decoder.argument_bytes, decoder.announced) == (1, 100_013, 0)  # not worth a reservation
    decoder.feed(b"y" * 29_999 + b"\r\n")
    assert len(decoder.take()) == 1
    assert (decoder.unparsed, decoder.argument_bytes, decoder.announced) == (0, 0, 0)


@KINDS
@pytest.mark.parametrize("claim", [b"*2147483647\r\n", b"*1\r\n$536870912\r\n"])
def test_a_claim_allocates_nothing(kind: type[PythonDecoder], claim: bytes) -> None:
    decoder = kind()
    tracemalloc.start()
    try:
        decoder.feed(claim)
        assert decoder.take() == []
        assert tracemalloc.get_traced_memory()[1] < 20_000
    finally:
        tracemalloc.stop()


@KINDS
def test_tiny_chunks_of_a_large_bulk_are_not_kept_as_objects(kind: type[PythonDecoder]) -> None:
    decoder = kind()
    decoder.feed(b"*1\r\n$400000\r\n")
    assert decoder.take() == []
    tracemalloc.start()
    try:
        for _ in range(100_000):
            decoder.feed(b"ab" * 2)
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()
    decoder.feed(b"\r\n")
    assert decoder.take() == [[b"abab" * 100_000]]


@KINDS
def test_a_large_bulk_is_parsed_once(kind: type[PythonDecoder], monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    parse = PythonDecoder._parse

    def counting(self: PythonDecoder, commands: list[list[bytes]], single: bool) -> None:
        nonlocal calls
        calls += 1
        parse(self, commands, single)

    monkeypatch.setattr(PythonDecoder, "_parse", counting)
    value = bytes(range(256)) * 40_000
    chunks = cut(request([b"SET", b"k", value]), range(0, 11_000_000, 16384))
    assert len(chunks) > 600
    assert outcome(kind(), chunks) == ([[b"SET", b"k", value]], None)
    assert calls == 2


def test_ordinary_reads_take_the_fast_path_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the reference was asked")

    monkeypatch.setattr(PythonDecoder, "_parse", refuse)
    commands = [[b"SET", b"key:%d" % i, b"v" * (i % 90)][: 1 + i % 3] for i in range(500)]
    commands += [[b"HSET", b"h", b"f", b"v"], [b"RPUSH", b"l", *[b"element"] * 40], [b"GET", b""]]
    assert outcome(Decoder(), [b"".join(map(request, commands))]) == (commands, None)


def test_the_fast_path_is_taken_again_behind_a_command_begun_earlier(monkeypatch: pytest.MonkeyPatch) -> None:
    used = []
    split = module._split

    def counting(data: bytes, commands: list[list[bytes]]) -> int:
        used.append(split(data, commands))
        return used[-1]

    monkeypatch.setattr(module, "_split", counting)
    one = request([b"SET", b"key", b"value"])
    stream = one * 40
    for place in range(len(one) * 20, len(one) * 21):
        used.clear()
        assert outcome(Decoder(), [stream[:place], stream[place:]]) == ([[b"SET", b"key", b"value"]] * 40, None)
        rest = len(one) * (20 if place == len(one) * 20 else 19)
        assert used == [len(one) * 20, rest], f"cut at {place}"


@given(COMMANDS, CUTS)
@example([[b"a" * 4096], [b"b" * 4097], [b"c" * 5000, b"d"], *[[b"x"]] * 20], [])
@example([[b"k"] * 1024, [b"k"] * 1025], [1000])
def test_any_commands_cut_anywhere(commands: list[list[bytes]], places: list[int]) -> None:
    stream = b"".join(map(request, commands))
    for restricted in (False, True):
        legal = not restricted or all(len(argv) <= 10 for argv in commands)
        for decoder in decoders(restricted):
            if legal:
                assert outcome(decoder, cut(stream, places)) == (commands, None)
                assert decoder.buffered == 0


@given(st.one_of(STREAMS, mutated(), st.binary(max_size=60)), CUTS, st.booleans())
def test_decoders_agree_on_anything(stream: bytes, places: list[int], restricted: bool) -> None:
    expected = outcome(PythonDecoder(restricted), [stream])
    for chunks in ([stream], cut(stream, places), [stream[i : i + 1] for i in range(len(stream))]):
        for decoder in decoders(restricted):
            assert outcome(decoder, chunks) == expected


@pytest.mark.parametrize("frame", FRAMES)
def test_cutting_a_frame_changes_nothing(frame: bytes) -> None:
    stream = request(PING) * 2 + frame + request([b"ECHO", b"x"])
    expected = outcome(PythonDecoder(), [stream])
    for chunks in everywhere(stream):
        for decoder in decoders():
            assert outcome(decoder, chunks) == expected
