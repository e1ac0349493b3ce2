"""Methods for streams and their groups, named and shaped as redis-py's.

The rule is that of :mod:`kvcore.frontends.store_base`: build the arguments, end in ``self._call``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kvcore.frontends.store_base import (
    Commands,
    Entry,
    Key,
    T,
    Value,
    as_bool,
    as_dict,
    as_entries,
    as_streams,
    flags,
    list_of_text_keys,
    pairs,
    plain,
    same,
    text_keys,
)
from kvcore.replies import Reply


def _as_stream_facts(reply: Reply) -> dict[str, Reply]:
    facts = text_keys(reply)
    for name in ("first-entry", "last-entry"):
        entry = facts.get(name)
        if entry is not None:
            facts[name] = (entry[0], as_dict(entry[1]))
    if "entries" in facts:
        facts["entries"] = as_entries(facts["entries"])
        facts["groups"] = list_of_text_keys(facts["groups"])
    return facts


def _as_pending(reply: Reply) -> dict[str, Reply]:
    consumers = [{"name": name, "pending": int(count)} for name, count in plain(reply)[3] or ()]
    return {"pending": reply[0], "min": reply[1], "max": reply[2], "consumers": consumers}


def _as_pending_entries(reply: Reply) -> list[dict[str, Reply]]:
    names = ("message_id", "consumer", "time_since_delivered", "times_delivered")
    return [dict(zip(names, item, strict=True)) for item in reply]


def _as_claimed(reply: Reply) -> list[Reply]:
    return [reply[0], as_entries(reply[1]), *reply[2:]]


def _as_claimed_ids(reply: Reply) -> list[Reply]:
    return reply[1]  # type: ignore[no-any-return]


def _trim_words(maxlen: int | None, approximate: bool, minid: Value | None, limit: int | None) -> list[Value]:
    if maxlen is not None and minid is not None:
        raise ValueError("a stream is trimmed by maxlen or by minid, not by both")
    words: list[Value] = []
    if maxlen is not None:
        words += (b"MAXLEN", b"~", maxlen) if approximate else (b"MAXLEN", maxlen)
    elif minid is not None:
        words += (b"MINID", b"~", minid) if approximate else (b"MINID", minid)
    if limit is not None:
        words += (b"LIMIT", limit)
    return words


def _read_words(
    streams: Mapping[Key, Value] | Mapping[bytes, Value] | Mapping[str, Value],
    count: int | None,
    block: int | None,
    noack: bool = False,
) -> list[Value]:
    if not isinstance(streams, Mapping) or not streams:
        raise TypeError("streams are a mapping of keys to ids, with one or more of them")
    words: list[Value] = []
    if block is not None:
        words += (b"BLOCK", block)
    if count is not None:
        words += (b"COUNT", count)
    return [*words, *flags(NOACK=noack), b"STREAMS", *streams.keys(), *streams.values()]


def _counted(count: int | None) -> list[Value]:
    return [] if count is None else [b"COUNT", count]


class StreamCommands(Commands[T]):
    """Commands on streams."""

    __slots__ = ()

    def xack(self, name: Key, groupname: Value, *ids: Value) -> int:
        """Say that entries were dealt with; return how many were pending."""
        return self._call(same, b"XACK", name, groupname, *ids)

    def xadd(
        self,
        name: Key,
        fields: Mapping[Key, Value] | Mapping[bytes, Value] | Mapping[str, Value],
        id: Value = "*",  # noqa: A002 - redis-py's name
        maxlen: int | None = None,
        approximate: bool = True,
        nomkstream: bool = False,
        minid: Value | None = None,
        limit: int | None = None,
    ) -> T | None:
        """Append an entry and return its id; ``maxlen`` or ``minid`` drop old ones."""
        words = [*flags(NOMKSTREAM=nomkstream), *_trim_words(maxlen, approximate, minid, limit)]
        if not fields:
            raise ValueError("an entry has one field or more")
        return self._call(same, b"XADD", name, *words, id, *pairs(fields))

    def xautoclaim(
        self,
        name: Key,
        groupname: Value,
        consumername: Value,
        min_idle_time: int,
        start_id: Value = "0-0",
        count: int | None = None,
        justid: bool = False,
    ) -> list[Reply]:
        """Take over entries that others left pending for ``min_idle_time`` milliseconds.

        Return where to go on, the entries, and the ids that are no more; with ``justid`` only the entries' ids.
        """
        words: list[Value] = [] if count is None else [b"COUNT", count]
        words = [min_idle_time, start_id, *words, *flags(JUSTID=justid)]
        return self._call(
            _as_claimed_ids if justid else _as_claimed, b"XAUTOCLAIM", name, groupname, consumername, *words
        )

    def xclaim(
        self,
        name: Key,
        groupname: Value,
        consumername: Value,
        min_idle_time: int,
        message_ids: Sequence[Value],
        idle: int | None = None,
        time: int | None = None,
        retrycount: int | None = None,
        force: bool = False,
        justid: bool = False,
    ) -> list[Entry[T]] | list[T]:
        """Take over the named entries if they have been pending for ``min_idle_time`` milliseconds."""
        words: list[Value] = [min_idle_time, *message_ids]
        for option, number in ((b"IDLE", idle), (b"TIME", time), (b"RETRYCOUNT", retrycount)):
            if number is not None:
                words += (option, number)
        words += flags(FORCE=force, JUSTID=justid)
        return self._call(same if justid else as_entries, b"XCLAIM", name, groupname, consumername, *words)

    def xdel(self, name: Key, *ids: Value) -> int:
        """Delete entries; return how many were there."""
        return self._call(same, b"XDEL", name, *ids)

    def xgroup_create(
        self,
        name: Key,
        groupname: Value,
        id: Value = "$",  # noqa: A002 - redis-py's name
        mkstream: bool = False,
        entries_read: int | None = None,
    ) -> bool:
        """Make a group of consumers that reads what comes after ``id``."""
        words: list[Value] = [] if entries_read is None else [b"ENTRIESREAD", entries_read]
        return self._call(as_bool, b"XGROUP", b"CREATE", name, groupname, id, *flags(MKSTREAM=mkstream), *words)

    def xgroup_createconsumer(self, name: Key, groupname: Value, consumername: Value) -> int:
        """Make a consumer; return 1 if it is new."""
        return self._call(same, b"XGROUP", b"CREATECONSUMER", name, groupname, consumername)

    def xgroup_delconsumer(self, name: Key, groupname: Value, consumername: Value) -> int:
        """Delete a consumer; return how many entries it had pending."""
        return self._call(same, b"XGROUP", b"DELCONSUMER", name, groupname, consumername)

    def xgroup_destroy(self, name: Key, groupname: Value) -> bool:
        """Delete a group; return whether it was there."""
        return self._call(as_bool, b"XGROUP", b"DESTROY", name, groupname)

    def xgroup_setid(self, name: Key, groupname: Value, id: Value, entries_read: int | None = None) -> bool:  # noqa: A002
        """Let a group go on after ``id``."""
        words: list[Value] = [] if entries_read is None else [b"ENTRIESREAD", entries_read]
        return self._call(as_bool, b"XGROUP", b"SETID", name, groupname, id, *words)

    def xinfo_consumers(self, name: Key, groupname: Value) -> list[dict[str, Reply]]:
        """Return facts about each consumer of a group."""
        return self._call(list_of_text_keys, b"XINFO", b"CONSUMERS", name, groupname)

    def xinfo_groups(self, name: Key) -> list[dict[str, Reply]]:
        """Return facts about each group of a stream."""
        return self._call(list_of_text_keys, b"XINFO", b"GROUPS", name)

    def xinfo_stream(self, name: Key, full: bool = False) -> dict[str, Reply]:
        """Return facts about a stream."""
        return self._call(_as_stream_facts, b"XINFO", b"STREAM", name, *flags(FULL=full))

    def xlen(self, name: Key) -> int:
        """Return how many entries there are."""
        return self._call(same, b"XLEN", name)

    def xpending(self, name: Key, groupname: Value) -> dict[str, Reply]:
        """Return how many entries of a group are pending, from where to where, and with whom."""
        return self._call(_as_pending, b"XPENDING", name, groupname)

    def xpending_range(
        self,
        name: Key,
        groupname: Value,
        min: Value,  # noqa: A002 - redis-py's names
        max: Value,  # noqa: A002
        count: int,
        consumername: Value | None = None,
        idle: int | None = None,
    ) -> list[dict[str, Reply]]:
        """Return pending entries one by one: with whom, for how long, and how often delivered."""
        words: list[Value] = [] if idle is None else [b"IDLE", idle]
        words += (min, max, count)
        if consumername is not None:
            words.append(consumername)
        return self._call(_as_pending_entries, b"XPENDING", name, groupname, *words)

    def xrange(
        self,
        name: Key,
        min: Value = "-",  # noqa: A002 - redis-py's names
        max: Value = "+",  # noqa: A002
        count: int | None = None,
    ) -> list[Entry[T]]:
        """Return the entries between two ids, both included, oldest first."""
        return self._call(as_entries, b"XRANGE", name, min, max, *_counted(count))

    def xread(
        self,
        streams: Mapping[Key, Value] | Mapping[bytes, Value] | Mapping[str, Value],
        count: int | None = None,
        block: int | None = None,
    ) -> list[list[Reply]]:
        """Return ``[[stream, entries], ...]`` of what came after an id in each stream.

        ``block`` waits so many milliseconds (0: for ever) if there is nothing.
        """
        return self._call(as_streams, b"XREAD", *_read_words(streams, count, block))

    def xreadgroup(
        self,
        groupname: Value,
        consumername: Value,
        streams: Mapping[Key, Value] | Mapping[bytes, Value] | Mapping[str, Value],
        count: int | None = None,
        block: int | None = None,
        noack: bool = False,
    ) -> list[list[Reply]]:
        """Return ``[[stream, entries], ...]`` for a consumer of a group; id ``>`` asks for what nobody else got.

        ``block`` waits so many milliseconds (0: for ever) if there is nothing.
        """
        words = _read_words(streams, count, block, noack)
        return self._call(as_streams, b"XREADGROUP", b"GROUP", groupname, consumername, *words)

    def xrevrange(
        self,
        name: Key,
        max: Value = "+",  # noqa: A002 - redis-py's names
        min: Value = "-",  # noqa: A002
        count: int | None = None,
    ) -> list[Entry[T]]:
        """Return the entries between two ids, both included, newest first."""
        return self._call(as_entries, b"XREVRANGE", name, max, min, *_counted(count))

    def xtrim(
        self,
        name: Key,
        maxlen: int | None = None,
        approximate: bool = True,
        minid: Value | None = None,
        limit: int | None = None,
    ) -> int:
        """Drop old entries; return how many."""
        if maxlen is None and minid is None:
            raise ValueError("xtrim() needs maxlen or minid")
        return self._call(same, b"XTRIM", name, *_trim_words(maxlen, approximate, minid, limit))
