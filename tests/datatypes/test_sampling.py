"""Random keys of dicts and tables: how many, which, and with what chance."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcore.datatypes.sampling import distinct_keys, random_key, repeated_keys
from kvcore.datatypes.table import Table


def mapping(count: int, large: bool) -> dict[bytes, int] | Table[int]:
    if not large:
        return {b"%d" % number: number for number in range(count)}
    table: Table[int] = Table()
    for number in range(count):
        table.put(b"%d" % number, number)
    return table


@given(size=st.integers(0, 40), count=st.integers(0, 60), large=st.booleans(), seed=st.integers())
def test_counts(size: int, count: int, large: bool, seed: int) -> None:
    keys = mapping(size, large)
    distinct = distinct_keys(keys, count, Random(seed))
    assert len(distinct) == len(set(distinct)) == min(size, count)
    repeated = repeated_keys(keys, count, Random(seed))
    assert len(repeated) == (count if size else 0)
    assert set(distinct) | set(repeated) <= set(keys)


@pytest.mark.parametrize("large", [False, True])
def test_every_key_has_the_same_chance(large: bool) -> None:
    keys = mapping(20, large)
    random = Random(2)
    drawn = {
        "one": Counter(random_key(keys, random) for _ in range(20_000)),
        "few distinct": Counter(key for _ in range(5_000) for key in distinct_keys(keys, 4, random)),
        "many distinct": Counter(key for _ in range(2_000) for key in distinct_keys(keys, 10, random)),
        "few repeated": Counter(key for _ in range(5_000) for key in repeated_keys(keys, 4, random)),
        "many repeated": Counter(key for _ in range(200) for key in repeated_keys(keys, 100, random)),
    }
    for way, hits in drawn.items():
        assert hits.total() == 20_000
        # 1,000 expected with a deviation of at most 31.
        assert all(800 < hits[b"%d" % number] < 1_200 for number in range(20)), way
