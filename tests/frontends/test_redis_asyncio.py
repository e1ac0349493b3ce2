"""kvcore.aio.Redis: redis-py's asyncio client over a store in the process, bound to no event loop."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis
import redis.asyncio

import kvcore
import kvcore.aio
from kvcore.frontends.redis_asyncio import LocalConnection


@pytest.fixture(params=[2, 3])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[kvcore.aio.Redis]:
    client = kvcore.aio.Redis(protocol=request.param)
    yield client
    await client.aclose()


async def parked(store: kvcore.Store) -> None:
    """Wait until a client is blocked."""
    while not store.engine.blocking.count:
        await asyncio.sleep(0)


def test_it_is_a_redis_client() -> None:
    assert issubclass(kvcore.aio.Redis, redis.asyncio.Redis)


async def test_the_short_way_and_redis_pys_own_answer_alike(client: kvcore.aio.Redis) -> None:
    for answers in range(2):  # the first call connects, the others are short
        assert await client.set(f"k{answers}", "v") is True
        assert await client.hset(f"h{answers}", mapping={"a": 1}) == 1
        assert await client.hgetall(f"h{answers}") == {b"a": b"1"}
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            await client.lpush("k0", 1)
        with pytest.raises(redis.DataError):
            await client.set("k", None)


async def test_sync_and_async_clients_share_a_store() -> None:
    with kvcore.open() as store:
        await kvcore.aio.Redis(store=store).set("k", "v")
        assert kvcore.Redis(store=store).get("k") == b"v"
        assert await kvcore.aio.Redis(store=store, decode_responses=True).get("k") == "v"


async def test_urls_and_pools() -> None:
    one = kvcore.aio.Redis.from_url("memory://async-shared")
    two = kvcore.aio.Redis.from_url("memory://async-shared/0?decode_responses=yes")
    await one.set("k", "v")
    assert await two.get("k") == "v"
    for pool in (
        kvcore.aio.ConnectionPool.from_url("memory://async-shared"),
        kvcore.aio.BlockingConnectionPool.from_url("memory://async-shared"),
        redis.asyncio.ConnectionPool(connection_class=LocalConnection, store="memory://async-shared"),
    ):
        for kind in (kvcore.aio.Redis, redis.asyncio.Redis):
            assert await kind(connection_pool=pool).get("k") == b"v"
            assert await kind(connection_pool=pool).get("k") == b"v"
        await pool.disconnect()


async def test_transactions_watch(client: kvcore.aio.Redis) -> None:
    async with client.pipeline() as pipeline:
        await pipeline.watch("k")
        await client.set("k", "changed")
        pipeline.multi()
        pipeline.set("k", "lost")
        with pytest.raises(redis.WatchError):
            await pipeline.execute()
    pipeline = client.pipeline()
    pipeline.get("k").incr("n")
    assert await pipeline.execute() == [b"changed", 1]


async def test_locks_and_scripts(client: kvcore.aio.Redis) -> None:
    async with client.lock("name", timeout=10):
        assert not await client.lock("name", timeout=10).acquire(blocking=False)
    script = client.register_script("return redis.call('INCR', KEYS[1])")
    assert [await script(keys=["n"]), await script(keys=["n"])] == [1, 2]


async def test_a_blocked_pop_gets_what_another_task_pushes(client: kvcore.aio.Redis) -> None:
    waiting = asyncio.create_task(client.blpop("q", timeout=10))
    await parked(client.server.store)
    await client.rpush("q", "v")
    assert list(await waiting) == [b"q", b"v"]
    assert await client.blpop("q", timeout=0.01) is None


async def test_a_blocked_pop_gets_what_another_thread_pushes(client: kvcore.aio.Redis) -> None:
    store = client.server.store
    waiting = asyncio.create_task(client.blpop("q", timeout=10))
    await parked(store)
    await asyncio.to_thread(store.execute, "RPUSH", "q", "v")
    assert list(await waiting) == [b"q", b"v"]


async def test_a_cancelled_pop_swallows_nothing(client: kvcore.aio.Redis) -> None:
    waiting = asyncio.create_task(client.blpop("q", timeout=10))
    await parked(client.server.store)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await client.rpush("q", "kept")
    assert await client.lrange("q", 0, -1) == [b"kept"]


async def test_a_pop_that_is_served_and_then_cancelled_returns_what_it_took(client: kvcore.aio.Redis) -> None:
    waiting = asyncio.create_task(client.blpop("q", timeout=10))
    await parked(client.server.store)
    client.server.store.execute("RPUSH", "q", "v")
    waiting.cancel()
    assert list(await waiting) == [b"q", b"v"]
    assert await client.llen("q") == 0


async def test_a_time_out_around_it_swallows_nothing(client: kvcore.aio.Redis) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await client.blpop("q", timeout=0)
    await client.rpush("q", "kept")
    assert await client.lrange("q", 0, -1) == [b"kept"]


async def test_socket_timeout_is_redis_pys_time_out() -> None:
    client = kvcore.aio.Redis(socket_timeout=0.02)
    with pytest.raises(redis.TimeoutError):
        await client.blpop("q", timeout=10)
    with pytest.raises(redis.TimeoutError):
        await client.pipeline(transaction=False).blpop("q", timeout=10).execute()
    await client.rpush("q", "kept")
    assert await client.lrange("q", 0, -1) == [b"kept"]


async def test_messages_come(client: kvcore.aio.Redis) -> None:
    pubsub = client.pubsub()
    await pubsub.subscribe("news")
    await pubsub.psubscribe("n*")
    kinds = [(await pubsub.get_message(timeout=1))["type"] for _ in range(2)]
    assert await pubsub.get_message(timeout=0.01) is None
    await client.publish("news", "hello")
    kinds += [(await pubsub.get_message(timeout=1))["type"] for _ in range(2)]
    assert kinds == ["subscribe", "psubscribe", "message", "pmessage"]
    await pubsub.unsubscribe()
    await pubsub.punsubscribe()
    await pubsub.connection.disconnect()


async def test_a_listener_waits_for_messages(client: kvcore.aio.Redis) -> None:
    pubsub = client.pubsub(ignore_subscribe_messages=True)
    await pubsub.subscribe("news")

    async def hear() -> Any:
        async for message in pubsub.listen():
            return message["data"]
        return None

    listening = asyncio.create_task(hear())
    while not await client.publish("news", "hello"):
        await asyncio.sleep(0)
    assert await asyncio.wait_for(listening, 5) == b"hello"
    await pubsub.connection.disconnect()


async def test_monitor_shows_commands(client: kvcore.aio.Redis) -> None:
    await client.get("connected")
    async with client.monitor() as monitor:
        await client.set("k", "v")
        while True:
            seen = await monitor.next_command()
            if seen["command"] == "SET k v":
                break


async def test_a_killed_or_closed_session_says_so() -> None:
    store = kvcore.open()
    client = kvcore.aio.Redis(store=store)
    await client.set("k", "v")
    for link in list(client.server.links):
        link.close("killed")
    assert await client.get("k") == b"v"
    store.close()
    with pytest.raises(redis.ConnectionError, match="the store is closed"):
        await client.get("k")


def test_one_client_serves_one_event_loop_after_another() -> None:
    client = kvcore.aio.Redis()

    async def use() -> int:
        await asyncio.gather(*(client.incr("n") for _ in range(20)))
        await asyncio.gather(*(client.pipeline().incr("n").execute() for _ in range(20)))
        waiting = [asyncio.create_task(client.blpop("q", timeout=10)) for _ in range(3)]
        await parked(client.server.store)
        while client.server.store.engine.blocking.count < 3:
            await asyncio.sleep(0)
        await client.rpush("q", 1, 2, 3)
        await asyncio.gather(*waiting)
        return int(await client.get("n"))

    assert [asyncio.run(use()) for _ in range(3)] == [40, 80, 120]


def test_one_client_serves_loops_in_several_threads_at_once() -> None:
    client = kvcore.aio.Redis()

    async def use() -> None:
        for _ in range(100):
            await asyncio.gather(client.incr("n"), client.pipeline().incr("n").execute())

    threads = [threading.Thread(target=lambda: asyncio.run(use())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert asyncio.run(_get(client, "n")) == b"800"


async def _get(client: kvcore.aio.Redis, key: str) -> Any:
    return await client.get(key)


def test_an_element_is_not_lost_to_a_loop_that_is_gone() -> None:
    client = kvcore.aio.Redis()

    async def wait_for_ever() -> None:
        client.task = asyncio.create_task(client.blpop("q", timeout=0))
        await parked(client.server.store)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(wait_for_ever())
    loop.close()  # with the task in the middle of its wait
    client.server.store.execute("RPUSH", "q", "kept")
    assert client.server.store.execute("LRANGE", "q", 0, -1) == [b"kept"]
    client.task._log_destroy_pending = False
    del client.task
    gc.collect()


async def test_waiting_costs_no_processor_time(client: kvcore.aio.Redis) -> None:
    pubsub = client.pubsub()
    await pubsub.subscribe("news")
    await pubsub.get_message(timeout=1)
    waiting = asyncio.create_task(client.blpop("q", timeout=0))
    turns = []
    loop: Any = asyncio.get_running_loop()
    original = loop._run_once
    loop._run_once = lambda: (turns.append(1), original())
    assert await pubsub.get_message(timeout=0.3) is None
    assert len(turns) < 20
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await pubsub.connection.disconnect()


@pytest.mark.filterwarnings("error")
def test_a_client_that_is_left_open_leaves_nothing_behind() -> None:
    async def use() -> None:
        client = kvcore.aio.Redis()
        await client.set("k", "v")

    asyncio.run(use())
    gc.collect()
