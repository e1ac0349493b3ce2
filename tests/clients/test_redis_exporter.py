"""redis_exporter, unmodified (Debian's prometheus-redis-exporter): what dashboards read is there, and true."""

from __future__ import annotations

import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.oracle.servers import HOST, Server, free_port

SECONDS = 20

NOT_ZERO = (
    "redis_up",
    "redis_uptime_in_seconds",
    "redis_connected_clients",
    "redis_connections_received_total",
    "redis_commands_processed_total",
    'redis_commands_total{cmd="set"}',
    'redis_commands_duration_seconds_total{cmd="debug"}',
    'redis_commands_failed_calls_total{cmd="incr"}',
    'redis_commands_rejected_calls_total{cmd="get"}',
    'redis_errors_total{err="ERR"}',
    "redis_keyspace_hits_total",
    "redis_keyspace_misses_total",
    'redis_db_keys{db="db0"}',
    'redis_db_keys_expiring{db="db0"}',
    'redis_db_avg_ttl_seconds{db="db0"}',
    "redis_expired_keys_total",
    "redis_memory_used_bytes",
    "redis_memory_used_rss_bytes",
    "redis_memory_used_peak_bytes",
    "redis_memory_used_dataset_bytes",
    "redis_memory_used_startup_bytes",
    "redis_mem_fragmentation_ratio",
    "redis_total_system_memory_bytes",
    "redis_net_input_bytes_total",
    "redis_net_output_bytes_total",
    "redis_cpu_user_seconds_total",
    "redis_config_maxclients",
    "redis_slowlog_length",
    "redis_last_slow_execution_duration_seconds",
    "redis_start_time_seconds",
    "redis_process_id",
    'redis_latency_percentiles_usec{cmd="debug",quantile="50"}',
    'redis_latency_percentiles_usec{cmd="debug",quantile="99.9"}',
    'redis_latency_percentiles_usec_count{cmd="debug"}',
    'redis_latency_spike_last{event_name="command"}',
    'redis_latency_spike_duration_seconds{event_name="command"}',
    "redis_rdb_changes_since_last_save",
    "redis_pubsub_channels",
    "redis_instance_info{",
    'redis_key_size{db="db0",key="list"}',
    "redis_connected_clients_details{",
)
"""Metrics of the common dashboards; a brace at the end stands for any labels."""


@pytest.fixture
def scrape(server: Server, find_tool: Callable[[str], str], tmp_path: Path) -> Iterator[Callable[[], tuple[str, str]]]:
    """Return a function that scrapes once; it returns the metrics and the exporter's log."""
    port = free_port()
    log = tmp_path / "log"
    with log.open("wb") as output:
        command = [
            *(find_tool("prometheus-redis-exporter"), "-redis.addr", f"redis://{HOST}:{server.port}"),
            *("-web.listen-address", f"{HOST}:{port}", "-export-client-list"),
            *("-check-single-keys", "db0=list", "-include-system-metrics"),
        ]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)

    def get() -> tuple[str, str]:
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                with urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=SECONDS) as answer:
                    return answer.read().decode(), log.read_text()
            except urllib.error.URLError:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.02)

    yield get
    process.terminate()
    process.wait(SECONDS)


def value(metrics: str, name: str) -> float:
    """Return a metric's value; the exporter orders labels by name."""
    found = re.search(rf"^{re.escape(name)}.* (\S+)$", metrics, re.M)
    assert found is not None, f"no metric {name}"
    return float(found[1])


def test_what_dashboards_show_is_there_and_true(server: Server, scrape: Callable[[], tuple[str, str]]) -> None:
    session = server.connect()
    listener = server.connect()

    def run(*words: str) -> None:
        session.send(words)
        session.read()

    listener.send(("SUBSCRIBE", "news"))
    listener.read()
    run("CONFIG", "RESETSTAT")
    run("CONFIG", "SET", "latency-monitor-threshold", "5", "slowlog-log-slower-than", "5000")
    try:
        for number in range(10):
            run("SET", f"k{number}", "x" * 100)
        run("RPUSH", "list", "a", "b", "c")
        run("EXPIRE", "k1", "1000")
        run("SET", "gone", "v", "PX", "1")
        run("DEBUG", "SLEEP", "0.02")
        for words in (("GET", "gone"), ("GET", "k2"), ("GET",), ("INCR", "k3")):
            run(*words)
        deadline = time.monotonic() + SECONDS
        while True:  # uptime counts whole seconds
            metrics, log = scrape()
            if value(metrics, "redis_uptime_in_seconds") or time.monotonic() > deadline:
                break
            time.sleep(0.1)
    finally:
        run("CONFIG", "SET", "latency-monitor-threshold", "0", "slowlog-log-slower-than", "10000")
        session.close()
        listener.close()
    assert "level=error" not in log, log
    assert value(metrics, 'redis_exporter_last_scrape_error{err=""}') == 0
    zero = [name for name in NOT_ZERO if not value(metrics, name)]
    assert zero == []
    assert value(metrics, 'redis_db_keys{db="db0"}') == 11
    assert value(metrics, 'redis_commands_total{cmd="set"}') == 11
    assert value(metrics, "redis_keyspace_hits_total") >= 1
    assert value(metrics, 'redis_key_size{db="db0",key="list"}') == 3
    assert value(metrics, "redis_process_id") == server.pid
    assert value(metrics, 'redis_latency_percentiles_usec{cmd="debug",quantile="50"}') >= 20_000
