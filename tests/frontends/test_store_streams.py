"""Methods for streams and groups, beside redis-py's on the real server."""

from __future__ import annotations

import pytest
import redis

import kvcore
from tests.frontends.comparison import Call, differences, kw

CALLS: list[Call] = [
    ("xadd", "s", {"f": "v"}, "1-1"),
    ("xadd", "s", {"f": "v", "g": 2}, "1-2"),
    ("xadd", "s", {"f": 3}, "2-0"),
    ("xadd", "s", {"f": 3}, "1-0"),
    ("xadd", "none", {"f": 1}, kw(nomkstream=True)),
    ("xlen", "s"),
    ("xrange", "s"),
    ("xrange", "s", "1-2", "+", 1),
    ("xrevrange", "s"),
    ("xrevrange", "s", kw(count=1)),
    ("xrange", "none"),
    ("xread", {"s": "0"}),
    ("xread", {"s": "1-1"}, 1),
    ("xread", {"s": "$"}),
    ("xread", {"s": "$"}, kw(block=10)),
    ("xgroup_create", "s", "g", "0"),
    ("xgroup_create", "s", "g", "0"),
    ("xgroup_create", "new", "g", kw(mkstream=True)),
    ("xgroup_createconsumer", "s", "g", "c0"),
    ("xreadgroup", "g", "c1", {"s": ">"}, 2),
    ("xreadgroup", "g", "c1", {"s": "0"}),
    ("xreadgroup", "g", "c1", {"s": ">"}, kw(noack=True)),
    ("xreadgroup", "g", "c1", {"s": ">"}),
    ("xpending", "s", "g"),
    ("xpending", "new", "g"),
    ("xack", "s", "g", "1-1"),
    ("xack", "s", "g", "9-9"),
    ("xclaim", "s", "g", "c2", 0, ["1-2"]),
    ("xclaim", "s", "g", "c2", 0, ["1-2"], kw(justid=True)),
    ("xautoclaim", "s", "g", "c3", 0),
    ("xautoclaim", "s", "g", "c3", 0, kw(justid=True)),
    ("xdel", "s", "1-2", "9-9"),
    ("xgroup_setid", "s", "g", "0"),
    ("xgroup_delconsumer", "s", "g", "c3"),
    ("xinfo_groups", "s"),
    ("xinfo_stream", "s"),
    ("xgroup_destroy", "s", "g"),
    ("xgroup_destroy", "s", "g"),
    ("xtrim", "s", 1, False),
    ("xadd", "s", {"f": 1}, "5-0", kw(maxlen=1, approximate=False)),
    ("xadd", "s", {"f": 1}, "6-0", kw(minid="6-0", approximate=False)),
    ("xtrim", "s", kw(minid="7-0", approximate=False)),
    ("xreadgroup", "none", "c", {"s": ">"}),
    ("set", "x", 1),
    ("xadd", "x", {"f": 1}),
]


def test_calls_return_what_redis_py_returns(real_redis: redis.Redis) -> None:
    with kvcore.open() as store:
        assert differences(store, real_redis, CALLS) == []


def test_arguments_that_contradict_each_other() -> None:
    with kvcore.open() as store:
        with pytest.raises(ValueError, match="both"):
            store.xadd("s", {"f": 1}, maxlen=1, minid="1")
        with pytest.raises(ValueError, match="field"):
            store.xadd("s", {})
        with pytest.raises(ValueError, match="needs"):
            store.xtrim("s")
        with pytest.raises(TypeError, match="mapping"):
            store.xread({})


def test_who_has_what_pending() -> None:
    with kvcore.open() as store:
        store.xadd("s", {"f": 1}, "1-1")
        store.xgroup_create("s", "g", "0")
        store.xreadgroup("g", "c", {"s": ">"})
        (entry,) = store.xpending_range("s", "g", "-", "+", 10, "c", 0)
        assert (entry["message_id"], entry["consumer"], entry["times_delivered"]) == (b"1-1", b"c", 1)
        (consumer,) = store.xinfo_consumers("s", "g")
        assert (consumer["name"], consumer["pending"]) == (b"c", 1)
        assert store.xinfo_stream("s", full=True)["entries"] == [(b"1-1", {b"f": b"1"})]
