"""RDB to values: every type that Redis 2 to 7.2 wrote, into the structures that commands work on.

Here: one reader for each type byte. Not here: keys, times to live, checksums. The rule: :data:`READERS` is the only
place that knows which type bytes there are. A reader returns a value that could have been built by commands, in the
form that the present limits give it, or raises RdbError; it never returns half a value.

``deep`` is what the real server calls sanitising. Without it only that is refused which cannot be held here: a field
without a value or twice, a member twice, a score that is no number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from kvcore.datatypes.hash import Hash
from kvcore.datatypes.list import List
from kvcore.datatypes.set import Set
from kvcore.datatypes.sorted_set import SortedSet, ordered
from kvcore.errors import RdbError
from kvcore.rdb import intset, listpack, stream, types, ziplist, zipmap
from kvcore.rdb.source import Source, parse_prefix

if TYPE_CHECKING:
    from kvcore.keyspace import Value

_PLAIN: Final = 1
_PACKED: Final = 2
_ANY_SIZE: Final = 1 << 62


class Thresholds(Protocol):
    """The sizes at which collections change their form; the engine's limits are these."""

    hash_entries: int
    hash_value: int
    intset_entries: int
    zset_entries: int
    zset_value: int


Reader = Callable[[Source, Thresholds, bool], "Value"]


def deserialize(kind: int, source: Source, limits: Thresholds, deep: bool) -> Value:
    """Read the value of RDB type ``kind``; ``source`` stands right behind it afterwards. O(bytes)."""
    reader = READERS.get(kind)
    if reader is None:
        raise RdbError(f"type {kind} is not known", source.position)
    return reader(source, limits, deep)


def _string(source: Source, _limits: Thresholds, _deep: bool) -> Value:
    return source.string()


# Lists


def _list(source: Source, _limits: Thresholds, _deep: bool) -> Value:
    return List([source.string() for _ in range(source.count())])


def _list_ziplist(source: Source, _limits: Thresholds, _deep: bool) -> Value:
    return List(_not_empty(source, _unpack(source, ziplist.decode)))


def _quicklist(source: Source, _limits: Thresholds, _deep: bool) -> Value:
    values: list[bytes] = []
    for _ in range(source.count()):
        values += _unpack(source, ziplist.decode)
    return List(_not_empty(source, values))


def _quicklist_2(source: Source, _limits: Thresholds, deep: bool) -> Value:
    values: list[bytes] = []
    for _ in range(source.count()):
        container = source.length()
        if container == _PACKED:
            values += _unpack_listpack(source, deep)
        elif container == _PLAIN:
            value = source.string()
            if not value:
                raise RdbError("list has an empty plain node", source.position)
            values.append(value)
        else:
            raise RdbError("list node is of no known container", source.position)
    return List(_not_empty(source, values))


# Sets


def _set(source: Source, limits: Thresholds, _deep: bool) -> Value:
    count = source.count()
    result = Set()
    if count > limits.intset_entries:
        result.convert()
    for _ in range(count):
        if not result.add(source.string(), limits.intset_entries):
            raise RdbError("set has a member twice", source.position)
    return result


def _set_intset(source: Source, limits: Thresholds, deep: bool) -> Value:
    start = source.position
    blob = source.blob()
    try:
        numbers = intset.decode(blob, deep)
    except RdbError as error:
        raise _inside(error, start) from None
    return _set_of(source, [b"%d" % number for number in numbers], limits)


def _set_listpack(source: Source, limits: Thresholds, deep: bool) -> Value:
    return _set_of(source, _not_empty(source, _unpack_listpack(source, deep)), limits)


def _set_of(source: Source, members: list[bytes], limits: Thresholds) -> Set:
    result = Set()
    if len(members) > limits.intset_entries:
        result.convert()
    for member in members:
        if not result.add(member, limits.intset_entries):
            raise RdbError("set has a member twice", source.position)
    return result


# Hashes


def _hash(source: Source, limits: Thresholds, _deep: bool) -> Value:
    count = source.count()
    result = Hash()
    if count > limits.hash_entries:
        result.convert()
    for _ in range(count):
        field = source.string()
        if not result.put(field, source.string(), limits.hash_entries, limits.hash_value):
            raise RdbError("hash has a field twice", source.position)
    return result


def _hash_zipmap(source: Source, limits: Thresholds, _deep: bool) -> Value:
    # The only blob whose values are measured: it predates the limit.
    return _hash_of(source, _unpack(source, zipmap.decode), limits, limits.hash_value)


def _hash_ziplist(source: Source, limits: Thresholds, _deep: bool) -> Value:
    return _hash_of(source, _unpack(source, ziplist.decode), limits, _ANY_SIZE)


