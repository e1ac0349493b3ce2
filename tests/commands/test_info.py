"""INFO on an engine without sockets: true values, and the text's form."""

from __future__ import annotations

import pytest

from kvcore.clock import ManualClock
from kvcore.commands.info import human
from kvcore.engine import Engine
from kvcore.ports import LocalProcess
from kvcore.version import KVCORE_VERSION
from tests.commands.conftest import Client


class SmallProcess(LocalProcess):
    """A process with known memory."""

    def memory_bytes(self) -> int:
        return 3 << 20

    def peak_memory_bytes(self) -> int:
        return 4 << 20

    def total_memory_bytes(self) -> int:
        return 1 << 30


def fields(client: Client, *sections: str) -> dict[str, str]:
    text = client("INFO", *sections).text.decode()
    return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0B"), (1023, "1023B"), (1024, "1.00K"), (3 << 20, "3.00M"), (5 << 29, "2.50G"), (1 << 40, "1.00T")],
)
def test_human(count: int, text: str) -> None:
    assert human(count) == text


def test_sections_are_chosen_and_ordered(client: Client) -> None:
    text = client("INFO", "keyspace", "CLUSTER").text
    assert text == b"# Cluster\r\ncluster_enabled:0\r\n\r\n# Keyspace\r\n"
    assert client("INFO", "nosuch").text == b""
    assert b"# Commandstats" not in client("INFO").text
    assert b"# Commandstats" in client("INFO", "all").text


def test_server(client: Client, engine: Engine, clock: ManualClock) -> None:
    clock.advance(2 * 86_400_000 + 1000)
    engine.process.tcp_port = 7777
    found = fields(client, "server")
    assert found["uptime_in_seconds"] == "172801"
    assert found["uptime_in_days"] == "2"
    assert found["run_id"] == engine.run_id
    assert len(engine.run_id) == 40
    assert found["tcp_port"] == "7777"
    assert found["kvcore_version"] == KVCORE_VERSION


def test_memory(client: Client, engine: Engine) -> None:
    engine.process = SmallProcess()
    found = fields(client, "memory")
    assert found["used_memory"] == found["used_memory_startup"] == found["used_memory_overhead"] == str(1 << 20)
    assert (found["used_memory_human"], found["used_memory_peak_perc"]) == ("1.00M", "100.00%")
    assert (found["used_memory_rss"], found["used_memory_rss_human"]) == (str(3 << 20), "3.00M")
    assert (found["mem_fragmentation_ratio"], found["mem_fragmentation_bytes"]) == ("3.00", str(2 << 20))
    client("SET", "k", "v" * (1 << 20))
    found = fields(client, "memory")
    assert found["used_memory_human"] == found["used_memory_peak_human"] == "2.00M"
    assert found["used_memory_dataset_perc"] == "99.99%"
    client("DEL", "k")
    found = fields(client, "memory")
    assert (found["used_memory"], found["used_memory_peak_perc"]) == (str(1 << 20), "50.00%")
    assert found["total_system_memory_human"] == "1.00G"


def test_clients(client: Client, other: Client) -> None:
    other("BLPOP", "list", 5)
    third = Client(client.engine)
    third("BLPOP", "list", 0)
    found = fields(client, "clients")
    assert found["connected_clients"] == "3"
    assert found["blocked_clients"] == "2"
    assert found["clients_in_timeout_table"] == "1"


def test_keyspace(client: Client) -> None:
    client("SET", "a", 1, "PX", 3000)
    client("SET", "b", 1, "PX", 1000)
    client("SELECT", 3)
    client("SET", "c", 1)
    assert fields(client, "keyspace") == {
        "db0": "keys=2,expires=2,avg_ttl=2000",
        "db3": "keys=1,expires=0,avg_ttl=0",
    }


def test_counters_and_their_reset(client: Client) -> None:
    client("SET", "a", 1)
    client("GET", "a")
    client("GET", "missing")
    client("GET")
    client("LPUSH", "a", 1)
    client("NOSUCH")
    found = fields(client, "all")
    assert (found["keyspace_hits"], found["keyspace_misses"]) == ("1", "1")
    assert (found["errorstat_ERR"], found["errorstat_WRONGTYPE"]) == ("count=2", "count=1")
    assert found["total_error_replies"] == "3"
    assert found["cmdstat_get"] == "calls=2,usec=0,usec_per_call=0.00,rejected_calls=1,failed_calls=0"
    assert found["cmdstat_lpush"] == "calls=1,usec=0,usec_per_call=0.00,rejected_calls=0,failed_calls=1"
    assert found["rdb_changes_since_last_save"] == "1"
    assert client("CONFIG", "RESETSTAT") == "OK"
    found = fields(client, "all")
    assert (found["keyspace_hits"], found["total_error_replies"]) == ("0", "0")
    assert "cmdstat_get" not in found
    assert "errorstat_ERR" not in found
    assert found["cmdstat_config|resetstat"].startswith("calls=1,")
