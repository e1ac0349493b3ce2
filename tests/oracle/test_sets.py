"""The set group beside the real server."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.oracle.harness import Pair, check, run_sequence


def test_members(pair: Pair) -> None:
    check(
        pair,
        r"""
        SADD s 3 1 2 -5
        SMEMBERS s
        SADD s 3
        SADD s abc "\xff\x00"
        SMEMBERS s
        SCARD s
        SREM s abc abc 1
        SISMEMBER s 2
        SISMEMBER none 2
        SMISMEMBER s 1 2
        SMISMEMBER none 1 2
        SREM s none
        SREM none a
        SREM s 2 3 -5 "\xff\x00"
        EXISTS s
        SMEMBERS s
        SCARD s
        """,
    )


def test_integers_are_listed_in_order(pair: Pair) -> None:
    pair.both("SADD", "s", 10, -5, 3, 9223372036854775807)
    for words in (("SMEMBERS", "s"), ("SINTER", "s"), ("SUNION", "s"), ("SDIFF", "s")):
        if pair.protocol == 2:
            pair.both(*words)
        else:
            pair.both_sorted(*words)


def test_moves(pair: Pair) -> None:
    check(
        pair,
        """
        SADD a 1 2
        SMOVE a b 1
        SMOVE a b 1
        SMOVE none b 1
        SMOVE a a 2
        SMOVE a a 9
        SMOVE a b 2
        EXISTS a
        SMEMBERS b
        SET text x
        SMOVE b text 1
        SMOVE b text 9
        SMOVE text b 1
        SMOVE none text 1
        """,
    )


def test_random_members(pair: Pair) -> None:
    check(
        pair,
        """
        SPOP none
        SPOP none 0
        SPOP none 3
        SRANDMEMBER none
        SRANDMEMBER none 0
        SRANDMEMBER none 5
        SADD s 1
        SPOP s 0
        SPOP s -1
        SPOP s x
        SPOP s 1 2
        SRANDMEMBER s
        SRANDMEMBER s 5
        SRANDMEMBER s -3
        SRANDMEMBER s x
        SRANDMEMBER s 1 2
        SRANDMEMBER s -9223372036854775808
        SPOP s
        EXISTS s
        SADD s 1
        SPOP s 9
        EXISTS s
        SET text x
        SPOP text 0
        SPOP text x
        """,
    )
    pair.both("SADD", "s", 1, 2, 3, 4, 5)
    for words in (
        ("SPOP", "s", 2),
        ("SRANDMEMBER", "s", 2),
        ("SRANDMEMBER", "s", -8),
        ("SRANDMEMBER", "s"),
        ("SPOP", "s"),
    ):
        pair.kinds(*words)
    pair.both("SCARD", "s")


def test_algebra(pair: Pair) -> None:
    check(
        pair,
        """
        SADD a 1 2 3 x
        SADD b 2 3 4 x
        SET text x
        SINTER a b
        SINTER a none
        SINTER a a
        SUNION a b none
        SDIFF a b
        SDIFF b none a a
        SDIFF none a
        SDIFF a a
        SINTER none text
        SUNION none text
        SDIFF none text
        SINTERSTORE d a b
        SMEMBERS d
        SUNIONSTORE d a b d
        SMEMBERS d
        SDIFFSTORE d d b
        SMEMBERS d
        SDIFFSTORE d d d
        EXISTS d
        SINTERSTORE d none
        SUNIONSTORE text a none
        TYPE text
        SINTERSTORE text none a
        EXISTS text
        SET text x
        SDIFFSTORE a none text
        SMEMBERS a
        """,
    )


def test_sintercard(pair: Pair) -> None:
    check(
        pair,
        """
        SADD a 1 2 3
        SADD b 2 3 4
        SET text x
        SINTERCARD 2 a b
        SINTERCARD 2 a b LIMIT 1
        SINTERCARD 2 a b limit 1 LIMIT 0
        SINTERCARD 2 a none
        SINTERCARD 0 a
        SINTERCARD -1 a
        SINTERCARD x a
        SINTERCARD 2 a
        SINTERCARD 1 a LIMIT
        SINTERCARD 1 a LIMIT -1
        SINTERCARD 1 a LIMIT x
        SINTERCARD 1 a b
        SINTERCARD 2 none text
        SINTERCARD 2 text a LIMIT x
        """,
    )


def test_sscan(pair: Pair) -> None:
    check(
        pair,
        """
        SADD s 1 2 3
        SSCAN s 0
        SSCAN s 0 COUNT 1
        SSCAN s 0 MATCH [12]
        SSCAN s 00
        SSCAN s ""
        SSCAN s x
        SSCAN s -18446744073709551615
        SSCAN s -18446744073709551616
        SSCAN s 0 COUNT 0
        SSCAN s 0 NONSENSE
        SSCAN none 0 NONSENSE
        """,
    )


@pytest.mark.parametrize(
    "line",
    [
        "SADD text a",
        "SREM text a",
        "SCARD text",
        "SISMEMBER text a",
        "SMISMEMBER text a",
        "SMEMBERS text",
        "SPOP text",
        "SRANDMEMBER text",
        "SRANDMEMBER text 0",
        "SSCAN text 0",
        "SADD text",
        "SINTERSTORE d",
        "SMOVE a b",
        "SINTERCARD 1",
    ],
)
def test_wrong_type_and_arity(pair: Pair, line: str) -> None:
    check(pair, f"SET text x\n{line}")


def test_encodings(pair: Pair) -> None:
    pair.config("set-max-intset-entries", 3)
    check(
        pair,
        """
        SADD few 1 2 3
        OBJECT ENCODING few
        SADD few 4
        OBJECT ENCODING few
        SREM few 4 3
        OBJECT ENCODING few
        SADD words a
        OBJECT ENCODING words
        SADD zeros 01
        OBJECT ENCODING zeros
        SINTERSTORE d few few
        OBJECT ENCODING d
        SUNIONSTORE d few words
        OBJECT ENCODING d
        SDIFFSTORE d few words
        OBJECT ENCODING d
        """,
    )


KEYS = st.sampled_from([b"s1", b"s2", b"s3"])
MEMBERS = st.sampled_from([b"1", b"2", b"-7", b"10", b"a", b"b", b"", b"\xff\x00", b"01"])
SEVERAL = st.lists(KEYS, min_size=1, max_size=3)
COMMANDS = st.one_of(
    st.builds(
        lambda name, key, members: (name, key, *members),
        st.sampled_from([b"SADD", b"SADD", b"SREM", b"SMISMEMBER"]),
        KEYS,
        st.lists(MEMBERS, min_size=1, max_size=5),
    ),
    st.tuples(st.just(b"SMOVE"), KEYS, KEYS, MEMBERS),
    st.builds(lambda name, keys: (name, *keys), st.sampled_from([b"SINTER", b"SUNION", b"SDIFF"]), SEVERAL),
    st.builds(
        lambda name, key, keys: (name, key, *keys),
        st.sampled_from([b"SINTERSTORE", b"SUNIONSTORE", b"SDIFFSTORE"]),
        KEYS,
        SEVERAL,
    ),
    st.tuples(st.sampled_from([b"SMEMBERS", b"SCARD", b"EXISTS"]), KEYS),
    st.tuples(st.just(b"SINTERCARD"), st.just(b"2"), KEYS, KEYS, st.just(b"LIMIT"), st.sampled_from([b"0", b"2"])),
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
        SADD s 1 2 3
        SADD s 1
        SREM s 9
        SREM s 1
        SMOVE s t 2
        SMOVE s t 3
        SMOVE t t 3
        SADD u 2 3
        SMOVE u t 2
        SINTERSTORE d t u
        SINTERSTORE d t none
        SINTERSTORE d none
        SUNIONSTORE d t
        SDIFFSTORE d t t
        SADD p only
        SPOP p
        SADD p 1 2 3
        SPOP p 9
        SADD p 1
        SPOP p 1
        """,
    )
    wire_pair.both("SET", "end", "of test")
    message = listener.read()
    while message[-1] != b"end":
        message = listener.read()


def test_integers_come_ascending_in_every_protocol(pair: Pair) -> None:
    for protocol in (2, 3):
        client = pair.client(protocol)
        client.both("SADD", "a", 5, -1, 30, 2, 100)
        client.both("SADD", "b", 100, 2, -1, 7)
        for words in (("SMEMBERS", "a"), ("SINTER", "a", "b"), ("SUNION", "a", "b"), ("SDIFF", "a", "b")):
            oracle, kvcore = client.ask(*words)
            if pair.frontend != "inprocess":
                assert [item.text for item in oracle.items] == [item.text for item in kvcore.items]
