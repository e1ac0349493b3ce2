"""What users of fakeredis complained about most: a test each that shows that kvcore does not have it.

The rows are those about in-process clients; what was said about its TCP server is the servers' tests' business, and
"every release of redis-py breaks it" that of tests/clients/test_redis_py_in_process.py, which runs with the oldest
and the newest.
"""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from typing import Any

import pytest
import redis

import kvcore
import kvcore.aio
from kvcore.clock import ManualClock
from kvcore.frontends.inprocess import Store
from kvcore.testing import FakeAsyncRedis, FakeRedis, FakeServer


async def parked(store: kvcore.Store, count: int = 1) -> None:
    while store.engine.blocking.count < count:
        await asyncio.sleep(0)


# A missing command breaks a framework on upgrade


def test_client_list_and_info_are_what_frameworks_parse() -> None:
    client = FakeRedis(client_name="rq-worker")
    (entry,) = client.client_list()
    assert entry["name"] == "rq-worker"
    assert {"id", "addr", "age", "idle", "flags", "db", "cmd", "user", "resp"} <= entry.keys()
    assert client.client_info()["name"] == "rq-worker"
    info = client.info()
    assert info["redis_version"].split(".")[0] == "7"
    assert {"used_memory", "connected_clients", "uptime_in_seconds", "role"} <= info.keys()


def test_commands_that_it_lacks_are_there() -> None:
    client = FakeRedis()
    client.set("k", "v")
    assert client.object("encoding", "k") == b"embstr"
    assert client.touch("k") == 1
    assert client.memory_usage("k") > 0
    assert client.slowlog_get() is not None
    assert client.command_count() > 200
    assert client.config_get("maxmemory")["maxmemory"] == "0"
    assert client.execute_command("LOLWUT")
    with pytest.raises(redis.ResponseError, match=r"wrong number of arguments for 'config' command"):
        client.execute_command("CONFIG")


# Blocking calls do not block, or hang after cancel


def test_a_blocking_pop_blocks_and_is_served() -> None:
    server = FakeServer()
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(FakeRedis(server=server).blpop("q", timeout=10)))
    thread.start()
    while not server.store.engine.blocking.count:
        os.sched_yield()
    assert not found
    FakeRedis(server=server).rpush("q", "v")
    thread.join(10)
    assert list(found[0]) == [b"q", b"v"]


def test_blocked_clients_are_served_in_their_order() -> None:
    server = FakeServer()
    order: list[tuple[int, int]] = []
    threads = []
    for number in range(4):

        def wait(number: int = number) -> None:
            client = FakeRedis(server=server)
            found = client.blpop("q", timeout=10)
            order.append((number, int(found[1])))

        thread = threading.Thread(target=wait)
        thread.start()
        threads.append(thread)
        while server.store.engine.blocking.count <= number:
            os.sched_yield()
    FakeRedis(server=server).rpush("q", 0, 1, 2, 3)
    for thread in threads:
        thread.join(10)
    assert sorted(order) == [(0, 0), (1, 1), (2, 2), (3, 3)]


async def test_a_cancelled_wait_neither_hangs_nor_takes() -> None:
    client = FakeAsyncRedis()
    for command in (client.blpop("q"), client.bzpopmin("q"), client.brpop("q"), client.xread({"s": "$"}, block=0)):
        task = asyncio.ensure_future(command)
        await parked(client.server.store)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert client.server.store.engine.blocking.count == 0
    await client.rpush("q", "v")
    assert await client.llen("q") == 1


# asyncio: bound to another loop, busy loop at 100 % CPU


def test_a_client_outlives_its_event_loop() -> None:
    client = FakeAsyncRedis()

    async def use() -> Any:
        pubsub = client.pubsub()
        await pubsub.subscribe("c")
        await pubsub.get_message(timeout=1)
        await pubsub.connection.disconnect()
        return (await asyncio.gather(*(client.incr("n") for _ in range(10))))[-1]

    assert [asyncio.run(use()) for _ in range(3)] == [10, 20, 30]


