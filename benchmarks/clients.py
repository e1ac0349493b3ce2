"""kvcore's redis-py clients beside fakeredis, and beside redis-py on the real server.

    python -m benchmarks.clients [--quick]

Lives here: GET, SET and pipelines of 100 through each one's client, sync and asyncio, in turns, one thread, 16-byte
values, 1,000 keys. The rule: the calls are the same, only the client differs; the server is one that is started here.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable
from typing import Any

import fakeredis
import redis
import redis.asyncio

import kvcore
import kvcore.aio
from benchmarks.run import table
from benchmarks.samples import Comparison
from tests.oracle.servers import HOST, find_oracle, start_oracle

KEYS = [f"key:{number}" for number in range(1000)]
VALUE = b"sixteen bytes..."
PIPELINE = 100
TARGETS = {
    "fakeredis": {"GET": 4, "SET": 4, "pipeline": 5},
    "redis-py": {"GET": 8, "SET": 8, "pipeline": 5},
}
"""What kvcore means to be, at least: so many times its peer."""

Rates = dict[str, float]


def measure(client: Any, calls: int) -> Rates:
    """Return operations per second of each kind."""
    keys = (KEYS * (calls // len(KEYS) + 1))[:calls]
    rates = {}
    stamp = time.perf_counter()
    for key in keys:
        client.set(key, VALUE)
    rates["SET"] = calls / (time.perf_counter() - stamp)
    stamp = time.perf_counter()
    for key in keys:
        client.get(key)
    rates["GET"] = calls / (time.perf_counter() - stamp)
    for kind, transaction in (("pipeline", False), ("transaction", True)):
        stamp = time.perf_counter()
        for start in range(0, calls, PIPELINE):
            pipeline = client.pipeline(transaction=transaction)
            for key in keys[start : start + PIPELINE // 2]:
                pipeline.set(key, VALUE)
                pipeline.get(key)
            results = pipeline.execute()
        rates[f"{kind} of {PIPELINE}"] = calls / (time.perf_counter() - stamp)
        if results[-1] != VALUE:
            raise RuntimeError(f"{client} does not return what it stored")
    return rates


async def measure_async(client: Any, calls: int) -> Rates:
    """Return operations per second of each kind, awaited one by one."""
    keys = (KEYS * (calls // len(KEYS) + 1))[:calls]
    rates = {}
    stamp = time.perf_counter()
    for key in keys:
        await client.set(key, VALUE)
    rates["await SET"] = calls / (time.perf_counter() - stamp)
    stamp = time.perf_counter()
    for key in keys:
        await client.get(key)
    rates["await GET"] = calls / (time.perf_counter() - stamp)
    for kind, transaction in (("pipeline", False), ("transaction", True)):
        stamp = time.perf_counter()
        for start in range(0, calls, PIPELINE):
            pipeline = client.pipeline(transaction=transaction)
            for key in keys[start : start + PIPELINE // 2]:
                pipeline.set(key, VALUE)
                pipeline.get(key)
            results = await pipeline.execute()
        rates[f"await {kind} of {PIPELINE}"] = calls / (time.perf_counter() - stamp)
        if results[-1] != VALUE:
            raise RuntimeError(f"{client} does not return what it stored")
    await client.connection_pool.disconnect()
    return rates


def compared(peers: dict[str, Callable[[], Rates]], rounds: int) -> list[Comparison]:
    """Measure the first peer, which is kvcore, and the others in turns."""
    samples: dict[str, list[Rates]] = {name: [] for name in peers}
    for number in range(1, rounds + 1):
        print(f"round {number} of {rounds}", file=sys.stderr)
        for name, run in peers.items():
            samples[name].append(run())
    ours, *theirs = samples
    return [
        Comparison(
            what,
            name,
            tuple(rates[what] for rates in samples[ours]),
            tuple(rates[what] for rates in samples[name]),
        )
        for name in theirs
        for what in samples[ours][0]
    ]


def compare(rounds: int, calls: int) -> list[Comparison]:
    """Measure all clients; redis-py's rows are left out where there is no real server."""

    def awaited(make: Callable[[], Any]) -> Rates:
        async def run() -> Rates:
            return await measure_async(make(), calls)

        return asyncio.run(run())

    binary = find_oracle()
    server = start_oracle(binary) if binary is not None else None
    try:
        sync: dict[str, Callable[[], Rates]] = {
            "kvcore": lambda: measure(kvcore.Redis(), calls),
            "fakeredis": lambda: measure(fakeredis.FakeRedis(), calls),
        }
        awaiting: dict[str, Callable[[], Rates]] = {
            "kvcore": lambda: awaited(kvcore.aio.Redis),
            "fakeredis": lambda: awaited(fakeredis.FakeAsyncRedis),
        }
        if server is not None:
            port = server.port
            sync[f"redis-py, {server.name}"] = lambda: measure(redis.Redis(HOST, port), calls)
            awaiting[f"redis-py, {server.name}"] = lambda: awaited(lambda: redis.asyncio.Redis(host=HOST, port=port))
        return compared(sync, rounds) + compared(awaiting, rounds)
    finally:
        if server is not None:
            server.stop()


def verdicts(rows: list[Comparison]) -> list[str]:
    """Say of each target whether it is met."""
    lines = []
    for row in rows:
        peer = row.peer.partition(",")[0]
        kind = row.what.removeprefix("await ").partition(" ")[0]
        least = TARGETS.get(peer, {}).get(kind)
        if least is not None:
            said = "met" if row.ratio >= least else "MISSED"
            lines.append(f"{row.what} at least {least} times {peer}: {row.ratio:.1f}, {said}")
    return lines


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.clients", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer and smaller samples: a look, not a result")
    quick = parser.parse_args().quick
    rows = compare(rounds=3 if quick else 5, calls=2_000 if quick else 10_000)
    print(table(f"operations per second in one thread, redis-py {redis.__version__}", rows))
    print("\n".join(["", *verdicts(rows)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
