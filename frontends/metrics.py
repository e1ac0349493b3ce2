"""The engine in Prometheus metrics: one short look under the lock, everything else outside it.

Here: which metrics there are, from which counters; docs/metrics.md describes them. Not here: HTTP. The rule: under the
lock numbers are copied and nothing is formatted, and what a client can make up (a key, a channel) is never a label.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from kvcore.command import Command
from kvcore.engine import Engine
from kvcore.frontends.host import Host
from kvcore.latency import TAIL_NS
from kvcore.version import KVCORE_VERSION, REDIS_VERSION

BOUNDS_NS: Final = tuple(TAIL_NS << power for power in range(16))
"""Upper bounds of the histogram's buckets, 33 µs to 1.1 s. Quicker calls are counted by a sample only (see
:mod:`kvcore.latency`), slower ones one by one: so every bucket is exact, and none ever goes down."""

Sample = tuple[str, str, float]
"""Metric name without prefix, help text, value."""


class CommandSample:
    """The counters of one command."""

    __slots__ = ("calls", "failed", "name", "rejected", "tail", "time_ns", "tracked", "tracked_ns")

    def __init__(self, command: Command) -> None:
        self.name = command.full_name
        self.calls = command.calls
        self.time_ns = command.time_ns
        self.failed = command.failed
        self.rejected = command.rejected
        times = command.times
        self.tracked, self.tracked_ns = self.calls, self.time_ns
        self.tail: dict[int, int] = {}
        if times is not None:
            if times.paused is not None:
                self.tracked, self.tracked_ns = times.paused
            self.tracked -= times.missed
            self.tracked_ns -= times.missed_ns
            self.tail = times.tail.counts.copy()

    def buckets(self) -> list[tuple[str, float]]:
        """Return the histogram's upper bounds in seconds and how many calls took at most that."""
        rows: list[tuple[str, float]] = []
        above = sum(self.tail.values())
        slower = sorted(self.tail)
        position = 0
        for bound in BOUNDS_NS:
            while position < len(slower) and slower[position] < bound:
                above -= self.tail[slower[position]]
                position += 1
            rows.append((f"{bound / 1e9:.9g}", max(0, self.tracked - above)))
        return [*rows, ("+Inf", self.tracked)]


class Snapshot:
    """What is looked at under the lock."""

    __slots__ = ("commands", "counters", "disconnections", "errors", "gauges", "keys", "lookups", "traffic")

    def __init__(self, engine: Engine) -> None:
        statistics, keyspace, pubsub = engine.statistics, engine.keyspace.statistics, engine.pubsub
        self.gauges: list[Sample] = [
            ("connected_clients", "Clients connected now.", len(engine.sessions)),
            ("blocked_clients", "Clients that wait in a blocking command.", engine.blocking.count),
            ("max_clients", "Clients allowed at a time (maxclients).", engine.config.integer("maxclients")),
            ("memory_used_bytes", "Memory counted against maxmemory.", engine.eviction.used_bytes()),
            ("memory_limit_bytes", "The limit (maxmemory), 0 for none.", engine.config.integer("maxmemory")),
            ("pubsub_channels", "Channels somebody listens to.", len(pubsub.channels)),
            ("pubsub_patterns", "Patterns somebody listens to.", len(pubsub.patterns)),
            ("slowlog_entries", "Entries in the slow log.", len(engine.slowlog)),
            ("start_time_seconds", "When the server started, in Unix time.", engine.started_ms / 1000),
        ]
        self.counters: list[Sample] = [
            ("connections", "Connections accepted.", statistics.connections),
            (
                "rejected_connections",
                "Connections refused: maxclients, protected mode.",
                statistics.rejected_connections,
            ),
            ("expired_keys", "Keys removed because their time was up.", keyspace.expired),
            ("evicted_keys", "Keys removed to stay below maxmemory.", engine.eviction.evicted),
            ("internal_errors", "Commands that failed by a fault of their handler.", statistics.unexpected_errors),
        ]
        self.traffic = {"in": statistics.input_bytes, "out": statistics.output_bytes}
        self.lookups = {"hit": keyspace.hits, "miss": keyspace.misses}
        self.disconnections = {
            "output_buffer": statistics.output_limit_disconnections,
            "query_buffer": statistics.query_limit_disconnections,
        }
        self.keys = [
            (str(db.index), len(db), len(db.expires)) for db in engine.keyspace.databases if len(db) or not db.index
        ]
        self.errors = statistics.errors.copy()
        self.commands = [CommandSample(command) for command in _counted(engine)]


