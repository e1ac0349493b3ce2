"""How well kvcore evicts, beside the real server: ``python -m benchmarks.eviction``, about a minute.

Two figures for each policy. The hit rate of a cache on one zipf trace: both servers see the same batch of reads before
either sees the next, so that their clocks of whole seconds tell them the same, and each gets the `maxmemory` that the
same number of keys takes there. And the memory of kvcore's process while 1 GB is written under a limit of 100 MB: it
should stay under 1.5 times the limit beside what it takes when idle. ``--only hits`` or ``--only memory`` prints one
of them.
"""

from __future__ import annotations

import argparse
import random
import sys
from itertools import accumulate
from pathlib import Path
from typing import Final

import redis

from tests.oracle.servers import HOST, Server, find_oracle, start_kvcore, start_oracle

POLICIES: Final = ("allkeys-lru", "allkeys-lfu", "allkeys-random")
KEYS: Final = 50_000
RESIDENT: Final = 10_000
"""Keys that fit: a fifth of all."""

VALUE: Final = b"v" * 100
BATCH: Final = 200
SKEW: Final = 1.0
LIMIT: Final = 100 << 20
WRITTEN: Final = 1 << 30
WRITE_POLICIES: Final = ("allkeys-lru", "allkeys-lfu", "volatile-ttl")
SIZES: Final = (1024, 100)
OVERHEAD: Final = 300
"""Bytes that a small key and its value take beside the value: written counts what the keys would take."""


def connect(server: Server) -> redis.Redis:
    """Return a client of a server on this machine."""
    return redis.Redis(HOST, server.port, socket_timeout=30)


def zipf_trace(reads: int) -> list[str]:
    """Return keys as a cache is asked for them: the one of rank n in proportion to 1/n."""
    source = random.Random(1)
    names = [f"key:{number:06}" for number in range(KEYS)]
    source.shuffle(names)
    weights = list(accumulate(1 / rank**SKEW for rank in range(1, KEYS + 1)))
    return source.choices(names, cum_weights=weights, k=reads)


def limit_to(client: redis.Redis, policy: str) -> None:
    """Set `maxmemory` to what the server says the keys that shall fit take."""
    client.config_set("maxmemory", 1 << 40)
    client.config_set("maxmemory-policy", policy)
    client.flushall()
    with client.pipeline(transaction=False) as pipe:
        for number in range(RESIDENT):
            pipe.set(f"key:{number:06}", VALUE)
        pipe.execute()
    client.config_set("maxmemory", client.info("memory")["used_memory"])
    client.flushall()
    client.config_resetstat()


def read_through(client: redis.Redis, keys: list[str]) -> int:
    """Read keys, write those that were missing, as a cache is used; return how many were there."""
    with client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.get(key)
        missing = {key for key, value in zip(keys, pipe.execute(), strict=True) if value is None}
        hits = sum(key not in missing for key in keys)
        for key in missing:
            pipe.set(key, VALUE)
        pipe.execute()
    return hits


def hit_rates(clients: list[redis.Redis], policy: str, trace: list[str]) -> list[float]:
    """Return the share of hits in percent for each server, the first fifth of the trace left out."""
    for client in clients:
        limit_to(client, policy)
    warm = len(trace) // 5
    hits = [0] * len(clients)
    for start in range(0, len(trace), BATCH):
        for index, client in enumerate(clients):
            found = read_through(client, trace[start : start + BATCH])
            hits[index] += found if start >= warm else 0
    return [100 * count / (len(trace) - warm) for count in hits]


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process, 0 where the system does not tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def peak_memory(client: redis.Redis, policy: str, size: int) -> tuple[int, int]:
    """Write 1 GB in values of ``size`` bytes; return resident memory before and at its highest."""
    pid = client.info("server")["process_id"]
    client.flushall()
    idle = peak = resident_bytes(pid)
    client.config_set("maxmemory-policy", policy)
    client.config_set("maxmemory", LIMIT)
    value = b"v" * size
    lifetime_s = 100_000 if policy.startswith("volatile") else None
    count = WRITTEN // (size if size >= OVERHEAD else size + OVERHEAD)
    with client.pipeline(transaction=False) as pipe:
        for number in range(count):
            pipe.set(f"{size}:{number}", value, ex=lifetime_s)
            if len(pipe) == BATCH:
                pipe.execute()
                peak = max(peak, resident_bytes(pid))
        pipe.execute()
    return idle, peak


def print_hit_rates(frontend: str, binary: str, reads: int) -> None:
    """Print the share of hits of both servers for each policy."""
    trace = zipf_trace(reads)
    servers = [start_kvcore(frontend)]
    try:
        servers.append(start_oracle(binary))
        clients = [connect(server) for server in servers]
        print(f"hits of {reads} zipf reads in percent, {RESIDENT} of {KEYS} keys fit")
        for policy in POLICIES:
            ours, theirs = hit_rates(clients, policy, trace)
            print(f"{policy:16} kvcore {ours:6.2f}  redis-server {theirs:6.2f}  difference {ours - theirs:+.2f}")
    finally:
        for server in servers:
            server.stop()


def print_memory(frontend: str) -> None:
    """Print how far kvcore's process grows under a limit, for each policy and size of value."""
    print(f"resident memory in MB, maxmemory {LIMIT >> 20}, {WRITTEN >> 20} written")
    for policy in WRITE_POLICIES:
        for size in SIZES:
            server = start_kvcore(frontend)
            try:
                idle, peak = peak_memory(connect(server), policy, size)
            finally:
                server.stop()
            limits = (peak - idle) / LIMIT
            print(
                f"{policy:16} {size:5}-byte values  idle {idle >> 20}  peak {peak >> 20}  "
                f"beyond idle {limits:.2f} limits",
                flush=True,
            )


def main(words: list[str] | None = None) -> int:
    """Print both tables, or the one asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reads", type=int, default=200_000, help="length of the trace")
    parser.add_argument("--frontend", default="asyncio")
    parser.add_argument("--only", choices=("hits", "memory"))
    options = parser.parse_args(words)
    if options.only != "memory":
        binary = find_oracle()
        if binary is None:
            print("no redis-server to compare with", file=sys.stderr)
            return 1
        print_hit_rates(options.frontend, binary, options.reads)
    if options.only != "hits":
        print_memory(options.frontend)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
