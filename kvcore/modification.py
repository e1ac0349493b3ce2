"""When keys were last modified: what OBJECT LASTMODIFIED tells.

Lives here: a table of seconds for each database, kept while somebody asks for it (`key-modification-times`, and active
replication, whose versions are times). Must not live here: who changes keys, which
:meth:`kvcore.keyspace.Keyspace.follow` tells. The rule: a key that has no time of its own has not changed since the
table was begun, and nobody pays for a table that nobody asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kvcore.datatypes.table import Table

if TYPE_CHECKING:
    from kvcore.keyspace import Database, Keyspace

_SPARE: Final = 1024
"""Times of keys that a flush took, above which they are looked for."""


class ModificationTimes:
    """The second in which each key of an engine changed last."""

    __slots__ = ("_begun_s", "_cancel", "_keyspace", "_tables")

    def __init__(self, keyspace: Keyspace) -> None:
        self._keyspace = keyspace
        self._tables: dict[int, Table[int]] = {}
        self._begun_s = 0
        self._cancel: Callable[[], None] | None = None

    @property
    def kept(self) -> bool:
        """Whether times are kept now."""
        return self._cancel is not None

    def keep(self, wanted: bool) -> None:
        """Begin to keep times, or stop and forget them."""
        if self._cancel is not None and not wanted:
            self._cancel()
            self._cancel = None
            self._tables = {}
        elif self._cancel is None and wanted:
            self._begun_s = self._keyspace.now_ms() // 1000
            self._cancel = self._keyspace.follow(self._note)

    def _note(self, db: Database, key: bytes) -> None:
        table = self._tables.setdefault(db.index, Table())
        if key not in db:
            table.pop(key)
            return
        table.put(key, self._keyspace.now_ms() // 1000)
        if table.size > 2 * db.size + _SPARE:
            self._sweep(db, table)

    def _sweep(self, db: Database, table: Table[int]) -> None:
        """Forget the keys that went without a word each: a flush took them."""
        kept: Table[int] = Table()
        for key, second in table.items():
            if key in db:
                kept.put(key, second)
        self._tables[db.index] = kept

    def swapped(self, first: int, second: int) -> None:
        """Follow two databases that traded their keys. O(1)."""
        tables = self._tables
        one, other = tables.pop(first, None), tables.pop(second, None)
        if one is not None:
            tables[second] = one
        if other is not None:
            tables[first] = other

    def age_s(self, db: Database, key: bytes) -> int:
        """Return the seconds since the present ``key`` changed, or since times are kept. O(1)."""
        table = self._tables.get(db.index)
        second = None if table is None else table.get(key)
        return max(0, self._keyspace.now_ms() // 1000 - (self._begun_s if second is None else second))
