"""Web caches on kvcore: Flask-Caching, aiocache and fastapi-cache2."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

flask = pytest.importorskip("flask")
pytest.importorskip("flask_caching")
aiocache = pytest.importorskip("aiocache")
fastapi = pytest.importorskip("fastapi")
pytest.importorskip("fastapi_cache")
httpx = pytest.importorskip("httpx")

from aiocache import Cache, cached, multi_cached
from aiocache.lock import OptimisticLock, OptimisticLockError, RedLock
from aiocache.serializers import JsonSerializer, PickleSerializer
from fastapi_cache import FastAPICache
from fastapi_cache.backends.redis import RedisBackend
from fastapi_cache.decorator import cache
from flask_caching import Cache as FlaskCache
from redis.asyncio import Redis

from tests.integration.conftest import Endpoint
from tests.waiting import until, until_async


@pytest.fixture
def web(endpoint: Endpoint) -> tuple[Any, FlaskCache]:
    """Return a Flask application and its cache."""
    app = flask.Flask("integration")
    settings = {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": endpoint.url(), "CACHE_KEY_PREFIX": "site:"}
    return app, FlaskCache(app, config=settings)


def test_flask_caching_views_and_memoized_functions(web: tuple[Any, FlaskCache]) -> None:
    app, store = web
    calls: list[object] = []

    @app.route("/page")
    @store.cached(timeout=60, query_string=True)
    def page() -> str:
        calls.append("page")
        return f"rendering {len(calls)} of {flask.request.args.get('q')}"

    client = app.test_client()
    assert [client.get("/page?q=1").text for _ in range(3)] == ["rendering 1 of 1"] * 3
    assert client.get("/page?q=2").text == "rendering 2 of 2"

    @store.memoize(60)
    def square(n: int) -> int:
        calls.append(n)
        return n * n

    with app.app_context():
        calls.clear()
        assert [square(n) for n in (2, 3, 2, 3)] == [4, 9, 4, 9]
        assert calls == [2, 3]
        store.delete_memoized(square, 2)
        assert [square(n) for n in (2, 3)] == [4, 9]
        store.delete_memoized(square)
        assert [square(n) for n in (2, 3)] == [4, 9]
    assert calls == [2, 3, 2, 2, 3]


def test_flask_caching_values(web: tuple[Any, FlaskCache], endpoint: Endpoint) -> None:
    app, store = web
    with app.app_context():
        assert store.set("k", {"a": [1, 2]}, timeout=1)
        assert store.get("k") == {"a": [1, 2]}
        assert store.add("k", "other") is False
        assert all(store.set_many({"a": 1, "b": 2}))
        assert store.get_many("a", "none", "b") == [1, None, 2]
        assert store.cache.inc("hits", 5) == 5
        assert store.cache.dec("hits") == 4
        assert store.has("a")
        store.delete_many("a", "b")
        assert not store.has("a")
        until("the key's time is over", lambda: store.get("k") is None)
        endpoint.command("SET", "foreign", "kept")
        store.set("ours", 1)
        assert store.clear()
        assert store.get("ours") is None
    assert endpoint.command("EXISTS", "foreign") == 1


@pytest.fixture
async def values(endpoint: Endpoint) -> AsyncIterator[Any]:
    """Yield an aiocache store of JSON values."""
    store = Cache(
        Cache.REDIS, endpoint=endpoint.host, port=endpoint.port, namespace="main", serializer=JsonSerializer()
    )
    yield store
    await store.close()


async def test_aiocache_values(values: Any) -> None:
    assert await values.set("k", {"a": 1}, ttl=60)
    assert await values.get("k") == {"a": 1}
    assert await values.add("fresh", 1)
    with pytest.raises(ValueError, match="already exists"):
        await values.add("fresh", 2)
    assert await values.multi_set([("a", 1), ("b", 2)], ttl=60)
    assert await values.multi_get(["a", "none", "b"]) == [1, None, 2]
    assert await values.increment("hits", 3) == 3
    with pytest.raises(TypeError):
        await values.increment("k")
    assert await values.expire("a", 100)
    assert await values.exists("a")
    assert await values.delete("a") == 1
    assert await values.raw("ttl", "main:b") in range(55, 61)
    assert await values.raw("keys", "main:*")
    assert await values.clear(namespace="main")
    assert await values.get("k") is None
    await values.set("short", 1, ttl=0.05)

    async def over() -> bool:
        return not await values.exists("short")

    await until_async("the key's time is over", over)


async def test_aiocache_decorators_and_locks(values: Any, endpoint: Endpoint) -> None:
    options = {"cache": Cache.REDIS, "endpoint": endpoint.host, "port": endpoint.port}
    calls: list[object] = []

    @cached(ttl=60, key_builder=lambda function, n: f"square:{n}", serializer=PickleSerializer(), **options)
    async def square(n: int) -> int:
        calls.append(n)
        return n * n

    @multi_cached("names", **options)
    async def lengths(names: list[str]) -> dict[str, int]:
        calls.append(list(names))
        return {name: len(name) for name in names}

    assert [await square(n) for n in (2, 3, 2)] == [4, 9, 4]
    assert await lengths(names=["a", "bb"]) == {"a": 1, "bb": 2}
    assert set(await lengths(names=["bb", "ccc"])) == {"bb", "ccc"}
    assert calls == [2, 3, ["a", "bb"], ["ccc"]]
    await square.cache.close()
    await lengths.cache.close()

    made: list[int] = []
    holding, enough = asyncio.Event(), asyncio.Event()

    async def expensive() -> object:
        async with RedLock(values, "report", lease=30):
            found = await values.get("report")
            if found is None:
                made.append(1)
                holding.set()
                await enough.wait()
                found = "made"
                await values.set("report", found)
            return found

    first = asyncio.create_task(expensive())
    await asyncio.wait_for(holding.wait(), 30)
    others = [asyncio.create_task(expensive()) for _ in range(4)]
    assert await values.exists("report-lock")
    enough.set()
    assert await asyncio.gather(first, *others) == ["made"] * 5
    assert made == [1]
    async with OptimisticLock(values, "report") as lock:
        await lock.cas("again")
        with pytest.raises(OptimisticLockError):
            await lock.cas("too late")
    assert await values.get("report") == "again"


async def test_fastapi_cache_responses(endpoint: Endpoint) -> None:
    calls: list[int] = []
    app = fastapi.FastAPI()

    @app.get("/items/{number}")
    @cache(expire=60, namespace="items")
    async def item(number: int) -> dict[str, int]:
        calls.append(number)
        return {"number": number}

    client = Redis.from_url(endpoint.url())
    FastAPICache.init(RedisBackend(client), prefix="site")
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as web:
        first = await web.get("/items/1")
        second = await web.get("/items/1")
        await web.get("/items/2")
        assert (first.json(), second.json()) == ({"number": 1}, {"number": 1})
        assert (first.headers["x-fastapi-cache"], second.headers["x-fastapi-cache"]) == ("MISS", "HIT")
        assert 55 < int(second.headers["cache-control"].removeprefix("max-age=")) <= 60
        unchanged = await web.get("/items/1", headers={"If-None-Match": first.headers["etag"]})
        assert unchanged.status_code == 304
        assert calls == [1, 2]
        assert await client.dbsize() == 2
        await FastAPICache.clear(namespace="items")  # a script over KEYS
        assert await client.dbsize() == 0
        await web.get("/items/1")
    assert calls == [1, 2, 1]
    FastAPICache.reset()
    await client.aclose()
