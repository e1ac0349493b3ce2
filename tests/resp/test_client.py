"""Replies out of a byte stream: each kind, however the stream is cut, and against the encoder."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcore import replies
from kvcore.errors import CommandError, ProtocolError, WrongTypeError
from kvcore.replies import NULL_ARRAY, OrderedSet, Push, Reply, Verbatim
from kvcore.resp import encoder
from kvcore.resp.client import MAX_LINE, UNFINISHED, ReplyDecoder, error_of, pack, pack_all
from kvcore.resp.decoder import Decoder

KINDS: list[tuple[bytes, Reply]] = [
    (b"+OK\r\n", "OK"),
    (b"+\r\n", ""),
    (b":-7\r\n", -7),
    (b"$0\r\n\r\n", b""),
    (b"$2\r\n\r\n\r\n", b"\r\n"),
    (b"$-1\r\n", None),
    (b"_\r\n", None),
    (b"*-1\r\n", NULL_ARRAY),
    (b"*0\r\n", []),
    (b"*2\r\n*1\r\n:1\r\n$1\r\na\r\n", [[1], b"a"]),
    (b"%0\r\n", {}),
    (b"%1\r\n$1\r\na\r\n*1\r\n_\r\n", {b"a": [None]}),
    (b"%1\r\n*0\r\n:1\r\n", [[[], 1]]),
    (b"~2\r\n:1\r\n:2\r\n", {1, 2}),
    (b"~1\r\n*1\r\n:1\r\n", OrderedSet([[1]])),
    (b"#t\r\n", True),
    (b"#f\r\n", False),
    (b",1.5\r\n", 1.5),
    (b",-inf\r\n", -math.inf),
    (b",-2.5e-7\r\n", -2.5e-7),
    (b",.5\r\n", 0.5),
    (b",5.\r\n", 5.0),
    (b":-9223372036854775808\r\n", -(2**63)),
    (b"(123456789012345678901234567890\r\n", 123456789012345678901234567890),
    (b"=8\r\nmkd:\r\nab\r\n", Verbatim(b"\r\nab", "mkd")),
    (b">2\r\n$1\r\na\r\n:1\r\n", Push([b"a", 1])),
    (b"|1\r\n+ttl\r\n:9\r\n*1\r\n|1\r\n+a\r\n+b\r\n:5\r\n", [5]),
    (b"|0\r\n:1\r\n", 1),
]


def taken(decoder: ReplyDecoder, chunks: list[bytes]) -> list[Reply]:
    found = []
    for chunk in chunks:
        decoder.feed(chunk)
        while (reply := decoder.take()) is not UNFINISHED:
            found.append(reply)
    return found


@pytest.mark.parametrize(("data", "value"), KINDS, ids=[repr(data) for data, _ in KINDS])
def test_each_kind_whole_and_byte_by_byte(data: bytes, value: Reply) -> None:
    decoder = ReplyDecoder()
    for chunks in ([data], [data[index : index + 1] for index in range(len(data))], [data * 2]):
        found = taken(decoder, chunks)
        assert found == [value] * (2 if chunks == [data * 2] else 1)
        assert all(type(reply) is type(value) or isinstance(value, int | str) for reply in found)
        assert decoder.idle


def test_errors_are_returned_with_their_class() -> None:
    decoder = ReplyDecoder()
    first, second, nested = taken(decoder, [b"-ERR no\r\n!11\r\nWRONGTYPE x\r\n*1\r\n-EXECABORT y\r\n"])
    assert (type(first), str(first), first.code) == (CommandError, "ERR no", "ERR")
    assert isinstance(second, WrongTypeError)
    assert str(second) == "WRONGTYPE x"
    assert [str(item) for item in nested] == ["EXECABORT y"]
    assert type(error_of("WRONGTYPED")) is CommandError


BAD = [
    b"hello\r\n",
    b"\r\n",
    b":\r\n",
    b":x\r\n",
    b"$x\r\n",
    b"$-2\r\n",
    b"=-1\r\n",
    b"*-2\r\n",
    b"%-1\r\n",
    b"#x\r\n",
    b",x\r\n",
    b"(x\r\n",
    *(b":%b\r\n" % number for number in (b"1_0", b"+1", b" 1", b"1 ", b"01", b"-0", b"--1", b"%d" % 2**63)),
    *(b"%b\r\n:1\r\n" % head for head in (b"*+1", b"*01", b"* 1", b"*1_0", b"%01", b"~+1", b">-0")),
    *(b"%b\r\na\r\n" % head for head in (b"$+1", b"$01", b"$ 1", b"$1_0", b"=+1")),
    *(b",%b\r\n" % number for number in (b"1_0", b"+1", b" 1", b"1 ", b"", b"infinity", b"+inf", b"1e999", b"0x1")),
    *(b"(%b\r\n" % number for number in (b"1_0", b"+1", b" 1", b"", b"-", b"9" * 5000)),
    b"_x\r\n",
    b"=3\r\nabc\r\n",
    b"$1\r\nabc",
    b"+" + b"x" * (MAX_LINE + 1),
]


@pytest.mark.parametrize("data", BAD, ids=[repr(data[:12]) for data in BAD])
def test_what_is_no_reply_is_refused(data: bytes) -> None:
    decoder = ReplyDecoder()
    decoder.feed(data)
    with pytest.raises(ProtocolError):
        decoder.take()


def test_a_claim_allocates_nothing_and_waits() -> None:
    decoder = ReplyDecoder()
    assert taken(decoder, [b"*1000000000\r\n", b"$500000000\r\n", b"abc"]) == []
    assert not decoder.idle


SCALARS = (
    st.none()
    | st.booleans()
    | st.binary(max_size=40)
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.sampled_from(["OK", "QUEUED"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.binary(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(VALUES, max_size=5), st.lists(st.integers(1, 30), max_size=20))
def test_what_the_encoder_writes_is_read_however_it_is_cut(values: list[Reply], sizes: list[int]) -> None:
    data = encoder.encode_many(values, 3)
    chunks, at = [], 0
    for size in sizes:
        chunks.append(data[at : at + size])
        at += size
    assert taken(ReplyDecoder(), [*filter(None, chunks), data[at:]] if data[at:] else [*filter(None, chunks)]) == values


@given(st.lists(st.lists(st.binary(max_size=300), min_size=1, max_size=20), min_size=1, max_size=4))
def test_requests_are_what_servers_read(commands: list[list[bytes]]) -> None:
    decoder = Decoder()
    decoder.feed(pack_all(commands))
    assert decoder.take() == commands
    assert pack_all(commands) == b"".join(map(pack, commands))


def test_ok_is_the_one_object() -> None:
    assert taken(ReplyDecoder(), [b"+OK\r\n"])[0] is replies.OK
