"""The sorted-set group beside the real server: every option, bound, error and shape."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.oracle.harness import Pair, Wire, check, run_sequence


def test_zadd(pair: Pair) -> None:
    check(
        pair,
        """
        SET s x
        ZADD z 1 a 2
        ZADD z NX
        ZADD z NX XX 1 a
        ZADD z NX GT 1 a
        ZADD z GT LT 1 a
        ZADD z NX LT 1 a
        ZADD z INCR 1 a 2 b
        ZADD z INCR NX GT 1 a
        ZADD z x a
        ZADD z 1 a x b
        ZADD z nan a
        ZADD z nx a
        ZADD z 1 a 2 b 3 c
        ZADD z CH 2 a 2 b 4 d
        ZADD z XX 1 zz
        ZADD none XX 1 zz
        EXISTS none
        ZADD none XX INCR 1 zz
        ZADD none x a
        ZADD z XX INCR 1 zz
        ZADD z NX INCR 1 a
        ZADD z GT INCR -1 a
        ZADD z LT INCR 1 a
        ZADD z GT CH 5 a 0 b
        ZADD z INCR 0.1 a
        ZADD z inf a
        ZADD z INCR -inf a
        ZINCRBY z -inf a
        ZINCRBY z nan a
        ZINCRBY z x a
        ZADD z 5 a 1 q INCR 3
        ZADD s x a
        ZADD s 1 a
        ZADD s NX XX 1 a
        ZINCRBY s x a
        ZRANK s a
        ZRANK none a
        ZRANK z nope
        ZSCORE none a
        ZMSCORE none a b
        """,
    )


def test_zpop(pair: Pair) -> None:
    check(
        pair,
        """
        SET s x
        ZADD z 1 a 2 b 3 c
        ZPOPMIN z 0
        ZPOPMIN z -1
        ZPOPMIN z x
        ZPOPMIN none -1
        ZPOPMIN s 0
        ZPOPMIN s x
        ZPOPMIN z 1 2
        ZPOPMIN u
        ZPOPMAX u 2
        ZPOPMIN u 0
        ZPOPMAX none 2
        ZPOPMAX none
        ZPOPMIN u 9223372036854775807
        ZPOPMAX z 2
        ZPOPMIN z 9
        EXISTS z
        """,
    )


def test_zrange(pair: Pair) -> None:
    check(
        pair,
        """
        SET s x
        ZADD z 2 b 3 c 4 d inf a
        ZRANGE z 0 -1
        ZRANGE z 0 -1 WITHSCORES
        ZRANGE z 0 -1 LIMIT 0 1
        ZRANGE z 0 -1 BYLEX WITHSCORES
        ZRANGE z 0 -1 BYLEX
        ZRANGE z 0 -1 BYSCORE BYLEX
        ZRANGE z 0 -1 BYLEX BYSCORE
        ZRANGE z x -1
        ZRANGE z x y BYSCORE
        ZRANGE z (1 [2 BYSCORE
        ZRANGE z a b BYLEX
        ZRANGE z - + BYLEX LIMIT 0
        ZRANGE z - + BYLEX LIMIT x 1
        ZRANGE z - + BYLEX LIMIT 1 x
        ZRANGE z - + BYLEX LIMIT -1 1
        ZRANGE z - + BYLEX LIMIT 0 -5
        ZRANGE z -inf +inf BYSCORE REV
        ZRANGE z +inf -inf BYSCORE REV LIMIT 1 2 WITHSCORES
        ZRANGE z +inf -inf BYSCORE REV LIMIT 1 2 WITHSCORES foo
        ZRANGE s x y
        ZRANGE s 0 1 foo
        ZRANGE none x y
        ZRANGE none a b BYSCORE
        ZRANGE s 0 1
        ZRANGEBYSCORE z 0 1 LIMIT 1
        ZRANGEBYSCORE z 0 1 BYSCORE
        ZRANGEBYSCORE z 0 1 REV
        ZRANGEBYSCORE z nan 1
        ZRANGEBYSCORE z "" 1
        ZRANGEBYSCORE z ( 1
        ZRANGEBYSCORE z " 1" 1
        ZRANGEBYSCORE z 1x 1
        ZRANGEBYSCORE z 0x1 (1e5
        ZRANGEBYSCORE z 1e400 +inf
        ZRANGEBYSCORE z 1e-400 +inf
        ZRANGEBYSCORE z -infinity Infinity
        ZRANGEBYLEX z - + WITHSCORES
        ZRANGEBYLEX z -a +
        ZRANGEBYLEX z + -
        ZRANGEBYLEX z - +b
        ZRANGEBYLEX z "" +
        ZRANGEBYLEX z ( [z
        ZRANGEBYLEX z [a (c
        ZREVRANGEBYLEX z [c -
        ZREVRANGE z 0 1 REV
        ZREVRANGE z 0 1 WITHSCORES
        ZREVRANGE z 0 1 BYSCORE
        ZREVRANGEBYSCORE z 10 0 WITHSCORES LIMIT 0 2
        """,
    )


def test_ranks_and_limits(pair: Pair) -> None:
    check(
        pair,
        """
        ZADD z 1 a 1 b 1 c 1 d 1 e
        ZRANGE z 0 -1 LIMIT 0 -1
        ZRANGE z 0 -1 LIMIT 0 -2
        ZRANGE z 0 -1 REV REV
        ZRANGE z -100 100 REV WITHSCORES
        ZRANGE z 1 2 REV
        ZRANGE z -3 -2
        ZRANGE z 5 1
        ZRANGE z 0 99999999999999999999
        ZRANGE z -9223372036854775808 9223372036854775807
        ZREVRANGE z -9223372036854775808 9223372036854775807
        ZRANGE z [b (d BYLEX
        ZRANGE z (d [b BYLEX REV LIMIT 0 1
        ZRANGE z + - BYLEX REV LIMIT 1 2
        ZRANGE z - + BYLEX REV
        ZRANGE z (1 1 BYSCORE
        ZRANGE z 1 1 BYSCORE LIMIT 3 100
        ZRANGE z 1 1 BYSCORE LIMIT 5 1
        ZRANGE z 1 1 BYSCORE LIMIT 0 0
        ZRANGE z 1 1 byscore limit 1 9223372036854775807
        """,
    )


def test_zrangestore(pair: Pair) -> None:
    check(
        pair,
        """
        SET s x
        ZADD z 2 b 3 c 4 d inf a
        ZRANGESTORE d z 0 -1 WITHSCORES
        ZRANGESTORE d z 0 1
        ZRANGESTORE d z 5 6
        EXISTS d
        ZRANGESTORE d s 5 6
        ZRANGESTORE s none 5 6
        EXISTS s
        SET s x
        ZRANGESTORE s z 0 1 REV
        TYPE s
        SET s x
        ZRANGESTORE z z 0 0
        ZADD z 1 a 2 b 3 c
        ZRANGESTORE d z x 0
        ZRANGESTORE d s x 0
        ZRANGESTORE d z (1 3 BYSCORE LIMIT 0 -1
        DEL z
        ZADD z 1 a 1 b 1 c 1 d 1 e
        ZRANGESTORE q z x y WITHSCORES
        ZRANGESTORE q z x y LIMIT 1 2
        ZRANGESTORE q z 0 -1 REV
        ZRANGESTORE q z + - BYLEX REV LIMIT 0 2
        ZRANGE q 0 -1 WITHSCORES
        ZRANGESTORE q none 0 -1
        ZRANGESTORE q none 0 -1
        EXISTS q
        """,
    )


def test_counts_and_removals(pair: Pair) -> None:
    check(
        pair,
        """
        SET s x
        ZADD z 1 a 1 b 1 c 1 d 1 e
        ZCOUNT z x 1
        ZCOUNT s x 1
        ZCOUNT s 0 1
        ZCOUNT none 0 1
        ZLEXCOUNT z a b
        ZLEXCOUNT z - +
        ZLEXCOUNT z + -
        ZREMRANGEBYRANK z x 1
        ZREMRANGEBYSCORE z x 1
        ZREMRANGEBYLEX z x 1
        ZREMRANGEBYRANK s x 1
        ZREMRANGEBYRANK s 0 1
        ZREMRANGEBYLEX none x 1
        ZLEXCOUNT z [b [d
        ZLEXCOUNT z (b (d
        ZLEXCOUNT z [d [b
        ZLEXCOUNT z [x +
        ZREMRANGEBYLEX z [b (c
        ZREMRANGEBYRANK z -1 -1
        ZREMRANGEBYRANK z 3 1
        ZREMRANGEBYSCORE z (1 5
        ZREMRANGEBYSCORE z -inf +inf
        EXISTS z
        """,
    )


def test_algebra_arguments(pair: Pair) -> None:
    check(
        pair,
        """
        SET s x
        ZADD z 1 a 2 b 3 c
        ZADD d 9 old
        ZUNION 0 z
        ZUNION x z
        ZUNION -1 z
        ZUNION 2 z
        ZUNION 1 z WEIGHTS
        ZUNION 1 z WEIGHTS 1 2
        ZUNION 1 z WEIGHTS x
        ZUNION 1 z WEIGHTS nan
        ZUNION 1 z WEIGHTS inf WITHSCORES
        ZUNION 1 z AGGREGATE
        ZUNION 1 z AGGREGATE foo
        ZUNION 1 z AGGREGATE MIN WITHSCORES
        ZUNION 1 z foo
        ZUNION 2 z z WEIGHTS 1
        ZUNION 2 z z WEIGHTS 1 WITHSCORES
        ZUNION 1 s
        ZUNION 2 s none foo
        ZDIFF 1 z WEIGHTS 1
        ZDIFF 1 z AGGREGATE MIN
        ZDIFF 1 z WITHSCORES
        ZDIFFSTORE d 1 z WITHSCORES
        ZUNIONSTORE d 1 z WITHSCORES
        ZUNIONSTORE d 0 z
        ZUNION 0 z foo
        ZINTER 0 z
        ZDIFF 0 z
        ZDIFFSTORE d 0 z
        ZINTERSTORE d 0 z
        ZINTERCARD 0 z
        ZINTERCARD x z
        ZINTERCARD 2 z
        ZINTERCARD 1 z LIMIT
        ZINTERCARD 1 z LIMIT -1
        ZINTERCARD 1 z LIMIT x
        ZINTERCARD 1 z LIMIT 1
        ZINTERCARD 1 z LIMIT 0
        ZINTERCARD 1 z WEIGHTS 1
        ZINTERCARD 1 z WITHSCORES
        ZINTERCARD 1 z LIMIT 1 LIMIT 2
        ZINTERCARD 1 s
        ZINTERCARD 2 none s
        SADD st a b
        ZINTER 2 st z WITHSCORES
        ZUNION 2 st z WEIGHTS 3 4 WITHSCORES
        ZDIFF 2 st z
        ZDIFF 2 z st WITHSCORES
        ZINTERCARD 2 st z
        ZUNIONSTORE s 1 none
        EXISTS s
        SET s x
        ZUNIONSTORE s 1 st
        ZRANGE s 0 -1 WITHSCORES
        SET s x
        ZUNIONSTORE d x z
        ZUNIONSTORE d 3 z z
        ZUNIONSTORE d 1 z WEIGHTS 1 AGGREGATE MAX
        """,
    )


def test_algebra_arithmetic(pair: Pair) -> None:
    check(
        pair,
        """
        ZADD i inf a -inf b 0 c
        ZADD j -inf a inf b 5 c
        ZUNION 2 i j WITHSCORES
        ZUNION 2 i j WEIGHTS 0 1 WITHSCORES
        ZINTER 2 i j WEIGHTS 0 1 WITHSCORES
        ZINTER 2 i j WEIGHTS 1 0 WITHSCORES
        ZINTER 2 i j WEIGHTS 1 0 AGGREGATE MIN WITHSCORES
        ZINTER 2 i j WEIGHTS 1 0 AGGREGATE MAX WITHSCORES
        ZUNION 2 i j WEIGHTS 1 0 AGGREGATE MIN WITHSCORES
        ZUNION 2 i j WEIGHTS 0 inf AGGREGATE MAX WITHSCORES
        ZINTER 2 j i WEIGHTS inf inf WITHSCORES
        ZINTER 2 i i WITHSCORES
        ZINTER 3 i j i WITHSCORES AGGREGATE sum
        ZUNION 2 i i WEIGHTS 2 -0 WITHSCORES WITHSCORES
        ZUNION 2 i i AGGREGATE MIN AGGREGATE MAX WEIGHTS 1 2 WEIGHTS 3 4 WITHSCORES
        ZUNIONSTORE j 2 i j
        ZRANGE j 0 -1 WITHSCORES
        ZINTERSTORE j 2 i none
        EXISTS j
        ZDIFFSTORE i 2 i i
        EXISTS i
        ZDIFFSTORE i 1 none
        ZADD f 0.1 a 0.2 b
        ZADD g 0.7 a 1 c 2 d
        ZADD h 0.3 a 1 c 2 d 4 e
        ZUNION 3 h f g WITHSCORES
        ZINTER 3 h g f WITHSCORES
        ZUNIONSTORE u 4 h f g none WEIGHTS 0.1 0.2 0.3 0.4
        ZRANGE u 0 -1 WITHSCORES
        """,
    )


def test_scores(pair: Pair) -> None:
    check(
        pair,
        """
        ZADD i inf a -inf b 0 c
        ZADD j -inf a inf b 5 c
        ZADD u 0.1 a 0.2 b
        ZINCRBY u 1e308 a
        ZINCRBY u 1e308 a
        ZSCORE u a
        ZINCRBY u -inf a
        ZADD u XX CH GT 1 a
        ZADD u 0x10 hex
        ZSCORE u hex
        ZADD u 1e-320 sub
        ZADD u infinity x +inf y -Infinity w
        ZRANGE u 0 -1 WITHSCORES
        ZADD u 1 dup 2 dup 3 dup
        ZADD u CH 3 dup 1 dup 3 dup
        ZADD u ch xx incr 1 dup
        ZADD u ch incr 1 dup
        ZADD u incr 1
        ZADD u gt 5 newgt
        ZADD u lt xx 5 newlt
        ZADD u LT XX CH 0 dup
        """,
    )


def test_zmpop(pair: Pair) -> None:
    check(
        pair,
        """
        SET s x
        ZADD z 1 a 2 b 3 c
        ZMPOP 0 z MIN
        ZMPOP x z MIN
        ZMPOP 1 z FOO
        ZMPOP 1 z
        ZMPOP 2 z MIN
        ZMPOP 1 z MIN COUNT
        ZMPOP 1 z MIN COUNT 0
        ZMPOP 1 z MIN COUNT x
        ZMPOP 1 z MIN COUNT 1 COUNT 2
        ZMPOP 1 z MIN COUNT 1 foo
        ZMPOP 1 none MIN
        ZMPOP 1 s MIN
        ZMPOP 2 none z MAX COUNT 10
        ZMPOP 2 none s MAX
        ZADD z 1 a 2 b 3 c
        BZMPOP x 1 z MIN
        BZMPOP -1 1 z MIN
        BZMPOP 1e400 1 z MIN
        BZMPOP x 0 z MIN
        BZMPOP 1 0 z FOO
        BZMPOP 0.01 1 none MIN
        BZMPOP 0.01 1 z MIN COUNT 2
        BZMPOP 0.01 1 s MIN COUNT 2
        BZPOPMIN none z 0.01
        BZPOPMIN none 0.01
        BZPOPMIN s z 0.01
        BZPOPMIN none x
        BZPOPMIN s x
        BZPOPMIN none -1
        BZPOPMIN none 1e300
        BZPOPMIN none inf
        BZPOPMIN none nan
        BZPOPMIN none " 1"
        """,
    )


def test_members(pair: Pair) -> None:
    check(
        pair,
        """
        SET str x
        ZADD g 0.7 a 1 c 2 d
        ZMSCORE g a nope c
        ZRANK g c
        ZREVRANK g c
        ZCARD g
        ZCARD none
        ZCOUNT g (1 2
        ZCOUNT g -inf (1
        ZCOUNT g 2 1
        ZREM g a c d x
        EXISTS g
        ZREVRANK g a
        ZREM none a
        ZSCORE none a
        """,
    )


def test_random_members_arguments(pair: Pair) -> None:
    check(
        pair,
        """
        ZADD z 1 a
        ZRANDMEMBER z x
        ZRANDMEMBER z 0
        ZRANDMEMBER z 1 foo
        ZRANDMEMBER z 1 withscores x
        ZRANDMEMBER z x withscores
        ZRANDMEMBER none
        ZRANDMEMBER none 2
        ZRANDMEMBER z -9223372036854775808
        ZRANDMEMBER z 9223372036854775807 WITHSCORES
        ZRANDMEMBER z 4611686018427387904 WITHSCORES
        ZRANDMEMBER z -4611686018427387904 WITHSCORES
        ZRANDMEMBER z
        ZRANDMEMBER z 5 WITHSCORES
        ZRANDMEMBER z -3 WITHSCORES
        ZRANDMEMBER z -3
        """,
    )


def test_zscan(pair: Pair) -> None:
    check(
        pair,
        """
        ZADD z 1 a 2 b
        ZSCAN z 0
        ZSCAN z 0 MATCH a*
        ZADD z -0 neg 0 zero
        ZSCORE z neg
        ZADD z 100000000000000000000 big 1e17 b17 0.1 tenth
        ZSCAN z 0
        ZRANGE z 0 -1 WITHSCORES
        ZSCAN z 0 MATCH b* COUNT 100
        ZSCAN z x
        ZSCAN z 0 COUNT 0
        ZSCAN z 0 NOSCORES
        ZSCAN none 0 NOSCORES
        """,
    )


def shape(reply: Wire) -> tuple[str, list[object]]:
    """Return the types of a reply and of all it holds."""
    return reply.kind, [shape(item) for item in reply.items]


def test_random_members(pair: Pair) -> None:
    pair.both("ZADD", "z", 1, "a", 2, "b", 3, "c")
    for words in (("ZRANDMEMBER", "z"), ("ZRANDMEMBER", "z", 2, "WITHSCORES"), ("ZRANDMEMBER", "z", -9)):
        oracle, kvcore = pair.ask(*words)
        assert shape(oracle) == shape(kvcore)


@pytest.mark.parametrize(
    "line",
    [
        "ZCARD str",
        "ZSCORE str a",
        "ZMSCORE str a",
        "ZINCRBY str 1 a",
        "ZADD str 1 a",
        "ZREM str a",
        "ZRANK str a",
        "ZREVRANK str a",
        "ZRANDMEMBER str",
        "ZSCAN str 0",
        "ZPOPMAX str",
        "ZMPOP 1 str MIN",
        "ZCOUNT str 0 1",
        "ZLEXCOUNT str - +",
        "ZRANGE str 0 1",
        "ZRANGEBYSCORE str 0 1",
        "ZREVRANGEBYSCORE str 0 1",
        "ZRANGEBYLEX str - +",
        "ZREVRANGEBYLEX str - +",
        "ZREVRANGE str 0 1",
        "ZRANGESTORE d str 0 1",
        "ZREMRANGEBYRANK str 0 1",
        "ZREMRANGEBYSCORE str 0 1",
        "ZREMRANGEBYLEX str - +",
        "ZUNION 1 str",
        "ZINTER 1 str",
        "ZDIFF 2 none str",
        "ZUNIONSTORE d 1 str",
        "ZINTERSTORE d 1 str",
        "ZDIFFSTORE d 1 str",
        "ZINTERCARD 1 str",
        "ZADD z 1",
        "ZRANGE z 0",
        "ZRANGESTORE d z 0",
        "ZUNION 1",
        "ZUNIONSTORE d 1",
        "ZMPOP 1 z",
        "ZPOPMIN",
        "ZRANK z a b c",
        "ZCOUNT z 0",
        "BZPOPMIN z",
        "BZMPOP 0 1 z",
        "ZINTERCARD 1",
        "ZSCAN z",
        "ZREMRANGEBYLEX z -",
    ],
)
def test_wrong_type_and_arity(pair: Pair, line: str) -> None:
    check(pair, f"SET str x\n{line}")


def test_encodings(pair: Pair) -> None:
    pair.config("zset-max-listpack-entries", 3)
    pair.config("zset-max-listpack-value", 5)
    check(
        pair,
        """
        ZADD few 1 a 2 b 3 c
        OBJECT ENCODING few
        ZADD few 9 a
        OBJECT ENCODING few
        ZADD few 4 d
        OBJECT ENCODING few
        ZREM few a b
        OBJECT ENCODING few
        ZINCRBY long 1 123456
        OBJECT ENCODING long
        ZUNIONSTORE d 1 few
        OBJECT ENCODING d
        ZUNIONSTORE d 2 few long
        OBJECT ENCODING d
        ZRANGESTORE d long 0 -1
        OBJECT ENCODING d
        ZADD zeros -0 a -0 b -0 c
        ZRANGE zeros 0 -1 WITHSCORES
        ZADD zeros -0 d
        ZRANGE zeros 0 -1 WITHSCORES
        ZADD others 1 a 2 b 3 c 4 d
        ZUNIONSTORE zeros 1 others WEIGHTS -0
        ZRANGE zeros 0 -1 WITHSCORES
        ZADD zeros 1e17 big
        ZSCAN zeros 0 MATCH big COUNT 100
        """,
    )


@pytest.mark.parametrize(
    ("command", "wake"),
    [
        (("BZPOPMIN", "y", "z", 0), ("ZADD", "z", 1, "a", 2, "b", 3, "c")),
        (("BZPOPMAX", "y", "z", 0), ("ZADD", "z", 1, "a", 2, "b", 3, "c")),
        (("BZPOPMIN", "z", "z", 0), ("ZINCRBY", "z", "1.5", "a")),
        (("BZMPOP", 0, 2, "y", "z", "MAX"), ("ZUNIONSTORE", "z", 1, "source")),
        (("BZMPOP", 0, 1, "z", "MIN", "COUNT", 2), ("ZRANGESTORE", "z", "source", 0, -1)),
        (("BZMPOP", 0, 1, "z", "MIN", "COUNT", 9), ("RENAME", "source", "z")),
    ],
)
def test_blocking(wire_pair: Pair, command: tuple[str | int, ...], wake: tuple[str | int, ...]) -> None:
    wire_pair.both("ZADD", "source", 1, "a", 2, "b", 3, "c")
    waiters = [wire_pair.client() for _ in range(2)]
    for count, waiter in enumerate(waiters, 1):
        waiter.send(*command)
        wire_pair.wait_blocked(count)
    wire_pair.both(*wake)
    waiters[0].read()
    wire_pair.both("ZRANGE", "z", 0, -1, "WITHSCORES")
    wire_pair.both("ZADD", "z", 7, "x")
    waiters[1].read(0.2)
    wire_pair.both("ZRANGE", "z", 0, -1, "WITHSCORES")


SCORES = st.sampled_from(["0", "1", "2", "-1", "1.5", "0.1", "0.7", "inf", "-inf", "1e17", "3", "1e300"])
KEYS = st.sampled_from(["z1", "z2", "z3"])
LEX_KEYS = st.sampled_from(["x1", "x2"])
SOURCES = st.lists(st.sampled_from(["z1", "z2", "z3", "s1"]), min_size=1, max_size=3)
MEMBERS = st.sampled_from(["a", "b", "c", "d", "1", "2", "", "long" * 20])
BOUNDS = st.builds(str.__add__, st.sampled_from(["", "("]), SCORES)
LEX_BOUNDS = st.one_of(st.sampled_from(["-", "+"]), st.builds(str.__add__, st.sampled_from(["[", "("]), MEMBERS))
RANKS = st.sampled_from(["0", "1", "-1", "2", "-3", "5"])
LIMIT = st.one_of(st.just(()), st.tuples(st.just("LIMIT"), RANKS, RANKS))
WITHSCORES = st.sampled_from([(), ("WITHSCORES",)])
FLAGS = st.lists(st.sampled_from(["NX", "XX", "GT", "LT", "CH", "INCR"]), max_size=2, unique=True)
PAIRS = st.lists(st.tuples(SCORES, MEMBERS), min_size=1, max_size=3).map(lambda pairs: sum(pairs, ()))
AGGREGATE = st.one_of(st.just(()), st.tuples(st.just("AGGREGATE"), st.sampled_from(["SUM", "MIN", "MAX"])))


@st.composite
def algebra(draw: st.DrawFn) -> tuple[str, ...]:
    """Draw a command on several inputs."""
    name = draw(st.sampled_from(["ZUNION", "ZINTER", "ZDIFF"]))
    store = draw(st.booleans())
    sources = draw(SOURCES)
    words = [name + "STORE", draw(KEYS)] if store else [name]
    words += [str(len(sources)), *sources]
    if name != "ZDIFF":
        if draw(st.booleans()):
            words += ["WEIGHTS", *(draw(SCORES) for _ in sources)]
        words += draw(AGGREGATE)
    return (*words,) if store else (*words, "WITHSCORES")


COMMANDS = st.one_of(
    st.builds(lambda k, flags, pairs: ("ZADD", k, *flags, *pairs), KEYS, FLAGS, PAIRS),
    st.builds(lambda k, pairs: ("ZADD", k, *pairs), KEYS, PAIRS),
    st.builds(lambda k, m: ("ZADD", k, "0", m), LEX_KEYS, MEMBERS),
    st.builds(lambda m: ("SADD", "s1", m), MEMBERS),
    st.tuples(st.just("ZINCRBY"), KEYS, SCORES, MEMBERS),
    st.tuples(st.sampled_from(["ZREM", "ZSCORE", "ZRANK", "ZREVRANK"]), KEYS, MEMBERS),
    st.builds(
        lambda n, k, a, b, o: (n, k, a, b, *o), st.sampled_from(["ZRANGE", "ZREVRANGE"]), KEYS, RANKS, RANKS, WITHSCORES
    ),
    st.builds(
        lambda n, k, a, b, o, limit: (n, k, a, b, *o, *limit),
        st.sampled_from(["ZRANGEBYSCORE", "ZREVRANGEBYSCORE"]),
        KEYS,
        BOUNDS,
        BOUNDS,
        WITHSCORES,
        LIMIT,
    ),
    st.builds(
        lambda n, k, a, b, limit: (n, k, a, b, *limit),
        st.sampled_from(["ZRANGEBYLEX", "ZREVRANGEBYLEX"]),
        LEX_KEYS,
        LEX_BOUNDS,
        LEX_BOUNDS,
        LIMIT,
    ),
    st.tuples(st.sampled_from(["ZLEXCOUNT", "ZREMRANGEBYLEX"]), LEX_KEYS, LEX_BOUNDS, LEX_BOUNDS),
    st.tuples(st.sampled_from(["ZCOUNT", "ZREMRANGEBYSCORE"]), KEYS, BOUNDS, BOUNDS),
    st.tuples(st.just("ZREMRANGEBYRANK"), KEYS, RANKS, RANKS),
    st.tuples(st.just("ZRANGESTORE"), KEYS, KEYS, RANKS, RANKS),
    st.tuples(st.sampled_from(["ZPOPMIN", "ZPOPMAX"]), KEYS, RANKS),
    st.tuples(st.just("ZMPOP"), st.just("2"), KEYS, KEYS, st.sampled_from(["MIN", "MAX"])),
    st.tuples(st.just("ZINTERCARD"), st.just("2"), KEYS, KEYS),
    algebra(),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(commands=st.lists(COMMANDS, min_size=5, max_size=40))
def test_random_sequences(pair: Pair, commands: list[tuple[str, ...]]) -> None:
    run_sequence(pair, commands)


def test_events(wire_pair: Pair) -> None:
    wire_pair.config("notify-keyspace-events", "KEA")
    listener = wire_pair.client(2)
    listener.both("PSUBSCRIBE", "__keyevent@0__:*")
    check(
        wire_pair,
        """
        ZADD z 1 a 2 b
        ZADD z 1 a
        ZADD z INCR 1 a
        ZINCRBY z 0 a
        ZREM z none
        ZREM z a
        ZADD z 1 a 3 c 4 d 5 e
        ZPOPMIN z
        ZPOPMAX z 2
        ZMPOP 1 z MIN
        BZPOPMIN z 0
        ZADD z 1 a 2 b 3 c
        BZMPOP 0 1 z MAX COUNT 2
        ZREMRANGEBYSCORE z 5 6
        ZREMRANGEBYSCORE z 1 1
        ZADD z 0 a 0 b 0 c 0 d
        ZREMRANGEBYRANK z 0 0
        ZREMRANGEBYLEX z [b [b
        ZRANGESTORE d z 0 0
        ZRANGESTORE d z 8 9
        ZRANGESTORE d z 8 9
        ZUNIONSTORE d 1 z
        ZINTERSTORE d 2 z none
        ZINTERSTORE d 1 z
        ZDIFFSTORE d 1 z
        ZDIFFSTORE d 2 z z
        ZREM z c d
        """,
    )
    wire_pair.both("SET", "end", "of test")
    message = listener.read()
    while message[-1] != b"end":
        message = listener.read()
