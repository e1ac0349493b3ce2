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

from kvcore.datatypes.deadlines import Deadlines
from kvcore.datatypes.hash import Hash
from kvcore.datatypes.list import List
from kvcore.datatypes.numbers import parse_int
from kvcore.datatypes.set import Set, made_of
from kvcore.datatypes.sorted_set import SortedSet, ordered
from kvcore.errors import RdbEmptyError, RdbError
from kvcore.rdb import cron_jobs, intset, listpack, stream, types, ziplist, zipmap
from kvcore.rdb.source import Source, parse_prefix

if TYPE_CHECKING:
    from kvcore.keyspace import Value

_PLAIN: Final = 1
_PACKED: Final = 2
_ANY_SIZE: Final = 1 << 62
_NEVER: Final = -1


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
    string = source.string
    return _set_of(source, [string() for _ in range(count)], limits)


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
    unique = dict.fromkeys(members, True)
    if len(unique) != len(members):
        raise RdbError("set has a member twice", source.position)
    return made_of(unique, limits.intset_entries)


# Hashes


def _hash(source: Source, limits: Thresholds, _deep: bool) -> Value:
    count = source.count()
    string = source.string
    return _hash_of(source, [string() for _ in range(2 * count)], limits, limits.hash_value)


def _hash_zipmap(source: Source, limits: Thresholds, _deep: bool) -> Value:
    # The only blob whose values are measured: it predates the limit.
    return _hash_of(source, _unpack(source, zipmap.decode), limits, limits.hash_value)


def _hash_ziplist(source: Source, limits: Thresholds, _deep: bool) -> Value:
    return _hash_of(source, _unpack(source, ziplist.decode), limits, _ANY_SIZE)


def _hash_listpack(source: Source, limits: Thresholds, deep: bool) -> Value:
    return _hash_of(source, _unpack_listpack(source, deep), limits, _ANY_SIZE)


def _hash_of(source: Source, texts: list[bytes], limits: Thresholds, max_value: int) -> Hash:
    texts = _pairs(source, texts)
    fields = dict(zip(texts[::2], texts[1::2], strict=True))
    if len(fields) * 2 != len(texts):
        raise RdbError("hash has a field twice", source.position)
    result = Hash()
    result.fields = fields
    if len(fields) > limits.hash_entries or (max_value != _ANY_SIZE and max(map(len, texts)) > max_value):
        result.convert()
    return result


def _hash_2(source: Source, limits: Thresholds, _deep: bool) -> Value:
    count = source.count()
    result = Hash()
    if count > limits.hash_entries:
        result.convert()
    deadlines = Deadlines()
    for _ in range(count):
        field = source.string()
        _put_field(source, limits, result, field, source.string())
        at_ms = source.signed()
        if at_ms != _NEVER:
            deadlines.put(field, at_ms)
    return _with_times(result, deadlines)


def _hash_metadata(source: Source, limits: Thresholds, _deep: bool) -> Value:
    first_ms = source.signed()
    count = source.count()
    result = Hash()
    if count > limits.hash_entries:
        result.convert()
    deadlines = Deadlines()
    for _ in range(count):
        beyond = source.length()  # 1 is the first time itself; 0 is none
        field = source.string()
        _put_field(source, limits, result, field, source.string())
        if beyond:
            deadlines.put(field, first_ms + beyond - 1)
    return _with_times(result, deadlines)


def _hash_listpack_ex(source: Source, limits: Thresholds, deep: bool) -> Value:
    source.signed()  # the first time; each stands beside its field as well
    texts = _not_empty(source, _unpack_listpack(source, deep))
    if len(texts) % 3:
        raise RdbError("the collection lacks a part of a field", source.position)
    result = Hash()
    if len(texts) // 3 > limits.hash_entries:
        result.convert()
    deadlines = Deadlines()
    words = iter(texts)
    for field in words:
        if not result.put(field, next(words), limits.hash_entries, _ANY_SIZE):
            raise RdbError("hash has a field twice", source.position)
        at_ms = parse_int(next(words))
        if at_ms is None:
            raise RdbError("time to live is no integer", source.position)
        if at_ms:
            deadlines.put(field, at_ms)
    return _with_times(result, deadlines)


def _put_field(source: Source, limits: Thresholds, fields: Hash, field: bytes, value: bytes) -> None:
    if not fields.put(field, value, limits.hash_entries, limits.hash_value):
        raise RdbError("hash has a field twice", source.position)


def _with_times(fields: Hash, deadlines: Deadlines) -> Hash:
    fields.expires = deadlines if len(deadlines) else None
    return fields


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
    blob = source.blob()
    try:
        return decode(blob)
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
    kind = RdbEmptyError if isinstance(error, RdbEmptyError) else RdbError
    return kind(f"{error.reason} at its own byte {error.offset}", start)


def _not_empty(source: Source, texts: list[bytes]) -> list[bytes]:
    if not texts:
        raise RdbEmptyError("the collection is empty", source.position)
    return texts


def _pairs(source: Source, texts: list[bytes]) -> list[bytes]:
    if len(texts) % 2:
        raise RdbError("the collection lacks half a pair", source.position)
    return _not_empty(source, texts)


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
    types.HASH_2: _hash_2,
    types.HASH_METADATA: _hash_metadata,
    types.HASH_LISTPACK_EX: _hash_listpack_ex,
    types.CRON_JOB: cron_jobs.read_body,
}
"""The reader of each type byte."""
