"""Django on kvcore: its own Redis cache and django-redis, under caches, sessions, cached views and locks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

django = pytest.importorskip("django")
pytest.importorskip("django_redis")

from django.conf import settings
from django.core.cache import caches
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path
from django.views.decorators.cache import cache_page

from tests.integration.conftest import Endpoint
from tests.waiting import until

if not settings.configured:
    settings.configure(
        SECRET_KEY="tests",
        ALLOWED_HOSTS=["testserver"],
        ROOT_URLCONF=__name__,
        SESSION_ENGINE="django.contrib.sessions.backends.cache",
        MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
        USE_TZ=True,
    )
    django.setup()

BACKENDS = {
    "django": "django.core.cache.backends.redis.RedisCache",
    "django-redis": "django_redis.cache.RedisCache",
}

renderings: list[str] = []


@cache_page(60)
def report(request: HttpRequest) -> HttpResponse:
    renderings.append(request.path)
    return HttpResponse(f"rendering {len(renderings)}")


def visits(request: HttpRequest) -> HttpResponse:
    request.session["visits"] = request.session.get("visits", 0) + 1
    return HttpResponse(str(request.session["visits"]))


urlpatterns = [path("report", report), path("visits", visits)]


@pytest.fixture(params=BACKENDS)
def cache(request: pytest.FixtureRequest, endpoint: Endpoint) -> Iterator[Any]:
    """Yield Django's default cache on one of the two back ends."""
    configured = {"default": {"BACKEND": BACKENDS[request.param], "LOCATION": endpoint.url(1), "KEY_PREFIX": "site"}}
    with override_settings(CACHES=configured):
        yield caches["default"]
        caches["default"].close()


@pytest.fixture
def django_redis_cache(endpoint: Endpoint) -> Iterator[Any]:
    """Yield django-redis with JSON values and compression, as its manual shows them."""
    options = {
        "CLIENT_CLASS": "django_redis.client.DefaultClient",
        "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
        "COMPRESSOR": "django_redis.compressors.zlib.ZlibCompressor",
    }
    configured = {
        "default": {"BACKEND": BACKENDS["django-redis"], "LOCATION": endpoint.url(1), "OPTIONS": options},
    }
    with override_settings(CACHES=configured):
        yield caches["default"]
        caches["default"].close()


def test_values_counters_and_misses(cache: Any) -> None:
    cache.set("answer", {"n": 42, "text": "käse", "bytes": b"\x00\xff"})
    assert cache.get("answer") == {"n": 42, "text": "käse", "bytes": b"\x00\xff"}
    assert cache.get("nothing", "default") == "default"
    assert "answer" in cache
    assert "nothing" not in cache
    cache.set("hits", 10)
    assert cache.incr("hits") == 11
    assert cache.incr("hits", 4) == 15
    assert cache.decr("hits", 5) == 10
    assert cache.get("hits") == 10
    with pytest.raises(ValueError, match="nothing"):
        cache.incr("nothing")
    assert cache.add("hits", 1) is False
    assert cache.add("fresh", 1) is True
    assert cache.delete("fresh") is True
    assert cache.delete("fresh") is False


def test_many_keys_at_once(cache: Any) -> None:
    assert not cache.set_many({f"k{n}": n for n in range(50)}, timeout=30)  # the keys that failed
    assert cache.get_many([f"k{n}" for n in range(0, 60, 10)]) == {f"k{n}": n for n in range(0, 50, 10)}
    cache.delete_many(["k0", "k10"])
    assert cache.get_many(["k0", "k1", "k10"]) == {"k1": 1}
    assert cache.get_or_set("made", lambda: "once") == "once"
    assert cache.get_or_set("made", lambda: "twice") == "once"
    cache.clear()
    assert cache.get_many([f"k{n}" for n in range(50)]) == {}


def test_timeouts_end_keys_and_touch_extends_them(cache: Any, endpoint: Endpoint) -> None:
    cache.set("short", 1, timeout=1)
    cache.set("touched", 1, timeout=1)
    cache.set("forever", 1, timeout=None)
    cache.set("at-once", 1, timeout=0)
    assert cache.touch("touched", 100) is True
    assert cache.touch("nothing", 100) is False
    assert cache.get("at-once") is None
    until("the key's time is over", lambda: cache.get("short") is None)
    assert cache.get("touched") == 1
    assert cache.get("forever") == 1


