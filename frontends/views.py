"""Keys of a store as Python's own collections: mappings, sets, counters.

    basket = store.dict("basket:7")
    basket["apples"] = 3
    "apples" in basket, len(basket), dict(basket)

What lives here: all but lists and streams (:mod:`kvcore.frontends.view_sequences`). They are views that hold nothing
but a store and a key, so that any number of them, in any thread, see one collection. The rule: a method of a view is
one command, or one transaction where that does not do; it means what the method of the Python type means, its
exceptions included. Items are bytes, or text in a store that decodes; what goes in may be anything that commands take.
A view of a key that does not exist is empty, and an emptied one is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping, MutableSet, Set
from typing import TYPE_CHECKING, Self, TypeGuard, overload

from kvcore.arguments import Argument, encode
from kvcore.frontends.store_base import Bound, Key, R, T, Value
from kvcore.frontends.view_sequences import Entry, ListView, StreamGroup, StreamView
from kvcore.replies import Reply

if TYPE_CHECKING:
    from _typeshed import SupportsKeysAndGetItem

    from kvcore.frontends.store import BaseStore
    from kvcore.frontends.store_pipeline import Pipeline

__all__ = [
    "Counter",
    "Entry",
    "HashView",
    "ListView",
    "SetView",
    "SortedSetView",
    "StreamGroup",
    "StreamView",
]

_TAKEN_AT_ONCE = 1000
"""Larger collections are iterated by SCAN, not to be copied whole."""


class _NoDefault:
    """Tells None apart from no argument."""


_NONE = _NoDefault()


class HashView(MutableMapping[T, T]):
    """A hash as a dict. Its order is that of insertion as long as it is small, and any order after that."""

    __slots__ = ("_store", "key")

    def __init__(self, store: BaseStore[T], key: Key) -> None:
        self._store = store
        self.key = encode(key)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.key!r}, {dict(self.items())!r})"

    def __getitem__(self, field: Value) -> T:
        value = self._store.hget(self.key, field)
        if value is None:
            raise KeyError(field)
        return value

    def __setitem__(self, field: Value, value: Value) -> None:
        self._store.hset(self.key, field, value)

    def __delitem__(self, field: Value) -> None:
        if not self._store.hdel(self.key, field):
            raise KeyError(field)

    def __contains__(self, field: object) -> bool:
        return _is_argument(field) and self._store.hexists(self.key, field)

    def __len__(self) -> int:
        return self._store.hlen(self.key)

    def __iter__(self) -> Iterator[T]:
        """Yield the fields as they are when the iteration begins, unless they are many."""
        if len(self) > _TAKEN_AT_ONCE:
            return (field for field, _ in self._store.hscan_iter(self.key, count=_TAKEN_AT_ONCE))
        return iter(self._store.hkeys(self.key))

    def copy(self) -> dict[T, T]:
        """Return the fields and values as a dict of one moment. O(n)."""
        return self._store.hgetall(self.key)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, HashView):
            return self.copy() == other.copy()
        return isinstance(other, Mapping) and self.copy() == dict(other)

    __hash__ = None  # type: ignore[assignment]

    def __or__(self, other: Mapping[T, T]) -> dict[T, T]:
        return self.copy() | dict(other)

    def __ror__(self, other: Mapping[T, T]) -> dict[T, T]:
        return dict(other) | self.copy()

    def __ior__(self, other: Mapping[T, T]) -> Self:
        self.update(dict(other))
        return self

    def clear(self) -> None:
        """Delete every field."""
        self._store.delete(self.key)

    @overload
    def pop(self, field: Value) -> T: ...
    @overload
    def pop(self, field: Value, default: R) -> T | R: ...
    def pop(self, field: Value, default: object = _NONE) -> object:
        """Delete a field and return its value; without one return ``default``, or raise KeyError."""
        with self._store.pipeline() as pipe:
            pipe.hget(self.key, field)
            pipe.hdel(self.key, field)
            value = pipe.execute()[0]
        if value is not None:
            return value
        if default is _NONE:
            raise KeyError(field)
        return default

    def popitem(self) -> tuple[T, T]:
        """Delete a field and return it with its value; raise KeyError if there is none."""

        def take(pipe: Pipeline[T]) -> tuple[T, T]:
            fields: list[T] = pipe.hkeys(self.key)
            if not fields:
                raise KeyError("the mapping is empty")
            value: T = pipe.hget(self.key, fields[-1])
            pipe.multi()
            pipe.hdel(self.key, fields[-1])
            return fields[-1], value

        return self._store.transaction(take, self.key, value_from_callable=True)

    def setdefault(self, field: Value, default: Value) -> T:
        """Set a field unless it is there; return its value."""
        with self._store.pipeline() as pipe:
            pipe.hsetnx(self.key, field, default)
            pipe.hget(self.key, field)
            value: T = pipe.execute()[1]
        return value

    def update(  # type: ignore[override]
        self,
        other: SupportsKeysAndGetItem[T, Value] | Iterable[tuple[Value, Value]] = (),
        /,
        **fields: Value,
    ) -> None:
        """Set several fields at once."""
        items: dict[Argument, Argument] = dict(other)  # type: ignore[arg-type]
        items.update(fields)
        if items:
            self._store.hset(self.key, mapping=items)

    def increment(self, field: Value, amount: int = 1) -> int:
        """Add to the integer in a field, 0 if there is none; return the result."""
        return self._store.hincrby(self.key, field, amount)


class SetView(MutableSet[T]):
    """A set as a set. What ``&``, ``|``, ``-`` and ``^`` return is a set of Python's."""

    __slots__ = ("_store", "key")

    def __init__(self, store: BaseStore[T], key: Key) -> None:
        self._store = store
        self.key = encode(key)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.key!r}, {self.copy()!r})"

    @classmethod
    def _from_iterable(cls, items: Iterable[R]) -> set[R]:
        return set(items)

    def __contains__(self, member: object) -> bool:
        return _is_argument(member) and self._store.sismember(self.key, member) == 1

    def __len__(self) -> int:
        return self._store.scard(self.key)

    def __iter__(self) -> Iterator[T]:
        """Yield the members as they are when the iteration begins, unless they are many."""
        if len(self) > _TAKEN_AT_ONCE:
            return self._store.sscan_iter(self.key, count=_TAKEN_AT_ONCE)
        return iter(self._store.smembers(self.key))

    __hash__ = None  # type: ignore[assignment]

    def copy(self) -> set[T]:
        """Return the members as a set of one moment. O(n)."""
        return self._store.smembers(self.key)

    def add(self, member: Value) -> None:
        """Add a member."""
        self._store.sadd(self.key, member)

    def discard(self, member: Value) -> None:
        """Remove a member if it is there."""
        self._store.srem(self.key, member)

    def remove(self, member: Value) -> None:
        """Remove a member; raise KeyError if it is not there."""
        if not self._store.srem(self.key, member):
            raise KeyError(member)

    def pop(self) -> T:
        """Remove and return any member; raise KeyError if there is none."""
        member = self._store.spop(self.key)
        if member is None:
            raise KeyError("pop from an empty set")
        return member

    def clear(self) -> None:
        """Remove all members."""
        self._store.delete(self.key)

    def update(self, *others: Iterable[Value]) -> None:
        """Add the members of all others at once."""
        members = [member for other in others for member in other]
        if members:
            self._store.sadd(self.key, *members)

    def difference_update(self, *others: Iterable[Value]) -> None:
        """Remove the members of all others at once."""
        members = [member for other in others for member in other]
        if members:
            self._store.srem(self.key, *members)

    def intersection_update(self, *others: Iterable[Value]) -> None:
        """Keep the members that all others have."""
        self._keep([{encode(member) for member in other} for other in others])

    def _keep(self, others: list[set[bytes]]) -> None:
        def keep(pipe: Pipeline[T]) -> None:
            mine: set[T] = pipe.smembers(self.key)
            gone = [member for member in mine if any(encode(member) not in other for other in others)]
            pipe.multi()
            if gone:
                pipe.srem(self.key, *gone)

        self._store.transaction(keep, self.key)

    def symmetric_difference_update(self, other: Iterable[Value]) -> None:
        """Add the members of the other that are not there, and remove those that are."""
        members = list({encode(member) for member in other})

        def toggle(pipe: Pipeline[T]) -> None:
            here: list[int] = pipe.smismember(self.key, members) if members else []
            pipe.multi()
            for member, present in zip(members, here, strict=True):
                if present:
                    pipe.srem(self.key, member)
                else:
                    pipe.sadd(self.key, member)

        self._store.transaction(toggle, self.key)

    def __ior__(self, other: Set[T]) -> Self:  # type: ignore[override, misc]
        self.update(other)
        return self

    def __iand__(self, other: Set[T]) -> Self:  # type: ignore[misc]
        self.intersection_update(other)
        return self

    def __isub__(self, other: Set[T]) -> Self:  # type: ignore[misc]
        self.difference_update(other)
        return self

    def __ixor__(self, other: Set[T]) -> Self:  # type: ignore[override, misc]
        self.symmetric_difference_update(other)
        return self

    def union(self, *others: Iterable[T]) -> set[T]:
        """Return the members of this and all others."""
        return self.copy().union(*others)

    def intersection(self, *others: Iterable[T]) -> set[T]:
        """Return the members that all others have, too."""
        return self.copy().intersection(*others)

    def difference(self, *others: Iterable[T]) -> set[T]:
        """Return the members that no other has."""
        return self.copy().difference(*others)

    def symmetric_difference(self, other: Iterable[T]) -> set[T]:
        """Return the members that one of both has."""
        return self.copy().symmetric_difference(other)

    def issubset(self, other: Iterable[T]) -> bool:
        """Return whether the other has every member."""
        return self.copy().issubset(other)

    def issuperset(self, other: Iterable[T]) -> bool:
        """Return whether every member of the other is one."""
        return self.copy().issuperset(other)


