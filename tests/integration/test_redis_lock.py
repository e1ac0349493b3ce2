"""python-redis-lock on kvcore: contention, renewal, expiry, and locks freed by force."""

from __future__ import annotations

import threading

import pytest

redis_lock = pytest.importorskip("redis_lock")

from redis import Redis
from redis_lock import AlreadyAcquired, Lock, NotAcquired, NotExpirable, TimeoutTooLarge

from tests.integration.conftest import Endpoint
from tests.waiting import until


@pytest.fixture
def connection(endpoint: Endpoint) -> Redis:
    return Redis.from_url(endpoint.url())


def test_one_holder_at_a_time(connection: Redis) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work(number: int) -> None:
        for _ in range(10):
            with Lock(connection, "shared", expire=30):
                inside.append(number)
                most.append(len(inside))
                inside.remove(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert most == [1] * 50


def test_acquire_release_and_owners(connection: Redis) -> None:
    first, second = Lock(connection, "k", expire=30), Lock(connection, "k", expire=30)
    assert first.acquire()
    assert first.locked()
    assert first.get_owner_id() == second.get_owner_id() == first.id
    assert second.acquire(blocking=False) is False
    assert second.acquire(timeout=1) is False
    with pytest.raises(TimeoutTooLarge):
        second.acquire(timeout=60)
    with pytest.raises(AlreadyAcquired):
        first.acquire()
    with pytest.raises(NotAcquired):
        second.release()
    first.release()
    with pytest.raises(NotAcquired):
        first.release()
    assert second.acquire(blocking=False)
    second.release()
    assert not second.locked()


def test_a_waiter_is_woken_by_release(connection: Redis) -> None:
    held = Lock(connection, "k", expire=60)
    held.acquire()
    acquired = threading.Event()

    def wait() -> None:
        with Lock(connection, "k", expire=60):
            acquired.set()

    waiter = threading.Thread(target=wait)
    waiter.start()
    until("the waiter blocks", lambda: any(client["cmd"] == "blpop" for client in connection.client_list()))
    assert not acquired.is_set()
    held.release()
    assert acquired.wait(30)
    waiter.join(30)


def test_extension_expiry_and_renewal(connection: Redis) -> None:
    lock = Lock(connection, "k", expire=1)
    lock.acquire()
    lock.extend(expire=100)
    assert 95 < connection.ttl("lock:k") <= 100
    lock.release()
    with pytest.raises(NotAcquired):
        lock.extend(expire=5)
    forever = Lock(connection, "forever")
    forever.acquire()
    with pytest.raises(NotExpirable):
        forever.extend(expire=5)
    lost = Lock(connection, "lost", expire=1)
    lost.acquire()
    with Lock(connection, "renewed", expire=1, auto_renewal=True) as renewed:
        until("the other lock expired", lambda: not lost.locked())
        assert renewed.locked()
        assert Lock(connection, "renewed").acquire(blocking=False) is False
    with pytest.raises(NotAcquired):
        lost.release()


def test_locks_freed_by_force(connection: Redis) -> None:
    locks = [Lock(connection, f"k{n}") for n in range(3)]
    for lock in locks:
        assert lock.acquire(blocking=False)
    Lock(connection, "k0").reset()
    assert [lock.locked() for lock in locks] == [False, True, True]
    redis_lock.reset_all(connection)
    assert [lock.locked() for lock in locks] == [False] * 3
    assert Lock(connection, "k1", id="named").acquire(timeout=5) is True
