"""patch_redis(): redis-py itself goes in process, whoever made its clients, and comes back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis
import redis.asyncio
from redis import Redis as ImportedEarlier

import kvcore
from kvcore.frontends.redis_patch import OVER
from tests.oracle.servers import HOST, Server, find_oracle, start_oracle

MADE_EARLIER = redis.Redis(host="nowhere.invalid", port=1)
POOL_MADE_EARLIER = redis.ConnectionPool.from_url("redis://nowhere.invalid:1/0")


def patched_names() -> list[object]:
    pools = (redis.ConnectionPool, redis.BlockingConnectionPool)
    async_pools = (redis.asyncio.ConnectionPool, redis.asyncio.BlockingConnectionPool)
    names = ("make_connection", "get_connection")
    return [vars(pool).get(name) for pool in (*pools, *async_pools) for name in names]


@pytest.fixture(autouse=True)
def everything_is_put_back() -> Iterator[None]:
    before = patched_names()
    yield
    assert patched_names() == before


def test_constructors_urls_and_pools_go_in_process() -> None:
    with kvcore.patch_redis() as store:
        store.set("k", "v")
        clients = (
            redis.Redis(),
            redis.StrictRedis(host="nowhere.invalid", port=1, password="secret", username="app"),
            redis.Redis(unix_socket_path="/nowhere"),
            redis.Redis(ssl=True),
            redis.from_url("rediss://user:pw@nowhere.invalid:6380/0"),
            redis.Redis.from_url("unix:///nowhere?db=0"),
            redis.Redis(connection_pool=redis.BlockingConnectionPool(host="nowhere.invalid")),
            redis.Redis(connection_pool=POOL_MADE_EARLIER),
            ImportedEarlier(single_connection_client=True),
            MADE_EARLIER,
        )
        for number, client in enumerate(clients, 1):
            assert client.get("k") == b"v"
            assert client.pipeline().incr("n").execute() == [number]
        assert redis.from_url("redis://h/5").set("five", 1)
        assert store.get("five") is None


async def test_asyncio_goes_in_process_too() -> None:
    with kvcore.patch_redis() as store:
        store.set("k", "v")
        for client in (
            redis.asyncio.Redis(host="nowhere.invalid"),
            redis.asyncio.from_url("redis://nowhere.invalid/0"),
            redis.asyncio.Redis(connection_pool=redis.asyncio.BlockingConnectionPool(host="nowhere.invalid")),
        ):
            assert await client.get("k") == b"v"
            pubsub = client.pubsub()
            await pubsub.subscribe("c")
            assert (await pubsub.get_message(timeout=1))["type"] == "subscribe"
            await pubsub.connection.disconnect()


def test_a_block_has_a_store_of_its_own_or_the_one_it_is_given() -> None:
    client = redis.Redis()
    with kvcore.patch_redis():
        client.set("k", "v")
    with kvcore.patch_redis():
        assert client.get("k") is None
    with kvcore.open() as own:
        with kvcore.patch_redis(own):
            client.set("k", "mine")
        assert own.get("k") == b"mine"


def test_blocks_nest() -> None:
    client = redis.Redis()
    with kvcore.patch_redis():
        client.set("k", "outer")
        with kvcore.patch_redis():
            assert client.get("k") is None


def test_everything_comes_back_after_an_exception() -> None:
    client = redis.Redis(host=HOST, port=1, retry=None)

    def fail() -> None:
        with kvcore.patch_redis():
            client.set("k", "v")
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fail()
    with pytest.raises(redis.ConnectionError):
        client.get("k")


def test_a_held_connection_says_that_the_block_is_over() -> None:
    with kvcore.patch_redis():
        client = redis.Redis(single_connection_client=True, retry=None)
        client.set("k", "v")
    with pytest.raises(redis.ConnectionError, match=OVER.replace("(", r"\(").replace(")", r"\)")):
        client.get("k")


def test_clients_of_stores_are_left_alone() -> None:
    own = kvcore.Redis()
    own.set("k", "mine")
    with kvcore.patch_redis():
        assert own.get("k") == b"mine"
        assert kvcore.Redis().get("k") is None


def test_what_needs_a_descriptor_is_told_to_use_a_server() -> None:
    with kvcore.patch_redis():
        client = redis.Redis(single_connection_client=True)
        with pytest.raises(OSError, match="kvcore_server"):
            client.connection._sock.fileno()


@pytest.fixture
def real() -> Iterator[Server]:
    binary = find_oracle()
    if binary is None:
        pytest.skip("redis-server is not installed")
    server = start_oracle(binary)
    yield server
    server.stop()


def test_a_client_that_was_connected_comes_and_goes(real: Server) -> None:
    client: Any = redis.Redis(HOST, real.port)
    client.set("k", "real")
    with kvcore.patch_redis():
        assert client.get("k") is None
        client.set("k", "local")
    assert client.get("k") == b"real"
    client.close()
