"""MEMORY: what keys, clients and the process take.

Lives here: the commands, and the sums that INFO shows, too. Must not live here: estimates of values
(:mod:`kvcore.memory`) and the account under a limit (:mod:`kvcore.eviction`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from kvcore import errors
from kvcore.arguments import integer
from kvcore.call import Call
from kvcore.command import command
from kvcore.errors import CommandError
from kvcore.helptext import container_help
from kvcore.memory import ENTRY_BYTES, EXPIRY_BYTES, STARTUP_BYTES, bytes_cost, measured_bytes
from kvcore.replies import OK, Reply, Verbatim

if TYPE_CHECKING:
    from kvcore.engine import Engine

_DEFAULT_SAMPLES: Final = 5
_SMALL_BYTES: Final = 5 << 20
"""Below this much beyond the start there is nothing to say about fragmentation."""

_HELP: Final = {"USAGE": "<key> [SAMPLES <count>]"}


class Sums(NamedTuple):
    """Bytes in use."""

    used: int
    """Estimate of everything: the engine, keys and values."""
    peak: int
    """The highest :attr:`used` that was ever seen."""
    resident: int
    """What the process holds."""
    overhead: int
    """What of :attr:`used` is neither key nor value."""

    @property
    def dataset(self) -> int:
        """What keys and values take."""
        return self.used - self.overhead

    @property
    def dataset_percent(self) -> float:
        """Keys and values as a part of what was added since the start."""
        return 100 * self.dataset / max(1, self.used - STARTUP_BYTES)

    @property
    def peak_percent(self) -> float:
        """The present use as a part of the highest."""
        return 100 * self.used / self.peak

    @property
    def fragmentation(self) -> float:
        """How many times what is in use the process holds."""
        return self.resident / self.used


def sums(engine: Engine) -> Sums:
    """Add up what is in use. O(databases), and a sample of the keys where no account is kept."""
    used = engine.eviction.used_bytes()
    overhead = min(engine.eviction.overhead_bytes(), used)
    return Sums(used, engine.eviction.peak, engine.process.memory_bytes(), overhead)


@command(
    "MEMORY",
    arity=-2,
    group="server",
    since="4.0.0",
    complexity="Depends on subcommand.",
    summary="Look at what takes memory.",
)
def memory(_call: Call, *_arguments: bytes) -> Reply:
    raise AssertionError("a container has no handler of its own")


@command(
    "MEMORY|USAGE",
    arity=-3,
    flags="readonly",
    keys="RO@2",
    group="server",
    since="4.0.0",
    complexity="O(N) where N is the number of samples.",
    summary="Estimate what a key and its value take, in bytes.",
)
def memory_usage(call: Call, key: bytes, *options: bytes) -> Reply:
    samples = _DEFAULT_SAMPLES
    for at in range(0, len(options), 2):
        if options[at].upper() != b"SAMPLES" or at + 1 == len(options):
            raise CommandError(errors.SYNTAX)
        samples = integer(options[at + 1])
        if samples < 0:
            raise CommandError(errors.SYNTAX)
    value = call.db.get(key)  # a key past its time takes memory as long as it is there
    if value is None:
        return None
    return ENTRY_BYTES + bytes_cost(key) + measured_bytes(value, call.engine.random, samples)


@command(
    "MEMORY|STATS",
    arity=2,
    group="server",
    since="4.0.0",
    complexity="O(1)",
    summary="Return what takes memory, item by item.",
    tips=("nondeterministic_output", "request_policy:all_shards", "response_policy:special"),
)
def memory_stats(call: Call) -> Reply:
    engine = call.engine
    now = sums(engine)
    keys = sum(len(db) for db in engine.keyspace.databases)
    replication = engine.replication.counters()
    items: dict[Reply, Reply] = {
        b"peak.allocated": now.peak,
        b"total.allocated": now.used,
        b"startup.allocated": STARTUP_BYTES,
        b"replication.backlog": replication.get("mem_replication_backlog", 0),
        b"clients.slaves": replication.get("mem_clients_slaves", 0),
        b"clients.normal": engine.client_memory.total(),
        b"cluster.links": 0,
        b"aof.buffer": 0,
        b"lua.caches": engine.scripts.cache_bytes,
        b"functions.caches": engine.functions.registry_bytes,
    }
    for db in engine.keyspace.databases:
        if len(db):
            items[b"db.%d" % db.index] = {
                b"overhead.hashtable.main": len(db) * ENTRY_BYTES,
                b"overhead.hashtable.expires": len(db.expires) * EXPIRY_BYTES,
                b"overhead.hashtable.slot-to-keys": 0,
            }
    beyond = now.resident - now.used
    items.update(
        {
            b"overhead.total": now.overhead,
            b"keys.count": keys,
            b"keys.bytes-per-key": (now.used - STARTUP_BYTES) // keys if keys else 0,
            b"dataset.bytes": now.dataset,
            b"dataset.percentage": now.dataset_percent,
            b"peak.percentage": now.peak_percent,
            b"allocator.allocated": now.used,
            b"allocator.active": now.used,
            b"allocator.resident": now.resident,
            b"allocator-fragmentation.ratio": 1.0,
            b"allocator-fragmentation.bytes": 0,
            b"allocator-rss.ratio": now.fragmentation,
            b"allocator-rss.bytes": beyond,
            b"rss-overhead.ratio": 1.0,
            b"rss-overhead.bytes": 0,
            b"fragmentation": now.fragmentation,
            b"fragmentation.bytes": beyond,
        }
    )
    return items


@command(
    "MEMORY|DOCTOR",
    arity=2,
    group="server",
    since="4.0.0",
    complexity="O(1)",
    summary="Say what is unusual about the memory in use.",
    tips=("nondeterministic_output", "request_policy:all_shards", "response_policy:special"),
)
def memory_doctor(call: Call) -> Reply:
    engine = call.engine
    now = sums(engine)
    if now.used - STARTUP_BYTES < _SMALL_BYTES:
        return Verbatim(b"There is too little data to say anything: come back when there is more of it.\n")
    found: list[str] = []
    if now.peak > now.used * 1.5:
        found.append(
            f"Peak: {now.peak} bytes were in use once, {now.used} are now. What the process holds beyond that is free "
            "for new data; MEMORY PURGE gives back what the allocator can."
        )
    if now.fragmentation > 1.4 and now.resident - now.used > 10 << 20:
        found.append(
            f"Fragmentation: the process holds {now.fragmentation:.2f} times what is in use. Python, its modules and "
            "holes that deleted values left are in it; MEMORY PURGE gives back what the allocator can."
        )
    buffers = engine.client_memory.total()
    if buffers > 10 << 20:
        found.append(
            f"Clients: {buffers} bytes wait in their buffers. CLIENT LIST shows whose (qbuf, omem); "
            "client-output-buffer-limit bounds them."
        )
    if not found:
        return Verbatim(b"Nothing unusual: peak, fragmentation and client buffers are as they should be.\n")
    return Verbatim("".join(f" * {line}\n" for line in found).encode())


@command(
    "MEMORY|PURGE",
    arity=2,
    group="server",
    since="4.0.0",
    complexity="Depends on how much memory is allocated, could be slow",
    summary="Give free memory back to the system.",
    tips=("request_policy:all_shards", "response_policy:all_succeeded"),
)
def memory_purge(call: Call) -> Reply:
    call.engine.process.release_memory()
    return OK


@command(
    "MEMORY|MALLOC-STATS",
    arity=2,
    group="server",
    since="4.0.0",
    complexity="Depends on how much memory is allocated, could be slow",
    summary="Return what the allocator says of itself.",
    tips=("nondeterministic_output", "request_policy:all_shards", "response_policy:special"),
)
def memory_malloc_stats(_call: Call) -> Reply:
    # What the real server says where it was built without jemalloc; Python has no such statistics to show either.
    return Verbatim(b"Stats not supported for the current allocator")


@command(
    "MEMORY|HELP",
    arity=2,
    flags="loading stale",
    group="server",
    since="4.0.0",
    complexity="O(1)",
    summary="List the subcommands.",
)
def memory_help(call: Call) -> Reply:
    return container_help(call.engine.originals[b"memory"], _HELP)
