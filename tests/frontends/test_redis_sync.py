"""kvcore.Redis: redis-py's client, with all that redis-py builds on a connection, over a store in the process."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

import kvcore
from kvcore.frontends.redis_link import FORKED
from kvcore.frontends.redis_sync import LocalConnection

HAS_CACHE = hasattr(redis, "cache") or int(redis.__version__.split(".")[0]) >= 6


@pytest.fixture(params=[2, 3])
def client(request: pytest.FixtureRequest) -> Iterator[kvcore.Redis]:
    with kvcore.Redis(protocol=request.param) as client:
        yield client


@pytest.fixture
def started() -> Iterator[Callable[[Callable[[], object]], threading.Thread]]:
    """Start functions in threads that are waited for at the end."""
    threads = []

    def start(function: Callable[[], object]) -> threading.Thread:
        thread = threading.Thread(target=function)
        thread.start()
        threads.append(thread)
        return thread

    yield start
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def wait_until_parked(store: kvcore.Store) -> None:
    """Wait until a client is blocked."""
    while not store.engine.blocking.count:
        os.sched_yield()


# What it is, and what it connects to


def test_it_is_a_redis_client_and_so_are_its_parts(client: kvcore.Redis) -> None:
    assert isinstance(client, redis.Redis)
    assert isinstance(client.pipeline(), redis.client.Pipeline)
    assert isinstance(client.pubsub(), redis.client.PubSub)
    assert isinstance(client.connection_pool, redis.ConnectionPool)


def test_each_client_has_a_store_of_its_own() -> None:
    one, other = kvcore.Redis(), kvcore.Redis(host="localhost", port=6379)
    one.set("k", "v")
    assert other.get("k") is None


def test_clients_share_an_open_store() -> None:
    with kvcore.open() as store:
        kvcore.Redis(store=store).set("k", "v")
        assert store.get("k") == b"v"
        assert kvcore.Redis(store=store, decode_responses=True).get("k") == "v"


def test_clients_share_by_name_and_only_by_name() -> None:
    one = kvcore.Redis.from_url("memory://shared-by-clients")
    two = kvcore.Redis.from_url("memory://shared-by-clients/0?decode_responses=yes")
    one.set("k", "v")
    assert two.get("k") == "v"
    assert kvcore.Redis.from_url("memory://").get("k") is None
    with kvcore.connect("memory://shared-by-clients") as store:
        assert store.get("k") == b"v"


def test_a_directory_is_let_go_of_when_the_client_closes(tmp_path: Path) -> None:
    url = f"file://{tmp_path}"
    with kvcore.Redis.from_url(url) as client, kvcore.Redis.from_url(url) as second:
        client.set("k", "v")
        assert second.get("k") == b"v"
    with kvcore.open(tmp_path) as store:
        assert store.get("k") == b"v"
    with client:  # it may be used again
        assert client.get("k") == b"v"


def test_a_database_and_a_name_are_chosen_as_on_a_server() -> None:
    with kvcore.open() as store:
        client = kvcore.Redis(store=store, db=3, client_name="worker")
        client.set("k", "v")
        assert client.client_getname() == "worker"
        assert kvcore.Redis(store=store).get("k") is None
        assert "db3" in client.info("keyspace")


def test_a_store_with_a_password_asks_for_it() -> None:
    with kvcore.open(requirepass="secret") as store:
        assert kvcore.Redis(store=store, password="secret").ping()
        with pytest.raises(redis.AuthenticationError):
            kvcore.Redis(store=store, password="wrong").ping()
        with pytest.raises(redis.AuthenticationError):
            kvcore.Redis(store=store).get("k")


def test_a_store_of_ones_own_has_no_door() -> None:
    assert kvcore.Redis(username="app", password="secret").ping()


def test_a_user_may_do_what_its_rules_say() -> None:
    with kvcore.open() as store:
        store.execute("ACL", "SETUSER", "reader", "on", ">pw", "~*", "+@read")
        client = kvcore.Redis(store=store, username="reader", password="pw")
        assert client.get("k") is None
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.set("k", "v")


def test_a_client_and_a_pool_have_one_store() -> None:
    with kvcore.open() as store:
        pool = kvcore.ConnectionPool(store=store)
        with pytest.raises(redis.DataError):
            kvcore.Redis(store=store, connection_pool=pool)


@pytest.mark.parametrize("url", ["redis://localhost", "memory//x", "http://x"])
def test_from_url_takes_urls_of_this_process_only(url: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        kvcore.Redis.from_url(url)


# Pools and connections


def test_pools_work(client: kvcore.Redis) -> None:
    with kvcore.open() as store:
        for pool in (
            kvcore.ConnectionPool(store=store, decode_responses=True),
            kvcore.BlockingConnectionPool(store=store, max_connections=1, timeout=1, decode_responses=True),
            redis.ConnectionPool(connection_class=LocalConnection, store=store, decode_responses=True),
        ):
            for kind in (kvcore.Redis, redis.Redis):
                user = kind(connection_pool=pool)
                user.set("k", "v")
                assert user.get("k") == "v"
            pool.disconnect()
    pool = kvcore.ConnectionPool.from_url("memory://pooled?decode_responses=yes")
    kvcore.Redis(connection_pool=pool).set("k", "v")
    blocking = kvcore.BlockingConnectionPool.from_url("memory://pooled")
    assert kvcore.Redis(connection_pool=blocking).get("k") == b"v"


def test_a_pool_without_a_store_is_refused_at_once() -> None:
    with pytest.raises(kvcore.ConfigError, match="store="):
        kvcore.ConnectionPool()


def test_a_bounded_pool_is_bounded() -> None:
    pool = kvcore.BlockingConnectionPool(store="memory://bounded", max_connections=1, timeout=0)
    holder = kvcore.Redis(connection_pool=pool).pubsub()
    holder.subscribe("c")
    with pytest.raises(redis.ConnectionError):
        kvcore.Redis(connection_pool=pool).get("k")
    holder.close()
    assert kvcore.Redis(connection_pool=pool).get("k") is None


def test_a_single_connection_client_keeps_one_session() -> None:
    with kvcore.open() as store, kvcore.Redis(store=store, single_connection_client=True) as client:
        client.select(5)
        client.set("k", "v")
        assert client.get("k") == b"v"
        assert client.client().get("k") is None
        assert len(store.engine.sessions) <= 3


def test_select_and_other_state_stay_with_the_connection(client: kvcore.Redis) -> None:
    client.get("k")
    client.select(2)
    client.set("k", "v")
    client.select(0)
    assert client.get("k") is None
    client.client_setname("me")
    assert client.client_getname() in (b"me", "me")


def test_a_connection_has_no_socket() -> None:
    client = kvcore.Redis(single_connection_client=True)
    with pytest.raises(OSError, match="kvcore_server"):
        client.connection._sock.fileno()


def test_repr_shows_the_store() -> None:
    assert "memory://" in repr(kvcore.Redis(single_connection_client=True).connection)


def test_health_checks_and_retries_are_redis_pys() -> None:
    retry = redis.retry.Retry(redis.backoff.NoBackoff(), 1)
    client = kvcore.Redis(health_check_interval=1, retry=retry, retry_on_error=[redis.ConnectionError])
    assert client.ping()
    for link in list(client.server.links):
        link.close("gone")
    assert client.set("k", "v")
    assert client.pipeline().get("k").execute() == [b"v"]


# Commands


def test_the_short_way_and_redis_pys_own_answer_alike(client: kvcore.Redis) -> None:
    for answers in range(2):  # the first call connects, the others are short
        assert client.set(f"k{answers}", "v") is True
        assert client.hset(f"h{answers}", mapping={"a": 1}) == 1
        assert client.hgetall(f"h{answers}") == {b"a": b"1"}
        assert client.zadd(f"z{answers}", {"a": 1.5}) == 1
        assert client.zscore(f"z{answers}", "a") == 1.5
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            client.lpush("k0", 1)
        with pytest.raises(redis.DataError):
            client.set("k", None)


def test_response_callbacks_are_respected(client: kvcore.Redis) -> None:
    client.set("k", "v")
    client.set_response_callback("GET", lambda reply, **_: ("mine", reply))
    assert client.get("k") == ("mine", b"v")
    assert client.pipeline(transaction=False).get("k").execute() == [("mine", b"v")]


def test_bytes_that_are_no_text_say_so_and_harm_nothing() -> None:
    client = kvcore.Redis(decode_responses=True)
    client.set("k", b"\xff")
    for _ in range(2):
        with pytest.raises(UnicodeDecodeError):
            client.get("k")
    assert client.dbsize() == 1
    dumped = client.dump("k")
    client.restore("copy", 0, dumped)
    assert client.exists("copy")


def test_scan_iterators_see_every_key(client: kvcore.Redis) -> None:
    client.mset({f"k{number}": number for number in range(1000)})
    client.hset("h", mapping={f"f{number}": number for number in range(1000)})
    client.sadd("s", *range(1000))
    client.zadd("z", {str(number): number for number in range(1000)})
    assert len(set(client.scan_iter("k*", count=100))) == 1000
    assert len(dict(client.hscan_iter("h", count=100))) == 1000
    assert len(set(client.sscan_iter("s", count=100))) == 1000
    assert len(dict(client.zscan_iter("z", count=100))) == 1000


def test_scripts_load_themselves(client: kvcore.Redis) -> None:
    script = client.register_script("return {KEYS[1], ARGV[1], redis.call('INCR', KEYS[1])}")
    assert script(keys=["n"], args=["x"]) == [b"n", b"x", 1]
    client.script_flush()
    assert script(keys=["n"], args=["x"]) == [b"n", b"x", 2]
    pipeline = client.pipeline()
    client.script_flush()
    script(keys=["n"], args=["y"], client=pipeline)
    assert pipeline.execute() == [[b"n", b"y", 3]]


def test_locks_lock(client: kvcore.Redis) -> None:
    with client.lock("name", timeout=10) as lock:
        assert not client.lock("name", timeout=10).acquire(blocking=False)
        lock.extend(5)
        assert lock.owned()
        lock.reacquire()
    assert client.lock("name", timeout=10).acquire(blocking=False)
    with pytest.raises(redis.exceptions.LockError):
        client.lock("name").release()


# Waiting


def test_a_blocked_pop_gets_what_another_thread_pushes(client: kvcore.Redis, started: Any) -> None:
    results: list[Any] = []
    started(lambda: results.append(client.blpop(["a", "b"], timeout=10)))
    wait_until_parked(client.server.store)
    client.rpush("b", "v")
    while not results:
        os.sched_yield()
    assert list(results[0]) == [b"b", b"v"]


def test_a_blocked_pop_times_out(client: kvcore.Redis) -> None:
    assert client.blpop("nothing", timeout=0.01) is None
    assert client.xread({"s": "$"}, block=10) in ([], {})
    assert client.bzpopmin("nothing", timeout=0.01) is None


def test_socket_timeout_ends_the_wait_and_swallows_nothing() -> None:
    with kvcore.open() as store:
        client = kvcore.Redis(store=store, socket_timeout=0.02)
        with pytest.raises(redis.TimeoutError):
            client.blpop("q", timeout=10)
        with pytest.raises(redis.TimeoutError):
            client.pipeline(transaction=False).set("a", 1).blpop("q", timeout=10).execute()
        client.rpush("q", "kept")
        assert client.lrange("q", 0, -1) == [b"kept"]


def test_a_pipeline_goes_on_when_what_blocked_in_it_is_served(client: kvcore.Redis, started: Any) -> None:
    results: list[Any] = []
    pipeline = client.pipeline(transaction=False).set("a", 1).blpop("q", timeout=10).incr("a")
    started(lambda: results.append(pipeline.execute()))
    wait_until_parked(client.server.store)
    assert client.get("a") == b"1"
    client.rpush("q", "v")
    while not results:
        os.sched_yield()
    assert [results[0][0], list(results[0][1]), results[0][2]] == [True, [b"q", b"v"], 2]


def test_client_unblock_reaches_it(client: kvcore.Redis, started: Any) -> None:
    results: list[Any] = []

    def wait() -> None:
        try:
            client.blpop("q", timeout=10)
        except redis.ResponseError as error:
            results.append(error)

    started(wait)
    wait_until_parked(client.server.store)
    (session,) = [s for s in client.server.store.engine.sessions.values() if s.blocked is not None]
    assert client.client_unblock(session.id, error=True)
    while not results:
        os.sched_yield()
    assert "UNBLOCKED" in str(results[0])


def test_threads_share_a_client() -> None:
    client = kvcore.Redis()

    def work() -> None:
        for _ in range(300):
            client.incr("n")
            client.pipeline().incr("m").incr("m").execute()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (client.get("n"), client.get("m")) == (b"1800", b"3600")


# Subscriptions


def test_messages_come_with_their_patterns(client: kvcore.Redis) -> None:
    pubsub = client.pubsub(ignore_subscribe_messages=True)
    heard: list[Any] = []
    pubsub.subscribe("news", handled=heard.append)
    pubsub.psubscribe("n*")
    assert client.publish("news", "one") == 2
    assert client.publish("handled", "two") == 1
    messages = [pubsub.get_message(timeout=1) for _ in range(6)]  # None where redis-py keeps one to itself
    assert [message["type"] for message in messages if message] == ["message", "pmessage"]
    assert [message["data"] for message in heard] == [b"two"]
    assert pubsub.get_message(timeout=0) is None
    pubsub.unsubscribe()
    pubsub.punsubscribe()
    while pubsub.subscribed:
        pubsub.get_message(timeout=1)
    pubsub.close()


def test_a_thread_listens(client: kvcore.Redis) -> None:
    heard = threading.Event()
    pubsub = client.pubsub()
    pubsub.subscribe(news=lambda _message: heard.set())
    worker = pubsub.run_in_thread(sleep_time=0.01)
    client.publish("news", "hello")
    assert heard.wait(5)
    worker.stop()
    worker.join(5)


def test_a_listener_blocks_until_a_message_comes(client: kvcore.Redis, started: Any) -> None:
    pubsub = client.pubsub(ignore_subscribe_messages=True)
    pubsub.subscribe("news")
    found: list[Any] = []
    started(lambda: found.append(next(message for message in pubsub.listen() if message)))
    while not client.publish("news", "hello"):
        os.sched_yield()
    while not found:
        os.sched_yield()
    assert found[0]["data"] == b"hello"


def test_keyspace_events_tell_of_expiry_without_anybody_touching_the_key(client: kvcore.Redis) -> None:
    client.config_set("notify-keyspace-events", "Ex")
    pubsub = client.pubsub(ignore_subscribe_messages=True)
    pubsub.psubscribe("__keyevent@0__:*")
    client.set("k", "v", px=20)
    message = None
    while message is None:
        message = pubsub.get_message(timeout=5)
    assert message["data"] == b"k"


def test_monitor_shows_commands(client: kvcore.Redis) -> None:
    client.get("connected")
    with client.monitor() as monitor:
        client.set("k", "v")
        seen = next(command for command in monitor.listen() if command["command"].startswith("SET"))
    assert (seen["command"], seen["db"]) == ("SET k v", 0)


@pytest.mark.skipif(not HAS_CACHE, reason="this release of redis-py has no client-side cache")
def test_the_client_side_cache_is_told_of_changes() -> None:
    from redis.cache import CacheConfig

    with kvcore.open() as store:
        client = kvcore.Redis(store=store, protocol=3, cache_config=CacheConfig())
        store.set("k", "old")
        assert client.get("k") == b"old"
        assert client.get_cache().size == 1
        store.set("k", "new")
        assert client.get("k") == b"new"


# Ends


def test_a_closed_store_is_a_connection_error_that_says_so() -> None:
    store = kvcore.open()
    client = kvcore.Redis(store=store)
    client.set("k", "v")
    store.close()
    for use in (lambda: client.get("k"), lambda: client.pipeline().get("k").execute(), client.ping):
        with pytest.raises(redis.ConnectionError, match="the store is closed"):
            use()


def test_closing_the_store_wakes_who_waits(started: Any) -> None:
    store = kvcore.open()
    client = kvcore.Redis(store=store)
    errors: list[Exception] = []

    def wait() -> None:
        try:
            client.blpop("q", timeout=0)
        except redis.RedisError as error:
            errors.append(error)

    started(wait)
    wait_until_parked(store)
    store.close()
    while not errors:
        os.sched_yield()


def test_a_killed_client_connects_again(client: kvcore.Redis) -> None:
    client.set("k", "v")
    other = kvcore.Redis(store=client.server.store)
    other.client_kill_filter(skipme=True, _type="normal")
    assert client.get("k") == b"v"


def test_sessions_end_with_their_clients() -> None:
    with kvcore.open() as store:
        for _ in range(3):
            client = kvcore.Redis(store=store)
            client.set("k", "v")
            client.pubsub().subscribe("c")
            del client
        store.tick()
        assert len(store.engine.sessions) <= 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_after_a_fork_the_child_hears_what_to_do() -> None:
    client = kvcore.Redis()
    client.set("k", "v")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            client.get("k")
            os.write(writer, b"no error")
        except redis.ConnectionError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 1000).decode() == FORKED
    os.close(reader)
    os.close(writer)
    assert client.get("k") == b"v"
