"""Times by bucket, and what is printed of them."""

from __future__ import annotations

import csv
import json
from random import Random

import pytest

from kvcore.frontends.bench_results import FIELDS, HEADINGS, WIDTHS, Sample, Times, as_csv, as_json, cells


def test_percentiles_are_right_to_a_hundredth() -> None:
    random = Random(1)
    values = sorted(int(random.lognormvariate(10, 2)) + 1 for _ in range(10_000))
    halves = Times(), Times()
    for number, value in enumerate(values):
        halves[number % 2].add(value)
    times, other = halves
    times.merge(other)
    assert times.total == 10_000
    for percent in (50.0, 95.0, 99.0, 99.9):
        exact = values[int(percent / 100 * 10_000) - 1]
        assert times.percentile(percent) == pytest.approx(exact, rel=0.01)
    assert times.percentile(100) == times.longest == values[-1]


def test_nothing_measured() -> None:
    sample = Sample("SET", 0.0, 0.0, Times(), False)
    assert cells(sample) == ["SET*", "0", "0.0", "0.0", "0.0", "0.0", "0.0", "0%"]


def test_samples_as_text() -> None:
    times = Times()
    times.add(1_500, 3)
    times.add(250_000_000)
    sample = Sample("SET", 2.0, 1.0, times, True)
    assert cells(sample) == ["SET", "2", "1.5", "250,000", "250,000", "250,000", "250,000", "50%"]
    assert len(HEADINGS) == len(WIDTHS) == len(cells(sample))
    (row,) = csv.DictReader(as_csv([sample]).splitlines())
    assert (row["requests"], row["p50_us"], row["max_us"], row["complete"]) == ("4", "1.503", "250000.0", "True")
    found = json.loads(as_json([sample], {"requests": 4}))
    assert found["settings"] == {"requests": 4}
    assert tuple(found["tests"][0]) == FIELDS
