"""Methods for strings, bitmaps and HyperLogLogs, beside redis-py's on the real server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import redis

import kvcore
from tests.frontends.comparison import Call, differences, kw

CALLS: list[Call] = [
    ("set", "a", "1"),
    ("get", "a"),
    ("get", "none"),
    ("set", "a", b"2"),
    ("set", "a", 3, kw(nx=True)),
    ("set", "n", 3, kw(nx=True)),
    ("set", "none", 3, kw(xx=True)),
    ("set", "a", "new", kw(get=True)),
    ("set", "fresh", "x", kw(get=True)),
    ("set", "a", 1.5),
    ("set", "t", "v", kw(ex=100)),
    ("ttl", "t"),
    ("set", "t", "w", kw(keepttl=True)),
    ("ttl", "t"),
    ("set", "t", "v", kw(px=100000)),
    ("ttl", "t"),
    ("set", "t", "v", kw(ex=timedelta(seconds=50))),
    ("ttl", "t"),
    ("set", "t", "v", kw(exat=4102444800)),
    ("expiretime", "t"),
    ("set", "t", "v", kw(pxat=datetime(2100, 1, 1, tzinfo=UTC))),
    ("pexpiretime", "t"),
    ("set", "t", "v", kw(ex=0)),
    ("append", "a", "xyz"),
    ("append", "new", "xyz"),
    ("incr", "i"),
    ("incr", "i", 5),
    ("incrby", "i", 10),
    ("decr", "i"),
    ("decr", "i", 2),
    ("decrby", "i", 3),
    ("incrbyfloat", "i", 0.5),
    ("incr", "a"),
    ("getdel", "n"),
    ("getdel", "n"),
    ("getex", "a", kw(ex=10)),
    ("ttl", "a"),
    ("getex", "a", kw(persist=True)),
    ("ttl", "a"),
    ("getrange", "a", 0, 2),
    ("getrange", "a", -3, -1),
    ("getset", "a", "b"),
    ("getset", "gs", "b"),
    ("set", "k1", "ohmytext"),
    ("set", "k2", "mynewtext"),
    ("lcs", "k1", "k2"),
    ("lcs", "k1", "k2", kw(len=True)),
    ("mget", "a", "none", "k1"),
    ("mget", ["a", "none"]),
    ("mget", ["a"], "k1"),
    ("mset", {"m1": 1, b"m2": b"2"}),
    ("msetnx", {"m1": 1}),
    ("msetnx", {"m3": 1}),
    ("setex", "t", 100, "v"),
    ("ttl", "t"),
    ("psetex", "t", 100000, "v"),
    ("ttl", "t"),
    ("setnx", "t", "v"),
    ("setnx", "u", "v"),
    ("setrange", "a", 2, "zz"),
    ("get", "a"),
    ("strlen", "a"),
    ("substr", "k1", 1, 3),
    ("setex", "t", 0, "v"),
    ("set", "bits", "foobar"),
    ("bitcount", "bits"),
    ("bitcount", "bits", 1, 1),
    ("bitcount", "bits", 5, 30, "BIT"),
    ("bitpos", "bits", 1),
    ("bitpos", "bits", 0, 1),
    ("bitpos", "bits", 1, 1, 3),
    ("bitop", "AND", "dest", "bits", "k1"),
    ("get", "dest"),
    ("bitop", "NOT", "dest", "bits"),
    ("get", "dest"),
    ("setbit", "bits", 7, 1),
    ("getbit", "bits", 7),
    ("setbit", "bits", 7, 0),
    ("bitfield_ro", "bits", "u8", 0),
    ("bitfield_ro", "bits", "u8", 0, [("i5", 3), ("u4", "#2")]),
    ("pfadd", "h", "a", "b", "c"),
    ("pfadd", "h", "a"),
    ("pfcount", "h"),
    ("pfadd", "h2", "c", "d"),
    ("pfcount", "h", "h2"),
    ("pfmerge", "h3", "h", "h2"),
    ("pfcount", "h3"),
    ("lpush", "list", "x"),
    ("get", "list"),
    ("incr", "list"),
    ("append", "list", "x"),
    ("mget", "list"),
]


def test_calls_return_what_redis_py_returns(real_redis: redis.Redis) -> None:
    with kvcore.open() as store:
        assert differences(store, real_redis, CALLS) == []


def test_text_comes_back_as_text_where_responses_are_decoded(real_redis: redis.Redis) -> None:
    connection = real_redis.connection_pool.connection_kwargs
    client = redis.Redis(connection["host"], connection["port"], protocol=2, decode_responses=True)
    calls: list[Call] = [
        ("set", "a", "ä"),
        ("get", "a"),
        ("mget", "a", "b"),
        ("append", "a", "x"),
        ("get", "a"),
        ("set", "a", "v", kw(get=True)),
        ("hset", "h", "f", "ü"),
        ("hgetall", "h"),
        ("type", "h"),
        ("lpush", "l", "a"),
        ("lpop", "l", 1),
        ("sadd", "s", "m"),
        ("smembers", "s"),
        ("zadd", "z", {"m": 1}),
        ("zrange", "z", 0, -1, kw(withscores=True)),
    ]
    with kvcore.open(decode_responses=True) as store:
        assert differences(store, client, calls) == []
    client.close()


def test_what_no_client_can_mean_is_refused() -> None:
    with kvcore.open() as store:
        for wrong in (None, True, [], {}, object()):
            with pytest.raises(TypeError, match="commands"):
                store.set("k", wrong)  # type: ignore[call-overload]
            with pytest.raises(TypeError, match="commands"):
                store.get(wrong)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="neither"):
            store.bitcount("k", 1)
        with pytest.raises(ValueError, match="without a start"):
            store.bitpos("k", 1, end=1)
        with pytest.raises(TypeError, match="mapping"):
            store.mset([("a", 1)])  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="needs a value"):
            store.set("k", nx=True)  # type: ignore[call-overload]


def test_bitfields_are_lists_of_operations(real_redis: redis.Redis) -> None:
    results = []
    with kvcore.open() as store:
        for client in (store, real_redis):
            client.delete("field")
            field = client.bitfield("field", "SAT")
            results.append(field.set("u8", 0, 200).incrby("u8", 0, 100).get("u8", "#0").overflow("FAIL").execute())
            results.append(client.bitfield("field").incrby("u8", 0, 100, "FAIL").execute())
    assert results[:2] == results[2:] == [[0, 255, 255], [None]]