class SortedSetView(MutableMapping[T, float]):
    """A sorted set as a mapping of members to scores, iterated from the lowest score to the highest."""

    __slots__ = ("_store", "key")

    def __init__(self, store: BaseStore[T], key: Key) -> None:
        self._store = store
        self.key = encode(key)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.key!r}, {self.copy()!r})"

    def __getitem__(self, member: Value) -> float:
        score = self._store.zscore(self.key, member)
        if score is None:
            raise KeyError(member)
        return score

    def __setitem__(self, member: Value, score: float) -> None:
        self._store.zadd(self.key, {member: score})

    def __delitem__(self, member: Value) -> None:
        if not self._store.zrem(self.key, member):
            raise KeyError(member)

    def __contains__(self, member: object) -> bool:
        return _is_argument(member) and self._store.zscore(self.key, member) is not None

    def __len__(self) -> int:
        return self._store.zcard(self.key)

    def __iter__(self) -> Iterator[T]:
        """Yield the members as they are when the iteration begins."""
        return iter(self._store.zrange(self.key, 0, -1))

    def __reversed__(self) -> Iterator[T]:
        """Yield the members from the highest score to the lowest."""
        return iter(self._store.zrevrange(self.key, 0, -1))

    def copy(self) -> dict[T, float]:
        """Return the members and scores as a dict of one moment, in order. O(n)."""
        return dict(self._store.zrange(self.key, 0, -1, withscores=True))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, SortedSetView):
            return self.copy() == other.copy()
        return isinstance(other, Mapping) and self.copy() == dict(other)

    __hash__ = None  # type: ignore[assignment]

    def clear(self) -> None:
        """Remove all members."""
        self._store.delete(self.key)

    @overload
    def pop(self, member: Value) -> float: ...
    @overload
    def pop(self, member: Value, default: R) -> float | R: ...
    def pop(self, member: Value, default: object = _NONE) -> object:
        """Remove a member and return its score; without one return ``default``, or raise KeyError."""
        with self._store.pipeline() as pipe:
            pipe.zscore(self.key, member)
            pipe.zrem(self.key, member)
            score = pipe.execute()[0]
        if score is not None:
            return score
        if default is _NONE:
            raise KeyError(member)
        return default

    def popitem(self) -> tuple[T, float]:
        """Remove and return the member with the highest score; raise KeyError if there is none."""
        popped = self._store.zpopmax(self.key)
        if not popped:
            raise KeyError("the sorted set is empty")
        return popped[0]

    def pop_lowest(self) -> tuple[T, float]:
        """Remove and return the member with the lowest score; raise KeyError if there is none."""
        popped = self._store.zpopmin(self.key)
        if not popped:
            raise KeyError("the sorted set is empty")
        return popped[0]

    def setdefault(self, member: Value, default: float) -> float:
        """Add a member unless it is there; return its score."""
        with self._store.pipeline() as pipe:
            pipe.zadd(self.key, {member: default}, nx=True)
            pipe.zscore(self.key, member)
            score: float = pipe.execute()[1]
        return score

    def update(  # type: ignore[override]
        self,
        other: SupportsKeysAndGetItem[T, float] | Iterable[tuple[Value, float]] = (),
        /,
        **members: float,
    ) -> None:
        """Set the scores of several members at once."""
        scores: dict[Argument, float] = dict(other)  # type: ignore[arg-type]
        scores.update(members)
        if scores:
            self._store.zadd(self.key, scores)

    def increment(self, member: Value, amount: float = 1.0) -> float:
        """Add to a member's score, 0 if it is none; return the result. O(log n)."""
        return self._store.zincrby(self.key, amount, member)

    def rank(self, member: Value, *, reverse: bool = False) -> int:
        """Return a member's place, 0 for the lowest (or highest) score; raise KeyError if it is none. O(log n)."""
        rank = self._store.zrevrank(self.key, member) if reverse else self._store.zrank(self.key, member)
        if not isinstance(rank, int):
            raise KeyError(member)
        return rank

    def range(self, start: int = 0, stop: int | None = None, *, reverse: bool = False) -> list[tuple[T, float]]:
        """Return the members from one place to before another, as a slice does, with their scores. O(log n + m)."""
        if stop == 0:
            return []
        return self._store.zrange(self.key, start, -1 if stop is None else stop - 1, desc=reverse, withscores=True)

    def between(
        self, low: Bound = "-inf", high: Bound = "+inf", *, limit: int | None = None, reverse: bool = False
    ) -> list[tuple[T, float]]:
        """Return the members with scores from ``low`` to ``high`` (``"(1"`` excludes 1), and those. O(log n + m)."""
        first, last = (high, low) if reverse else (low, high)
        offset = None if limit is None else 0
        return self._store.zrange(
            self.key, first, last, desc=reverse, withscores=True, byscore=True, offset=offset, num=limit
        )

    def count(self, low: Bound = "-inf", high: Bound = "+inf") -> int:
        """Count the members with scores from ``low`` to ``high``. O(log n)."""
        return self._store.zcount(self.key, low, high)


