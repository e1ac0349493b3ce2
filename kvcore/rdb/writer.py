"""Values to RDB: the type byte and what follows it, as Redis 7.0 writes them.

Here: one writer for each type of value. Not here: keys, times to live, checksums. The rule: :data:`WRITERS` is the
only place that knows which types there are; a new type of value adds its writer there, and its readers to
:data:`kvcore.rdb.reader.READERS`.

A list here has no nodes: it is written as if its values had been pushed at the tail one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from struct import pack
from typing import Final

from kvcore.datatypes.cron_job import CronJob
from kvcore.datatypes.hash import Hash
from kvcore.datatypes.list import List
from kvcore.datatypes.numbers import format_double
from kvcore.datatypes.set import Set
from kvcore.datatypes.sorted_set import SortedSet
from kvcore.datatypes.stream import Stream
from kvcore.rdb import cron_jobs, intset, listpack, sink, stream, types

LARGE: Final = 1 << 30
"""A list's value of so many bytes gets a node of its own, without a listpack around it."""

_PLAIN: Final = b"\x01"
_PACKED: Final = b"\x02"
_NODE_BYTES: Final = (4096, 8192, 16384, 32768, 65536)
"""Largest node of a list for list-max-listpack-size -1 to -5."""

_SAFE_NODE_BYTES: Final = 8192
_NODE_ENTRIES_MAX: Final = 32767
_ENTRY_OVERHEAD: Final = 8
_EXACT_INTEGER: Final = 2.0**62

Written = tuple[int, bytes]
"""Type byte and payload."""


def serialize(value: object, list_size: int, compress: int) -> Written:
    """Return the RDB type of ``value`` and its payload. O(bytes).

    ``list_size`` is list-max-listpack-size, ``compress`` is that of :func:`kvcore.rdb.sink.string`.
    """
    return WRITERS[type(value)](value, list_size, compress)


def _string(value: object, _list_size: int, compress: int) -> Written:
    assert isinstance(value, bytes | bytearray)
    return types.STRING, sink.string(bytes(value), compress)


def _list(value: object, list_size: int, compress: int) -> Written:
    assert isinstance(value, List)
    nodes = quicklist_nodes(value.items, list_size)
    parts = [sink.length(len(nodes))]
    for container, blob in nodes:
        parts.append(container)
        parts.append(sink.string(blob, compress))
    return types.LIST_QUICKLIST_2, b"".join(parts)


def quicklist_nodes(values: Iterable[bytes], fill: int, large: int = LARGE) -> list[tuple[bytes, bytes]]:
    """Return the nodes that ``values`` fill when pushed at the tail: container and content of each. O(bytes)."""
    by_size = fill < 0
    most_bytes = _NODE_BYTES[min(-fill, len(_NODE_BYTES)) - 1] if by_size else _SAFE_NODE_BYTES
    most = LARGE if by_size else min(fill, _NODE_ENTRIES_MAX)
    nodes: list[tuple[bytes, bytes]] = []
    entries: list[bytes] = []
    size = 0
    for value in values:
        length = len(value)
        if entries and (size + length + _ENTRY_OVERHEAD > most_bytes or len(entries) >= most or length >= large):
            nodes.append((_PACKED, listpack.wrap(entries)))
            entries = []
        if length >= large:
            nodes.append((_PLAIN, value))
            continue
        if not entries:
            size = listpack.HEADER + 1
        entry = listpack.encode_entry(value)
        entries.append(entry)
        size += len(entry)
    if entries:
        nodes.append((_PACKED, listpack.wrap(entries)))
    return nodes


def _set(value: object, _list_size: int, compress: int) -> Written:
    assert isinstance(value, Set)
    if value.encoding == "intset":
        return types.SET_INTSET, sink.string(intset.encode([int(member) for member in value]), compress)
    return types.SET, sink.length(len(value)) + sink.strings(value, compress)


def _hash(value: object, _list_size: int, compress: int) -> Written:
    assert isinstance(value, Hash)
    flat = [text for pair in value.items() for text in pair]
    if value.encoding == "listpack":
        blob = listpack.encode(flat)
        if len(blob) <= listpack.SIZE_MAX:
            return types.HASH_LISTPACK, sink.string(blob, compress)
    return types.HASH, sink.length(len(value)) + sink.strings(flat, compress)


def _sorted_set(value: object, _list_size: int, compress: int) -> Written:
    assert isinstance(value, SortedSet)
    if value.encoding == "listpack":
        entries: list[bytes] = []
        for member, score in value.items():
            entries.append(listpack.encode_entry(member))
            entries.append(_score_entry(score))
        blob = listpack.wrap(entries)
        if len(blob) <= listpack.SIZE_MAX:
            return types.ZSET_LISTPACK, sink.string(blob, compress)
    parts = [sink.length(len(value))]
    for member, score in value.range(0, len(value), reverse=True):
        parts.append(sink.string(member, compress))
        parts.append(pack("<d", score))
    return types.ZSET_2, b"".join(parts)


def _score_entry(score: float) -> bytes:
    if -_EXACT_INTEGER <= score <= _EXACT_INTEGER and score.is_integer():
        return listpack.encode_integer(int(score))
    return listpack.encode_entry(format_double(score))


def _stream(value: object, _list_size: int, compress: int) -> Written:
    assert isinstance(value, Stream)
    return types.STREAM_LISTPACKS_2, stream.write(value, compress)


def _cron_job(value: object, _list_size: int, compress: int) -> Written:
    return types.CRON_JOB, cron_jobs.write_body(value, compress)


WRITERS: Final[dict[type, Callable[[object, int, int], Written]]] = {
    bytes: _string,
    bytearray: _string,
    List: _list,
    Set: _set,
    Hash: _hash,
    SortedSet: _sorted_set,
    Stream: _stream,
    CronJob: _cron_job,
}
"""The writer of each type of value."""
