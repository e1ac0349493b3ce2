"""The payload of DUMP and RESTORE: a value with its type before it, and a version and a checksum behind it.

Here: that frame. Not here: the value inside. The rule: nobody looks at the value before the frame is found to be
whole, and what lies between the value and the frame's end is ignored, as in the real server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kvcore.errors import RdbError
from kvcore.rdb import types
from kvcore.rdb.crc64 import crc64
from kvcore.rdb.reader import Thresholds, deserialize
from kvcore.rdb.source import Source
from kvcore.rdb.writer import serialize

if TYPE_CHECKING:
    from kvcore.keyspace import Value

_FOOTER: Final = 10
_CHECKSUM: Final = 8


def dump(value: object, list_size: int, compress: bool) -> bytes:
    """Return the payload of ``value``; the arguments are those of :func:`kvcore.rdb.writer.serialize`. O(bytes)."""
    kind, body = serialize(value, list_size, compress)
    return seal(b"%c%b" % (kind, body))


def seal(body: bytes, version: int = types.VERSION) -> bytes:
    """Return ``body`` with version and checksum behind it. O(bytes)."""
    body += version.to_bytes(2, "little")
    return body + crc64(body).to_bytes(_CHECKSUM, "little")


def is_sealed(payload: bytes) -> bool:
    """Say whether version and checksum are right: a version of today or before, and that very checksum. O(bytes)."""
    end = len(payload) - _FOOTER
    if end < 0 or int.from_bytes(payload[end : end + 2], "little") > types.VERSION:
        return False
    return crc64(payload[:-_CHECKSUM]) == int.from_bytes(payload[-_CHECKSUM:], "little")


def load(payload: bytes, limits: Thresholds, deep: bool) -> Value:
    """Return the value of a sealed payload; raise RdbError if there is none. O(bytes).

    Types that came after :data:`kvcore.rdb.types.VERSION` are refused, although snapshots may hold them.
    """
    source = Source(payload)
    kind = source.byte()
    if kind > types.NEWEST:
        raise RdbError(f"type {kind} is newer than the payload", 0)
    return deserialize(kind, source, limits, deep)
