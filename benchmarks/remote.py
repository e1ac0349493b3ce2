"""Remote stores beside redis-py, on one redis-server in one run: microseconds a call, and the ratio.

python -m benchmarks.remote
"""

from __future__ import annotations

import asyncio
import time
import timeit
from collections.abc import Callable
from typing import Any

import redis
import redis.asyncio

import kvcore
from kvcore import aio
from tests.oracle.servers import HOST, find_oracle, start_oracle

ROUNDS = 7
CALLS = 3000
PIPELINES = 100

Times = dict[str, list[float]]


def note(times: Times, name: str, call: Callable[[], object], calls: int) -> None:
    """Add the microseconds of one call."""
    times.setdefault(name, []).append(timeit.timeit(call, number=calls) / calls * 1e6)


def pipeline(client: Any) -> None:
    """Run a hundred reads at once."""
    with client.pipeline(transaction=False) as pipe:
        for _ in range(100):
            pipe.get("k")
        pipe.execute()


def threads(url: str, times: Times) -> None:
    """Measure the stores for threads, in turns."""
    theirs = redis.Redis.from_url(url)
    with kvcore.connect(url) as ours:
        for _ in range(ROUNDS):
            for who, client in (("kvcore", ours), ("redis-py", theirs)):
                note(times, f"get {who}", lambda client=client: client.get("k"), CALLS)  # type: ignore[misc]
                note(times, f"set {who}", lambda client=client: client.set("k", "v" * 20), CALLS)  # type: ignore[misc]
                note(times, f"pipeline of 100 {who}", lambda client=client: pipeline(client), PIPELINES)  # type: ignore[misc]
    theirs.close()


async def tasks(url: str, times: Times) -> None:
    """Measure the stores for coroutines, in turns."""
    theirs = redis.asyncio.Redis.from_url(url)
    async with aio.connect(url) as ours:
        for _ in range(ROUNDS):
            for who, client in (("kvcore", ours), ("redis-py", theirs)):
                begin = time.perf_counter()
                for _ in range(CALLS):
                    await client.get("k")  # type: ignore[attr-defined]
                times.setdefault(f"await get {who}", []).append((time.perf_counter() - begin) / CALLS * 1e6)
    await theirs.aclose()


def main() -> None:
    """Print the table."""
    binary = find_oracle()
    if binary is None:
        raise SystemExit("no redis-server to measure with")
    server = start_oracle(binary)
    url = f"redis://{HOST}:{server.port}"
    times: Times = {}
    try:
        threads(url, times)
        asyncio.run(tasks(url, times))
    finally:
        server.stop()
    for what in ("get", "set", "pipeline of 100", "await get"):
        ours, theirs = (min(times[f"{what} {who}"]) for who in ("kvcore", "redis-py"))
        print(f"{what:16} kvcore {ours:7.1f} us   redis-py {theirs:7.1f} us   {theirs / ours:.2f} times as long")


if __name__ == "__main__":
    main()
