"""Union, intersection and difference of sorted sets; plain sets may take part, their members scoring 1.

What lives here: the commands and the arithmetic of WEIGHTS and AGGREGATE. What must not: anything about one sorted
set alone. The rule: inputs are combined from the smallest on, as the real server does, because floating-point sums
depend on the order; and a product or sum that is not a number (infinity times 0, infinity minus infinity) counts as 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from kvcore import errors
from kvcore.arguments import integer, integer_in_range
from kvcore.call import Call
from kvcore.command import command
from kvcore.commands.sorted_sets import score_pairs
from kvcore.commands.sorted_sets_ranges import store_items
from kvcore.datatypes.numbers import INT_MAX, parse_double
from kvcore.datatypes.set import Set
from kvcore.datatypes.sorted_set import SortedSet
from kvcore.errors import CommandError, WrongTypeError
from kvcore.replies import Reply

_UNION: Final = 1
_INTER: Final = 2
_DIFF: Final = 3

_SUM: Final = 0
_MIN: Final = 1
_MAX: Final = 2
_AGGREGATES: Final = {b"SUM": _SUM, b"MIN": _MIN, b"MAX": _MAX}

_Items = list[tuple[bytes, float]]


class _Source:
    """An input: a sorted set, a set, or None for an absent key; with its weight."""

    __slots__ = ("members", "size", "weight")

    def __init__(self, members: SortedSet | Set | None) -> None:
        self.members = members
        self.size = 0 if members is None else len(members)
        self.weight = 1.0

    def score(self, member: bytes) -> float | None:
        """Return the score before weighting, None if ``member`` is absent. O(1)."""
        members = self.members
        if isinstance(members, SortedSet):
            return members.score(member)
        return 1.0 if members is not None and member in members else None

    def names(self) -> Iterable[bytes]:
        """Return all members without their scores. O(n) to read."""
        return () if self.members is None else self.members

    def items(self) -> _Items:
        """Return all members with their scores before weighting. O(n)."""
        members = self.members
        if members is None:
            return []
        if isinstance(members, SortedSet):
            return list(members.items())
        return [(member, 1.0) for member in members]


class _Request:
    """The arguments of one of these commands, parsed."""

    __slots__ = ("aggregate", "sources", "with_scores")

    def __init__(self, call: Call, operation: int, numkeys: bytes, arguments: tuple[bytes, ...], store: bool) -> None:
        self.aggregate = _SUM
        self.with_scores = False
        self.sources, options = _read_sources(call, numkeys, arguments)
        words = iter(options)
        left = len(options)
        for word in words:
            left -= 1
            name = word.upper()
            if operation != _DIFF and name == b"WEIGHTS" and left >= len(self.sources):
                for source in self.sources:
                    weight = parse_double(next(words))
                    if weight is None:
                        raise CommandError(errors.WEIGHT_NOT_A_FLOAT)
                    source.weight = weight
                left -= len(self.sources)
            elif operation != _DIFF and name == b"AGGREGATE" and left:
                aggregate = _AGGREGATES.get(next(words).upper())
                if aggregate is None:
                    raise CommandError(errors.SYNTAX)
                self.aggregate = aggregate
                left -= 1
            elif not store and name == b"WITHSCORES":
                self.with_scores = True
            else:
                raise CommandError(errors.SYNTAX)


def _read_sources(call: Call, numkeys: bytes, arguments: tuple[bytes, ...]) -> tuple[list[_Source], tuple[bytes, ...]]:
    """Return the inputs that ``numkeys`` counts, and the arguments behind them."""
    count = integer(numkeys)
    if count < 1:
        raise CommandError(errors.no_input_keys(call.name))
    if count > len(arguments):
        raise CommandError(errors.SYNTAX)
    sources: list[_Source] = []
    for key in arguments[:count]:
        value = call.db.read(key)
        if value is not None and not isinstance(value, SortedSet | Set):
            raise WrongTypeError
        sources.append(_Source(value))
    return sources, arguments[count:]


def _combine(aggregate: int, total: float, score: float) -> float:
    if aggregate == _SUM:
        total += score
        return total if total == total else 0.0
    if aggregate == _MIN:
        return score if score < total else total
    return score if score > total else total


def _union(sources: list[_Source], aggregate: int) -> dict[bytes, float]:
    scores: dict[bytes, float] = {}
    for source in sorted(sources, key=lambda source: source.size):
        weight = source.weight
        for member, score in source.items():
            score *= weight
            if score != score:
                score = 0.0
            total = scores.get(member)
            scores[member] = score if total is None else _combine(aggregate, total, score)
    return scores


def _intersection(sources: list[_Source], aggregate: int) -> dict[bytes, float]:
    first, *others = sorted(sources, key=lambda source: source.size)
    scores: dict[bytes, float] = {}
    for member, score in first.items():
        total = score * first.weight
        if total != total:
            total = 0.0
        for source in others:
            other = source.score(member)
            if other is None:
                break
            total = _combine(aggregate, total, other * source.weight)
        else:
            scores[member] = total
    return scores


def _difference(sources: list[_Source]) -> dict[bytes, float]:
    first, *others = sources
    return {member: score for member, score in first.items() if all(source.score(member) is None for source in others)}


def _compute(operation: int, request: _Request) -> dict[bytes, float]:
    if operation == _UNION:
        return _union(request.sources, request.aggregate)
    if operation == _INTER:
        return _intersection(request.sources, request.aggregate)
    return _difference(request.sources)


def _reply(call: Call, operation: int, numkeys: bytes, arguments: tuple[bytes, ...]) -> Reply:
    request = _Request(call, operation, numkeys, arguments, store=False)
    items = [(score, member) for member, score in _compute(operation, request).items()]
    items.sort()
    return score_pairs(call, [(member, score) for score, member in items], request.with_scores)


def _store(call: Call, operation: int, destination: bytes, numkeys: bytes, arguments: tuple[bytes, ...]) -> Reply:
    request = _Request(call, operation, numkeys, arguments, store=True)
    return store_items(call, destination, list(_compute(operation, request).items()), call.name)


@command(
    "ZUNION",
    arity=-3,
    flags="readonly movablekeys",
    acl="sortedset",
    keys="RO,access@1#0+1/1",
    group="sorted-set",
    since="6.2.0",
    complexity=(
        "O(N)+O(M*log(M)) with N being the sum of the sizes of the input sorted sets, and M being the "
        "number of elements in the resulting sorted set."
    ),
    summary="Return the members of any of the inputs, their scores combined.",
)
def zunion(call: Call, numkeys: bytes, *arguments: bytes) -> Reply:
    return _reply(call, _UNION, numkeys, arguments)


@command(
    "ZUNIONSTORE",
    arity=-4,
    flags="write denyoom movablekeys",
    acl="sortedset",
    keys="OW,update@1 RO,access@2#0+1/1",
    group="sorted-set",
    since="2.0.0",
    complexity=(
        "O(N)+O(M log(M)) with N being the sum of the sizes of the input sorted sets, and M being the "
        "number of elements in the resulting sorted set."
    ),
    summary="Store the members of any of the inputs, their scores combined.",
)
def zunionstore(call: Call, destination: bytes, numkeys: bytes, *arguments: bytes) -> Reply:
    return _store(call, _UNION, destination, numkeys, arguments)


@command(
    "ZINTER",
    arity=-3,
    flags="readonly movablekeys",
    acl="sortedset",
    keys="RO,access@1#0+1/1",
    group="sorted-set",
    since="6.2.0",
    complexity=(
        "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K being the number of "
        "input sorted sets and M being the number of elements in the resulting sorted set."
    ),
    summary="Return the members that all inputs have, their scores combined.",
)
def zinter(call: Call, numkeys: bytes, *arguments: bytes) -> Reply:
    return _reply(call, _INTER, numkeys, arguments)


@command(
    "ZINTERSTORE",
    arity=-4,
    flags="write denyoom movablekeys",
    acl="sortedset",
    keys="OW,update@1 RO,access@2#0+1/1",
    group="sorted-set",
    since="2.0.0",
    complexity=(
        "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K being the number of "
        "input sorted sets and M being the number of elements in the resulting sorted set."
    ),
    summary="Store the members that all inputs have, their scores combined.",
)
def zinterstore(call: Call, destination: bytes, numkeys: bytes, *arguments: bytes) -> Reply:
    return _store(call, _INTER, destination, numkeys, arguments)


@command(
    "ZINTERCARD",
    arity=-3,
    flags="readonly movablekeys",
    acl="sortedset",
    keys="RO,access@1#0+1/1",
    group="sorted-set",
    since="7.0.0",
    complexity=(
        "O(N*K) worst case with N being the smallest input sorted set, K being the number of input sorted sets."
    ),
    summary="Count the members that all inputs have, up to a limit.",
)
def zintercard(call: Call, numkeys: bytes, *arguments: bytes) -> Reply:
    sources, options = _read_sources(call, numkeys, arguments)
    limit = 0
    words = iter(options)
    for word in words:
        value = next(words, None) if word.upper() == b"LIMIT" else None
        if value is None:
            raise CommandError(errors.SYNTAX)
        limit = integer_in_range(value, 0, INT_MAX, errors.LIMIT_NEGATIVE)
    first, *others = sorted(sources, key=lambda source: source.size)
    found = 0
    for member in first.names():
        if all(source.score(member) is not None for source in others):
            found += 1
            if found == limit:
                break
    return found


@command(
    "ZDIFF",
    arity=-3,
    flags="readonly movablekeys",
    acl="sortedset",
    keys="RO,access@1#0+1/1",
    group="sorted-set",
    since="6.2.0",
    complexity=(
        "O(L + (N-K)log(N)) worst case where L is the total number of elements in all the sets, N is the "
        "size of the first set, and K is the size of the result set."
    ),
    summary="Return the members of the first input that no other has, with their scores.",
)
def zdiff(call: Call, numkeys: bytes, *arguments: bytes) -> Reply:
    return _reply(call, _DIFF, numkeys, arguments)


@command(
    "ZDIFFSTORE",
    arity=-4,
    flags="write denyoom movablekeys",
    acl="sortedset",
    keys="OW,update@1 RO,access@2#0+1/1",
    group="sorted-set",
    since="6.2.0",
    complexity=(
        "O(L + (N-K)log(N)) worst case where L is the total number of elements in all the sets, N is the "
        "size of the first set, and K is the size of the result set."
    ),
    summary="Store the members of the first input that no other has, with their scores.",
)
def zdiffstore(call: Call, destination: bytes, numkeys: bytes, *arguments: bytes) -> Reply:
    return _store(call, _DIFF, destination, numkeys, arguments)
