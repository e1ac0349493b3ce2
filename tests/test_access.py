"""kvcore.access: idle times, LFU counters that grow by chance and decay with time, shared stamps."""

from __future__ import annotations

import random

import pytest

from kvcore.access import LFU_INITIAL, LFU_MAX, AccessClock
from kvcore.clock import ManualClock

MINUTE_MS = 60_000


@pytest.fixture
def access(clock: ManualClock) -> AccessClock:
    return AccessClock(lambda: clock.now_us() // 1000, random.Random(7))


def test_an_lru_stamp_tells_the_seconds_since_the_last_use(access: AccessClock, clock: ManualClock) -> None:
    access.start(lfu=False)
    stamp = access.fresh()
    clock.advance(2500)
    assert access.idle_s(stamp) in (2, 3)
    older, idle = access.rank(stamp), access.idle_s(stamp)
    stamp = access.used(stamp)
    assert (access.idle_s(stamp), idle) == (0, older)
    assert access.rank(stamp) < older
    assert access.idle_s(access.with_idle_time(77)) == 77


def test_equal_stamps_are_one_object(access: AccessClock, clock: ManualClock) -> None:
    for lfu in (False, True):
        access.start(lfu)
        assert access.fresh() is access.fresh()
    clock.advance(MINUTE_MS)
    assert access.used(access.since) is access.used(access.since)


def test_a_counter_grows_ever_more_slowly(access: AccessClock) -> None:
    access.start(lfu=True)
    stamp = access.fresh()
    assert access.frequency(stamp) == LFU_INITIAL
    reached = []
    for use in range(1, 10_001):
        stamp = access.used(stamp)
        if use in (1, 100, 1000, 10_000):
            reached.append(access.frequency(stamp))
    # The table in the real server's configuration file says 10 after 100 uses and 18 after 1000, for the factor 10.
    assert reached[0] == LFU_INITIAL + 1
    assert 8 <= reached[1] <= 13
    assert 15 <= reached[2] <= 25
    assert 40 <= reached[3] <= 65


def test_without_a_factor_every_use_counts_up_to_the_maximum(access: AccessClock) -> None:
    access.start(lfu=True)
    access.log_factor = 0
    stamp = access.fresh()
    for _ in range(20):
        stamp = access.used(stamp)
    assert access.frequency(stamp) == LFU_INITIAL + 20
    for _ in range(300):
        stamp = access.used(stamp)
    assert access.frequency(stamp) == LFU_MAX


def test_a_counter_decays_while_nobody_looks(access: AccessClock, clock: ManualClock) -> None:
    access.start(lfu=True)
    stamp = access.with_frequency(100)
    clock.advance(30 * MINUTE_MS)
    assert access.frequency(stamp) == 70
    access.decay_minutes = 10
    assert access.frequency(stamp) == 97
    access.decay_minutes = 0
    assert access.frequency(stamp) == 100
    access.decay_minutes = 1
    clock.advance(1000 * MINUTE_MS)
    assert access.frequency(stamp) == 0
    assert access.rank(stamp) == LFU_MAX
    assert access.frequency(access.used(stamp)) == 1


def test_a_clock_set_back_makes_nothing_negative(access: AccessClock, clock: ManualClock) -> None:
    access.start(lfu=False)
    lru = access.with_idle_time(-100)
    access.start(lfu=True)
    lfu = access.with_frequency(9) + (100 << 8)
    assert access.frequency(lfu) == 9
    access.lfu = False
    assert access.idle_s(lru) == 0
