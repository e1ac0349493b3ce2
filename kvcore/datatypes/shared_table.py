"""A table that somebody else still reads: a segment is copied before it changes.

What lives here: copy-on-write for the segments of one table, for a snapshot of a large collection. What must not: when
to share, and who reads. The rule: a shared segment never changes. It is told by its identity, which is safe because the
reader keeps it alive; one that the reader has let go costs a needless copy at worst.

The usual table pays nothing for this: a collection trades its table for one of these when a snapshot asks for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from kvcore.datatypes.table import Table

V = TypeVar("V")


class SharedTable(Table[V]):
    """A table some of whose segments belong to a reader as well."""

    __slots__ = ("_shared",)

    def __init__(self, table: Table[V], segments: Iterable[dict[bytes, V]]) -> None:
        """Take over the contents of ``table``, of which ``segments`` are shared. O(segments)."""
        super().__init__()
        self.swap_contents(table)
        self._shared = set(map(id, segments))

    def put(self, key: bytes, value: V) -> bool:
        """Set the value of ``key``; return whether the key is new. O(1) amortised, O(segment) the first time."""
        self._own(key)
        return super().put(key, value)

    def setdefault(self, key: bytes, value: V) -> V:
        """Return the value of ``key`` after setting it to ``value`` where there was none."""
        self._own(key)
        return super().setdefault(key, value)

    def pop(self, key: bytes) -> V | None:
        """Remove ``key`` and return its value, None where there was none."""
        self._own(key)
        return super().pop(key)

    def _merge(self, key: bytes) -> None:
        # A merge changes the buddy, too. Segments that stay small meanwhile merge later, or never: that costs little.
        if not self._shared:
            super()._merge(key)

    def _own(self, key: bytes) -> None:
        """Put a copy in the place of the segment of ``key``, if that is shared."""
        shared = self._shared
        if not shared:
            return
        index = hash(key) & self.mask
        segment = self.directory[index]
        if id(segment) in shared:
            shared.discard(id(segment))
            bit = 1 << self.depths[index]
            self.directory[index & (bit - 1) :: bit] = [segment.copy()] * (len(self.directory) // bit)
