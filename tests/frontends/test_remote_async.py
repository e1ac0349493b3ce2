"""Stores on servers for coroutines: asyncio and trio, cancellation, many at once, nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import inspect
import socket
import time
from collections.abc import Callable, Coroutine

import pytest
import trio

import kvcore
from kvcore import aio
from kvcore.frontends.remote_async import AsyncRemoteStore
from tests.frontends.test_remote_link import answering, server, until_closed

Main = Callable[[str], Coroutine[object, object, None]]


def on_asyncio(main: Main, url: str) -> None:
    asyncio.run(main(url))


def on_trio(main: Main, url: str) -> None:
    trio.run(main, url)


LOOPS = pytest.mark.parametrize("loop", [on_asyncio, on_trio], ids=["asyncio", "trio"])


def collect(stores: list[kvcore.BaseStore] | list[aio.BaseAsyncStore]) -> None:
    stores.clear()
    gc.collect()


async def everything(url: str) -> None:
    async with aio.connect(url) as store:
        await store.flushall()
        assert (await store.set("k", "v"), await store.get("k"), await store.get("none")) == (True, b"v", None)
        assert await store.hset("h", mapping={"a": 1, "b": 2}) == 2
        assert await store.hgetall("h") == {b"a": b"1", b"b": b"2"}
        assert sorted([key async for key in store]) == [b"h", b"k"]
        with pytest.raises(kvcore.WrongTypeError):
            await store.lpush("k", "x")
        async with store.pipeline() as pipe:
            pipe.set("n", 1).incr("n")
            assert await pipe.execute() == [True, 2]

        async def double(pipe: kvcore.frontends.store_pipeline.AsyncPipeline[bytes]) -> None:
            value = int(await pipe.get("n"))
            pipe.multi()
            pipe.set("n", 2 * value)

        assert await store.transaction(double, "n") == [True]
        assert await store.get("n") == b"4"
        async with store.lock("l", ttl=10) as lock:
            assert await lock.owned()
            assert not await store.lock("l", blocking_timeout=0.02).acquire()
        limit = store.rate_limit("r", 1, 60)
        assert [await limit.hit(), await limit.hit()] == [True, False]
        await limit.reset()
        async with store.pubsub(ignore_subscribe_messages=True) as listener:
            await listener.subscribe("c")
            assert await listener.get_message(timeout=0.01) is None
            assert await store.publish("c", "x") == 1
            message = await listener.get_message(timeout=10)
            assert message is not None
            assert message["data"] == b"x"
        calls = []

        @store.cache(ttl=60)
        async def square(n: int) -> int:
            calls.append(n)
            return n * n

        assert [await square(3), await square(3), calls] == [9, 9, [3]]
        store.dict("view")["f"] = 1
        store.list("items").extend(["a", "b"])
        assert (await store.hget("view", "f"), list(store.list("items"))) == (b"1", [b"a", b"b"])
        assert await store.blpop("nothing", 0.05) is None
        assert await store.register_script("return ARGV[1]")(args=["a"]) == b"a"


@LOOPS
def test_everything_works_on_both_kinds_of_loops(remote_url: str, loop: Callable[[Main, str], None]) -> None:
    loop(everything, remote_url)


def test_a_store_is_bound_to_no_loop(remote_url: str) -> None:
    store = aio.connect(remote_url)

    async def close() -> None:
        await store.aclose()
        await store.aclose()

    asyncio.run(store.set("k", "v"))
    trio.run(store.set, "k", "w")
    assert asyncio.run(store.get("k")) == b"w"
    asyncio.run(close())
    with pytest.raises(kvcore.ClosedError, match=r"aio\.connect"):
        asyncio.run(store.get("k"))


async def big(url: str) -> None:
    async with aio.connect(url) as store:
        await store.set("big", "x" * 1_000_000)
        async with store.pipeline(transaction=False) as pipe:
            for _ in range(20):
                pipe.get("big").set("other", "y" * 500_000)
            results = await pipe.execute()
        assert [len(result) if isinstance(result, bytes) else result for result in results] == [1_000_000, True] * 20


@LOOPS
def test_pipelines_larger_than_every_buffer(remote_url: str, loop: Callable[[Main, str], None]) -> None:
    loop(big, remote_url)


async def test_many_calls_share_a_few_connections(remote_url: str) -> None:
    async with aio.connect(remote_url, max_connections=5) as store:
        await store.delete("n")
        waiting = [asyncio.create_task(store.blpop("q", 0)) for _ in range(10)]
        await asyncio.gather(*(store.incr("n") for _ in range(200)))
        assert await store.get("n") == b"200"
        await store.rpush("q", *range(10))
        assert sorted(int(item[1]) for item in await asyncio.gather(*waiting)) == list(range(10))
        cancelled = [asyncio.create_task(store.incr("n")) for _ in range(50)]
        await asyncio.sleep(0)
        for task in cancelled[10:]:
            task.cancel()
        await asyncio.gather(*cancelled, return_exceptions=True)
        assert await store.ping()
        assert store._turns._free == 5  # type: ignore[attr-defined]


async def test_a_cancelled_wait_takes_no_element(remote_url: str) -> None:
    async with aio.connect(remote_url) as store:
        await store.delete("q")
        waiting = asyncio.create_task(store.blpop("q", 0))
        while not (await store.info("clients"))["blocked_clients"]:
            await asyncio.sleep(0.001)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        while (await store.info("clients"))["blocked_clients"]:
            await asyncio.sleep(0.001)
        await store.rpush("q", "x")
        assert await store.lrange("q", 0, -1) == [b"x"]


async def test_a_cancelled_call_leaves_no_reply_to_the_next() -> None:
    with server(until_closed, answering(b":7\r\n")) as url:
        async with aio.connect(url) as store:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(store.incr("n"), 0.05)
            assert await store.incr("n") == 7


async def test_a_reply_that_does_not_come_in_time() -> None:
    with server(until_closed) as url:
        async with aio.connect(url, timeout=0.05) as store:
            with pytest.raises(kvcore.ReplyTimeoutError):
                await store.incr("n")


async def test_a_lost_connection_and_a_replaced_one() -> None:
    def drop(peer: socket.socket) -> None:
        peer.recv(65536)

    with server(answering(b":1\r\n"), drop, answering(b":3\r\n")) as url:
        async with aio.connect(url) as store:
            assert await store.incr("n") == 1
            await asyncio.sleep(0.05)  # the server closes what nobody uses
            with pytest.raises(kvcore.ConnectionLostError, match=r"INCRBY.*may have run"):
                await store.incr("n")
            assert await store.incr("n") == 3


async def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    async with aio.connect(f"redis://127.0.0.1:{port}") as store:
        with pytest.raises(kvcore.ConnectionLostError, match="cannot connect"):
            await store.ping()


async def test_closing_ends_what_waits(remote_url: str) -> None:
    store = aio.connect(remote_url)
    await store.delete("q")
    waiting = asyncio.create_task(store.blpop("q", 0))
    while not (await store.info("clients"))["blocked_clients"]:
        await asyncio.sleep(0.001)
    await store.aclose()
    with pytest.raises(kvcore.ClosedError):
        await asyncio.wait_for(waiting, 10)


async def test_the_database_and_the_name_are_the_stores(remote_url: str) -> None:
    async with aio.connect(remote_url) as store:
        await store.flushall()
        await store.select(2)
        await store.client_setname("me")
        assert await asyncio.gather(*(store.client_getname() for _ in range(5))) == ["me"] * 5
        await asyncio.gather(*(store.rpush("l", number) for number in range(5)))
        assert (await store.llen("l"), len(store.list("l"))) == (5, 5)
        await store.select(0)
        assert (await store.llen("l"), len(store.list("l"))) == (0, 0)


async def test_what_needs_a_connection_of_ones_own_is_refused(remote_url: str) -> None:
    async with aio.connect(remote_url) as store:
        for words, advice in ((["multi"], "pipeline"), (["WATCH", "k"], "pipeline"), (["AUTH", "x"], "URL")):
            with pytest.raises(kvcore.UnsupportedError, match=advice):
                await store.execute(*words)
        with pytest.raises(AttributeError, match="in process"):
            store.engine  # type: ignore[attr-defined]  # noqa: B018
        with pytest.raises(AttributeError, match="no attribute"):
            store.nonsense  # type: ignore[attr-defined]  # noqa: B018


def test_a_store_that_is_not_closed_says_so(remote_url: str) -> None:
    store = aio.connect(remote_url)
    asyncio.run(store.set("k", "v"))
    stores = [store]
    del store
    with pytest.warns(ResourceWarning, match="aclose"):
        collect(stores)


async def test_other_urls_are_stores_in_process(tmp_path: object) -> None:
    async with aio.connect("memory://shared") as one, aio.connect("memory://shared", decode_responses=True) as two:
        await one.set("k", "v")
        assert await two.get("k") == "v"
    async with aio.connect(f"file://{tmp_path}/data") as store:
        assert await store.set("k", "v")
    with pytest.raises(kvcore.ConfigError, match="no URL of a store"):
        aio.connect("http://x")


def test_the_methods_are_those_in_process() -> None:
    for name, method in vars(aio.AsyncStore).items():
        if not name.startswith("_") and inspect.isfunction(method) and hasattr(aio.BaseAsyncStore, name):
            assert inspect.signature(method) == inspect.signature(getattr(AsyncRemoteStore, name)), name


async def test_calls_about_clients_leave_the_database_that_another_call_selects(remote_url: str) -> None:
    async with aio.connect(remote_url) as store:
        for database in range(1, 11):
            asking = [store.execute("CLIENT", "LIST") for _ in range(3)]
            await asyncio.gather(*asking[:2], store.select(database), *asking[2:])
            assert (await store.client_info())["db"] == str(database)


async def test_a_collection_follows_the_store_to_another_database(remote_url: str) -> None:
    async with aio.connect(remote_url) as store:
        await store.flushall()
        view = store.dict("h")
        view["a"] = 1
        await store.select(3)
        view["b"] = 2
        assert (await store.hgetall("h"), dict(view)) == ({b"b": b"2"}, {b"b": b"2"})


async def test_what_is_for_one_connection_is_refused(remote_url: str) -> None:
    async with aio.connect(remote_url) as store:
        for words in (["NO-EVICT", "on"], ["setinfo", "lib-name", "x"]):
            with pytest.raises(kvcore.UnsupportedError, match="for one connection"):
                await store.execute("client", *words)


async def test_as_many_connections_are_kept_as_calls_may_be_under_way(remote_url: str) -> None:
    async with aio.connect(remote_url, max_connections=80) as store:
        await asyncio.gather(*(store.incr("n") for _ in range(80)))
        links = set(store._pool._links)  # type: ignore[attr-defined]
        await asyncio.gather(*(store.incr("n") for _ in range(80)))
        assert len(links) > 64
        assert links <= store._pool._links  # type: ignore[attr-defined]


async def test_a_reply_may_take_long_as_long_as_it_comes() -> None:
    def slowly(peer: socket.socket) -> None:
        peer.recv(65536)
        for piece in (b"$3", b"\r\n", b"abc", b"\r\n"):
            peer.sendall(piece)
            time.sleep(0.2)

    with server(slowly) as url:
        async with aio.connect(url, timeout=0.6) as store:
            assert await store.get("k") == b"abc"


async def test_an_asynchronous_pipeline_whose_connection_was_lost(remote_url: str) -> None:
    async with aio.connect(remote_url) as store, store.pipeline() as pipe:
        await pipe.watch("k")
        pipe._link.cut()  # type: ignore[attr-defined]
        with pytest.raises(kvcore.ConnectionLostError, match="what the pipeline watched"):
            await pipe.get("k")
        pipe.reset()
        assert await pipe.watch("k")
