"""saq on kvcore: a worker in the test's event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

saq = pytest.importorskip("saq")

from saq import CronJob, Job, Queue, Status, Worker
from saq.queue import JobError

from tests.integration.conftest import Endpoint
from tests.waiting import end, until_async

WAIT = 30


async def add(context: Any, *, x: int, y: int) -> int:
    return x + y


async def fail(context: Any) -> None:
    raise ValueError("no such order")


async def third_time(context: Any) -> int:
    if context["job"].attempts < 3:
        raise ValueError("again")
    return int(context["job"].attempts)


async def forever(context: Any) -> None:
    context["started"].set()
    await asyncio.Event().wait()


@pytest.fixture
async def queue(endpoint: Endpoint) -> AsyncIterator[Any]:
    queue = Queue.from_url(endpoint.url(), name="integration")
    await queue.connect()
    yield queue
    await queue.disconnect()


@pytest.fixture
async def worker(queue: Any) -> AsyncIterator[Worker[Any]]:
    """Yield a worker that runs beside the test and looks often."""
    worker = Worker(
        queue,
        functions=[add, fail, third_time, forever],
        timers={"schedule": 1, "abort": 0.1, "worker_info": 1},
        dequeue_timeout=0.2,
    )
    await queue.sweep()  # the next is a minute off: a sweep may take a job that has just been fetched for a lost one
    running = asyncio.create_task(worker.start())
    yield worker
    await worker.stop()
    await end(running)


async def test_results_errors_and_retries(queue: Any, worker: Worker[Any]) -> None:
    assert await queue.apply("add", timeout=WAIT, x=2, y=3) == 5
    with pytest.raises(JobError, match="no such order"):
        await queue.apply("fail", timeout=WAIT)
    job = await queue.enqueue("third_time", retries=5)
    await job.refresh(until_complete=WAIT)
    assert (job.status, job.result, job.attempts) == (Status.COMPLETE, 3, 3)
    assert await queue.map("add", [{"x": n, "y": n} for n in range(10)], timeout=WAIT) == list(range(0, 20, 2))


async def test_a_key_is_queued_once(queue: Any) -> None:
    assert await queue.enqueue("add", key="once", x=1, y=1) is not None
    assert await queue.enqueue("add", key="once", x=1, y=1) is None
    assert await queue.count("queued") == 1
    found = await queue.job("once")
    assert (found.function, found.status) == ("add", Status.QUEUED)
    info = await queue.info(jobs=True)
    assert [job["kwargs"] for job in info["jobs"]] == [{"x": 1, "y": 1}]
    assert [job.key async for job in queue.iter_jobs()] == ["once"]


async def test_scheduled_jobs_wait(queue: Any, worker: Worker[Any]) -> None:
    now = saq.utils.now_seconds()
    soon = await queue.enqueue("add", x=1, y=1, scheduled=now + 1)
    hours = await queue.enqueue("add", x=2, y=2, scheduled=now + 3600)
    await soon.refresh(until_complete=WAIT)
    assert soon.result == 2
    assert soon.started >= (int(now) + 1) * 1000
    await hours.refresh()
    assert hours.status == Status.QUEUED
    assert await queue.count("incomplete") == 1


async def test_a_running_job_is_aborted(queue: Any, worker: Worker[Any]) -> None:
    started = worker.context["started"] = asyncio.Event()
    job = await queue.enqueue("forever", timeout=0)
    await asyncio.wait_for(started.wait(), WAIT)
    await job.refresh()
    assert job.status == Status.ACTIVE
    await job.abort("not needed")
    await job.refresh(until_complete=WAIT)
    assert (job.status, job.error) == (Status.ABORTED, "not needed")


async def test_a_job_whose_worker_is_lost_is_put_back(queue: Any) -> None:
    await queue.enqueue("add", key="lost", timeout=1, retries=1, x=1, y=1)
    taken = await queue.dequeue(timeout=1)
    taken.status = Status.ACTIVE
    taken.started = saq.utils.now() - 60_000
    await queue.update(taken)
    assert await queue.sweep(abort=0.1) == ["saq:job:integration:lost"]
    assert (await queue.job("lost")).status == Status.QUEUED  # one more try


async def test_cron_and_worker_information(queue: Any) -> None:
    ran = asyncio.Event()

    async def often(context: Any) -> None:
        ran.set()

    worker = Worker(
        queue,
        functions=[],
        cron_jobs=[CronJob(often, cron="* * * * * */1")],
        timers={"schedule": 1, "worker_info": 1},
        dequeue_timeout=0.2,
    )
    running = asyncio.create_task(worker.start())
    await asyncio.wait_for(ran.wait(), WAIT)

    async def counted() -> bool:
        workers = (await queue.info())["workers"]
        return any(worker["stats"] and worker["stats"]["complete"] for worker in workers.values())

    await until_async("the worker reports", counted)
    await worker.stop()
    await end(running)


async def test_listening_to_jobs(queue: Any, worker: Worker[Any]) -> None:
    seen: list[tuple[str, Status]] = []

    def listener(key: str, status: Status) -> bool:
        seen.append((key, status))
        return status == Status.COMPLETE

    job = Job("add", key="heard", kwargs={"x": 1, "y": 1}, scheduled=int(saq.utils.now_seconds()) + 1)
    await queue.enqueue(job)
    await queue.listen([job.key], listener, timeout=WAIT)
    assert seen[-1] == (job.key, Status.COMPLETE)
