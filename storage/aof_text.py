"""The commands that make a value again: a base of the append-only file in text (`aof-use-rdb-preamble no`).

What lives here: values to command lines, in the form that redis-server writes. What must not: files and databases. The
rule: no command is longer than :data:`ITEMS` elements, so that loading one is never a pause.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from kvcore.datatypes.consumer_group import ConsumerGroup
from kvcore.datatypes.cron_job import CronJob
from kvcore.datatypes.deadlines import Perishable
from kvcore.datatypes.hash import Hash
from kvcore.datatypes.list import List
from kvcore.datatypes.numbers import format_double
from kvcore.datatypes.set import Set
from kvcore.datatypes.sorted_set import SortedSet
from kvcore.datatypes.stream import Stream
from kvcore.datatypes.stream_id import format_id

ITEMS: Final = 64
"""Elements that one command adds."""

Argv = list[bytes]


def encode(argv: Iterable[bytes]) -> bytes:
    """Return a command as the append-only file has it. O(bytes)."""
    words = list(argv)
    return b"*%d\r\n" % len(words) + b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in words])


def recreate(key: bytes, value: object, expires_ms: int | None) -> Iterator[Argv]:
    """Yield the commands that put ``value`` at ``key``, to expire at the Unix time ``expires_ms``. O(size)."""
    if isinstance(value, bytes | bytearray):
        yield [b"SET", key, bytes(value)]
    elif isinstance(value, List):
        yield from _in_chunks([b"RPUSH", key], value, 1)
    elif isinstance(value, Set):
        yield from _in_chunks([b"SADD", key], value, 1)
    elif isinstance(value, Hash):
        yield from _in_chunks([b"HMSET", key], (word for pair in value.items() for word in pair), 2)
    elif isinstance(value, SortedSet):
        pairs = ((format_double(score), member) for member, score in value.items())
        yield from _in_chunks([b"ZADD", key], (word for pair in pairs for word in pair), 2)
    elif isinstance(value, Stream):
        yield from _stream(key, value)
    elif isinstance(value, CronJob):
        yield from value.recreation(key)
    if isinstance(value, Perishable) and value.expires is not None:
        yield from _member_expiries(key, value)
    if expires_ms is not None:
        yield [b"PEXPIREAT", key, b"%d" % expires_ms]


def _in_chunks(start: Argv, words: Iterable[bytes], width: int) -> Iterator[Argv]:
    source = iter(words)
    while chunk := list(islice(source, ITEMS * width)):
        yield start + chunk


def _member_expiries(key: bytes, value: Perishable) -> Iterator[Argv]:
    assert value.expires is not None
    for member, at_ms in value.expires.items():
        if isinstance(value, Hash):
            yield [b"HPEXPIREAT", key, b"%d" % at_ms, b"FIELDS", b"1", member]
        else:
            yield [b"PEXPIREMEMBERAT", key, member, b"%d" % at_ms]


def _stream(key: bytes, stream: Stream) -> Iterator[Argv]:
    last_id = format_id(stream.last_id)
    for number, fields in stream:
        yield [b"XADD", key, format_id(number), *fields]
    if not stream.length:
        # An entry that is trimmed at once: the stream is there, and empty.
        yield [b"XADD", key, b"MAXLEN", b"0", b"0-1", b"x", b"y"]
    added, deleted = b"%d" % stream.entries_added, format_id(stream.max_deleted_id)
    yield [b"XSETID", key, last_id, b"ENTRIESADDED", added, b"MAXDELETEDID", deleted]
    for name, group in stream.groups_in_order():
        read = b"%d" % group.entries_read
        yield [b"XGROUP", b"CREATE", key, name, format_id(group.last_id), b"ENTRIESREAD", read]
        yield from _consumers(key, name, group)


def _consumers(key: bytes, name: bytes, group: ConsumerGroup) -> Iterator[Argv]:
    for consumer in group.consumers_in_order():
        if not consumer.pending:
            yield [b"XGROUP", b"CREATECONSUMER", key, name, consumer.name]
        for number, pending in consumer.pending.items():
            when, count = b"%d" % pending.delivered_ms, b"%d" % pending.deliveries
            claim = [b"XCLAIM", key, name, consumer.name, b"0", format_id(number)]
            yield [*claim, b"TIME", when, b"RETRYCOUNT", count, b"JUSTID", b"FORCE"]
