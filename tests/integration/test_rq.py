"""RQ on kvcore: queues, registries, the scheduler, a worker in this process and one from the command line."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import pytest

rq = pytest.importorskip("rq")

from redis import Redis
from rq import Callback, Queue, Repeat, Retry, SimpleWorker, Worker
from rq.command import send_stop_job_command
from rq.exceptions import NoSuchJobError
from rq.group import Group
from rq.job import Dependency, Job, JobStatus
from rq.registry import FailedJobRegistry, ScheduledJobRegistry, StartedJobRegistry
from rq.scheduler import RQScheduler

from tests.integration import rq_jobs
from tests.integration.conftest import Endpoint
from tests.waiting import child, until


@pytest.fixture
def connection(endpoint: Endpoint) -> Redis:
    return Redis.from_url(endpoint.url())


@pytest.fixture
def queue(connection: Redis) -> Queue:
    return Queue("integration", connection=connection)


def work(*queues: Queue) -> SimpleWorker:
    """Let a worker run until the queues are empty."""
    worker = SimpleWorker(list(queues), connection=queues[0].connection)
    worker.work(burst=True, logging_level="ERROR")
    return worker


def refreshed(worker: Worker) -> Worker:
    """Read a worker's record again."""
    worker.refresh()
    return worker


def test_success_failure_and_callbacks(queue: Queue, connection: Redis) -> None:
    callbacks = {"on_success": Callback(rq_jobs.note_success), "on_failure": Callback(rq_jobs.note_failure)}
    good = queue.enqueue(rq_jobs.add, 2, 3, result_ttl=60, **callbacks)
    bad = queue.enqueue(rq_jobs.fail, "no such order", **callbacks)
    assert queue.job_ids == [good.id, bad.id]
    worker = work(queue)
    assert (good.get_status(), good.return_value()) == (JobStatus.FINISHED, 5)
    assert bad.get_status() == JobStatus.FAILED
    assert "ValueError: no such order" in bad.latest_result().exc_string
    assert connection.lrange("succeeded", 0, -1) == [good.id.encode()]
    assert connection.lrange("failed", 0, -1) == [bad.id.encode()]
    assert bad.id in FailedJobRegistry(queue=queue)
    assert queue.finished_job_registry.get_job_ids() == [good.id]
    assert 0 < connection.ttl(good.key) <= 60
    worker.refresh()  # its statistics are in the server
    assert (worker.successful_job_count, worker.failed_job_count) == (1, 1)


def test_failed_jobs_are_requeued_and_retried(queue: Queue) -> None:
    failed = queue.enqueue(rq_jobs.third_time)
    work(queue)
    assert failed.get_status() == JobStatus.FAILED
    for expected in (JobStatus.FAILED, JobStatus.FINISHED):
        queue.failed_job_registry.requeue(failed.id)
        work(queue)
        assert failed.get_status() == expected
    retried = queue.enqueue(rq_jobs.third_time, retry=Retry(max=2))
    work(queue)
    assert (retried.get_status(), retried.return_value()) == (JobStatus.FINISHED, 3)
    assert retried.retries_left == 2
    retried.refresh()
    assert retried.retries_left == 0


def test_the_scheduler_queues_jobs_whose_time_has_come(queue: Queue, connection: Redis) -> None:
    now = datetime.now(UTC)
    due = queue.enqueue_at(now - timedelta(seconds=5), rq_jobs.add, 1, 1)
    later = queue.enqueue_in(timedelta(hours=1), rq_jobs.add, 2, 2)
    registry = ScheduledJobRegistry(queue=queue)
    assert set(registry.get_job_ids()) == {due.id, later.id}
    assert abs(registry.get_scheduled_time(later) - now - timedelta(hours=1)) < timedelta(minutes=1)
    first, second = (RQScheduler([queue], connection=connection) for _ in range(2))
    assert first.acquire_locks() == {"integration"}
    assert second.acquire_locks() == set()
    first.enqueue_scheduled_jobs()
    assert queue.job_ids == [due.id]
    assert registry.get_job_ids() == [later.id]
    first.release_locks()
    assert second.acquire_locks() == {"integration"}
    second.release_locks()
    work(queue)
    assert (due.return_value(), later.get_status()) == (2, JobStatus.SCHEDULED)


