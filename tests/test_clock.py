"""Both clocks keep the contract that the engine relies on."""

from __future__ import annotations

import time

import pytest
from freezegun import freeze_time

from kvcore.clock import AdjustableClock, Clock, ManualClock, SystemClock


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


def test_an_adjustable_clock_tells_the_machine_s_time_until_it_is_moved() -> None:
    clock = AdjustableClock()
    before = time.time_ns() // 1000
    assert before <= clock.now_us() <= time.time_ns() // 1000
    clock.advance(-1_000_000_000)
    assert clock.now_us() < before
    clock.travel(5)
    assert 5 <= clock.now_us() < 3_600_000_000
    clock.freeze()
    clock.travel(7)
    assert (clock.now_us(), clock.frozen) == (7, True)
    clock.advance(3)
    assert clock.now_us() == 10
    clock.unfreeze()
    assert 10 <= clock.now_us() < 3_600_000_000
    assert not clock.frozen
    with pytest.raises(ValueError, match="1970"):
        clock.advance(-before)
    clock.reset()
    assert before <= clock.now_us() <= time.time_ns() // 1000


@pytest.mark.parametrize("kind", [SystemClock, AdjustableClock])
def test_steady_time_goes_on_while_freezegun_stops_the_rest(kind: type[Clock]) -> None:
    with freeze_time("2040-01-01", tick=False):
        clock = kind()
        assert clock.now_us() == 2_208_988_800_000_000
        first = clock.steady_ns()
        while clock.steady_ns() == first:
            pass  # pytest-timeout ends it if that stands still
    assert clock.steady_ns() > first


@pytest.mark.parametrize("clock", [SystemClock(), ManualClock(), AdjustableClock()])
def test_steady_time_never_goes_back(clock: Clock) -> None:
    readings = [clock.steady_ns() for _ in range(1000)]
    assert readings == sorted(readings)
