"""taskiq on kvcore: its three brokers (lists, publish and subscribe, streams), results, progress and schedules."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

taskiq = pytest.importorskip("taskiq")
pytest.importorskip("taskiq_redis")

from taskiq import AsyncBroker, Context, SimpleRetryMiddleware, TaskiqDepends, TaskiqResult
from taskiq.api import run_receiver_task, run_scheduler_task
from taskiq.depends.progress_tracker import ProgressTracker
from taskiq_redis import (
    ListQueueBroker,
    ListRedisScheduleSource,
    PubSubBroker,
    RedisAsyncResultBackend,
    RedisScheduleSource,
    RedisStreamBroker,
)
from taskiq_redis.exceptions import ResultIsMissingError

from tests.integration.conftest import Endpoint
from tests.waiting import end, until_async

WAIT = 30


def with_tasks(broker: AsyncBroker, endpoint: Endpoint) -> AsyncBroker:
    """Give a broker results, retries and tasks."""
    broker = broker.with_result_backend(RedisAsyncResultBackend(endpoint.url(), result_ex_time=60))
    broker = broker.with_middlewares(SimpleRetryMiddleware(default_retry_count=5))

    @broker.task("add")
    async def add(x: int, y: int) -> int:
        return x + y

    @broker.task("third_time", retry_on_error=True)
    async def third_time(context: Context = TaskiqDepends()) -> int:
        tries = int(context.message.labels.get("_retries", 0))
        if tries < 2:
            raise ValueError("again")
        return tries

    @broker.task("fail")
    async def fail() -> None:
        raise ValueError("no such order")

    @broker.task("progress")
    async def progress(tracker: ProgressTracker[str] = TaskiqDepends()) -> str:
        await tracker.set_progress("half", "50 %")
        return "done"

    return broker


@pytest.fixture(params=[ListQueueBroker, PubSubBroker, RedisStreamBroker])
async def broker(request: pytest.FixtureRequest, endpoint: Endpoint) -> AsyncIterator[AsyncBroker]:
    """Yield a broker with a receiver beside the test."""
    broker = with_tasks(request.param(endpoint.url()), endpoint)
    async with working(broker):
        if request.param is PubSubBroker:  # who publishes before anyone listens is not heard

            async def heard() -> bool:
                return bool(endpoint.command("PUBSUB", "NUMSUB", "taskiq")[1])

            await until_async("the receiver listens", heard)
        yield broker
    await broker.shutdown()


@asynccontextmanager
async def working(broker: AsyncBroker) -> AsyncIterator[None]:
    """Run a receiver for the time of a block."""
    await broker.startup()
    task = asyncio.create_task(run_receiver_task(broker))
    try:
        yield
    finally:
        await end(task)


async def call(broker: AsyncBroker, name: str, *args: object) -> TaskiqResult[Any]:
    task = broker.find_task(name)
    assert task is not None
    sent = await task.kiq(*args)
    return await sent.wait_result(check_interval=0.01, timeout=WAIT)


async def test_results_errors_retries_and_progress(broker: AsyncBroker) -> None:
    assert (await call(broker, "add", 2, 3)).return_value == 5
    failed = await call(broker, "fail")
    assert failed.is_err
    assert "no such order" in str(failed.error)
    assert (await call(broker, "third_time")).return_value == 2
    results = await asyncio.gather(*(call(broker, "add", n, n) for n in range(20)))
    assert [result.return_value for result in results] == list(range(0, 40, 2))
    task = broker.find_task("progress")
    assert task is not None
    sent = await task.kiq()
    assert (await sent.wait_result(check_interval=0.01, timeout=WAIT)).return_value == "done"
    progress = await sent.get_progress()
    assert progress is not None
    assert (progress.state, progress.meta) == ("half", "50 %")


async def test_results_may_be_read_once(endpoint: Endpoint) -> None:
    backend: RedisAsyncResultBackend[int] = RedisAsyncResultBackend(
        endpoint.url(), keep_results=False, result_px_time=60_000
    )
    await backend.set_result("id", TaskiqResult(is_err=False, return_value=7, execution_time=0.1))
    assert await backend.is_result_ready("id")
    assert (await backend.get_result("id")).return_value == 7
    assert not await backend.is_result_ready("id")
    with pytest.raises(ResultIsMissingError):
        await backend.get_result("id")
    await backend.shutdown()


async def test_messages_of_a_lost_consumer_are_claimed(endpoint: Endpoint) -> None:
    lost = with_tasks(RedisStreamBroker(endpoint.url(), consumer_name="lost"), endpoint)
    await lost.startup()
    task = lost.find_task("add")
    assert task is not None
    sent = await task.kiq(20, 1)
    reader = lost.listen()
    message: Any = await anext(reader)  # delivered, never acknowledged
    assert sent.task_id.encode() in message.data
    await reader.aclose()
    other = with_tasks(RedisStreamBroker(endpoint.url(), consumer_name="other", idle_timeout=1), endpoint)
    async with working(other):
        await task.kiq(1, 1)  # a reader looks for what others left after it has got something new
        result = await sent.wait_result(check_interval=0.01, timeout=WAIT)
    assert result.return_value == 21
    await other.shutdown()
    await lost.shutdown()


@pytest.mark.parametrize("source_class", [RedisScheduleSource, ListRedisScheduleSource])
async def test_schedules(endpoint: Endpoint, source_class: Any) -> None:
    broker = with_tasks(ListQueueBroker(endpoint.url()), endpoint)
    source = source_class(endpoint.url(), prefix="schedules")
    await source.startup()
    task = broker.find_task("add")
    assert task is not None
    kept = await task.schedule_by_cron(source, "0 0 1 1 *", 1, 1)
    removed = await task.schedule_by_cron(source, "0 0 2 1 *", 2, 2)
    assert {each.schedule_id for each in await source.get_schedules()} == {kept.schedule_id, removed.schedule_id}
    await removed.unschedule()
    assert [each.cron for each in await source.get_schedules()] == ["0 0 1 1 *"]
    due = await task.schedule_by_time(source, datetime.now(UTC) - timedelta(seconds=1), 20, 1)
    scheduler = taskiq.TaskiqScheduler(broker, [source])
    async with working(broker):
        scheduling = asyncio.create_task(run_scheduler_task(scheduler, run_startup=True))

        async def gone() -> bool:
            return due.schedule_id not in {each.schedule_id for each in await source.get_schedules()}

        await until_async("the source has sent the task", gone)
        await end(scheduling)
    await source.shutdown()
    await broker.shutdown()
