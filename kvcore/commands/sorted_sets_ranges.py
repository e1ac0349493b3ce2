"""Commands on ranges of sorted sets: by rank, by score, by member.

What lives here: ZRANGE with its older spellings, ZRANGESTORE, counts and removals of a range. What must not: how a
range is found (:class:`~kvcore.datatypes.sorted_set.SortedSet`) and the text of bounds
(:mod:`kvcore.datatypes.ranges`). The rule: each command turns its arguments into one :class:`_Range`, and that into
ranks, before it looks at a key; so bad arguments are reported before a key of the wrong type, as the real server does.
"""

from __future__ import annotations

from typing import Final

from kvcore import errors
from kvcore.arguments import integer
from kvcore.call import Call
from kvcore.command import command
from kvcore.commands.sorted_sets import score_pairs
from kvcore.datatypes.ranges import LexBound, ScoreBound, parse_lex_bound, parse_score_bound
from kvcore.datatypes.sorted_set import SortedSet, ordered
from kvcore.errors import CommandError
from kvcore.notifications import GENERIC, ZSET
from kvcore.replies import Reply

_ANY: Final = 0
_RANK: Final = 1
_SCORE: Final = 2
_LEX: Final = 3

_FORWARD: Final = 1
_REVERSE: Final = 2


def _score_bounds(low: bytes, high: bytes) -> tuple[ScoreBound, ScoreBound]:
    first, last = parse_score_bound(low), parse_score_bound(high)
    if first is None or last is None:
        raise CommandError(errors.BOUND_NOT_A_FLOAT)
    return first, last


def _lex_bounds(low: bytes, high: bytes) -> tuple[LexBound, LexBound]:
    first, last = parse_lex_bound(low), parse_lex_bound(high)
    if first is None or last is None:
        raise CommandError(errors.BOUND_NOT_A_STRING)
    return first, last


def _clip(start: int, stop: int, length: int) -> tuple[int, int]:
    """Turn an inclusive range of ranks, negative ones from the end, into a half-open one within the length."""
    if start < 0:
        start = max(start + length, 0)
    if stop < 0:
        stop += length
    stop = min(stop + 1, length)
    return (start, stop) if start < stop else (0, 0)


class _Range:
    """What part of a sorted set a command asks for."""

    __slots__ = ("count", "kind", "lex", "offset", "ranks", "reverse", "scores", "with_scores")

    def __init__(
        self,
        kind: int,
        direction: int,
        start: bytes,
        stop: bytes,
        options: tuple[bytes, ...],
        store: bool = False,
    ) -> None:
        """Parse ``start stop [options]``; a kind or direction of ``_ANY`` leaves it to the options."""
        self.with_scores = False
        self.offset = 0
        self.count = -1
        self.kind = kind
        self.reverse = direction == _REVERSE
        self._parse_options(options, direction, store)
        if self.count != -1 and self.kind == _RANK:
            raise CommandError(errors.LIMIT_NEEDS_BY)
        if self.with_scores and self.kind == _LEX:
            raise CommandError(errors.WITHSCORES_BYLEX)
        low, high = (stop, start) if self.reverse else (start, stop)
        self.ranks: tuple[int, int] | None = None
        self.scores: tuple[ScoreBound, ScoreBound] | None = None
        self.lex: tuple[LexBound, LexBound] | None = None
        if self.kind == _RANK:
            self.ranks = integer(start), integer(stop)
        elif self.kind == _SCORE:
            self.scores = _score_bounds(low, high)
        else:
            self.lex = _lex_bounds(low, high)

    def _parse_options(self, options: tuple[bytes, ...], direction: int, store: bool) -> None:
        words = iter(options)
        left = len(options)
        for word in words:
            left -= 1
            name = word.upper()
            if name == b"WITHSCORES" and not store:
                self.with_scores = True
            elif name == b"LIMIT" and left >= 2:
                self.offset, self.count = integer(next(words)), integer(next(words))
                left -= 2
            elif name == b"REV" and direction == _ANY:
                direction = _REVERSE
                self.reverse = True
            elif name == b"BYSCORE" and self.kind == _ANY:
                self.kind = _SCORE
            elif name == b"BYLEX" and self.kind == _ANY:
                self.kind = _LEX
            else:
                raise CommandError(errors.SYNTAX)
        if self.kind == _ANY:
            self.kind = _RANK

    def select(self, source: SortedSet) -> list[tuple[bytes, float]]:
        """Return the members and scores asked for, in the order asked for. O(log n + skipped + returned)."""
        reverse = self.reverse
        if self.ranks is not None:
            length = len(source)
            start, stop = _clip(*self.ranks, length)
            if reverse:
                start, stop = length - stop, length - start
        else:
            if self.scores is not None:
                start, stop = source.score_range(*self.scores)
            else:
                assert self.lex is not None
                start, stop = source.lex_range(*self.lex, reverse)
            offset, count = self.offset, self.count
            if offset < 0 or offset >= stop - start:
                return []
            if reverse:
                stop -= offset
                start = start if count < 0 else max(start, stop - count)
            else:
                start += offset
                stop = stop if count < 0 else min(stop, start + count)
        return source.range(start, stop, reverse) if start < stop else []


