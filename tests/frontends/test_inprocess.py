"""The embedded store: values, errors, threads, blocking calls, closing."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import subprocess
import sys
import threading
import warnings
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

import kvcore
from kvcore import aio
from kvcore.clock import ManualClock
from kvcore.frontends.inprocess import Store


@pytest.fixture
def store() -> Store:
    return kvcore.open()


def parked(store: Store, count: int = 1) -> None:
    """Wait until ``count`` threads are parked in a blocking command."""
    while store.engine.blocking.count < count:
        threading.Event().wait(0.001)


def test_values_come_back_as_bytes_and_python_types(store: Store) -> None:
    store.set("k", "v")
    store.set("n", 1)
    assert store.get("k") == b"v"
    assert store.get(b"none") is None
    assert store.execute("INCRBY", "n", 41) == 42
    assert store.execute("HSET", "h", "f", 1.5) == 1
    assert store.execute("HGETALL", "h") == {b"f": b"1.5"}
    assert store.delete("k", "none") == 1


def test_set_with_a_time_to_live_follows_the_clock() -> None:
    clock = ManualClock()
    store = Store(clock=clock)
    store.set("k", "v", px=100)
    clock.advance(99)
    assert store.get("k") == b"v"
    clock.advance(1)
    assert store.get("k") is None


def test_keys_nobody_asks_for_expire_as_commands_run() -> None:
    clock = ManualClock()
    store = Store(clock=clock)
    for number in range(50):
        store.set(f"k{number}", "v", px=100)
    clock.advance(100)
    for _ in range(2000):
        store.get("other")
    assert store.execute("DBSIZE") == 0


def test_error_replies_are_raised(store: Store) -> None:
    store.execute("LPUSH", "list", "x")
    with pytest.raises(kvcore.WrongTypeError, match="WRONGTYPE"):
        store.get("list")
    with pytest.raises(kvcore.CommandError, match="ERR unknown command 'NOPE'"):
        store.execute("NOPE")


def test_arguments_with_no_one_spelling_are_refused(store: Store) -> None:
    with pytest.raises(TypeError, match="bool"):
        store.execute("SET", "k", True)
    with pytest.raises(TypeError, match="NoneType"):
        store.execute("SET", "k", None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="name of a command"):
        store.execute()


def test_stores_are_isolated() -> None:
    one, other = kvcore.open(), kvcore.open()
    one.set("k", "v")
    assert other.get("k") is None


def test_directives_are_keyword_arguments() -> None:
    with kvcore.open(databases=2, hash_max_listpack_entries=1) as store:
        assert store.execute("CONFIG", "GET", "databases") == {b"databases": b"2"}
        store.execute("HSET", "h", "a", 1, "b", 2)
        assert store.execute("OBJECT", "ENCODING", "h") == b"hashtable"
    with pytest.raises(kvcore.ConfigError):
        kvcore.open(no_such_directive=1)


def test_a_closed_store_says_so(store: Store) -> None:
    store.close()
    store.close()
    with pytest.raises(kvcore.ClosedError, match=r"kvcore\.(open|connect)"):
        store.get("k")


def test_closing_ends_the_wait_of_another_thread(store: Store) -> None:
    errors: list[kvcore.KvcoreError] = []

    def wait(call: Callable[[], object]) -> None:
        try:
            call()
        except kvcore.KvcoreError as error:
            errors.append(error)

    pipeline = store.pipeline(transaction=False).execute_command("BLPOP", "list", 0)
    calls = (lambda: store.execute("BLPOP", "list", 0), lambda: store.blpop("list"), pipeline.execute)
    threads = [threading.Thread(target=wait, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    parked(store, len(threads))
    store.close()
    for thread in threads:
        thread.join(10)
    assert [type(error) for error in errors] == [kvcore.ClosedError] * 3


def test_a_blocking_call_waits_in_its_thread_only(store: Store) -> None:
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(store.execute("BLPOP", "list", 0)))
    thread.start()
    parked(store)
    store.execute("RPUSH", "list", "x")
    thread.join(10)
    assert results == [[b"list", b"x"]]


@pytest.mark.parametrize("several", [False, True], ids=["one", "several"])
def test_a_call_that_is_served_as_soon_as_it_parks_gets_its_reply(
    store: Store, monkeypatch: pytest.MonkeyPatch, several: bool
) -> None:
    def serve(self: Store) -> None:
        for session in self.engine.sessions.values():
            if session.blocked is not None:
                self.engine.blocking.finish(session.blocked, [b"list", b"element"])

    store.ping()
    monkeypatch.setattr(type(store), "_tick_if_due", serve)  # what another thread may do at this very moment
    store._countdown = 0
    if several:
        assert store.pipeline(transaction=False).blpop("list", 5).execute() == [(b"list", b"element")]
    else:
        assert store.execute("BLPOP", "list", 5) == [b"list", b"element"]
    monkeypatch.undo()
    assert store.execute("BLPOP", "list", 0.001) is None, "nothing was left for the next call"


def test_a_blocking_call_times_out(store: Store) -> None:
    assert store.execute("BLPOP", "list", 0.01) is None
    store.execute("RPUSH", "list", "x")
    assert store.execute("BLPOP", "list", 0.01) == [b"list", b"x"]


def test_an_interrupted_wait_leaves_no_reply_to_the_next_call(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.execute("RPUSH", "first", "wrong")
    store.execute("DEL", "first")
    waiting = store._local.delivered

    class Interrupted:
        """Delivers, and is interrupted before the thread can take it."""

        put, empty, get_nowait = waiting.put, waiting.empty, waiting.get_nowait

        def get(self, timeout: float | None) -> object:
            self.put([b"first", b"wrong"])
            raise KeyboardInterrupt

    monkeypatch.setattr(store._local, "delivered", Interrupted())
    with pytest.raises(KeyboardInterrupt):
        store.execute("BLPOP", "first", 0)
    monkeypatch.setattr(store._local, "delivered", waiting)
    assert waiting.empty()
    assert store.engine.blocking.count == 0
    store.execute("RPUSH", "second", "right")
    assert store.execute("BLPOP", "second", 0) == [b"second", b"right"]


def test_many_threads_take_each_element_once(store: Store) -> None:
    taken: list[bytes] = []

    def take() -> None:
        while (reply := store.execute("BLPOP", "queue", 0))[1] != b"end":
            taken.append(reply[1])

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for number in range(2000):
        store.execute("RPUSH", "queue", number)
    store.execute("RPUSH", "queue", *["end"] * 8)
    for thread in threads:
        thread.join(30)
    assert sorted(map(int, taken)) == list(range(2000))


def test_each_thread_has_a_session_of_its_own(store: Store) -> None:
    store.execute("SELECT", 3)
    store.set("k", "three")
    seen: list[bytes | None] = []
    thread = threading.Thread(target=lambda: seen.append(store.get("k")))
    thread.start()
    thread.join()
    assert seen == [None]
    assert store.get("k") == b"three"


def test_the_session_of_an_ended_thread_is_dropped(store: Store) -> None:
    thread = threading.Thread(target=store.get, args=("k",))
    thread.start()
    thread.join()
    del thread
    gc.collect()
    store.get("k")
    store.tick()
    assert len(store.engine.sessions) == 1


def test_transactions_and_watch(store: Store) -> None:
    store.execute("MULTI")
    assert store.execute("INCR", "n") == "QUEUED"
    assert store.execute("EXEC") == [1]
    store.execute("WATCH", "n")
    thread = threading.Thread(target=store.execute, args=("INCR", "n"))
    thread.start()
    thread.join()
    store.execute("MULTI")
    store.execute("INCR", "n")
    assert store.execute("EXEC") is None
    assert store.get("n") == b"2"


def test_messages_of_the_threads_subscriptions(store: Store) -> None:
    store.execute("SUBSCRIBE", "news")
    store.execute("PUBLISH", "news", "hello")
    assert store.messages() == [[b"subscribe", b"news", 1], [b"message", b"news", b"hello"]]
    assert store.messages() == []


def test_the_short_way_of_get_and_set_counts_like_the_long_one(store: Store) -> None:
    store.set("k", "v")
    store.get("k")
    store.get("none")
    store.execute("APPEND", "k", "w")
    assert store.get("k") == b"vw"
    store.execute("LPUSH", "list", "x")
    with pytest.raises(kvcore.WrongTypeError):
        store.get("list")
    facts = store.info("commandstats", "stats", "errorstats", "persistence")
    assert facts["cmdstat_get"]["calls"] == 4
    assert facts["cmdstat_get"]["failed_calls"] == 1
    assert facts["cmdstat_set"]["calls"] == 1
    assert (facts["keyspace_hits"], facts["keyspace_misses"]) == (3, 1)
    assert facts["errorstat_WRONGTYPE"]["count"] == 1
    assert facts["rdb_changes_since_last_save"] == 3


def test_the_short_way_is_left_where_somebody_wants_to_know(store: Store) -> None:
    store.execute("CONFIG", "SET", "notify-keyspace-events", "KEA")
    store.execute("SUBSCRIBE", "__keyevent@0__:set")
    effects: list[list[bytes]] = []
    store.engine.subscribe(lambda unit: effects.extend(argv for _, argv in unit))
    store.set("k", "v")
    assert store.messages()[-1] == [b"message", b"__keyevent@0__:set", b"k"]
    assert effects == [[b"SET", b"k", b"v"]]
    store.execute("UNSUBSCRIBE")
    store.execute("MULTI")
    assert store.set("k", "w") == "QUEUED"
    assert store.get("k") == "QUEUED"
    assert store.execute("EXEC") == ["OK", b"w"]


def test_the_short_way_breaks_watches_wakes_waiters_and_minds_memory(store: Store) -> None:
    store.execute("WATCH", "k")
    thread = threading.Thread(target=store.set, args=("k", "v"))
    thread.start()
    thread.join()
    store.execute("MULTI")
    assert store.execute("EXEC") is None
    waiting = threading.Thread(target=store.execute, args=("BLPOP", "list", 0))
    waiting.start()
    parked(store)
    store.set("list", "no list")  # signalled, and still not what it waits for
    store.delete("list")
    store.execute("RPUSH", "list", "x")
    waiting.join(10)
    assert not waiting.is_alive()
    store.execute("CONFIG", "SET", "maxmemory", 1)
    with pytest.raises(kvcore.CommandError, match="OOM"):
        store.set("other", "v")


def test_a_collected_store_is_gone_and_says_nothing_in_memory() -> None:
    store = kvcore.open()
    store.set("k", "v")
    store.pipeline().watch("k")
    store.pubsub().subscribe("c")
    engine = weakref.ref(store._host)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del store
        gc.collect()
    assert engine() is None


def test_a_store_with_a_directory_that_is_not_closed_says_so(tmp_path: Path) -> None:
    stores = [kvcore.open(tmp_path)]
    stores[0].set("k", "v")
    with pytest.warns(ResourceWarning, match="close"):
        stores.clear()
    with kvcore.open(tmp_path) as store:
        assert store.get("k") == b"v"


FORKED = """
import os, sys, threading
import kvcore
from kvcore import aio

