"""Dramatiq on kvcore: its broker's Lua script, results, rate limiters, workers here and in a process of their own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

dramatiq = pytest.importorskip("dramatiq")

from dramatiq import Worker, group, pipeline
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import GroupCallbacks, default_middleware
from dramatiq.rate_limits import Barrier, BucketRateLimiter, ConcurrentRateLimiter, WindowRateLimiter
from dramatiq.rate_limits.backends import RedisBackend as LimiterBackend
from dramatiq.results import Results, ResultTimeout
from dramatiq.results.backends import RedisBackend as ResultBackend

from tests.integration.conftest import Endpoint
from tests.waiting import child, until

WAIT_MS = 30_000


@pytest.fixture
def broker(endpoint: Endpoint) -> Iterator[RedisBroker]:
    """Yield a broker without the Prometheus middleware, which starts a server of its own."""
    middleware = [part() for part in default_middleware if part.__name__ != "Prometheus"]
    broker = RedisBroker(url=endpoint.url(), middleware=middleware)
    broker.add_middleware(Results(backend=ResultBackend(url=endpoint.url())))
    broker.add_middleware(GroupCallbacks(LimiterBackend(url=endpoint.url())))
    dramatiq.set_broker(broker)  # where a message looks for its result
    yield broker
    broker.flush_all()
    broker.close()


@pytest.fixture
def worker(broker: RedisBroker) -> Iterator[Worker]:
    """Yield a worker of two threads."""
    worker = Worker(broker, worker_timeout=50, worker_threads=2)
    worker.start()
    yield worker
    worker.stop()


def test_results_and_composition(broker: RedisBroker, worker: Worker) -> None:
    @dramatiq.actor(broker=broker, store_results=True)
    def add(x: int, y: int) -> int:
        return x + y

    finished = threading.Event()

    @dramatiq.actor(broker=broker)
    def after() -> None:
        finished.set()

    assert add.send(1, 2).get_result(block=True, timeout=WAIT_MS) == 3
    jobs = group([add.message(n, n) for n in range(10)])
    jobs.add_completion_callback(after.message())
    jobs.run()
    assert list(jobs.get_results(block=True, timeout=WAIT_MS)) == list(range(0, 20, 2))
    assert finished.wait(30)
    assert (add.message(1, 2) | add.message(10)).run().get_result(block=True, timeout=WAIT_MS) == 13
    assert list(pipeline([add.message(1, 1), add.message(5)]).run().get_results(block=True, timeout=WAIT_MS)) == [2, 7]


def test_delays_hold_a_message_back(broker: RedisBroker, worker: Worker) -> None:
    @dramatiq.actor(broker=broker, store_results=True)
    def echo(text: str) -> str:
        return text

    late = echo.send_with_options(args=("late",), delay=600)
    with pytest.raises(ResultTimeout):
        late.get_result(block=True, timeout=100)
    assert echo.send("now").get_result(block=True, timeout=WAIT_MS) == "now"
    assert late.get_result(block=True, timeout=WAIT_MS) == "late"


def test_retries_and_the_dead_letter_queue(broker: RedisBroker, worker: Worker, endpoint: Endpoint) -> None:
    attempts: list[int] = []

    @dramatiq.actor(broker=broker, min_backoff=10, max_backoff=20, max_retries=5, store_results=True)
    def third_time() -> int:
        attempts.append(1)
        if len(attempts) < 3:
            raise ValueError("again")
        return len(attempts)

    @dramatiq.actor(broker=broker, max_retries=0, queue_name="doomed")
    def fail() -> None:
        raise ValueError("never")

    assert third_time.send().get_result(block=True, timeout=WAIT_MS) == 3
    dead = fail.send()
    until("the message is dead", lambda: broker.client.zcard("dramatiq:doomed.XQ") == 1)
    assert broker.client.hlen("dramatiq:doomed.XQ.msgs") == 1
    assert broker.client.zrange("dramatiq:doomed.XQ", 0, -1) == [dead.options["redis_message_id"].encode()]
    broker.join("default", timeout=WAIT_MS)
    worker.join()
    assert broker.client.llen("dramatiq:default") == 0


def test_messages_of_a_lost_worker_come_back(broker: RedisBroker) -> None:
    @dramatiq.actor(broker=broker, store_results=True)
    def echo(text: str) -> str:
        return text

    message = echo.send("kept")
    lost = broker.consume("default", prefetch=1, timeout=100)
    assert next(lost).message_id == message.message_id  # fetched, never acknowledged
    assert broker.client.llen("dramatiq:default") == 0
    broker.broker_id = "another worker"
    broker.heartbeat_timeout = 0
    broker.maintenance_chance = 1_000_000
    worker = Worker(broker, worker_timeout=50, worker_threads=1)
    worker.start()
    try:
        assert message.get_result(block=True, timeout=WAIT_MS) == "kept"
    finally:
        worker.stop()


def test_rate_limiters(endpoint: Endpoint) -> None:
    backend = LimiterBackend(url=endpoint.url())
    one = ConcurrentRateLimiter(backend, "mutex", limit=1)
    with one.acquire(), one.acquire(raise_on_failure=False) as second:
        assert second is False
    with one.acquire(raise_on_failure=False) as again:
        assert again is True

    def passed(limiter: Any) -> list[bool]:
        results = []
        for _ in range(4):
            with limiter.acquire(raise_on_failure=False) as allowed:
                results.append(allowed)
        return results

    assert passed(BucketRateLimiter(backend, "bucket", limit=2, bucket=3_600_000)) == [True, True, False, False]
    assert passed(WindowRateLimiter(backend, "window", limit=3, window=3600)) == [True, True, True, False]
    barrier = Barrier(backend, "barrier", ttl=WAIT_MS)
    assert barrier.create(parties=2)
    assert barrier.wait(block=False) is False
    assert barrier.wait(block=False) is True


@pytest.mark.over_tcp("a second process")
def test_a_worker_process_from_the_command_line(endpoint: Endpoint) -> None:
    arguments = ["tests.integration.dramatiq_app", "--processes", "1", "--threads", "2"]
    with child("-m", "dramatiq", *arguments, DRAMATIQ_URL=endpoint.url(), dramatiq_prom_port="0"):
        broker = RedisBroker(url=endpoint.url(), middleware=[])
        broker.add_middleware(Results(backend=ResultBackend(url=endpoint.url())))
        broker.declare_queue("default")
        message: Any = dramatiq.Message(queue_name="default", actor_name="double", args=(21,), kwargs={}, options={})
        broker.enqueue(message)
        assert message.get_result(backend=broker.get_results_backend(), block=True, timeout=WAIT_MS) == 42
