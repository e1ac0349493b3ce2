"""limits and slowapi on kvcore: every strategy's Lua script, from threads and from an event loop."""

from __future__ import annotations

import threading
from typing import Any

import pytest

limits = pytest.importorskip("limits")
pytest.importorskip("slowapi")
fastapi = pytest.importorskip("fastapi")
httpx = pytest.importorskip("httpx")

from limits import RateLimitItemPerHour, RateLimitItemPerSecond, strategies
from limits import aio as limits_aio
from limits.storage import RedisStorage, storage_from_string
from slowapi import Limiter, _rate_limit_exceeded_handler
from slowapi.errors import RateLimitExceeded

from tests.integration.conftest import Endpoint
from tests.waiting import until

STRATEGIES = ["FixedWindowRateLimiter", "MovingWindowRateLimiter", "SlidingWindowCounterRateLimiter"]


@pytest.fixture
def storage(endpoint: Endpoint) -> Any:
    storage = storage_from_string(endpoint.url())
    assert isinstance(storage, RedisStorage)
    assert storage.check()
    return storage


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_strategy_counts_and_forgets(storage: Any, name: str) -> None:
    limiter = getattr(strategies, name)(storage)
    item = RateLimitItemPerHour(5)
    assert [limiter.hit(item, "user", "7") for _ in range(7)] == [True] * 5 + [False] * 2
    assert limiter.test(item, "user", "7") is False
    assert limiter.hit(item, "user", "8") is True
    window = limiter.get_window_stats(item, "user", "7")
    assert window.remaining == 0
    assert limiter.get_window_stats(item, "user", "8").remaining == 4
    assert limiter.hit(item, "user", "9", cost=6) is False
    assert limiter.hit(item, "user", "10", cost=5) is True
    assert limiter.hit(item, "user", "10") is False
    limiter.clear(item, "user", "7")
    assert limiter.hit(item, "user", "7") is True


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_window_ends(storage: Any, name: str) -> None:
    limiter = getattr(strategies, name)(storage)
    item = RateLimitItemPerSecond(2)
    until("the limit is reached", lambda: not limiter.hit(item, "k"))
    until("the window is over", lambda: limiter.hit(item, "k"))


@pytest.mark.parametrize("name", STRATEGIES)
def test_threads_share_a_limit_exactly(storage: Any, name: str) -> None:
    limiter = getattr(strategies, name)(storage)
    item = RateLimitItemPerHour(50)
    allowed: list[bool] = []

    def hit() -> None:
        allowed.extend(limiter.hit(item, "shared") for _ in range(20))

    threads = [threading.Thread(target=hit) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (len(allowed), sum(allowed)) == (100, 50)


def test_reset_removes_the_keys_of_limits_only(storage: Any, endpoint: Endpoint) -> None:
    limiter = strategies.FixedWindowRateLimiter(storage)
    for n in range(3):
        limiter.hit(RateLimitItemPerHour(5), "user", str(n))
    endpoint.command("SET", "foreign", "kept")
    assert storage.reset() == 3
    assert endpoint.command("KEYS", "*") == [b"foreign"]


@pytest.mark.parametrize("name", STRATEGIES)
async def test_a_strategy_on_an_event_loop(endpoint: Endpoint, name: str) -> None:
    storage = limits_aio.storage.RedisStorage(f"async+{endpoint.url()}", implementation="redispy")
    limiter = getattr(limits_aio.strategies, name)(storage)
    item = RateLimitItemPerHour(3)
    assert [await limiter.hit(item, "user") for _ in range(4)] == [True, True, True, False]
    assert (await limiter.get_window_stats(item, "user")).remaining == 0
    await limiter.clear(item, "user")
    assert await limiter.test(item, "user")
    await storage.reset()
    await storage.bridge.storage.aclose()


@pytest.mark.parametrize("strategy", ["fixed-window", "moving-window"])
async def test_slowapi_refuses_requests_over_the_limit(endpoint: Endpoint, strategy: str) -> None:
    limiter = Limiter(
        key_func=lambda request: request.headers.get("x-user", "nobody"),
        storage_uri=endpoint.url(),
        strategy=strategy,
        headers_enabled=True,
    )
    app = fastapi.FastAPI()
    app.state.limiter = limiter
    app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)

    async def limited(request: fastapi.Request, response: fastapi.Response) -> dict[str, bool]:
        return {"served": True}

    limited.__annotations__ = {"request": fastapi.Request, "response": fastapi.Response, "return": dict[str, bool]}
    app.get("/limited")(limiter.limit("3/hour")(limited))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as web:
        answers = [await web.get("/limited", headers={"x-user": "a"}) for _ in range(4)]
        other = await web.get("/limited", headers={"x-user": "b"})
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert other.status_code == 200