store = kvcore.open(sys.argv[1])
memory, asynchronous = kvcore.open(), aio.open()
memory.set("k", "v")
store.set("k", "v")
listener = memory.pubsub()
held = threading.Event()

def hold():
    with memory.mutex:
        held.set()
        threading.Event().wait(2)

threading.Thread(target=hold, daemon=True).start()
held.wait()
child = os.fork()
if not child:
    told = 0
    for one in (store, memory):
        try:
            one.get("k")
        except kvcore.ClosedError as error:
            told += "forked" in str(error)
        one.close()
    try:
        listener.subscribe("c")
    except kvcore.ClosedError as error:
        told += "forked" in str(error)
    with kvcore.open() as fresh:
        fresh.set("k", "child")
        told += fresh.get("k") == b"child"
    os._exit(told)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
store.set("after", "fork")
store.close()
with kvcore.open(sys.argv[1]) as again:
    print(status, again.get("k"), again.get("after"))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_leaves_the_stores_to_its_parent(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORKED, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.stdout == "4 b'v' b'fork'\n", run.stderr


def test_nothing_hangs_at_the_end_of_the_interpreter(tmp_path: Path) -> None:
    script = """
import sys, threading
import kvcore
store = kvcore.open()
threading.Thread(target=store.blpop, args=("q",), daemon=True).start()
listener = store.pubsub()
listener.subscribe("c")
threading.Thread(target=listener.get_message, kwargs={"timeout": None}, daemon=True).start()
iterator = iter(store)
kept = kvcore.open(sys.argv[1])
kept.set("k", "v")
"""
    run = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    with kvcore.open(tmp_path) as store:
        assert store.get("k") == b"v"


def test_importing_kvcore_brings_nothing_optional() -> None:
    script = """
import sys, time
started = time.perf_counter()
import kvcore
kvcore.open().set("k", "v")
optional = {"redis", "trio", "anyio", "sniffio", "typer", "uvloop", "hiredis", "prometheus_client", "lupa", "asyncio"}
print(sorted(optional & set(sys.modules)))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout == "[]\n"


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("", "is empty"),
        ("redis://localhost", r"redis://\.\.\. is a URL.*connect\(\)"),
        ("memory://name", "URL"),
        (b"file:///dir", "URL"),
        ("file", "'file' is a file"),
    ],
)
def test_what_names_no_directory_is_refused(
    path: str, error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    for opener in (kvcore.open, aio.open):
        with pytest.raises(kvcore.ConfigError, match=error):
            opener(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    with kvcore.open(b"bytes") as store:
        assert repr(store) == f"<kvcore.Store in {str(tmp_path / 'bytes')!r}>"


def test_a_wrong_value_is_named_with_its_directive() -> None:
    with pytest.raises(kvcore.ConfigError, match=r"^maxmemory='lots': .*memory value"):
        kvcore.open(hz=20, maxmemory="lots")
    with pytest.raises(kvcore.ConfigError, match=r"^maxmemory=None: "):
        kvcore.open(maxmemory=None)  # type: ignore[call-overload]
    with pytest.raises(kvcore.ConfigError, match=r"^unknown directive 'maxmemroy'"):
        kvcore.open(maxmemroy=1)


async def test_stores_say_what_they_are_and_refuse_to_be_copied() -> None:
    store, tasks = kvcore.open(), aio.open()
    assert [repr(store), repr(tasks)] == ["<kvcore.Store in memory>", "<kvcore.aio.AsyncStore in memory>"]
    for thing in (store, tasks, store.dict("h"), kvcore.connect("redis://localhost")):
        for take in (pickle.dumps, copy.copy, copy.deepcopy):
            if not (thing.__class__.__name__ == "HashView" and take is copy.copy):
                with pytest.raises(TypeError, match="a store cannot be pickled or copied"):
                    take(thing)
    store.close()
    await tasks.aclose()
    assert [repr(store), repr(tasks)] == ["<kvcore.Store, closed>", "<kvcore.aio.AsyncStore, closed>"]


async def test_a_command_in_one_word_is_explained() -> None:
    with pytest.raises(kvcore.CommandError, match="unknown command") as caught:
        kvcore.open().execute("SET k v")
    assert caught.value.__notes__ == ["each word is an argument of its own: execute('SET', 'k', 'v')"]
    with pytest.raises(kvcore.CommandError) as caught:
        await aio.open().execute("GET k")
    assert "'GET', 'k'" in caught.value.__notes__[0]
    with pytest.raises(kvcore.CommandError) as caught:
        kvcore.open().execute("GETT")
    assert not hasattr(caught.value, "__notes__")


def test_modules_come_with_the_package() -> None:
    program = (
        "import kvcore; print(kvcore.aio.open(), kvcore.testing.TestStore.__name__, "
        "issubclass(kvcore.LoadError, kvcore.KvcoreError))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout == "<kvcore.aio.AsyncStore in memory> TestStore True\n"
