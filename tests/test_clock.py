"""Both clocks keep the contract that the engine relies on."""

from __future__ import annotations

import time

import pytest

from kvcore.clock import Clock, ManualClock, SystemClock


def test_the_system_clock_tells_wall_time_in_microseconds() -> None:
    before = time.time_ns() // 1000
    now = SystemClock().now_us()
    assert before <= now <= time.time_ns() // 1000


def test_a_manual_clock_stands_still_until_told() -> None:
    clock = ManualClock(now_ms=5000)
    assert (clock.now_us(), clock.steady_ns()) == (5_000_000, 5_000_000_000)
    assert (clock.now_us(), clock.steady_ns()) == (5_000_000, 5_000_000_000)
    clock.advance(1.5)
    assert (clock.now_us(), clock.steady_ns()) == (5_001_500, 5_001_500_000)


def test_a_microsecond_is_not_lost_to_rounding() -> None:
    clock = ManualClock(now_ms=0)
    for _ in range(1000):
        clock.advance(0.001)
    assert clock.now_us() == 1000


@pytest.mark.parametrize("clock", [SystemClock(), ManualClock()])
def test_steady_time_never_goes_back(clock: Clock) -> None:
    readings = [clock.steady_ns() for _ in range(1000)]
    assert readings == sorted(readings)
