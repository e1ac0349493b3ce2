"""Methods for keys of any type: deleting, expiring, renaming, scanning, sorting; named and shaped as redis-py's.

The rule is that of :mod:`kvcore.frontends.store_base`: build the arguments, end in ``self._call``.
"""

from __future__ import annotations

from typing import Literal

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
    flags,
    limit_options,
    milliseconds,
    same,
    scan_words,
    seconds,
    spread,
    unix_milliseconds,
    unix_seconds,
)
from kvcore.replies import Reply


def _as_scan(reply: Reply) -> tuple[int, list[Reply]]:
    return int(reply[0]), list(reply[1])


def _as_hash_scan(reply: Reply) -> tuple[int, dict[Reply, Reply]]:
    return int(reply[0]), as_dict(reply[1])


def _as_scored_scan(reply: Reply) -> tuple[int, list[tuple[Reply, float]]]:
    flat = reply[1]
    return int(reply[0]), [(flat[index], float(flat[index + 1])) for index in range(0, len(flat), 2)]


class KeyCommands(Commands[T]):
    """Commands on keys."""

    __slots__ = ()

    def copy(self, source: Key, destination: Key, destination_db: int | None = None, replace: bool = False) -> bool:
        """Copy a key; return whether that was done."""
        words: list[Value] = [] if destination_db is None else [b"DB", destination_db]
        return self._call(as_bool, b"COPY", source, destination, *words, *flags(REPLACE=replace))

    def delete(self, *names: Key) -> int:
        """Delete keys; return how many existed."""
        return self._call(same, b"DEL", *names)

    def dump(self, name: Key) -> bytes | None:
        """Return a value in the format that :meth:`restore` takes."""
        return self._call_undecoded(same, b"DUMP", name)

    def exists(self, *names: Key) -> int:
        """Return how many of the keys exist."""
        return self._call(same, b"EXISTS", *names)

    def expire(
        self, name: Key, time: Duration, nx: bool = False, xx: bool = False, gt: bool = False, lt: bool = False
    ) -> bool:
        """Let a key expire in ``time`` seconds; return whether that was set."""
        return self._call(as_bool, b"EXPIRE", name, seconds(time), *flags(NX=nx, XX=xx, GT=gt, LT=lt))

    def expireat(
        self, name: Key, when: Moment, nx: bool = False, xx: bool = False, gt: bool = False, lt: bool = False
    ) -> bool:
        """Let a key expire at a moment; return whether that was set."""
        return self._call(as_bool, b"EXPIREAT", name, unix_seconds(when), *flags(NX=nx, XX=xx, GT=gt, LT=lt))

    def expiretime(self, key: Key) -> int:
        """Return when a key expires in seconds since the Unix epoch, -1 if never, -2 without a key."""
        return self._call(same, b"EXPIRETIME", key)

    def keys(self, pattern: Value = "*") -> list[T]:
        """Return the keys that match a pattern; :meth:`scan_iter` takes less memory."""
        return self._call(same, b"KEYS", pattern)

    def migrate(
        self,
        host: str,
        port: int,
        keys: Keys,
        destination_db: int,
        timeout: int,
        copy: bool = False,
        replace: bool = False,
        auth: str | None = None,
        username: str | None = None,
    ) -> T:
        """Move keys to another server, or copy them; return ``OK``, or ``NOKEY`` if there was none.

        ``timeout`` is in milliseconds. ``auth`` is the password there, of the user ``username`` if that is given.
        """
        words = flags(COPY=copy, REPLACE=replace)
        if username is not None:
            words += (b"AUTH2", username, "" if auth is None else auth)
        elif auth is not None:
            words += (b"AUTH", auth)
        names = spread(keys)
        return self._call_status(same, b"MIGRATE", host, port, b"", destination_db, timeout, *words, b"KEYS", *names)

    def move(self, name: Key, db: int) -> bool:
        """Move a key to another database; return whether that was done."""
        return self._call(as_bool, b"MOVE", name, db)

    def object(self, infotype: str, key: Key) -> Reply:
        """Return a fact about a key: ``ENCODING``, ``FREQ``, ``IDLETIME`` or ``REFCOUNT``."""
        return self._call(same, b"OBJECT", infotype, key)

    def persist(self, name: Key) -> bool:
        """Take the time to live off a key; return whether it had one."""
        return self._call(as_bool, b"PERSIST", name)

    def pexpire(
        self, name: Key, time: Duration, nx: bool = False, xx: bool = False, gt: bool = False, lt: bool = False
    ) -> bool:
        """Let a key expire in ``time`` milliseconds; return whether that was set."""
        return self._call(as_bool, b"PEXPIRE", name, milliseconds(time), *flags(NX=nx, XX=xx, GT=gt, LT=lt))

    def pexpireat(
        self, name: Key, when: Moment, nx: bool = False, xx: bool = False, gt: bool = False, lt: bool = False
    ) -> bool:
        """Let a key expire at a moment, a number of which is milliseconds; return whether that was set."""
        return self._call(as_bool, b"PEXPIREAT", name, unix_milliseconds(when), *flags(NX=nx, XX=xx, GT=gt, LT=lt))

    def pexpiretime(self, key: Key) -> int:
        """Return when a key expires in milliseconds since the Unix epoch, -1 if never, -2 without a key."""
        return self._call(same, b"PEXPIRETIME", key)

    def pttl(self, name: Key) -> int:
        """Return a key's time to live in milliseconds, -1 if it has none, -2 without a key."""
        return self._call(same, b"PTTL", name)

    def randomkey(self) -> T | None:
        """Return any key, None if there is none."""
        return self._call(same, b"RANDOMKEY")

    def rename(self, src: Key, dst: Key) -> bool:
        """Rename a key."""
        return self._call(as_bool, b"RENAME", src, dst)

    def renamenx(self, src: Key, dst: Key) -> bool:
        """Rename a key if the new name is free; return whether it was."""
        return self._call(as_bool, b"RENAMENX", src, dst)

    def restore(
        self,
        name: Key,
        ttl: int,
        value: Value,
        replace: bool = False,
        absttl: bool = False,
        idletime: int | None = None,
        frequency: int | None = None,
    ) -> Literal["OK"]:
        """Make a key of what :meth:`dump` returned, to live ``ttl`` milliseconds, 0 for ever."""
        words = flags(REPLACE=replace, ABSTTL=absttl)
        if idletime is not None:
            words += (b"IDLETIME", idletime)
        if frequency is not None:
            words += (b"FREQ", frequency)
        return self._call(same, b"RESTORE", name, ttl, value, *words)

    def scan(
        self, cursor: int = 0, match: Value | None = None, count: int | None = None, _type: str | None = None
    ) -> tuple[int, list[T]]:
        """Return the next cursor, which is 0 at the end, and some keys; see :meth:`scan_iter`."""
        words = scan_words(match, count)
        if _type is not None:
            words += (b"TYPE", _type)
        return self._call(_as_scan, b"SCAN", cursor, *words)

    def hscan(
        self, name: Key, cursor: int = 0, match: Value | None = None, count: int | None = None
    ) -> tuple[int, dict[T, T]]:
        """Return the next cursor and some fields of a hash with their values; see :meth:`hscan_iter`."""
        return self._call(_as_hash_scan, b"HSCAN", name, cursor, *scan_words(match, count))

    def sscan(
        self, name: Key, cursor: int = 0, match: Value | None = None, count: int | None = None
    ) -> tuple[int, list[T]]:
        """Return the next cursor and some members of a set; see :meth:`sscan_iter`."""
        return self._call(_as_scan, b"SSCAN", name, cursor, *scan_words(match, count))

    def zscan(
        self, name: Key, cursor: int = 0, match: Value | None = None, count: int | None = None
    ) -> tuple[int, list[tuple[T, float]]]:
        """Return the next cursor and some members of a sorted set with their scores; see :meth:`zscan_iter`."""
        return self._call(_as_scored_scan, b"ZSCAN", name, cursor, *scan_words(match, count))

    def sort(
        self,
        name: Key,
        start: int | None = None,
        num: int | None = None,
        by: Value | None = None,
        get: Keys | None = None,
        desc: bool = False,
        alpha: bool = False,
        store: Key | None = None,
        groups: bool = False,
    ) -> Reply:
        """Return the items of a list, set or sorted set in order, or store them and return how many there are.

        ``groups`` makes tuples of what several ``get`` patterns return.
        """
        patterns = [] if get is None else spread(get)
        words = _sort_words(start, num, by, patterns, desc, alpha)
        if store is not None:
            words += (b"STORE", store)
        width = len(patterns)
        if groups and width < 2:
            raise ValueError("groups=True needs two or more get patterns")

        def grouped(reply: Reply) -> Reply:
            return [tuple(reply[index : index + width]) for index in range(0, len(reply), width)]

        return self._call(grouped if groups else same, b"SORT", name, *words)

    def sort_ro(
        self,
        key: Key,
        start: int | None = None,
        num: int | None = None,
        by: Value | None = None,
        get: Keys | None = None,
        desc: bool = False,
        alpha: bool = False,
    ) -> list[T]:
        """Return the items of a list, set or sorted set in order."""
        words = _sort_words(start, num, by, [] if get is None else spread(get), desc, alpha)
        return self._call(same, b"SORT_RO", key, *words)

    def touch(self, *args: Key) -> int:
        """Use keys without reading them; return how many exist."""
        return self._call(same, b"TOUCH", *args)

    def ttl(self, name: Key) -> int:
        """Return a key's time to live in seconds, -1 if it has none, -2 without a key."""
        return self._call(same, b"TTL", name)

    def type(self, name: Key) -> T:
        """Return the type of a value: ``string``, ``list``, ``set``, ``zset``, ``hash``, ``stream`` or ``none``."""
        return self._call_status(same, b"TYPE", name)

    def unlink(self, *names: Key) -> int:
        """Delete keys; return how many existed."""
        return self._call(same, b"UNLINK", *names)


def _sort_words(
    start: int | None, num: int | None, by: Value | None, get: list[Value], desc: bool, alpha: bool
) -> list[Value]:
    words: list[Value] = [] if by is None else [b"BY", by]
    words += limit_options(start, num)
    for pattern in get:
        words += (b"GET", pattern)
    return words + flags(DESC=desc, ALPHA=alpha)
