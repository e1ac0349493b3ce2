"""pydocket on kvcore: streams, scheduled tasks, scripts, locks and cancellation of a real worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

docket = pytest.importorskip("docket")

from docket import (
    ConcurrencyLimit,
    CurrentExecution,
    Docket,
    Execution,
    ExecutionState,
    Perpetual,
    Progress,
    Retry,
    TaskKey,
    Worker,
)

from tests.integration.conftest import Endpoint
from tests.waiting import end, until_async

ran: list[object] = []


async def note(value: object) -> object:
    ran.append(value)
    return value


async def third_time(retry: Retry = Retry(attempts=5, delay=timedelta(milliseconds=10))) -> None:
    ran.append(retry.attempt)
    if retry.attempt < 3:
        raise ValueError("again")


async def fail() -> None:
    raise ValueError("no such order")


async def forever(key: str = TaskKey()) -> None:
    ran.append(f"started {key}")
    await asyncio.Event().wait()


async def perpetual(perpetual: Perpetual = Perpetual(every=timedelta(milliseconds=10))) -> None:
    ran.append("perpetual")


async def one_at_a_time(
    customer: str, number: int, limit: ConcurrencyLimit = ConcurrencyLimit("customer", max_concurrent=1)
) -> None:
    ran.append(("in", number))
    await asyncio.sleep(0.01)
    ran.append(("out", number))


async def progressing(progress: Progress = Progress(), execution: Execution = CurrentExecution()) -> str:
    await progress.set_total(2)
    await progress.increment(2)
    await progress.set_message("all done")
    return execution.key


@pytest.fixture
async def queue(endpoint: Endpoint) -> AsyncIterator[Docket]:
    ran.clear()
    async with Docket(name="integration", url=endpoint.url()) as queue:
        for task in (note, third_time, fail, forever, perpetual, one_at_a_time, progressing):
            queue.register(task)
        yield queue


@pytest.fixture
async def worker(queue: Docket) -> AsyncIterator[Worker]:
    interval = timedelta(milliseconds=10)
    async with Worker(queue, minimum_check_interval=interval, scheduling_resolution=interval) as worker:
        yield worker


async def test_tasks_results_and_retries(queue: Docket, worker: Worker) -> None:
    execution = await queue.add(note)("hello")
    failing = await queue.add(fail)()
    await queue.add(third_time)()
    await worker.run_until_finished()
    assert "hello" in ran
    assert [each for each in ran if isinstance(each, int)] == [1, 2, 3]
    assert await execution.get_result() == "hello"
    with pytest.raises(ValueError, match="no such order"):
        await failing.get_result()
    await execution.sync()
    assert execution.state is ExecutionState.COMPLETED
    finished = await queue.add(progressing, key="watched")()
    await worker.run_until_finished()
    assert await finished.get_result() == "watched"


async def test_a_key_is_queued_once_and_replaced(queue: Docket, worker: Worker) -> None:
    for value in (1, 2, 3):
        await queue.add(note, key="once")(value)
    later = datetime.now(UTC) + timedelta(hours=1)
    await queue.add(note, when=later, key="replaced")("old")
    await queue.replace(note, when=datetime.now(UTC), key="replaced")("new")
    await queue.add(note, when=later, key="cancelled")("never")
    await queue.cancel("cancelled")
    await worker.run_until_finished()
    assert sorted(map(str, ran)) == ["1", "new"]


async def test_scheduled_tasks_wait_their_turn(queue: Docket, worker: Worker) -> None:
    now = datetime.now(UTC)
    await queue.add(note, when=now + timedelta(milliseconds=300))("third")
    await queue.add(note, when=now + timedelta(milliseconds=150))("second")
    await queue.add(note)("first")
    state = await queue.snapshot()
    assert (len(state.running), state.total_tasks) == (0, 3)
    assert [waiting.args[0] for waiting in state.future] == ["first", "second", "third"]
    await worker.run_until_finished()
    assert ran == ["first", "second", "third"]
    assert datetime.now(UTC) >= now + timedelta(milliseconds=300)


async def test_perpetual_tasks_come_again(queue: Docket, worker: Worker) -> None:
    await queue.add(perpetual, key="again")()
    await worker.run_at_most({"again": 4})
    assert ran == ["perpetual"] * 4


async def test_a_running_task_is_cancelled(queue: Docket, worker: Worker) -> None:
    execution = await queue.add(forever, key="long")()
    running = asyncio.create_task(worker.run_until_finished())

    async def started() -> bool:
        return ran == ["started long"]

    await until_async("the task runs", started)
    await queue.cancel("long")
    await asyncio.wait_for(running, 30)
    await execution.sync()
    assert execution.state is ExecutionState.CANCELLED


async def test_concurrency_limits_hold(queue: Docket, worker: Worker) -> None:
    for number in range(4):
        await queue.add(one_at_a_time)("acme", number)
    await asyncio.wait_for(worker.run_until_finished(), 30)
    assert len(ran) == 8
    for entered, left in zip(ran[::2], ran[1::2], strict=True):
        assert isinstance(entered, tuple)
        assert left == ("out", entered[1])


async def test_tasks_of_a_lost_worker_are_delivered_again(queue: Docket, endpoint: Endpoint) -> None:
    await queue.add(note)("orphan")
    endpoint.command("XGROUP", "CREATE", queue.stream_key, queue.worker_group_name, "0")
    words = ("GROUP", queue.worker_group_name, "lost", "COUNT", "1", "STREAMS", queue.stream_key, ">")
    assert endpoint.command("XREADGROUP", *words)  # delivered to a worker that is never heard of again
    assert endpoint.command("XPENDING", queue.stream_key, queue.worker_group_name)[0] == 1
    interval = timedelta(milliseconds=10)
    options = {"minimum_check_interval": interval, "redelivery_timeout": timedelta(milliseconds=100)}
    async with Worker(queue, **options) as worker:
        running = asyncio.create_task(worker.run_forever())

        async def finished() -> bool:
            return bool(ran) and endpoint.command("XLEN", queue.stream_key) == 0

        await until_async("the task is done and acknowledged", finished)
        await end(running)
    assert ran == ["orphan"]


async def test_strikes_stop_tasks(queue: Docket, worker: Worker) -> None:
    await queue.strike(note, "value", "==", "bad")
    await queue.add(note)("good")
    await queue.add(note)("bad")
    await worker.run_until_finished()
    assert ran == ["good"]
    await queue.restore(note, "value", "==", "bad")
    await queue.add(note)("bad")
    await worker.run_until_finished()
    assert ran == ["good", "bad"]
