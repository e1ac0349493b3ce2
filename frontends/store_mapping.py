"""The keys of a store as those of a dict, and iterators over what is too large to copy.

The rule: nothing here but in terms of a store's methods.
"""

from __future__ import annotations

from collections.abc import Iterator

from kvcore.frontends.store_base import Key, T, Value
from kvcore.frontends.store_commands import StoreCommands


class StoreMapping(StoreCommands[T]):
    """A store seen as a mapping of keys to strings."""

    __slots__ = ()

    def __getitem__(self, name: Key) -> T:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __setitem__(self, name: Key, value: Value) -> None:
        self.set(name, value)

    def __delitem__(self, name: Key) -> None:
        if not self.delete(name):
            raise KeyError(name)

    def __contains__(self, name: Key) -> bool:
        return self.exists(name) == 1

    def __iter__(self) -> Iterator[T]:
        return self.scan_iter()

    def __len__(self) -> int:
        return self.dbsize()

    def __bool__(self) -> bool:
        """Be true although there may be no key: a store is there or not."""
        return True

    # Iterators

    def scan_iter(self, match: Value | None = None, count: int | None = None, _type: str | None = None) -> Iterator[T]:
        """Yield the keys, each that is there all the while once or more; nothing is held while it is not asked."""
        cursor = -1
        while cursor:
            cursor, keys = self.scan(max(cursor, 0), match, count, _type)
            yield from keys

    def hscan_iter(self, name: Key, match: Value | None = None, count: int | None = None) -> Iterator[tuple[T, T]]:
        """Yield the fields of a hash with their values."""
        cursor = -1
        while cursor:
            cursor, fields = self.hscan(name, max(cursor, 0), match, count)
            yield from fields.items()

    def sscan_iter(self, name: Key, match: Value | None = None, count: int | None = None) -> Iterator[T]:
        """Yield the members of a set."""
        cursor = -1
        while cursor:
            cursor, members = self.sscan(name, max(cursor, 0), match, count)
            yield from members

    def zscan_iter(self, name: Key, match: Value | None = None, count: int | None = None) -> Iterator[tuple[T, float]]:
        """Yield the members of a sorted set with their scores."""
        cursor = -1
        while cursor:
            cursor, members = self.zscan(name, max(cursor, 0), match, count)
            yield from members
