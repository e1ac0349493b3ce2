"""Methods for keys of any type, beside redis-py's on the real server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import redis

import kvcore
from tests.frontends.comparison import Call, differences, kw

CALLS: list[Call] = [
    ("mset", {"a": 1, "b": 2, "c": 3}),
    ("copy", "a", "d"),
    ("copy", "a", "b"),
    ("copy", "a", "b", kw(replace=True)),
    ("copy", "a", "a", kw(destination_db=1)),
    ("delete", "d", "none"),
    ("exists", "a", "a", "none"),
    ("expire", "a", 100),
    ("expire", "none", 100),
    ("ttl", "a"),
    ("expire", "a", 50, kw(gt=True)),
    ("expire", "a", 50, kw(lt=True)),
    ("expire", "a", 50, kw(nx=True)),
    ("expire", "a", 50, kw(xx=True)),
    ("ttl", "a"),
    ("ttl", "b"),
    ("ttl", "none"),
    ("expire", "a", timedelta(hours=1)),
    ("ttl", "a"),
    ("expireat", "a", 4102444800),
    ("expiretime", "a"),
    ("pexpire", "a", 1000000),
    ("pexpireat", "a", 4102444800123),
    ("pexpiretime", "a"),
    ("expireat", "a", datetime(2100, 1, 1, tzinfo=UTC)),
    ("expiretime", "a"),
    ("pttl", "none"),
    ("persist", "a"),
    ("persist", "a"),
    ("pttl", "a"),
    ("keys", "a*"),
    ("move", "c", 2),
    ("move", "none", 2),
    ("object", "ENCODING", "a"),
    ("object", "REFCOUNT", "none"),
    ("rename", "b", "bb"),
    ("rename", "none", "bb"),
    ("renamenx", "bb", "a"),
    ("renamenx", "bb", "bbb"),
    ("delete", "a", "bbb"),
    ("randomkey",),
    ("set", "only", 1),
    ("randomkey",),
    ("dump", "none"),
    ("set", "x", "payload"),
    ("restore", "only", 0, b"junk"),
    ("touch", "x", "none"),
    ("type", "x"),
    ("type", "none"),
    ("unlink", "x", "none"),
    ("rpush", "l", 3, 1, 2),
    ("sort", "l"),
    ("sort", "l", kw(desc=True)),
    ("sort", "l", 0, 2),
    ("sort", "l", kw(store="sorted")),
    ("lrange", "sorted", 0, -1),
    ("mset", {"w_1": 3, "w_2": 2, "w_3": 1, "o_1": "x", "o_2": "y", "o_3": "z"}),
    ("sort", "l", kw(by="w_*")),
    ("sort", "l", kw(by="w_*", get="o_*")),
    ("sort", "l", kw(get=["#", "o_*"], groups=True)),
    ("sort_ro", "l", kw(alpha=True)),
    ("rpush", "words", "b", "a"),
    ("sort", "words", kw(alpha=True)),
    ("sort", "words"),
    ("hset", "h", kw(mapping={"f": 1})),
    ("hscan", "h"),
    ("sadd", "s", "m"),
    ("sscan", "s"),
    ("zadd", "z", {"m": 1}),
    ("zscan", "z"),
    ("hscan", "h", 0, "x*", 10),
]


def test_calls_return_what_redis_py_returns(real_redis: redis.Redis) -> None:
    with kvcore.open() as store:
        assert differences(store, real_redis, CALLS) == []


def test_iterators_meet_every_item_and_can_be_abandoned() -> None:
    with kvcore.open() as store:
        store.mset({f"k{number}": number for number in range(500)})
        store.hset("h", mapping={f"f{number}": number for number in range(1000)})
        store.sadd("s", *range(1000))
        store.zadd("z", {f"m{number}": number for number in range(1000)})
        assert sorted(store.scan_iter("k*")) == sorted(f"k{number}".encode() for number in range(500))
        assert set(store) == set(store.keys())
        assert sorted(store.scan_iter(_type="hash")) == [b"h"]
        assert dict(store.hscan_iter("h")) == store.hgetall("h")
        assert set(store.sscan_iter("s", count=3)) == store.smembers("s")
        assert dict(store.zscan_iter("z"))[b"m7"] == 7.0
        iterator = store.scan_iter()
        next(iterator)
        iterator.close()
        del iterator
        store.flushall()
        assert list(store) == []


def test_dumped_values_are_never_decoded() -> None:
    with kvcore.open(decode_responses=True) as store:
        store.set("k", "v")
        payload = store.dump("k")
        assert isinstance(payload, bytes)
        assert store.restore("copy", 0, payload) == "OK"
        assert store["copy"] == "v"


def test_offsets_and_numbers_come_together() -> None:
    with kvcore.open() as store, pytest.raises(ValueError, match="offset"):
        store.sort("l", start=1)
    with kvcore.open() as store, pytest.raises(ValueError, match="patterns"):
        store.sort("l", groups=True)


def test_keys_migrate(real_redis: redis.Redis) -> None:
    real_redis.flushall()
    port = real_redis.connection_pool.connection_kwargs["port"]
    with kvcore.open(decode_responses=True) as store:
        store.mset({"a": 1, "b": 2})
        assert store.migrate("127.0.0.1", port, ["a", "b"], 0, 5000, copy=True) == "OK"
        assert store.migrate("127.0.0.1", port, "a", 0, 5000, replace=True) == "OK"
        assert (store.exists("a", "b"), real_redis.mget("a", "b")) == (1, [b"1", b"2"])
        assert store.migrate("127.0.0.1", port, "none", 0, 5000) == "NOKEY"
        with pytest.raises(kvcore.CommandError, match="AUTH"):
            store.migrate("127.0.0.1", port, "b", 0, 5000, auth="wrong")
        with pytest.raises(kvcore.CommandError, match="WRONGPASS"):
            store.migrate("127.0.0.1", port, "b", 0, 5000, auth="wrong", username="nobody")
        assert store.exists("b")
