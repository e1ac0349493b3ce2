"""Methods for lists, beside redis-py's on the real server."""

from __future__ import annotations

import redis

import kvcore
from tests.frontends.comparison import Call, differences, kw

CALLS: list[Call] = [
    ("rpush", "l", "a", "b", "c"),
    ("lpush", "l", 0),
    ("lpushx", "l", 1),
    ("lpushx", "none", 1),
    ("rpushx", "none", 1),
    ("rpushx", "l", "d"),
    ("llen", "l"),
    ("lrange", "l", 0, -1),
    ("lindex", "l", 0),
    ("lindex", "l", 99),
    ("linsert", "l", "BEFORE", "b", "x"),
    ("linsert", "l", "AFTER", "none", "x"),
    ("linsert", "none", "AFTER", "b", "x"),
    ("lset", "l", 0, "first"),
    ("lset", "l", 99, "x"),
    ("lset", "none", 0, "x"),
    ("lpop", "l"),
    ("lpop", "l", 2),
    ("lpop", "none"),
    ("lpop", "none", 2),
    ("rpop", "l"),
    ("rpop", "l", 1),
    ("lrange", "l", 0, -1),
    ("lrem", "l", 0, "b"),
    ("rpush", "l", "x", "y", "x", "z"),
    ("lpos", "l", "x"),
    ("lpos", "l", "none"),
    ("lpos", "l", "x", kw(rank=2)),
    ("lpos", "l", "x", kw(count=0)),
    ("lpos", "l", "x", kw(count=0, maxlen=2)),
    ("ltrim", "l", 0, 3),
    ("lrange", "l", 0, -1),
    ("lmove", "l", "m"),
    ("lmove", "l", "m", "RIGHT", "LEFT"),
    ("lmove", "none", "m"),
    ("rpoplpush", "l", "m"),
    ("lrange", "m", 0, -1),
    ("lmpop", 2, "none", "m", kw(direction="LEFT")),
    ("lmpop", 1, "m", kw(direction="RIGHT", count=2)),
    ("lmpop", 1, "none", kw(direction="LEFT")),
    ("rpush", "q", 1, 2, 3, 4, 5, 6),
    ("blpop", "q", 1),
    ("blpop", ["none", "q"], 1),
    ("brpop", "q", 1),
    ("brpoplpush", "q", "r", 1),
    ("blmove", "q", "r", 1),
    ("blmpop", 1, 1, "q", kw(direction="LEFT")),
    ("blpop", "empty", 0.01),
    ("brpoplpush", "empty", "r", 0.01),
    ("blmpop", 0.01, 1, "empty", kw(direction="LEFT")),
    ("set", "s", 1),
    ("lpush", "s", 1),
    ("blpop", "s", 1),
]


def test_calls_return_what_redis_py_returns(real_redis: redis.Redis) -> None:
    with kvcore.open() as store:
        assert differences(store, real_redis, CALLS) == []
