"""kvcore: a Redis-compatible key-value engine in Python.

    import kvcore

    with kvcore.open() as store:
        store.set("greeting", "hello")
        store.get("greeting")            # b'hello'
        store.execute("INCR", "visits")  # 1

:mod:`kvcore.aio` has the same for coroutines, and ``kvcore-server`` serves RESP clients.

Names are loaded when they are first used: a program that imports kvcore and does not use it, as pytest does for the
fixtures, does not pay for the engine.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Final

from kvcore.extras import needs_redis

if TYPE_CHECKING:
    from kvcore import aio as aio
    from kvcore import testing as testing
    from kvcore.call import Call
    from kvcore.errors import (
        ClosedError,
        CommandError,
        ConfigError,
        ConnectionLostError,
        KvcoreError,
        LockedError,
        NotDurableError,
        ReplyTimeoutError,
        UnsupportedError,
        WrongTypeError,
    )
    from kvcore.extensions import command
    from kvcore.frontends.inprocess import Store, open  # noqa: A004 - `kvcore.open`
    from kvcore.frontends.interrupts import hold_interrupts
    from kvcore.frontends.locking import Lock, LockError, RateLimit
    from kvcore.frontends.redis_patch import patch_redis
    from kvcore.frontends.redis_sync import BlockingConnectionPool, ConnectionPool, Redis
    from kvcore.frontends.remote_store import RemoteStore
    from kvcore.frontends.store import BaseStore
    from kvcore.frontends.store_pipeline import Pipeline, WatchError
    from kvcore.frontends.store_pubsub import Message, PubSub
    from kvcore.frontends.stores import connect
    from kvcore.storage.snapshots import LoadError

__version__ = "0.1.0"

__all__ = [
    "BaseStore",
    "BlockingConnectionPool",
    "Call",
    "ClosedError",
    "CommandError",
    "ConfigError",
    "ConnectionLostError",
    "ConnectionPool",
    "KvcoreError",
    "LoadError",
    "Lock",
    "LockError",
    "LockedError",
    "Message",
    "NotDurableError",
    "Pipeline",
    "PubSub",
    "RateLimit",
    "Redis",
    "RemoteStore",
    "ReplyTimeoutError",
    "Store",
    "UnsupportedError",
    "WatchError",
    "WrongTypeError",
    "command",
    "connect",
    "hold_interrupts",
    "open",
    "patch_redis",
]

_HOMES: Final = {
    "UnsupportedError": "kvcore.errors",
    "ReplyTimeoutError": "kvcore.errors",
    "RemoteStore": "kvcore.frontends.remote_store",
    "ConnectionLostError": "kvcore.errors",
    "BaseStore": "kvcore.frontends.store",
    "BlockingConnectionPool": "kvcore.frontends.redis_sync",
    "Call": "kvcore.call",
    "ClosedError": "kvcore.errors",
    "CommandError": "kvcore.errors",
    "ConfigError": "kvcore.errors",
    "ConnectionPool": "kvcore.frontends.redis_sync",
    "KvcoreError": "kvcore.errors",
    "LockedError": "kvcore.errors",
    "NotDurableError": "kvcore.errors",
    "Redis": "kvcore.frontends.redis_sync",
    "Store": "kvcore.frontends.inprocess",
    "LoadError": "kvcore.storage.snapshots",
    "Lock": "kvcore.frontends.locking",
    "LockError": "kvcore.frontends.locking",
    "RateLimit": "kvcore.frontends.locking",
    "Message": "kvcore.frontends.store_pubsub",
    "PubSub": "kvcore.frontends.store_pubsub",
    "Pipeline": "kvcore.frontends.store_pipeline",
    "WatchError": "kvcore.frontends.store_pipeline",
    "WrongTypeError": "kvcore.errors",
    "command": "kvcore.extensions",
    "connect": "kvcore.frontends.stores",
    "hold_interrupts": "kvcore.frontends.interrupts",
    "open": "kvcore.frontends.inprocess",
    "patch_redis": "kvcore.frontends.redis_patch",
}
"""The modules that the public names come from."""

_MODULES: Final = ("aio", "testing")
"""Public modules that `import kvcore` suffices for."""


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if name in _MODULES:
        return import_module(f"kvcore.{name}")
    if home is None:
        raise AttributeError(f"module 'kvcore' has no attribute {name!r}")
    with needs_redis(f"kvcore.{name}"):
        value: object = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """Keeps the module :mod:`kvcore.command`, when it is imported, from taking the place of the decorator."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name == "command" and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
