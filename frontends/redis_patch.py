"""Make redis-py itself go in process for a while, for code that builds its own clients.

What lives here: :func:`patch_redis`. The rule: what is replaced is how pools make connections, not names, so it does
not matter who imported what before; and everything is put back, whatever happens.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import redis
import redis.asyncio

from kvcore.frontends import redis_asyncio, redis_sync
from kvcore.frontends.inprocess import Store
from kvcore.frontends.redis_link import LocalServer
from kvcore.frontends.stores import open_store

_POOLS: Final[tuple[tuple[Any, type], ...]] = (
    (redis.ConnectionPool, redis_sync.LocalConnection),
    (redis.BlockingConnectionPool, redis_sync.LocalConnection),
    (redis.asyncio.ConnectionPool, redis_asyncio.LocalConnection),
    (redis.asyncio.BlockingConnectionPool, redis_asyncio.LocalConnection),
)
OVER: Final = "the patch_redis() block that this connection belongs to has ended"


class _Patch:
    """What one block has replaced."""

    def __init__(self, server: LocalServer) -> None:
        self._server = server
        self._pools: weakref.WeakSet[Any] = weakref.WeakSet()
        self._originals: list[tuple[Any, str, Any]] = []

    def begin(self) -> None:
        """Replace."""
        for pool_class, connection_class in _POOLS:
            own = vars(pool_class)
            if "make_connection" in own:
                self._replace(pool_class, "make_connection", self._maker(own["make_connection"], connection_class))
            if "get_connection" in own:
                getter = own["get_connection"]
                asynchronous = inspect.iscoroutinefunction(inspect.unwrap(getter))
                wrap = self._async_getter if asynchronous else self._getter
                self._replace(pool_class, "get_connection", wrap(getter, connection_class))

    def end(self) -> None:
        """Put everything back, and have the pools forget the connections made here."""
        for owner, name, original in reversed(self._originals):
            setattr(owner, name, original)
        for pool in list(self._pools):
            pool.reset()
        self._server.go_down(OVER)

    def _replace(self, owner: Any, name: str, replacement: Any) -> None:
        self._originals.append((owner, name, vars(owner)[name]))
        setattr(owner, name, replacement)

    def _maker(self, original: Callable[[Any], Any], connection_class: type) -> Callable[[Any], Any]:
        server = self._server

        def make_connection(pool: Any) -> Any:
            own_class, kwargs = pool.connection_class, pool.connection_kwargs
            if issubclass(own_class, connection_class):
                return original(pool)
            pool.connection_class = connection_class
            kwargs["store"] = server
            try:
                return original(pool)
            finally:
                pool.connection_class = own_class
                del kwargs["store"]

        return make_connection

    def _is_new(self, pool: Any, connection_class: type) -> bool:
        """Say whether a pool comes here for the first time, maybe with connections to a real server."""
        if pool in self._pools or issubclass(pool.connection_class, connection_class):
            return False
        self._pools.add(pool)
        return True

    def _getter(self, original: Callable[..., Any], connection_class: type) -> Callable[..., Any]:
        def get_connection(pool: Any, *args: Any, **kwargs: Any) -> Any:
            if self._is_new(pool, connection_class):
                pool.disconnect()
                pool.reset()
            return original(pool, *args, **kwargs)

        return get_connection

    def _async_getter(self, original: Callable[..., Any], connection_class: type) -> Callable[..., Any]:
        async def get_connection(pool: Any, *args: Any, **kwargs: Any) -> Any:
            if self._is_new(pool, connection_class):
                await pool.disconnect()
                pool.reset()
            return await original(pool, *args, **kwargs)

        return get_connection


@contextmanager
def patch_redis(store: Store | None = None) -> Iterator[Store]:
    """Have every redis-py client of this process connect to ``store``, by default a fresh one, while the block lasts.

    This holds for clients and pools, sync and asyncio, however and whenever they were made, ``from_url`` included;
    hosts, ports, TLS options and passwords mean nothing. Yields the store. Afterwards all clients connect where they
    say again. A library that polls sockets (kombu) gets an OSError that points to kvcore_server.
    """
    own = open_store() if store is None else store
    patch = _Patch(LocalServer(lambda: own, "patch_redis()", admits_all=True))
    try:
        patch.begin()
        yield own
    finally:
        patch.end()
        if store is None:
            own.close()
