"""Methods for hashes, beside redis-py's on the real server."""

from __future__ import annotations

import pytest
import redis
from redis.commands.core import HashDataPersistOptions

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


def test_fields_that_are_read_written_and_expire_in_one() -> None:
    with kvcore.open(decode_responses=True) as store:
        assert store.hsetex("h", "a", 1, mapping={"b": 2}, items=["c", 3], ex=100) == 1
        assert store.httl("h", "a", "b", "c") == [100, 100, 100]
        assert store.hsetex("h", "a", 2, keepttl=True, data_persist_option="FXX") == 1
        assert store.httl("h", "a") == [100]
        assert store.hsetex("h", "a", 3, data_persist_option=HashDataPersistOptions.FNX) == 0
        assert store.hgetex("h", "a", "none", px=5000) == ["2", None]
        assert store.httl("h", "a") == [5]
        assert store.hgetex("h", "a", persist=True) == ["2"]
        assert store.httl("h", "a") == [-1]
        assert store.hgetdel("h", "a", "b", "none") == ["2", "2", None]
        assert store.hgetall("h") == {"c": "3"}


def test_they_return_what_redis_py_returns() -> None:
    # The real server that is compared with is older than these commands; redis-py itself is not.
    calls: list[Call] = [
        ("hsetex", "h", "f", "v", kw(ex=10)),
        ("hsetex", "h", kw(items=["a", 1, "b", 2], keepttl=True)),
        ("hsetex", "h", "f", "w", kw(data_persist_option=HashDataPersistOptions.FNX)),
        ("hgetex", "h", "f", "none", kw(exat=2**33)),
        ("hgetex", "h", "f", kw(persist=True)),
        ("hgetdel", "h", "f", "none"),
        ("hgetdel", "none", "f"),
    ]
    with kvcore.open() as store:
        assert differences(store, kvcore.Redis(protocol=2), calls) == []


def test_half_a_field() -> None:
    with kvcore.open() as store:
        for wrong in ({}, {"items": ["a"]}):
            with pytest.raises(ValueError, match="hsetex"):
                store.hsetex("h", **wrong)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="pairs"):
            store.hset("h", items=["a", 1, "b"])
        with pytest.raises(TypeError, match="value"):
            store.hsetex("h", "a")
