"""INFO: the server in numbers.

Lives here: the sections with the fields of redis-server 7.0.15 in its order. Must not live here: counting; every
number comes from where it is kept. The rule: a field whose feature kvcore lacks says 0 (or what the real server says
when the feature is unused), because tools look fields up by name and fail where one is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kvcore.call import Call
from kvcore.command import Command, command
from kvcore.commands.latency import every_record
from kvcore.commands.memory import sums
from kvcore.latency import histogram
from kvcore.memory import STARTUP_BYTES
from kvcore.replies import Reply, Verbatim
from kvcore.version import KVCORE_VERSION, REDIS_VERSION

if TYPE_CHECKING:
    from kvcore.engine import Engine
    from kvcore.keyspace import Database

_UNITS: Final = ((1 << 50, "P"), (1 << 40, "T"), (1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K"))
_TTL_SAMPLES: Final = 64


def human(count: int) -> str:
    """Return a number of bytes as the ``_human`` fields show it.

    >>> human(512), human(1536)
    ('512B', '1.50K')
    """
    for unit, letter in _UNITS:
        if count >= unit:
            return f"{count / unit:.2f}{letter}"
    return f"{count}B"


def _server(engine: Engine) -> list[str]:
    process = engine.process
    now_us = engine.clock.now_us()
    uptime_s = max(0, now_us // 1000 - engine.started_ms) // 1000
    hz = engine.config.integer("hz")
    return [
        f"redis_version:{REDIS_VERSION}",
        "redis_git_sha1:00000000",
        "redis_git_dirty:0",
        "redis_build_id:0000000000000000",
        "redis_mode:standalone",
        f"os:{process.operating_system()}",
        f"arch_bits:{64 if sys.maxsize > 2**32 else 32}",
        "monotonic_clock:POSIX clock_gettime",
        f"multiplexing_api:{process.event_api}",
        "atomicvar_api:c11-builtin",
        "gcc_version:0.0.0",
        f"process_id:{process.pid}",
        f"process_supervised:{process.supervised}",
        f"run_id:{engine.run_id}",
        f"tcp_port:{process.tcp_port}",
        f"server_time_usec:{now_us}",
        f"uptime_in_seconds:{uptime_s}",
        f"uptime_in_days:{uptime_s // 86400}",
        f"hz:{hz}",
        f"configured_hz:{hz}",
        f"lru_clock:{now_us // 1_000_000 & 0xFFFFFF}",
        f"executable:{process.executable}",
        f"config_file:{engine.config.file}",
        "io_threads_active:0",
        *([f"shutdown_in_milliseconds:{leaving_ms}"] if (leaving_ms := engine.shutdown.waiting_ms) else []),
        f"kvcore_version:{KVCORE_VERSION}",
    ]


def _clients(engine: Engine) -> list[str]:
    with_timeout = 0
    if engine.blocking.count:
        with_timeout = sum(1 for s in engine.sessions.values() if s.blocked is not None and s.blocked.deadline_ms)
    peers = [session.peer for session in engine.sessions.values()]
    replicas = sum(1 for s in engine.sessions.values() if s.kind == "replica")
    return [
        f"connected_clients:{len(engine.sessions) - replicas}",
        "cluster_connections:0",
        f"maxclients:{engine.config.integer('maxclients')}",
        f"client_recent_max_input_buffer:{max((peer.query_buffer for peer in peers), default=0)}",
        f"client_recent_max_output_buffer:{max((peer.output_buffer for peer in peers), default=0)}",
        f"blocked_clients:{engine.blocking.count}",
        f"tracking_clients:{len(engine.caching.sessions)}",
        f"clients_in_timeout_table:{with_timeout}",
    ]


def _script_memory(engine: Engine) -> list[str]:
    scripts, functions = engine.scripts, engine.functions
    interpreters = scripts.lua_bytes + functions.lua_bytes
    cached = scripts.cache_bytes + functions.registry_bytes
    return [
        f"used_memory_lua:{scripts.lua_bytes}",
        f"used_memory_vm_eval:{scripts.lua_bytes}",
        f"used_memory_lua_human:{human(scripts.lua_bytes)}",
        f"used_memory_scripts_eval:{scripts.cache_bytes}",
        f"number_of_cached_scripts:{scripts.count}",
        f"number_of_functions:{functions.function_count}",
        f"number_of_libraries:{functions.library_count}",
        f"used_memory_vm_functions:{functions.lua_bytes}",
        f"used_memory_vm_total:{interpreters}",
        f"used_memory_vm_total_human:{human(interpreters)}",
        f"used_memory_functions:{functions.registry_bytes}",
        f"used_memory_scripts:{cached}",
        f"used_memory_scripts_human:{human(cached)}",
    ]


def _memory(engine: Engine) -> list[str]:
    now = sums(engine)
    replication = engine.replication.counters()
    used, peak, resident = now.used, now.peak, now.resident
    total = engine.process.total_memory_bytes()
    limit = engine.config.integer("maxmemory")
    return [
        f"used_memory:{used}",
        f"used_memory_human:{human(used)}",
        f"used_memory_rss:{resident}",
        f"used_memory_rss_human:{human(resident)}",
        f"used_memory_peak:{peak}",
        f"used_memory_peak_human:{human(peak)}",
        f"used_memory_peak_perc:{now.peak_percent:.2f}%",
        f"used_memory_overhead:{now.overhead}",
        f"used_memory_startup:{STARTUP_BYTES}",
        f"used_memory_dataset:{now.dataset}",
        f"used_memory_dataset_perc:{now.dataset_percent:.2f}%",
        f"allocator_allocated:{used}",
        f"allocator_active:{used}",
        f"allocator_resident:{resident}",
        f"total_system_memory:{total}",
        f"total_system_memory_human:{human(total)}",
        *_script_memory(engine),
        f"maxmemory:{limit}",
        f"maxmemory_human:{human(limit)}",
        f"maxmemory_policy:{engine.config.string('maxmemory-policy')}",
        "allocator_frag_ratio:1.00",
        "allocator_frag_bytes:0",
        "allocator_rss_ratio:1.00",
        "allocator_rss_bytes:0",
        "rss_overhead_ratio:1.00",
        "rss_overhead_bytes:0",
        f"mem_fragmentation_ratio:{now.fragmentation:.2f}",
        f"mem_fragmentation_bytes:{resident - used}",
        "mem_not_counted_for_evict:0",
        f"mem_replication_backlog:{replication.get('mem_replication_backlog', 0)}",
        f"mem_total_replication_buffers:{replication.get('mem_total_replication_buffers', 0)}",
        f"mem_clients_slaves:{replication.get('mem_clients_slaves', 0)}",
        f"mem_clients_normal:{engine.client_memory.total()}",
        "mem_cluster_links:0",
        "mem_aof_buffer:0",
        "mem_allocator:libc",
        "active_defrag_running:0",
        f"lazyfree_pending_objects:{len(engine.keyspace.garbage)}",
        "lazyfreed_objects:0",
    ]


def _persistence(engine: Engine) -> list[str]:
    fields: dict[str, str | int] = {
        "loading": 0,
        "async_loading": 0,
        "current_cow_peak": 0,
        "current_cow_size": 0,
        "current_cow_size_age": 0,
        "current_fork_perc": "0.00",
        "current_save_keys_processed": 0,
        "current_save_keys_total": 0,
        "rdb_changes_since_last_save": engine.statistics.dirty,
        "rdb_bgsave_in_progress": 0,
        "rdb_last_save_time": engine.persistence.last_save_s,
        "rdb_last_bgsave_status": "ok",
        "rdb_last_bgsave_time_sec": -1,
        "rdb_current_bgsave_time_sec": -1,
        "rdb_saves": 0,
        "rdb_last_cow_size": 0,
        "rdb_last_load_keys_expired": 0,
        "rdb_last_load_keys_loaded": 0,
        "aof_enabled": 0,
        "aof_rewrite_in_progress": 0,
        "aof_rewrite_scheduled": 0,
        "aof_last_rewrite_time_sec": -1,
        "aof_current_rewrite_time_sec": -1,
        "aof_last_bgrewrite_status": "ok",
        "aof_rewrites": 0,
        "aof_rewrites_consecutive_failures": 0,
        "aof_last_write_status": "ok",
        "aof_last_cow_size": 0,
        "module_fork_in_progress": 0,
        "module_fork_last_cow_size": 0,
    }
    fields.update(engine.persistence.fields())
    fields.update(engine.replication.loading())
    return [f"{name}:{value}" for name, value in fields.items()]


def _stats(engine: Engine) -> list[str]:
    statistics = engine.statistics
    keyspace = engine.keyspace.statistics
    replication = engine.replication.counters()
    exceeded_ms, exceeding_ms = engine.eviction.exceeded_ms()
    return [
        f"total_connections_received:{statistics.connections}",
        f"total_commands_processed:{engine.commands_processed()}",
        f"instantaneous_ops_per_sec:{statistics.operations.per_second():.0f}",
        f"total_net_input_bytes:{statistics.input_bytes}",
        f"total_net_output_bytes:{statistics.output_bytes}",
        f"total_net_repl_input_bytes:{replication.get('total_net_repl_input_bytes', 0)}",
        f"total_net_repl_output_bytes:{replication.get('total_net_repl_output_bytes', 0)}",
        f"instantaneous_input_kbps:{statistics.input_rate.per_second() / 1024:.2f}",
        f"instantaneous_output_kbps:{statistics.output_rate.per_second() / 1024:.2f}",
        f"instantaneous_input_repl_kbps:{statistics.repl_input_rate.per_second() / 1024:.2f}",
        f"instantaneous_output_repl_kbps:{statistics.repl_output_rate.per_second() / 1024:.2f}",
        f"rejected_connections:{statistics.rejected_connections}",
        f"sync_full:{replication.get('sync_full', 0)}",
        f"sync_partial_ok:{replication.get('sync_partial_ok', 0)}",
        f"sync_partial_err:{replication.get('sync_partial_err', 0)}",
        f"expired_keys:{keyspace.expired}",
        f"expired_stale_perc:{keyspace.expired_stale_percent:.2f}",
        f"expired_time_cap_reached_count:{engine.expiry.out_of_time}",
        f"expire_cycle_cpu_milliseconds:{statistics.expire_cycle_ns // 1_000_000}",
        f"evicted_keys:{engine.eviction.evicted}",
        f"evicted_clients:{engine.client_memory.evicted}",
        f"total_eviction_exceeded_time:{exceeded_ms}",
        f"current_eviction_exceeded_time:{exceeding_ms}",
        f"keyspace_hits:{keyspace.hits}",
        f"keyspace_misses:{keyspace.misses}",
        f"pubsub_channels:{len(engine.pubsub.channels)}",
        f"pubsub_patterns:{len(engine.pubsub.patterns)}",
        f"pubsubshard_channels:{len(engine.pubsub.shard_channels)}",
        "latest_fork_usec:0",
        "total_forks:0",
        f"migrate_cached_sockets:{engine.migrations.kept}",
        f"slave_expires_tracked_keys:{replication.get('slave_expires_tracked_keys', 0)}",
        "active_defrag_hits:0",
        "active_defrag_misses:0",
        "active_defrag_key_hits:0",
        "active_defrag_key_misses:0",
        "total_active_defrag_time:0",
        "current_active_defrag_time:0",
        f"tracking_total_keys:{engine.caching.readers.size}",
        f"tracking_total_items:{engine.caching.items}",
        f"tracking_total_prefixes:{len(engine.caching.prefixes)}",
        f"unexpected_error_replies:{statistics.unexpected_errors}",
        f"total_error_replies:{statistics.errors_total}",
        "dump_payload_sanitizations:0",
        f"total_reads_processed:{statistics.reads}",
        f"total_writes_processed:{statistics.writes}",
        "io_threaded_reads_processed:0",
        "io_threaded_writes_processed:0",
        "reply_buffer_shrinks:0",
        "reply_buffer_expands:0",
    ]


def _replication(engine: Engine) -> list[str]:
    return [f"{name}:{value}" for name, value in engine.replication.fields().items()]


def _cpu(engine: Engine) -> list[str]:
    times = engine.process.cpu_times()
    return [
        f"used_cpu_sys:{times.system:.6f}",
        f"used_cpu_user:{times.user:.6f}",
        f"used_cpu_sys_children:{times.children_system:.6f}",
        f"used_cpu_user_children:{times.children_user:.6f}",
        f"used_cpu_sys_main_thread:{times.thread_system:.6f}",
        f"used_cpu_user_main_thread:{times.thread_user:.6f}",
        f"server_threads:{engine.config.integer('server-threads')}",
    ]


def _modules(_engine: Engine) -> list[str]:
    return []


def _counted(engine: Engine) -> list[Command]:
    """Return the commands that were called or refused since the last CONFIG RESETSTAT, subcommands included."""
    return [record for record in every_record(engine) if record.calls or record.rejected or record.failed]


def _commandstats(engine: Engine) -> list[str]:
    lines: list[str] = []
    for record in _counted(engine):
        microseconds = record.time_ns // 1000
        per_call = microseconds / record.calls if record.calls else 0.0
        lines.append(
            f"cmdstat_{record.full_name}:calls={record.calls},usec={microseconds},usec_per_call={per_call:.2f},"
            f"rejected_calls={record.rejected},failed_calls={record.failed}"
        )
    return lines


def _errorstats(engine: Engine) -> list[str]:
    return [f"errorstat_{code}:count={count}" for code, count in engine.statistics.errors.items()]


def _latencystats(engine: Engine) -> list[str]:
    if not engine.tracking:
        return []
    percentiles = [(name, float(name)) for name in engine.config.strings("latency-tracking-info-percentiles")]
    lines: list[str] = []
    for record in every_record(engine):
        times = histogram(record)
        if times is not None:
            shown = ",".join(f"p{name}={times.percentile(percent) / 1000:.3f}" for name, percent in percentiles)
            lines.append(f"latency_percentiles_usec_{record.full_name}:{shown}")
    return lines


def _cluster(_engine: Engine) -> list[str]:
    return ["cluster_enabled:0"]


def _average_ttl_ms(db: Database, now_ms: int) -> int:
    """Estimate the average time to live from a sample of the keys that have one. O(sample)."""
    _, keys = db.expires.scan(0, _TTL_SAMPLES)
    left = [at_ms - now_ms for key in keys if (at_ms := db.expires.get(key)) is not None]
    return max(0, sum(left) // len(left)) if left else 0


def _keyspace(engine: Engine) -> list[str]:
    now_ms = engine.keyspace.now_ms()
    return [
        f"db{db.index}:keys={len(db)},expires={len(db.expires)},avg_ttl={_average_ttl_ms(db, now_ms)}"
        for db in engine.keyspace.databases
        if len(db)
    ]


def _keydb(_engine: Engine) -> list[str]:
    # By this section clients tell KeyDB from Redis; there are no layered snapshots here whose depth could be told.
    return ["mvcc_depth:0"]


_SECTIONS: Final[dict[str, tuple[str, Callable[[Engine], list[str]]]]] = {
    "server": ("Server", _server),
    "clients": ("Clients", _clients),
    "memory": ("Memory", _memory),
    "persistence": ("Persistence", _persistence),
    "stats": ("Stats", _stats),
    "replication": ("Replication", _replication),
    "cpu": ("CPU", _cpu),
    "modules": ("Modules", _modules),
    "commandstats": ("Commandstats", _commandstats),
    "errorstats": ("Errorstats", _errorstats),
    "latencystats": ("Latencystats", _latencystats),
    "cluster": ("Cluster", _cluster),
    "keyspace": ("Keyspace", _keyspace),
    "keydb": ("KeyDB", _keydb),
}
"""Section names in the order of the reply: heading, and what lists the lines."""

_NOT_DEFAULT: Final = frozenset({"commandstats", "latencystats"})


def report(engine: Engine, sections: set[str]) -> str:
    """Return the INFO text of the named sections (lower case); ``default``, ``all`` and ``everything`` are sets."""
    everything = bool(sections & {"all", "everything"})
    parts: list[str] = []
    for name, (heading, lines) in _SECTIONS.items():
        if everything or name in sections or ("default" in sections and name not in _NOT_DEFAULT):
            parts.append("".join(f"{line}\r\n" for line in (f"# {heading}", *lines(engine))))
    return "\r\n".join(parts)


@command(
    "INFO",
    arity=-1,
    flags="loading stale",
    acl="dangerous",
    group="server",
    since="1.0.0",
    complexity="O(1)",
    summary="Return facts and counters of the server, in sections.",
    tips=("nondeterministic_output", "request_policy:all_shards", "response_policy:special"),
)
def info(call: Call, *sections: bytes) -> Reply:
    wanted = {section.decode("latin-1").lower() for section in sections} or {"default"}
    return Verbatim(report(call.engine, wanted).encode("utf-8", "surrogateescape"))
