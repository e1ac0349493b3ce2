"""The directive table: name, type, default, limits and what each directive does here.

Here: one row a directive, nothing that acts on them. Names, defaults and limits are those of redis-server 7.0.15, read
off ``CONFIG GET *`` and ``CONFIG SET``; a test holds the table against the live server.

A directive whose ``status`` is empty does what it says. Any other status is the sentence that docs/configuration.md and
the start-up warning show: the value is accepted, kept and reported, and what follows from it. Refused at load is only
what would be unsafe to accept without effect (a server that stays in the foreground unasked).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Final

from kvcore.directive_kinds import (
    HUGE,
    INT,
    LONG,
    MB,
    UNSIGNED,
    WRONG_NUMBER,
    Choice,
    Choices,
    Directive,
    Events,
    Flag,
    Integer,
    Memory,
    MemoryOrPercent,
    Octal,
    OutputLimits,
    Percentiles,
    Primary,
    Save,
    Text,
    Words,
    read_integer,
)


def _check_addresses(words: list[str]) -> str:
    return "Too many bind addresses specified." if len(words) > 16 else ""


def _check_scores(words: list[str]) -> str:
    if len(words) != 3:
        return WRONG_NUMBER
    numbers = [read_integer(word) for word in words]
    if any(number is None or not -2000 <= number <= 2000 for number in numbers):
        return "Invalid oom-score-adj-values, elements must be between -2000 and 2000."
    return ""


def _check_filename(name: str, noun: str, empty: bool = False) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not text and not empty:
            return f"{name} can't be empty"
        return f"{name} can't be a path, just a {noun}" if "/" in text else ""

    return check


def _check_hostname(text: str) -> str:
    if len(text) > 255:
        return "Hostnames must be less than 256 characters"
    if re.fullmatch(r"[A-Za-z0-9.-]*", text) is None:
        return "Hostnames may only contain alphanumeric characters, hyphens or dots"
    return ""


def _check_title(text: str) -> str:
    known = ("title", "listen-addr", "server-mode", "port", "tls-port", "config-file", "unixsocket")
    rest = re.sub("{(" + "|".join(known) + ")}", "x", text)
    if not rest or "{" in rest:
        return "template format is invalid or contains unknown variables"
    return ""


# What follows from a directive that is kept and reported only

PLAIN_LINKS: Final = "No effect yet: links to a primary are not encrypted."
CLUSTER: Final = "No effect yet: comes with cluster mode."
AT_ONCE: Final = "No effect: what is sent to replicas leaves at once."
SYNC_FILES: Final = "No effect needed: the file of a full synchronisation has no name."
SCRIPTS: Final = "No effect: the deprecated Lua functions are never there."
PROCESS: Final = "No effect: it tunes a C process (allocator, CPU lists, memory checks)."
NO_NEED: Final = "No effect needed: freeing memory never blocks here."

_YES_NO_LOCAL: Final = ("no", "yes", "local")
_SHUTDOWN: Final = ("default", "save", "nosave", "now", "force")

NO_FORK: Final = "this system has no fork: use 'daemonize no' and a service manager"
NO_SYSLOG: Final = "this system has no syslog"
NO_DEFRAG: Final = (
    "Active defragmentation cannot be enabled: it requires a Redis server compiled with a modified Jemalloc "
    "like the one shipped by default with the Redis source distribution"
)

_OUTPUT_LIMITS: Final = (
    *("normal", "0", "0", "0"),
    *("slave", str(256 * MB), str(64 * MB), "60"),
    *("pubsub", str(32 * MB), str(8 * MB), "60"),
)

TABLE: Final[tuple[Directive, ...]] = (
    # Network
    Words("bind", ("127.0.0.1", "-::1"), check=_check_addresses, own=True),
    Integer("port", 6379, 0, 65535),
    Text("unixsocket", "", immutable=True),
    Octal("unixsocketperm", 0, 0, 0o777, immutable=True),
    Flag("protected-mode", True),
    Integer("tcp-backlog", 511, 0, INT, immutable=True),
    Integer("tcp-keepalive", 300, 0, INT),
    Integer("timeout", 0, 0, INT),
    Integer("maxclients", 10000, 1, UNSIGNED),
    Memory("client-query-buffer-limit", 1024 * MB, MB, LONG),
    Memory("proto-max-bulk-len", 512 * MB, MB, LONG),
    OutputLimits("client-output-buffer-limit", _OUTPUT_LIMITS),
    Text("bind-source-addr", "", ""),
    Integer("http-port", 0, 0, 65535, own=True, immutable=True),
    Words("http-bind", ("127.0.0.1",), own=True, immutable=True, check=_check_addresses),
    Integer("socket-mark-id", 0, 0, UNSIGNED, PROCESS, immutable=True),
    # Server
    Text("frontend", "asyncio", immutable=True, own=True),
    Integer("server-threads", 1, 1, 1024, own=True, immutable=True),
    Integer(
        "io-threads", 1, 1, 128, "No effect: `server-threads` is what spreads connections over threads.", immutable=True
    ),
    Flag(
        "io-threads-do-reads",
        False,
        "No effect: `server-threads` is what spreads connections over threads.",
        immutable=True,
    ),
    Integer("databases", 16, 1, INT, immutable=True),
    Integer("hz", 10, 0, INT, clamp=(1, 500)),
    Flag("dynamic-hz", True, "No effect: the timer wakes when something is due, and `hz` times a second otherwise."),
    Flag("daemonize", False, immutable=True, refusal=NO_FORK if sys.platform == "win32" else ""),
    Text("pidfile", "", immutable=True),
    Text("dir", ".", protected=True, own=True),
    Choice(
        "supervised",
        "no",
        ("upstart", "systemd", "auto", "no"),
        immutable=True,
    ),
    Choice("enable-debug-command", "no", _YES_NO_LOCAL, immutable=True),
    Choice(
        "enable-module-command",
        "no",
        _YES_NO_LOCAL,
        "MODULE LOAD fails in any case: there is no C module interface.",
        immutable=True,
    ),
    Choice("enable-protected-configs", "no", _YES_NO_LOCAL, immutable=True),
    Integer("shutdown-timeout", 10, 0, INT),
    Choices("shutdown-on-sigint", _SHUTDOWN),
    Choices("shutdown-on-sigterm", _SHUTDOWN),
    # Log
    Choice("loglevel", "notice", ("debug", "verbose", "notice", "warning")),
    Text("logfile", "", immutable=True),
    Choice("log-format", "redis", ("redis", "json", "logfmt"), immutable=True, own=True),
    Flag("hide-user-data-from-log", False, own=True),
    Flag("always-show-logo", False, immutable=True),
    Flag("syslog-enabled", False, immutable=True, refusal=NO_SYSLOG if sys.platform == "win32" else ""),
    Choice(
        "syslog-facility",
        "local0",
        ("user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"),
        immutable=True,
    ),
    Text("syslog-ident", "redis", immutable=True),
    Integer("slowlog-log-slower-than", 10000, -1, LONG),
    Integer("slowlog-max-len", 128, 0, LONG),
    # Security
    Text("requirepass", ""),
    Text("aclfile", "", immutable=True),
    Choice("acl-pubsub-default", "resetchannels", ("allchannels", "resetchannels")),
    Integer("acllog-max-len", 128, 0, LONG),
    # Expiry, events, encodings
    Integer("active-expire-effort", 1, 1, 10),
    Flag("key-modification-times", False, own=True),
    Events("notify-keyspace-events", ""),
    Integer("hash-max-listpack-entries", 512, 0, LONG, aliases=("hash-max-ziplist-entries",)),
    Memory("hash-max-listpack-value", 64, 0, LONG, aliases=("hash-max-ziplist-value",)),
    Integer("zset-max-listpack-entries", 128, 0, LONG, aliases=("zset-max-ziplist-entries",)),
    Memory("zset-max-listpack-value", 64, 0, LONG, aliases=("zset-max-ziplist-value",)),
    Integer("set-max-intset-entries", 512, 0, LONG),
    Integer("list-max-listpack-size", -2, -INT - 1, INT, aliases=("list-max-ziplist-size",)),
    Integer("list-compress-depth", 0, 0, INT, "No effect: list nodes are not compressed in memory."),
    Integer("stream-node-max-entries", 100, 0, LONG),
    Memory("stream-node-max-bytes", 4096, 0, LONG),
    Memory("hll-sparse-max-bytes", 3000, 0, LONG),
    Flag("activerehashing", True, "No effect needed: tables grow in small steps."),
    Flag("lazyfree-lazy-eviction", False, NO_NEED),
    Flag("lazyfree-lazy-expire", False, NO_NEED),
    Flag("lazyfree-lazy-server-del", False, NO_NEED),
    Flag("lazyfree-lazy-user-del", False, NO_NEED),
    Flag("lazyfree-lazy-user-flush", False, NO_NEED),
    # Memory limits
    Memory("maxmemory", 0, 0, HUGE),
    MemoryOrPercent("maxmemory-clients", 0, 0, HUGE),
    Choice(
        "maxmemory-policy",
        "noeviction",
        (
            "volatile-lru",
            "volatile-lfu",
            "volatile-random",
            "volatile-ttl",
            "allkeys-lru",
            "allkeys-lfu",
            "allkeys-random",
            "noeviction",
        ),
    ),
    Integer("maxmemory-samples", 5, 1, INT),
    Integer("maxmemory-eviction-tenacity", 10, 0, 100),
    Integer("lfu-decay-time", 1, 0, INT),
    Integer("lfu-log-factor", 10, 0, INT),
    Flag("activedefrag", False, refusal=NO_DEFRAG),
    Integer("active-defrag-cycle-max", 25, 1, 99, PROCESS),
    Integer("active-defrag-cycle-min", 1, 1, 99, PROCESS),
    Memory("active-defrag-ignore-bytes", 100 * MB, 1, LONG, PROCESS),
    Integer("active-defrag-max-scan-fields", 1000, 1, LONG, PROCESS),
    Integer("active-defrag-threshold-lower", 10, 0, 1000, PROCESS),
    Integer("active-defrag-threshold-upper", 100, 0, 1000, PROCESS),
    Flag("jemalloc-bg-thread", True, PROCESS),
    # Scripting, tracking, latency
    Integer("busy-reply-threshold", 5000, 0, LONG, aliases=("lua-time-limit",)),
    Memory("lua-max-memory", 256 * MB, 32 * MB, LONG, own=True, immutable=True),
    Flag("lua-enable-deprecated-api", False, SCRIPTS, hidden=True, immutable=True),
    Integer("tracking-table-max-keys", 1000000, 0, LONG),
    Integer("latency-monitor-threshold", 0, 0, LONG),
    Flag("latency-tracking", True),
    Percentiles("latency-tracking-info-percentiles", ("50", "99", "99.9")),
    # Durability
    Save("save", ("3600", "1", "300", "100", "60", "10000")),
    Text(
        "dbfilename",
        "dump.rdb",
        protected=True,
        check=_check_filename("dbfilename", "filename", empty=True),
    ),
    Flag("rdbcompression", True),
    Flag("rdbchecksum", True, immutable=True),
    Integer("rdb-version", 10, 9, 10, own=True),
    Flag("rdb-del-sync-files", False, SYNC_FILES),
    Flag("rdb-save-incremental-fsync", True),
    Flag("stop-writes-on-bgsave-error", True),
    Flag("appendonly", False),
    Text(
        "appendfilename",
        "appendonly.aof",
        check=_check_filename("appendfilename", "filename"),
        immutable=True,
    ),
    Text("appenddirname", "appendonlydir", check=_check_filename("appenddirname", "dirname"), immutable=True),
    Choice("appendfsync", "everysec", ("everysec", "always", "no")),
    Flag("no-appendfsync-on-rewrite", False),
    Flag("aof-disable-auto-gc", False),
    Flag("aof-load-truncated", True),
    Flag("aof-rewrite-incremental-fsync", True),
    Flag("aof-timestamp-enabled", False),
    Flag("aof-use-rdb-preamble", True),
    Integer("auto-aof-rewrite-percentage", 100, 0, INT),
    Memory("auto-aof-rewrite-min-size", 64 * MB, 0, LONG),
    Choice("sanitize-dump-payload", "no", ("no", "yes", "clients")),
    Integer("loading-process-events-interval-bytes", 2 * MB, 1024, INT, hidden=True),
    Integer("key-load-delay", 0, -INT - 1, INT, hidden=True),
    Integer("rdb-key-save-delay", 0, -INT - 1, INT, hidden=True),
    # Replication
    Primary("replicaof", (), "", aliases=("slaveof",), immutable=True),
    Text("masterauth", "", ""),
    Text("masteruser", "", ""),
    Text("replica-announce-ip", "", "", aliases=("slave-announce-ip",)),
    Integer("replica-announce-port", 0, 0, 65535, "", aliases=("slave-announce-port",)),
    Flag("replica-announced", True, ""),
    Flag("replica-ignore-disk-write-errors", False, ""),
    Flag("replica-ignore-maxmemory", True, "", aliases=("slave-ignore-maxmemory",)),
    Flag("replica-lazy-flush", False, NO_NEED, aliases=("slave-lazy-flush",)),
    Flag("replica-read-only", True, "", aliases=("slave-read-only",)),
    Flag("replica-serve-stale-data", True, "", aliases=("slave-serve-stale-data",)),
    Integer("replica-priority", 100, 0, INT, "", aliases=("slave-priority",)),
    Integer("min-replicas-max-lag", 10, 0, INT, "", aliases=("min-slaves-max-lag",)),
    Integer("min-replicas-to-write", 0, 0, INT, "", aliases=("min-slaves-to-write",)),
    Memory("repl-backlog-size", MB, 1, LONG, "", clamp=(16384, LONG)),
    Integer("repl-backlog-ttl", 3600, 0, LONG, ""),
    Flag("repl-disable-tcp-nodelay", False, AT_ONCE),
    Choice("repl-diskless-load", "disabled", ("disabled", "on-empty-db", "swapdb"), ""),
    Flag("repl-diskless-sync", True, ""),
    Integer("repl-diskless-sync-delay", 5, 0, INT, ""),
    Integer("repl-diskless-sync-max-replicas", 0, 0, INT, ""),
    Integer("repl-ping-replica-period", 10, 1, INT, "", aliases=("repl-ping-slave-period",)),
    Integer("repl-timeout", 60, 1, INT, ""),
    Choice("propagation-error-behavior", "ignore", ("ignore", "panic", "panic-on-replicas"), ""),
    # Cluster
    Flag("cluster-enabled", False, CLUSTER, immutable=True),
    Text("cluster-config-file", "nodes.conf", CLUSTER, immutable=True),
    Integer("cluster-port", 0, 0, 65535, CLUSTER, immutable=True),
    Flag("cluster-allow-pubsubshard-when-down", True, CLUSTER),
    Flag("cluster-allow-reads-when-down", False, CLUSTER),
    Flag("cluster-allow-replica-migration", True, CLUSTER),
    Flag("cluster-require-full-coverage", True, CLUSTER),
    Integer("cluster-announce-bus-port", 0, 0, 65535, CLUSTER),
    Integer("cluster-announce-port", 0, 0, 65535, CLUSTER),
    Integer("cluster-announce-tls-port", 0, 0, 65535, CLUSTER),
    Text("cluster-announce-hostname", "", CLUSTER, check=_check_hostname),
    Text("cluster-announce-ip", "", CLUSTER),
    Memory("cluster-link-sendbuf-limit", 0, 0, HUGE, CLUSTER),
    Integer("cluster-migration-barrier", 1, 0, INT, CLUSTER),
    Integer("cluster-node-timeout", 15000, 0, LONG, CLUSTER),
    Choice("cluster-preferred-endpoint-type", "ip", ("ip", "hostname", "unknown-endpoint"), CLUSTER),
    Flag("cluster-replica-no-failover", False, CLUSTER, aliases=("cluster-slave-no-failover",)),
    Integer("cluster-replica-validity-factor", 10, 0, INT, CLUSTER, aliases=("cluster-slave-validity-factor",)),
    # TLS
    Integer("tls-port", 0, 0, 65535),
    Flag("tls-cluster", False, CLUSTER),
    Flag("tls-replication", False, PLAIN_LINKS),
    Flag("tls-prefer-server-ciphers", False),
    Choice("tls-auth-clients", "yes", ("no", "yes", "optional")),
    Text("tls-ca-cert-dir", "", volatile=True),
    Text("tls-ca-cert-file", "", volatile=True),
    Text("tls-cert-file", "", volatile=True),
    Text("tls-ciphers", ""),
    Text("tls-ciphersuites", ""),
    Text("tls-client-cert-file", "", PLAIN_LINKS),
    Text("tls-client-key-file", "", PLAIN_LINKS),
    Text("tls-client-key-file-pass", "", PLAIN_LINKS),
    Text("tls-dh-params-file", "", volatile=True),
    Text("tls-key-file", "", volatile=True),
    Text("tls-key-file-pass", ""),
    Text("tls-protocols", ""),
    Integer("tls-session-cache-size", 20480, 0, INT),
    Integer("tls-session-cache-timeout", 300, 0, INT),
    Flag("tls-session-caching", True),
    Integer("tls-handshake-timeout", 10, 1, 3600, own=True),
    Integer("tls-max-handshakes", 512, 1, 65536, own=True),
    # The process
    Text("aof_rewrite_cpulist", "", PROCESS, immutable=True),
    Text("bgsave_cpulist", "", PROCESS, immutable=True),
    Text("bio_cpulist", "", PROCESS, immutable=True),
    Text("server_cpulist", "", PROCESS, immutable=True),
    Flag("crash-log-enabled", True),
    Flag("crash-memcheck-enabled", True, PROCESS),
    Flag("disable-thp", True, PROCESS, immutable=True),
    Text("ignore-warnings", "", PROCESS),
    Choice("oom-score-adj", "no", ("no", "yes", "relative", "absolute")),
    Words("oom-score-adj-values", ("0", "200", "800"), check=_check_scores),
    Text("proc-title-template", "{title} {listen-addr} {server-mode}", check=_check_title),
    Flag("set-proc-title", True, immutable=True),
    Flag("use-exit-on-panic", False, PROCESS, hidden=True),
    Integer("watchdog-period", 0, 0, INT, PROCESS, hidden=True),
)

BY_NAME: Final[dict[str, Directive]] = {
    name: directive for directive in TABLE for name in (directive.name, *directive.aliases)
}
"""Every directive under its name and its aliases."""


def markdown() -> str:
    """Return the table as docs/configuration.md shows it, one line a directive."""
    lines = ["| directive | default | values | CONFIG SET | here |", "|---|---|---|---|---|"]
    for row in sorted(TABLE, key=lambda directive: directive.name):
        aliases = "".join(f", `{alias}`" for alias in row.aliases)
        default = row.show(row.default)
        change = "no" if row.immutable else "protected" if row.protected else "yes"
        cells = (f"`{row.name}`{aliases}", f"`{default}`" if default else "", row.allowed(), change)
        lines.append(f"| {' | '.join(cells)} | {row.status or 'implemented'} |")
    return "\n".join(lines) + "\n"
