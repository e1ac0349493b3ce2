"""Methods for sets, beside redis-py's on the real server."""

from __future__ import annotations

import redis

import kvcore
from tests.frontends.comparison import Call, differences

CALLS: list[Call] = [
    ("sadd", "s", "a", "b", "c"),
    ("sadd", "s", "a"),
    ("scard", "s"),
    ("smembers", "s"),
    ("smembers", "none"),
    ("sismember", "s", "a"),
    ("sismember", "s", "none"),
    ("smismember", "s", ["a", "none"]),
    ("smismember", "s", "a", "b"),
    ("sadd", "t", "b", "c", "d"),
    ("sdiff", "s", "t"),
    ("sdiff", ["s", "t"]),
    ("sinter", "s", "t"),
    ("sunion", "s", "t"),
    ("sdiffstore", "d", "s", "t"),
    ("sinterstore", "d", ["s", "t"]),
    ("sunionstore", "d", "s", "t"),
    ("sintercard", 2, ["s", "t"]),
    ("sintercard", 2, ["s", "t"], 1),
    ("smove", "s", "t", "a"),
    ("smove", "s", "t", "none"),
    ("srem", "t", "a", "none"),
    ("sadd", "one", "m"),
    ("srandmember", "one"),
    ("srandmember", "one", 2),
    ("srandmember", "one", -2),
    ("srandmember", "none"),
    ("srandmember", "none", 1),
    ("spop", "one"),
    ("spop", "one"),
    ("spop", "none", 2),
    ("sadd", "one", 1),
    ("spop", "one", 5),
    ("set", "x", 1),
    ("sadd", "x", 1),
    ("sinter", "x", "s"),
]


def test_calls_return_what_redis_py_returns(real_redis: redis.Redis) -> None:
    with kvcore.open() as store:
        assert differences(store, real_redis, CALLS) == []
