"""Stores and servers for tests, without pytest's help: time that is moved, and ends that leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import redis
import time_machine
from freezegun import freeze_time

import kvcore
from kvcore.errors import ConfigError
from kvcore.frontends.inprocess_async import AsyncStore
from kvcore.frontends.listen import ListenError
from kvcore.frontends.under_test import ClockControl, TestServer, TestStore


@pytest.fixture
def store() -> Iterator[TestStore]:
    store = TestStore()
    yield store
    store.close()


@pytest.fixture(scope="module")
def running() -> Iterator[TestServer]:
    with TestServer() as server:
        yield server


@pytest.fixture
def server(running: TestServer) -> Iterator[TestServer]:
    yield running
    running.reset()


@pytest.fixture
def client(server: TestServer) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(server.url, retry=None, socket_timeout=20) as client:
        yield client


Y2040 = 2_208_988_800
"""The first of January 2040 in Unix seconds."""


# Time


def test_keys_expire_as_time_is_moved(store: TestStore) -> None:
    store.execute("SET", "k", "v", "EX", 10)
    store.clock.freeze()
    store.clock.advance(9)
    assert store.execute("TTL", "k") == 1
    store.clock.advance(timedelta(seconds=1))
    assert store.execute("GET", "k") is None


def test_keys_nobody_asks_for_are_gone_at_once(store: TestStore) -> None:
    for number in range(10):
        store.execute("SET", f"k{number}", "v", "EX", 10)
    store.clock.advance(10)
    assert store.execute("DBSIZE") == 0


def test_the_time_is_that_of_the_control(store: TestStore) -> None:
    store.clock.freeze(at=datetime(2040, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))))
    assert store.clock.time() == Y2040
    assert store.clock.now() == datetime(2040, 1, 1, tzinfo=UTC)
    assert store.execute("TIME") == [b"%d" % Y2040, b"0"]
    assert store.execute("XADD", "s", "*", "f", "v") == b"%d-0" % (Y2040 * 1000)
    store.clock.travel(datetime(2041, 1, 1))  # UTC
    assert store.clock.now() == datetime(2041, 1, 1, tzinfo=UTC)
    store.clock.advance(-1.5)
    assert store.clock.now() == datetime(2040, 12, 31, 23, 59, 58, 500_000, tzinfo=UTC)
    with pytest.raises(ValueError, match="1970"):
        store.clock.travel(-1)


def test_unfrozen_time_goes_on_from_where_it_stood(store: TestStore) -> None:
    with store.clock.freeze(at=Y2040):
        assert store.clock.clock.frozen
        assert store.clock.time() == store.clock.time() == Y2040
    assert not store.clock.clock.frozen
    assert Y2040 <= store.clock.time() < Y2040 + 3600
    store.clock.reset()
    assert abs(store.clock.time() - time.time()) < 3600


def test_freezing_twice_stays_where_it_was(store: TestStore) -> None:
    store.clock.freeze(at=Y2040)
    store.clock.freeze()
    assert store.clock.time() == Y2040
    store.clock.unfreeze()
    store.clock.unfreeze()
    assert not store.clock.clock.frozen


def test_stores_with_one_control_have_one_time_and_others_their_own() -> None:
    control = ClockControl()
    one, two, other = TestStore(control), TestStore(control), TestStore()
    control.freeze(at=Y2040)
    assert one.execute("TIME") == two.execute("TIME") == [b"%d" % Y2040, b"0"]
    assert other.execute("TIME") != one.execute("TIME")


def waiting(engine: object) -> None:
    """Wait until somebody is parked."""
    while not engine.blocking.count:  # type: ignore[attr-defined]
        threading.Event().wait(0.001)


def test_a_waiting_thread_s_time_is_up_when_time_is_moved(store: TestStore) -> None:
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(store.execute("BLPOP", "list", 1000)))
    thread.start()
    waiting(store.engine)
    store.clock.advance(1000)
    thread.join(20)
    assert results == [None]


async def test_a_waiting_coroutine_s_time_is_up_when_time_is_moved(store: TestStore) -> None:
    async with AsyncStore(store=store) as twin:
        task = asyncio.create_task(twin.execute("BLPOP", "list", 1000))
        while not store.engine.blocking.count:
            await asyncio.sleep(0)
        store.clock.advance(1000)
        assert await asyncio.wait_for(task, 20) is None


async def test_a_coroutine_s_command_can_be_delayed(store: TestStore) -> None:
    store.execute("SET", "k", "v")
    async with AsyncStore(store=store) as twin:
        with store.clock.freeze(), store.faults.delay(1000, "GET"):
            task = asyncio.create_task(twin.execute("GET", "k"))
            while not store.engine.blocking.count:
                await asyncio.sleep(0)
            store.clock.advance(1000)
            assert await asyncio.wait_for(task, 20) == b"v"


def test_a_server_s_client_waits_no_longer_than_time_that_is_moved(client: redis.Redis, server: TestServer) -> None:
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(client.blpop(["list"], timeout=15)))
    thread.start()
    waiting(server.engine)
    server.clock.advance(15)
    thread.join(20)
    assert results == [None]


def test_waiting_ends_in_real_time_while_the_clock_stands_still(store: TestStore, client: redis.Redis) -> None:
    with store.clock.freeze():
        assert store.execute("BLPOP", "list", 0.01) is None
    with freeze_time("2040-01-01"):
        assert client.blpop(["list"], timeout=0.01) is None
        assert kvcore.open().execute("BLPOP", "list", 0.01) is None
        assert TestStore().execute("BLPOP", "list", 0.01) is None


def test_waiting_ends_in_real_time_after_the_clock_was_set_back(store: TestStore) -> None:
    thread = threading.Thread(target=store.execute, args=("BLPOP", "list", 0.05))
    thread.start()
    waiting(store.engine)
    store.clock.travel(1000)
    thread.join(20)
    assert not thread.is_alive()


def test_freezegun_is_followed(store: TestStore, client: redis.Redis) -> None:
    with freeze_time("2040-01-01") as frozen:
        store.execute("SET", "k", "v", "EX", 10)
        client.set("k", "v", ex=10)
        assert client.time() == (Y2040, 0)
        frozen.tick(9)
        assert (store.execute("TTL", "k"), client.ttl("k")) == (1, 1)
        frozen.tick(1)
        assert (store.execute("GET", "k"), client.get("k")) == (None, None)
        store.clock.advance(5)  # on top of it
        assert store.execute("TIME") == [b"%d" % (Y2040 + 15), b"0"]
        store.clock.reset()
    assert store.clock.time() < Y2040


def test_freezegun_is_followed_in_every_thread(store: TestStore) -> None:
    results: list[object] = []
    with freeze_time("2040-01-01"):
        for _ in range(3):
            thread = threading.Thread(target=lambda: results.append(store.execute("TIME")))
            thread.start()
            thread.join()
        results.append(store.clock.time())
        thread = threading.Thread(target=lambda: results.append(store.clock.clock.now_us()))
        thread.start()
        thread.join()
    assert results == [[b"%d" % Y2040, b"0"]] * 3 + [Y2040, Y2040 * 1_000_000]


def test_time_machine_is_followed(store: TestStore, client: redis.Redis) -> None:
    with time_machine.travel(Y2040, tick=False) as machine:
        store.execute("SET", "k", "v", "EX", 10)
        assert client.time() == (Y2040, 0)
        machine.shift(10)
        assert store.execute("GET", "k") is None
        assert store.execute("BLPOP", "list", 0.01) is None


# Stores


def test_directives_configure_a_store() -> None:
    store = TestStore(maxmemory="1mb", maxmemory_policy="allkeys-lru")
    assert store.engine.config.integer("maxmemory") == 1 << 20
    with pytest.raises(ConfigError):
        TestStore(nonsense=1)


# Servers


def test_a_server_is_reached_both_ways(server: TestServer) -> None:
    with redis.Redis.from_url(server.url) as tcp, redis.Redis.from_url(server.unix_url) as local:
        tcp.set("k", "v")
        assert local.get("k") == b"v"


def test_a_reset_server_is_as_new(server: TestServer, client: redis.Redis) -> None:
    client.set("k", "v")
    client.set("other", "v", ex=100)
    client.function_load("#!lua name=f\nredis.register_function('f', function() return 1 end)")
    digest = client.script_load("return 1")
    server.clock.freeze(at=Y2040)
    server.faults.readonly()
    server.reset()
    assert client.dbsize() == 0
    assert client.function_list() == []
    assert client.script_exists(digest) == [False]
    assert abs(client.time()[0] - time.time()) < 3600
    assert client.set("k", "v")


def test_what_a_test_configured_is_undone(server: TestServer, client: redis.Redis) -> None:
    client.config_set("maxmemory", "1mb")
    client.config_set("save", "100 1")
    client.acl_setuser("ada", enabled=True, nopass=True)
    client.acl_setuser("default", passwords=["+secret"])
    client.client_pause(1_000_000)
    server.reset()
    with redis.Redis.from_url(server.url, retry=None, socket_timeout=20) as late:
        assert late.config_get("maxmemory") == {"maxmemory": "0"}
        assert late.config_get("save") == {"save": ""}
        assert late.acl_users() == ["default"]
        assert late.acl_whoami() == "default"
        assert late.set("k", "v")


def test_a_forgotten_server_is_stopped_and_complained_of() -> None:
    before = set(threading.enumerate())
    servers = [TestServer()]
    port = servers.pop().port  # and nobody has it any more
    with pytest.warns(ResourceWarning, match="was not stopped"):
        gc.collect()
    assert set(threading.enumerate()) <= before
    with redis.Redis(port=port, retry=None) as late, pytest.raises(redis.ConnectionError):
        late.ping()


def test_a_stopped_server_leaves_nothing() -> None:
    before = set(threading.enumerate())
    server = TestServer(server_threads=3)
    folder = os.path.dirname(server.unix_socket)
    with redis.Redis.from_url(server.url) as client:
        client.ping()
        assert len(threading.enumerate()) > len(before)
        server.stop()
        server.stop()
    assert set(threading.enumerate()) <= before
    assert not os.path.exists(folder)
    with redis.Redis.from_url(server.url, retry=None) as late, pytest.raises(redis.ConnectionError):
        late.ping()


def test_a_server_that_cannot_start_leaves_nothing(server: TestServer, tmp_path: Path, monkeypatch: object) -> None:
    import tempfile

    before = set(threading.enumerate())
    old, tempfile.tempdir = tempfile.tempdir, str(tmp_path)
    try:
        with pytest.raises(Exception, match="Failed listening"):
            TestServer(port=server.port)
        with pytest.raises(ConfigError):
            TestServer(nonsense=1)
    finally:
        tempfile.tempdir = old
    assert list(tmp_path.iterdir()) == []
    assert set(threading.enumerate()) <= before


def test_servers_keep_files_to_themselves() -> None:
    with TestServer(appendonly=True) as server, redis.Redis.from_url(server.url) as client:
        client.set("k", "v")
        client.save()
        folder = Path(server.unix_socket).parent
        assert {path.name for path in folder.iterdir()} == {"socket", "dump.rdb", "appendonlydir"}
        assert client.config_get("dir") == {"dir": str(folder)}


def test_many_servers_run_at_once() -> None:
    with TestServer() as one, TestServer() as two:
        assert one.port != two.port
        with redis.Redis.from_url(one.url) as first, redis.Redis.from_url(two.url) as second:
            first.set("k", 1)
            assert second.get("k") is None


def test_a_server_says_where_its_socket_is(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with TestServer(unixsocket=path) as server:
        assert (server.unix_socket, os.path.exists(path)) == (path, True)
    with TestServer(unixsocket="") as server:
        assert server.unix_socket == ""


@pytest.mark.parametrize(
    ("bind", "host"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("* -::*", "127.0.0.1")]
)
def test_the_url_of_a_server_leads_to_it_wherever_it_listens(bind: str, host: str) -> None:
    try:
        server = TestServer(bind=bind)
    except ListenError:
        pytest.skip(f"this machine has no {bind}")
    with server, redis.Redis.from_url(server.url) as client:
        assert client.ping()
        assert server.url == f"redis://{host}:{server.port}/0"
