"""The list type against a Python list."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kvcore.datatypes.list import List

VALUES = st.sampled_from([b"a", b"b", b"c", b"d"])
RANKS = st.integers(-12, 12)


def slice_of(values: list[bytes], start: int, stop: int) -> list[bytes]:
    """Both ends included, negative from the tail: spelled out one rank at a time."""
    length = len(values)
    first = start if start >= 0 else start + length
    last = stop if stop >= 0 else stop + length
    return [value for rank, value in enumerate(values) if first <= rank <= last]


class ListMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.list = List()
        self.model: list[bytes] = []

    @rule(values=st.lists(VALUES, max_size=4))
    def push_left(self, values: list[bytes]) -> None:
        self.list.push_left(values)
        self.model[:0] = values[::-1]

    @rule(values=st.lists(VALUES, max_size=4))
    def push_right(self, values: list[bytes]) -> None:
        self.list.push_right(values)
        self.model += values

    @rule(count=st.integers(0, 3), left=st.booleans())
    def pop_many(self, count: int, left: bool) -> None:
        expected = [self.model.pop(0 if left else -1) for _ in range(min(count, len(self.model)))]
        assert self.list.pop_many(count, left) == expected

    @rule(left=st.booleans())
    def pop(self, left: bool) -> None:
        if self.model:
            assert (self.list.pop_left() if left else self.list.pop_right()) == self.model.pop(0 if left else -1)

    @rule(start=RANKS, stop=RANKS)
    def range(self, start: int, stop: int) -> None:
        assert self.list.range(start, stop) == slice_of(self.model, start, stop)

    @rule(rank=RANKS, value=VALUES)
    def set_and_index(self, rank: int, value: bytes) -> None:
        inside = -len(self.model) <= rank < len(self.model)
        assert self.list.index(rank) == (self.model[rank] if inside else None)
        assert self.list.set(rank, value) == inside
        if inside:
            self.model[rank] = value

    @rule(pivot=VALUES, value=VALUES, after=st.booleans())
    def insert(self, pivot: bytes, value: bytes, after: bool) -> None:
        assert self.list.insert(pivot, value, after) == (pivot in self.model)
        if pivot in self.model:
            self.model.insert(self.model.index(pivot) + after, value)

    @rule(count=st.integers(-4, 4), value=VALUES)
    def remove(self, count: int, value: bytes) -> None:
        ranks = [rank for rank, item in enumerate(self.model) if item == value]
        gone = ranks if count == 0 else ranks[:count] if count > 0 else ranks[count:]
        assert self.list.remove(count, value) == len(gone)
        self.model = [item for rank, item in enumerate(self.model) if rank not in gone]

    @rule(start=RANKS, stop=RANKS)
    def trim(self, start: int, stop: int) -> None:
        kept = slice_of(self.model, start, stop)
        assert self.list.trim(start, stop) == len(self.model) - len(kept)
        self.model = kept

    @rule(value=VALUES, rank=st.integers(-3, 3).filter(bool), count=st.integers(0, 3), limit=st.integers(0, 9))
    def positions(self, value: bytes, rank: int, count: int, limit: int) -> None:
        looked_at = list(enumerate(self.model))
        if rank < 0:
            looked_at.reverse()
        if limit:
            looked_at = looked_at[:limit]
        matches = [position for position, item in looked_at if item == value][abs(rank) - 1 :]
        assert self.list.positions(value, rank, count, limit) == (matches[:count] if count else matches)

    @invariant()
    def agrees(self) -> None:
        self.list.check()
        assert list(self.list) == self.model
        assert len(self.list) == len(self.model)


TestListMachine = ListMachine.TestCase


@pytest.mark.parametrize(("start", "stop"), [(0, 2**63), (-(2**63), -1), (5, 1), (10, 20), (-1, 0), (2**63, -(2**63))])
def test_ranges_beyond_the_ends(start: int, stop: int) -> None:
    values = [b"%d" % number for number in range(10)]
    assert List(values).range(start, stop) == slice_of(values, start, stop)


def test_index_and_set_beyond_the_ends_at_any_size() -> None:
    values = List([b"a"])
    assert values.index(2**70) is None
    assert values.index(-(2**70)) is None
    assert values.set(2**70, b"b") is False


@given(st.lists(VALUES))
def test_a_copy_is_independent(values: list[bytes]) -> None:
    original = List(values)
    copy = original.copy()
    copy.push_left([b"x"])
    assert list(original) == values
    assert list(copy) == [b"x", *values]


def test_encoding() -> None:
    assert List([b"a"]).encoding == "quicklist"
