"""Methods for scripts, publishing and the store itself, beside redis-py's on the real server."""

from __future__ import annotations

import redis

import kvcore
from tests.frontends.comparison import Call, differences

CALLS: list[Call] = [
    ("ping",),
    ("echo", "x"),
    ("dbsize",),
    ("set", "a", 1),
    ("dbsize",),
    ("select", 1),
    ("dbsize",),
    ("select", 0),
    ("swapdb", 0, 1),
    ("dbsize",),
    ("swapdb", 0, 1),
    ("flushdb",),
    ("dbsize",),
    ("flushall", True),
    ("publish", "c", "m"),
    ("pubsub_channels",),
    ("pubsub_numpat",),
    ("pubsub_numsub", "a", "b"),
    ("config_get", "maxmemory-policy"),
    ("config_get", "databases", "hz"),
    ("config_set", "hz", 11),
    ("config_set", "nosuch", 1),
    ("config_resetstat",),
    ("client_getname",),
    ("client_setname", "me"),
    ("client_getname",),
    ("client_unblock", 99),
    ("slowlog_reset",),
    ("wait", 0, 1),
    ("eval", "return {KEYS[1],ARGV[1],redis.call('GET',KEYS[1])}", 1, "k", "v"),
    ("eval", "return redis.error_reply('MY error')", 0),
    ("eval_ro", "return 1", 0),
    ("script_load", "return 7"),
    ("evalsha", "4ca238f611c9d0ae4e9a75a5dbac22aedc1e4477", 0),
    ("evalsha", "ffffffffffffffffffffffffffffffffffffffff", 0),
    ("script_exists", "ffffffffffffffffffffffffffffffffffffffff"),
    ("script_flush",),
    ("function_load", "#!lua name=lib\nredis.register_function('f', function(keys, args) return args[1] end)"),
    ("fcall", "f", 0, "x"),
    ("function_delete", "lib"),
    ("function_flush",),
    ("select", 99),
]


def test_calls_return_what_redis_py_returns(real_redis: redis.Redis) -> None:
    with kvcore.open() as store:
        assert differences(store, real_redis, CALLS) == []


def test_facts_come_as_python_values() -> None:
    with kvcore.open() as store:
        store.set("a", 1)
        facts = store.info()
        assert facts["db0"]["keys"] == 1
        assert isinstance(facts["uptime_in_seconds"], int)
        assert set(store.info("keyspace")) == {"db0"}
        assert store.client_info()["db"] == "0"
        assert [client["name"] for client in store.client_list()] == [""]
        assert store.client_id() > 0
        assert store.memory_usage("a")
        assert store.memory_usage("none") is None
        assert store.memory_stats()["keys.count"] == 1
        seconds, microseconds = store.time()
        assert seconds > 1_700_000_000
        assert 0 <= microseconds < 1_000_000
        assert store.command_count() > 200
        assert store.lastsave().year >= 2024
        store.config_set("slowlog-log-slower-than", 0)
        store.echo("slow")
        assert b"ECHO slow" in [entry["command"] for entry in store.slowlog_get()]
        assert store.slowlog_len() >= 1
