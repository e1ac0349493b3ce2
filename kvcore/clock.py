"""Time, injected: nothing else in the engine reads a clock.

Two clocks in one object: wall time (expiry, TIME, stream ids) in microseconds since the Unix epoch, and a steady time
(durations: slow log, command statistics) in nanoseconds from an arbitrary start.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Protocol

_EPOCH: Final = datetime(1970, 1, 1)
"""In UTC, without saying so: as the times that freezegun gives."""


class Clock(Protocol):
    """What the engine asks of a clock."""

    def now_us(self) -> int:
        """Return the wall time in microseconds since the Unix epoch."""
        ...

    @property
    def steady_ns(self) -> Callable[[], int]:
        """A function that returns a time in nanoseconds that never goes back."""
        ...


def steady_clock() -> Callable[[], int]:
    """Return the machine's steady clock, also while freezegun has put one that stands still in its place."""
    freezegun = sys.modules.get("freezegun.api")
    found: Callable[[], int] = getattr(freezegun, "real_perf_counter_ns", time.perf_counter_ns)
    return found


class SystemClock:
    """The machine's clock. Durations are on the hot path: ``steady_ns`` is the built-in itself, one call less."""

    __slots__ = ("steady_ns",)

    def __init__(self) -> None:
        self.steady_ns: Callable[[], int] = steady_clock()

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


def _wall_us() -> int:
    """Return the wall time in microseconds since the Unix epoch, as freezegun and time-machine have it.

    freezegun's own ``time_ns`` tells the real time to who calls it from near the top of a thread, as servers do.
    """
    factories = getattr(sys.modules.get("freezegun.api"), "freeze_factories", None)
    if factories:
        since: timedelta = factories[-1]() - _EPOCH
        return since // timedelta(microseconds=1)
    return time.time_ns() // 1000


class AdjustableClock:
    """The machine's clock for tests that move it: set forward or back, or stopped; steady time goes on regardless.

    It follows freezegun and time-machine while they are active.
    """

    __slots__ = ("_frozen_us", "_offset_us", "steady_ns")

    def __init__(self) -> None:
        self._frozen_us = -1
        self._offset_us = 0
        self.steady_ns: Callable[[], int] = steady_clock()

    @property
    def frozen(self) -> bool:
        """Whether wall time stands still."""
        return self._frozen_us >= 0

    def now_us(self) -> int:
        """Return the wall time in microseconds since the Unix epoch."""
        if self._frozen_us >= 0:
            return self._frozen_us
        return _wall_us() + self._offset_us

    def advance(self, us: int) -> None:
        """Move wall time by ``us`` microseconds; a negative number moves it back."""
        self.travel(self.now_us() + us)

    def travel(self, to_us: int) -> None:
        """Make it ``to_us`` microseconds since the Unix epoch; time goes on from there, or stands still there."""
        if to_us < 0:
            raise ValueError("there is no time before 1970")
        if self._frozen_us >= 0:
            self._frozen_us = to_us
        else:
            self._offset_us = to_us - _wall_us()

    def freeze(self) -> None:
        """Stop wall time."""
        self._frozen_us = self.now_us()

    def unfreeze(self) -> None:
        """Let wall time go on from where it stands."""
        if self._frozen_us >= 0:
            self._offset_us = self._frozen_us - _wall_us()
            self._frozen_us = -1

    def reset(self) -> None:
        """Tell the machine's time again."""
        self._frozen_us = -1
        self._offset_us = 0
