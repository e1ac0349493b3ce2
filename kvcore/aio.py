"""The asyncio twin of :mod:`kvcore`: the same names, awaited."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from kvcore.extras import needs_redis
from kvcore.frontends.inprocess_async import AsyncStore, open  # noqa: A004 - `kvcore.aio.open`

__all__ = ["AsyncStore", "BlockingConnectionPool", "ConnectionPool", "Redis", "open"]

if TYPE_CHECKING:
    from kvcore.frontends.redis_asyncio import BlockingConnectionPool, ConnectionPool, Redis


def __getattr__(name: str) -> object:
    if name not in ("BlockingConnectionPool", "ConnectionPool", "Redis"):
        raise AttributeError(f"module 'kvcore.aio' has no attribute {name!r}")
    with needs_redis(f"kvcore.aio.{name}"):
        return getattr(import_module("kvcore.frontends.redis_asyncio"), name)
