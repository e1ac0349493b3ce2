"""The string commands beside the real server."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.oracle.harness import Pair, check, run_sequence


def test_set_options(pair: Pair) -> None:
    check(
        pair,
        r"""
        SET a 1
        SET a 2 EX 0
        SET a 2 EX -1
        SET a 2 EX x
        SET a 2 EX 9223372036854775807
        SET a 2 EX 9223372036854775
        SET a 2 PX 9223372036854775807
        SET a 2 PXAT 9223372036854775807
        SET a 2 EXAT 9223372036854775
        SET a 2 PXAT 1
        EXISTS a
        SET a 2 KEEPTTL
        SET a 2 EX 10 KEEPTTL
        SET a 2 NX XX
        SET a 2 GET
        SET a 3 NX GET
        SET nn 3 NX GET
        SET nn2 3 XX GET
        SET nn 4 XX GET EX 10
        LPUSH l a
        SET l x GET
        SET l x NX GET
        SET l x NX
        SET a 2 EX
        SET a 2 foo
        SET a 2 nx
        SET a b GET KEEPTTL XX
        SET a b EX 10 EX 20
        SET a b PERSIST
        SET "bin\x00key\xff" "\r\n\x00"
        GET "bin\x00key\xff"
        SET a
        """,
    )
    pair.both_ttl("TTL", "a")


def test_set_relatives(pair: Pair) -> None:
    check(
        pair,
        """
        SETNX a 1
        SETNX a 2
        SETEX c 10 v
        SETEX c 0 v
        SETEX c x v
        SETEX c -1 v
        SETEX c 9223372036854775807 v
        PSETEX c 10000 v
        PSETEX c 0 v
        PSETEX c 9223372036854775807 v
        GETSET a new
        GETSET absent new
        LPUSH l a
        GETSET l new
        GETDEL a
        GETDEL a
        GETDEL l
        MSET a 1 b 2
        MSET a 1 b
        MSETNX a 1 b
        MSETNX a 1 z 1
        MSETNX z 1 y 1 z 2
        MGET a b l absent z y
        """,
    )


def test_getex(pair: Pair) -> None:
    check(
        pair,
        """
        GETEX absent EX 0
        GETEX absent foo
        SET k v
        LPUSH l a
        GETEX k
        GETEX k EX 100
        GETEX k EXAT 1999999999
        EXPIRETIME k
        GETEX k PERSIST
        TTL k
        GETEX k PERSIST EX 10
        GETEX k EX 10 PERSIST
        GETEX k EX 10 PX 10
        GETEX k EX
        GETEX k EX x
        GETEX k EX 0
        GETEX k EX 9223372036854775807
        GETEX k NX
        GETEX l EX 0
        GETEX l foo
        GETEX k EXAT 1
        GETEX k
        """,
    )


def test_counters(pair: Pair) -> None:
    check(
        pair,
        """
        INCR new
        INCRBY new 10
        INCRBY new x
        DECRBY new 3
        DECRBY new -9223372036854775808
        DECR new
        INCRBY new 9223372036854775807
        SET big 9223372036854775807
        INCR big
        DECRBY big -1
        SET neg -9223372036854775808
        DECR neg
        DECRBY neg 9223372036854775807
        SET s foo
        INCR s
        LPUSH l a
        INCR l
        INCRBY l x
        SET e ""
        INCR e
        SET sp " 1"
        INCR sp
        SET z 007
        INCR z
        SET nz -0
        INCR nz
        """,
    )


def test_incrbyfloat(pair: Pair) -> None:
    check(
        pair,
        """
        INCRBYFLOAT a 1.5
        INCRBYFLOAT a 3.0e3
        INCRBYFLOAT a -1504.5
        INCRBYFLOAT a x
        INCRBYFLOAT a " 1"
        INCRBYFLOAT a 0x10
        INCRBYFLOAT a inf
        INCRBYFLOAT a nan
        INCRBYFLOAT a 1e400
        INCRBYFLOAT a 1e5000
        SET f2 inf
        INCRBYFLOAT f2 -inf
        SET s foo
        INCRBYFLOAT s 1
        LPUSH l a
        INCRBYFLOAT l x
        GET a
        """,
    )


def test_ranges(pair: Pair) -> None:
    check(
        pair,
        """
        APPEND k ""
        APPEND k abc
        APPEND k def
        LPUSH l a
        APPEND l x
        SETRANGE l -1 a
        SETRANGE l 0 a
        SETRANGE k 8 xyz
        SETRANGE k 0 Z
        SETRANGE k 1 ""
        SETRANGE absent 5 ""
        SETRANGE absent -1 ""
        SETRANGE k x a
        SETRANGE k 536870912 a
        SETRANGE k 9223372036854775807 a
        SETRANGE k 9223372036854775808 a
        GET k
        STRLEN k
        STRLEN l
        STRLEN absent
        GETRANGE k 0 -1
        GETRANGE k -100 1
        GETRANGE k -100 -90
        GETRANGE k 50 60
        GETRANGE k 3 2
        GETRANGE k -1 -3
        GETRANGE k 0 9223372036854775807
        GETRANGE k -9223372036854775808 9223372036854775807
        GETRANGE l x 1
        GETRANGE l 0 1
        GETRANGE absent 0 1
        SUBSTR k 1 2
        """,
    )


def test_length_limit(pair: Pair) -> None:
    pair.config("proto-max-bulk-len", 1 << 20)
    check(
        pair,
        """
        SETRANGE k 1048575 a
        SETRANGE k 1048576 a
        SETRANGE n 1048576 a
        APPEND k a
        STRLEN k
        LCS k k
        """,
    )


def test_lcs(pair: Pair) -> None:
    check(
        pair,
        """
        MSET a ohmytext b mynewtext
        LPUSH l x
        LCS a b
        LCS a b LEN
        LCS a b IDX
        LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN
        LCS a b IDX WITHMATCHLEN
        LCS a b IDX LEN
        LCS a b MINMATCHLEN
        LCS a b MINMATCHLEN x
        LCS a b MINMATCHLEN -1 IDX
        LCS a b LEN FOO IDX
        LCS a l FOO
        LCS a absent
        LCS absent a IDX
        LCS absent a LEN
        """,
    )


TEXTS = st.text("ab\x00", max_size=30).map(str.encode)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=TEXTS, second=TEXTS)
def test_lcs_of_anything(pair: Pair, first: bytes, second: bytes) -> None:
    run_sequence(
        pair,
        [("MSET", "a", first, "b", second), ("LCS", "a", "b"), ("LCS", "a", "b", "IDX"), ("LCS", "b", "a", "LEN")],
    )


KEYS = st.sampled_from(["a", "b", "list"])
VALUES = st.one_of(
    st.sampled_from([b"", b"1", b"-1", b"0", b"9223372036854775807", b"1.5", b"abc", b"1e3", b"007"]),
    st.binary(max_size=5),
)
INTEGERS = st.one_of(st.integers(-6, 6), st.sampled_from([2**63 - 1, -(2**63), 2**63, 10**6]))
SET_OPTIONS = st.lists(
    st.sampled_from([("NX",), ("XX",), ("GET",), ("KEEPTTL",), ("EX", 100), ("PX", 10**6), ("EXAT", 1), ("bad",)]),
    max_size=3,
).map(lambda options: tuple(word for option in options for word in option))

COMMANDS = st.one_of(
    st.tuples(st.just("SET"), KEYS, VALUES, SET_OPTIONS).map(lambda c: (*c[:3], *c[3])),
    st.tuples(st.sampled_from(["GET", "STRLEN", "GETDEL", "INCR", "DECR", "EXISTS", "TYPE", "PERSIST", "DEL"]), KEYS),
    st.tuples(st.sampled_from(["OBJECT"]), st.just("ENCODING"), KEYS),
    st.tuples(st.sampled_from(["SETNX", "APPEND", "GETSET", "INCRBYFLOAT"]), KEYS, VALUES),
    st.tuples(st.sampled_from(["INCRBY", "DECRBY"]), KEYS, INTEGERS),
    st.tuples(st.sampled_from(["GETRANGE", "SUBSTR"]), KEYS, INTEGERS, INTEGERS),
    st.tuples(st.just("SETRANGE"), KEYS, st.integers(-1, 12), VALUES),
    st.tuples(st.sampled_from(["MSET", "MSETNX"]), KEYS, VALUES, KEYS, VALUES),
    st.tuples(st.just("MGET"), KEYS, KEYS),
    st.tuples(st.just("RPUSH"), st.just("list"), VALUES),
    st.tuples(st.just("LCS"), KEYS, KEYS, st.sampled_from(["LEN", "IDX"])),
    st.tuples(st.just("GETEX"), KEYS, st.sampled_from(["PERSIST", "bad"])),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(COMMANDS, max_size=40))
def test_any_sequence(pair: Pair, commands: list[tuple[str | bytes | int, ...]]) -> None:
    seen: set[str] = set()
    filtered = []
    for command in commands:
        # INCRBYFLOAT leaves an encoding of its own, which only its own test may look at.
        if command[0] == "INCRBYFLOAT":
            seen.add(str(command[1]))
        if command[0] == "OBJECT" and str(command[2]) in seen:
            continue
        filtered.append(command)
    run_sequence(pair, filtered)
