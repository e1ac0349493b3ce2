"""redis-py's client-side cache: it keeps what it read, and drops it when the server says that it changed.

redis-py wants Redis 7.4 for this, though all it sends is there since 6.0; the tests lower that bar, and run against the
real 7.0 as well, so that nothing is asked of kvcore that the real server does not do.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from redis.cache import CacheConfig, CacheKey
from redis.connection import CacheProxyConnection

from tests.oracle.servers import HOST, Server
from tests.waiting import until


@pytest.fixture(params=["kvcore", "oracle"])
def port(request: pytest.FixtureRequest, server: Server, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return the port of a server; the real one is here to hold the tests themselves to account."""
    monkeypatch.setattr(CacheProxyConnection, "MIN_ALLOWED_VERSION", "7.0.0")
    if request.param == "kvcore":
        return server.port
    oracle: Server = request.getfixturevalue("oracle")
    return oracle.port


@pytest.fixture
def cached(port: int) -> Iterator[redis.Redis]:
    client = redis.Redis(host=HOST, port=port, protocol=3, cache_config=CacheConfig(), decode_responses=True)
    yield client
    client.close()


@pytest.fixture
def plain(port: int) -> Iterator[redis.Redis]:
    client = redis.Redis(host=HOST, port=port, decode_responses=True)
    yield client
    client.close()


def holds(client: redis.Redis, name: str, *keys: str) -> bool:
    """Say whether the client's cache has an answer to a command."""
    cache = client.get_cache()
    assert cache is not None
    key = CacheKey(command=name, redis_keys=keys, redis_args=(name, *keys))
    return cache.get(key) is not None


def commands_processed(client: redis.Redis, name: str) -> int:
    """Return how often the server ran a command."""
    calls: int = client.info("commandstats").get(f"cmdstat_{name}", {}).get("calls", 0)
    return calls


def test_a_cached_answer_never_reaches_the_server(cached: redis.Redis, plain: redis.Redis) -> None:
    plain.set("k", "1")
    assert cached.get("k") == "1"
    before = commands_processed(plain, "get")
    for _ in range(10):
        assert cached.get("k") == "1"
    assert commands_processed(plain, "get") == before
    assert holds(cached, "GET", "k")


def await_value(client: redis.Redis, key: str, value: str | None) -> None:
    """Return once the cached client answers ``value``: an invalidation is on its way for a moment."""
    until(f"{key} is {value}", lambda: client.get(key) == value)


def test_changes_by_others_arrive(cached: redis.Redis, plain: redis.Redis) -> None:
    plain.set("k", "1")
    assert cached.get("k") == "1"
    plain.set("k", "2")
    await_value(cached, "k", "2")
    plain.delete("k")
    await_value(cached, "k", None)
    plain.set("k", "3", px=50)
    await_value(cached, "k", "3")
    await_value(cached, "k", None)
    plain.set("k", "4")
    await_value(cached, "k", "4")
    plain.flushall()
    await_value(cached, "k", None)


def test_own_changes_drop_what_is_cached(cached: redis.Redis) -> None:
    for number in range(20):
        cached.set("k", str(number))
        await_value(cached, "k", str(number))


def test_answers_of_several_keys(cached: redis.Redis, plain: redis.Redis) -> None:
    plain.mset({"a": "1", "b": "2"})
    assert cached.mget("a", "b") == ["1", "2"]
    assert holds(cached, "MGET", "a", "b")
    plain.set("b", "3")
    until("the change of b arrives", lambda: cached.mget("a", "b") == ["1", "3"])
