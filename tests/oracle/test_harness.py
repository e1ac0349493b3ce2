"""The harness itself: the real server beside itself agrees, and a planted difference is seen."""

from __future__ import annotations

import pytest

from kvcore import replies
from tests.oracle.harness import (
    NOTHING,
    Mismatch,
    Pair,
    Wire,
    check,
    run_sequence,
    show,
    split_line,
    unordered,
)
from tests.oracle.wire import CLOSED, Parser, encode_command, from_native


def parse(data: bytes) -> Wire:
    parser = Parser()
    parser.feed(data)
    reply = parser.take()
    assert reply is not None
    return reply


def test_parser_keeps_types_apart() -> None:
    same_text = [parse(b"+OK\r\n"), parse(b"$2\r\nOK\r\n"), parse(b"-OK\r\n"), parse(b"=2\r\nOK\r\n")]
    nulls = [parse(b"$-1\r\n"), parse(b"*-1\r\n"), parse(b"_\r\n"), parse(b"*0\r\n"), parse(b"~0\r\n")]
    assert len({repr(reply) for reply in same_text + nulls}) == 9
    assert all(a != b for n, a in enumerate(same_text + nulls) for b in (same_text + nulls)[n + 1 :])


@pytest.mark.parametrize("chunk", [1, 3, 1000])
def test_parser_takes_bytes_in_any_pieces(chunk: int) -> None:
    data = b"*3\r\n$3\r\na\r\n\r\n%1\r\n+k\r\n,1.5\r\n>1\r\n#t\r\n:7\r\n"
    parser = Parser()
    replies_seen = []
    for start in range(0, len(data), chunk):
        parser.feed(data[start : start + chunk])
        while (reply := parser.take()) is not None:
            replies_seen.append(reply.native())
    assert replies_seen == [[b"a\r\n"[:3], {"k": 1.5}, [True]], 7]


def test_parser_skips_attributes_and_refuses_noise() -> None:
    assert parse(b"|1\r\n+a\r\n:1\r\n:2\r\n") == Wire(":", b"2")
    with pytest.raises(ValueError, match="not RESP"):
        parse(b"hello\r\n")
    with pytest.raises(ValueError, match="no CRLF"):
        parse(b"$1\r\nabc\r\n")


def test_native_values_get_the_tags_of_resp3() -> None:
    value = [
        b"b",
        "s",
        1,
        1.5,
        True,
        None,
        replies.NULL_ARRAY,
        {b"k": [b"v"]},
        {b"m"},
        replies.Verbatim(b"t"),
    ]
    assert repr(from_native(value)) == (
        "*[$b'b', +s, :1, ,1.5, #t, _ (null), _ (null), %[$b'k', *[$b'v']], ~[$b'm'], =b'txt:t']"
    )
    with pytest.raises(TypeError, match="bytearray"):
        from_native(bytearray(b"x"))


def test_splits_lines_as_redis_cli_does(oracle_pair: Pair) -> None:
    words = split_line(r"""SET "a\x00\n\"b" 'it\'s' "" plain""")
    assert words == [b"SET", b'a\x00\n"b', b"it's", b"", b"plain"]
    assert split_line(show(words)) == words
    with pytest.raises(ValueError, match="unbalanced"):
        split_line('SET "a')
    oracle_pair.send_raw(rb'SET k "a\x00\n\"b"' + b"\r\n")  # the server's inline parser splits by the same rules
    oracle_pair.read()
    assert oracle_pair.both("GET", "k") == words[1]


def test_equal_servers_agree(oracle_pair: Pair) -> None:
    values = check(
        oracle_pair,
        """
        SET a 1
        SET a b NX XX        # an error compares like any reply
        2> INCR a
        SADD s c a b
        SMEMBERS s
        ~ SMEMBERS s
        HSET h f 1 g 2
        HGETALL h
        """,
    )
    assert values[:3] == ["OK", values[1], 2]
    assert values[1].code == "ERR"
    assert values[-1] == [b"f", b"1", b"g", b"2"]
    assert oracle_pair.both_ttl("TTL", "a") == -1
    oracle_pair.both("EXPIRE", "a", 100)
    assert oracle_pair.both_ttl("PTTL", "a") > 90_000
    oracle_pair.matches(r"tcp_port:\d+", "INFO", "server")
    oracle_pair.kinds("TIME")
    assert oracle_pair.pipeline([("INCR", "n"), ("GET", "n")]) == [1, b"1"]
    assert run_sequence(oracle_pair, [("SET", "a", 1), ("LPUSH", "a", "x")]) == {"str": 1, "error": 1}


