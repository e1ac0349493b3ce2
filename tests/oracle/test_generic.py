"""The commands on keys, times to live, scans, whole databases and SORT beside the real server."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.oracle.harness import Pair, check, run_sequence


def test_rename_move_copy(pair: Pair) -> None:
    check(
        pair,
        """
        SET a 1
        RENAME a a
        RENAMENX a a
        RENAME absent absent
        RENAMENX absent a
        SET b 2 EX 1000
        RENAME b a
        SET c 3
        RENAMENX a c
        RENAMENX a d
        COPY absent x
        COPY d d
        COPY d a
        COPY d c
        COPY d c REPLACE
        COPY d d DB 1
        COPY d d DB 1
        COPY d d DB 99
        COPY d d DB -1
        COPY d d DB x
        COPY d d DB 99999999999
        COPY d d DB
        COPY d d FOO
        COPY d d DB 0 REPLACE
        COPY d d DB 1 REPLACE REPLACE
        MOVE d 1
        MOVE d 0
        MOVE d x
        MOVE d 99
        MOVE d 99999999999
        MOVE absent 1
        SET m 1
        MOVE m 1
        SELECT 1
        GET m
        ~ KEYS *
        SELECT 0
        ~ KEYS *
        """,
    )
    assert pair.both_ttl("TTL", "a") > 900
    assert pair.both_ttl("PTTL", "c") > 900_000


def test_delete_and_inspect(pair: Pair) -> None:
    check(
        pair,
        """
        MSET a 1 b abc c 20000
        RPUSH l x
        SADD s 1
        HSET h f v
        ZADD z 1 m
        EXISTS a a b absent
        TOUCH a l absent
        TYPE a
        TYPE l
        TYPE s
        TYPE h
        TYPE z
        TYPE absent
        OBJECT ENCODING a
        OBJECT ENCODING b
        OBJECT ENCODING l
        OBJECT ENCODING s
        OBJECT ENCODING h
        OBJECT ENCODING z
        OBJECT ENCODING absent
        OBJECT REFCOUNT a
        OBJECT REFCOUNT b
        OBJECT REFCOUNT c
        OBJECT REFCOUNT absent
        OBJECT IDLETIME a
        OBJECT IDLETIME absent
        OBJECT FREQ a
        OBJECT FREQ absent
        OBJECT HELP x
        OBJECT foo a
        OBJECT
        OBJECT ENCODING
        APPEND b d
        OBJECT ENCODING b
        COPY b b2
        OBJECT ENCODING b2
        DEL a a l absent
        UNLINK s h
        DEL absent
        DEL
        DBSIZE
        """,
    )


def test_expire(pair: Pair) -> None:
    check(
        pair,
        """
        SET a 1
        EXPIRE a 100 GT
        EXPIRE a 100 XX
        EXPIRE a 100 LT
        EXPIRE a 100 NX
        EXPIRE a 50 GT
        EXPIRE a 50 LT
        EXPIRE a 200 LT
        EXPIRE a 200 GT
        EXPIRE a 200 XX
        EXPIRE a 300 XX GT
        EXPIRE a 100 NX XX
        EXPIRE a 100 NX GT
        EXPIRE a 100 NX LT
        EXPIRE a 100 GT LT
        EXPIRE a 100 foo
        EXPIRE a x foo
        EXPIRE a x
        EXPIRE a
        EXPIRE absent 100
        EXPIRE absent x
        EXPIRE absent 9223372036854775807
        EXPIRE a 9223372036854775
        EXPIRE a -9223372036854775808
        PEXPIRE a 9223372036854775807
        EXPIREAT a 9223372036854775
        PEXPIREAT a 9223372036854775807
        PEXPIRETIME a
        EXPIRETIME a
        PEXPIREAT a 1999999999500
        EXPIRETIME a
        PERSIST a
        PERSIST a
        PERSIST absent
        TTL a
        PTTL a
        TTL absent
        PEXPIRETIME absent
        EXPIRE a -5 GT
        EXPIRE a -5 NX
        EXISTS a
        SET a 1
        PEXPIREAT a 5 LT
        EXISTS a
        SET a 1
        EXPIREAT a -9223372036854775
        EXISTS a
        """,
    )


def test_scan(pair: Pair) -> None:
    check(
        pair,
        """
        SCAN 0
        SET a 1
        SCAN 0
        SCAN x
        SCAN 99999999999999999999
        SCAN +0
        SCAN " 0"
        SCAN "0 "
        SCAN ""
        SCAN 0x0
        SCAN 0 COUNT 0
        SCAN 0 COUNT -1
        SCAN 0 COUNT x
        SCAN 0 COUNT x TYPE
        SCAN 0 COUNT
        SCAN 0 MATCH
        SCAN 0 TYPE
        SCAN 0 MATCH * COUNT 10 TYPE string
        SCAN 0 TYPE STRING
        SCAN 0 TYPE foo
        SCAN 0 TYPE list TYPE string
        SCAN 0 FOO bar
        SCAN 0 COUNT 9223372036854775807
        SCAN x COUNT 0
        KEYS a*
        KEYS [b
        KEYS
        RANDOMKEY
        FLUSHALL
        RANDOMKEY
        KEYS *
        """,
    )


def test_databases(pair: Pair) -> None:
    check(
        pair,
        """
        MSET a 1 b 2
        DBSIZE
        SWAPDB 0 1
        DBSIZE
        SWAPDB 0 0
        SWAPDB 0 99
        SWAPDB 99 0
        SWAPDB x 0
        SWAPDB 0 x
        SWAPDB 0 -1
        SWAPDB 0 99999999999
        SWAPDB 99 x
        FLUSHDB foo
        FLUSHDB SYNC ASYNC
        FLUSHDB SYNC
        FLUSHALL foo
        SELECT 1
        DBSIZE
        FLUSHALL async
        DBSIZE
        """,
    )


def test_swapdb_and_watch(pair: Pair) -> None:
    check(
        pair,
        """
        SET a 1
        WATCH a
        2> SWAPDB 0 1
        MULTI
        GET a
        EXEC
        WATCH absent
        2> FLUSHALL
        MULTI
        EXEC
        """,
    )


SORT_DATA = """
    RPUSH n 3 1 2 10
    RPUSH t a b
    RPUSH f 1.5 0x10 inf -inf 1e3 ""
    RPUSH bad 1 nan
    RPUSH space " 1" 2
    RPUSH trailing "1 " 2
    RPUSH zero "1\\x00z" 2
    SADD s 3 1 2
    ZADD z 1 a 2 b 3 c
    MSET w_a 2 w_b 1 plain v
    HSET h_a f 5
    HSET h_b f 3
"""


@pytest.mark.parametrize("name", ["SORT", "SORT_RO"])
def test_sort(pair: Pair, name: str) -> None:
    check(pair, SORT_DATA)
    commands = """
        n
        n DESC LIMIT 1 2
        n LIMIT 1
        n LIMIT x 1
        n LIMIT -5 2
        n LIMIT 0 -1
        n LIMIT 100 5
        n LIMIT 2 9223372036854775807
        t
        t ALPHA
        t ASC DESC ALPHA
        t BY w_*
        t BY w_* GET "#" GET w_* GET no_*
        t BY nosort
        t BY nosort DESC
        t BY w_* DESC ALPHA
        t BY h_*->f
        t BY h_*->f GET h_*->f GET h_*->g GET h_*->
        t BY h_*->f GET w_*->f GET h_* GET *
        t BY w_*->f
        t BY w_* BY nosort
        t BY h_*->nope
        t GET plain ALPHA
        f
        bad
        space
        trailing
        zero
        s
        s BY nosort
        z ALPHA
        z
        z BY nosort
        z BY nosort DESC
        z BY nosort LIMIT 1 1
        z BY nosort DESC LIMIT 0 2
        h_a
        plain
        plain FOO
        absent
        n GET
        n BY
        n STORE
    """
    check(pair, "\n".join(f"{name} {line.strip()}" for line in commands.splitlines() if line.strip()))


def test_sort_store(pair: Pair) -> None:
    check(
        pair,
        SORT_DATA
        + """
        SORT n STORE d
        LRANGE d 0 -1
        SORT n DESC STORE n
        LRANGE n 0 -1
        SORT t BY w_* GET no_* STORE d
        LRANGE d 0 -1
        SORT s BY nosort STORE d
        LRANGE d 0 -1
        SORT absent STORE d
        EXISTS d
        SORT t STORE plain
        GET plain
        SORT_RO n STORE d
        """,
    )


KEYS = st.sampled_from(["a", "b", "c", "list", "set"])
SECONDS = st.sampled_from([0, -1, 100, 200, 1000, 2**62])
CONDITIONS = st.lists(st.sampled_from(["NX", "XX", "GT", "LT", "bad"]), max_size=2).map(tuple)
COMMANDS = st.one_of(
    st.tuples(st.just("SET"), KEYS, st.sampled_from(["1", "x", "12345"])),
    st.tuples(st.just("RPUSH"), st.just("list"), st.sampled_from(["1", "2", "x"])),
    st.tuples(st.just("SADD"), st.just("set"), st.sampled_from(["1", "2", "3"])),
    st.tuples(st.sampled_from(["EXPIRE", "PEXPIRE"]), KEYS, SECONDS, CONDITIONS).map(lambda c: (*c[:3], *c[3])),
    st.tuples(
        st.sampled_from(["EXPIREAT", "PEXPIREAT"]), KEYS, st.sampled_from([1, 2 * 10**12, 3 * 10**12]), CONDITIONS
    ).map(lambda c: (*c[:3], *c[3])),
    st.tuples(st.sampled_from(["PERSIST", "TYPE", "EXISTS", "DEL", "UNLINK", "TOUCH"]), KEYS),
    st.tuples(st.sampled_from(["RENAME", "RENAMENX", "COPY", "DEL", "EXISTS"]), KEYS, KEYS),
    st.tuples(st.just("COPY"), KEYS, KEYS, st.just("DB"), st.sampled_from([0, 1]), st.just("REPLACE")),
    st.tuples(st.just("MOVE"), KEYS, st.sampled_from([0, 1])),
    st.tuples(st.just("SWAPDB"), st.just(0), st.just(1)),
    st.tuples(st.just("SELECT"), st.sampled_from([0, 1])),
    st.tuples(st.sampled_from(["SORT", "SORT_RO"]), KEYS, st.sampled_from(["ALPHA", "DESC"])),
    st.tuples(st.just("SORT"), KEYS, st.just("ALPHA"), st.just("STORE"), KEYS),
    st.tuples(st.just("OBJECT"), st.just("ENCODING"), KEYS),
    st.tuples(st.sampled_from(["KEYS"]), st.sampled_from(["*", "[ab]", "l*"])),
    st.tuples(st.sampled_from(["DBSIZE"])),
    st.tuples(st.sampled_from(["FLUSHDB"])),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(COMMANDS, max_size=50))
def test_any_sequence(pair: Pair, commands: list[tuple[str | int, ...]]) -> None:
    run_sequence(pair, commands)
    for key in ("a", "b", "c", "list", "set"):
        pair.both_ttl("TTL", key)
    pair.both("SELECT", 0)


def test_encoding_of_sums_of_floats(pair: Pair) -> None:
    check(
        pair,
        """
        SET f 10.5
        INCRBYFLOAT f 1.5
        OBJECT ENCODING f
        OBJECT REFCOUNT f
        COPY f g
        RENAME f h
        OBJECT ENCODING g
        OBJECT ENCODING h
        INCRBYFLOAT n -3
        OBJECT ENCODING n
        INCR n
        OBJECT ENCODING n
        INCRBYFLOAT n 0.5
        OBJECT ENCODING n
        SET n 12
        OBJECT ENCODING n
        INCRBYFLOAT one 5
        OBJECT ENCODING one
        SET five 5
        OBJECT ENCODING five
        SET two 12
        OBJECT ENCODING two
        """,
    )
