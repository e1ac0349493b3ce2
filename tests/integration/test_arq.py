"""arq on kvcore: a worker in the test's event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

arq = pytest.importorskip("arq")

from arq import Retry, Worker, create_pool, cron, func
from arq.connections import ArqRedis, RedisSettings
from arq.jobs import Job, JobStatus, ResultNotFound

from tests.integration.conftest import Endpoint
from tests.waiting import end, until_async

WAIT = 30


async def add(context: dict[str, Any], x: int, y: int) -> int:
    return x + y


async def fail(context: dict[str, Any]) -> None:
    raise ValueError("no such order")


async def third_time(context: dict[str, Any]) -> int:
    if context["job_try"] < 3:
        raise Retry(defer=0.01)
    return int(context["job_try"])


async def forever(context: dict[str, Any]) -> None:
    context["started"].set()
    await asyncio.Event().wait()


@pytest.fixture
async def pool(endpoint: Endpoint) -> AsyncIterator[ArqRedis]:
    pool = await create_pool(RedisSettings(host=endpoint.host, port=endpoint.port))
    yield pool
    await pool.close(close_connection_pool=True)


def make_worker(pool: ArqRedis, **options: Any) -> Worker:
    functions = [add, fail, func(third_time, max_tries=5), forever]
    return Worker(functions, redis_pool=pool, poll_delay=0.02, handle_signals=False, **options)


@pytest.fixture
async def worker(pool: ArqRedis) -> AsyncIterator[Worker]:
    """Yield a worker that runs beside the test."""
    worker = make_worker(pool, allow_abort_jobs=True)
    running = asyncio.create_task(worker.async_run())
    yield worker
    await end(running)


async def enqueue(pool: ArqRedis, name: str, *args: object, **options: Any) -> Job:
    job = await pool.enqueue_job(name, *args, **options)
    assert job is not None
    return job


async def result_of(job: Job) -> Any:
    """Wait for a job's result; ``Job.result`` looks for it and for the job in two steps, and may miss both."""

    async def complete() -> bool:
        return await job.status() is JobStatus.complete

    await until_async("the job is complete", complete)
    return await job.result(timeout=WAIT)


async def test_results_errors_and_retries(pool: ArqRedis, worker: Worker) -> None:
    job = await enqueue(pool, "add", 2, 3)
    assert await result_of(job) == 5
    assert await job.status() is JobStatus.complete
    info = await job.result_info()
    assert info is not None
    assert (info.function, info.args, info.success, info.job_try) == ("add", (2, 3), True, 1)
    with pytest.raises(ValueError, match="no such order"):
        await result_of(await enqueue(pool, "fail"))
    assert await result_of(await enqueue(pool, "third_time")) == 3
    assert len(await pool.all_job_results()) == 3


async def test_a_job_id_is_queued_once(pool: ArqRedis) -> None:
    first = await enqueue(pool, "add", 1, 1, _job_id="once")
    assert await pool.enqueue_job("add", 2, 2, _job_id="once") is None
    offered = await asyncio.gather(*(pool.enqueue_job("add", n, n, _job_id="raced") for n in range(10)))
    assert len([job for job in offered if job is not None]) == 1
    queued = await pool.queued_jobs()
    assert (len(queued), queued[0].function, queued[0].args) == (2, "add", (1, 1))
    assert await make_worker(pool, burst=True).run_check() == 2
    assert await result_of(first) == 2
    assert await pool.queued_jobs() == []


async def test_deferred_jobs_wait(pool: ArqRedis, worker: Worker) -> None:
    late = await enqueue(pool, "add", 1, 1, _defer_by=0.4)
    hours = await enqueue(pool, "add", 2, 2, _defer_by=3600)
    assert await late.status() is JobStatus.deferred
    assert await result_of(late) == 2
    info = await late.result_info()
    assert info is not None
    assert (info.start_time - info.enqueue_time).total_seconds() >= 0.4
    assert await hours.status() is JobStatus.deferred
    with pytest.raises((asyncio.TimeoutError, ResultNotFound)):
        await hours.result(timeout=0.05, poll_delay=0.01)


async def test_a_running_job_is_aborted(pool: ArqRedis, worker: Worker) -> None:
    started = worker.ctx["started"] = asyncio.Event()
    job = await enqueue(pool, "forever")
    await asyncio.wait_for(started.wait(), WAIT)
    assert await job.status() is JobStatus.in_progress
    await job.abort(timeout=WAIT, poll_delay=0.01)
    with pytest.raises(asyncio.CancelledError):
        await result_of(job)
    assert worker.jobs_failed == 1


async def test_cron_jobs_run_once_among_workers(pool: ArqRedis) -> None:
    ran: list[str] = []

    async def every_second(context: dict[str, Any]) -> None:
        ran.append(context["job_id"])

    job = cron(every_second, second=set(range(60)), unique=True, keep_result=60)
    workers = [Worker(cron_jobs=[job], redis_pool=pool, poll_delay=0.02, handle_signals=False) for _ in range(2)]
    running = [asyncio.create_task(worker.async_run()) for worker in workers]

    async def twice() -> bool:
        return len(ran) >= 2

    await until_async("the cron job ran twice", twice)
    await end(*running)
    assert len(set(ran)) == len(ran)  # the two workers shared the seconds


async def test_health_is_recorded(pool: ArqRedis, endpoint: Endpoint) -> None:
    worker = make_worker(pool, burst=True, health_check_interval=30)
    await enqueue(pool, "add", 1, 1)
    assert await worker.run_check() == 1
    report = await pool.get("arq:queue:health-check")
    assert report is not None
    assert b"j_complete=" in report
    assert await arq.worker.async_check_health(RedisSettings(host=endpoint.host, port=endpoint.port)) == 0
