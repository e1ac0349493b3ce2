"""The embedded store: values, errors, threads, blocking calls, closing."""

from __future__ import annotations

import gc
import threading

import pytest

import kvcore
from kvcore.clock import ManualClock
from kvcore.frontends.inprocess import Store, encode


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
        encode(None)  # type: ignore[arg-type]
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
    with pytest.raises(kvcore.ClosedError, match=r"kvcore\.open"):
        store.get("k")


def test_closing_ends_the_wait_of_another_thread(store: Store) -> None:
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            store.execute("BLPOP", "list", 0)
        except kvcore.KvcoreError as error:
            errors.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    parked(store)
    store.close()
    thread.join(10)
    assert [str(error) for error in errors] == ["UNBLOCKED the store was closed"]


def test_a_blocking_call_waits_in_its_thread_only(store: Store) -> None:
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(store.execute("BLPOP", "list", 0)))
    thread.start()
    parked(store)
    store.execute("RPUSH", "list", "x")
    thread.join(10)
    assert results == [[b"list", b"x"]]


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
