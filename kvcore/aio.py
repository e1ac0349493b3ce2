"""The asyncio twin of :mod:`kvcore`: the same names, awaited."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from kvcore.extras import needs_redis
from kvcore.frontends.inprocess_async import AsyncStore, open  # noqa: A004 - `kvcore.aio.open`
from kvcore.frontends.store_async import BaseAsyncStore

__all__ = [
    "AsyncLock",
    "AsyncPipeline",
    "AsyncPubSub",
    "AsyncRateLimit",
    "AsyncRemoteStore",
    "AsyncStore",
    "BaseAsyncStore",
    "BlockingConnectionPool",
    "ConnectionPool",
    "Redis",
    "connect",
    "open",
]

if TYPE_CHECKING:
    from kvcore.frontends.locking import AsyncLock, AsyncRateLimit
    from kvcore.frontends.redis_asyncio import BlockingConnectionPool, ConnectionPool, Redis
    from kvcore.frontends.remote_async import AsyncRemoteStore
    from kvcore.frontends.store_pipeline import AsyncPipeline
    from kvcore.frontends.store_pubsub import AsyncPubSub
    from kvcore.frontends.stores import connect_async as connect

_LATER = {
    "AsyncLock": ("kvcore.frontends.locking", "AsyncLock"),
    "AsyncPipeline": ("kvcore.frontends.store_pipeline", "AsyncPipeline"),
    "AsyncPubSub": ("kvcore.frontends.store_pubsub", "AsyncPubSub"),
    "AsyncRateLimit": ("kvcore.frontends.locking", "AsyncRateLimit"),
    "AsyncRemoteStore": ("kvcore.frontends.remote_async", "AsyncRemoteStore"),
    "connect": ("kvcore.frontends.stores", "connect_async"),
}
"""Names that are loaded when they are first used, and where they are."""


def __getattr__(name: str) -> object:
    if name in _LATER:
        home, there = _LATER[name]
        return getattr(import_module(home), there)
    if name not in ("BlockingConnectionPool", "ConnectionPool", "Redis"):
        raise AttributeError(f"module 'kvcore.aio' has no attribute {name!r}")
    with needs_redis(f"kvcore.aio.{name}"):
        return getattr(import_module("kvcore.frontends.redis_asyncio"), name)
