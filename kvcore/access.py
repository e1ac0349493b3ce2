"""When and how often a key was used: the clocks behind LRU and LFU, OBJECT IDLETIME and OBJECT FREQ.

Lives here: what one stamp means, how a use changes it, and how old or rare it says the key is. Must not live here:
which key a stamp belongs to (:mod:`kvcore.memory`) or what is deleted for it (:mod:`kvcore.eviction`). The rule: a
stamp is one integer, and equal stamps are one object: a million keys used in one second, or as often in one minute,
share it.

An LRU stamp is the second of the last use. An LFU stamp is the minute of the last use, shifted by eight, and a
logarithmic counter: each use raises it with a probability that falls as it grows, each `lfu-decay-time` without one
takes one off.
"""

from __future__ import annotations

import random as random_module
from collections.abc import Callable
from typing import Final

LFU_INITIAL: Final = 5
"""The counter of a new key: it would be the next victim with 0."""

LFU_MAX: Final = 255
_COUNTER_BITS: Final = 8
_MINUTE_MS: Final = 60_000


class AccessClock:
    """Makes and reads stamps. The databases of one engine share it."""

    __slots__ = (
        "_minute",
        "_now_ms",
        "_random",
        "_second",
        "_stamps",
        "decay_minutes",
        "held",
        "lfu",
        "log_factor",
        "since",
    )

    def __init__(self, now_ms: Callable[[], int], random: random_module.Random) -> None:
        self._now_ms = now_ms
        self._random = random
        self._second = 0
        self._minute = -1
        self._stamps: list[int] = []
        self.lfu = False
        """Stamps count uses; they hold the last one otherwise."""
        self.log_factor = 10
        """`lfu-log-factor`"""
        self.decay_minutes = 1
        """`lfu-decay-time`; 0 never takes anything off."""
        self.held = False
        """Uses leave stamps as they are, until the execution unit ends (CLIENT NO-TOUCH)."""
        self.since = 0
        """The stamp of keys that were not used since stamps are kept."""

    def start(self, lfu: bool) -> None:
        """Begin a new era: keys that have no stamp yet count as used now."""
        self.lfu = lfu
        self.since = self.fresh()

    def fresh(self) -> int:
        """Return the stamp of a new key."""
        return self.with_frequency(LFU_INITIAL) if self.lfu else self._now_s()

    def used(self, stamp: int) -> int:
        """Return the stamp of a key after one more use."""
        if self.held:
            return stamp
        if not self.lfu:
            return self._now_s()
        counter = self.frequency(stamp)
        if counter < LFU_MAX:
            excess = counter - LFU_INITIAL
            if excess <= 0 or self._random.random() * (excess * self.log_factor + 1) < 1:
                counter += 1
        return self.with_frequency(counter)

    def frequency(self, stamp: int) -> int:
        """Return the counter of an LFU stamp as time has left it, 0 to 255."""
        counter = stamp & LFU_MAX
        if not self.decay_minutes:
            return counter
        elapsed = self._now_ms() // _MINUTE_MS - (stamp >> _COUNTER_BITS)
        return max(0, counter - max(0, elapsed) // self.decay_minutes)

    def idle_s(self, stamp: int) -> int:
        """Return the seconds since the use an LRU stamp holds."""
        return max(0, self._now_s() - stamp)

    def rank(self, stamp: int) -> int:
        """Return how good a victim a key is; the greater, the better."""
        return LFU_MAX - self.frequency(stamp) if self.lfu else self._now_s() - stamp

    def with_frequency(self, counter: int) -> int:
        """Return an LFU stamp of now with ``counter``, 0 to 255."""
        minute = self._now_ms() // _MINUTE_MS
        if minute != self._minute:
            self._minute = minute
            base = minute << _COUNTER_BITS
            self._stamps = list(range(base, base + LFU_MAX + 1))
        return self._stamps[counter]

    def with_idle_time(self, seconds: int) -> int:
        """Return an LRU stamp of ``seconds`` ago."""
        return self._now_s() - seconds

    def _now_s(self) -> int:
        second = self._now_ms() // 1000
        if second != self._second:
            self._second = second
        return self._second
