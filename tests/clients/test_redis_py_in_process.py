"""kvcore.Redis beside redis-py on the real server: the same calls, the same results.

The oldest supported release of redis-py is installed apart for this, and these tests and those of the in-process
clients run once more with it.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio

import kvcore
import kvcore.aio
from tests.clients.conftest import OLDEST
from tests.frontends.redis_calls import GROUPS, Call, sorted_shown
from tests.oracle.servers import HOST, Server

ROOT = Path(__file__).resolve().parent.parent.parent
AGAIN = [
    "tests/clients/test_complaints.py",
    "tests/clients/test_redis_py_in_process.py",
    "tests/clients/test_redis_py_pipelines.py",
    "tests/frontends/test_fakes.py",
    "tests/frontends/test_redis_asyncio.py",
    "tests/frontends/test_redis_link.py",
    "tests/frontends/test_redis_patch.py",
    "tests/frontends/test_redis_results.py",
    "tests/frontends/test_redis_sync.py",
    "tests/frontends/test_redis_urls.py",
    "tests/frontends/test_redis_values.py",
]

SETTINGS: list[dict[str, Any]] = [
    {},
    {"protocol": 2},
    {"protocol": 3},
    {"protocol": 2, "decode_responses": True},
    {"protocol": 3, "decode_responses": True},
]


def settings_id(settings: dict[str, Any]) -> str:
    return ",".join(f"{name}={value}" for name, value in settings.items()) or "default"


def result_of(client: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return sorted_shown(name, getattr(client, name)(*args, **dict(kwargs)))
        except Exception as error:
            return sorted_shown(name, error)


async def async_result_of(client: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return sorted_shown(name, await getattr(client, name)(*args, **dict(kwargs)))
        except Exception as error:
            return sorted_shown(name, error)


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("settings", SETTINGS, ids=settings_id)
def test_calls_return_what_they_return_on_the_real_server(oracle: Server, settings: dict[str, Any], group: str) -> None:
    with kvcore.Redis(**settings) as ours, redis.Redis(HOST, oracle.port, **settings) as theirs:
        theirs.flushall()
        for name, args, kwargs in GROUPS[group]:
            assert result_of(ours, name, args, kwargs) == result_of(theirs, name, args, kwargs), (name, args, kwargs)


@pytest.mark.parametrize("settings", SETTINGS[:3], ids=settings_id)
async def test_awaited_calls_return_what_they_return_on_the_real_server(
    oracle: Server, settings: dict[str, Any]
) -> None:
    ours, theirs = kvcore.aio.Redis(**settings), redis.asyncio.Redis(host=HOST, port=oracle.port, **settings)
    for calls in GROUPS.values():
        await ours.flushall()
        await theirs.flushall()
        for name, args, kwargs in calls:
            found = await async_result_of(ours, name, args, kwargs)
            assert found == await async_result_of(theirs, name, args, kwargs), (name, args, kwargs)
    await ours.aclose()
    await theirs.connection_pool.disconnect()


def queueable(call: Call) -> bool:
    """Say whether a pipeline can run a call: not one that cannot be sent, or that is about the connection."""
    name, args, _ = call
    sendable = not any(isinstance(word, bytearray | bool | dict | None) for word in args) or name not in ("set",)
    return sendable and name not in ("auth", "dump", "select", "swapdb", "wait")


@pytest.mark.parametrize("transaction", [False, True])
@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("settings", SETTINGS[1:], ids=settings_id)
def test_pipelines_return_what_they_return_on_the_real_server(
    oracle: Server, settings: dict[str, Any], group: str, transaction: bool
) -> None:
    with kvcore.Redis(**settings) as ours, redis.Redis(HOST, oracle.port, **settings) as theirs:
        theirs.flushall()
        results = []
        for client in (ours, theirs):
            pipeline = client.pipeline(transaction=transaction)
            names, refusals = [], []
            for name, args, kwargs in filter(queueable, GROUPS[group]):
                before = len(pipeline)
                answer = result_of(pipeline, name, args, kwargs)
                if len(pipeline) > before:
                    names.append(name)
                else:
                    refusals.append(answer)  # redis-py itself refuses some arguments
            try:
                found: Any = pipeline.execute(raise_on_error=False)
            except redis.RedisError as error:
                found = [error]
                names = [""]
            results.append((refusals, [sorted_shown(name, item) for name, item in zip(names, found, strict=True)]))
        assert results[0] == results[1]


@pytest.mark.skipif(redis.__version__ == OLDEST, reason="this is the run with the oldest release")
@pytest.mark.timeout(400)
def test_everything_holds_with_the_oldest_release(oldest: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(oldest), "ORACLE_REQUIRED": ""}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *AGAIN],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=380,
    )
    assert run.returncode == 0, run.stdout[-6000:]
    probe = subprocess.run(
        [sys.executable, "-c", "import redis; print(redis.__version__)"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert probe.stdout.strip() == OLDEST


def test_the_groups_hold_enough_to_be_worth_it() -> None:
    assert sum(map(len, GROUPS.values())) >= 250
    assert asyncio.iscoroutinefunction(kvcore.aio.Redis.execute_command)
