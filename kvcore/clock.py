"""Time, injected: nothing else in the engine reads a clock.

Two clocks in one object: wall time (expiry, TIME, stream ids) in microseconds since the Unix epoch, and a steady time
(durations: slow log, command statistics) in nanoseconds from an arbitrary start.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """What the engine asks of a clock."""

    def now_us(self) -> int:
        """Return the wall time in microseconds since the Unix epoch."""
        ...

    @property
    def steady_ns(self) -> Callable[[], int]:
        """A function that returns a time in nanoseconds that never goes back."""
        ...


class SystemClock:
    """The machine's clock. Durations are on the hot path: ``steady_ns`` is the built-in itself, one call less."""

    __slots__ = ("steady_ns",)

    def __init__(self) -> None:
        self.steady_ns: Callable[[], int] = time.perf_counter_ns

    def now_us(self) -> int:
        """Return the wall time in microseconds since the Unix epoch."""
        return time.time_ns() // 1000


class ManualClock:
    """A clock that stands still until it is told to advance: expiry and time-outs in tests take no real time."""

    __slots__ = ("_now_us", "steady_ns")

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._now_us = now_ms * 1000
        self.steady_ns: Callable[[], int] = self._now_ns

    def now_us(self) -> int:
        """Return the set time in microseconds since the Unix epoch."""
        return self._now_us

    def _now_ns(self) -> int:
        return self._now_us * 1000

    def advance(self, ms: float) -> None:
        """Move time forward by ``ms`` milliseconds."""
        self._now_us += round(ms * 1000)
