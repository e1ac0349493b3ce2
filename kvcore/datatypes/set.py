"""The set type: integers in order while few, a table otherwise; and set algebra.

What lives here: members, the two forms and union, intersection, difference. What must not: argument parsing,
replies. The rule: a set in the small form holds canonical 64-bit integers only, so a member's text and its
number stand for each other, and membership needs no number. Ascending order is made when somebody reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from random import Random

from kvcore.datatypes import sampling
from kvcore.datatypes.deadlines import Perishable
from kvcore.datatypes.numbers import parse_int
from kvcore.datatypes.table import Table


class Set(Perishable):
    """Members of ``bytes``. The limit of the small form is the caller's, given with each write."""

    __slots__ = ("_ordered", "members")

    def __init__(self, members: Iterable[bytes] = (), max_intset: int = 512) -> None:
        self.expires = None
        self.members: dict[bytes, bool] | Table[bool] = {}
        self._ordered = True  # the dict's order is ascending
        for member in members:
            self.add(member, max_intset)

    def __len__(self) -> int:
        return len(self.members)

    def __contains__(self, member: bytes) -> bool:
        return member in self.members

    def __iter__(self) -> Iterator[bytes]:
        """Iterate over the members: ascending while all are integers. The set must not change meanwhile."""
        self._order()
        return iter(self.members)

    @property
    def encoding(self) -> str:
        """What OBJECT ENCODING answers."""
        return "intset" if isinstance(self.members, dict) else "hashtable"

    def add(self, member: bytes, max_intset: int) -> bool:
        """Add ``member``; return whether it is new. O(1) amortised.

        ``max_intset`` is set-max-intset-entries.
        """
        members = self.members
        if isinstance(members, dict):
            if member in members:
                return False
            if parse_int(member) is not None:
                self._ordered = not members
                members[member] = True
                if len(members) > max_intset:
                    self.convert()
                return True
            members = self.convert()
        return members.put(member, True)

    def remove(self, member: bytes) -> bool:
        """Remove ``member``; return whether it was there. O(1) amortised."""
        if self.expires is not None:
            self.clear_expiry(member)
        members = self.members
        if isinstance(members, dict):
            return members.pop(member, False)
        return members.pop(member) is not None

    def convert(self) -> Table[bool]:
        """Take the large form for good, and return it. O(members)."""
        members = self.members
        if isinstance(members, dict):
            table: Table[bool] = Table()
            table.adopt(members)
            self.members = members = table
        return members

    def copy(self) -> Set:
        """Return a set of the same members, in the same form. O(members)."""
        other = Set()
        other.members = self.members.copy()
        other._ordered = self._ordered
        if self.expires is not None:
            other.expires = self.expires.copy()
        return other

    def scan(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """Return the next cursor and members, as :meth:`Table.scan`; all at once in the small form."""
        members = self.members
        return (0, list(self)) if isinstance(members, dict) else members.scan(cursor, count)

    def random_member(self, random: Random) -> bytes:
        """Return a uniformly random member of a set that is not empty. O(1) expected."""
        return sampling.random_key(self.members, random)

    def random_members(self, count: int, random: Random, repeat: bool = False) -> list[bytes]:
        """Return ``count`` random members: all different, or with ``repeat`` each drawn anew. O(count)."""
        if repeat:
            return sampling.repeated_keys(self.members, count, random)
        return sampling.distinct_keys(self.members, count, random)

    def pop_random(self, count: int, random: Random) -> list[bytes]:
        """Remove and return up to ``count`` random members. O(count) expected."""
        popped = self.random_members(count, random)
        if len(popped) == len(self):
            self.members.clear()
            self.expires = None
        else:
            for member in popped:
                self.remove(member)
        return popped

    def _order(self) -> None:
        """Bring the small form into ascending order. O(n log n) after a change, O(1) otherwise."""
        if not self._ordered and isinstance(self.members, dict):
            self.members = dict.fromkeys(sorted(self.members, key=int), True)
            self._ordered = True

    def check(self) -> None:
        """Assert every invariant. O(members)."""
        if isinstance(self.members, Table):
            self.members.check()
        else:
            numbers = [parse_int(member) for member in self]
            assert None not in numbers
            assert numbers == sorted(map(int, self.members))
        assert all(type(member) is bytes for member in self)
        if self.expires is not None:
            self.expires.check()
            assert all(member in self.members for member, _ in self.expires.items())


def made_of(members: dict[bytes, bool], max_intset: int) -> Set:
    """Return a new set that takes over a dict of its members. O(members)."""
    result = Set()
    result.members = members
    result._ordered = False
    if len(members) > max_intset or any(parse_int(member) is None for member in members):
        result.convert()
    return result


def union(sets: Iterable[Set], max_intset: int) -> Set:
    """Return a new set of the members of any of ``sets``. O(members)."""
    result = Set()
    for source in sets:
        for member in source.members:
            result.add(member, max_intset)
    return result


def intersection(sets: Sequence[Set], limit: int = 0) -> list[bytes]:
    """Return the members of all of ``sets``, at most ``limit`` of them unless that is 0.

    They come in the order of the smallest set, hence ascending where that holds integers only. No sets have
    no members in common. O(smallest set * sets).
    """
    if not sets:
        return []
    ordered = sorted(sets, key=len)
    common = list(ordered[0])
    for other in ordered[1:-1] if limit else ordered[1:]:
        members = other.members
        common = [member for member in common if member in members]
    if not limit:
        return common
    last = ordered[-1].members
    found: list[bytes] = []
    for member in common:
        if member in last:
            found.append(member)
            if len(found) == limit:
                break
    return found


def difference(first: Set, others: Iterable[Set], max_intset: int) -> Set:
    """Return a new set of the members of ``first`` that are in none of ``others``.

    O(min(members of first * others, members of all)).
    """
    left: Iterable[bytes] = first
    for other in others:
        if other is first:
            return Set()
        left = [member for member in left if member not in other.members]
    return Set(left, max_intset)
