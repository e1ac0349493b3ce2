"""LATENCY and what feeds it, on an engine whose clock only moves when told."""

from __future__ import annotations

import pytest

from kvcore.clock import ManualClock
from kvcore.commands.latency import graph
from kvcore.engine import Engine
from kvcore.expiry import ActiveExpiry
from kvcore.latency import TAIL_NS, WINDOW
from kvcore.ports import LocalProcess
from tests.commands.conftest import Client


class SleepingProcess(LocalProcess):
    """Sleeps on the manual clock."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self.clock = clock

    def sleep(self, seconds: float) -> None:
        self.clock.advance(seconds * 1000)


class SlowExpiry(ActiveExpiry):
    """A cycle that takes 7 ms."""

    def __init__(self, engine: Engine, clock: ManualClock) -> None:
        super().__init__(engine.keyspace, clock)
        self.advance = clock.advance

    def cycle(self) -> int:
        self.advance(7)
        return super().cycle()


@pytest.fixture
def sleepy(engine: Engine, client: Client, clock: ManualClock) -> Client:
    engine.config.set("enable-debug-command", "yes")
    engine.process = SleepingProcess(clock)
    return client


def test_histograms_count_each_command(sleepy: Client) -> None:
    for seconds in (0.01, 0.01, 0.1):
        sleepy("DEBUG", "SLEEP", seconds)
    sleepy("CONFIG", "GET", "hz")
    found = sleepy("LATENCY", "HISTOGRAM", "debug", "config", "nosuch", "CONFIG|GET", "get")
    assert found == {
        b"debug": {b"calls": 3, b"histogram_usec": {16908: 2, 135266: 3}},
        b"config|get": {b"calls": 1, b"histogram_usec": {1: 1}},
    }
    assert set(sleepy("LATENCY", "HISTOGRAM")) >= {b"debug", b"config|get", b"latency|histogram"}


def test_resetstat_empties_histograms(sleepy: Client) -> None:
    sleepy("DEBUG", "SLEEP", 0.01)
    sleepy("CONFIG", "RESETSTAT")
    assert sleepy("LATENCY", "HISTOGRAM", "debug") == {}


def test_no_histogram_grows_while_tracking_is_off(sleepy: Client) -> None:
    sleepy("DEBUG", "SLEEP", 0.01)
    sleepy("CONFIG", "SET", "latency-tracking", "no")
    sleepy("DEBUG", "SLEEP", 1)
    kept = {b"debug": {b"calls": 1, b"histogram_usec": {16908: 1}}}
    assert sleepy("LATENCY", "HISTOGRAM", "debug") == kept
    assert sleepy("INFO", "latencystats").text == b"# Latencystats\r\n"
    sleepy("CONFIG", "SET", "latency-tracking", "yes")
    sleepy("DEBUG", "SLEEP", 0.1)
    assert sleepy("LATENCY", "HISTOGRAM", "debug")[b"debug"][b"histogram_usec"] == {16908: 1, 135266: 2}


def test_percentiles_in_info(sleepy: Client) -> None:
    for seconds in (0.01, 0.01, 0.1):
        sleepy("DEBUG", "SLEEP", seconds)
    line = b"latency_percentiles_usec_debug:p50=10027.007,p99=100139.007,p99.9=100139.007\r\n"
    assert line in sleepy("INFO", "latencystats").text
    sleepy("CONFIG", "SET", "latency-tracking-info-percentiles", "0 12.5")
    assert b"latency_percentiles_usec_debug:p0=9961.472,p12.5=10027.007\r\n" in sleepy("INFO", "latencystats").text
    sleepy("CONFIG", "SET", "latency-tracking-info-percentiles", "")
    assert b"latency_percentiles_usec_debug:\r\n" in sleepy("INFO", "latencystats").text


def test_quick_commands_are_looked_at_for_a_while_after_each_tick(engine: Engine, client: Client) -> None:
    engine.tick()
    for _ in range(WINDOW + 10):
        client("GET", "k")
    times = engine.commands[b"get"].times
    assert times is not None
    assert times.bulk.total == WINDOW
    assert engine.notable_ns == TAIL_NS
    engine.tick()
    client("GET", "k")
    assert times.bulk.total == WINDOW + 1


def test_slow_commands_are_looked_at_always(engine: Engine, sleepy: Client) -> None:
    for _ in range(WINDOW):
        sleepy("GET", "k")
    sleepy("DEBUG", "SLEEP", TAIL_NS / 1e9)
    times = engine.commands[b"debug"].times
    assert times is not None
    assert (times.bulk.total, times.tail.total, times.tail_ns) == (0, 1, TAIL_NS // 1000 * 1000 + 1000)


def test_spikes(sleepy: Client, clock: ManualClock) -> None:
    sleepy("DEBUG", "SLEEP", 1)
    assert sleepy("LATENCY", "LATEST") == []
    sleepy("CONFIG", "SET", "latency-monitor-threshold", 5)
    for seconds in (0.004, 0.02, 0.01):
        clock.advance(1000)
        sleepy("DEBUG", "SLEEP", seconds)
    now_s = clock.now_us() // 1_000_000
    assert sleepy("LATENCY", "LATEST") == [[b"command", now_s, 10, 20]]
    assert sleepy("LATENCY", "HISTORY", "command") == [[now_s - 1, 20], [now_s, 10]]
    assert sleepy("LATENCY", "HISTORY", "fork") == []
    heading = b"command - high 20 ms, low 10 ms (all time high 20 ms)\n" + b"-" * 80 + b"\n#_"
    assert sleepy("LATENCY", "GRAPH", "command").text.startswith(heading[:-1])
    assert sleepy.error("LATENCY", "GRAPH", "fork") == "ERR No samples available for event 'fork'"
    assert sleepy("LATENCY", "RESET", "fork", "command") == 1
    assert sleepy("LATENCY", "LATEST") == []
    sleepy("DEBUG", "SLEEP", 1)
    assert sleepy("LATENCY", "RESET") == 1


def test_expiry_is_an_event(engine: Engine, sleepy: Client, clock: ManualClock) -> None:
    sleepy("CONFIG", "SET", "latency-monitor-threshold", 5)
    engine.expiry = SlowExpiry(engine, clock)
    engine.tick()
    assert sleepy("LATENCY", "HISTORY", "expire-cycle") == [[clock.now_us() // 1_000_000, 7]]
    assert b"expire_cycle_cpu_milliseconds:7\r\n" in sleepy("INFO", "stats").text


def test_the_doctor_speaks_of_what_happened(sleepy: Client, clock: ManualClock) -> None:
    assert b"latency-monitor-threshold" in sleepy("LATENCY", "DOCTOR").text
    sleepy("CONFIG", "SET", "latency-monitor-threshold", 5)
    assert b"No spike" in sleepy("LATENCY", "DOCTOR").text
    for _ in range(3):
        clock.advance(2000)
        sleepy("DEBUG", "SLEEP", 0.01)
    text = sleepy("LATENCY", "DOCTOR").text.decode()
    wanted = (
        "1. command: 3 latency spikes (average 10ms, mean deviation 0ms, period 2.00 sec). Worst all time event 10ms."
    )
    assert wanted in text
    assert "slowlog-log-slower-than 5000" in text


# As redis-server 7.0.15 drew these spikes at that moment.
def test_a_graph_of_the_real_server() -> None:
    samples = [(94, 10), (95, 30), (96, 20), (98, 1100), (100, 50)]
    rows = ["   # ", "   | ", "   | ", "___|_", "     ", "76531", "sssss"]
    assert graph(samples, 101) == "".join(f"{row}\n" for row in rows)


def test_a_long_graph_goes_on_below() -> None:
    parts = graph([(second, second) for second in range(100)], 7300).split("\n\n")
    assert [len(part.split("\n")[0]) for part in parts] == [80, 20]
    assert parts[0].split("\n")[-2:] == ["2" * 80, "h" * 80] or parts[0].split("\n")[-1] == "h" * 80
