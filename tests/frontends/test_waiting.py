"""One wait, on asyncio and on trio, and the asynchronous store on the latter."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest

from kvcore import aio
from kvcore.frontends.waiting import current_task, in_thread, pause, ready, wakeup

trio = pytest.importorskip("trio")


async def waits() -> None:
    bell = wakeup()
    assert not await bell.wait(0.001)
    bell.set()
    assert await bell.wait(10)
    thread = threading.Thread(target=bell.set)
    thread.start()
    assert await bell.wait()
    thread.join()
    assert not await bell.wait(0)
    assert current_task() is current_task()
    ran: list[int] = []
    await in_thread(lambda: ran.append(threading.get_ident()))
    assert ran != [threading.get_ident()]


def test_waits_end_by_being_set_or_in_time() -> None:
    asyncio.run(waits())
    trio.run(waits)


def test_a_wait_that_nobody_waits_any_more_may_be_set() -> None:
    bells = []

    async def make() -> None:
        bells.append(wakeup())

    asyncio.run(make())
    trio.run(make)
    for bell in bells:
        bell.set()


def test_an_asynchronous_store_works_on_trio() -> None:
    async def main() -> None:
        async with aio.open() as store:
            await store.set("k", "v")
            assert await store.get("k") == b"v"
            assert await store.blpop("q", 0.01) is None
            results: list[object] = []

            async def take() -> None:
                results.append(await store.blpop("q"))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(take)
                await trio.testing.wait_all_tasks_blocked()
                await store.rpush("q", "x")
            assert results == [(b"q", b"x")]
            async with store.pubsub(ignore_subscribe_messages=True) as listener:
                await listener.subscribe("c")
                await store.publish("c", "m")
                message = await listener.get_message(timeout=None)
                assert message is not None
                assert message["data"] == b"m"
            async with store.lock("l", ttl=5):
                assert not await store.lock("l", blocking_timeout=0.01).acquire()

    import trio.testing

    trio.run(main)


def test_a_cancelled_wait_on_trio_takes_no_element_and_loses_none() -> None:
    async def main() -> None:
        async with aio.open() as store:
            with trio.move_on_after(0.01):
                await store.blpop("q")
            await store.rpush("q", "x")
            assert await store.lrange("q", 0, -1) == [b"x"]
            await store.delete("q")
            taken: list[object] = []

            async def take(scope: trio.CancelScope) -> None:
                with scope:
                    taken.append(await store.blpop("q"))

            scope = trio.CancelScope()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(take, scope)
                await trio.testing.wait_all_tasks_blocked()
                await store.rpush("q", "x")  # served, and cancelled before it can go on
                scope.cancel()
            left = await store.lrange("q", 0, -1)
            assert (taken, left) in (([(b"q", b"x")], []), ([], [b"x"]))

    import trio.testing

    trio.run(main)


def test_a_store_serves_both_one_after_the_other() -> None:
    store = aio.open()
    asyncio.run(store.set("k", "v"))

    async def read() -> None:
        assert await store.get("k") == b"v"
        assert await store.blpop("q", 0.01) is None

    trio.run(read)
    asyncio.run(read())


async def nothing_comes(quiet: socket.socket) -> tuple[bool, bool]:
    return await ready(quiet, False, 0.01), await ready(quiet, True, 5)


async def something_comes(busy: socket.socket) -> bool:
    return await ready(busy, False, None)


def test_sockets_are_waited_for_on_both_loops_and_are_bound_to_neither() -> None:
    one, other = socket.socketpair()
    with one, other:
        one.setblocking(False)
        for run in (lambda main: asyncio.run(main(one)), lambda main: trio.run(main, one)):
            assert run(nothing_comes) == (False, True)
            other.send(b"x")
            assert run(something_comes)
            assert one.recv(1) == b"x"
    for run in (lambda main: asyncio.run(main(one)), lambda main: trio.run(main, one)):
        with pytest.raises(ConnectionAbortedError):
            run(something_comes)


def test_others_go_on_during_a_pause() -> None:
    async def main() -> None:
        await pause(0)

    asyncio.run(main())
    trio.run(main)


def test_a_threads_result_is_returned() -> None:
    async def main() -> int:
        return await in_thread(lambda: 7)

    assert (asyncio.run(main()), trio.run(main)) == (7, 7)
