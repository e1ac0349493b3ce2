"""Times to live of members in a payload: what stands between the value and the frame's end.

Lives here: that trailer. Must not live here: values, which stand before it as any server writes them. The rule: no
server before this one looks at what follows a value, so a stock redis-server restores such a payload and only knows no
times; and a value none of whose members expires has no trailer, so its payload is the stock server's byte for byte.

The trailer is the mark, a count, and for each member its text and the moment it expires: eight bytes, milliseconds
since the Unix epoch.
"""

from __future__ import annotations

from typing import Final

from kvcore.datatypes.deadlines import Deadlines
from kvcore.datatypes.hash import Hash
from kvcore.datatypes.set import Set
from kvcore.datatypes.sorted_set import SortedSet
from kvcore.errors import RdbError
from kvcore.rdb import sink
from kvcore.rdb.source import Source

MARK: Final = b"kvcore-member-times\x01"
_TIME_BYTES: Final = 8


def trailer(value: object, compress: int) -> bytes:
    """Return what goes behind the value; nothing where no member expires. O(members that expire)."""
    if not isinstance(value, Hash | Set | SortedSet) or value.expires is None:
        return b""
    parts = [MARK, sink.length(len(value.expires))]
    for member, at_ms in value.expires.items():
        parts.append(sink.string(member, compress))
        parts.append(at_ms.to_bytes(_TIME_BYTES, "little", signed=True))
    return b"".join(parts)


def read_trailer(source: Source, value: object) -> None:
    """Give the value the times that stand behind it, if there are any; raise RdbError for ones it cannot have. O(n)."""
    if not isinstance(value, Hash | Set | SortedSet) or not source.data.startswith(MARK, source.position):
        return
    source.take(len(MARK))
    deadlines = Deadlines()
    for _ in range(source.count()):
        member = source.string()
        put_time(source, value, deadlines, member, int.from_bytes(source.take(_TIME_BYTES), "little", signed=True))
    value.expires = deadlines


def put_time(source: Source, value: Hash | Set | SortedSet, deadlines: Deadlines, member: bytes, at_ms: int) -> None:
    """Note when a member of ``value`` expires; raise RdbError if it has none of that name, or twice."""
    if member not in value or deadlines.get(member) is not None:
        raise RdbError("a time to live belongs to no member, or to one that has one", source.position)
    deadlines.put(member, at_ms)
