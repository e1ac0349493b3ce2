"""Remembered results: keys, forms, time, one computation at once, threads and tasks."""

from __future__ import annotations

import asyncio
import inspect
import threading
from datetime import timedelta

import pytest

import kvcore
from kvcore import aio
from kvcore.clock import ManualClock
from kvcore.frontends.inprocess import Store


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(clock: ManualClock) -> Store:
    return Store(clock=clock)


def test_a_result_is_computed_once_until_its_time_is_up(store: Store, clock: ManualClock) -> None:
    calls: list[tuple[object, ...]] = []

    @store.cache(ttl=60)
    def add(one: int, other: int = 2) -> dict[str, int]:
        "Add."
        calls.append((one, other))
        return {"sum": one + other}

    assert add(1) == add(1, 2) == add(other=2, one=1) == {"sum": 3}
    assert calls == [(1, 2)]
    assert add("1", "2") != add(1)  # type: ignore[arg-type]
    assert add.__name__ == "add"
    assert add.__doc__ == "Add."
    assert store.get(add.key(1)) == b'{"sum": 3}'
    clock.advance(60_000)
    add(1)
    assert len(calls) == 3


def test_none_is_a_result_and_what_comes_back_is_json(store: Store) -> None:
    calls: list[int] = []

    @store.cache(ttl=timedelta(minutes=1))
    def odd(kind: int) -> object:
        calls.append(kind)
        return [None, (1, "ä"), {1: 2}, object()][kind]

    assert [odd(0), odd(0), odd(1), odd(1), odd(2), odd(2)] == [None, None, [1, "ä"], [1, "ä"], {"1": 2}, {"1": 2}]
    assert calls == [0, 1, 2]
    with pytest.raises(TypeError, match="JSON"):
        odd(3)


def test_results_can_be_forgotten(store: Store) -> None:
    @store.cache()
    def square(number: int) -> int:
        return number * number

    store.set("cache:other", 1)
    assert [square(number) for number in range(5)] == [0, 1, 4, 9, 16]
    assert store.ttl(square.key(1)) == -1
    assert square.invalidate(3)
    assert not square.invalidate(3)
    assert square.clear() == 4
    assert store.keys() == [b"cache:other"]


def test_arguments_that_make_no_key_need_a_function(store: Store) -> None:
    class Thing:
        name = "t"

        @store.cache(ttl=5, key=lambda self, number: f"{self.name}:{number}")
        def times(self, number: int) -> int:
            return 2 * number

        @store.cache(ttl=5)
        def plain(self) -> int:
            return 1

    assert Thing().times(4) == 8
    assert Thing().times(4) == 8
    assert len(store) == 1
    with pytest.raises(TypeError, match=r"argument self of .*key="):
        Thing().plain()

    @store.cache()
    def deep(value: object) -> int:
        return 1

    keys = {deep.key(value) for value in (1, 1.0, True, "1", b"1", [1], {"a": 1}, {1: "a"}, {1}, None, "x" * 999)}
    assert len(keys) == 11
    assert max(map(len, keys)) < 400


def test_what_cannot_be_cached_is_refused(store: Store) -> None:
    with pytest.raises(TypeError, match="parentheses"):
        store.cache(lambda: 1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="ttl"):
        store.cache(ttl=0)
    with pytest.raises(TypeError, match="generator"):

        @store.cache()
        def numbers() -> object:
            yield 1


def test_what_others_wrote_at_a_key_is_computed_anew(store: Store) -> None:
    @store.cache()
    def one() -> int:
        return 1

    store.set(one.key(), b"\x80\x04 no json")
    assert one() == 1
    assert store.get(one.key()) == b"1"


def test_threads_wait_for_one_computation() -> None:
    store = kvcore.open()
    started, go = threading.Event(), threading.Event()
    calls: list[int] = []

    @store.cache(ttl=60)
    def slow(number: int) -> int:
        calls.append(number)
        started.set()
        go.wait(10)
        return number

    results: list[int] = []
    threads = [threading.Thread(target=lambda: results.append(slow(1))) for _ in range(8)]
    for thread in threads:
        thread.start()
    started.wait(10)
    go.set()
    for thread in threads:
        thread.join(10)
    assert results == [1] * 8
    assert calls == [1]


def test_after_a_failure_the_next_one_computes(store: Store) -> None:
    outcomes = [ValueError("first"), 5]

    @store.cache()
    def flaky() -> int:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    with pytest.raises(ValueError, match="first"):
        flaky()
    assert flaky() == flaky() == 5


def test_recursion_does_not_wait_for_itself(store: Store) -> None:
    @store.cache()
    def fibonacci(n: int) -> int:
        return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

    assert fibonacci(30) == 832_040


async def test_tasks_wait_for_one_computation() -> None:
    async with aio.open() as store:
        calls: list[int] = []
        go = asyncio.Event()

        @store.cache(ttl=60)
        async def slow(number: int) -> int:
            calls.append(number)
            await go.wait()
            return number

        tasks = [asyncio.create_task(slow(1)) for _ in range(5)]
        await asyncio.sleep(0)
        tasks[0].cancel()  # who computes gives up: another one takes over
        for _ in range(3):
            await asyncio.sleep(0)
        go.set()
        assert await asyncio.gather(*tasks[1:]) == [1] * 4
        assert calls == [1, 1]
        assert await slow(1) == 1
        assert slow.invalidate(1)
        assert inspect.isawaitable(coroutine := slow(1))
        assert await coroutine == 1
        assert slow.clear() == 1