def test_dependencies_groups_and_repetition(queue: Queue) -> None:
    first = queue.enqueue(rq_jobs.add, 1, 1)
    second = queue.enqueue(rq_jobs.add, 2, 2, depends_on=first)
    broken = queue.enqueue(rq_jobs.fail, "broken")
    anyway = queue.enqueue(rq_jobs.add, 3, 3, depends_on=Dependency(broken, allow_failure=True))
    never = queue.enqueue(rq_jobs.add, 4, 4, depends_on=broken)
    group = Group.create(connection=queue.connection)
    group.enqueue_many(queue, [Queue.prepare_data(rq_jobs.add, (n, n)) for n in range(5)])
    repeated = queue.enqueue(rq_jobs.add, 5, 5, repeat=Repeat(times=2))
    assert second.get_status() == JobStatus.DEFERRED
    work(queue)
    assert (second.return_value(), anyway.return_value()) == (4, 6)
    assert never.get_status() == JobStatus.DEFERRED
    assert sorted(job.return_value() for job in group.get_jobs()) == [0, 2, 4, 6, 8]
    assert len(repeated.results()) == 3


def test_queues_order_cancel_and_forget_jobs(queue: Queue, connection: Redis) -> None:
    urgent = Queue("urgent", connection=connection)
    jobs = queue.enqueue_many([Queue.prepare_data(rq_jobs.add, (n, n)) for n in range(4)])
    front = queue.enqueue(rq_jobs.add, 9, 9, at_front=True)
    other = urgent.enqueue(rq_jobs.add, 8, 8)
    jobs[0].cancel()
    jobs[1].delete()
    with pytest.raises(NoSuchJobError):
        Job.fetch(jobs[1].id, connection=connection)
    assert queue.job_ids == [front.id, jobs[2].id, jobs[3].id]
    work(urgent, queue)
    ended = [Job.fetch(job.id, connection=connection).ended_at for job in (other, front, jobs[2], jobs[3])]
    assert None not in ended
    assert ended == sorted(ended)
    assert jobs[0].get_status() == JobStatus.CANCELED
    assert {each.name for each in Queue.all(connection=connection)} == {"integration", "urgent"}
    queue.enqueue(rq_jobs.add, 1, 1)
    assert queue.empty() == 1
    assert queue.delete(delete_jobs=True) is None
    assert [each.name for each in Queue.all(connection=connection)] == ["urgent"]


@pytest.mark.over_tcp("a second process")
def test_a_worker_process_runs_jobs_in_children_and_obeys_commands(
    queue: Queue, connection: Redis, endpoint: Endpoint
) -> None:
    job = queue.enqueue(rq_jobs.pid)
    with child("-m", "rq.cli", "worker", "--quiet", "--url", endpoint.plain_url(), "integration") as process:
        until("the job is finished", lambda: job.get_status() == JobStatus.FINISHED)
        assert job.return_value() not in (None, os.getpid(), process.pid)
        (worker,) = Worker.all(connection=connection)
        assert (worker.pid, worker.queue_names()) == (process.pid, ["integration"])
        until("the worker is idle", lambda: refreshed(worker).get_state() == "idle")
        stopped = queue.enqueue(rq_jobs.wait, 60)
        until("the job runs", lambda: connection.get(f"running:{stopped.id}"))
        assert stopped.id in StartedJobRegistry(queue=queue)
        send_stop_job_command(connection, stopped.id)
        until("the job is stopped", lambda: stopped.get_status() == JobStatus.STOPPED)
    assert Worker.all(connection=connection) == []  # its death is registered
