"""The hash type against a dict, and when it changes form."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kvcore.datatypes.hash import Hash

MAX_ENTRIES, MAX_VALUE = 8, 5
FIELDS = st.integers(0, 20).map(lambda number: b"f%d" % number)
VALUES = st.binary(max_size=6)


def filled(count: int, max_entries: int = 512) -> Hash:
    fields = Hash()
    for number in range(count):
        fields.put(b"f%d" % number, b"%d" % number, max_entries, 64)
    return fields


class HashMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.hash = Hash()
        self.model: dict[bytes, bytes] = {}
        self.large = False

    @rule(field=FIELDS, value=VALUES)
    def put(self, field: bytes, value: bytes) -> None:
        assert self.hash.put(field, value, MAX_ENTRIES, MAX_VALUE) == (field not in self.model)
        self.model[field] = value
        self.large |= len(self.model) > MAX_ENTRIES or len(value) > MAX_VALUE

    @rule(field=FIELDS)
    def remove(self, field: bytes) -> None:
        assert self.hash.remove(field) == (self.model.pop(field, None) is not None)

    @rule(seed=st.integers(), count=st.integers(0, 25))
    def random_fields(self, seed: int, count: int) -> None:
        drawn = self.hash.random_fields(count, Random(seed))
        assert len(drawn) == len(set(drawn)) == min(count, len(self.model))
        assert set(drawn) <= set(self.model)
        repeated = self.hash.random_fields(count, Random(seed), repeat=True)
        assert len(repeated) == (count if self.model else 0)
        assert set(repeated) <= set(self.model)
        if self.model:
            assert self.hash.random_field(Random(seed)) in self.model

    @invariant()
    def agrees(self) -> None:
        self.hash.check()
        assert dict(self.hash.items()) == self.model
        assert set(self.hash) == set(self.model)
        assert sorted(self.hash.values()) == sorted(self.model.values())
        assert len(self.hash) == len(self.model)
        assert all(self.hash.get(field) == value and field in self.hash for field, value in self.model.items())
        assert self.hash.get(b"absent") is None
        assert self.hash.encoding == ("hashtable" if self.large else "listpack")


TestHashMachine = HashMachine.TestCase
TestHashMachine.settings = settings(stateful_step_count=60, deadline=None)


def test_the_entry_limit_is_inclusive() -> None:
    assert filled(512).encoding == "listpack"
    assert filled(513).encoding == "hashtable"


@pytest.mark.parametrize(("field", "value"), [(b"x" * 65, b"v"), (b"f", b"x" * 65)])
def test_a_long_field_or_value_converts(field: bytes, value: bytes) -> None:
    fields = filled(3)
    fields.put(field[:64], value[:64], 512, 64)
    assert fields.encoding == "listpack"
    fields.put(field, value, 512, 64)
    assert fields.encoding == "hashtable"
    assert fields.get(field) == value
    fields.check()


def test_the_form_never_changes_back() -> None:
    fields = filled(600)
    for number in range(599):
        fields.remove(b"f%d" % number)
    assert fields.encoding == "hashtable"
    assert len(fields) == 1


def test_small_hashes_keep_the_order_of_insertion() -> None:
    fields = filled(3)
    fields.put(b"f0", b"new", 512, 64)
    assert list(fields.items()) == [(b"f0", b"new"), (b"f1", b"1"), (b"f2", b"2")]


def test_scan_gives_a_small_hash_at_once_and_a_large_one_in_parts() -> None:
    assert filled(100).scan(12345, 10) == (0, [b"f%d" % number for number in range(100)])
    cursor, fields = filled(2_000).scan(0, 10)
    assert cursor != 0
    assert len(fields) == 10


def test_a_copy_is_independent() -> None:
    for count in (3, 600):
        original = filled(count)
        copy = original.copy()
        assert copy.encoding == original.encoding
        copy.put(b"f0", b"changed", 512, 64)
        copy.remove(b"f1")
        assert (original.get(b"f0"), original.get(b"f1"), len(copy)) == (b"0", b"1", count - 1)
