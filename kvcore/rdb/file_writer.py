"""RDB files: what stands around the values, as Redis 7.0 writes it.

Here: the header, one record a key, large containers piece by piece, the end and its checksum. Not here: values
(:mod:`kvcore.rdb.writer`), the walk through the keyspace (:mod:`kvcore.snapshot`), files. The rule: a method returns
bytes and remembers nothing about the keys before, so that a snapshot may write its keys in any order.

Strings are compressed only where that pays: from :data:`COMPRESS_FROM` bytes on, because LZF in Python takes 0.1 us
for each byte, and more rarely where the strings before did not shrink.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from struct import Struct
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from kvcore.datatypes.cron_job import CronJob
from kvcore.datatypes.deadlines import Deadlines, Perishable
from kvcore.datatypes.hash import Hash
from kvcore.datatypes.list import List
from kvcore.datatypes.set import Set
from kvcore.datatypes.shared_table import SharedTable
from kvcore.datatypes.sorted_set import SortedSet
from kvcore.datatypes.stream import Node, Stream
from kvcore.datatypes.table import SEGMENT_MAX, Table
from kvcore.rdb import cron_jobs, lzf, sink, stream, types
from kvcore.rdb.crc64 import crc64
from kvcore.rdb.writer import serialize

if TYPE_CHECKING:
    from kvcore.keyspace import Value

MEMBER_AUX: Final = b"keydb-subexpire-key"
WHEN_AUX: Final = b"keydb-subexpire-when"
"""KeyDB's names for a member and when it expires, in pairs behind the key they belong to; Redis ignores them."""

COMPRESS_FROM: Final = 256
COMPRESS_PARTS_FROM: Final = 1024
"""The same for what containers consist of: more often than not it shrinks little, and nobody counts how often."""

LARGE: Final = 1024
"""Elements of a container from which on it is written piece by piece: fewer take about a millisecond."""

_NODES: Final = 2
"""Nodes of a stream in a piece; each holds about a hundred entries."""

_MISSES_MAX: Final = 64
_WORTH: Final = 0.9
"""A string that does not shrink below this share was not worth the time."""

_expire_record: Final = Struct("<Bq").pack
_scored: Final = Struct("<d").pack

P = TypeVar("P")
V = TypeVar("V")


class Segments(Protocol):
    """What is left of a large container, in pieces."""

    def next(self) -> bytes | None:
        """Return the bytes of the next piece, None after the last."""

    def freeze(self) -> None:
        """Take what is left: the container is about to change."""


class Run(Generic[P]):
    """Pieces of a large container, each looked at when its turn comes, and what turns one into bytes."""

    __slots__ = ("_keep", "_pieces", "_write")

    def __init__(
        self, pieces: Iterator[P], write: Callable[[P], bytes], keep: Callable[[list[P]], list[P]] | None = None
    ) -> None:
        """``keep`` makes pieces that stay as they are of those that are left; None if they do so anyway."""
        self._pieces = pieces
        self._write = write
        self._keep = keep

    def next(self) -> bytes | None:
        """Return the bytes of the next piece, None after the last. O(piece)."""
        for piece in self._pieces:
            return self._write(piece)
        return None

    def freeze(self) -> None:
        """See to it that what is left stays as it is: the container is about to change. O(pieces)."""
        left = list(self._pieces)
        self._pieces = iter(left if self._keep is None else self._keep(left))


class Account:
    """Facts about the writer that a file's header tells. All are of the moment the snapshot began."""

    __slots__ = ("created_s", "functions", "is_aof_base", "redis_version", "replication", "used_bytes")

    def __init__(self, created_s: int, redis_version: str, used_bytes: int = 0) -> None:
        self.created_s = created_s
        """Seconds since the Unix epoch."""
        self.redis_version = redis_version
        self.used_bytes = used_bytes
        self.is_aof_base = False
        self.replication: tuple[tuple[str, str], ...] = ()
        """``repl-stream-db``, ``repl-id`` and ``repl-offset``, where there is a replication stream to go on with."""
        self.functions: Sequence[bytes] = ()
        """The source of each function library."""


class Checksum:
    """The running CRC-64 of a file, and the bytes it ends with."""

    __slots__ = ("_crc", "_enabled")

    def __init__(self, enabled: bool) -> None:
        self._crc = 0
        self._enabled = enabled

    def update(self, data: bytes) -> None:
        """Count ``data`` in. O(bytes)."""
        if self._enabled:
            self._crc = crc64(data, self._crc)

    def footer(self) -> bytes:
        """Return the eight bytes behind the end mark; zeros say that nothing was summed up."""
        return self._crc.to_bytes(8, "little")


