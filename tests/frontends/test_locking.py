"""Locks and rate limits: who waits, who owns, what time does."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta

import pytest

import kvcore
from kvcore import aio
from kvcore.clock import ManualClock
from kvcore.frontends.inprocess import Store
from kvcore.frontends.locking import LockError


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(clock: ManualClock) -> Store:
    return Store(clock=clock)


def test_a_lock_excludes_others_until_it_is_released(store: Store) -> None:
    with store.lock("l", ttl=10) as lock:
        assert lock.owned()
        assert lock.locked()
        assert 9_000 < store.pttl("l") <= 10_000
        assert not store.lock("l", blocking=False).acquire()
        assert not store.lock("l").acquire(blocking=False)
    assert not lock.owned()
    assert store.exists("l") == 0


def test_a_lock_is_not_reentrant_and_belongs_to_its_thread(store: Store) -> None:
    lock = store.lock("l")
    assert lock.acquire()
    with pytest.raises(LockError, match="reentrant"):
        lock.acquire()
    errors: list[BaseException] = []

    def release() -> None:
        try:
            lock.release()
        except LockError as error:
            errors.append(error)

    thread = threading.Thread(target=release)
    thread.start()
    thread.join()
    assert len(errors) == 1
    lock.release()
    with pytest.raises(LockError, match="not held"):
        lock.release()
    with pytest.raises(LockError, match="not held"):
        lock.extend(1)


def test_a_lock_that_ran_out_is_lost(store: Store, clock: ManualClock) -> None:
    lock = store.lock("l", ttl=1)
    lock.acquire()
    lock.extend(5)
    clock.advance(4000)
    assert lock.owned()
    clock.advance(1000)
    assert not lock.owned()
    other = store.lock("l", ttl=1)
    assert other.acquire()
    with pytest.raises(LockError, match="lost"):
        lock.release()
    assert other.owned()


def test_a_body_that_fails_says_so_although_the_lock_was_lost(store: Store, clock: ManualClock) -> None:
    with pytest.raises(ZeroDivisionError), store.lock("l", ttl=1):
        clock.advance(1 / (clock.advance(2000) or 0))
    with pytest.raises(LockError, match="lost"), store.lock("l", ttl=1):
        clock.advance(2000)


@pytest.mark.parametrize("free", ["release", "delete", "flushall", "rename"])
def test_a_waiting_thread_gets_the_lock_however_it_becomes_free(free: str) -> None:
    store = kvcore.open()
    holder = store.lock("l")
    holder.acquire()
    got: list[bool] = []
    thread = threading.Thread(target=lambda: got.append(store.lock("l", ttl=5).acquire()))
    thread.start()
    while not store.engine.blocking.count:
        threading.Event().wait(0.001)
    if free == "release":
        holder.release()
    elif free == "delete":
        store.delete("l")
    elif free == "flushall":
        store.flushall()
    else:
        store.rename("l", "elsewhere")
    thread.join(10)
    assert got == [True]
    assert store.pttl("l") > 0


def test_waiting_ends_with_the_holders_time_or_ones_own() -> None:
    store = kvcore.open()
    store.lock("l", ttl=0.05).acquire()
    assert not store.lock("l", blocking_timeout=0.01).acquire()
    assert not store.lock("l", blocking_timeout=0).acquire()
    assert store.lock("l", ttl=0.05, blocking_timeout=10).acquire()
    with pytest.raises(LockError, match="in time"), store.lock("l", blocking_timeout=0.01):
        pass
    with store.lock("l"):
        assert store.pttl("l") == -1


def test_many_threads_never_hold_a_lock_together() -> None:
    store = kvcore.open()
    lock = store.lock("l", ttl=30)
    inside = [0]
    most = [0]

    def work() -> None:
        for _ in range(20):
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                store.incr("n")
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert most == [1]
    assert store.get("n") == b"120"


def test_what_others_make_a_lock_of_excludes_these(store: Store) -> None:
    assert store.lock("l", ttl=5).acquire()
    assert store.set("l", "token", nx=True, px=1000) is None
    store.delete("l")
    assert store.set("l", "token", nx=True, px=1000)
    assert not store.lock("l", blocking=False).acquire()


def test_locks_are_set_and_del_to_who_follows_the_store(store: Store) -> None:
    effects: list[list[bytes]] = []
    store.engine.subscribe(lambda unit: effects.extend(effect for _, effect in unit))
    with store.lock("l", ttl=1) as lock:
        lock.extend(2)
    assert [effect[0] for effect in effects] == [b"SET", b"PEXPIREAT", b"DEL"]


def test_what_makes_no_sense_is_refused(store: Store) -> None:
    for ttl, error in ((0, ValueError), (-1, ValueError), ("1", TypeError), (True, TypeError)):
        with pytest.raises(error, match="ttl"):
            store.lock("l", ttl=ttl)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="does not wait"):
        store.lock("l", blocking=False, blocking_timeout=1)
    with pytest.raises(TypeError, match="commands take"):
        store.lock(None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="one hit"):
        store.rate_limit("r", 0, 1)
    with pytest.raises(TypeError, match="whole number"):
        store.rate_limit("r", 1.5, 1)  # type: ignore[arg-type]


def test_a_rate_limit_holds_in_any_window(store: Store, clock: ManualClock) -> None:
    limit = store.rate_limit("api", limit=2, window=10)
    assert limit.hit("me")
    clock.advance(4000)
    assert limit.hit("me")
    assert not limit.hit("me")
    assert limit.remaining("me") == 0
    assert limit.wait_time("me") == 6.0
    assert limit.hit("you")
    assert limit.hit()
    clock.advance(6000)
    assert limit.remaining("me") == 1
    assert limit.hit("me")
    assert not limit.hit("me")
    limit.reset("me")
    assert limit.remaining("me") == 2
    clock.advance(10_000)
    assert store.keys() == []


async def test_asynchronous_locks_and_limits() -> None:
    async with aio.open() as store:
        inside: list[int] = []
        lock = store.lock("l", ttl=5)

        async def work() -> None:
            async with lock:
                assert not inside
                inside.append(1)
                await asyncio.sleep(0)
                inside.pop()

        await asyncio.gather(*(work() for _ in range(20)))
        async with lock:
            assert await lock.owned()
            assert await lock.locked()
            await lock.extend(9)
            with pytest.raises(LockError, match="reentrant"):
                await lock.acquire()
            assert not await store.lock("l", blocking_timeout=0.01).acquire()
            waiting = asyncio.create_task(store.lock("l").acquire())
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        assert not await lock.locked()
        with pytest.raises(LockError):
            await lock.release()
        limit = store.rate_limit("r", 1, 60)
        assert await limit.hit()
        assert not await limit.hit()
        assert await limit.remaining() == 0
        await limit.reset()
        assert await limit.remaining() == 1


def test_times_may_be_timedeltas() -> None:
    clock = ManualClock()
    store = Store(clock=clock)
    minute = timedelta(minutes=1)
    limit = store.rate_limit("api", 1, minute)
    assert [limit.hit(), limit.hit()] == [True, False]
    lock = store.lock("l", minute, blocking_timeout=timedelta(0))
    assert lock.acquire()
    assert store.pttl("l") == 60_000
    lock.extend(minute * 2)
    assert store.pttl("l") == 120_000
    assert store.cache(minute)(abs)(-1) == 1
    clock.advance(60_000)
    assert limit.hit()