def _reply(call: Call, key: bytes, wanted: _Range) -> Reply:
    source = call.db.read_as(key, SortedSet)
    if source is None:
        return []
    return score_pairs(call, wanted.select(source), wanted.with_scores)


# Reading ranges


@command(
    "ZRANGE",
    arity=-4,
    flags="readonly",
    acl="sortedset",
    keys="RO,access@1",
    group="sorted-set",
    since="1.2.0",
    complexity=(
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements returned."
    ),
    summary="Return a range of members by rank, score or member, in either direction.",
)
def zrange(call: Call, key: bytes, start: bytes, stop: bytes, *options: bytes) -> Reply:
    return _reply(call, key, _Range(_ANY, _ANY, start, stop, options))


@command(
    "ZREVRANGE",
    arity=-4,
    flags="readonly",
    acl="sortedset",
    keys="RO,access@1",
    group="sorted-set",
    since="1.2.0",
    complexity=(
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements returned."
    ),
    summary="Return a range of members by rank from the highest score down.",
)
def zrevrange(call: Call, key: bytes, start: bytes, stop: bytes, *options: bytes) -> Reply:
    return _reply(call, key, _Range(_RANK, _REVERSE, start, stop, options))


@command(
    "ZRANGEBYSCORE",
    arity=-4,
    flags="readonly",
    acl="sortedset",
    keys="RO,access@1",
    group="sorted-set",
    since="1.0.5",
    complexity=(
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements "
        "being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you "
        "can consider it O(log(N))."
    ),
    summary="Return the members whose scores lie in a range.",
)
def zrangebyscore(call: Call, key: bytes, low: bytes, high: bytes, *options: bytes) -> Reply:
    return _reply(call, key, _Range(_SCORE, _FORWARD, low, high, options))


@command(
    "ZREVRANGEBYSCORE",
    arity=-4,
    flags="readonly",
    acl="sortedset",
    keys="RO,access@1",
    group="sorted-set",
    since="2.2.0",
    complexity=(
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements "
        "being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you "
        "can consider it O(log(N))."
    ),
    summary="Return the members whose scores lie in a range, highest first.",
)
def zrevrangebyscore(call: Call, key: bytes, high: bytes, low: bytes, *options: bytes) -> Reply:
    return _reply(call, key, _Range(_SCORE, _REVERSE, high, low, options))


@command(
    "ZRANGEBYLEX",
    arity=-4,
    flags="readonly",
    acl="sortedset",
    keys="RO,access@1",
    group="sorted-set",
    since="2.8.9",
    complexity=(
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements "
        "being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you "
        "can consider it O(log(N))."
    ),
    summary="Return the members between two, where all scores are equal.",
)
def zrangebylex(call: Call, key: bytes, low: bytes, high: bytes, *options: bytes) -> Reply:
    return _reply(call, key, _Range(_LEX, _FORWARD, low, high, options))


@command(
    "ZREVRANGEBYLEX",
    arity=-4,
    flags="readonly",
    acl="sortedset",
    keys="RO,access@1",
    group="sorted-set",
    since="2.8.9",
    complexity=(
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements "
        "being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you "
        "can consider it O(log(N))."
    ),
    summary="Return the members between two, last first, where all scores are equal.",
)
def zrevrangebylex(call: Call, key: bytes, high: bytes, low: bytes, *options: bytes) -> Reply:
    return _reply(call, key, _Range(_LEX, _REVERSE, high, low, options))


