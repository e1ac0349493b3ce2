"""Methods for hashes, named and shaped as redis-py's.

The rule is that of :mod:`kvcore.frontends.store_base`: build the arguments, end in ``self._call``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import overload

from kvcore.frontends.store_base import (
    Commands,
    Duration,
    Key,
    Keys,
    Moment,
    T,
    Value,
    as_bool,
    as_dict,
    as_float,
    expiry_options,
    flags,
    pairs,
    same,
    spread,
    unix_milliseconds,
    unix_seconds,
)
from kvcore.frontends.store_base import (
    milliseconds as in_milliseconds,
)
from kvcore.frontends.store_base import (
    seconds as in_seconds,
)
from kvcore.replies import Reply


def _flat(reply: Reply) -> list[Reply]:
    return [item for pair in reply for item in pair]


def _fields(
    method: str,
    key: Value | None,
    value: Value | None,
    mapping: Mapping[Key, Value] | Mapping[bytes, Value] | Mapping[str, Value] | None,
    items: Sequence[Value] | None,
) -> list[Value]:
    """Return fields and values in turns."""
    words: list[Value] = [] if items is None else list(items)
    if len(words) % 2:
        raise ValueError(f"{method}() takes items in pairs: fields and values in turns")
    if key is not None:
        if value is None:
            raise TypeError(f"{method}() needs the value of a field")
        words += (key, value)
    if mapping is not None:
        words += pairs(mapping)
    if not words:
        raise ValueError(f"{method}() needs a field and its value, a mapping, or items")
    return words


class HashCommands(Commands[T]):
    """Commands on hashes."""

    __slots__ = ()

    def hdel(self, name: Key, *keys: Value) -> int:
        """Delete fields; return how many existed."""
        return self._call(same, b"HDEL", name, *keys)

    def hexists(self, name: Key, key: Value) -> bool:
        """Return whether a field exists."""
        return self._call(as_bool, b"HEXISTS", name, key)

    def hget(self, name: Key, key: Value) -> T | None:
        """Return the value of a field, None if there is none."""
        return self._call(same, b"HGET", name, key)

    def hgetall(self, name: Key) -> dict[T, T]:
        """Return all fields and values."""
        return self._call(as_dict, b"HGETALL", name)

    def hincrby(self, name: Key, key: Value, amount: int = 1) -> int:
        """Add to the integer in a field; return the result."""
        return self._call(same, b"HINCRBY", name, key, amount)

    def hincrbyfloat(self, name: Key, key: Value, amount: float = 1.0) -> float:
        """Add to the number in a field; return the result."""
        return self._call(as_float, b"HINCRBYFLOAT", name, key, amount)

    def hkeys(self, name: Key) -> list[T]:
        """Return all fields."""
        return self._call(same, b"HKEYS", name)

    def hlen(self, name: Key) -> int:
        """Return how many fields there are."""
        return self._call(same, b"HLEN", name)

    def hmget(self, name: Key, keys: Keys, *args: Value) -> list[T | None]:
        """Return the values of several fields, None where there is none."""
        return self._call(same, b"HMGET", name, *spread(keys, args))

    def hmset(self, name: Key, mapping: Mapping[Key, Value] | Mapping[bytes, Value] | Mapping[str, Value]) -> bool:
        """Set several fields; the older form of :meth:`hset`."""
        return self._call(as_bool, b"HMSET", name, *pairs(mapping))

    @overload
    def hrandfield(self, key: Key, count: None = None, withvalues: bool = False) -> T | None: ...
    @overload
    def hrandfield(self, key: Key, count: int, withvalues: bool = False) -> list[T]: ...
    def hrandfield(self, key: Key, count: int | None = None, withvalues: bool = False) -> T | list[T] | None:
        """Return a random field, or ``count`` of them, which repeat if that is negative."""
        words: list[Value] = [] if count is None else [count]
        return self._call(_flat if withvalues else same, b"HRANDFIELD", key, *words, *flags(WITHVALUES=withvalues))

    def hset(
        self,
        name: Key,
        key: Value | None = None,
        value: Value | None = None,
        mapping: Mapping[Key, Value] | Mapping[bytes, Value] | Mapping[str, Value] | None = None,
        items: Sequence[Value] | None = None,
    ) -> int:
        """Set a field, those of a mapping, and of ``items``, fields and values in turns; return how many are new."""
        return self._call(same, b"HSET", name, *_fields("hset", key, value, mapping, items))

    def hsetnx(self, name: Key, key: Value, value: Value) -> int:
        """Set a field if it is new; return 1 if it was."""
        return self._call(same, b"HSETNX", name, key, value)

    def hstrlen(self, name: Key, key: Value) -> int:
        """Return the length of a field's value in bytes."""
        return self._call(same, b"HSTRLEN", name, key)

    def hvals(self, name: Key) -> list[T]:
        """Return all values."""
        return self._call(same, b"HVALS", name)

    # Fields that are read, written and expire in one

    def hgetdel(self, name: Key, *keys: Value) -> list[T | None]:
        """Return the values of fields, None where there is none, and delete those fields."""
        return self._call(same, b"HGETDEL", name, b"FIELDS", len(keys), *keys)

    def hgetex(
        self,
        name: Key,
        *keys: Value,
        ex: Duration | None = None,
        px: Duration | None = None,
        exat: Moment | None = None,
        pxat: Moment | None = None,
        persist: bool = False,
    ) -> list[T | None]:
        """Return the values of fields, None where there is none, and set or clear when those fields expire."""
        words = expiry_options(ex, px, exat, pxat, persist)
        return self._call(same, b"HGETEX", name, *words, b"FIELDS", len(keys), *keys)

    def hsetex(
        self,
        name: Key,
        key: Value | None = None,
        value: Value | None = None,
        mapping: Mapping[Key, Value] | Mapping[bytes, Value] | Mapping[str, Value] | None = None,
        items: Sequence[Value] | None = None,
        ex: Duration | None = None,
        px: Duration | None = None,
        exat: Moment | None = None,
        pxat: Moment | None = None,
        data_persist_option: Enum | str | None = None,
        keepttl: bool = False,
    ) -> int:
        """Set fields as :meth:`hset` does, and when they expire; return 1, or 0 if nothing was set.

        With ``data_persist_option`` ``FNX`` only if none of them exists, with ``FXX`` only if all do.
        """
        words = expiry_options(ex, px, exat, pxat)
        if data_persist_option is not None:
            words.append(data_persist_option.value if isinstance(data_persist_option, Enum) else data_persist_option)
        words += flags(KEEPTTL=keepttl)
        fields = _fields("hsetex", key, value, mapping, items)
        return self._call(same, b"HSETEX", name, *words, b"FIELDS", len(fields) // 2, *fields)

    # Fields that expire

    def hexpire(
        self,
        name: Key,
        seconds: Duration,
        *fields: Value,
        nx: bool = False,
        xx: bool = False,
        gt: bool = False,
        lt: bool = False,
    ) -> list[int]:
        """Let fields expire in so many seconds; for each: 1 set, 0 not set, 2 deleted at once, -2 no such field."""
        words = flags(NX=nx, XX=xx, GT=gt, LT=lt)
        return self._call(same, b"HEXPIRE", name, in_seconds(seconds), *words, b"FIELDS", len(fields), *fields)

    def hpexpire(
        self,
        name: Key,
        milliseconds: Duration,
        *fields: Value,
        nx: bool = False,
        xx: bool = False,
        gt: bool = False,
        lt: bool = False,
    ) -> list[int]:
        """Let fields expire in so many milliseconds; the codes are those of :meth:`hexpire`."""
        words = flags(NX=nx, XX=xx, GT=gt, LT=lt)
        return self._call(
            same, b"HPEXPIRE", name, in_milliseconds(milliseconds), *words, b"FIELDS", len(fields), *fields
        )

    def hexpireat(
        self,
        name: Key,
        unix_time_seconds: Moment,
        *fields: Value,
        nx: bool = False,
        xx: bool = False,
        gt: bool = False,
        lt: bool = False,
    ) -> list[int]:
        """Let fields expire at a moment; the codes are those of :meth:`hexpire`."""
        words = [*flags(NX=nx, XX=xx, GT=gt, LT=lt), b"FIELDS", len(fields), *fields]
        return self._call(same, b"HEXPIREAT", name, unix_seconds(unix_time_seconds), *words)

    def hpexpireat(
        self,
        name: Key,
        unix_time_milliseconds: Moment,
        *fields: Value,
        nx: bool = False,
        xx: bool = False,
        gt: bool = False,
        lt: bool = False,
    ) -> list[int]:
        """Let fields expire at a moment, a number of which is milliseconds; the codes are those of :meth:`hexpire`."""
        words = [*flags(NX=nx, XX=xx, GT=gt, LT=lt), b"FIELDS", len(fields), *fields]
        return self._call(same, b"HPEXPIREAT", name, unix_milliseconds(unix_time_milliseconds), *words)

    def hexpiretime(self, key: Key, *fields: Value) -> list[int]:
        """Return when fields expire in seconds since the Unix epoch, -1 if never, -2 without a field."""
        return self._call(same, b"HEXPIRETIME", key, b"FIELDS", len(fields), *fields)

    def hpexpiretime(self, key: Key, *fields: Value) -> list[int]:
        """Return when fields expire in milliseconds since the Unix epoch, -1 if never, -2 without a field."""
        return self._call(same, b"HPEXPIRETIME", key, b"FIELDS", len(fields), *fields)

    def hpersist(self, name: Key, *fields: Value) -> list[int]:
        """Take the times to live off fields: 1 if one had it, -1 if not, -2 without a field."""
        return self._call(same, b"HPERSIST", name, b"FIELDS", len(fields), *fields)

    def hpttl(self, key: Key, *fields: Value) -> list[int]:
        """Return the times to live of fields in milliseconds, -1 where there is none, -2 without a field."""
        return self._call(same, b"HPTTL", key, b"FIELDS", len(fields), *fields)

    def httl(self, key: Key, *fields: Value) -> list[int]:
        """Return the times to live of fields in seconds, -1 where there is none, -2 without a field."""
        return self._call(same, b"HTTL", key, b"FIELDS", len(fields), *fields)
