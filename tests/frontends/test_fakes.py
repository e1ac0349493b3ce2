"""fakeredis's names and arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis

import kvcore
from kvcore.frontends.fakes import (
    OUTAGE,
    FakeAsyncConnection,
    FakeAsyncRedis,
    FakeConnection,
    FakeRedis,
    FakeServer,
    FakeStrictRedis,
    TcpFakeServer,
)


def test_it_is_a_redis_client_with_a_server_of_its_own() -> None:
    assert issubclass(FakeRedis, redis.Redis)
    assert issubclass(FakeAsyncRedis, redis.asyncio.Redis)
    assert FakeStrictRedis is FakeRedis
    one, other = FakeRedis(), FakeRedis()
    one.set("k", "v")
    assert other.get("k") is None


async def test_a_server_is_shared_by_whoever_is_given_it() -> None:
    server = FakeServer()
    FakeRedis(server=server).set("k", "v")
    assert FakeStrictRedis(server=server, decode_responses=True).get("k") == "v"
    assert await FakeAsyncRedis(server=server).get("k") == b"v"
    assert server.store.get("k") == b"v"
    assert FakeRedis(server=server, db=1).get("k") is None
    with kvcore.open() as store:
        FakeRedis(server=store).set("k", "store")
        assert store.get("k") == b"store"


async def test_an_outage_is_a_connection_error_until_it_ends() -> None:
    server = FakeServer()
    client, async_client = FakeRedis(server=server), FakeAsyncRedis(server=server)
    client.set("k", "v")
    await async_client.set("a", "v")
    server.connected = False
    assert not server.connected
    for call in (lambda: client.get("k"), client.ping, lambda: client.pipeline().get("k").execute()):
        with pytest.raises(redis.ConnectionError, match=OUTAGE):
            call()
    with pytest.raises(redis.ConnectionError, match=OUTAGE):
        await async_client.get("a")
    server.connected = True
    assert client.get("k") == b"v"
    assert await async_client.get("a") == b"v"


def test_a_client_may_begin_disconnected() -> None:
    client = FakeRedis(connected=False)
    with pytest.raises(redis.ConnectionError):
        client.ping()
    with kvcore.open() as store, pytest.raises(ValueError, match="FakeServer"):
        FakeRedis(server=store, connected=False)


async def test_who_names_an_address_shares_what_is_there() -> None:
    url = "redis://fakes-test:1234/2"
    FakeRedis.from_url(url).set("k", "v")
    assert FakeRedis.from_url(url).get("k") == b"v"
    assert FakeRedis("fakes-test", 1234, 2).get("k") == b"v"
    assert FakeRedis(host="fakes-test", port=1234).get("k") is None  # another database of it
    assert await FakeAsyncRedis.from_url(url).get("k") == b"v"
    assert FakeServer.get_server("fakes-test:1234").store.execute("DBSIZE") == 0
    assert FakeServer.get_server("fakes-test:1234") is FakeServer.get_server("fakes-test:1234")
    for other in ("redis://fakes-test:1235/2", "redis://fakes-test/2", "unix:///fakes-test?db=2"):
        assert FakeRedis.from_url(other).get("k") is None
    FakeRedis(unix_socket_path="/fakes-test", db=2).set("k", "socket")
    assert FakeRedis.from_url("unix:///fakes-test?db=2").get("k") == b"socket"
    FakeRedis("fakes-default").set("k", "v")
    assert FakeRedis.from_url("redis://fakes-default:6379").get("k") == b"v"
    assert FakeRedis(port=1234, db=2).get("k") is None  # half an address is none


async def test_pools_may_be_told_the_class_of_connections() -> None:
    server = FakeServer()
    pool = redis.ConnectionPool(connection_class=FakeConnection, server=server, db=1, decode_responses=True)
    client = redis.Redis(connection_pool=pool)
    assert client.pipeline().set("k", "v").get("k").execute() == [True, "v"]
    assert FakeRedis(server=server, db=1).get("k") == b"v"
    pubsub = client.pubsub()
    pubsub.subscribe("c")
    assert pubsub.get_message(timeout=1)["channel"] == "c"
    server.connected = False
    with pytest.raises(redis.ConnectionError, match=OUTAGE):
        client.get("k")
    server.connected = True
    pool.disconnect()
    asynchronous: Any = redis.asyncio.ConnectionPool(connection_class=FakeAsyncConnection, server=server, db=1)
    assert await redis.asyncio.Redis(connection_pool=asynchronous).get("k") == b"v"
    await asynchronous.disconnect()
    here: Any = redis.ConnectionPool(connection_class=FakeConnection)
    redis.Redis(connection_pool=here).set("fakes-test", "localhost")
    assert FakeRedis(host="localhost").get("fakes-test") == b"localhost"


def test_a_tcp_server_ends_when_it_is_told_to() -> None:
    with TcpFakeServer(("127.0.0.1", 0)) as server:
        host, port = server.server_address
        with redis.Redis(host, port, retry=None) as client:
            assert client.ping()
            server.shutdown()
            server.server_close()
            server.serve_forever()  # returns at once: it is over
            with pytest.raises(redis.ConnectionError):
                client.ping()
        with TcpFakeServer((host, port)) as again:
            assert again.server_address == (host, port)
    with pytest.raises(ValueError, match="memcached"):
        TcpFakeServer(("127.0.0.1", 0), server_type="memcached")
    with pytest.raises(ValueError, match="listens"):
        TcpFakeServer(("127.0.0.1", 0), False)
    TcpFakeServer(("127.0.0.1", 0), True, "redis", (7, 2)).shutdown()


@pytest.mark.parametrize("version", [(7,), 7, "7.0.15", (7, 2), "7", 7.2, [7, 4]])
def test_the_version_it_has_is_accepted(version: Any, recwarn: pytest.WarningsRecorder) -> None:
    assert FakeRedis(version=version).ping()
    assert not recwarn.list


@pytest.mark.parametrize(
    "arguments",
    [{"version": 6}, {"version": (8, 0)}, *({"server_type": kind} for kind in ("valkey", "dragonfly", "kividb"))],
)
def test_another_dialect_is_warned_about(arguments: dict[str, Any]) -> None:
    with pytest.warns(UserWarning, match=r"answers as Redis 7\.0"):
        FakeRedis(**arguments)
    makers: list[Callable[[], object]] = [
        lambda: FakeServer(**arguments),
        lambda: FakeRedis(**arguments),
        lambda: FakeRedis(host="fakes-dialect", **arguments),
    ]
    for make in makers:
        with pytest.warns(UserWarning, match=r"answers as Redis 7\.0") as caught:
            make()
        assert [warning.filename for warning in caught] == [__file__]


def test_unknown_dialects_and_lua_modules_are_refused() -> None:
    for make in (FakeRedis, FakeAsyncRedis, FakeServer, FakeConnection):
        with pytest.raises(ValueError, match="one of redis, valkey, keydb, dragonfly, kividb, not 'memcached'"):
            make(server_type="memcached")
    with pytest.raises(ValueError, match="lfs"):
        FakeRedis(lua_modules={"lfs"})
    assert FakeRedis(lua_modules={"cjson"}).eval("return cjson.encode({1})", 0) == b"[1]"


@pytest.mark.parametrize("version", ["latest", "7.x", "", (), (7, "x"), None, -7, object, True])
def test_what_is_no_version_is_refused(version: Any) -> None:
    for make in (FakeRedis, FakeAsyncRedis, FakeServer, FakeConnection):
        with pytest.raises(ValueError, match=r"version is a number, a text like '7\.0' or a tuple like \(7, 0\), not "):
            make(version=version)


def test_from_url_takes_a_real_servers_url() -> None:
    server = FakeServer()
    client = FakeRedis.from_url("redis://user:pw@host:1234/2", server=server, decode_responses=True)
    client.set("k", "v")
    assert client.get("k") == "v"
    assert FakeRedis(server=server, db=2).get("k") == b"v"
    assert FakeRedis.from_url("unix:///socket?db=1", server=server).get("k") is None
    FakeRedis.from_url("memory://fakes").set("k", "named")
    with pytest.raises(ValueError, match="URL"):
        FakeRedis.from_url("nonsense")


async def test_from_url_of_the_async_client() -> None:
    client = FakeAsyncRedis.from_url("redis://host/1")
    await client.set("k", "v")
    assert await client.get("k") == b"v"


def test_a_server_takes_directives() -> None:
    server = FakeServer(config={"requirepass": "secret"})
    with pytest.raises(redis.AuthenticationError):
        FakeRedis(server=server).ping()
    assert FakeRedis(server=server, password="secret").ping()
    server = FakeServer(config={b"requirepass": b"secret"})
    with pytest.raises(redis.AuthenticationError):
        FakeRedis(server=server).ping()


def test_a_pool_goes_its_own_way() -> None:
    pool = kvcore.ConnectionPool(store="memory://fake-pool")
    FakeRedis(connection_pool=pool).set("k", "v")
    assert FakeRedis(connection_pool=pool).get("k") == b"v"
