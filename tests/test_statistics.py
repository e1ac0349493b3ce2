"""Counters and rates behind INFO."""

from __future__ import annotations

import pytest

from kvcore.statistics import Rate, Statistics


def test_a_steady_rate_is_reached_after_sixteen_samples() -> None:
    rate = Rate()
    for step in range(17):
        rate.sample(1000 + step * 100, step * 50)
    assert rate.per_second() == 500


def test_the_first_sample_is_no_rate() -> None:
    rate = Rate()
    rate.sample(1000, 1_000_000)
    assert rate.per_second() == 0
    rate.sample(1100, 1_000_016)
    assert rate.per_second() == pytest.approx(160 / 16)


def test_old_samples_leave() -> None:
    rate = Rate()
    for step in range(17):
        rate.sample(1000 + step * 100, step * 50)
    for step in range(17, 33):
        rate.sample(1000 + step * 100, 16 * 50)
    assert rate.per_second() == 0


def test_time_that_stands_still_or_goes_back_divides_by_nothing() -> None:
    rate = Rate()
    rate.sample(1000, 0)
    rate.sample(1000, 50)
    rate.sample(900, 80)
    assert rate.per_second() == 0
    rate.sample(1100, 100)
    assert rate.per_second() == pytest.approx(1000 / 16)


def test_a_counter_that_was_reset_is_no_negative_rate() -> None:
    rate = Rate()
    rate.sample(1000, 500)
    rate.sample(1100, 0)
    assert rate.per_second() == 0


def test_errors_are_counted_by_code() -> None:
    statistics = Statistics()
    for code in ("ERR", "WRONGTYPE", "ERR"):
        statistics.count_error(code)
    assert statistics.errors == {"ERR": 2, "WRONGTYPE": 1}
    assert statistics.errors_total == 3


def test_invented_codes_do_not_grow_without_end() -> None:
    statistics = Statistics()
    for number in range(1000):
        statistics.count_error(f"CODE{number}")
    statistics.count_error("CODE0")
    statistics.count_error("ANOTHER")
    assert len(statistics.errors) == 128
    assert statistics.errors["CODE0"] == 2
    assert statistics.errors_total == 1002


def test_a_reset_keeps_the_changes_since_the_last_save() -> None:
    statistics = Statistics()
    statistics.dirty = 7
    statistics.connections = statistics.input_bytes = 9
    statistics.count_error("ERR")
    statistics.operations.sample(1000, 0)
    statistics.operations.sample(1100, 50)
    statistics.reset()
    assert statistics.dirty == 7
    assert (statistics.connections, statistics.input_bytes, statistics.errors_total) == (0, 0, 0)
    assert statistics.errors == {}
    assert statistics.operations.per_second() == 0
