"""redis-py's asyncio client, unmodified: the same ways to hold it, and fifty tasks at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from tests.oracle.servers import HOST, Server

Connect = Callable[..., Any]
TASKS = 50


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
async def connect(request: pytest.FixtureRequest, server: Server) -> AsyncIterator[Connect]:
    """Yield a function that makes clients of one protocol; all are closed after the test."""
    clients: list[redis.asyncio.Redis] = []

    def make(**options: Any) -> redis.asyncio.Redis:
        if "unix_socket_path" not in options:
            options = {"host": HOST, "port": server.port, **options}
        usual = {"protocol": request.param, "socket_timeout": 20, "retry": Retry(NoBackoff(), 1)}
        client = redis.asyncio.Redis(**{**usual, **options})
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.aclose()


async def next_message(pubsub: Any) -> dict[str, Any]:
    """Wait for the next message of a subscriber."""
    while (message := await pubsub.get_message(timeout=10)) is None:
        pass
    return dict(message)


async def test_fifty_tasks_of_every_kind_of_command(connect: Connect) -> None:
    client = connect(decode_responses=True)

    async def work(number: int) -> tuple[str, list[str], dict[str, str], float]:
        own = f"own:{number}"
        await client.set(own, number)
        for _ in range(20):
            await client.incr("shared")
        await client.rpush(f"l:{number}", *range(number % 5 + 1))
        await client.hset(f"h:{number}", mapping={"a": number})
        await client.zadd("z", {own: number})
        replies = await client.pipeline().get(own).lrange(f"l:{number}", 0, -1).hgetall(f"h:{number}").execute()
        return (*replies, await client.zscore("z", own))

    found = await asyncio.gather(*(work(number) for number in range(TASKS)))
    for number, (text, items, fields, score) in enumerate(found):
        assert (text, fields, score) == (str(number), {"a": str(number)}, float(number))
        assert items == [str(item) for item in range(number % 5 + 1)]
    assert await client.get("shared") == str(TASKS * 20)
    assert await client.zcard("z") == TASKS


async def test_fifty_waiting_pops_are_served_once_each(connect: Connect) -> None:
    client = connect()
    pops = [asyncio.create_task(client.blpop("queue", timeout=20)) for _ in range(TASKS)]
    while (await client.info("clients"))["blocked_clients"] < TASKS:
        await asyncio.sleep(0)
    await client.rpush("queue", *range(TASKS))
    found = await asyncio.gather(*pops)
    assert sorted(int(value) for _, value in found) == list(range(TASKS))
    assert await client.exists("queue") == 0


async def test_a_cancelled_pop_loses_nothing(connect: Connect) -> None:
    client, other = connect(), connect()
    while (await other.info("clients"))["blocked_clients"] > 0:  # those of the test before may still be leaving
        await asyncio.sleep(0)
    waiting = asyncio.create_task(client.blpop("queue", timeout=20))
    while (await other.info("clients"))["blocked_clients"] < 1:
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    while (await other.info("clients"))["blocked_clients"] > 0:
        await asyncio.sleep(0)
    await other.rpush("queue", "kept")
    assert await client.blpop("queue", timeout=20) is not None


async def test_watched_counter_under_contention(connect: Connect) -> None:
    client = connect()
    await client.set("n", 0)

    async def increment(pipeline: Any) -> None:
        value = int(await pipeline.get("n"))
        pipeline.multi()
        pipeline.set("n", value + 1)

    await asyncio.gather(*(client.transaction(increment, "n") for _ in range(TASKS)))
    assert await client.get("n") == b"%d" % TASKS


async def test_pubsub_to_fifty_subscribers(connect: Connect) -> None:
    client = connect(decode_responses=True)

    async def listen(number: int) -> list[tuple[str, str]]:
        async with client.pubsub(ignore_subscribe_messages=True) as subscriber:
            await subscriber.subscribe("all")
            await subscriber.psubscribe(f"own:{number}:*")
            seen = [await next_message(subscriber) for _ in range(3)]
            return [(message["channel"], message["data"]) for message in seen]

    listeners = [asyncio.create_task(listen(number)) for number in range(TASKS)]
    while await client.pubsub_numpat() < TASKS:
        await asyncio.sleep(0)
    assert await client.publish("all", "first") == TASKS
    for number in range(TASKS):
        assert await client.publish(f"own:{number}:x", number) == 1
    assert await client.publish("all", "last") == TASKS
    for number, seen in enumerate(await asyncio.gather(*listeners)):
        assert seen == [("all", "first"), (f"own:{number}:x", str(number)), ("all", "last")]


async def test_pipelines_and_errors(connect: Connect) -> None:
    client = connect()
    pipeline = client.pipeline(transaction=False)
    for number in range(2000):
        pipeline.set(f"k{number}", number).get(f"k{number}")
    assert (await pipeline.execute())[1::2] == [b"%d" % number for number in range(2000)]
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        await client.lpush("k1", 1)
    replies = await client.pipeline().set("s", "x").incr("s").execute(raise_on_error=False)
    assert replies[0] is True
    assert isinstance(replies[1], redis.ResponseError)


async def test_scan_iterator(connect: Connect) -> None:
    client = connect()
    await client.mset({f"key:{number}": number for number in range(1000)})
    found = {key async for key in client.scan_iter(match="key:*", count=50)}
    assert found == {f"key:{number}".encode() for number in range(1000)}


async def test_reconnects_after_client_kill(connect: Connect) -> None:
    client, other = connect(single_connection_client=True), connect()
    before = await client.client_id()
    assert await other.client_kill_filter(_id=before) == 1
    assert await client.set("k", "v")
    assert await client.client_id() > before


async def test_unix_socket(connect: Connect, unix_socket: str) -> None:
    client = connect(unix_socket_path=unix_socket, decode_responses=True)
    replies = await asyncio.gather(*(client.set(f"k{number}", number) for number in range(TASKS)))
    assert all(replies)
    assert (await client.client_info())["addr"] == f"{unix_socket}:0"