@command(
    "ZRANGESTORE",
    arity=-5,
    flags="write denyoom",
    acl="sortedset",
    keys="OW,update@1 RO,access@2",
    group="sorted-set",
    since="6.2.0",
    complexity=(
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements "
        "stored into the destination key."
    ),
    summary="Store a range of a sorted set in another key.",
)
def zrangestore(call: Call, destination: bytes, source: bytes, start: bytes, stop: bytes, *options: bytes) -> Reply:
    wanted = _Range(_ANY, _ANY, start, stop, options, store=True)
    origin = call.db.read_as(source, SortedSet)
    items = [] if origin is None else wanted.select(origin)
    return store_items(call, destination, items, "zrangestore")


def store_items(call: Call, destination: bytes, items: list[tuple[bytes, float]], event: str) -> int:
    """Put a sorted set of ``items`` in the place of whatever ``destination`` held; none removes it."""
    db = call.db
    if not items:
        if db.erase(destination):
            call.changed(destination, "del", GENERIC)
        return 0
    limits = call.engine.limits
    result = ordered(items, limits.zset_entries, limits.zset_value)
    db.put(destination, result)
    call.changed(destination, event, ZSET)
    return len(result)


# Counting and removing ranges


@command(
    "ZCOUNT",
    arity=4,
    flags="readonly fast",
    acl="sortedset",
    keys="RO,access@1",
    group="sorted-set",
    since="2.0.0",
    complexity="O(log(N)) with N being the number of elements in the sorted set.",
    summary="Count the members whose scores lie in a range.",
)
def zcount(call: Call, key: bytes, low: bytes, high: bytes) -> Reply:
    bounds = _score_bounds(low, high)
    source = call.db.read_as(key, SortedSet)
    if source is None:
        return 0
    start, stop = source.score_range(*bounds)
    return stop - start


@command(
    "ZLEXCOUNT",
    arity=4,
    flags="readonly fast",
    acl="sortedset",
    keys="RO,access@1",
    group="sorted-set",
    since="2.8.9",
    complexity="O(log(N)) with N being the number of elements in the sorted set.",
    summary="Count the members between two, where all scores are equal.",
)
def zlexcount(call: Call, key: bytes, low: bytes, high: bytes) -> Reply:
    bounds = _lex_bounds(low, high)
    source = call.db.read_as(key, SortedSet)
    if source is None:
        return 0
    start, stop = source.lex_range(*bounds)
    return stop - start


@command(
    "ZREMRANGEBYRANK",
    arity=4,
    flags="write",
    acl="sortedset",
    keys="RW,delete@1",
    group="sorted-set",
    since="2.0.0",
    complexity=(
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements "
        "removed by the operation."
    ),
    summary="Remove a range of ranks.",
)
def zremrangebyrank(call: Call, key: bytes, start: bytes, stop: bytes) -> Reply:
    first, last = integer(start), integer(stop)
    target = call.db.write_as(key, SortedSet)
    if target is None:
        return 0
    return _remove(call, key, target, _clip(first, last, len(target)), "zremrangebyrank")


@command(
    "ZREMRANGEBYSCORE",
    arity=4,
    flags="write",
    acl="sortedset",
    keys="RW,delete@1",
    group="sorted-set",
    since="1.2.0",
    complexity=(
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements "
        "removed by the operation."
    ),
    summary="Remove the members whose scores lie in a range.",
)
def zremrangebyscore(call: Call, key: bytes, low: bytes, high: bytes) -> Reply:
    bounds = _score_bounds(low, high)
    target = call.db.write_as(key, SortedSet)
    if target is None:
        return 0
    return _remove(call, key, target, target.score_range(*bounds), "zremrangebyscore")


@command(
    "ZREMRANGEBYLEX",
    arity=4,
    flags="write",
    acl="sortedset",
    keys="RW,delete@1",
    group="sorted-set",
    since="2.8.9",
    complexity=(
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements "
        "removed by the operation."
    ),
    summary="Remove the members between two, where all scores are equal.",
)
def zremrangebylex(call: Call, key: bytes, low: bytes, high: bytes) -> Reply:
    bounds = _lex_bounds(low, high)
    target = call.db.write_as(key, SortedSet)
    if target is None:
        return 0
    return _remove(call, key, target, target.lex_range(*bounds), "zremrangebylex")


def _remove(call: Call, key: bytes, target: SortedSet, ranks: tuple[int, int], event: str) -> int:
    start, stop = ranks
    if start >= stop:
        return 0
    removed = target.remove_range(start, stop)
    emptied = not len(target)
    if emptied:
        call.db.remove(key)
    call.changed(key, event, ZSET, removed)
    if emptied:
        call.changed(key, "del", GENERIC, 0)
    return removed
