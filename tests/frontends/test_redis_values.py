"""The rule of the module: encode a reply, parse the bytes with redis-py, and the same comes out."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from redis._parsers import Encoder, _RESP2Parser, _RESP3Parser
from redis.client import EMPTY_RESPONSE

from kvcore.errors import CommandError
from kvcore.frontends.redis_values import Arguments, Packer, exception, text_of, undecoded, value
from kvcore.replies import (
    NULL_ARRAY,
    OK,
    Attributed,
    BigNumber,
    Decimals,
    OrderedMembers,
    OrderedSet,
    Transaction,
    Verbatim,
)
from kvcore.resp.encoder import encode

PLAIN = Encoder("utf-8", "strict", False)
DECODING = Encoder("utf-8", "strict", True)


def parsed(reply: Any, protocol: int, encoder: Encoder) -> Any:
    """Send a reply through bytes and redis-py's own parser."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        parser: Any = (_RESP3Parser if protocol == 3 else _RESP2Parser)(socket_read_size=65536)
        parser.on_connect(SimpleNamespace(_sock=theirs, socket_timeout=5, encoder=encoder))
        ours.sendall(encode(reply, protocol))
        found = parser.read_response()
        parser.on_disconnect()
    return found


def shape(found: Any) -> Any:
    """Return a value with its types; sets as redis-py 5.0's own parser has them are lists elsewhere."""
    if isinstance(found, set):
        return sorted(repr(item) for item in found)
    if isinstance(found, list):
        return [shape(item) for item in found]
    if isinstance(found, dict):
        return {repr(key): shape(item) for key, item in found.items()}
    if isinstance(found, Exception):
        return type(found), found.args
    return type(found), repr(found)


SCALARS = (
    st.binary(max_size=8)
    | st.integers(-(2**63), 2**63 - 1)
    | st.none()
    | st.booleans()
    | st.floats(allow_nan=False)
    | st.text(alphabet="abc \r\n", max_size=5)
    | st.sampled_from([NULL_ARRAY, OK, CommandError("ERR no"), CommandError("WRONGTYPE no"), Decimals(0.1)])
    | st.builds(Verbatim, st.binary(max_size=5))
    | st.builds(BigNumber, st.integers(0, 10**30))
)
REPLIES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.binary(max_size=4), inner, max_size=4)
        | st.lists(inner, max_size=3).map(Transaction)
    ),
    max_leaves=12,
)


@given(REPLIES, st.sampled_from([2, 3]))
def test_a_reply_is_what_redis_py_parses_from_its_bytes(reply: Any, protocol: int) -> None:
    assert shape(value(reply, protocol, undecoded)) == shape(parsed(reply, protocol, PLAIN))


@given(st.recursive(st.text(max_size=4).map(str.encode), lambda inner: st.lists(inner, max_size=3), max_leaves=6))
def test_text_is_decoded_at_every_depth(reply: Any) -> None:
    for protocol in (2, 3):
        assert shape(value(reply, protocol, text_of(DECODING))) == shape(parsed(reply, protocol, DECODING))


def test_sets_are_lists_in_resp2_and_resp3() -> None:
    for reply in ({b"a"}, OrderedMembers([b"a"]), OrderedSet([b"a"])):
        assert value(reply, 2, undecoded) == [b"a"]
        assert value(reply, 3, undecoded) == [b"a"]


def test_attributes_are_left_out() -> None:
    assert value(Attributed({b"ttl": 1}, b"v"), 3, undecoded) == b"v"
    assert value(Attributed({b"ttl": 1}, b"v"), 2, undecoded) == b"v"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("NOSCRIPT No matching script.", redis.exceptions.NoScriptError),
        ("READONLY You can't write against a read only replica.", redis.ReadOnlyError),
        ("OOM command not allowed", redis.exceptions.OutOfMemoryError),
        ("LOADING data", redis.BusyLoadingError),
        ("NOAUTH Authentication required.", redis.AuthenticationError),
        ("WRONGPASS no", redis.AuthenticationError),
        ("NOPERM no", redis.exceptions.NoPermissionError),
        ("EXECABORT no", redis.exceptions.ExecAbortError),
        ("WRONGTYPE no", redis.ResponseError),
    ],
)
def test_errors_are_redis_pys_own(text: str, kind: type[Exception]) -> None:
    assert type(exception(CommandError(text))) is kind


def test_who_is_not_there_is_a_connection_error() -> None:
    class GoneError(CommandError, ConnectionError):
        pass

    assert type(exception(GoneError("gone"))) is redis.ConnectionError


def test_arguments_become_bytes() -> None:
    arguments = Arguments(PLAIN)
    argv = arguments.argv(("CONFIG GET", "a", b"b", 3, 1.5, memoryview(b"m")))
    assert argv == [b"CONFIG", b"GET", b"a", b"b", b"3", b"1.5", b"m"]
    assert Packer(arguments).pack(b"OBJECT FREQ", "k") == [[[b"OBJECT", b"FREQ", b"k"]]]
    assert Arguments(Encoder("latin-1", "strict", False)).argv(("GET", "é")) == [b"GET", b"\xe9"]


@pytest.mark.parametrize("word", [None, True, [], {}, object()])
def test_what_cannot_be_sent_is_refused(word: object) -> None:
    with pytest.raises(redis.DataError):
        Arguments(PLAIN).argv(("SET", "k", word))


def test_a_pipelines_arguments_are_what_commands_of_their_own_have() -> None:
    calls: list[tuple[Any, ...]] = [
        ("GET", "k"),
        ("GET", b"k"),
        ("GET", 5),
        ("SET", "k", "\u00e9"),
        ("SET", "k", b"\xff"),
        ("SET", b"k", "v"),
        ("SET", "k", 2.5),
        ("SET", "k", memoryview(b"m")),
        ("PING",),
        ("CONFIG GET", "a"),
        (b"GET", "k"),
        ("MSET", "a", 1, b"b", memoryview(b"x")),
    ]
    for encoder in (PLAIN, Encoder("latin-1", "strict", False)):
        arguments = Arguments(encoder)
        expected = [Arguments(encoder).argv(args) for args in calls]
        for _ in range(2):  # names are known the second time
            assert arguments.batch([(args, {}) for args in calls]) == expected
    assert arguments.batch([(("GET", "k"), {EMPTY_RESPONSE: []})]) is None
    for unfit in (None, True, {}):
        with pytest.raises(redis.DataError):
            Arguments(PLAIN).batch([(("SET", "k", unfit), {})])


def test_exceptions_of_redis_py_stay_as_they_are() -> None:
    error = redis.ResponseError("seen before")
    assert value(error, 2, undecoded) is exception(error) is error
