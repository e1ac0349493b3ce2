"""Methods for strings, bitmaps and HyperLogLogs, named and shaped as redis-py's.

The rule is that of :mod:`kvcore.frontends.store_base`: build the arguments, end in ``self._call``. GET and SET have a
shorter way in the store itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from kvcore.frontends.store_base import (
    Commands,
    Duration,
    Key,
    Keys,
    Moment,
    T,
    Value,
    as_bool,
    as_float,
    expiry_options,
    flags,
    milliseconds,
    pairs,
    same,
    seconds,
    spread,
)
from kvcore.replies import Reply


def _as_set_result(reply: Reply) -> Reply:
    return True if reply == "OK" else reply


class StringCommands(Commands[T]):
    """Commands on strings."""

    __slots__ = ()

    def append(self, key: Key, value: Value) -> int:
        """Append to a string; return its length in bytes."""
        return self._call(same, b"APPEND", key, value)

    def decr(self, name: Key, amount: int = 1) -> int:
        """Subtract from an integer; return the result."""
        return self._call(same, b"DECRBY", name, amount)

    def decrby(self, name: Key, amount: int = 1) -> int:
        """Subtract from an integer; return the result."""
        return self._call(same, b"DECRBY", name, amount)

    def get(self, name: Key) -> T | None:
        """Return the string at ``name``, None if there is none."""
        return self._call(same, b"GET", name)

    def getdel(self, name: Key) -> T | None:
        """Return a string and delete its key."""
        return self._call(same, b"GETDEL", name)

    def getex(
        self,
        name: Key,
        ex: Duration | None = None,
        px: Duration | None = None,
        exat: Moment | None = None,
        pxat: Moment | None = None,
        persist: bool = False,
    ) -> T | None:
        """Return a string and change when its key expires: in ``ex`` seconds, in ``px`` milliseconds, or never."""
        return self._call(same, b"GETEX", name, *expiry_options(ex, px, exat, pxat, persist))

    def getrange(self, key: Key, start: int, end: int) -> T:
        """Return the bytes from ``start`` to ``end``, both included."""
        return self._call(same, b"GETRANGE", key, start, end)

    def getset(self, name: Key, value: Value) -> T | None:
        """Set a string; return what was there before."""
        return self._call(same, b"GETSET", name, value)

    def incr(self, name: Key, amount: int = 1) -> int:
        """Add to an integer; return the result."""
        return self._call(same, b"INCRBY", name, amount)

    def incrby(self, name: Key, amount: int = 1) -> int:
        """Add to an integer; return the result."""
        return self._call(same, b"INCRBY", name, amount)

    def incrbyfloat(self, name: Key, amount: float = 1.0) -> float:
        """Add to a number; return the result."""
        return self._call(as_float, b"INCRBYFLOAT", name, amount)

    def lcs(
        self,
        key1: Key,
        key2: Key,
        len: bool = False,  # noqa: A002 - redis-py's name
        idx: bool = False,
        minmatchlen: int = 0,
        withmatchlen: bool = False,
    ) -> Reply:
        """Return the longest common subsequence of two strings: itself, its length, or where its pieces are."""
        options = flags(LEN=len, IDX=idx)
        if minmatchlen:
            options += (b"MINMATCHLEN", minmatchlen)
        return self._call(same, b"LCS", key1, key2, *options, *flags(WITHMATCHLEN=withmatchlen))

    def mget(self, keys: Keys, *args: Key) -> list[T | None]:
        """Return the strings of several keys, None where there is none."""
        return self._call(same, b"MGET", *spread(keys, args))

    def mset(self, mapping: Mapping[Key, Value] | Mapping[bytes, Value] | Mapping[str, Value]) -> bool:
        """Set several keys at once."""
        return self._call(as_bool, b"MSET", *pairs(mapping))

    def msetnx(self, mapping: Mapping[Key, Value] | Mapping[bytes, Value] | Mapping[str, Value]) -> bool:
        """Set several keys if none of them exists; return whether that was so."""
        return self._call(as_bool, b"MSETNX", *pairs(mapping))

    def psetex(self, name: Key, time_ms: Duration, value: Value) -> bool:
        """Set a string for ``time_ms`` milliseconds."""
        return self._call(as_bool, b"PSETEX", name, milliseconds(time_ms), value)

    def set(
        self,
        name: Key,
        value: Value,
        ex: Duration | None = None,
        px: Duration | None = None,
        nx: bool = False,
        xx: bool = False,
        keepttl: bool = False,
        get: bool = False,
        exat: Moment | None = None,
        pxat: Moment | None = None,
    ) -> bool | T | None:
        """Set a string, for ``ex`` seconds or ``px`` milliseconds, or until ``exat`` or ``pxat``, if given.

        With ``nx`` only if the key is new, with ``xx`` only if it exists: None says that it was not set. ``keepttl``
        leaves the key's time to live. With ``get`` the old value is returned.
        """
        words = flags(NX=nx, XX=xx, KEEPTTL=keepttl, GET=get)
        words += expiry_options(ex, px, exat, pxat)
        return self._call(_as_set_result, b"SET", name, value, *words)  # type: ignore[no-any-return]

    def setex(self, name: Key, time: Duration, value: Value) -> bool:
        """Set a string for ``time`` seconds."""
        return self._call(as_bool, b"SETEX", name, seconds(time), value)

    def setnx(self, name: Key, value: Value) -> bool:
        """Set a string if the key is new; return whether it was."""
        return self._call(as_bool, b"SETNX", name, value)

    def setrange(self, name: Key, offset: int, value: Value) -> int:
        """Overwrite part of a string; return its length."""
        return self._call(same, b"SETRANGE", name, offset, value)

    def strlen(self, name: Key) -> int:
        """Return the length of a string in bytes."""
        return self._call(same, b"STRLEN", name)

    def substr(self, name: Key, start: int, end: int = -1) -> T:
        """Return the bytes from ``start`` to ``end``, both included."""
        return self._call(same, b"SUBSTR", name, start, end)

    # Bitmaps

    def bitcount(self, key: Key, start: int | None = None, end: int | None = None, mode: str | None = None) -> int:
        """Count the bits that are set, between two offsets in bytes, or in bits with ``mode`` BIT."""
        if (start is None) != (end is None):
            raise ValueError("bitcount() takes both start and end, or neither")
        words: list[Value] = [] if start is None or end is None else [start, end]
        if mode is not None:
            words.append(mode)
        return self._call(same, b"BITCOUNT", key, *words)

    def bitfield_ro(
        self, key: Key, encoding: str, offset: Value, items: list[tuple[str, Value]] | None = None
    ) -> list[int]:
        """Return integers of any width at bit offsets."""
        words: list[Value] = [b"GET", encoding, offset]
        for kind, at in items or ():
            words += (b"GET", kind, at)
        return self._call(same, b"BITFIELD_RO", key, *words)

    def bitop(self, operation: str, dest: Key, *keys: Key) -> int:
        """Store the AND, OR, XOR or NOT of strings; return its length."""
        return self._call(same, b"BITOP", operation, dest, *keys)

    def bitpos(
        self, key: Key, bit: int, start: int | None = None, end: int | None = None, mode: str | None = None
    ) -> int:
        """Return the offset of the first bit that is ``bit``, -1 if there is none."""
        if start is None and end is not None:
            raise ValueError("bitpos() takes no end without a start")
        words = [word for word in (start, end, mode) if word is not None]
        return self._call(same, b"BITPOS", key, bit, *words)

    def getbit(self, name: Key, offset: int) -> int:
        """Return the bit at ``offset``."""
        return self._call(same, b"GETBIT", name, offset)

    def setbit(self, name: Key, offset: int, value: int) -> int:
        """Set the bit at ``offset``; return what it was."""
        return self._call(same, b"SETBIT", name, offset, 1 if value else 0)

    # HyperLogLogs

    def pfadd(self, name: Key, *values: Value) -> int:
        """Count items; return 1 if the estimate may have changed."""
        return self._call(same, b"PFADD", name, *values)

    def pfcount(self, *sources: Key) -> int:
        """Return about how many different items were counted, together."""
        return self._call(same, b"PFCOUNT", *sources)

    def pfmerge(self, dest: Key, *sources: Key) -> bool:
        """Count into ``dest`` what the others have counted."""
        return self._call(as_bool, b"PFMERGE", dest, *sources)
