"""Methods for hashes, beside redis-py's on the real server."""

from __future__ import annotations

import pytest
import redis

import kvcore
from tests.frontends.comparison import Call, differences, kw

CALLS: list[Call] = [
    ("hset", "h", "f", "v"),
    ("hset", "h", "f", "w"),
    ("hset", "h", kw(mapping={"a": 1, "b": 2})),
    ("hset", "h", kw(items=["c", 3, "d", 4])),
    ("hset", "h", "e", 5, {"g": 6}),
    ("hget", "h", "f"),
    ("hget", "h", "none"),
    ("hgetall", "h"),
    ("hgetall", "none"),
    ("hexists", "h", "f"),
    ("hexists", "h", "none"),
    ("hincrby", "h", "a"),
    ("hincrby", "h", "a", 5),
    ("hincrbyfloat", "h", "a", 0.5),
    ("hincrby", "h", "f"),
    ("hkeys", "h"),
    ("hvals", "h"),
    ("hkeys", "none"),
    ("hlen", "h"),
    ("hmget", "h", "a", "none"),
    ("hmget", "h", ["a", "none"]),
    ("hmget", "h", ["a"], "b"),
    ("hmset", "h", {"x": 1}),
    ("hsetnx", "h", "x", 2),
    ("hsetnx", "h", "y", 2),
    ("hstrlen", "h", "f"),
    ("hdel", "h", "a", "b", "none"),
    ("hrandfield", "none"),
    ("hrandfield", "none", 2),
    ("hset", "one", "f", "v"),
    ("hrandfield", "one"),
    ("hrandfield", "one", 2),
    ("hrandfield", "one", -2),
    ("hrandfield", "one", 1, True),
    ("set", "s", 1),
    ("hget", "s", "f"),
    ("hset", "s", "f", "v"),
]


def test_calls_return_what_redis_py_returns(real_redis: redis.Redis) -> None:
    with kvcore.open() as store:
        assert differences(store, real_redis, CALLS) == []


def test_fields_that_expire() -> None:
    with kvcore.open() as store:
        store.hset("h", mapping={"a": 1, "b": 2})
        assert store.hexpire("h", 100, "a", "none") == [1, -2]
        assert store.hpexpire("h", 100_000, "a", nx=True) == [0]
        assert store.httl("h", "a", "b") == [100, -1]
        assert 0 < store.hpttl("h", "a")[0] <= 100_000
        assert store.hexpireat("h", 4102444800, "b") == [1]
        assert store.hexpiretime("h", "b") == [4102444800]
        assert store.hpexpireat("h", 4102444800123, "b") == [1]
        assert store.hpexpiretime("h", "b") == [4102444800123]
        assert store.hpersist("h", "a", "none") == [1, -2]
        assert store.hpexpire("h", 0, "a") == [2]
        assert store.hkeys("h") == [b"b"]


def test_nothing_to_set_is_a_mistake() -> None:
    with kvcore.open() as store:
        with pytest.raises(ValueError, match="mapping"):
            store.hset("h")
        with pytest.raises(TypeError, match="value"):
            store.hset("h", "f")
