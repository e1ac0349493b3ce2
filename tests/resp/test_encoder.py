"""The reply encoder. What the real server sends for the same values: test_oracle_protocol.py."""

from __future__ import annotations

import math
from collections import OrderedDict, namedtuple

import pytest

from kvcore.errors import CommandError, ProtocolError, WrongTypeError
from kvcore.replies import (
    NO_REPLY,
    NULL_ARRAY,
    OK,
    PONG,
    QUEUED,
    Attributed,
    BigNumber,
    Decimals,
    OrderedMembers,
    Push,
    Raw,
    Reply,
    Verbatim,
)
from kvcore.resp.encoder import encode, encode_into, encode_many

Pair = namedtuple("Pair", "a b")


class Flag(int):
    """An integer's subclass."""


CASES: list[tuple[Reply, bytes, bytes]] = [
    (OK, b"+OK\r\n", b"+OK\r\n"),
    ("O" + "K"[:1], b"+OK\r\n", b"+OK\r\n"),
    (QUEUED, b"+QUEUED\r\n", b"+QUEUED\r\n"),
    (PONG, b"+PONG\r\n", b"+PONG\r\n"),
    ("a\r\nb\n", b"+a  b \r\n", b"+a  b \r\n"),
    (Raw(b"*1\r\n$4\r\nping\r\n"), b"*1\r\n$4\r\nping\r\n", b"*1\r\n$4\r\nping\r\n"),
    (Raw(b""), b"", b""),
    ("\udcff\xe9", b"+\xff\xc3\xa9\r\n", b"+\xff\xc3\xa9\r\n"),
    (b"", b"$0\r\n\r\n", b"$0\r\n\r\n"),
    (b"a\r\nb", b"$4\r\na\r\nb\r\n", b"$4\r\na\r\nb\r\n"),
    (bytearray(b"abc"), b"$3\r\nabc\r\n", b"$3\r\nabc\r\n"),
    (0, b":0\r\n", b":0\r\n"),
    (-1, b":-1\r\n", b":-1\r\n"),
    (4096, b":4096\r\n", b":4096\r\n"),
    (4097, b":4097\r\n", b":4097\r\n"),
    (-(2**63), b":-9223372036854775808\r\n", b":-9223372036854775808\r\n"),
    (True, b":1\r\n", b"#t\r\n"),
    (False, b":0\r\n", b"#f\r\n"),
    (None, b"$-1\r\n", b"_\r\n"),
    (NULL_ARRAY, b"*-1\r\n", b"_\r\n"),
    (NO_REPLY, b"", b""),
    (3.0, b"$1\r\n3\r\n", b",3\r\n"),
    (0.1, b"$19\r\n0.10000000000000001\r\n", b",0.10000000000000001\r\n"),
    (-0.0, b"$2\r\n-0\r\n", b",-0\r\n"),
    (1e17, b"$5\r\n1e+17\r\n", b",1e+17\r\n"),
    (math.inf, b"$3\r\ninf\r\n", b",inf\r\n"),
    (-math.inf, b"$4\r\n-inf\r\n", b",-inf\r\n"),
    (math.copysign(math.nan, 1.0), b"$3\r\nnan\r\n", b",nan\r\n"),
    (math.copysign(math.nan, -1.0), b"$4\r\n-nan\r\n", b",-nan\r\n"),
    ([], b"*0\r\n", b"*0\r\n"),
    ([b"a", 1, None], b"*3\r\n$1\r\na\r\n:1\r\n$-1\r\n", b"*3\r\n$1\r\na\r\n:1\r\n_\r\n"),
    ((b"a", [OK, []]), b"*2\r\n$1\r\na\r\n*2\r\n+OK\r\n*0\r\n", b"*2\r\n$1\r\na\r\n*2\r\n+OK\r\n*0\r\n"),
    ({b"a": 1.5}, b"*2\r\n$1\r\na\r\n$3\r\n1.5\r\n", b"%1\r\n$1\r\na\r\n,1.5\r\n"),
    ({b"a": {"b": True}}, b"*2\r\n$1\r\na\r\n*2\r\n+b\r\n:1\r\n", b"%1\r\n$1\r\na\r\n%1\r\n+b\r\n#t\r\n"),
    ({b"a"}, b"*1\r\n$1\r\na\r\n", b"~1\r\n$1\r\na\r\n"),
    (frozenset({1}), b"*1\r\n:1\r\n", b"~1\r\n:1\r\n"),
    (Push([b"message", 1]), b"*2\r\n$7\r\nmessage\r\n:1\r\n", b">2\r\n$7\r\nmessage\r\n:1\r\n"),
    (Verbatim(b"a\nb"), b"$3\r\na\nb\r\n", b"=7\r\ntxt:a\nb\r\n"),
    (Verbatim(b"# a", "mkd"), b"$3\r\n# a\r\n", b"=7\r\nmkd:# a\r\n"),
    (Decimals(13.361389338970184), b"$20\r\n13.36138933897018433\r\n", b",13.36138933897018433\r\n"),
    (Decimals(-180.0), b"$4\r\n-180\r\n", b",-180\r\n"),
    (Decimals(0.0), b"$1\r\n0\r\n", b",0\r\n"),
    (BigNumber(-(10**20)), b"$22\r\n-100000000000000000000\r\n", b"(-100000000000000000000\r\n"),
    (Attributed({b"ttl": 3}, b"v"), b"$1\r\nv\r\n", b"|1\r\n$3\r\nttl\r\n:3\r\n$1\r\nv\r\n"),
    ([Attributed({}, NULL_ARRAY)], b"*1\r\n*-1\r\n", b"*1\r\n|0\r\n_\r\n"),
    (CommandError("ERR syntax error"), b"-ERR syntax error\r\n", b"-ERR syntax error\r\n"),
    (CommandError("ERR a\r\nb\r\n\n"), b"-ERR a  b\r\n", b"-ERR a  b\r\n"),
    ([CommandError("ERR \udcff")], b"*1\r\n-ERR \xff\r\n", b"*1\r\n-ERR \xff\r\n"),
    (ProtocolError("Protocol error: x"), b"-ERR Protocol error: x\r\n", b"-ERR Protocol error: x\r\n"),
    (OrderedDict({b"a": 1}), b"*2\r\n$1\r\na\r\n:1\r\n", b"%1\r\n$1\r\na\r\n:1\r\n"),
    (Pair(1, 2), b"*2\r\n:1\r\n:2\r\n", b"*2\r\n:1\r\n:2\r\n"),
    (Flag(5), b":5\r\n", b":5\r\n"),
]


