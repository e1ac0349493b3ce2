"""kvcore's redis-py clients beside fakeredis, and beside redis-py on the real server.

    python -m benchmarks.clients [--quick]

Lives here: GET, SET and pipelines of 100 through each one's client, sync and asyncio, in turns, one thread, 16-byte
values, 1,000 keys. The rule: the calls are the same, only the client differs; the server is one that is started here.
Also how long the set-up of a test's fixtures takes: a store of its own, and a client; and the embedded store's own
methods beside burner-redis's, which are to be awaited, and so beside the asynchronous store's, too.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import burner_redis
import fakeredis
import redis
import redis.asyncio

import kvcore
import kvcore.aio
from benchmarks import imports
from benchmarks.inprocess import awaited_rate, rate
from benchmarks.run import table
from benchmarks.samples import Comparison
from kvcore.testing import ClockControl, TestStore
from tests.oracle.servers import HOST, find_oracle, start_oracle

KEYS = [f"key:{number}" for number in range(1000)]
VALUE = b"sixteen bytes..."
PIPELINE = 100
TARGETS = {
    "fakeredis": {"GET": 4, "SET": 4, "pipeline": 5},
    "redis-py": {"GET": 8, "SET": 8, "pipeline": 5},
    "burner-redis": {"store.get": 1, "store.set": 1},
}
"""What kvcore means to be, at least: so many times its peer."""

STORE_US = 1.0
"""What the embedded store's get() and set() may take."""

FIXTURE_MS = 1.0
"""What the set-up of a test's fixture may take."""

CLOCK = ClockControl()
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


def measure_stores(operations: Callable[[int], tuple[float, float]], calls: int) -> Rates:
    """Return calls per second of a store's own methods."""
    sets, gets = operations(calls)
    return {"store.set": sets, "store.get": gets}


def measure_fixtures(set_up: Callable[[], Callable[[], object]], count: int) -> Rates:
    """Return how many fixtures a second are set up, by the median; their end is not counted."""
    samples = []
    for _ in range(count):
        stamp = time.perf_counter()
        end = set_up()
        samples.append(time.perf_counter() - stamp)
        end()
    return {"fixture": 1 / median(samples)}


def our_fixture() -> Callable[[], object]:
    """Do what kvcore_store and kvcore_client do for a test; return what their end is."""
    store = TestStore(CLOCK)
    client = kvcore.Redis(store=store)

    def end() -> None:
        client.close()
        store.close()

    return end


def their_fixture() -> Callable[[], object]:
    """Do the same with fakeredis."""
    client = fakeredis.FakeRedis(server=fakeredis.FakeServer())
    return client.close


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
        store, async_store = kvcore.open(), kvcore.aio.open()
        burner = burner_redis.BurnerRedis()
        stores: dict[str, Callable[[], Rates]] = {
            "kvcore": lambda: measure_stores(lambda count: rate((store.get, store.set), count), calls),
            "kvcore.aio": lambda: measure_stores(lambda count: asyncio.run(awaited_rate(async_store, count)), calls),
            "burner-redis": lambda: measure_stores(lambda count: asyncio.run(awaited_rate(burner, count)), calls),
        }
        fixtures: dict[str, Callable[[], Rates]] = {
            "kvcore": lambda: measure_fixtures(our_fixture, calls // 20),
            "fakeredis": lambda: measure_fixtures(their_fixture, calls // 20),
        }
        groups = (sync, awaiting, stores, fixtures)
        return [row for peers in groups for row in compared(peers, rounds)]
    finally:
        if server is not None:
            server.stop()


def verdicts(rows: list[Comparison]) -> list[str]:
    """Say of each target whether it is met."""
    lines = []
    for row in rows:
        if row.what == "fixture":
            took_ms = 1000 / row.ours
            said = "met" if took_ms < FIXTURE_MS else "MISSED"
            lines.append(f"a fixture set up in less than {FIXTURE_MS:g} ms: {took_ms:.2f} ms, {said}")
        peer = row.peer.partition(",")[0]
        if peer == "burner-redis":
            took_us = 1_000_000 / row.ours
            said = "met" if took_us <= STORE_US else "MISSED"
            lines.append(f"{row.what} in {STORE_US:g} us or less: {took_us:.2f} us, {said}")
        kind = row.what.removeprefix("await ").partition(" ")[0]
        least = TARGETS.get(peer, {}).get(kind)
        if least is not None:
            said = "met" if row.ratio >= least else "MISSED"
            lines.append(f"{row.what} at least {least} times {peer}: {row.ratio:.2f}, {said}")
    return lines


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.clients", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer and smaller samples: a look, not a result")
    quick = parser.parse_args().quick
    rows = compare(rounds=3 if quick else 5, calls=2_000 if quick else 10_000)
    print(table(f"operations per second in one thread, redis-py {redis.__version__}", rows))
    print("\n".join(["", *verdicts(rows), *imports.lines(5 if quick else 15)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
