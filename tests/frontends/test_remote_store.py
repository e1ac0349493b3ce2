"""A remote store's life: threads, forks, what is left behind, what it has not. What it shares is in test_store.py."""

from __future__ import annotations

import gc
import inspect
import os
import subprocess
import sys
import threading

import pytest

import kvcore


def collect(stores: list[kvcore.BaseStore]) -> None:
    stores.clear()
    gc.collect()


def test_it_is_a_store_and_says_where(remote_url: str) -> None:
    with kvcore.connect(remote_url) as store:
        assert isinstance(store, kvcore.RemoteStore)
        assert isinstance(store, kvcore.BaseStore)
        assert not isinstance(store, kvcore.Store)
        assert remote_url.removeprefix("redis://") in repr(store)
        assert bool(store)


def test_the_methods_are_those_in_process() -> None:
    for name, method in vars(kvcore.Store).items():
        if not name.startswith("_") and inspect.isfunction(method) and hasattr(kvcore.BaseStore, name):
            assert inspect.signature(method) == inspect.signature(getattr(kvcore.RemoteStore, name)), name


def test_what_only_an_engine_in_process_has(remote_url: str) -> None:
    with kvcore.connect(remote_url) as store:
        for name in ("engine", "mutex", "tick", "keep", "messages"):
            assert not hasattr(store, name)
            with pytest.raises(AttributeError, match=r"kvcore\.open"):
                getattr(store, name)
        with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
            store.nonsense  # type: ignore[attr-defined]  # noqa: B018


def test_each_thread_has_a_connection_that_the_next_thread_gets(remote_url: str) -> None:
    with kvcore.connect(remote_url) as store:
        numbers = [store.client_id()]
        for _ in range(3):
            thread = threading.Thread(target=lambda: numbers.append(store.client_id()))
            thread.start()
            thread.join(10)
            gc.collect()
        assert numbers[0] != numbers[1]
        assert len(set(numbers)) == 2
        assert store.client_id() == numbers[0]


def test_a_pipeline_is_on_the_threads_database(remote_url: str) -> None:
    with kvcore.connect(remote_url) as store:
        store.flushall()
        store.select(4)
        with store.pipeline() as pipe:
            pipe.set("k", "v")
            pipe.execute()
        assert store.get("k") == b"v"
        store.select(0)
        assert store.get("k") is None


def test_closing_ends_the_wait_of_another_thread(remote_url: str) -> None:
    store = kvcore.connect(remote_url)
    store.delete("q")
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            store.blpop("q", 0)
        except kvcore.KvcoreError as error:
            errors.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    while not store.info("clients")["blocked_clients"]:
        threading.Event().wait(0.001)
    store.close()
    thread.join(10)
    assert [type(error) for error in errors] == [kvcore.ClosedError]
    for use in (store.ping, store.pubsub, lambda: store.pipeline().set("a", 1).execute()):
        with pytest.raises(kvcore.ClosedError):
            use()


def test_a_store_that_is_not_closed_says_so_if_it_was_used(remote_url: str) -> None:
    unused = kvcore.connect(remote_url)
    del unused
    gc.collect()
    store = kvcore.connect(remote_url)
    store.ping()
    stores = [store]
    del store
    with pytest.warns(ResourceWarning, match="remote store was not closed"):
        collect(stores)


def test_an_abandoned_pipeline_gives_its_connection_up(remote_url: str) -> None:
    with kvcore.connect(remote_url) as store:
        store.ping()
        pipe = store.pipeline()
        pipe.watch("k")
        assert len(store._pool._links) == 2  # type: ignore[attr-defined]
        del pipe
        gc.collect()
        assert len(store._pool._links) == 1  # type: ignore[attr-defined]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_has_connections_of_its_own(remote_url: str) -> None:
    program = f"""
import os, kvcore
store = kvcore.connect({remote_url!r})
mine = store.client_id()
child = os.fork()
if not child:
    theirs = store.client_id()
    store.close()
    os._exit(7 if theirs != mine else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), store.client_id() == mine)
store.close()
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.stdout.split(), done.stderr) == (["7", "True"], "")


def test_importing_it_needs_no_optional_package() -> None:
    program = (
        "import sys, kvcore; kvcore.connect('redis://h'); print({'redis', 'hiredis', 'trio', 'anyio'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "set()"


def test_a_pipeline_whose_connection_was_lost_goes_on_only_if_it_watched_nothing(remote_url: str) -> None:
    with kvcore.connect(remote_url) as store, store.pipeline() as pipe:
        store.flushall()
        pipe.watch("k")
        pipe._link.cut()  # type: ignore[attr-defined]
        for _ in range(2):
            with pytest.raises(kvcore.ConnectionLostError, match="what the pipeline watched") as caught:
                pipe.get("k")
            assert not caught.value.sent
        pipe.reset()
        pipe.watch("k")
        pipe.multi()
        assert pipe.set("k", "v").execute() == [True]


def test_a_thread_that_goes_on_with_another_database_gives_its_connection_back_once(remote_url: str) -> None:
    with kvcore.connect(remote_url) as store:
        assert isinstance(store, kvcore.RemoteStore)

        def change() -> None:
            store.ping()
            store.begin_with((1, ""))

        thread = threading.Thread(target=change)
        thread.start()
        thread.join(10)
        gc.collect()
        assert len(store._pool._idle) == 1
