"""Random scripts and random results of scripts, beside the real server."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.oracle.harness import Argument, Pair, run_sequence

KEYS = st.sampled_from(["a", "b", "c"])
VALUES = st.sampled_from(["", "x", "1", "-3", "2.5", "1e3", "a\x00b", "text", "9223372036854775807"])
NUMBERS = st.sampled_from(["0", "1", "-1", "2", "10", "x", "1.5"])


def words(*parts: str | st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    return st.tuples(*(st.just(part) if isinstance(part, str) else part for part in parts)).map(list)


CALL = st.one_of(
    words("set", KEYS, VALUES),
    words("get", KEYS),
    words("append", KEYS, VALUES),
    words("incrby", KEYS, NUMBERS),
    words("incrbyfloat", KEYS, NUMBERS),
    words("del", KEYS),
    words("exists", KEYS, KEYS),
    words("type", KEYS),
    words("strlen", KEYS),
    words("getrange", KEYS, NUMBERS, NUMBERS),
    words("mget", KEYS, KEYS),
    words("rpush", KEYS, VALUES, VALUES),
    words("lpop", KEYS),
    words("lrange", KEYS, NUMBERS, NUMBERS),
    words("lpos", KEYS, VALUES),
    words("hset", KEYS, VALUES, VALUES),
    words("hget", KEYS, VALUES),
    words("hmget", KEYS, VALUES, VALUES),
    words("hgetall", KEYS),
    words("zadd", KEYS, NUMBERS, VALUES),
    words("zscore", KEYS, VALUES),
    words("zrange", KEYS, NUMBERS, NUMBERS, "withscores"),
    words("zpopmin", KEYS),
    words("zmscore", KEYS, VALUES, VALUES),
    words("sadd", KEYS, VALUES),
    words("scard", KEYS),
    words("sismember", KEYS, VALUES),
    words("rename", KEYS, KEYS),
    words("object", "encoding", KEYS),
    words("select", NUMBERS),
    words("nosuch", VALUES),
    words("get"),
    words("blpop", KEYS, "0"),
)
SHAPES = st.sampled_from(
    [
        "return redis.call(unpack(ARGV))",
        "return redis.pcall(unpack(ARGV))",
        "redis.setresp(3) return redis.call(unpack(ARGV))",
        "redis.setresp(3) return {redis.pcall(unpack(ARGV))}",
        "return {redis.pcall(unpack(ARGV)), 1}",
        "return type(redis.pcall(unpack(ARGV)))",
        "local ok, e = pcall(redis.call, unpack(ARGV)) return {tostring(ok), e}",
        "local r = redis.pcall(unpack(ARGV)) if type(r) == 'table' then return {r.ok or r.err or #r} end return r",
        "return coroutine.wrap(function() return redis.call(unpack(ARGV)) end)()",
        "local n = 0 for i, v in ipairs(ARGV) do n = n + #v end redis.call(unpack(ARGV)) return n",
        "return tonumber(redis.pcall(unpack(ARGV))) or 'none'",
        "local r = redis.call(unpack(ARGV)) redis.call('set', 'last', type(r)) return redis.call('get', 'c')",
        "#!lua flags=no-writes\nreturn redis.call(unpack(ARGV))",
        "local t = {} for i = 1, 3 do t[i] = redis.pcall(unpack(ARGV)) end return t",
        "return #ARGV, redis.call(unpack(ARGV))",
    ]
)
SCRIPTS = st.tuples(st.sampled_from(["EVAL", "EVAL", "EVAL_RO"]), SHAPES, CALL).map(
    lambda parts: (parts[0], parts[1], 0, *parts[2])
)
PLAIN = CALL.filter(lambda call: call[0] not in ("blpop", "select")).map(tuple)


@given(st.lists(st.one_of(SCRIPTS, SCRIPTS, PLAIN), min_size=5, max_size=40))
def test_random_scripts(pair: Pair, commands: list[tuple[Argument, ...]]) -> None:
    run_sequence(pair, commands)


LITERALS = st.recursive(
    st.sampled_from(["1", "-2.7", "'s'", "''", "true", "false", "nil", "1e20", "{}", "{ok='k'}", "{err='E x'}"]),
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda parts: "{" + ", ".join(parts) + "}")
        | inner.map(lambda part: f"{{map={{k={part}}}}}")
        | inner.map(lambda part: f"{{set={{k={part}}}}}")
        | inner.map(lambda part: f"{{double={part}}}")
    ),
    max_leaves=12,
)


@given(st.lists(st.tuples(LITERALS, st.sampled_from(["", "redis.setresp(3) "])), min_size=1, max_size=10))
def test_random_results(pair: Pair, literals: list[tuple[str, str]]) -> None:
    run_sequence(pair, [("EVAL", f"{prefix}return {literal}", 0) for literal, prefix in literals])
