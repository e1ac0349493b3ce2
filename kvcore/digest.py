"""Digests of values and of the whole data set, as DEBUG DIGEST and DEBUG DIGEST-VALUE answer them.

Here: what of each type counts, and in which order. Not here: commands. The rule: equal data has equal digests on every
server, whatever order tables happen to be in; so what has no order is combined by exclusive or, and what has one is
hashed into all that came before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import sha1
from typing import TYPE_CHECKING, Final

from kvcore.datatypes.cron_job import CronJob
from kvcore.datatypes.hash import Hash
from kvcore.datatypes.list import List
from kvcore.datatypes.numbers import format_double
from kvcore.datatypes.set import Set
from kvcore.datatypes.sorted_set import SortedSet
from kvcore.datatypes.stream import Stream
from kvcore.datatypes.stream_id import SEQUENCE_MAX

if TYPE_CHECKING:
    from kvcore.keyspace import Database, Value

SIZE: Final = 20
"""Bytes of a digest."""

_EXPIRES: Final = b"!!expire!!"


def _hashed(text: bytes) -> int:
    return int.from_bytes(sha1(text, usedforsecurity=False).digest(), "big")


def _mixed(digest: int, text: bytes) -> int:
    """Return ``digest`` with ``text`` behind what it stands for already: the order counts."""
    return _hashed((digest ^ _hashed(text)).to_bytes(SIZE, "big"))


def _string(digest: int, value: object) -> int:
    assert isinstance(value, bytes | bytearray)
    return _mixed(digest, bytes(value))


def _list(digest: int, value: object) -> int:
    assert isinstance(value, List)
    for text in value.items:
        digest = _mixed(digest, text)
    return digest


def _set(digest: int, value: object) -> int:
    assert isinstance(value, Set)
    for member in value:
        digest ^= _hashed(member)
    return digest


def _hash(digest: int, value: object) -> int:
    assert isinstance(value, Hash)
    return _with_pairs(digest, value.items())


def _sorted_set(digest: int, value: object) -> int:
    assert isinstance(value, SortedSet)
    return _with_pairs(digest, ((member, format_double(score)) for member, score in value.items()))


def _stream(digest: int, value: object) -> int:
    assert isinstance(value, Stream)
    for number, fields in value:
        digest = _mixed(digest, b"%d.%d" % (number >> 64, number & SEQUENCE_MAX))
        for text in fields:
            digest = _mixed(digest, text)
    return digest


def _cron_job(digest: int, value: object) -> int:
    # As of members that expire: what it is counts, not when.
    assert isinstance(value, CronJob)
    for text in value.creation(b""):
        digest = _mixed(digest, text)
    return digest


def _with_pairs(digest: int, pairs: Iterable[tuple[bytes, bytes]]) -> int:
    for first, second in pairs:
        digest ^= _hashed(_mixed(_mixed(0, first), second).to_bytes(SIZE, "big"))
    return digest


TYPES: Final[dict[type, tuple[int, Callable[[int, object], int]]]] = {
    bytes: (0, _string),
    bytearray: (0, _string),
    List: (1, _list),
    Set: (2, _set),
    SortedSet: (3, _sorted_set),
    Hash: (4, _hash),
    Stream: (6, _stream),
    CronJob: (7, _cron_job),
}
"""What stands for each type in a digest, and what adds its elements. A new type of value adds itself here."""


def _with_value(digest: int, value: Value, expires: bool) -> int:
    number, add = TYPES[type(value)]
    digest = add(_mixed(digest, number.to_bytes(4, "big")), value)
    return digest ^ _hashed(_EXPIRES) if expires else digest


def value_digest(value: Value | None, expires: bool) -> str:
    """Return the digest of a value in hexadecimal, all zeros for none; that it expires counts, not when. O(bytes)."""
    return f"{0 if value is None else _with_value(0, value, expires):040x}"


def dataset_digest(databases: Iterable[Database]) -> str:
    """Return the digest of every key, value and database number in hexadecimal. O(bytes of all)."""
    digest = 0
    for db in databases:
        if db.size:
            digest = _mixed(digest, db.index.to_bytes(4, "big"))
            for key, value in db.items():
                of_key = _with_value(_mixed(0, key), value, db.expiry(key) is not None)
                digest ^= _hashed(of_key.to_bytes(SIZE, "big"))
    return f"{digest:040x}"
