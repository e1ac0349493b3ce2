"""Methods for sorted sets, beside redis-py's on the real server."""

from __future__ import annotations

import pytest
import redis

import kvcore
from tests.frontends.comparison import Call, differences, kw

CALLS: list[Call] = [
    ("zadd", "z", {"a": 1, "b": 2.5, "c": 3}),
    ("zadd", "z", {"a": 2}, kw(nx=True)),
    ("zadd", "z", {"a": 1.5}, kw(ch=True)),
    ("zadd", "z", {"a": 2}, kw(incr=True)),
    ("zadd", "z", {"a": 9}, kw(xx=True, gt=True)),
    ("zadd", "z", {"none": 1}, kw(xx=True, incr=True)),
    ("zcard", "z"),
    ("zcount", "z", 2, 3),
    ("zcount", "z", "(2.5", "+inf"),
    ("zscore", "z", "a"),
    ("zscore", "z", "none"),
    ("zmscore", "z", ["a", "none"]),
    ("zincrby", "z", -7, "a"),
    ("zrange", "z", 0, -1),
    ("zrange", "z", 0, -1, kw(withscores=True)),
    ("zrange", "z", 0, 1, True),
    ("zrange", "z", 1, 3, kw(byscore=True)),
    ("zrange", "z", 3, 1, kw(byscore=True, desc=True, withscores=True)),
    ("zrange", "z", 1, 3, kw(byscore=True, offset=1, num=1)),
    ("zrange", "z", "-", "+", kw(bylex=True)),
    ("zrevrange", "z", 0, -1),
    ("zrevrange", "z", 0, 0, True),
    ("zrangebyscore", "z", 1, 3),
    ("zrangebyscore", "z", "-inf", "(3", kw(withscores=True)),
    ("zrangebyscore", "z", 0, 9, 1, 1),
    ("zrevrangebyscore", "z", 9, 0, kw(withscores=True)),
    ("zrevrangebyscore", "z", 9, 0, 0, 1),
    ("zrank", "z", "a"),
    ("zrank", "z", "none"),
    ("zrevrank", "z", "a"),
    ("zadd", "lex", {"a": 0, "b": 0, "c": 0}),
    ("zrangebylex", "lex", "[a", "(c"),
    ("zrangebylex", "lex", "-", "+", 1, 1),
    ("zrevrangebylex", "lex", "+", "[b"),
    ("zlexcount", "lex", "-", "[b"),
    ("zremrangebylex", "lex", "[a", "[a"),
    ("zadd", "y", {"b": 1, "d": 4}),
    ("zdiff", ["z", "y"]),
    ("zdiffstore", "d", ["z", "y"]),
    ("zinter", ["z", "y"]),
    ("zinter", ["z", "y"], kw(withscores=True)),
    ("zinter", {"z": 2, "y": 3}, "MAX", True),
    ("zinterstore", "d", ["z", "y"]),
    ("zinterstore", "d", {"z": 1, "y": 2}, "MIN"),
    ("zintercard", 2, ["z", "y"]),
    ("zunion", ["z", "y"]),
    ("zunion", ["z", "y"], "SUM", True),
    ("zunionstore", "d", ["z", "y"]),
    ("zrangestore", "e", "d", 0, 1),
    ("zrangestore", "e", "d", 0, 9, kw(byscore=True, offset=0, num=1)),
    ("zpopmin", "d"),
    ("zpopmax", "d", 2),
    ("zpopmin", "none"),
    ("zpopmax", "none", 2),
    ("zpopmin", "y", 1),
    ("zmpop", 1, ["none"], kw(max=True)),
    ("bzpopmin", "y", 1),
    ("bzpopmin", ["none"], 0.01),
    ("zadd", "y", {"p": 1, "q": 2}),
    ("bzpopmax", ["none", "y"], 1),
    ("bzmpop", 0.01, 1, ["none"], kw(min=True)),
    ("zadd", "one", {"m": 1}),
    ("zrandmember", "one"),
    ("zrandmember", "one", 2),
    ("zrandmember", "one", -2),
    ("zrandmember", "none"),
    ("zrandmember", "none", 1),
    ("zrem", "z", "a", "none"),
    ("zremrangebyrank", "z", 0, 0),
    ("zremrangebyscore", "z", 0, 99),
    ("set", "s", 1),
    ("zadd", "s", {"a": 1}),
    ("zrange", "s", 0, -1),
    ("zadd", "n", {"a": "nan"}),
]


def test_calls_return_what_redis_py_returns(real_redis: redis.Redis) -> None:
    with kvcore.open() as store:
        assert differences(store, real_redis, CALLS) == []


def test_arguments_that_contradict_each_other() -> None:
    with kvcore.open() as store:
        for call, text in (
            (lambda: store.zadd("z", {}), "members"),
            (lambda: store.zadd("z", {"a": 1}, nx=True, xx=True), "not both"),
            (lambda: store.zadd("z", {"a": 1, "b": 2}, incr=True), "one member"),
            (lambda: store.zmpop(1, ["z"]), "one end"),
            (lambda: store.zrange("z", 0, -1, offset=1), "offset"),
        ):
            with pytest.raises(ValueError, match=text):
                call()


def test_scores_are_numbers_where_redis_py_leaves_text() -> None:
    with kvcore.open() as store:
        store.zadd("z", {"a": 1, "b": 2, "c": 3})
        assert store.zdiff(["z", "none"], withscores=True) == [(b"a", 1.0), (b"b", 2.0), (b"c", 3.0)]
        assert store.zmpop(2, ["none", "z"], min=True) == [b"z", [[b"a", 1.0]]]
        assert store.bzmpop(1, 1, ["z"], max=True) == [b"z", [[b"c", 3.0]]]
        assert store.zrandmember("z", 2, withscores=True) == [(b"b", 2.0)]


def test_members_come_with_their_scores() -> None:
    with pytest.raises(TypeError, match="a mapping of members to scores, not list"):
        kvcore.open().zadd("z", ["a", 1])  # type: ignore[arg-type]
