"""The embedded store for coroutines: awaiting, cancelling, time-outs, several loops."""

from __future__ import annotations

import asyncio
import gc
import socket
import weakref

import pytest

import kvcore
from kvcore import aio


async def test_values_errors_and_closing() -> None:
    async with aio.open() as store:
        await store.set("k", "v")
        assert await store.get("k") == b"v"
        assert await store.execute("LPUSH", "list", "x") == 1
        with pytest.raises(kvcore.WrongTypeError):
            await store.get("list")
        assert await store.delete("k") == 1
    with pytest.raises(kvcore.ClosedError):
        await store.get("k")


async def test_a_waiting_command_lets_others_go_on() -> None:
    async with aio.open() as store:
        waiter = asyncio.create_task(store.execute("BLPOP", "list", 0))
        await asyncio.sleep(0)
        assert await store.execute("RPUSH", "list", "x") == 1
        assert await waiter == [b"list", b"x"]


async def test_waiters_are_served_in_order() -> None:
    async with aio.open() as store:
        waiters = []
        for _ in range(100):
            waiters.append(asyncio.create_task(store.execute("BLPOP", "list", 0)))
            await asyncio.sleep(0)
        await store.execute("RPUSH", "list", *range(100))
        assert [reply[1] for reply in await asyncio.gather(*waiters)] == [b"%d" % number for number in range(100)]


async def test_a_time_out_answers_none() -> None:
    async with aio.open() as store:
        assert await store.execute("BLPOP", "list", 0.01) is None


async def test_a_cancelled_wait_takes_no_element() -> None:
    async with aio.open() as store:
        waiter = asyncio.create_task(store.execute("BLPOP", "list", 0))
        await asyncio.sleep(0)
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        await store.execute("RPUSH", "list", "x")
        assert await store.execute("LRANGE", "list", 0, -1) == [b"x"]


async def test_a_cancellation_after_the_pop_hands_the_element_over_first() -> None:
    async with aio.open() as store:
        taken: list[object] = []

        async def work() -> None:
            while True:
                taken.append(await store.execute("BLPOP", "list", 0))

        worker = asyncio.create_task(work())
        await asyncio.sleep(0)
        await store.execute("RPUSH", "list", "x")
        worker.cancel()
        with pytest.raises(asyncio.CancelledError):
            await worker
        assert taken == [[b"list", b"x"]]


async def test_a_time_out_block_that_loses_the_race_still_gets_the_element() -> None:
    async with aio.open() as store:
        loop = asyncio.get_running_loop()

        async def work() -> object:
            async with asyncio.timeout(None) as limit:
                loop.call_soon(lambda: limit.reschedule(loop.time()))
                return await store.execute("BLPOP", "list", 0)

        worker = asyncio.create_task(work())
        await asyncio.sleep(0)
        await store.execute("RPUSH", "list", "x")
        assert await worker == [b"list", b"x"]
        assert not worker.cancelling()


def test_a_store_is_bound_to_no_loop() -> None:
    store = aio.open()
    asyncio.run(store.set("k", "v"))
    assert asyncio.run(store.execute("BLPOP", "list", 0.01)) is None
    assert asyncio.run(store.get("k")) == b"v"


async def test_transactions_share_the_stores_session() -> None:
    async with aio.open() as store:
        await store.execute("MULTI")
        await store.execute("INCR", "n")
        await store.execute("BLPOP", "list", 0)
        assert await store.execute("EXEC") == [1, None]


async def test_commands_that_may_wait_without_being_called_blocking() -> None:
    async with aio.open() as store:
        assert await store.execute("WAIT", 1, 10) == 0
        assert await store.execute("WAITAOF", 0, 1, 10) == [0, 0]
        with socket.create_server(("127.0.0.1", 0)) as listener:
            await store.set("k", "v")
            moving = asyncio.create_task(store.execute("MIGRATE", *listener.getsockname(), "k", 0, 10_000))
            await asyncio.sleep(0)
            assert await store.get("k") == b"v"
            writing = asyncio.create_task(store.execute("APPEND", "k", "w"))
            await asyncio.sleep(0)
            assert not writing.done()
            loop = asyncio.get_running_loop()
            target, _ = await loop.run_in_executor(None, listener.accept)
            with target:
                await loop.run_in_executor(None, target.sendall, b"+OK\r\n+OK\r\n")
                assert await moving == "OK"
                assert await writing == 1


async def test_what_needs_no_await_works_in_the_selected_database() -> None:
    async with aio.open() as store:
        basket = store.dict("basket")
        calls: list[int] = []

        @store.cache()
        def double(number: int) -> int:
            calls.append(number)
            return 2 * number

        basket["apples"] = 1
        double(1)
        await store.select(1)
        assert [dict(basket), dict(store.dict("basket"))] == [{}, {}]
        store.list("list").append("a")
        double(1)
        assert await store.exists("list", double.key(1)) == 2
        await store.select(0)
        assert dict(basket) == await store.hgetall("basket") == {b"apples": b"1"}
        assert double(1) == 2
        assert calls == [1, 1]
        shared = aio.AsyncStore(store=kvcore.open())
        other = aio.AsyncStore(store=shared._store)
        await other.select(3)
        other.counter("n").incr()
        assert [await shared.get("n"), await other.get("n")] == [None, b"1"]


async def test_closing_ends_the_waits_of_other_tasks() -> None:
    store = aio.open()
    pipeline = store.pipeline(transaction=False).execute_command("BLPOP", "list", 0)
    calls = (store.execute("BLPOP", "list", 0), store.blpop("list"), pipeline.execute())
    tasks = [asyncio.ensure_future(call) for call in calls]
    while store.engine.blocking.count < len(tasks):
        await asyncio.sleep(0)
    await store.aclose()
    results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
    assert [type(result) for result in results] == [kvcore.ClosedError] * 3


async def test_views_of_a_closed_store_say_so() -> None:
    async with aio.open() as store:
        view = store.dict("h")
        view["a"] = 1
    for use in (lambda: dict(view), lambda: view.update(a=1), lambda: store.dict("h")["a"]):
        with pytest.raises(kvcore.ClosedError, match="closed"):
            use()


async def test_a_view_keeps_its_store_and_nothing_keeps_both() -> None:
    view = aio.open().dict("h")
    view["a"] = 1
    assert dict(view) == {b"a": b"1"}
    store = aio.open()
    assert not store.list("l")
    gone = weakref.ref(store)
    gc.disable()
    try:
        del store
        assert gone() is None
    finally:
        gc.enable()
