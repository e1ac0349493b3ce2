"""kvcore: a Redis-compatible key-value engine in Python.

    import kvcore

    with kvcore.open() as store:
        store.set("greeting", "hello")
        store.get("greeting")            # b'hello'
        store.execute("INCR", "visits")  # 1

:mod:`kvcore.aio` has the same for coroutines, and ``kvcore-server`` serves RESP clients.
"""

from __future__ import annotations

from kvcore.errors import ClosedError, CommandError, ConfigError, KvcoreError, WrongTypeError
from kvcore.frontends.inprocess import Store, open  # noqa: A004 - `kvcore.open`

__version__ = "0.1.0"

__all__ = [
    "ClosedError",
    "CommandError",
    "ConfigError",
    "KvcoreError",
    "Store",
    "WrongTypeError",
    "open",
]
