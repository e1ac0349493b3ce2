"""Methods for sorted sets, named and shaped as redis-py's.

The rule is that of :mod:`kvcore.frontends.store_base`: build the arguments, end in ``self._call``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, overload

from kvcore.frontends.store_base import (
    Aggregate,
    Bound,
    Commands,
    Key,
    Keys,
    Scored,
    T,
    Value,
    as_float,
    as_float_or_none,
    as_scored,
    flags,
    limit_options,
    same,
    spread,
    weighted,
)
from kvcore.replies import Reply


def _as_added(reply: Reply) -> int | float | None:
    return reply  # type: ignore[no-any-return]


def _as_scores(reply: Reply) -> list[float | None]:
    return [None if score is None else float(score) for score in reply]


def _as_popped(reply: Reply) -> tuple[Reply, Reply, float] | None:
    return None if reply is None else (reply[0], reply[1], float(reply[2]))


def _as_rank(reply: Reply) -> int | None:
    return reply  # type: ignore[no-any-return]


def _as_rank_and_score(reply: Reply) -> list[Reply] | None:
    return None if reply is None else [reply[0], float(reply[1])]


def _end(low: bool, high: bool) -> bytes:
    if low == high:
        raise ValueError("choose one end: min=True or max=True")
    return b"MIN" if low else b"MAX"


def _range_words(
    desc: bool, byscore: bool, bylex: bool, offset: int | None, num: int | None, withscores: bool = False
) -> list[Value]:
    words = flags(BYSCORE=byscore, BYLEX=bylex, REV=desc)
    return [*words, *limit_options(offset, num), *flags(WITHSCORES=withscores)]


class SortedSetCommands(Commands[T]):
    """Commands on sorted sets."""

    __slots__ = ()

    def bzmpop(
        self,
        timeout: float,
        numkeys: int,
        keys: Sequence[Key],
        min: bool = False,  # noqa: A002 - redis-py's name
        max: bool = False,  # noqa: A002
        count: int | None = 1,
    ) -> list[Reply] | None:
        """Do :meth:`zmpop`, and wait up to ``timeout`` seconds (0: for ever) for a member; None if none came."""
        words: list[Value] = [] if count is None else [b"COUNT", count]
        return self._call(same, b"BZMPOP", timeout, numkeys, *keys, _end(min, max), *words)

    def bzpopmax(self, keys: Keys, timeout: float | None = 0) -> tuple[T, T, float] | None:
        """Pop the highest member of the first sorted set that has one; wait ``timeout`` seconds (0: for ever)."""
        return self._call(_as_popped, b"BZPOPMAX", *spread(keys), timeout or 0)

    def bzpopmin(self, keys: Keys, timeout: float | None = 0) -> tuple[T, T, float] | None:
        """Pop the lowest member of the first sorted set that has one; wait ``timeout`` seconds (0: for ever)."""
        return self._call(_as_popped, b"BZPOPMIN", *spread(keys), timeout or 0)

    @overload
    def zadd(
        self,
        name: Key,
        mapping: Mapping[Key, float] | Mapping[bytes, float] | Mapping[str, float],
        nx: bool = False,
        xx: bool = False,
        ch: bool = False,
        incr: Literal[False] = False,
        gt: bool = False,
        lt: bool = False,
    ) -> int: ...
    @overload
    def zadd(
        self,
        name: Key,
        mapping: Mapping[Key, float] | Mapping[bytes, float] | Mapping[str, float],
        nx: bool = False,
        xx: bool = False,
        ch: bool = False,
        *,
        incr: Literal[True],
        gt: bool = False,
        lt: bool = False,
    ) -> float | None: ...
    def zadd(
        self,
        name: Key,
        mapping: Mapping[Key, float] | Mapping[bytes, float] | Mapping[str, float],
        nx: bool = False,
        xx: bool = False,
        ch: bool = False,
        incr: bool = False,
        gt: bool = False,
        lt: bool = False,
    ) -> int | float | None:
        """Set the scores of members; return how many are new, with ``ch`` how many changed, with ``incr`` the score."""
        if not mapping:
            raise ValueError("zadd() needs members and scores")
        if nx and xx:
            raise ValueError("zadd() takes nx or xx, not both")
        if incr and len(mapping) != 1:
            raise ValueError("zadd() with incr=True takes one member and its amount")
        words = flags(NX=nx, XX=xx, GT=gt, LT=lt, CH=ch, INCR=incr)
        if not isinstance(mapping, Mapping):
            raise TypeError(f"zadd() takes a mapping of members to scores, not {type(mapping).__name__}")
        for member, score in mapping.items():
            words += (score, member)
        return self._call(_as_added, b"ZADD", name, *words)

    def zcard(self, name: Key) -> int:
        """Return how many members there are."""
        return self._call(same, b"ZCARD", name)

    def zcount(self, name: Key, min: Bound, max: Bound) -> int:  # noqa: A002 - redis-py's names
        """Count the members with scores between two bounds (``"(1"`` excludes 1, ``"-inf"`` is the least)."""
        return self._call(same, b"ZCOUNT", name, min, max)

    @overload
    def zdiff(self, keys: Keys, withscores: Literal[False] = False) -> list[T]: ...
    @overload
    def zdiff(self, keys: Keys, withscores: Literal[True]) -> list[Scored[T]]: ...
    def zdiff(self, keys: Keys, withscores: bool = False) -> list[T] | list[Scored[T]]:
        """Return the members of the first sorted set that no other has."""
        names = spread(keys)
        if withscores:
            return self._call(as_scored, b"ZDIFF", len(names), *names, b"WITHSCORES")
        return self._call(same, b"ZDIFF", len(names), *names)

    def zdiffstore(self, dest: Key, keys: Keys) -> int:
        """Store the members of the first sorted set that no other has; return how many."""
        names = spread(keys)
        return self._call(same, b"ZDIFFSTORE", dest, len(names), *names)

    def zincrby(self, name: Key, amount: float, value: Value) -> float:
        """Add to a member's score; return the result."""
        return self._call(as_float, b"ZINCRBY", name, amount, value)

    @overload
    def zinter(
        self,
        keys: Sequence[Key] | Mapping[Key, float],
        aggregate: Aggregate | None = None,
        withscores: Literal[False] = False,
    ) -> list[T]: ...
    @overload
    def zinter(
        self,
        keys: Sequence[Key] | Mapping[Key, float],
        aggregate: Aggregate | None = None,
        *,
        withscores: Literal[True],
    ) -> list[Scored[T]]: ...
    def zinter(
        self,
        keys: Sequence[Key] | Mapping[Key, float],
        aggregate: Aggregate | None = None,
        withscores: bool = False,
    ) -> list[T] | list[Scored[T]]:
        """Return the members that all sorted sets have; a mapping gives the weights of their scores."""
        if withscores:
            return self._call(as_scored, b"ZINTER", *weighted(keys, aggregate), b"WITHSCORES")
        return self._call(same, b"ZINTER", *weighted(keys, aggregate))

    def zintercard(self, numkeys: int, keys: Sequence[Key], limit: int = 0) -> int:
        """Return how many members all sorted sets have, counting no further than ``limit``."""
        return self._call(same, b"ZINTERCARD", numkeys, *keys, b"LIMIT", limit)

    def zinterstore(
        self, dest: Key, keys: Sequence[Key] | Mapping[Key, float], aggregate: Aggregate | None = None
    ) -> int:
        """Store the members that all sorted sets have; return how many."""
        return self._call(same, b"ZINTERSTORE", dest, *weighted(keys, aggregate))

    def zlexcount(self, name: Key, min: Bound, max: Bound) -> int:  # noqa: A002 - redis-py's names
        """Count the members between two others in alphabetical order (``"[a"``, ``"(b"``, ``"-"``, ``"+"``)."""
        return self._call(same, b"ZLEXCOUNT", name, min, max)

    def zmpop(
        self,
        num_keys: int,
        keys: Sequence[Key],
        min: bool = False,  # noqa: A002 - redis-py's names
        max: bool = False,  # noqa: A002
        count: int | None = 1,
    ) -> list[Reply] | None:
        """Pop up to ``count`` members from the first sorted set that has one; return its key and them."""
        words: list[Value] = [] if count is None else [b"COUNT", count]
        return self._call(same, b"ZMPOP", num_keys, *keys, _end(min, max), *words)

    def zmscore(self, key: Key, members: Sequence[Value]) -> list[float | None]:
        """Return the scores of several members, None where there is none."""
        return self._call(_as_scores, b"ZMSCORE", key, *members)

    def zpopmax(self, name: Key, count: int | None = None) -> list[Scored[T]]:
        """Remove and return the member with the highest score, or up to ``count`` of them."""
        return self._call(as_scored, b"ZPOPMAX", name, *([] if count is None else [count]))

    def zpopmin(self, name: Key, count: int | None = None) -> list[Scored[T]]:
        """Remove and return the member with the lowest score, or up to ``count`` of them."""
        return self._call(as_scored, b"ZPOPMIN", name, *([] if count is None else [count]))

    @overload
    def zrandmember(self, key: Key, count: None = None) -> T | None: ...
    @overload
    def zrandmember(self, key: Key, count: int, withscores: Literal[False] = False) -> list[T]: ...
    @overload
    def zrandmember(self, key: Key, count: int, withscores: Literal[True]) -> list[Scored[T]]: ...
    def zrandmember(
        self, key: Key, count: int | None = None, withscores: bool = False
    ) -> T | list[T] | list[Scored[T]] | None:
        """Return a random member, or up to ``count`` of them; if that is negative, they may repeat."""
        if withscores and count is not None:
            return self._call(as_scored, b"ZRANDMEMBER", key, count, b"WITHSCORES")
        return self._call(same, b"ZRANDMEMBER", key, *([] if count is None else [count]))

    @overload
    def zrange(
        self,
        name: Key,
        start: Bound,
        end: Bound,
        desc: bool = False,
        withscores: Literal[False] = False,
        *,
        byscore: bool = False,
        bylex: bool = False,
        offset: int | None = None,
        num: int | None = None,
    ) -> list[T]: ...
    @overload
    def zrange(
        self,
        name: Key,
        start: Bound,
        end: Bound,
        desc: bool = False,
        *,
        withscores: Literal[True],
        byscore: bool = False,
        bylex: bool = False,
        offset: int | None = None,
        num: int | None = None,
    ) -> list[Scored[T]]: ...
    def zrange(
        self,
        name: Key,
        start: Bound,
        end: Bound,
        desc: bool = False,
        withscores: bool = False,
        *,
        byscore: bool = False,
        bylex: bool = False,
        offset: int | None = None,
        num: int | None = None,
    ) -> list[T] | list[Scored[T]]:
        """Return the members between two ranks, scores or members, both included, with or without their scores."""
        words = _range_words(desc, byscore, bylex, offset, num, withscores)
        if withscores:
            return self._call(as_scored, b"ZRANGE", name, start, end, *words)
        return self._call(same, b"ZRANGE", name, start, end, *words)

    def zrangebylex(
        self,
        name: Key,
        min: Bound,  # noqa: A002 - redis-py's names
        max: Bound,  # noqa: A002
        start: int | None = None,
        num: int | None = None,
    ) -> list[T]:
        """Return the members between two others in alphabetical order."""
        return self._call(same, b"ZRANGEBYLEX", name, min, max, *limit_options(start, num))

    @overload
    def zrangebyscore(
        self,
        name: Key,
        min: Bound,
        max: Bound,
        start: int | None = None,
        num: int | None = None,
        withscores: Literal[False] = False,
    ) -> list[T]: ...
    @overload
    def zrangebyscore(
        self,
        name: Key,
        min: Bound,
        max: Bound,
        start: int | None = None,
        num: int | None = None,
        *,
        withscores: Literal[True],
    ) -> list[Scored[T]]: ...
    def zrangebyscore(
        self,
        name: Key,
        min: Bound,  # noqa: A002
        max: Bound,  # noqa: A002
        start: int | None = None,
        num: int | None = None,
        withscores: bool = False,
    ) -> list[T] | list[Scored[T]]:
        """Return the members with scores between two bounds, lowest first."""
        words = limit_options(start, num)
        if withscores:
            return self._call(as_scored, b"ZRANGEBYSCORE", name, min, max, b"WITHSCORES", *words)
        return self._call(same, b"ZRANGEBYSCORE", name, min, max, *words)

    def zrangestore(
        self,
        dest: Key,
        name: Key,
        start: Bound,
        end: Bound,
        byscore: bool = False,
        bylex: bool = False,
        desc: bool = False,
        offset: int | None = None,
        num: int | None = None,
    ) -> int:
        """Store what :meth:`zrange` returns; return how many members."""
        words = _range_words(desc, byscore, bylex, offset, num)
        return self._call(same, b"ZRANGESTORE", dest, name, start, end, *words)

    @overload
    def zrank(self, name: Key, value: Value, withscore: Literal[False] = False) -> int | None: ...
    @overload
    def zrank(self, name: Key, value: Value, withscore: Literal[True]) -> list[Reply] | None: ...
    def zrank(self, name: Key, value: Value, withscore: bool = False) -> int | list[Reply] | None:
        """Return a member's rank, 0 for the lowest score, None if it is none; with its score if asked for."""
        if withscore:
            return self._call(_as_rank_and_score, b"ZRANK", name, value, b"WITHSCORE")
        return self._call(_as_rank, b"ZRANK", name, value)

    def zrem(self, name: Key, *values: Value) -> int:
        """Remove members; return how many were there."""
        return self._call(same, b"ZREM", name, *values)

    def zremrangebylex(self, name: Key, min: Bound, max: Bound) -> int:  # noqa: A002 - redis-py's names
        """Remove the members between two others in alphabetical order; return how many."""
        return self._call(same, b"ZREMRANGEBYLEX", name, min, max)

    def zremrangebyrank(self, name: Key, min: int, max: int) -> int:  # noqa: A002 - redis-py's names
        """Remove the members between two ranks; return how many."""
        return self._call(same, b"ZREMRANGEBYRANK", name, min, max)

    def zremrangebyscore(self, name: Key, min: Bound, max: Bound) -> int:  # noqa: A002 - redis-py's names
        """Remove the members with scores between two bounds; return how many."""
        return self._call(same, b"ZREMRANGEBYSCORE", name, min, max)

    @overload
    def zrevrange(self, name: Key, start: int, end: int, withscores: Literal[False] = False) -> list[T]: ...
    @overload
    def zrevrange(self, name: Key, start: int, end: int, withscores: Literal[True]) -> list[Scored[T]]: ...
    def zrevrange(self, name: Key, start: int, end: int, withscores: bool = False) -> list[T] | list[Scored[T]]:
        """Return the members between two ranks, counted and ordered from the highest score."""
        if withscores:
            return self._call(as_scored, b"ZREVRANGE", name, start, end, b"WITHSCORES")
        return self._call(same, b"ZREVRANGE", name, start, end)

    def zrevrangebylex(
        self,
        name: Key,
        max: Bound,  # noqa: A002 - redis-py's names
        min: Bound,  # noqa: A002
        start: int | None = None,
        num: int | None = None,
    ) -> list[T]:
        """Return the members between two others in reverse alphabetical order."""
        return self._call(same, b"ZREVRANGEBYLEX", name, max, min, *limit_options(start, num))

    @overload
    def zrevrangebyscore(
        self,
        name: Key,
        max: Bound,
        min: Bound,
        start: int | None = None,
        num: int | None = None,
        withscores: Literal[False] = False,
    ) -> list[T]: ...
    @overload
    def zrevrangebyscore(
        self,
        name: Key,
        max: Bound,
        min: Bound,
        start: int | None = None,
        num: int | None = None,
        *,
        withscores: Literal[True],
    ) -> list[Scored[T]]: ...
    def zrevrangebyscore(
        self,
        name: Key,
        max: Bound,  # noqa: A002
        min: Bound,  # noqa: A002
        start: int | None = None,
        num: int | None = None,
        withscores: bool = False,
    ) -> list[T] | list[Scored[T]]:
        """Return the members with scores between two bounds, highest first."""
        words = limit_options(start, num)
        if withscores:
            return self._call(as_scored, b"ZREVRANGEBYSCORE", name, max, min, b"WITHSCORES", *words)
        return self._call(same, b"ZREVRANGEBYSCORE", name, max, min, *words)

    @overload
    def zrevrank(self, name: Key, value: Value, withscore: Literal[False] = False) -> int | None: ...
    @overload
    def zrevrank(self, name: Key, value: Value, withscore: Literal[True]) -> list[Reply] | None: ...
    def zrevrank(self, name: Key, value: Value, withscore: bool = False) -> int | list[Reply] | None:
        """Return a member's rank, 0 for the highest score, None if it is none; with its score if asked for."""
        if withscore:
            return self._call(_as_rank_and_score, b"ZREVRANK", name, value, b"WITHSCORE")
        return self._call(_as_rank, b"ZREVRANK", name, value)

    def zscore(self, name: Key, value: Value) -> float | None:
        """Return a member's score, None if it is none."""
        return self._call(as_float_or_none, b"ZSCORE", name, value)

    @overload
    def zunion(
        self,
        keys: Sequence[Key] | Mapping[Key, float],
        aggregate: Aggregate | None = None,
        withscores: Literal[False] = False,
    ) -> list[T]: ...
    @overload
    def zunion(
        self,
        keys: Sequence[Key] | Mapping[Key, float],
        aggregate: Aggregate | None = None,
        *,
        withscores: Literal[True],
    ) -> list[Scored[T]]: ...
    def zunion(
        self,
        keys: Sequence[Key] | Mapping[Key, float],
        aggregate: Aggregate | None = None,
        withscores: bool = False,
    ) -> list[T] | list[Scored[T]]:
        """Return the members that any of the sorted sets has; a mapping gives the weights of their scores."""
        if withscores:
            return self._call(as_scored, b"ZUNION", *weighted(keys, aggregate), b"WITHSCORES")
        return self._call(same, b"ZUNION", *weighted(keys, aggregate))

    def zunionstore(
        self, dest: Key, keys: Sequence[Key] | Mapping[Key, float], aggregate: Aggregate | None = None
    ) -> int:
        """Store the members that any of the sorted sets has; return how many."""
        return self._call(same, b"ZUNIONSTORE", dest, *weighted(keys, aggregate))
