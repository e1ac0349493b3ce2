"""Deadlines: the earliest first, whatever was put, moved and removed before."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcore.datatypes.deadlines import Deadlines
from kvcore.datatypes.hash import Hash
from kvcore.datatypes.set import Set
from kvcore.datatypes.sorted_set import SortedSet
from kvcore.datatypes.table import Table


def deadlines(**times: int) -> Deadlines:
    made = Deadlines()
    for name, at_ms in times.items():
        made.put(name.encode(), at_ms)
    return made


def test_the_earliest_comes_first() -> None:
    made = deadlines(b=20, a=10, c=30)
    assert made.first() == (10, b"a")
    made.put(b"a", 25)
    assert made.first() == (20, b"b")
    assert made.remove(b"b")
    assert not made.remove(b"b")
    assert made.first() == (25, b"a")
    assert made.get(b"b") is None
    made.check()


def test_due_names_leave_in_order_and_no_more_than_asked_for() -> None:
    made = deadlines(b=20, a=10, c=30, d=40)
    assert made.pop_due(9) == []
    assert made.pop_due(30, limit=2) == [b"a", b"b"]
    assert made.pop_due(30) == [b"c"]
    assert dict(made.items()) == {b"d": 40}


def test_a_time_given_back_counts_once() -> None:
    made = deadlines(a=10)
    made.put(b"a", 20)
    made.put(b"a", 10)
    assert made.pop_due(50) == [b"a"]
    assert made.first() is None


def test_no_deadlines() -> None:
    assert Deadlines().first() is None
    assert Deadlines().pop_due(1) == []
    assert len(Deadlines()) == 0


def test_a_name_that_moves_for_ever_takes_no_more_room() -> None:
    made = deadlines(a=0, b=1)
    for at_ms in range(10_000):
        made.put(b"a", at_ms)
    assert len(made._heap) <= 2 * len(made) + 16
    assert made.first() == (1, b"b")


def test_many_deadlines_are_kept_in_a_table() -> None:
    made = Deadlines()
    for number in range(2000):
        made.put(b"%d" % number, number)
    assert isinstance(made.times, Table)
    made.check()
    copy = made.copy()
    assert len(copy.pop_due(999)) == 1000
    assert copy.remove(b"1500")
    assert (len(copy), len(made)) == (999, 2000)
    copy.check()
    assert sum(len(part) for part in made.pieces() if isinstance(part, list)) == 2000


@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from("abcdef"), st.integers(0, 50)),
            st.tuples(st.sampled_from("abcdef"), st.none()),
            st.tuples(st.just(""), st.integers(0, 50)),
        )
    )
)
def test_any_sequence_agrees_with_a_plain_dict(steps: list[tuple[str, int | None]]) -> None:
    made, model = Deadlines(), dict[bytes, int]()
    for text, time in steps:
        name = text.encode()
        if time is None:
            assert made.remove(name) == (model.pop(name, None) is not None)
        elif name:
            made.put(name, time)
            model[name] = time
        else:
            due = {key for key, at_ms in model.items() if at_ms <= time}
            assert set(made.pop_due(time)) == due
            model = {key: at_ms for key, at_ms in model.items() if key not in due}
        made.check()
        assert dict(made.items()) == model
        assert made.first() == min(((at_ms, key) for key, at_ms in model.items()), default=None)


def hash_of(*members: bytes) -> Hash:
    made = Hash()
    for member in members:
        made.put(member, b"v", 128, 64)
    return made


def sorted_set_of(*members: bytes) -> SortedSet:
    made = SortedSet()
    for score, member in enumerate(members):
        made.put(member, float(score), 128, 64)
    return made


@pytest.mark.parametrize("make", [hash_of, sorted_set_of, lambda *members: Set(members)])
def test_a_removed_member_loses_its_time(make: object) -> None:
    assert callable(make)
    container = make(b"a", b"b")
    container.expires = deadlines(a=10, b=20)
    copy = container.copy()
    assert container.remove(b"a")
    container.check()
    assert (container.expiry(b"a"), container.expiry(b"b")) == (None, 20)
    assert container.clear_expiry(b"b")
    assert not container.clear_expiry(b"b")
    assert container.expires is None
    assert dict(copy.expires.items()) == {b"a": 10, b"b": 20}
    copy.check()


def test_a_field_set_anew_loses_its_time() -> None:
    fields = hash_of(b"a")
    fields.expires = deadlines(a=10)
    assert not fields.put(b"a", b"w", 128, 64)
    assert fields.expires is None


def test_members_taken_at_random_or_off_an_end_lose_their_times() -> None:
    import random

    members = Set([b"1", b"2", b"3"])
    members.expires = deadlines(**{"1": 1, "2": 2, "3": 3})
    taken = members.pop_random(2, random.Random(1))
    members.check()
    assert members.expires is not None
    assert len(members.expires) == 1
    assert len(taken) == 2
    members.pop_random(1, random.Random(1))
    assert members.expires is None
    scores = sorted_set_of(b"a", b"b", b"c")
    scores.expires = deadlines(a=1, c=3)
    scores.pop(1)
    scores.remove_range(0, 1)
    scores.check()
    assert scores.expires is not None
    assert dict(scores.expires.items()) == {b"c": 3}
