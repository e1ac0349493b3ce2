"""The table against a dict, its scan guarantee while it grows and shrinks, the fairness of random keys."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kvcore.datatypes.table import (
    DIRECTORY_SLACK,
    SEGMENT_MAX,
    SMALL_DIRECTORY,
    STAMP_SHIFT,
    UNVISITED_MAX,
    UNVISITED_SHIFT,
    Table,
)


class ChosenHash(bytes):
    """A key whose hash the test chooses: its own text as a number."""

    def __hash__(self) -> int:
        return int(self.split(b":")[0])


def key(number: int) -> bytes:
    return b"key:%d" % number


def filled(count: int) -> Table[int]:
    table: Table[int] = Table()
    for number in range(count):
        table.put(key(number), number)
    return table


def scan_all(table: Table[int], count: int) -> list[bytes]:
    found: list[bytes] = []
    cursor, keys = table.scan(0, count)
    found += keys
    while cursor:
        cursor, keys = table.scan(cursor, count)
        found += keys
    return found


class TestMapping:
    def test_an_empty_table(self) -> None:
        table: Table[int] = Table()
        assert len(table) == 0
        assert table.get(b"") is None
        assert table.pop(b"") is None
        assert b"" not in table
        assert list(table) == list(table.items()) == list(table.values()) == []
        assert table.scan(0, 10) == (0, [])
        table.check()

    def test_put_says_whether_the_key_is_new(self) -> None:
        table: Table[int] = Table()
        assert table.put(b"k", 1) is True
        assert table.put(b"k", 2) is False
        assert table.get(b"k") == 2
        assert len(table) == 1

    def test_setdefault_keeps_what_is_there(self) -> None:
        table = filled(SEGMENT_MAX - 1)
        assert table.setdefault(key(5), -1) == 5
        assert table.setdefault(b"new", -1) == -1
        assert len(table) == SEGMENT_MAX
        table.check()

    def test_a_segment_splits_at_its_maximum(self) -> None:
        table = filled(SEGMENT_MAX - 1)
        assert len(table.directory) == 1
        table.put(b"one more", 0)
        assert len(table.directory) == 2
        table.check()

    def test_grows_and_shrinks_back_to_one_segment(self) -> None:
        table = filled(50_000)
        table.check()
        assert len(table.directory) >= 50_000 // SEGMENT_MAX
        assert sorted(table) == sorted(map(key, range(50_000)))
        for number in range(50_000):
            assert table.pop(key(number)) == number
            if number % 5_000 == 0:
                table.check()
        table.check()
        assert len(table.directory) == 1

    def test_clear_and_swap(self) -> None:
        one, other = filled(3_000), filled(10)
        one.swap_contents(other)
        one.check()
        other.check()
        assert (len(one), len(other)) == (10, 3_000)
        other.clear()
        other.check()
        assert len(other) == 0
        assert one.get(key(9)) == 9

    def test_a_copy_is_independent(self) -> None:
        table = filled(5_000)
        copy = table.copy()
        copy.check()
        assert dict(copy.items()) == dict(table.items())
        copy.put(key(0), -1)
        for number in range(1, 5_000):
            copy.pop(key(number))
        copy.check()
        table.check()
        assert (len(copy), len(table), table.get(key(0))) == (1, 5_000, 0)

    def test_hooks_account_for_a_key_added_or_removed_in_place(self) -> None:
        table: Table[int] = Table()
        for number in range(5_000):
            segment = table.directory[hash(key(number)) & table.mask]
            segment[key(number)] = number
            table._after_insert(segment, key(number))
        table.check()
        assert len(table) == 5_000
        for number in range(5_000):
            segment = table.directory[hash(key(number)) & table.mask]
            del segment[key(number)]
            table._after_remove(segment, key(number))
        table.check()
        assert (len(table), len(table.directory)) == (0, 1)


class TestEqualHashes:
    def test_the_directory_stays_in_proportion(self) -> None:
        table: Table[int] = Table()
        for number in range(3_000):
            table.put(ChosenHash(b"7:%d" % number), number)
        table.check()
        assert len(table) == 3_000
        assert len(table.directory) <= 2 * DIRECTORY_SLACK * 3_000 // SEGMENT_MAX
        assert len(scan_all(table, 10)) == 3_000
        for number in range(3_000):
            assert table.pop(ChosenHash(b"7:%d" % number)) == number
        table.check()
        assert len(table.directory) == 1

    def test_a_segment_longer_than_a_cursor_counts_goes_out_in_part(self) -> None:
        table: Table[int] = Table()
        for number in range(3_000):
            table.put(ChosenHash(b"0:%d" % number), number)
        cursor, keys = table.scan(0, 10)
        assert len(keys) == 3_000 - UNVISITED_MAX
        assert cursor >> UNVISITED_SHIFT & UNVISITED_MAX == UNVISITED_MAX
        assert len(table.scan(cursor, 10)[1]) == 10

    def test_random_keys_stay_fair(self) -> None:
        table: Table[int] = Table()
        for number in range(1_500):
            table.put(ChosenHash(b"0:%d" % number), number)
            table.put(ChosenHash(b"%d:" % (2 * number + 1)), -1)
        random = Random(1)
        crowded = sum(table.get(table.random_key(random)) != -1 for _ in range(2_000))
        assert 900 < crowded < 1_100


class TestScan:
    @pytest.mark.parametrize("count", [1, 10, 100, 1_000, 100_000])
    def test_returns_every_key_once_while_nothing_changes(self, count: int) -> None:
        table = filled(5_000)
        assert sorted(scan_all(table, count)) == sorted(map(key, range(5_000)))

    def test_count_is_exact_but_for_the_last_call(self) -> None:
        table = filled(5_000)
        cursor, keys = table.scan(0, 7)
        while cursor:
            assert len(keys) == 7
            cursor, keys = table.scan(cursor, 7)
        assert len(keys) <= 7

    def test_a_run_of_empty_segments_is_cut(self) -> None:
        table: Table[int] = Table()
        for number in range(40_000):
            table.put(ChosenHash(b"%d" % number), number)
        segments = sum(1 for _ in table.segments())
        # Emptied behind the table's back: removes through the table would merge the segments away.
        for segment in table.segments():
            segment.clear()
        calls, cursor = 1, table.scan(0, 1)[0]
        while cursor:
            calls, cursor = calls + 1, table.scan(cursor, 1)[0]
        assert calls == -(-segments // 10)
        assert segments > 20

    def test_a_merge_lists_the_segment_again(self) -> None:
        table = filled(SEGMENT_MAX)
        cursor, first = table.scan(0, 5)
        stay = set(list(table)[:100])
        found = set(first)
        for number in range(SEGMENT_MAX):
            if key(number) not in stay:
                table.pop(key(number))
        assert len(table.directory) == 1
        cursor, keys = table.scan(cursor, 5)
        assert cursor == 0
        assert stay <= found | set(keys)

    def test_a_split_and_a_merge_back_between_two_calls_lose_nothing(self) -> None:
        table = filled(SEGMENT_MAX - 1)
        present = set(table)
        cursor, keys = table.scan(0, 300)
        found = set(keys)
        unvisited = present - found
        for number in range(2_000):
            table.put(b"extra:%d" % number, 0)
        assert len(table.directory) > 1
        for number in range(2_000):
            table.pop(b"extra:%d" % number)
        stay = set(sorted(unvisited)[:100])
        for gone in present - stay:
            table.pop(gone)
        assert len(table.directory) == 1
        while cursor:
            cursor, keys = table.scan(cursor, 50)
            found |= set(keys)
        assert stay <= found

    @pytest.mark.parametrize("growth", [1, 50])
    def test_a_large_table_that_grows_and_shrinks_during_a_scan(self, growth: int) -> None:
        random = Random(growth)
        stay = {b"stay:%d" % number for number in range(2_000)}
        table: Table[int] = Table()
        for name in stay:
            table.put(name, 0)
        for number in range(100_000 // growth):
            table.put(key(number), number)
        found: set[bytes] = set()
        cursor = 0
        low, high, growing = 0, 100_000 // growth, growth > 1
        while True:
            cursor, keys = table.scan(cursor, 40)
            found.update(keys)
            if cursor == 0:
                break
            for _ in range(random.randrange(2_000)):
                if growing:
                    table.put(key(high), 0)
                    high += 1
                elif low < high:
                    table.pop(key(low))
                    low += 1
            if high - low >= 100_000 or low == high:
                growing = not growing
        table.check()
        assert stay <= found

    def test_a_scan_moves_on_although_merges_never_end(self) -> None:
        table = filled(20_000)
        calls, cursor = 1, table.scan(0, 1)[0]
        while cursor:
            table._merges += 1
            calls, cursor = calls + 1, table.scan(cursor, 1)[0]
        assert calls <= 2 * len(table.directory)

    @given(cursor=st.integers(-(2**70), 2**70), count=st.integers(-5, 50))
    @settings(max_examples=200, deadline=None)
    def test_any_cursor_is_safe_and_ends(self, cursor: int, count: int) -> None:
        table = TABLE_OF_3000
        calls = 0
        while True:
            cursor, _ = table.scan(cursor, count)
            assert 0 <= cursor < 2**63
            if cursor == 0:
                break
            calls += 1
            assert calls <= 3_000 + len(table.directory)


TABLE_OF_3000 = filled(3_000)


class TestRandomKey:
    def test_every_key_has_the_same_chance(self) -> None:
        table = filled(2_000)
        assert len({*table.depths}) > 1 or len(table.directory) > 2
        random = Random(7)
        hits = Counter(table.random_key(random) for _ in range(40_000))
        # 20 expected for each key: the squared deviations over 20 add up to chi-square of 1,999 degrees.
        chi_square = sum((hits[name] - 20) ** 2 / 20 for name in table)
        assert 1_999 - 6 * 63.2 < chi_square < 1_999 + 6 * 63.2

    def test_segments_of_different_depth_are_fair(self) -> None:
        table: Table[int] = Table()
        for number in range(600):
            table.put(ChosenHash(b"%d" % (2 * number)), 0)
        for number in range(1_300):
            table.put(ChosenHash(b"%d" % (2 * number + 1)), 1)
        assert set(table.depths) == {1, 2, 3} or set(table.depths) == {1, 2}
        random = Random(3)
        odd = sum(table.get(table.random_key(random)) or 0 for _ in range(19_000))
        assert 12_600 < odd < 13_400

    def test_a_lopsided_table_still_answers(self) -> None:
        table: Table[int] = Table()
        for number in range(200_000):
            table.put(ChosenHash(b"%d" % number), number)
        for number in range(200_000):
            if number & table.mask:
                table.pop(ChosenHash(b"%d" % number))
        table.check()
        assert len(table.directory) > SMALL_DIRECTORY
        random = Random(5)
        drawn = {table.random_key(random) for _ in range(50 * len(table))}
        assert drawn == set(table)


class TableMachine(RuleBasedStateMachine):
    """A table beside a dict, with one scan under way: what is present throughout must be returned."""

    @initialize()
    def start(self) -> None:
        self.table: Table[int] = Table()
        self.model: dict[bytes, int] = {}
        self.cursor = 0
        self.pending: set[bytes] | None = None  # present since the scan began, not returned yet

    @rule(start=st.integers(0, 6_000), count=st.sampled_from([1, 7, 400, 2_500]), step=st.integers(1, 3))
    def insert(self, start: int, count: int, step: int) -> None:
        for number in range(start, start + count * step, step):
            name = key(number)
            assert self.table.put(name, number) == (name not in self.model)
            self.model[name] = number

    @rule(start=st.integers(0, 6_000), count=st.sampled_from([1, 7, 400, 6_000]), step=st.integers(1, 3))
    def delete(self, start: int, count: int, step: int) -> None:
        for number in range(start, start + count * step, step):
            name = key(number)
            assert self.table.pop(name) == self.model.pop(name, None)
            if self.pending is not None:
                self.pending.discard(name)

    @rule(modulus=st.integers(2, 40))
    def thin_out(self, modulus: int) -> None:
        for name in [name for name, number in self.model.items() if number % modulus]:
            self.table.pop(name)
            del self.model[name]
            if self.pending is not None:
                self.pending.discard(name)

    @rule(count=st.integers(1, 300))
    def scan(self, count: int) -> None:
        if self.pending is None:
            self.pending, self.cursor = set(self.model), 0
        self.cursor, keys = self.table.scan(self.cursor, count)
        assert len(keys) <= max(count, SEGMENT_MAX)
        assert all(name in self.model for name in keys)
        self.pending.difference_update(keys)
        if self.cursor == 0:
            assert not self.pending
            self.pending = None

    @precondition(lambda self: self.pending is not None)
    @rule(count=st.integers(1, 300))
    def scan_to_the_end(self, count: int) -> None:
        while self.pending is not None:
            self.scan(count)

    @rule()
    def clear(self) -> None:
        self.table.clear()
        self.model.clear()
        if self.pending is not None:
            self.pending.clear()

    @invariant()
    def agrees(self) -> None:
        if hasattr(self, "table"):
            self.table.check()
            assert dict(self.table.items()) == self.model


TestTableMachine = TableMachine.TestCase
TestTableMachine.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


@pytest.mark.parametrize("size", [1, 5, 100, 5000])
def test_drawn_keys_are_different_and_come_from_everywhere(size: int) -> None:
    table = filled(size)
    source = Random(1)
    seen: set[bytes] = set()
    for _ in range(size):
        drawn = table.draw_keys(20, source)
        assert len(drawn) == len(set(drawn)) == min(20, size)
        seen.update(drawn)
    assert seen <= set(table)
    assert len(seen) > 0.9 * size


def test_the_stamp_is_above_the_other_fields() -> None:
    table = filled(SEGMENT_MAX - 1)
    table._merges = 5
    cursor, _ = table.scan(0, 1)
    assert cursor == 5 << STAMP_SHIFT | (SEGMENT_MAX - 2) << UNVISITED_SHIFT
