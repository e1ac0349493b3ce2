"""Remembered results: keys, forms, time, one computation at once, threads and tasks."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

import kvcore
from kvcore import aio
from kvcore.clock import ManualClock
from kvcore.frontends.inprocess import Store
from kvcore.frontends.store_pipeline import Pipeline


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
    assert store.keys("*:t:4") == [Thing.times.key(Thing(), 4)]
    with pytest.raises(TypeError, match=r"argument self of .*key="):
        Thing().plain()

    @store.cache()
    def deep(value: object) -> int:
        return 1

    keys = {deep.key(value) for value in (1, 1.0, True, "1", b"1", [1], {"a": 1}, {1: "a"}, {1}, None, "x" * 999)}
    assert len(keys) == 11
    assert max(map(len, keys)) < 400
    alike = ({}, set(), [], (), [1], (1,), {1}, "set()", "()", ([],), [()])
    assert len({deep.key(value) for value in alike}) == len(alike)
    assert deep.key({1}) == deep.key(frozenset({1}))


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


@pytest.mark.parametrize("decode_responses", [False, True])
@pytest.mark.parametrize("other", ["a list", b"\xff", b"{"])
def test_whatever_stands_at_a_key_is_written_over(decode_responses: bool, other: str | bytes) -> None:
    calls: list[int] = []
    with kvcore.open(decode_responses=decode_responses) as store:

        @store.cache()
        def double(n: int) -> int:
            calls.append(n)
            return 2 * n

        if isinstance(other, str):
            store.rpush(double.key(1), other)
        else:
            store.set(double.key(1), other)
        assert [double(1), double(1)] == [2, 2]
    assert calls == [1]


@pytest.mark.parametrize("decode_responses", [False, True])
def test_text_that_is_not_unicode_is_a_result(decode_responses: bool) -> None:
    calls: list[str] = []
    with kvcore.open(decode_responses=decode_responses) as store:

        @store.cache()
        def double(text: str) -> str:
            calls.append(text)
            return 2 * text

        assert [double("\ud800"), double("\ud800")] == ["\ud800\ud800"] * 2
    assert calls == ["\ud800"]


def test_a_lambda_has_no_name_to_keep_results_by(store: Store) -> None:
    with pytest.raises(TypeError, match="a lambda has no name"):
        store.cache()(lambda n: 2 * n)


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


# Forgetting what is being computed


@pytest.fixture(params=[False, True], ids=["one key", "all"])
def forget(request: pytest.FixtureRequest) -> Callable[[Any, int], object]:
    return (
        (lambda function, number: function.clear())
        if request.param
        else lambda function, number: function.invalidate(number)
    )


def test_what_is_forgotten_while_it_is_computed_is_not_kept(store: Store, forget: Callable[[Any, int], object]) -> None:
    truth = [1]

    @store.cache(ttl=60)
    def read(number: int) -> int:
        found = truth[0]
        if found == 1:  # the data changes behind its back
            truth[0] = 2
            forget(read, number)
        return found

    assert read(7) == 1  # it was asked before the change
    assert store.get(read.key(7)) is None
    assert read(7) == read(7) == 2
    assert store.get(read.key(7)) == b"2"


def test_a_call_after_forgetting_waits_for_no_computation_from_before(forget: Callable[[Any, int], object]) -> None:
    store = kvcore.open()
    truth, started, go, results = [1], threading.Event(), threading.Event(), list[int]()

    @store.cache(ttl=60)
    def read(number: int) -> int:
        found = truth[0]
        if found == 1:
            started.set()
            go.wait(10)
        return found

    late = threading.Thread(target=lambda: results.append(read(7)))
    late.start()
    started.wait(10)
    truth[0] = 2
    forget(read, 7)
    assert read(7) == 2
    go.set()
    late.join(10)
    assert results == [1]
    assert read(7) == 2
    assert store.get(read.key(7)) == b"2"


def test_forgetting_between_the_last_look_and_keeping(
    monkeypatch: pytest.MonkeyPatch, forget: Callable[[Any, int], object]
) -> None:
    store = kvcore.open()
    multi, times = Pipeline.multi, [0]

    @store.cache()
    def one(number: int) -> int:
        return number

    def late(pipe: Pipeline[bytes]) -> None:
        multi(pipe)
        times[0] += 1
        if times[0] == 1:  # the mark was there when it was looked at
            forget(one, 1)

    monkeypatch.setattr(Pipeline, "multi", late)
    assert one(1) == 1
    assert (times, store.get(one.key(1))) == ([1], None)
    assert one(1) == 1
    assert (times, store.get(one.key(1))) == ([2], b"1")


def test_marks_of_other_groups_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    store = kvcore.open()
    multi, times = Pipeline.multi, [0]

    @store.cache()
    def one(number: int) -> int:
        return number

    def late(pipe: Pipeline[bytes]) -> None:
        multi(pipe)
        times[0] += 1
        if times[0] == 1:
            store.hset("cache:" + one.__module__ + "." + one.__qualname__ + "!marks", "another", "x")

    monkeypatch.setattr(Pipeline, "multi", late)
    assert one(1) == 1
    assert (times, store.get(one.key(1))) == ([2], b"1")


def test_another_handle_on_the_data_forgets_as_well() -> None:
    def make(store: Store) -> Any:
        @store.cache(ttl=60)
        def read(number: int) -> int:
            return during.pop()() if during else number

        return read

    during: list[Callable[[], int]] = []
    with kvcore.connect("memory://caching") as one, kvcore.connect("memory://caching", decode_responses=True) as two:
        here, there = make(one), make(two)
        during.append(lambda: int(there.invalidate(1)))
        assert here(1) == 0  # nothing was there to be forgotten
        assert one.get(here.key(1)) is None
        assert here(1) == there(1) == 1


def test_forgetting_needs_no_memory(store: Store) -> None:
    @store.cache()
    def one(number: int) -> int:
        return number

    one(1)
    store.config_set("maxmemory", 1)
    assert one.invalidate(1)
    assert one(1) == 1
    assert one.clear() == 0


def full(store: Store) -> None:
    store.config_set("maxmemory", 1)


def occupied(store: Store) -> None:
    store.set(f"cache:{__name__}.{COMPUTED}!marks", "a string")


COMPUTED = "test_a_store_that_refuses_to_write_makes_no_call_fail.<locals>.double"


@pytest.mark.parametrize("marked", [False, True])
@pytest.mark.parametrize("refuse", [full, occupied])
def test_a_store_that_refuses_to_write_makes_no_call_fail(
    refuse: Callable[[Store], None], marked: bool, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[int] = []
    with kvcore.open() as store:

        @store.cache(ttl=60)
        def double(number: int) -> tuple[int, int]:
            calls.append(number)
            if marked and len(calls) == 1:
                refuse(store)
            return (number, number)

        if not marked:
            refuse(store)
        assert [double(1), double(1), double(2)] == [[1, 1], [1, 1], [2, 2]]
        assert calls == [1, 1, 2]
        assert store.get(double.key(1)) is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert double.__qualname__ in caplog.text


async def test_a_full_store_makes_no_coroutine_fail(caplog: pytest.LogCaptureFixture) -> None:
    async with aio.open(maxmemory=1) as store:

        @store.cache()
        async def double(number: int) -> int:
            await asyncio.sleep(0)
            return 2 * number

        assert await asyncio.gather(double(1), double(2), double(1)) == [2, 4, 2]
        assert await double(1) == 2
    assert caplog.text.count("OOM") == 1


def test_a_result_is_not_lost_with_the_store() -> None:
    store = kvcore.open()

    @store.cache()
    def late() -> int:
        store.close()
        return 1

    assert late() == 1
    with pytest.raises(kvcore.ClosedError):
        late()


def test_without_marks_forgetting_still_ends_what_is_computed() -> None:
    store = kvcore.open(maxmemory=1)
    truth, go, begun = [1], threading.Event(), threading.Event()

    @store.cache()
    def read() -> int:
        found = truth[0]
        begun.set()
        if found == 1:
            go.wait(10)
        return found

    results: list[int] = []
    early = threading.Thread(target=lambda: results.append(read()))
    early.start()
    begun.wait(10)
    truth[0] = 2
    read.invalidate()
    assert read() == 2
    go.set()
    early.join()
    assert results == [1]


def test_forgetting_leaves_little_behind(store: Store) -> None:
    @store.cache()
    def one(number: int) -> int:
        return number

    for number in range(2000):
        one(number)
    marks = store.keys("*!marks")
    assert [store.hlen(name) for name in marks] == [256]
    for number in range(2000):
        one.invalidate(number)
    assert store.keys() == []
    one(1)
    one.clear()
    assert store.keys() == []


async def test_tasks_keep_nothing_that_was_forgotten_meanwhile(forget: Callable[[Any, int], object]) -> None:
    async with aio.open() as store:
        truth, go = [1], asyncio.Event()

        @store.cache(ttl=60)
        async def read(number: int) -> int:
            found = truth[0]
            if found == 1:
                await go.wait()
            return found

        late = [asyncio.create_task(read(7)) for _ in range(3)]
        for _ in range(3):
            await asyncio.sleep(0)
        truth[0] = 2
        forget(read, 7)
        assert await read(7) == 2
        go.set()
        assert await asyncio.gather(*late) == [1, 1, 1]  # they were asked before
        assert await read(7) == 2
        assert await store.get(read.key(7)) == b"2"


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


@pytest.mark.parametrize("ttl", ["5", True, 0, float("inf"), float("nan"), timedelta(0)])
def test_a_ttl_that_is_no_time_is_refused(store: Store, ttl: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="a cache's ttl is"):
        store.cache(ttl)
