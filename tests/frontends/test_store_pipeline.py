"""Pipelines: results in order, transactions, WATCH, errors, and that nothing is left behind."""

from __future__ import annotations

import threading

import pytest

import kvcore
from kvcore import aio
from kvcore.frontends.store_pipeline import Pipeline, WatchError


@pytest.fixture
def store() -> kvcore.Store:
    return kvcore.open()


@pytest.mark.parametrize("transaction", [True, False])
def test_results_are_those_of_the_methods(store: kvcore.Store, transaction: bool) -> None:
    with store.pipeline(transaction) as pipe:
        pipe.set("a", 1).incr("a").hset("h", mapping={"x": 1}).hgetall("h").type("h").smembers("none")
        assert len(pipe) == 6
        assert pipe.execute() == [True, 2, 1, {b"x": b"1"}, b"hash", set()]
        assert pipe.execute() == []
    if isinstance(store, kvcore.Store):
        assert len(store.engine.sessions) == 1


@pytest.mark.parametrize("transaction", [True, False])
def test_the_first_error_is_raised_after_all_ran(store: kvcore.Store, transaction: bool) -> None:
    store.lpush("list", "x")
    with store.pipeline(transaction) as pipe:
        pipe.incr("list").set("after", 1)
        with pytest.raises(kvcore.WrongTypeError) as caught:
            pipe.execute()
        assert "INCRBY list" in caught.value.__notes__[0]
    assert store.get("after") == b"1"
    with store.pipeline(transaction) as pipe:
        pipe.incr("list").get("after")
        failed, value = pipe.execute(raise_on_error=False)
        assert isinstance(failed, kvcore.WrongTypeError)
        assert value == b"1"


def test_a_command_that_cannot_be_queued_ends_the_transaction(store: kvcore.Store) -> None:
    with store.pipeline() as pipe:
        pipe.set("a", 1).execute_command("NOSUCH", "x")
        with pytest.raises(kvcore.CommandError, match="unknown command"):
            pipe.execute()
    assert store.get("a") is None


def test_a_pipeline_leaves_the_threads_session_alone(store: kvcore.Store) -> None:
    store.select(3)
    store.execute("MULTI")
    with store.pipeline() as pipe:
        pipe.set("k", "v")
        assert pipe.execute() == [True]
    assert store.execute("EXEC") == []
    assert store.get("k") == b"v"


def test_watching_reads_at_once_and_notices_changes(store: kvcore.Store) -> None:
    store.set("n", 1)
    with store.pipeline() as pipe:
        pipe.watch("n")
        assert pipe.get("n") == b"1"
        store.incr("n")
        pipe.multi()
        pipe.set("n", 10)
        with pytest.raises(WatchError):
            pipe.execute()
        pipe.watch("n")
        pipe.unwatch()
        store.incr("n")
        pipe.set("n", 20)
        assert pipe.execute() == [True]
    if isinstance(store, kvcore.Store):
        assert not store.engine.keyspace.databases[0].watchers


def test_steps_out_of_order_are_refused(store: kvcore.Store) -> None:
    pipe = store.pipeline()
    pipe.set("a", 1)
    with pytest.raises(kvcore.KvcoreError, match="watch"):
        pipe.watch("a")
    with pytest.raises(kvcore.KvcoreError, match="multi"):
        pipe.multi()
    with pytest.raises(TypeError, match="NoneType"):
        pipe.set("a", None)
    pipe.reset()
    assert pipe
    assert len(pipe) == 0


def test_transactions_are_repeated_until_nothing_interferes(store: kvcore.Store) -> None:
    store.set("n", 0)

    def increment(pipe: Pipeline[bytes]) -> None:
        value = int(pipe.get("n"))
        pipe.multi()
        pipe.set("n", value + 1)

    def work() -> None:
        for _ in range(50):
            store.transaction(increment, "n")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert store.get("n") == b"200"
    assert store.transaction(lambda pipe: "result", value_from_callable=True) == "result"


def test_a_body_that_fails_leaves_nothing_watched(store: kvcore.Store) -> None:
    with pytest.raises(ZeroDivisionError), store.pipeline() as pipe:
        assert 1 / (pipe.watch("k") - 1)
    abandoned = store.pipeline()
    abandoned.watch("k")
    del abandoned
    if isinstance(store, kvcore.Store):
        store.tick()
        assert len(store.engine.sessions) == 1
        assert not store.engine.keyspace.databases[0].watchers


def test_blocking_commands_wait_in_a_pipeline_without_transaction(store: kvcore.Store) -> None:
    pipe = store.pipeline(transaction=False)
    pipe.blpop("q", 0).set("after", 1)
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.extend(pipe.execute()))
    thread.start()
    while not store.info("clients")["blocked_clients"]:
        threading.Event().wait(0.001)
    store.rpush("q", "x")
    thread.join(10)
    assert results == [(b"q", b"x"), True]


def test_text_stores_have_text_pipelines() -> None:
    with kvcore.open(decode_responses=True) as store, store.pipeline() as pipe:
        pipe.set("a", "ä").get("a").type("a").dump("a")
        _, text, kind, dump = pipe.execute()
        assert (text, kind) == ("ä", "string")
        assert isinstance(dump, bytes)


async def test_asynchronous_pipelines() -> None:
    async with aio.open() as store:
        async with store.pipeline() as pipe:
            pipe.set("a", 1).incr("a")
            assert await pipe.execute() == [True, 2]
            await pipe.watch("a")
            assert await pipe.get("a") == b"2"
            await store.incr("a")
            pipe.multi()
            pipe.set("a", 10)
            with pytest.raises(WatchError):
                await pipe.execute()

        async def increment(pipe: object) -> None:
            value = int(await pipe.get("a"))  # type: ignore[attr-defined]
            pipe.multi()  # type: ignore[attr-defined]
            pipe.set("a", value + 1)  # type: ignore[attr-defined]

        assert await store.transaction(increment, "a") == [True]
        assert await store.get("a") == b"4"
        async with store.pipeline(transaction=False) as pipe:
            pipe.blpop("q", 0.01).ping()
            assert await pipe.execute() == [None, True]
        assert len(store.engine.sessions) == 1
