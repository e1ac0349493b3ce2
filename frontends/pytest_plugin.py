"""Fixtures for pytest: stores and servers that begin empty, end with the test, and can be made to fail.

Here: names, scopes, what follows what. Not here: what the fixtures hand out (:mod:`kvcore.frontends.under_test`). The
rule: pytest imports this module in every session of everybody who has kvcore installed, so it imports nothing of kvcore
before a test asks for a fixture; and a fixture's set-up starts nothing that its end does not stop.

docs/testing.md has the examples.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from kvcore.frontends.faults import Faults
    from kvcore.frontends.redis_asyncio import Redis as AsyncRedis
    from kvcore.frontends.redis_sync import Redis
    from kvcore.frontends.under_test import ClockControl, TestServer, TestStore


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker; leave pytest-redis its fixtures where that is installed."""
    config.addinivalue_line("markers", "kvcore(**directives): configure the store of this test: maxmemory='1mb'")
    if not config.pluginmanager.hasplugin("pytest_redis"):
        config.pluginmanager.register(_RedisNames(), "kvcore-redis-names")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Make the session's server as new after each test that used it."""
    yield
    server: TestServer | None = item.config.stash.get(_SERVER, None)
    if server is not None and "kvcore_server" in getattr(item, "fixturenames", ()):
        server.reset()


_SERVER: pytest.StashKey[TestServer] = pytest.StashKey()


# Time


@pytest.fixture(scope="session")
def _kvcore_time() -> ClockControl:
    """The clock of everything that the fixtures make, so that a server and a store tell the same time."""
    from kvcore.frontends.under_test import ClockControl

    return ClockControl()


@pytest.fixture
def kvcore_clock(_kvcore_time: ClockControl) -> Iterator[ClockControl]:
    """The time of all kvcore fixtures: the machine's, until advance(seconds), travel(to), freeze() or unfreeze()."""
    yield _kvcore_time
    _kvcore_time.reset()


# In process


@pytest.fixture
def kvcore_store(request: pytest.FixtureRequest, kvcore_clock: ClockControl) -> Iterator[TestStore]:
    """An empty embedded store of the test's own, with faults, log(), dump() and load()."""
    from kvcore.frontends.under_test import TestStore

    marker = request.node.get_closest_marker("kvcore")
    store = TestStore(kvcore_clock, **(marker.kwargs if marker is not None else {}))
    yield store
    store.close()


@pytest.fixture
def kvcore_faults(kvcore_store: TestStore) -> Faults:
    """What goes wrong with the test's store: go_down(), fail(), delay(), readonly() ..."""
    return kvcore_store.faults


@pytest.fixture
def kvcore_client(kvcore_store: TestStore) -> Iterator[Redis]:
    """A redis.Redis, in fact a kvcore.Redis, on the test's store."""
    from kvcore.frontends.redis_sync import Redis

    client = Redis(store=kvcore_store)
    yield client
    client.close()


@pytest.fixture
def kvcore_async_client(kvcore_store: TestStore) -> AsyncRedis:
    """A redis.asyncio.Redis, in fact a kvcore.aio.Redis, on the test's store; for any event loop."""
    from kvcore.frontends.redis_asyncio import Redis

    return Redis(store=kvcore_store)


class _RedisNames:
    """The fixtures that pytest-redis has, for who moves from there."""

    @pytest.fixture
    def redisdb(self, kvcore_client: Redis) -> Redis:
        """A redis.Redis on an empty store: pytest-redis's name for kvcore_client."""
        return kvcore_client

    @pytest.fixture
    def redisdb_async(self, kvcore_async_client: AsyncRedis) -> AsyncRedis:
        """A redis.asyncio.Redis on an empty store: pytest-redis's name for kvcore_async_client."""
        return kvcore_async_client


# Servers


@pytest.fixture(scope="session")
def kvcore_server(request: pytest.FixtureRequest, _kvcore_time: ClockControl) -> Iterator[TestServer]:
    """The session's server, on a free loopback port and a Unix socket; emptied after each test that used it."""
    from kvcore.frontends.under_test import TestServer

    with TestServer(_kvcore_time) as server:
        request.config.stash[_SERVER] = server
        yield server
        del request.config.stash[_SERVER]


@pytest.fixture(scope="session")
def kvcore_url(kvcore_server: TestServer) -> str:
    """The redis:// URL of the session's server."""
    return kvcore_server.url


@pytest.fixture
def kvcore_server_factory(kvcore_clock: ClockControl) -> Iterator[Callable[..., TestServer]]:
    """A function that starts servers; its keyword arguments are directives. They stop when the test ends."""
    from contextlib import ExitStack

    from kvcore.frontends.under_test import TestServer

    with ExitStack() as servers:
        yield lambda **config: servers.enter_context(TestServer(kvcore_clock, **config))