def test_resp3_types_and_pushes(oracle_pair: Pair) -> None:
    client = oracle_pair.client(protocol=3)
    client.both("ZADD", "z", 1.5, "m")
    assert client.both("ZSCORE", "z", "m") == 1.5
    assert client.both_sorted("CONFIG", "GET", "maxmemory*")[b"maxmemory"] == b"0"
    assert client.both("SUBSCRIBE", "ch") == [b"subscribe", b"ch", 1]
    oracle_pair.both("PUBLISH", "ch", "x")
    assert client.read_push() == [b"message", b"ch", b"x"]


def test_blocking_and_silence(oracle_pair: Pair) -> None:
    waiter = oracle_pair.client()
    waiter.send("BLPOP", "k", 0)
    assert waiter.read(timeout=0.01) is NOTHING
    oracle_pair.wait_blocked(1)
    oracle_pair.both("RPUSH", "k", "a", "b")
    assert waiter.read() == [b"k", b"a"]
    oracle_pair.wait_until(("LLEN", "k"), 1)


def test_closed_connection_is_seen(oracle_pair: Pair) -> None:
    client = oracle_pair.client()
    client.send_raw(b"*1\r\n!\r\n")
    assert client.read().code == "ERR"
    assert client.oracle.read() == CLOSED
    assert client.kvcore.read() == CLOSED


def test_config_is_undone(oracle_pair: Pair) -> None:
    session = oracle_pair.client()
    session.config("hash-max-listpack-entries", 3)
    assert oracle_pair.both("CONFIG", "GET", "hash-max-listpack-entries")[1] == b"3"
    oracle_pair.close()
    after, _ = oracle_pair._open_sessions(2)
    after.send(("CONFIG", "GET", "hash-max-listpack-entries"))
    assert after.read().native()[1] != b"3"
    after.close()


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (b"+OK\r\n", b"$2\r\nOK\r\n"),
        (b"$-1\r\n", b"*-1\r\n"),
        (b":1\r\n", b"#t\r\n"),
        (b"*2\r\n:1\r\n:2\r\n", b"*2\r\n:2\r\n:1\r\n"),
        (b"-ERR a\r\n", b"-ERR b\r\n"),
        (b",1.5\r\n", b",1.50\r\n"),
    ],
)
def test_planted_difference_is_seen(oracle_pair: Pair, ours: bytes, theirs: bytes) -> None:
    oracle_pair.both("SET", "before", "1")
    with pytest.raises(Mismatch, match="SET before 1") as caught:
        oracle_pair._compare(parse(ours), parse(theirs))
    assert repr(parse(ours)) in str(caught.value)
    assert repr(parse(theirs)) in str(caught.value)


def test_check_names_the_line_that_differs(oracle_pair: Pair) -> None:
    oracle_pair.kvcore.send(("SELECT", 1))
    oracle_pair.kvcore.read()
    oracle_pair.oracle.send(("SET", "k", "only here"))
    oracle_pair.oracle.read()
    with pytest.raises(Mismatch, match=r"line 2 of the script: GET k"):
        check(oracle_pair, "PING\nGET k")
    with pytest.raises(Mismatch):
        oracle_pair.both_ttl("STRLEN", "k")
    with pytest.raises(Mismatch):
        oracle_pair.matches("only", "GET", "k")
    with pytest.raises(Mismatch):
        oracle_pair.kinds("GET", "k")


def test_order_matters_only_where_asked() -> None:
    one, two = parse(b"*2\r\n+a\r\n+b\r\n"), parse(b"*2\r\n+b\r\n+a\r\n")
    assert one != two
    assert unordered(one, False) == unordered(two, False)
    flat, crossed = parse(b"*4\r\n+a\r\n:1\r\n+b\r\n:2\r\n"), parse(b"*4\r\n+a\r\n:2\r\n+b\r\n:1\r\n")
    assert unordered(flat, True) != unordered(crossed, True)


def test_commands_are_encoded_as_bulk_strings() -> None:
    assert encode_command(("SET", b"\x00", 1, 1.5)) == b"*4\r\n$3\r\nSET\r\n$1\r\n\x00\r\n$1\r\n1\r\n$3\r\n1.5\r\n"
    with pytest.raises(TypeError):
        encode_command((True,))