class Counter:
    """An integer to count with, from any number of threads at once."""

    __slots__ = ("_store", "key")

    def __init__(self, store: BaseStore[Reply], key: Key) -> None:
        self._store = store
        self.key = encode(key)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.key!r}, {self.value})"

    @property
    def value(self) -> int:
        """The count, 0 if there is none yet."""
        text: bytes | str | None = self._store.get(self.key)
        return 0 if text is None else int(text)

    def __int__(self) -> int:
        return self.value

    def __index__(self) -> int:
        return self.value

    def __bool__(self) -> bool:
        return self.value != 0

    def __eq__(self, other: object) -> bool:
        return self.value == (other.value if isinstance(other, Counter) else other)

    __hash__ = None  # type: ignore[assignment]

    def __lt__(self, other: int | Counter) -> bool:
        return self.value < int(other)

    def __le__(self, other: int | Counter) -> bool:
        return self.value <= int(other)

    def __gt__(self, other: int | Counter) -> bool:
        return self.value > int(other)

    def __ge__(self, other: int | Counter) -> bool:
        return self.value >= int(other)

    def incr(self, amount: int = 1) -> int:
        """Add; return the result. O(1)."""
        return self._store.incr(self.key, amount)

    def decr(self, amount: int = 1) -> int:
        """Subtract; return the result. O(1)."""
        return self._store.decr(self.key, amount)

    def __iadd__(self, amount: int) -> Self:
        self.incr(amount)
        return self

    def __isub__(self, amount: int) -> Self:
        self.decr(amount)
        return self

    def reset(self) -> int:
        """Begin at 0 again; return what the count was."""
        text: bytes | str | None = self._store.getdel(self.key)
        return 0 if text is None else int(text)


def _is_argument(value: object) -> TypeGuard[Argument]:
    return isinstance(value, bytes | str | int | float | bytearray | memoryview) and not isinstance(value, bool)