def _counted(engine: Engine) -> Iterator[Command]:
    """Yield the commands that were called or refused, subcommands included."""
    for record in dict.fromkeys(engine.commands.values()):
        for command in (record, *(record.subcommands or {}).values()):
            if command.calls or command.rejected or command.failed:
                yield command


class EngineMetrics(Collector):
    """What prometheus-client asks at each scrape."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def collect(self) -> Iterable[Metric]:
        """Take a snapshot and yield its metrics."""
        engine = self._host.engine
        with self._host.lock:
            taken = Snapshot(engine)
        yield InfoMetricFamily(
            "kvcore_build",
            "What is running.",
            {
                "version": KVCORE_VERSION,
                "redis_version": REDIS_VERSION,
                "python": platform.python_version(),
                "implementation": sys.implementation.name,
            },
        )
        process = engine.process
        resident = ("memory_resident_bytes", "Memory of the process.", process.memory_bytes())
        peak = ("memory_resident_peak_bytes", "The most there was.", process.peak_memory_bytes())
        for name, text, value in (*taken.gauges, resident, peak):
            yield GaugeMetricFamily(f"kvcore_{name}", text, value)
        for name, text, value in taken.counters:
            yield CounterMetricFamily(f"kvcore_{name}", text, value)
        yield _labelled("network_bytes", "Bytes received from and sent to clients.", "direction", taken.traffic)
        yield _labelled("keyspace_lookups", "Lookups of keys by reading commands.", "result", taken.lookups)
        yield _labelled("disconnections", "Clients closed for a limit.", "reason", taken.disconnections)
        yield _labelled("errors", "Error replies by code.", "code", taken.errors)
        yield from _keys(taken)
        yield from _commands(taken)


def _labelled(name: str, text: str, label: str, values: dict[str, int]) -> Metric:
    family = CounterMetricFamily(f"kvcore_{name}", text, labels=[label])
    for word, value in values.items():
        # An error code may hold a client's bytes, kept as surrogates that no encoder takes.
        family.add_metric([word.encode("utf-8", "backslashreplace").decode()], value)
    return family


def _keys(taken: Snapshot) -> Iterator[Metric]:
    keys = GaugeMetricFamily("kvcore_keys", "Keys by database.", labels=["db"])
    expiring = GaugeMetricFamily("kvcore_keys_expiring", "Keys that have a time to live.", labels=["db"])
    for db, count, with_expiry in taken.keys:
        keys.add_metric([db], count)
        expiring.add_metric([db], with_expiry)
    yield keys
    yield expiring


def _commands(taken: Snapshot) -> Iterator[Metric]:
    label = ["command"]
    calls = CounterMetricFamily("kvcore_commands", "Calls by command.", labels=label)
    seconds = CounterMetricFamily("kvcore_command_seconds", "Time spent in calls.", labels=label)
    failed = CounterMetricFamily("kvcore_commands_failed", "Calls that ended in an error.", labels=label)
    rejected = CounterMetricFamily("kvcore_commands_rejected", "Calls refused before they ran.", labels=label)
    durations = HistogramMetricFamily("kvcore_command_duration_seconds", "How long calls took.", labels=label)
    for each in taken.commands:
        calls.add_metric([each.name], each.calls)
        seconds.add_metric([each.name], each.time_ns / 1e9)
        failed.add_metric([each.name], each.failed)
        rejected.add_metric([each.name], each.rejected)
        if each.tracked > 0:
            durations.add_metric([each.name], each.buckets(), each.tracked_ns / 1e9)
    yield from (calls, seconds, failed, rejected, durations)


def registry(host: Host) -> CollectorRegistry:
    """Make a registry of the engine's metrics alone."""
    made = CollectorRegistry(auto_describe=False)
    made.register(EngineMetrics(host))
    return made


def render(metrics: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """Return a scrape's body and its content type, in the format the client accepts."""
    encoder, content_type = choose_encoder(accept)
    return encoder(metrics), content_type
