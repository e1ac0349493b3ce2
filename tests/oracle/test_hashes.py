"""The hash group beside the real server."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.oracle.harness import Pair, check, run_sequence


def test_writing_and_reading(pair: Pair) -> None:
    check(
        pair,
        r"""
        HSET h a
        HSET h a b c
        HMSET h a b c
        HMSET h a b
        HSET h f1 v1 f2 v2 f1 v3
        HSETNX h f1 z
        HSETNX h new z
        HSET h "bin\x00\xff" "\r\n"
        HGETALL h
        HKEYS h
        HVALS h
        HLEN h
        HMGET h f1 none f2
        HSTRLEN h "bin\x00\xff"
        HSTRLEN h none
        HEXISTS h f1
        HGET h none
        HDEL h f1 f1 none
        HDEL h f2 a new "bin\x00\xff"
        EXISTS h
        HGETALL h
        HMGET h a b
        HDEL h a
        """,
    )


def test_counters(pair: Pair) -> None:
    check(
        pair,
        """
        HSET h text v big 9223372036854775807 empty "" space " 1" plus +1 zeros 01 inf inf huge 1e4931
        HINCRBY h text 1
        HINCRBY h n x
        HINCRBY h n 9223372036854775808
        HINCRBY h big 1
        HINCRBY h big -1
        HINCRBY h empty 1
        HINCRBY h space 1
        HINCRBY h plus 1
        HINCRBY h zeros 1
        HINCRBY h n -5
        HINCRBYFLOAT h n 1.5
        HINCRBYFLOAT h empty 1
        HINCRBYFLOAT h space 1
        HINCRBYFLOAT h text 1
        HINCRBYFLOAT h plus 1
        HINCRBYFLOAT h inf 1
        HINCRBYFLOAT h huge 1e4931
        HINCRBYFLOAT h huge 1.1e4932
        HINCRBYFLOAT h new inf
        HINCRBYFLOAT h new nan
        HINCRBYFLOAT h new abc
        HINCRBYFLOAT h new 1e5000
        HINCRBYFLOAT h new 0.1
        HINCRBYFLOAT h new 0.2
        HINCRBYFLOAT h new -0.3
        HINCRBYFLOAT h new 3.0e3
        HGETALL h
        """,
    )


def test_random_fields(pair: Pair) -> None:
    check(
        pair,
        """
        HRANDFIELD none
        HRANDFIELD none 3
        HRANDFIELD none -3 WITHVALUES
        HRANDFIELD none x
        HSET h f v
        HRANDFIELD h
        HRANDFIELD h 5
        HRANDFIELD h 5 WITHVALUES
        HRANDFIELD h -3
        HRANDFIELD h -3 withvalues
        HRANDFIELD h 0
        HRANDFIELD h 2 WITHSCORES
        HRANDFIELD h 2 WITHVALUES x
        HRANDFIELD h x y z
        HRANDFIELD h -9223372036854775808
        HRANDFIELD h -4611686018427387904 WITHVALUES
        HRANDFIELD h 4611686018427387904 WITHVALUES
        HRANDFIELD h 4611686018427387903 WITHVALUES
        """,
    )
    pair.both("HSET", "h", "g", "w", "i", "x")
    for words in (("HRANDFIELD", "h", -7), ("HRANDFIELD", "h", -7, "WITHVALUES"), ("HRANDFIELD", "h", 2)):
        pair.kinds(*words)


def test_hscan(pair: Pair) -> None:
    check(
        pair,
        """
        HSET h apple 1 banana 2 cherry ""
        HSCAN h 0
        HSCAN h 0 MATCH *an* COUNT 3
        HSCAN h 0 MATCH x* match c*
        HSCAN h x
        HSCAN h 18446744073709551616
        HSCAN h " 1"
        HSCAN h +
        HSCAN h 0 COUNT 0
        HSCAN h 0 COUNT -1
        HSCAN h 0 COUNT x
        HSCAN h 0 COUNT
        HSCAN h 0 NOVALUES
        HSCAN h 0 TYPE hash
        HSCAN none x
        HSCAN none 7 NONSENSE
        SET text x
        HSCAN text x
        HSCAN text 0 COUNT 0
        """,
    )


@pytest.mark.parametrize(
    "line",
    [
        "HSET text a b",
        "HMSET text a b",
        "HSETNX text a b",
        "HGET text a",
        "HMGET text a",
        "HGETALL text",
        "HDEL text a",
        "HINCRBY text a 1",
        "HINCRBY text a x",
        "HINCRBYFLOAT text a 1",
        "HINCRBYFLOAT text a x",
        "HRANDFIELD text",
        "HRANDFIELD text 0",
        "HKEYS text",
        "HVALS text",
        "HLEN text",
        "HEXISTS text a",
        "HSTRLEN text a",
        "HSCAN text 0",
        "HGET text",
        "HDEL text",
        "HINCRBY text a",
        "HLEN",
    ],
)
def test_wrong_type_and_arity(pair: Pair, line: str) -> None:
    check(pair, f"SET text x\n{line}")


def test_encodings(pair: Pair) -> None:
    pair.config("hash-max-listpack-entries", 3)
    pair.config("hash-max-listpack-value", 5)
    check(
        pair,
        """
        HSET few a 1 b 2 c 3
        OBJECT ENCODING few
        HSET few d 4
        OBJECT ENCODING few
        HDEL few a b
        OBJECT ENCODING few
        HSET long a 123456
        OBJECT ENCODING long
        HSETNX field 123456 a
        OBJECT ENCODING field
        HINCRBY number n 123456
        OBJECT ENCODING number
        """,
    )


KEYS = st.sampled_from([b"h1", b"h2"])
FIELDS = st.sampled_from([b"a", b"b", b"c", b"", b"\xff\x00", b"long" * 20])
VALUES = st.one_of(FIELDS, st.sampled_from([b"1", b"-7", b"1.5", b"9223372036854775807", b"inf", b" 1"]))
COMMANDS = st.one_of(
    st.builds(lambda k, pairs: (b"HSET", k, *sum(pairs, ())), KEYS, st.lists(st.tuples(FIELDS, VALUES), min_size=1)),
    st.tuples(st.just(b"HSETNX"), KEYS, FIELDS, VALUES),
    st.builds(lambda k, names: (b"HDEL", k, *names), KEYS, st.lists(FIELDS, min_size=1, max_size=4)),
    st.tuples(st.sampled_from([b"HINCRBY", b"HINCRBYFLOAT"]), KEYS, FIELDS, VALUES),
    st.tuples(st.sampled_from([b"HGET", b"HEXISTS", b"HSTRLEN"]), KEYS, FIELDS),
    st.tuples(st.sampled_from([b"HGETALL", b"HKEYS", b"HVALS", b"HLEN"]), KEYS),
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(commands=st.lists(COMMANDS, min_size=5, max_size=40))
def test_random_sequences(pair: Pair, commands: list[tuple[bytes, ...]]) -> None:
    run_sequence(pair, commands)


def test_events(wire_pair: Pair) -> None:
    wire_pair.config("notify-keyspace-events", "KEA")
    listener = wire_pair.client(2)
    listener.both("PSUBSCRIBE", "__keyevent@0__:*")
    check(
        wire_pair,
        """
        HSET h a 1 b 2
        HMSET h c 3
        HSETNX h a 9
        HSETNX h d 9
        HINCRBY h n 1
        HINCRBYFLOAT h n 1.5
        HDEL h a nope
        HDEL h b c d n
        HDEL h b
        """,
    )
    wire_pair.both("SET", "end", "of test")
    message = listener.read()
    while message[-1] != b"end":
        message = listener.read()
