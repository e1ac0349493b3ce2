"""How long commands took, as histograms, and the spikes that the latency monitor keeps.

Lives here: the buckets, the estimate of a whole distribution from what was looked at, the series of spikes. Must not
live here: LATENCY and INFO (:mod:`kvcore.commands.latency`, :mod:`kvcore.commands.info`) and the measuring itself (the
dispatcher). The rule: a command that is quick and of no interest costs nothing here.

The dispatcher measures every command and compares the time with one threshold, as it must for the slow log. Times from
:data:`TAIL_NS` on always pass it and are counted one by one. What is quicker is counted one by one while the threshold
is down to nothing, which a tick brings about for the next :data:`WINDOW` commands. So up to some hundred commands a
second all are counted; at more than that the shape of the bulk is a sample's, its mass and its mean are exact, and the
tail is exact.

Buckets are those of the real server's HDR histograms: two significant digits, 1 ns to 1 s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kvcore.command import Command

TAIL_NS: Final = 32_768
"""From here on every call is counted by itself; looking at one takes about a hundredth of this."""

WINDOW: Final = 64
"""Commands looked at after each tick, however quick."""

NEVER_NS: Final = 1 << 62
"""A time that no command takes."""

_PRECISION_BITS: Final = 8  # two significant digits: 256 steps, half of them in each octave
_MAX_NS: Final = 1_000_000_000
_HIGHEST_NS: Final = (1 << 30) - 1
_FIRST_LEVEL_NS: Final = 1024
_SERIES_SAMPLES: Final = 160


def bucket(nanoseconds: int) -> int:
    """Return the lowest time that is counted as the same as this one. O(1).

    >>> bucket(12_000), bucket(12_040), bucket(0)
    (11968, 12032, 1)
    """
    kept = min(max(nanoseconds, 1), _MAX_NS)
    shift = max(0, kept.bit_length() - _PRECISION_BITS)
    return kept >> shift << shift


def highest(nanoseconds: int) -> int:
    """Return the highest time in the same bucket. O(1).

    >>> highest(12_000), highest(255)
    (12031, 255)
    """
    shift = max(0, nanoseconds.bit_length() - _PRECISION_BITS)
    return nanoseconds | ((1 << shift) - 1)


class Histogram:
    """Counts of times by bucket."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}
        """How many by the bucket's lowest time."""
        self.total = 0

    def add(self, nanoseconds: int, count: int = 1) -> None:
        """Count a time. O(1)."""
        at = bucket(nanoseconds)
        self.counts[at] = self.counts.get(at, 0) + count
        self.total += count

    def percentile(self, percent: float) -> int:
        """Return the time in nanoseconds that this share of the calls took at most. O(buckets)."""
        wanted = max(1, int(min(percent, 100.0) / 100 * self.total + 0.5))
        seen = 0
        for at in sorted(self.counts):
            seen += self.counts[at]
            if seen >= wanted:
                return highest(at) if percent else at
        return 0

    def levels(self) -> list[tuple[int, int]]:
        """Return how many calls took up to each doubling of 1,024 ns, as microseconds and count. O(buckets).

        Only the levels that add calls to the one before are listed.
        """
        rows: list[tuple[int, int]] = []
        level = _FIRST_LEVEL_NS
        seen = listed = 0
        for at in sorted(self.counts):
            while at > bucket(level) and level < _MAX_NS:
                if seen > listed:
                    rows.append((highest(level) // 1000, seen))
                    listed = seen
                level *= 2
            seen += self.counts[at]
        if seen > listed:
            rows.append((min(highest(level), _HIGHEST_NS) // 1000, seen))
        return rows


class CommandTimes:
    """What was seen of one command's times."""

    __slots__ = ("bulk", "missed", "missed_ns", "paused", "tail", "tail_ns")

    def __init__(self) -> None:
        self.bulk = Histogram()
        """Quick calls, as many as were looked at."""
        self.tail = Histogram()
        """All the others."""
        self.tail_ns = 0
        self.missed = 0
        self.missed_ns = 0
        """Calls made while `latency-tracking` was off, and their time."""
        self.paused: tuple[int, int] | None = None
        """The command's calls and time when it was switched off."""

    def add(self, nanoseconds: int) -> None:
        """Count a call that was looked at. O(1)."""
        if nanoseconds < TAIL_NS:
            self.bulk.add(nanoseconds)
        else:
            self.tail.add(nanoseconds)
            self.tail_ns += nanoseconds


def histogram(command: Command) -> Histogram | None:
    """Estimate the distribution of all calls of ``command``; None if there were none. O(buckets).

    Calls that were not looked at are spread as those that were; if none was, each took their exact mean.
    """
    times = command.times if command.times is not None else CommandTimes()
    calls, time_ns = (command.calls, command.time_ns) if times.paused is None else times.paused
    calls -= times.missed
    if calls <= 0:
        return None
    bulk = times.bulk
    unseen = calls - times.tail.total - bulk.total
    whole = Histogram()
    for at, count in times.tail.counts.items():
        whole.add(at, count)
    if not bulk.total:
        if unseen > 0:
            whole.add(max(0, time_ns - times.missed_ns - times.tail_ns) // unseen, unseen)
        return whole
    seen = spread = 0
    for at in sorted(bulk.counts):
        # Cumulated before it is rounded, so that the parts add up to the whole.
        seen += bulk.counts[at]
        until = seen + max(0, unseen) * seen // bulk.total
        whole.add(at, until - spread)
        spread = until
    return whole


def switch_tracking(command: Command, tracking: bool) -> None:
    """Begin or stop to count the times of ``command``. O(1)."""
    times = command.times
    if times is None:
        times = command.times = CommandTimes()
    if not tracking:
        times.paused = (command.calls, command.time_ns)
    elif times.paused is not None:
        times.missed += command.calls - times.paused[0]
        times.missed_ns += command.time_ns - times.paused[1]
        times.paused = None


class Series:
    """The spikes of one event: the worst of each second, the last 160 of them."""

    __slots__ = ("max_ms", "samples")

    def __init__(self) -> None:
        self.samples: list[tuple[int, int]] = []
        """Unix time in seconds and duration in milliseconds, oldest first."""
        self.max_ms = 0
        """The worst ever, until LATENCY RESET."""

    def add(self, now_s: int, duration_ms: int) -> None:
        """Note a spike. O(1)."""
        self.max_ms = max(self.max_ms, duration_ms)
        samples = self.samples
        if samples and samples[-1][0] == now_s:
            samples[-1] = (now_s, max(samples[-1][1], duration_ms))
            return
        samples.append((now_s, duration_ms))
        if len(samples) > _SERIES_SAMPLES:
            del samples[0]


class LatencyMonitor:
    """Spikes by event (`latency-monitor-threshold`)."""

    __slots__ = ("events", "threshold_ns")

    def __init__(self) -> None:
        self.threshold_ns = NEVER_NS
        """What takes this long is a spike."""
        self.events: dict[str, Series] = {}

    def note(self, event: str, duration_ns: int, now_s: int) -> None:
        """Note what ``event`` took, if that was long. O(1)."""
        if duration_ns >= self.threshold_ns:
            self.events.setdefault(event, Series()).add(now_s, duration_ns // 1_000_000)
