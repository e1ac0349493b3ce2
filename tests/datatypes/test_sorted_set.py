"""The sorted set type against a sorted list of pairs, its two forms, and ranges by rank, score and member."""

from __future__ import annotations

from math import copysign, inf
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kvcore.datatypes.ranges import LexBound, ScoreBound, parse_lex_bound
from kvcore.datatypes.sorted_set import SortedSet, ordered

MEMBERS = st.sampled_from([b"%c" % code for code in range(97, 115)] + [b"", b"a\0", b"ab", b"\xff"])
SCORES = st.sampled_from([-inf, -2.0, -0.0, 0.0, 1.0, 1.5, 3.0, inf]) | st.floats(allow_nan=False)
SCORE_BOUNDS = st.builds(ScoreBound, SCORES, st.booleans())
LEX_BOUNDS = st.builds(LexBound, MEMBERS, st.booleans(), st.sampled_from([-1, 0, 0, 0, 0, 1]))


class SortedSetMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.zset = SortedSet()
        self.model: dict[bytes, float] = {}
        self.large = False
        self.max_entries = 10

    @initialize(max_entries=st.sampled_from([0, 8, 100]))
    def limit(self, max_entries: int) -> None:
        self.max_entries = max_entries

    def pairs(self) -> list[tuple[bytes, float]]:
        return sorted(self.model.items(), key=lambda pair: (pair[1], pair[0]))

    @rule(member=MEMBERS, score=SCORES)
    def put(self, member: bytes, score: float) -> None:
        assert self.zset.put(member, score, self.max_entries, 64) == (member not in self.model)
        self.model[member] = score
        self.large |= len(self.model) > self.max_entries

    @rule(member=MEMBERS)
    def remove(self, member: bytes) -> None:
        assert self.zset.remove(member) == (self.model.pop(member, None) is not None)

    @rule(count=st.integers(0, 4), highest=st.booleans())
    def pop(self, count: int, highest: bool) -> None:
        pairs = self.pairs()[::-1] if highest else self.pairs()
        assert self.zset.pop(count, highest) == pairs[:count]
        for member, _ in pairs[:count]:
            del self.model[member]

    @rule(low=st.integers(0, 12), high=st.integers(0, 12), reverse=st.booleans())
    def range(self, low: int, high: int, reverse: bool) -> None:
        low, high = min(low, len(self.model)), min(high, len(self.model))
        pairs = self.pairs()[low:high]
        assert self.zset.range(low, high, reverse) == (pairs[::-1] if reverse else pairs)

    @rule(low=st.integers(0, 12), length=st.integers(0, 3))
    def remove_range(self, low: int, length: int) -> None:
        low = min(low, len(self.model))
        gone = self.pairs()[low : low + length]
        assert self.zset.remove_range(low, low + len(gone)) == len(gone)
        for member, _ in gone:
            del self.model[member]

    @rule(low=SCORE_BOUNDS, high=SCORE_BOUNDS)
    def score_range(self, low: ScoreBound, high: ScoreBound) -> None:
        expected = [
            (member, score)
            for member, score in self.pairs()
            if (score > low.value or (score == low.value and not low.exclusive))
            and (score < high.value or (score == high.value and not high.exclusive))
        ]
        start, stop = self.zset.score_range(low, high)
        assert self.zset.range(start, stop) == expected
        assert stop - start == len(expected)

    @rule(count=st.integers(0, 30), seed=st.integers())
    def random_members(self, count: int, seed: int) -> None:
        drawn = self.zset.random_members(count, Random(seed))
        assert len(drawn) == len(set(drawn)) == min(count, len(self.model))
        repeated = self.zset.random_members(count, Random(seed), repeat=True)
        assert len(repeated) == (count if self.model else 0)
        assert set(drawn) | set(repeated) <= set(self.model)
        if self.model:
            assert self.zset.random_member(Random(seed)) in self.model

    @invariant()
    def agrees(self) -> None:
        self.zset.check()
        assert list(self.zset.items()) == self.pairs()
        assert list(self.zset) == [member for member, _ in self.pairs()]
        assert len(self.zset) == len(self.model)
        assert list(self.zset.walk(1, len(self.model))) == [(score, member) for member, score in self.pairs()[1:]]
        for rank, (member, score) in enumerate(self.pairs()):
            assert self.zset.rank(member) == rank
            assert self.zset.score(member) == score
            assert member in self.zset
        assert self.zset.rank(b"absent") is None
        assert self.zset.score(b"absent") is None
        assert self.zset.encoding == ("skiplist" if self.large else "listpack")


TestSortedSetMachine = SortedSetMachine.TestCase
TestSortedSetMachine.settings = settings(stateful_step_count=40, deadline=None)


def filled(count: int, score: float = 0.0) -> SortedSet:
    return ordered(((b"%06d" % number, score) for number in range(count)), 128, 64)


@given(members=st.sets(MEMBERS), low=LEX_BOUNDS, high=LEX_BOUNDS, small=st.booleans())
def test_lex_ranges_of_equal_scores(members: set[bytes], low: LexBound, high: LexBound, small: bool) -> None:
    zset = ordered(((member, 2.0) for member in members), 100 if small else 0, 64)
    expected = [member for member in sorted(members) if low.allows_above(member) and high.allows_below(member)]
    for reverse in (False, True):
        start, stop = zset.lex_range(low, high, reverse)
        assert [member for member, _ in zset.range(start, stop)] == expected
        assert stop - start == len(expected)


