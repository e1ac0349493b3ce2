"""Huey on kvcore: a consumer with two threads over its Redis stores."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

huey = pytest.importorskip("huey")

from huey import PriorityRedisHuey, RedisExpireHuey, RedisHuey, crontab
from huey.exceptions import ResultTimeout, TaskException, TaskLockedException

from tests.integration.conftest import Endpoint
from tests.waiting import until

WAIT = 30


def consumer_of(app: Any, **options: Any) -> Any:
    """Start a consumer as ``huey_consumer`` does, in threads, looking often."""
    consumer = app.create_consumer(workers=2, initial_delay=0.01, max_delay=0.05, scheduler_interval=0.1, **options)
    consumer._set_signal_handlers = lambda: None  # the main thread is the test's
    consumer.start()
    return consumer


@pytest.fixture(params=[RedisHuey, PriorityRedisHuey, RedisExpireHuey])
def app(request: pytest.FixtureRequest, endpoint: Endpoint) -> Any:
    """Return an application without a consumer, over one of the three stores."""
    return request.param("integration", url=endpoint.url(), results=True, utc=True)


@pytest.fixture
def working(app: Any) -> Iterator[Any]:
    """Yield the application while a consumer works."""
    consumer = consumer_of(app)
    yield app
    consumer.stop(graceful=True)


def final(result: Any) -> Any:
    """Return what a task with retries gives in the end; each failed attempt is its result until the next one."""
    for _ in range(3):
        try:
            return result.get(blocking=True, timeout=WAIT)
        except TaskException:
            result.reset()
    raise AssertionError("it failed more often than it was to be tried")


def test_results_errors_and_retries(working: Any) -> None:
    attempts: list[int] = []

    @working.task()
    def add(x: int, y: int) -> int:
        return x + y

    @working.task(retries=2, retry_delay=0)
    def third_time() -> str:
        attempts.append(1)
        if len(attempts) < 3:
            raise ValueError("again")
        return "done"

    @working.task()
    def fail() -> None:
        raise ValueError("no such order")

    assert [result(blocking=True, timeout=WAIT) for result in [add(n, n) for n in range(10)]] == list(range(0, 20, 2))
    assert final(third_time()) == "done"
    with pytest.raises(TaskException, match="no such order"):
        fail().get(blocking=True, timeout=WAIT)
    assert add.map([(1, 2), (3, 4)]).get(blocking=True, timeout=WAIT) == [3, 7]
    pipeline = add.s(1, 2).then(add, 10).then(add, 100)
    assert working.enqueue(pipeline).get(blocking=True, timeout=WAIT) == [3, 13, 113]


def test_delayed_tasks_wait_and_can_be_revoked(working: Any) -> None:
    ran: list[str] = []
    skipped: list[str] = []

    @working.signal(huey.signals.SIGNAL_REVOKED)
    def on_revoked(signal: str, task: Any) -> None:
        skipped.append(task.id)

    @working.task()
    def note(text: str) -> str:
        ran.append(text)
        return text

    soon = note.schedule(("soon",), delay=0.4)
    never = note.schedule(("never",), delay=0.2)
    never.revoke()
    with pytest.raises(ResultTimeout):
        soon.get(blocking=True, timeout=0.1, backoff=1, max_delay=0.05)
    assert soon.get(blocking=True, timeout=WAIT) == "soon"
    until("its turn came and went", lambda: skipped == [never.id])
    note.revoke()
    ignored = note("ignored")
    until("the whole task is passed over", lambda: skipped == [never.id, ignored.id])
    assert note.is_revoked()
    note.restore()
    assert note("last").get(blocking=True, timeout=WAIT) == "last"
    assert ignored.get() is None
    assert ran == ["soon", "last"]


def test_locks_and_the_result_store(app: Any) -> None:
    @app.task()
    @app.lock_task("report")
    def report() -> str:
        return "made"

    with app.lock_task("report"), pytest.raises(TaskLockedException):
        report.call_local()
    assert report.call_local() == "made"
    app.put("k", {"n": 1})
    assert app.get("k", peek=True) == {"n": 1}
    assert app.get("k") == {"n": 1}
    assert app.get("k") == ({"n": 1} if isinstance(app, RedisExpireHuey) else None)  # that one leaves it to expire
    assert app.put_if_empty("once", 1)
    assert not app.put_if_empty("once", 2)
    for _ in range(3):
        report()
    assert app.pending_count() == len(app.pending()) == 3
    app.flush()
    assert (app.pending_count(), app.result_count()) == (0, 0)


def test_periodic_tasks_and_signals(app: Any) -> None:
    ran = threading.Event()
    finished: list[str] = []

    @app.periodic_task(crontab(minute="*"))
    def every_minute() -> None:
        ran.set()

    @app.signal(huey.signals.SIGNAL_COMPLETE)
    def on_complete(signal: str, task: Any) -> None:
        finished.append(task.name)

    consumer = consumer_of(app, periodic=True)
    try:
        for task in app.read_periodic(None):  # what the consumer's scheduler does when a minute begins
            app.enqueue(task)
        assert ran.wait(WAIT)
        until("its signal came", lambda: "every_minute" in finished)
    finally:
        consumer.stop(graceful=True)


def test_priorities_come_first(endpoint: Endpoint) -> None:
    app = PriorityRedisHuey("integration", url=endpoint.url())
    order: list[int] = []

    @app.task()
    def note(n: int) -> None:
        order.append(n)

    for n in (1, 5, 3):
        note(n, priority=n)
    while (task := app.dequeue()) is not None:
        app.execute(task)
    assert order == [5, 3, 1]
