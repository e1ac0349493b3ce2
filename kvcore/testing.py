"""What tests import: fakeredis's names, and redis-py itself in process.

    from kvcore.testing import FakeRedis, TestServer, TestStore

Needs the [redis] extra.
"""

from __future__ import annotations

from kvcore.extras import needs_redis
from kvcore.frontends.command_log import CommandLog
from kvcore.frontends.faults import DownError, Fault, Faults
from kvcore.frontends.under_test import ClockControl, TestServer, TestStore

with needs_redis("kvcore.testing"):
    from kvcore.frontends.fakes import (
        FakeAsyncConnection,
        FakeAsyncRedis,
        FakeAsyncRedisConnection,
        FakeConnection,
        FakeRedis,
        FakeRedisConnection,
        FakeServer,
        FakeStrictRedis,
        TcpFakeServer,
    )
    from kvcore.frontends.redis_patch import patch_redis

__all__ = [
    "ClockControl",
    "CommandLog",
    "DownError",
    "FakeAsyncConnection",
    "FakeAsyncRedis",
    "FakeAsyncRedisConnection",
    "FakeConnection",
    "FakeRedis",
    "FakeRedisConnection",
    "FakeServer",
    "FakeStrictRedis",
    "Fault",
    "Faults",
    "TcpFakeServer",
    "TestServer",
    "TestStore",
    "patch_redis",
]
