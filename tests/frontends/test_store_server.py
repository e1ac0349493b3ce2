"""Methods for scripts, publishing and the store itself, beside redis-py's on the real server."""

from __future__ import annotations

import pytest
import redis

import kvcore
import kvcore.aio
from kvcore.frontends.store_server import _as_commands
from tests.frontends.comparison import Call, differences, kw

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
    ("command_getkeys", "MSET", "a", "1", "b", "2"),
    ("command_getkeys", "PING"),
    ("command_list", kw(pattern="xad*")),
    ("command_list", kw(category="nosuch")),
    ("command_list", kw(module="nosuch")),
    ("function_kill",),
    ("config_rewrite",),
    ("latency_history", "x"),
    ("latency_latest",),
    ("latency_reset",),
    ("latency_reset", "x"),
    ("lolwut",),
    ("memory_purge",),
    ("module_list",),
    ("role",),
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


def test_facts_about_commands_are_redis_pys(real_redis: redis.Redis) -> None:
    with kvcore.open() as store:
        ours, theirs = store.command(), real_redis.command()
        same = ("name", "flags", "first_key_pos", "last_key_pos", "step_count", "acl_categories")
        newer = {"persist", "pttl", "ttl", "zrank", "zrevrank"}  # they take more
        for name in ours.keys() & theirs.keys():
            facts = {part: theirs[name][part] for part in same}
            assert {part: ours[name][part] for part in same} == facts
            assert name in newer or ours[name]["arity"] == theirs[name]["arity"]
        assert list(store.command_info("get", "nosuch", "set")) == ["get", "set"]
        assert list(store.command_docs("get")) == ["get"]
        assert store.command_getkeysandflags("GET", "a") == [[b"a", ["RO", "access"]]]
        assert store.command_getkeys("GET", b"\xff") == ["\ufffd"]


@pytest.mark.parametrize("decode", [False, True])
def test_reports_are_text(decode: bool) -> None:
    with kvcore.open(decode_responses=decode, enable_debug_command="local") as store:
        store.set("k", "v")
        assert store.debug_object("k")["encoding"] == "embstr"
        assert store.debug_object("k")["refcount"] == 1
        assert "latency" in store.latency_doctor()
        assert isinstance(store.memory_doctor(), str)
        assert store.memory_help()[0].startswith("MEMORY")
        assert list(store.latency_histogram("set")) == ["set"]
        store.config_set("latency-monitor-threshold", 1)
        with pytest.raises(kvcore.CommandError, match="No samples"):
            store.latency_graph("command")
        assert store.waitaof(0, 0, 0) == [0, 0]
        assert store.lolwut(5, 1, 1, 1) != store.lolwut()


def test_a_decoding_store_decodes_texts_that_are_verbatim() -> None:
    with kvcore.open(decode_responses=True) as store:
        assert store.execute("INFO", "server").startswith("# Server")
        assert store.execute("CLIENT", "INFO").startswith("id=")
        assert isinstance(store.memory_malloc_stats(), str)
        with store.pipeline() as pipe:
            pipe.execute_command("INFO", "server").execute_command("CLIENT", "LIST").lolwut()
            assert all(isinstance(text, str) for text in pipe.execute())
        assert store.info("server")["redis_version"].startswith("7.")
    with kvcore.open() as store:
        assert store.execute("INFO", "server").startswith(b"# Server")
        with store.pipeline() as pipe:
            assert pipe.execute_command("LOLWUT").execute() == [store.lolwut()]


def test_messages_are_decoded_as_other_replies() -> None:
    for decode, text in ((False, str.encode), (True, str)):
        with kvcore.open(decode_responses=decode) as store:
            assert store.execute("SUBSCRIBE", "c") is None
            store.publish("c", "\u00e9")
            assert store.messages() == [[text("subscribe"), text("c"), 1], [text("message"), text("c"), text("\u00e9")]]


async def test_messages_of_coroutines_are_decoded() -> None:
    async with kvcore.aio.open(decode_responses=True) as store:
        await store.execute("SUBSCRIBE", "c")
        await store.publish("c", "m")
        assert store.messages() == [["subscribe", "c", 1], ["message", "c", "m"]]
        assert (await store.execute("INFO", "server")).startswith("# Server")


def test_commands_of_a_server_older_than_redis_7() -> None:
    """It says seven things of each."""
    found = _as_commands([[b"get", 2, [b"readonly"], 1, 1, 1, [b"@read"]], None])
    assert found["get"]["acl_categories"] == ["@read"]
    assert "tips" not in found["get"]