async def test_a_waiting_client_does_not_turn_the_loop() -> None:
    client = FakeAsyncRedis()
    task = asyncio.create_task(client.blpop("q"))
    await parked(client.server.store)
    loop: Any = asyncio.get_running_loop()
    turns: list[int] = []
    original = loop._run_once
    loop._run_once = lambda: (turns.append(1), original())
    await asyncio.sleep(0.2)
    assert len(turns) < 10
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


# State shared or not shared between clients


def test_equal_arguments_share_nothing_and_one_server_everything() -> None:
    one, two = FakeRedis(host="localhost", port=6379), FakeRedis(host="localhost", port=6379)
    one.set("k", "v")
    assert two.get("k") is None
    server = FakeServer()
    FakeRedis(server=server).set("k", "v")
    assert FakeRedis(server=server).get("k") == b"v"


# Lua: version, cjson/cmsgpack, globals, leaks


def test_scripts_have_redis_lua() -> None:
    client = FakeRedis()
    assert client.eval("return _VERSION", 0) == b"Lua 5.1"
    assert client.eval("return cjson.encode(cjson.decode(ARGV[1]))", 0, '{"a":[1,2]}') == b'{"a":[1,2]}'
    assert client.eval("return cmsgpack.unpack(cmsgpack.pack(ARGV[1]))", 0, "v") == b"v"
    assert client.eval("return {1, {2, {3}}}", 0) == [1, [2, [3]]]
    client.rpush("l", 1, 2, 3)
    assert client.eval("local t = redis.call('LRANGE', 'l', 0, -1) return #t .. type(t)", 0) == b"3table"
    with pytest.raises(redis.ResponseError, match="readonly table"):
        client.eval("x = 1", 0)
    for forbidden in ("io", "os.execute", "python", "require", "debug"):
        with pytest.raises(redis.ResponseError):
            client.eval(f"return {forbidden}.x", 0)


def test_scripts_do_not_leak() -> None:
    client = FakeRedis()
    script = client.register_script("return redis.call('GET', KEYS[1])")
    for _ in range(50):
        script(keys=["k"])
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(500):
        script(keys=["k"])
    gc.collect()
    assert len(gc.get_objects()) - before < 200


# Time travel for TTLs


def test_time_can_be_moved() -> None:
    clock = ManualClock()
    with Store(clock=clock) as store:
        client = FakeRedis(server=store)
        client.set("k", "v", ex=60)
        assert client.ttl("k") == 60
        clock.advance(59_000)
        assert client.ttl("k") == 1
        clock.advance(1_000)
        assert client.get("k") is None


# Not real enough


def test_it_is_as_real_as_the_server() -> None:
    client = FakeRedis()
    client.pfadd("hll", "a", "b")
    assert client.type("hll") == b"string"
    assert client.get("hll").startswith(b"HYLL")
    client.set("n", "3.0e3")
    assert client.incrbyfloat("n", "200") == 3200
    client.incrbyfloat("long", "0.1")
    client.incrbyfloat("long", "0.2")
    assert client.get("long") == b"0.3"  # 80 bits, where a double is off
    dumped = client.dump("n")
    assert not dumped.startswith(b"\x80")  # no pickle
    with pytest.raises(redis.ResponseError, match="DUMP payload version or checksum are wrong"):
        client.restore("bad", 0, b"cos\nsystem\n(S'true'\ntR.")
    second = kvcore.Redis(store=client.server, single_connection_client=True)
    assert len({entry["addr"] for entry in second.client_list()}) == 2


def test_client_pause_pauses() -> None:
    server = FakeServer()
    client = FakeRedis(server=server, socket_timeout=0.05)
    client.client_pause(60_000)
    with pytest.raises(redis.TimeoutError):
        client.set("k", "v")
    with server.store.mutex:
        server.store.engine.unpause()
    assert client.get("k") is None


# It cannot be injected: the library builds its own client


def test_a_library_that_builds_its_own_client_goes_in_process() -> None:
    def library() -> Any:
        return redis.Redis.from_url("redis://production:6379/0").incr("visits")

    with kvcore.patch_redis() as store:
        assert library() == 1
        assert store.get("visits") == b"1"
