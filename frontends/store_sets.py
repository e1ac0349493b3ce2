"""Methods for sets, named and shaped as redis-py's.

The rule is that of :mod:`kvcore.frontends.store_base`: build the arguments, end in ``self._call``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from kvcore.frontends.store_base import Commands, Key, Keys, T, Value, as_bool, as_set, same, spread
from kvcore.replies import Reply


def _as_list(reply: Reply) -> list[Reply]:
    return list(reply)


class SetCommands(Commands[T]):
    """Commands on sets."""

    __slots__ = ()

    def sadd(self, name: Key, *values: Value) -> int:
        """Add members; return how many are new."""
        return self._call(same, b"SADD", name, *values)

    def scard(self, name: Key) -> int:
        """Return how many members there are."""
        return self._call(same, b"SCARD", name)

    def sdiff(self, keys: Keys, *args: Key) -> set[T]:
        """Return the members of the first set that no other has."""
        return self._call(as_set, b"SDIFF", *spread(keys, args))

    def sdiffstore(self, dest: Key, keys: Keys, *args: Key) -> int:
        """Store the members of the first set that no other has; return how many."""
        return self._call(same, b"SDIFFSTORE", dest, *spread(keys, args))

    def sinter(self, keys: Keys, *args: Key) -> set[T]:
        """Return the members that all sets have."""
        return self._call(as_set, b"SINTER", *spread(keys, args))

    def sintercard(self, numkeys: int, keys: Sequence[Key], limit: int = 0) -> int:
        """Return how many members all sets have, counting no further than ``limit``."""
        return self._call(same, b"SINTERCARD", numkeys, *keys, b"LIMIT", limit)

    def sinterstore(self, dest: Key, keys: Keys, *args: Key) -> int:
        """Store the members that all sets have; return how many."""
        return self._call(same, b"SINTERSTORE", dest, *spread(keys, args))

    def sismember(self, name: Key, value: Value) -> int:
        """Return 1 if ``value`` is a member, else 0."""
        return self._call(same, b"SISMEMBER", name, value)

    def smembers(self, name: Key) -> set[T]:
        """Return all members."""
        return self._call(as_set, b"SMEMBERS", name)

    def smismember(self, name: Key, values: Keys, *args: Value) -> list[int]:
        """Return 1 for each value that is a member, 0 for each that is not."""
        return self._call(same, b"SMISMEMBER", name, *spread(values, args))

    def smove(self, src: Key, dst: Key, value: Value) -> bool:
        """Move a member to another set; return whether it was there."""
        return self._call(as_bool, b"SMOVE", src, dst, value)

    @overload
    def spop(self, name: Key, count: None = None) -> T | None: ...
    @overload
    def spop(self, name: Key, count: int) -> list[T]: ...
    def spop(self, name: Key, count: int | None = None) -> T | list[T] | None:
        """Remove and return a random member, or up to ``count`` of them."""
        return self._call(same, b"SPOP", name) if count is None else self._call(_as_list, b"SPOP", name, count)

    @overload
    def srandmember(self, name: Key, number: None = None) -> T | None: ...
    @overload
    def srandmember(self, name: Key, number: int) -> list[T]: ...
    def srandmember(self, name: Key, number: int | None = None) -> T | list[T] | None:
        """Return a random member, or up to ``number`` of them; if that is negative, they may repeat."""
        return self._call(same, b"SRANDMEMBER", name, *([] if number is None else [number]))

    def srem(self, name: Key, *values: Value) -> int:
        """Remove members; return how many were there."""
        return self._call(same, b"SREM", name, *values)

    def sunion(self, keys: Keys, *args: Key) -> set[T]:
        """Return the members that any of the sets has."""
        return self._call(as_set, b"SUNION", *spread(keys, args))

    def sunionstore(self, dest: Key, keys: Keys, *args: Key) -> int:
        """Store the members that any of the sets has; return how many."""
        return self._call(same, b"SUNIONSTORE", dest, *spread(keys, args))