class FileWriter:
    """Turns keys into the bytes of an RDB file."""

    __slots__ = ("_compress", "_list_size", "_misses", "_skip", "version")

    def __init__(self, list_size: int, compress: bool, version: int = types.VERSION) -> None:
        """``list_size`` is list-max-listpack-size, ``compress`` rdbcompression, ``version`` 9 or 10."""
        self._list_size = list_size
        self._compress = COMPRESS_PARTS_FROM if compress else 0
        self._misses = 0  # of the last strings, those that did not shrink
        self._skip = 0  # strings to leave as they are before the next try
        self.version = version

    # The frame

    def begin(self, account: Account) -> bytes:
        """Return all that comes before the first database."""
        parts = [b"REDIS%04d" % self.version]
        fields = [
            ("redis-ver", account.redis_version),
            ("redis-bits", "64"),
            ("ctime", str(account.created_s)),
            ("used-mem", str(account.used_bytes)),
            *account.replication,
            ("aof-base", "1" if account.is_aof_base else "0"),
        ]
        parts += [aux(name.encode(), text.encode()) for name, text in fields]
        if self.version >= types.VERSION:
            parts += [b"%c%b" % (types.FUNCTION_2, sink.string(source, self._compress)) for source in account.functions]
        return b"".join(parts)

    def database(self, index: int) -> bytes:
        """Return what says that the keys behind it are of database ``index``."""
        return b"%c%b" % (types.SELECT_DB, sink.length(index))

    def sizes(self, keys: int, expires: int) -> bytes:
        """Return how many keys the database has, and how many of them expire: a hint for the loader."""
        return b"%c%b%b" % (types.RESIZE_DB, sink.length(keys), sink.length(expires))

    def end(self) -> bytes:
        """Return the end mark. A file goes on with :meth:`Checksum.footer`."""
        return b"\xff"

    # Keys

    def is_large(self, value: object) -> bool:
        """Say whether a value is to be written by :meth:`pieces`. O(1)."""
        if isinstance(value, Stream):
            return value.length > LARGE or len(value.nodes) > LARGE
        return isinstance(value, Hash | Set | SortedSet | List) and len(value) > LARGE

    def add_strings(self, parts: list[bytes], pending: dict[bytes, Value], most: int) -> None:
        """Append the records of up to ``most`` plain strings that never expire, and take them out of ``pending``.

        Ends before the first value that is no plain string. This is the loop that saving a data set consists of.
        """
        string = sink.string
        compress = self._compress
        append = parts.append
        popitem = pending.popitem
        for _ in range(min(most, len(pending))):
            key, value = popitem()
            if type(value) is not bytes:
                pending[key] = value
                return
            append(b"\0")
            append(string(key, 0))
            append(string(value, 0) if len(value) < COMPRESS_FROM or not compress else self._text(value))

    def add(
        self, parts: list[bytes], key: bytes, value: object, at_ms: int | None, idle_s: int, frequency: int
    ) -> None:
        """Append the record of a key. O(bytes).

        ``at_ms`` is when it expires; ``idle_s`` and ``frequency`` say how it was used, -1 where that is not known.
        """
        if type(value) is CronJob:
            # No record of its own: other servers must not stumble over it, nor take its opcodes for the next key's.
            parts.append(aux(cron_jobs.AUX, cron_jobs.write_field(key, value, at_ms)))
            return
        if at_ms is not None or idle_s >= 0 or frequency >= 0:
            self._add_use(parts, at_ms, idle_s, frequency)
        if type(value) is bytes:
            text = self._text(value) if len(value) >= COMPRESS_FROM else sink.string(value, 0)
            parts += (b"\0", sink.string(key, 0), text)
            return
        kind, body = self._serialize(value)
        parts += (b"%c" % kind, sink.string(key, 0), body)
        if isinstance(value, Perishable) and value.expires is not None:
            parts.append(_members(dict(value.expires.items())))

    def pieces(
        self, key: bytes, value: object, at_ms: int | None, idle_s: int, frequency: int
    ) -> tuple[bytes, list[Segments]]:
        """Return the beginning of a large container's record and what it goes on with. O(1) beside the pieces.

        The pieces refer to the container: who changes it must take those that are left first.
        """
        parts: list[bytes] = []
        self._add_use(parts, at_ms, idle_s, frequency)
        runs: list[Segments] = []
        if isinstance(value, Stream):
            kind = types.STREAM_LISTPACKS if self.version < types.VERSION else types.STREAM_LISTPACKS_2
            count = len(value.nodes)
            tail = stream.write_tail(value, self._compress, kind)
            runs.append(Run(_chunks(value.nodes.values(), _NODES), self._nodes, partial(_share_nodes, value)))
            runs.append(Run(iter([tail]), bytes))
        elif isinstance(value, List):
            # Quicklist nodes would have to be counted first; a plain list is as good to every loader.
            kind, count = types.LIST, len(value)
            runs.append(Run(_chunks(value.items, SEGMENT_MAX), self._texts))
        elif isinstance(value, Hash):
            kind, count = types.HASH, len(value)
            runs.append(Run(_segments(value.fields), self._pairs, partial(_share_fields, value)))
        elif isinstance(value, Set):
            kind, count = types.SET, len(value)
            runs.append(Run(_segments(value.members), self._texts, partial(_share_members, value)))
        else:
            assert isinstance(value, SortedSet)
            kind, count = types.ZSET_2, len(value)
            runs.append(Run(_segments(value.scores), self._member_scores, partial(_share_scores, value)))
        if isinstance(value, Perishable) and value.expires is not None:
            runs.append(Run(_segments(value.expires.times), _members, partial(_share_times, value.expires)))
        parts += (b"%c" % kind, sink.string(key, 0), sink.length(count))
        return b"".join(parts), runs

    # Inner works

    def _add_use(self, parts: list[bytes], at_ms: int | None, idle_s: int, frequency: int) -> None:
        if at_ms is not None:
            parts.append(_expire_record(types.EXPIRE_MS, at_ms))
        if idle_s >= 0:
            parts.append(b"%c%b" % (types.IDLE, sink.length(idle_s)))
        elif frequency >= 0:
            parts.append(b"%c%c" % (types.FREQUENCY, frequency))

    def _serialize(self, value: object) -> tuple[int, bytes]:
        if self.version >= types.VERSION or isinstance(value, bytearray):
            return serialize(value, self._list_size, self._compress)
        if isinstance(value, List):
            return types.LIST, sink.length(len(value)) + self._texts(list(value.items))
        if isinstance(value, Hash):
            return types.HASH, sink.length(len(value)) + self._pairs(dict(value.items()))
        if isinstance(value, SortedSet):
            return types.ZSET_2, sink.length(len(value)) + self._scores(list(value.walk(0, len(value))))
        if isinstance(value, Stream):
            return types.STREAM_LISTPACKS, stream.write(value, self._compress, types.STREAM_LISTPACKS)
        return serialize(value, self._list_size, self._compress)

    def _text(self, text: bytes) -> bytes:
        """Write a string, compressed if it is long enough and others before it shrank."""
        size = len(text)
        if not COMPRESS_FROM <= size <= sink.QUICK_MAX or not self._compress:
            return sink.string(text, 0)
        if self._skip:
            self._skip -= 1
            return sink.length(size) + text
        packed = lzf.compress(text)
        if packed is None or len(packed) > size * _WORTH:
            self._misses = min(self._misses * 2 + 1, _MISSES_MAX)
            self._skip = self._misses
            return sink.length(size) + text
        self._misses = 0
        return b"\xc3" + sink.length(len(packed)) + sink.length(size) + packed

    def _texts(self, piece: Iterable[bytes]) -> bytes:
        return sink.strings(piece, self._compress)

    def _pairs(self, piece: dict[bytes, bytes]) -> bytes:
        return sink.strings(chain.from_iterable(piece.items()), self._compress)

    def _scores(self, piece: list[tuple[float, bytes]]) -> bytes:
        """Write part of a sorted set from its highest score down, as the real server does."""
        parts: list[bytes] = []
        compress = self._compress
        for score, member in reversed(piece):
            parts.append(sink.string(member, compress))
            parts.append(_scored(score))
        return b"".join(parts)

    def _member_scores(self, piece: dict[bytes, float]) -> bytes:
        """Write part of a large sorted set in no order: its table can be shared, its order could only be copied."""
        parts: list[bytes] = []
        compress = self._compress
        for member, score in piece.items():
            parts.append(sink.string(member, compress))
            parts.append(_scored(score))
        return b"".join(parts)

    def _nodes(self, piece: list[Node]) -> bytes:
        return b"".join([stream.write_node(node, self._compress) for node in piece])


