"""The set type against Python's set, its two forms, and set algebra."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kvcore.datatypes.set import Set, difference, intersection, union

MAX_INTSET = 8
NUMBERS = st.integers(-6, 20).map(lambda number: b"%d" % number)
MEMBERS = NUMBERS | NUMBERS | st.sampled_from([b"a", b"01", b"-0", b"9223372036854775808"])
SETS = st.lists(st.lists(MEMBERS, max_size=30), min_size=1, max_size=4)


class SetMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.set = Set()
        self.model: set[bytes] = set()

    @rule(member=NUMBERS)
    def add_number(self, member: bytes) -> None:
        assert self.set.add(member, MAX_INTSET) == (member not in self.model)
        self.model.add(member)

    @rule(member=MEMBERS)
    def add(self, member: bytes) -> None:
        self.add_number(member)

    @rule(member=MEMBERS)
    def remove(self, member: bytes) -> None:
        assert self.set.remove(member) == (member in self.model)
        self.model.discard(member)

    @rule(count=st.integers(0, 12), seed=st.integers())
    def pop_random(self, count: int, seed: int) -> None:
        popped = self.set.pop_random(count, Random(seed))
        assert len(popped) == len(set(popped)) == min(count, len(self.model))
        assert set(popped) <= self.model
        self.model -= set(popped)

    @rule(count=st.integers(0, 30), seed=st.integers())
    def random_members(self, count: int, seed: int) -> None:
        drawn = self.set.random_members(count, Random(seed))
        assert len(drawn) == len(set(drawn)) == min(count, len(self.model))
        assert set(drawn) <= self.model
        repeated = self.set.random_members(count, Random(seed), repeat=True)
        assert len(repeated) == (count if self.model else 0)
        assert set(repeated) <= self.model
        if self.model:
            assert self.set.random_member(Random(seed)) in self.model

    @invariant()
    def agrees(self) -> None:
        self.set.check()
        assert set(self.set) == self.model
        assert len(self.set) == len(self.model)
        assert all(member in self.set for member in self.model)
        if self.set.encoding == "intset":
            assert list(self.set) == sorted(self.model, key=int)
            assert len(self.model) <= MAX_INTSET


TestSetMachine = SetMachine.TestCase
TestSetMachine.settings = settings(stateful_step_count=60, deadline=None)


def numbers(count: int) -> Set:
    return Set(b"%d" % (number * 7919 % count) for number in range(count))


@pytest.mark.parametrize("member", [b"a", b"", b"+1", b"01", b"-0", b"1.0", b"9223372036854775808"])
def test_anything_but_a_canonical_integer_converts(member: bytes) -> None:
    members = Set([b"1", b"-9223372036854775808"])
    assert members.encoding == "intset"
    members.add(member, 512)
    assert members.encoding == "hashtable"
    assert set(members) == {b"1", b"-9223372036854775808", member}


def test_the_limit_is_inclusive_and_the_form_never_changes_back() -> None:
    assert numbers(512).encoding == "intset"
    members = numbers(513)
    assert members.encoding == "hashtable"
    members.pop_random(512, Random(0))
    assert members.encoding == "hashtable"


def test_integers_come_in_ascending_order_whatever_happened() -> None:
    members = Set([b"10", b"9", b"-3"])
    assert list(members) == [b"-3", b"9", b"10"]
    members.remove(b"9")
    members.add(b"0", 512)
    assert members.scan(77, 1) == (0, [b"-3", b"0", b"10"])


def test_scan_gives_a_table_in_parts() -> None:
    cursor, members = numbers(2_000).scan(0, 10)
    assert cursor != 0
    assert len(members) == 10


def test_a_copy_is_independent() -> None:
    for count in (3, 600):
        original = numbers(count)
        copy = original.copy()
        assert copy.encoding == original.encoding
        copy.remove(b"1")
        copy.add(b"-5", 512)
        copy.check()
        assert b"1" in original
        assert b"-5" not in original


@given(SETS)
def test_union(sources: list[list[bytes]]) -> None:
    result = union([Set(source) for source in sources], 512)
    result.check()
    assert set(result) == set().union(*sources)


@given(SETS, st.integers(0, 5))
def test_intersection(sources: list[list[bytes]], limit: int) -> None:
    sets = [Set(source) for source in sources]
    expected = set(sources[0]).intersection(*sources)
    found = intersection(sets, limit)
    assert len(found) == len(set(found)) == (min(limit, len(expected)) if limit else len(expected))
    assert set(found) <= expected
    smallest = min(sets, key=len)
    assert found == [member for member in smallest if member in found]


@given(SETS)
def test_difference(sources: list[list[bytes]]) -> None:
    sets = [Set(source) for source in sources]
    result = difference(sets[0], sets[1:], 512)
    result.check()
    assert set(result) == set(sources[0]).difference(*sources[1:])


def test_algebra_with_itself_and_with_nothing() -> None:
    members = numbers(5)
    assert len(difference(members, [members], 512)) == 0
    assert intersection([members, members]) == list(members)
    assert intersection([]) == []
    assert intersection([members, Set()]) == []
    assert len(union([], 512)) == 0
