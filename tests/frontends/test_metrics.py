"""kvcore.frontends.metrics: every counter in its metric, one short hold of the lock, text that parses."""

from __future__ import annotations

import random

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kvcore.clock import ManualClock
from kvcore.engine import Engine
from kvcore.frontends.host import Host
from kvcore.frontends.metrics import EngineMetrics, registry, render
from tests.engine_client import Client


@pytest.fixture
def host(engine: Engine) -> Host:
    return Host(engine)


def scrape(host: Host) -> dict[tuple[str, str], float]:
    """Return the samples by name and first label."""
    text = render(registry(host), "")[0].decode()
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_counters_follow_what_happens(host: Host, client: Client, clock: ManualClock) -> None:
    client("SET", "k", "v", "PX", "50")
    client("GET", "k")
    client("GET", "none")
    client("SELECT", "3")
    client("MSET", "a", "1", "b", "2")
    client("LPUSH", "a", "x")
    client("GET")
    clock.advance(100)
    host.tick()
    seen = scrape(host)
    assert seen["kvcore_commands_total", "get"] == 2
    assert seen["kvcore_commands_rejected_total", "get"] == 1
    assert seen["kvcore_commands_failed_total", "lpush"] == 1
    assert seen["kvcore_errors_total", "WRONGTYPE"] == 1
    assert seen["kvcore_keyspace_lookups_total", "hit"] == 1
    assert seen["kvcore_keyspace_lookups_total", "miss"] == 1
    assert seen["kvcore_expired_keys_total", ""] == 1
    assert (seen["kvcore_keys", "0"], seen["kvcore_keys", "3"]) == (0, 2)
    assert ("kvcore_keys", "1") not in seen
    assert seen["kvcore_connected_clients", ""] == 1
    assert ("kvcore_commands_total", "ping") not in seen


def test_histograms_count_every_call_and_never_go_down(clock: ManualClock) -> None:
    engine = Engine(clock=clock, random=random.Random(7))
    client, host = Client(engine), Host(engine)
    before: dict[tuple[str, str], float] = {}
    for _ in range(5):
        for _ in range(300):
            client("SET", "k", "v")
        engine.commands[b"set"].time_ns += 1_000_000
        times = engine.commands[b"set"].times
        assert times is not None
        times.add(70_000)  # one slow call among them
        after = {at: value for at, value in scrape(host).items() if at[0].endswith(("_bucket", "_count"))}
        assert all(after[at] >= value for at, value in before.items())
        before = after
    slow = [value for (name, labels), value in before.items() if name.endswith("_bucket") and labels.startswith("set,")]
    assert slow == sorted(slow)
    assert (slow[-2], slow[-1]) == (1500, 1500)
    assert slow[1] <= 1495  # up to 66 microseconds: all but the slow ones


def test_the_lock_is_let_go_before_anything_is_formatted(host: Host, client: Client) -> None:
    client("SET", "k", "v")
    metrics = iter(EngineMetrics(host).collect())
    assert not host.lock.locked()
    next(metrics)
    assert not host.lock.locked()


def test_bytes_of_clients_do_not_break_the_text(host: Host, engine: Engine) -> None:
    engine.statistics.count_error(b'\xff"\n'.decode("utf-8", "surrogateescape"))
    assert scrape(host)["kvcore_errors_total", '\\udcff"\n'] == 1
