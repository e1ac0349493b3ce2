"""The embedded store beside what a Python program would use instead: redis-py, fakeredis, burner-redis, a locked dict.

Lives here: GET and SET through each one's own calls, in turns, one thread, 16-byte values, 1,000 keys. The
dict is the floor, not a peer: it has no types, no expiry, no commands. burner-redis (Rust, in process) has only
methods to be awaited, which costs it next to nothing; the asynchronous store stands beside them, too.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable

import burner_redis
import fakeredis
import redis

import kvcore
import kvcore.aio
from benchmarks.samples import Comparison
from tests.oracle.servers import HOST, find_oracle, start_oracle

KEYS = [f"key:{number}" for number in range(1000)]
VALUE = b"sixteen bytes..."

Operations = tuple[Callable[[str], object], Callable[[str, bytes], object]]


class LockedDict:
    """A dict that several threads may share."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[str, bytes] = {}

    def get(self, key: str) -> bytes | None:
        """Return the value, None without one."""
        with self._lock:
            return self._values.get(key)

    def set(self, key: str, value: bytes) -> None:
        """Store the value."""
        with self._lock:
            self._values[key] = value


def rate(operations: Operations, calls: int) -> tuple[float, float]:
    """Return SETs and GETs per second over ``calls`` calls of each."""
    get, put = operations
    keys = (KEYS * (calls // len(KEYS) + 1))[:calls]
    started = time.perf_counter()
    for key in keys:
        put(key, VALUE)
    middle = time.perf_counter()
    for key in keys:
        get(key)
    ended = time.perf_counter()
    if get(KEYS[0]) != VALUE:
        raise RuntimeError(f"{get} does not return what {put} stored")
    return calls / (middle - started), calls / (ended - middle)


async def awaited_rate(client: object, calls: int) -> tuple[float, float]:
    """Return SETs and GETs per second of a client with coroutines, awaited in one task."""
    get, put = client.get, client.set  # type: ignore[attr-defined]
    keys = (KEYS * (calls // len(KEYS) + 1))[:calls]
    started = time.perf_counter()
    for key in keys:
        await put(key, VALUE)
    middle = time.perf_counter()
    for key in keys:
        await get(key)
    ended = time.perf_counter()
    if await get(KEYS[0]) != VALUE:
        raise RuntimeError(f"{client} does not return what it stored")
    return calls / (middle - started), calls / (ended - middle)


def compare(rounds: int, calls: int) -> list[Comparison]:
    """Measure all peers in turns; the redis-py rows are left out where there is no real server."""
    store = kvcore.open()
    binary = find_oracle()
    server = start_oracle(binary) if binary is not None else None
    fake = fakeredis.FakeRedis()
    table = LockedDict()
    peers: dict[str, Operations] = {
        "fakeredis": (fake.get, fake.set),
        "dict and lock": (table.get, table.set),
    }
    try:
        if server is not None:
            client = redis.Redis(HOST, server.port)
            peers = {f"redis-py, {server.name}": (client.get, client.set), **peers}
        our_rounds = []
        awaited = {"burner-redis": burner_redis.BurnerRedis(), "kvcore.aio": kvcore.aio.open()}
        their_rounds: dict[str, list[tuple[float, float]]] = {name: [] for name in [*peers, *awaited]}
        for number in range(1, rounds + 1):
            print(f"in process, round {number} of {rounds}", file=sys.stderr)
            our_rounds.append(rate((store.get, store.set), calls))
            for name, operations in peers.items():
                their_rounds[name].append(rate(operations, calls))
            for name, asynchronous in awaited.items():
                their_rounds[name].append(asyncio.run(awaited_rate(asynchronous, calls)))
    finally:
        store.close()
        if server is not None:
            server.stop()
    return [
        Comparison(
            what,
            name,
            tuple(sample[column] for sample in our_rounds),
            tuple(sample[column] for sample in samples),
        )
        for name, samples in their_rounds.items()
        for column, what in enumerate(("SET", "GET"))
    ]
