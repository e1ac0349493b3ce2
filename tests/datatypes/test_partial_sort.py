"""The partial sort beside Python's own. The order of ties beside the real server's: tests/oracle/test_geo.py."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kvcore.datatypes.partial_sort import first_positions

KEYS = st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0, -1.0, 0.5]), max_size=150)


@given(st.one_of(KEYS, st.lists(st.floats(allow_nan=False))), st.integers(0, 160))
def test_the_least_keys_come_first(keys: list[float], count: int) -> None:
    positions = first_positions(keys, count)
    assert [keys[position] for position in positions] == sorted(keys)[:count]
    assert len(set(positions)) == len(positions)


@given(KEYS)
def test_all_keys_are_sorted_stably(keys: list[float]) -> None:
    assert first_positions(keys, len(keys)) == sorted(range(len(keys)), key=keys.__getitem__)


@given(st.lists(st.sampled_from([0.0, 1.0]), max_size=6), st.integers(0, 6))
def test_few_keys_are_sorted_stably(keys: list[float], count: int) -> None:
    assert first_positions(keys, count) == sorted(range(len(keys)), key=keys.__getitem__)[:count]


def test_ties_of_many_are_swapped_about() -> None:
    assert first_positions([0.0] * 7, 3) == [3, 1, 2]
    assert first_positions([0.0] * 6, 3) == [0, 1, 2]


def test_many_equal_keys_take_no_recursion() -> None:
    keys = [float(number % 2) for number in range(20_000)]
    assert {keys[position] for position in first_positions(keys, 10_000)} == {0.0}