def _hash_listpack(source: Source, limits: Thresholds, deep: bool) -> Value:
    return _hash_of(source, _unpack_listpack(source, deep), limits, _ANY_SIZE)


def _hash_of(source: Source, texts: list[bytes], limits: Thresholds, max_value: int) -> Hash:
    texts = _pairs(source, texts)
    result = Hash()
    if len(texts) // 2 > limits.hash_entries:
        result.convert()
    words = iter(texts)
    for field in words:
        if not result.put(field, next(words), limits.hash_entries, max_value):
            raise RdbError("hash has a field twice", source.position)
    return result


# Sorted sets


def _zset(source: Source, limits: Thresholds, _deep: bool) -> Value:
    return _zset_plain(source, limits, source.text_double)


def _zset_2(source: Source, limits: Thresholds, _deep: bool) -> Value:
    return _zset_plain(source, limits, source.binary_double)


def _zset_plain(source: Source, limits: Thresholds, read_score: Callable[[], float]) -> SortedSet:
    count = source.count()
    scores: dict[bytes, float] = {}
    for done in range(count):
        member = source.string()
        score = read_score()
        if score != score:
            raise RdbError("score is not a number", source.position)
        scores[member] = score
        if len(scores) <= done:
            raise RdbError("sorted set has a member twice", source.position)
    return ordered(scores.items(), limits.zset_entries, limits.zset_value)


def _zset_ziplist(source: Source, limits: Thresholds, _deep: bool) -> Value:
    return _zset_of(source, _unpack(source, ziplist.decode), limits)


def _zset_listpack(source: Source, limits: Thresholds, deep: bool) -> Value:
    return _zset_of(source, _unpack_listpack(source, deep), limits)


def _zset_of(source: Source, texts: list[bytes], limits: Thresholds) -> SortedSet:
    texts = _pairs(source, texts)
    scores: dict[bytes, float] = {}
    words = iter(texts)
    for member in words:
        # What is no number at all counts as 0, as it does when the real server looks at such an entry.
        scores[member] = score = parse_prefix(next(words)[:127]) or 0.0
        if score != score:
            raise RdbError("score is not a number", source.position)
    if len(scores) * 2 != len(texts):
        raise RdbError("sorted set has a member twice", source.position)
    return ordered(scores.items(), limits.zset_entries, _ANY_SIZE)


# Streams


def _stream_1(source: Source, _limits: Thresholds, deep: bool) -> Value:
    return stream.read(source, types.STREAM_LISTPACKS, deep)


def _stream_2(source: Source, _limits: Thresholds, deep: bool) -> Value:
    return stream.read(source, types.STREAM_LISTPACKS_2, deep)


def _stream_3(source: Source, _limits: Thresholds, deep: bool) -> Value:
    return stream.read(source, types.STREAM_LISTPACKS_3, deep)


# Blobs


def _unpack(source: Source, decode: Callable[[bytes], list[bytes]]) -> list[bytes]:
    start = source.position
    try:
        return decode(source.blob())
    except RdbError as error:
        raise _inside(error, start) from None


def _unpack_listpack(source: Source, deep: bool) -> list[bytes]:
    start = source.position
    blob = source.blob()
    try:
        return listpack.decode(blob, deep)
    except RdbError as error:
        raise _inside(error, start) from None


def _inside(error: RdbError, start: int) -> RdbError:
    return RdbError(f"{error.reason} at its own byte {error.offset}", start)


def _not_empty(source: Source, texts: list[bytes]) -> list[bytes]:
    if not texts:
        raise RdbError("the collection is empty", source.position)
    return texts


def _pairs(source: Source, texts: list[bytes]) -> list[bytes]:
    if not texts or len(texts) % 2:
        raise RdbError("the collection is empty or lacks half a pair", source.position)
    return texts


READERS: Final[dict[int, Reader]] = {
    types.STRING: _string,
    types.LIST: _list,
    types.SET: _set,
    types.ZSET: _zset,
    types.HASH: _hash,
    types.ZSET_2: _zset_2,
    types.HASH_ZIPMAP: _hash_zipmap,
    types.LIST_ZIPLIST: _list_ziplist,
    types.SET_INTSET: _set_intset,
    types.ZSET_ZIPLIST: _zset_ziplist,
    types.HASH_ZIPLIST: _hash_ziplist,
    types.LIST_QUICKLIST: _quicklist,
    types.STREAM_LISTPACKS: _stream_1,
    types.HASH_LISTPACK: _hash_listpack,
    types.ZSET_LISTPACK: _zset_listpack,
    types.LIST_QUICKLIST_2: _quicklist_2,
    types.STREAM_LISTPACKS_2: _stream_2,
    types.SET_LISTPACK: _set_listpack,
    types.STREAM_LISTPACKS_3: _stream_3,
}
"""The reader of each type byte."""
