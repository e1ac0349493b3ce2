"""The payload of DUMP and RESTORE: a value with its type before it, and a version and a checksum behind it.

Here: that frame. Not here: the value inside. The rule: nobody looks at the value before the frame is found to be
whole, and what lies between the value and the frame's end is ignored, as in the real server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kvcore.errors import RdbError
from kvcore.rdb import cron_jobs, member_times, types
from kvcore.rdb.crc64 import crc64
from kvcore.rdb.reader import Thresholds, deserialize
from kvcore.rdb.source import Source
from kvcore.rdb.writer import serialize

if TYPE_CHECKING:
    from kvcore.keyspace import Value

_FOOTER: Final = 10
_CHECKSUM: Final = 8
_NEWEST: Final = {11: types.STREAM_LISTPACKS_3, 12: types.HASH_LISTPACK_EX, 80: types.HASH_2}
"""Versions of Redis 7.2, 7.4 and Valkey 9, which the real server refuses, with the newest type of each."""


def dump(value: object, list_size: int, compress: bool) -> bytes:
    """Return the payload of ``value``; the arguments are those of :func:`kvcore.rdb.writer.serialize`. O(bytes)."""
    kind, body = serialize(value, list_size, compress)
    return seal(b"%c%b%b" % (kind, body, cron_jobs.trailer(value) or member_times.trailer(value, compress)))


def seal(body: bytes, version: int = types.VERSION) -> bytes:
    """Return ``body`` with version and checksum behind it. O(bytes)."""
    body += version.to_bytes(2, "little")
    return body + crc64(body).to_bytes(_CHECKSUM, "little")


def is_sealed(payload: bytes, unchecked: bool = False) -> bool:
    """Say whether version and checksum are right: a version that can be read, and that very checksum. O(bytes).

    ``unchecked`` takes any checksum, for tests that mend a payload by hand.
    """
    if len(payload) < _FOOTER:
        return False
    version = _version(payload)
    if version > types.VERSION and version not in _NEWEST:
        return False
    if unchecked:
        return True
    return crc64(payload[:-_CHECKSUM]) == int.from_bytes(payload[-_CHECKSUM:], "little")


def load(payload: bytes, limits: Thresholds, deep: bool) -> Value:
    """Return the value of a sealed payload; raise RdbError if there is none. O(bytes).

    Types that came after the payload's version are refused.
    """
    source = Source(payload)
    kind = source.byte()
    version = _version(payload)
    if kind > _NEWEST.get(version, types.NEWEST) and kind != types.CRON_JOB:
        raise RdbError(f"type {kind} is newer than the payload", 0)
    value = deserialize(kind, source, limits, deep)
    # Unlike the value, which may reach into the frame there as here, a trailer ends before it.
    if payload.startswith(member_times.MARK, source.position):
        member_times.read_trailer(Source(payload[:-_FOOTER], source.position), value)
    elif kind == types.CRON_JOB:
        cron_jobs.read_trailer(Source(payload[:-_FOOTER], source.position), value)
    return value


def _version(payload: bytes) -> int:
    return int.from_bytes(payload[-_FOOTER:-_CHECKSUM], "little")
