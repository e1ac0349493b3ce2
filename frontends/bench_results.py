"""What ``kvcore bench`` found: counts of times by bucket, and the rows of its table, CSV and JSON.

What lives here: numbers and their text. What must not: measuring, and whether the table is pretty
(:mod:`kvcore.frontends.output`). The rule: however long a test runs, its times take a few thousand buckets at most.
"""

from __future__ import annotations

import csv
import io
import json
from math import ceil
from typing import Final

PERCENTILES: Final = (50.0, 95.0, 99.0, 99.9)

_PRECISION_BITS: Final = 8  # two significant digits


class Times:
    """Counts of nanoseconds by bucket, each less than a hundredth wide, and the longest."""

    __slots__ = ("_counts", "longest", "total")

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self.longest = 0
        self.total = 0

    def add(self, nanoseconds: int, count: int = 1) -> None:
        """Count a time. O(1)."""
        shift = max(0, nanoseconds.bit_length() - _PRECISION_BITS)
        lowest = nanoseconds >> shift << shift
        self._counts[lowest] = self._counts.get(lowest, 0) + count
        self.total += count
        if nanoseconds > self.longest:
            self.longest = nanoseconds

    def merge(self, other: Times) -> None:
        """Count in what another one counted. O(buckets)."""
        for lowest, count in other._counts.items():
            self._counts[lowest] = self._counts.get(lowest, 0) + count
        self.total += other.total
        self.longest = max(self.longest, other.longest)

    def percentile(self, percent: float) -> int:
        """Return the nanoseconds that this share of the requests took at most, 0 without requests. O(buckets)."""
        wanted = ceil(percent * self.total / 100)
        seen = 0
        for lowest in sorted(self._counts):
            seen += self._counts[lowest]
            if seen >= wanted:
                shift = max(0, lowest.bit_length() - _PRECISION_BITS)
                return min(lowest | ((1 << shift) - 1), self.longest)
        return 0


class Sample:
    """One test's outcome."""

    __slots__ = ("complete", "cpu_s", "name", "seconds", "times")

    def __init__(self, name: str, seconds: float, cpu_s: float, times: Times, complete: bool) -> None:
        """``cpu_s`` is the processor time this process took; ``complete`` is False for one that was interrupted."""
        self.name = name
        self.seconds = seconds
        self.cpu_s = cpu_s
        self.times = times
        self.complete = complete

    @property
    def rate(self) -> float:
        """Return requests per second."""
        return self.times.total / self.seconds if self.seconds else 0.0

    @property
    def busy_percent(self) -> int:
        """Return how much of the time this process was computing: near 100, it was what limited the rate."""
        return min(100, round(100 * self.cpu_s / self.seconds)) if self.seconds else 0

    def latencies_us(self) -> list[float]:
        """Return the percentiles and the longest time in microseconds."""
        found = [self.times.percentile(percent) for percent in PERCENTILES]
        return [nanoseconds / 1000 for nanoseconds in (*found, self.times.longest)]


HEADINGS: Final = ("test", "requests/s", *(f"p{percent:g}" for percent in PERCENTILES), "max", "client")
"""The columns of the table; latencies are in microseconds."""

WIDTHS: Final = (8, 10, *(9 for _ in PERCENTILES), 9, 6)
"""Of the columns as plain text."""

FIELDS: Final = (
    "test",
    "requests",
    "seconds",
    "requests_per_second",
    *(f"p{percent:g}_us" for percent in PERCENTILES),
    "max_us",
    "client_busy_percent",
    "complete",
)
"""The fields of CSV and JSON."""


def cells(sample: Sample) -> list[str]:
    """Return a row of the table."""
    latencies = [f"{latency:,.1f}" if latency < 100 else f"{latency:,.0f}" for latency in sample.latencies_us()]
    return [
        sample.name if sample.complete else f"{sample.name}*",
        f"{sample.rate:,.0f}",
        *latencies,
        f"{sample.busy_percent}%",
    ]


def facts(sample: Sample) -> dict[str, str | int | float | bool]:
    """Return a sample's fields for CSV and JSON."""
    values: tuple[str | int | float | bool, ...] = (
        sample.name,
        sample.times.total,
        round(sample.seconds, 6),
        round(sample.rate, 1),
        *(round(latency, 3) for latency in sample.latencies_us()),
        sample.busy_percent,
        sample.complete,
    )
    return dict(zip(FIELDS, values, strict=True))


def as_json(samples: list[Sample], settings: dict[str, str | int | float]) -> str:
    """Return all of it as one JSON object."""
    return json.dumps({"settings": settings, "tests": [facts(sample) for sample in samples]}, indent=1)


def as_csv(samples: list[Sample]) -> str:
    """Return a line of names and one for each test."""
    out = io.StringIO()
    writer = csv.DictWriter(out, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(facts(sample) for sample in samples)
    return out.getvalue().rstrip("\n")
