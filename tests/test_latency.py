"""Histograms of command times and series of spikes, without a server."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcore.command import Command
from kvcore.latency import (
    NEVER_NS,
    TAIL_NS,
    WINDOW,
    CommandTimes,
    Histogram,
    LatencyMonitor,
    Series,
    bucket,
    highest,
    histogram,
    switch_tracking,
)


def made(*times: int) -> Histogram:
    """Return a histogram of these nanoseconds."""
    result = Histogram()
    for time in times:
        result.add(time)
    return result


@given(st.integers(0, 1_000_000_000))
def test_a_bucket_holds_two_digits(nanoseconds: int) -> None:
    low = bucket(nanoseconds)
    assert low <= max(1, nanoseconds) <= highest(low)
    assert highest(low) - low <= low / 100
    assert bucket(highest(low)) == low


def test_times_beyond_a_second_count_as_one() -> None:
    assert bucket(5_000_000_000) == bucket(1_000_000_000)


# What redis-server 7.0.15 showed for commands of these durations (in microseconds).
def test_percentiles_of_the_real_server() -> None:
    times = made(*(us * 1000 for us in (1, 1, 1, 1, 1, 0)))
    assert [times.percentile(p) for p in (50, 100, 12.34567, 0)] == [1003, 1003, 1, 1]
    times = made(2_000, 5_000, 8_000, 1_172_000)
    assert (times.percentile(0), times.percentile(100)) == (2000, 1179647)


def test_levels_of_the_real_server() -> None:
    sleeps = made(10_100_000, 10_100_000, 10_100_000, 100_100_000, 1_200_000_000)
    assert sleeps.levels() == [(16908, 3), (135266, 4), (1073741, 5)]
    assert made(33_000).levels() == [(33, 1)]
    assert made(*[3_000] * 7, *[5_000] * 11, *[16_000] * 2).levels() == [(4, 7), (8, 18), (16, 20)]
    assert made().levels() == []


@given(st.lists(st.integers(1, 10**9), min_size=1), st.floats(0.1, 100))
def test_levels_and_percentiles_agree_with_the_sorted_times(times: list[int], percent: float) -> None:
    counted = made(*times)
    rows = counted.levels()
    assert rows[-1][1] == len(times)
    assert rows == sorted(rows)
    ordered = sorted(times)
    wanted = ordered[max(1, int(percent / 100 * len(times) + 0.5)) - 1]
    assert counted.percentile(percent) == highest(bucket(wanted))


def record(calls: int, time_ns: int) -> Command:
    command = Command("x", lambda *_: None, arity=1)
    command.calls, command.time_ns = calls, time_ns
    return command


def test_a_command_never_called_has_none() -> None:
    assert histogram(record(0, 0)) is None


def test_calls_nobody_looked_at_took_their_mean() -> None:
    found = histogram(record(4, 8_000))
    assert found is not None
    assert found.levels() == [(2, 4)]


def test_the_sample_is_spread_over_the_bulk_and_the_tail_is_exact() -> None:
    command = record(1000, 0)
    command.times = CommandTimes()
    for _ in range(30):
        command.times.add(1_000)
    for _ in range(10):
        command.times.add(3_000)
    command.times.add(TAIL_NS * 10)
    found = histogram(command)
    assert found is not None
    assert found.total == 1000
    assert found.counts[bucket(TAIL_NS * 10)] == 1
    assert found.counts[bucket(1_000)] == pytest.approx(749, abs=1)
    assert found.counts[bucket(3_000)] == pytest.approx(250, abs=1)


def test_calls_made_while_tracking_was_off_are_left_out() -> None:
    command = record(10, 10_000)
    switch_tracking(command, False)
    command.calls, command.time_ns = 1000, 99_000_000
    stopped = histogram(command)
    assert stopped is not None
    assert stopped.levels() == [(1, 10)]
    switch_tracking(command, True)
    command.calls += 10
    command.time_ns += 10_000
    resumed = histogram(command)
    assert resumed is not None
    assert resumed.levels() == [(1, 20)]


def test_an_estimate_is_near_the_truth() -> None:
    """Nine of ten calls are not looked at; the quantiles come out within a tenth all the same."""
    source = random.Random(3)
    times = [int(source.lognormvariate(7.5, 0.6)) for _ in range(20_000)]
    command = record(len(times), sum(times))
    command.times = CommandTimes()
    for number, time in enumerate(times):
        if time >= TAIL_NS or number % (10 * WINDOW) < WINDOW:
            command.times.add(time)
    found = histogram(command)
    assert found is not None
    for percent in (50, 90, 99):
        assert found.percentile(percent) == pytest.approx(made(*times).percentile(percent), rel=0.1)


def test_a_series_keeps_the_worst_of_each_second() -> None:
    series = Series()
    for second, duration in ((10, 5), (10, 9), (10, 7), (11, 3)):
        series.add(second, duration)
    assert series.samples == [(10, 9), (11, 3)]
    assert series.max_ms == 9


def test_a_series_is_bounded() -> None:
    series = Series()
    for second in range(1000):
        series.add(second, 1000 - second)
    assert len(series.samples) == 160
    assert series.samples[0] == (840, 160)
    assert series.max_ms == 1000


def test_the_monitor_notes_what_reaches_the_threshold() -> None:
    monitor = LatencyMonitor()
    monitor.note("command", 10**12, 5)
    assert monitor.threshold_ns == NEVER_NS
    assert monitor.events == {}
    monitor.threshold_ns = 2_000_000
    monitor.note("command", 1_999_999, 5)
    monitor.note("fork", 2_000_000, 6)
    assert {event: series.samples for event, series in monitor.events.items()} == {"fork": [(6, 2)]}