@pytest.mark.parametrize(("reply", "resp2", "resp3"), CASES, ids=lambda value: repr(value)[:30])
def test_every_value(reply: Reply, resp2: bytes, resp3: bytes) -> None:
    assert encode(reply, 2) == resp2
    assert encode(reply, 3) == resp3
    assert encode([reply], 2) == b"*1\r\n" + resp2
    assert encode([reply], 3) == b"*1\r\n" + resp3


@pytest.mark.parametrize("protocol", [2, 3])
def test_several_replies_are_one_after_the_other(protocol: int) -> None:
    replies = [case[0] for case in CASES]
    alone = [case[protocol - 1] for case in CASES]
    assert encode_many(replies, protocol) == b"".join(alone)
    out = [b"before"]
    encode_into(out, replies, protocol)
    assert b"".join(out) == b"before*%d\r\n" % len(replies) + b"".join(alone)


def test_errors_of_every_class() -> None:
    assert encode(WrongTypeError(), 2) == (b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n")


@pytest.mark.parametrize("size", [9, 10, 4095, 4096, 4097, 100_000])
def test_bulks_of_any_size(size: int) -> None:
    value = b"x" * size
    assert encode(value, 2) == encode_many([value], 3) == b"$%d\r\n%b\r\n" % (size, value)


def test_a_large_value_is_passed_on_without_a_copy() -> None:
    value = b"x" * 100_000
    out: list[bytes] = []
    encode_into(out, [value], 2)
    assert any(part is value for part in out)


def test_nesting_of_a_few_hundred_levels() -> None:
    reply: Reply = []
    for _ in range(300):
        reply = [reply]
    assert encode(reply, 3) == b"*1\r\n" * 300 + b"*0\r\n"


@pytest.mark.parametrize("reply", [object(), 1j, [memoryview(b"a")]])
def test_what_is_no_reply(reply: Reply) -> None:
    with pytest.raises(TypeError, match=r"^no reply is made of "):
        encode(reply, 2)


def test_members_keep_their_order() -> None:
    members = OrderedMembers([b"-1", b"2", b"10"])
    assert members == {b"2", b"10", b"-1"}
    assert encode(members, 3) == b"~3\r\n$2\r\n-1\r\n$1\r\n2\r\n$2\r\n10\r\n"
    assert encode(members, 2) == b"*3\r\n$2\r\n-1\r\n$1\r\n2\r\n$2\r\n10\r\n"