@pytest.mark.parametrize("max_entries", [0, 128])
@pytest.mark.parametrize(
    ("low", "high", "forward", "backward"),
    [
        (b"-", b"+", b"fdbace", b"ecabdf"),
        (b"[b", b"[d", b"", b""),
        (b"[a", b"[b", b"", b""),
        (b"[c", b"+", b"fdbace", b"ec"),
        (b"-", b"[c", b"", b""),
        (b"(a", b"(d", b"", b""),
        (b"[e", b"[f", b"fdbace", b"e"),
        (b"[b", b"[b", b"", b""),
        (b"+", b"-", b"", b""),
        (b"[a", b"[a", b"", b""),
    ],
)
def test_lex_ranges_of_different_scores_are_those_of_the_real_server(
    max_entries: int, low: bytes, high: bytes, forward: bytes, backward: bytes
) -> None:
    zset = ordered([(b"a", 3), (b"d", 1), (b"b", 2), (b"f", 0), (b"c", 5), (b"e", 6)], max_entries, 64)
    lower, upper = parse_lex_bound(low), parse_lex_bound(high)
    assert lower is not None
    assert upper is not None
    assert b"".join(member for member, _ in zset.range(*zset.lex_range(lower, upper))) == forward
    assert b"".join(member for member, _ in zset.range(*zset.lex_range(lower, upper, True), True)) == backward


class TestForms:
    def test_the_entry_limit_is_inclusive(self) -> None:
        assert filled(128).encoding == "listpack"
        assert filled(129).encoding == "skiplist"

    def test_a_long_member_converts_but_a_new_score_does_not(self) -> None:
        zset = ordered([(b"x" * 64, 1)], 128, 64)
        assert zset.encoding == "listpack"
        zset.put(b"x" * 64, 2, 0, 0)
        assert zset.encoding == "listpack"
        zset.put(b"x" * 65, 2, 128, 64)
        assert zset.encoding == "skiplist"

    def test_the_form_never_changes_back(self) -> None:
        zset = filled(200)
        zset.remove_range(0, 199)
        assert (zset.encoding, len(zset)) == ("skiplist", 1)

    def test_only_the_large_form_has_negative_zero(self) -> None:
        for max_entries, sign in ((128, 1), (0, -1)):
            zset = ordered([(b"a", -0.0)], max_entries, 64)
            (pair,) = zset.items()
            assert copysign(1, pair[1]) == sign
            assert zset.score(b"a") == 0

    def test_an_equal_score_leaves_the_sign_of_zero(self) -> None:
        zset = ordered([(b"a", -0.0)], 0, 64)
        assert zset.put(b"a", 0.0, 0, 64) is False
        score = zset.score(b"a")
        assert score is not None
        assert copysign(1, score) == -1

    def test_a_copy_is_independent(self) -> None:
        for count in (3, 600):
            original = filled(count)
            copy = original.copy()
            copy.put(b"000000", 9, 128, 64)
            copy.remove(b"000001")
            copy.check()
            original.check()
            assert copy.encoding == original.encoding
            assert (original.score(b"000000"), len(original), len(copy)) == (0, count, count - 1)

    def test_scan_gives_a_small_set_at_once_in_order_and_a_large_one_in_parts(self) -> None:
        assert filled(20).scan(99, 3) == (0, [b"%06d" % number for number in range(20)])
        cursor, members = filled(2_000).scan(0, 10)
        assert cursor != 0
        assert len(members) == 10


def test_a_large_set_keeps_its_order_through_random_changes() -> None:
    random = Random(4)
    zset, model = SortedSet(), dict[bytes, float]()
    for _ in range(20_000):
        member = b"%d" % random.randrange(3_000)
        if random.random() < 0.3:
            assert zset.remove(member) == (model.pop(member, None) is not None)
        else:
            score = float(random.randrange(500))
            assert zset.put(member, score, 128, 64) == (member not in model)
            model[member] = score
    zset.check()
    pairs = sorted(model.items(), key=lambda pair: (pair[1], pair[0]))
    assert zset.range(0, len(zset)) == pairs
    start, stop = zset.score_range(ScoreBound(100), ScoreBound(200, True))
    assert stop - start == sum(100 <= score < 200 for score in model.values())
    assert zset.remove_range(10, 1_000) == 990
    assert zset.range(0, len(zset)) == pairs[:10] + pairs[1_000:]
    zset.check()


def test_ordered_is_made_in_its_final_form() -> None:
    small = ordered([(b"a", -0.0), (b"b", 2.0), (b"a", 1.0)], 2, 64)
    assert small.encoding == "listpack"
    assert list(small.items()) == [(b"a", 1.0), (b"b", 2.0)]
    for large in (ordered([(b"b", 1.0), (b"a", -0.0)], 1, 64), ordered([(b"b", 1.0), (b"a", -0.0)], 2, 0)):
        large.check()
        assert large.encoding == "skiplist"
        assert [(member, str(score)) for member, score in large.items()] == [(b"a", "-0.0"), (b"b", "1.0")]