def aux(name: bytes, text: bytes) -> bytes:
    """Return a named fact that loaders ignore unless they know it."""
    return b"%c%b%b" % (types.AUX, sink.string(name, 0), sink.string(text, 0))


def _members(times: dict[bytes, int]) -> bytes:
    return b"".join([aux(MEMBER_AUX, member) + aux(WHEN_AUX, b"%d" % at_ms) for member, at_ms in times.items()])


def _share_nodes(value: Stream, left: list[list[Node]]) -> list[list[Node]]:
    for nodes in left:
        value.share(nodes)
    return left


def _share_fields(value: Hash, left: list[dict[bytes, bytes]]) -> list[dict[bytes, bytes]]:
    if isinstance(value.fields, Table):
        value.fields = SharedTable(value.fields, left)
    return left


def _share_members(value: Set, left: list[dict[bytes, bool]]) -> list[dict[bytes, bool]]:
    if isinstance(value.members, Table):
        value.members = SharedTable(value.members, left)
    return left


def _share_scores(value: SortedSet, left: list[dict[bytes, float]]) -> list[dict[bytes, float]]:
    if isinstance(value.scores, Table):
        value.scores = SharedTable(value.scores, left)
    return left


def _share_times(times: Deadlines, left: list[dict[bytes, int]]) -> list[dict[bytes, int]]:
    if isinstance(times.times, Table):
        times.times = SharedTable(times.times, left)
    return left


def _segments(table: dict[bytes, V] | Table[V]) -> Iterator[dict[bytes, V]]:
    return table.segments() if isinstance(table, Table) else _parts(table)


def _parts(table: dict[bytes, V]) -> Iterator[dict[bytes, V]]:
    items = iter(table.items())
    while part := dict(islice(items, SEGMENT_MAX)):
        yield part


def _chunks(values: Iterable[V], size: int) -> Iterator[list[V]]:
    items = iter(values)
    while chunk := list(islice(items, size)):
        yield chunk
