"""The hash type: fields to values, a plain dict while small and a table when large.

What lives here: the fields and the size at which they move to a :class:`~kvcore.datatypes.table.Table`. What
must not: numbers, argument parsing, replies. The rule: the move happens in :meth:`Hash.put` or
:meth:`Hash.convert`, never back, and what OBJECT ENCODING answers is exactly which of the two it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random

from kvcore.datatypes import sampling
from kvcore.datatypes.deadlines import Perishable
from kvcore.datatypes.table import Table


class Hash(Perishable):
    """Fields with values. The limits of the small form are the caller's, given with each write."""

    __slots__ = ("fields",)

    def __init__(self) -> None:
        self.expires = None
        self.fields: dict[bytes, bytes] | Table[bytes] = {}

    def __len__(self) -> int:
        return len(self.fields)

    def __contains__(self, field: bytes) -> bool:
        return field in self.fields

    def __iter__(self) -> Iterator[bytes]:
        """Iterate over the fields: in order of insertion while small. The hash must not change meanwhile."""
        return iter(self.fields)

    @property
    def encoding(self) -> str:
        """What OBJECT ENCODING answers."""
        return "listpack" if isinstance(self.fields, dict) else "hashtable"

    def items(self) -> Iterable[tuple[bytes, bytes]]:
        """Return (field, value) pairs. The hash must not change while they are read."""
        return self.fields.items()

    def values(self) -> Iterable[bytes]:
        """Return the values. The hash must not change while they are read."""
        return self.fields.values()

    def get(self, field: bytes) -> bytes | None:
        """Return the value of ``field``, None where there is none. O(1)."""
        return self.fields.get(field)

    def put(self, field: bytes, value: bytes, max_entries: int, max_value: int) -> bool:
        """Set the value of ``field``, which then no longer expires; return whether it is new. O(1) amortised.

        ``max_entries`` and ``max_value`` (bytes) are hash-max-listpack-entries and hash-max-listpack-value.
        """
        if self.expires is not None:
            self.clear_expiry(field)
        fields = self.fields
        if isinstance(fields, dict):
            if len(field) <= max_value and len(value) <= max_value:
                before = len(fields)
                fields[field] = value
                after = len(fields)
                if after > max_entries:
                    self.convert()
                return after != before
            fields = self.convert()
        return fields.put(field, value)

    def remove(self, field: bytes) -> bool:
        """Remove ``field``; return whether it was there. O(1) amortised."""
        if self.expires is not None:
            self.clear_expiry(field)
        fields = self.fields
        if isinstance(fields, dict):
            return fields.pop(field, None) is not None
        return fields.pop(field) is not None

    def convert(self) -> Table[bytes]:
        """Take the large form for good, and return it. O(fields)."""
        fields = self.fields
        if isinstance(fields, dict):
            table: Table[bytes] = Table()
            table.adopt(fields)
            self.fields = fields = table
        return fields

    def copy(self) -> Hash:
        """Return a hash of the same fields, in the same form. O(fields)."""
        other = Hash()
        other.fields = self.fields.copy()
        if self.expires is not None:
            other.expires = self.expires.copy()
        return other

    def scan(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """Return the next cursor and fields, as :meth:`Table.scan`; all of them at once while small."""
        fields = self.fields
        return (0, list(fields)) if isinstance(fields, dict) else fields.scan(cursor, count)

    def random_field(self, random: Random) -> bytes:
        """Return a uniformly random field of a hash that is not empty. O(1) expected."""
        return sampling.random_key(self.fields, random)

    def random_fields(self, count: int, random: Random, repeat: bool = False) -> list[bytes]:
        """Return ``count`` random fields: all different, or with ``repeat`` each drawn anew. O(count)."""
        if repeat:
            return sampling.repeated_keys(self.fields, count, random)
        return sampling.distinct_keys(self.fields, count, random)

    def check(self) -> None:
        """Assert every invariant. O(fields)."""
        if isinstance(self.fields, Table):
            self.fields.check()
        for field, value in self.fields.items():
            assert type(field) is bytes
            assert type(value) is bytes
        if self.expires is not None:
            self.expires.check()
            assert all(field in self.fields for field, _ in self.expires.items())
