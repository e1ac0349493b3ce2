"""Celery on kvcore: broker and results, one worker in this process and one started by its own command line."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

celery = pytest.importorskip("celery")

from celery import Celery, chain, chord, group
from celery.contrib.testing.worker import start_worker
from celery.exceptions import TaskRevokedError

from tests.integration.conftest import Endpoint
from tests.waiting import child, until

WAIT = 30

pytestmark = [
    pytest.mark.over_tcp("kombu polls the sockets of its connections"),
    pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning"),  # in Celery itself
]


def make_app(broker: str, results: str) -> Celery:
    """Build an application as a project's ``tasks.py`` does."""
    app = Celery("kvcore-integration", broker=broker, backend=results, set_as_current=False)
    app.conf.update(
        task_default_queue="integration",
        broker_connection_retry_on_startup=True,
        broker_transport_options={"queue_order_strategy": "priority", "priority_steps": [0, 5, 9]},
        worker_prefetch_multiplier=1,
        task_acks_late=True,
        result_expires=60,
        result_extended=True,
    )
    add_tasks(app)
    return app


def add_tasks(app: Celery) -> None:
    """Register what the tests call."""

    @app.task(name="add", shared=False)
    def add(x: int, y: int) -> int:
        return x + y

    @app.task(name="total", shared=False)
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    @app.task(name="fail", shared=False)
    def fail(text: str) -> None:
        raise ValueError(text)

    @app.task(name="third_time", shared=False, bind=True, max_retries=5)
    def third_time(self: Any) -> int:
        if self.request.retries < 2:
            raise self.retry(countdown=0.05)
        return self.request.retries

    @app.task(name="progress", shared=False, bind=True)
    def progress(self: Any) -> str:
        self.update_state(state="HALF", meta={"done": 50})
        return "done"

    @app.task(name="pid", shared=False)
    def pid() -> int:
        return os.getpid()

    @app.task(name="celery.ping", shared=False)
    def ping() -> str:
        return "pong"


@pytest.fixture
def app(endpoint: Endpoint) -> Iterator[Celery]:
    """Yield an application without a worker."""
    app = make_app(endpoint.plain_url(0), endpoint.plain_url(1))
    yield app
    gc.collect()  # a result that never came unsubscribes when it is collected: not when the server is gone
    app.close()


@pytest.fixture
def working(app: Celery) -> Iterator[Celery]:
    """Yield the application with a worker of four threads."""
    with start_worker(app, pool="threads", concurrency=4, perform_ping_check=False, loglevel="WARNING"):
        yield app


def send(app: Celery, name: str, *args: object, **options: Any) -> Any:
    return app.tasks[name].apply_async(args, **options)


def ask(app: Celery, question: str) -> list[Any]:
    """Ask every worker over the control channel until one answers; return the answers."""
    answers = until(
        f"a worker answers {question}", lambda: getattr(app.control.inspect(timeout=5, limit=1), question)()
    )
    return list(answers.values())


def test_results_errors_states_and_retries(working: Celery) -> None:
    assert send(working, "add", 2, 3).get(timeout=WAIT) == 5
    with pytest.raises(ValueError, match="no such order"):
        send(working, "fail", "no such order").get(timeout=WAIT)
    assert send(working, "third_time").get(timeout=WAIT) == 2
    finished = send(working, "progress")
    assert finished.get(timeout=WAIT) == "done"
    assert (finished.state, finished.name) == ("SUCCESS", "progress")
    finished.forget()
    assert working.AsyncResult(finished.id).state == "PENDING"


def test_groups_chains_and_chords(working: Celery) -> None:
    add, total = working.tasks["add"], working.tasks["total"]
    assert group(add.s(n, n) for n in range(20))().get(timeout=WAIT) == [2 * n for n in range(20)]
    assert chain(add.s(1, 2), add.s(10), add.s(100))().get(timeout=WAIT) == 113
    assert chord((add.s(n, 1) for n in range(10)), total.s())().get(timeout=WAIT) == 55
    broken = chord([add.s(1, 1), working.tasks["fail"].s("header")], total.s())()
    with pytest.raises(Exception, match="header"):
        broken.get(timeout=WAIT)


def test_countdown_and_eta_hold_a_task_back(working: Celery) -> None:
    sent = datetime.now(UTC)
    soon = send(working, "add", 1, 1, countdown=0.4)
    later = send(working, "add", 2, 2, eta=sent + timedelta(seconds=0.6))
    assert (soon.get(timeout=WAIT), later.get(timeout=WAIT)) == (2, 4)
    assert soon.date_done >= sent + timedelta(seconds=0.4)
    assert later.date_done >= sent + timedelta(seconds=0.6)


def test_a_revoked_task_does_not_run(working: Celery) -> None:
    result = send(working, "add", 1, 1, countdown=60)
    until("the worker holds the task", lambda: any(ask(working, "scheduled")))
    until("the worker confirms", lambda: working.control.revoke(result.id, reply=True, timeout=5, limit=1))
    late = send(working, "add", 1, 1, task_id=result.id)
    with pytest.raises(TaskRevokedError):
        late.get(timeout=WAIT)


def test_remote_control_reaches_the_worker(working: Celery) -> None:
    assert ask(working, "ping") == [{"ok": "pong"}]
    (queues,) = ask(working, "active_queues")
    assert [queue["name"] for queue in queues] == ["integration"]
    (registered,) = ask(working, "registered")
    assert "add" in registered
    (stats,) = ask(working, "stats")
    assert stats["broker"]["transport"] == "redis"


def test_messages_wait_in_queues_until_a_worker_comes(app: Celery) -> None:
    low = [send(app, "add", n, 0, priority=9) for n in range(3)]
    high = send(app, "add", 7, 7, priority=0)
    with app.connection_for_read() as connection:
        assert connection.default_channel.queue_declare("integration", passive=True).message_count == 4
    with start_worker(app, pool="solo", perform_ping_check=False, loglevel="WARNING"):
        assert high.get(timeout=WAIT) == 14
        assert [result.get(timeout=WAIT) for result in low] == [0, 1, 2]
    purged = send(app, "add", 1, 1)
    assert app.control.purge() == 1
    assert purged.state == "PENDING"


def test_a_worker_process_from_the_command_line(app: Celery, endpoint: Endpoint) -> None:
    addresses = {"CELERY_BROKER": endpoint.plain_url(0), "CELERY_RESULTS": endpoint.plain_url(1)}
    arguments = ["worker", "--pool", "prefork", "--concurrency", "2", "--loglevel", "WARNING", "--without-mingle"]
    with child("-m", "celery", "-A", "tests.integration.celery_app", *arguments, **addresses) as worker:
        result = group(app.tasks["pid"].s() for _ in range(4))()
        pids = result.get(timeout=WAIT)
        assert worker.poll() is None
    assert os.getpid() not in pids
    assert worker.pid not in pids  # its children do the work