def test_versions_are_apart(cache: Any) -> None:
    cache.set("page", "old")
    cache.set("page", "new", version=2)
    assert (cache.get("page"), cache.get("page", version=2)) == ("old", "new")
    assert cache.incr_version("page", version=2) == 3
    assert cache.get("page", version=2) is None
    assert cache.get("page", version=3) == "new"
    cache.delete("page", version=3)
    assert cache.get("page") == "old"


def test_asynchronous_methods(cache: Any) -> None:
    async def work() -> tuple[object, ...]:
        await cache.aset("a", 1)
        await cache.aset_many({"b": 2, "c": 3})
        return await cache.aincr("a"), await cache.aget_many(["a", "b", "c"]), await cache.ahas_key("c")

    assert asyncio.run(work()) == (2, {"a": 2, "b": 2, "c": 3}, True)


def test_sessions_live_in_the_cache(cache: Any) -> None:
    first, second = Client(), Client()
    assert [first.get("/visits").content for _ in range(3)] == [b"1", b"2", b"3"]
    assert second.get("/visits").content == b"1"
    cache.clear()
    assert first.get("/visits").content == b"1"


def test_a_cached_page_is_rendered_once(cache: Any) -> None:
    renderings.clear()
    client = Client()
    assert [client.get("/report").content for _ in range(3)] == [b"rendering 1"] * 3
    cache.clear()
    assert client.get("/report").content == b"rendering 2"


def test_django_redis_asks_for_time_to_live(django_redis_cache: Any) -> None:
    cache = django_redis_cache
    cache.set("k", ["a" * 1000], timeout=100)
    assert cache.get("k") == ["a" * 1000]
    assert 95 < cache.ttl("k") <= 100
    assert 95_000 < cache.pttl("k") <= 100_000
    assert cache.persist("k")
    assert cache.ttl("k") is None
    assert cache.ttl("nothing") == 0
    assert cache.pexpire("k", 50_000)
    assert 45 < cache.ttl("k") <= 50


def test_django_redis_finds_keys_by_pattern(django_redis_cache: Any) -> None:
    cache = django_redis_cache
    cache.set_many({f"user:{n}": n for n in range(250)})
    cache.set("other", 1)
    assert len(cache.keys("user:*")) == 250
    assert sorted(cache.iter_keys("user:24?", itersize=10)) == [f"user:24{n}" for n in range(10)]
    assert cache.delete_pattern("user:*", itersize=100) == 250
    assert cache.keys("*") == ["other"]


def test_django_redis_sets_only_what_is_absent(django_redis_cache: Any) -> None:
    cache = django_redis_cache
    assert cache.set("k", 1, nx=True)
    assert not cache.set("k", 2, nx=True)
    assert cache.set("k", 3, xx=True)
    assert not cache.set("absent", 3, xx=True)
    assert cache.get("k") == 3
    assert cache.incr("counter", ignore_key_check=True) == 1


def test_django_redis_locks_keep_others_out(django_redis_cache: Any) -> None:
    cache = django_redis_cache
    order: list[int] = []
    holding = threading.Event()

    def second() -> None:
        holding.wait(30)
        with cache.lock("job", timeout=30, blocking_timeout=30, sleep=0.01):
            order.append(2)

    thread = threading.Thread(target=second)
    thread.start()
    with cache.lock("job", timeout=30):
        holding.set()
        assert cache.lock("job", timeout=30).acquire(blocking=False) is False
        order.append(1)
    thread.join(30)
    assert order == [1, 2]


def test_django_redis_hands_out_its_client(django_redis_cache: Any) -> None:
    from django_redis import get_redis_connection

    client = get_redis_connection("default")
    with client.pipeline() as pipe:
        pipe.rpush("list", 1, 2, 3).lrange("list", 0, -1).execute()
    assert client.lrange("list", 0, -1) == [b"1", b"2", b"3"]
