"""A data set as text: one JSON object a key, to read, compare, filter and load again, here or on any Redis server.

    {"key": "user:1", "type": "hash", "value": {"name": "Ada"}, "expires_ms": 1767225600000}
    {"db": 3, "key": "scores", "type": "zset", "value": [["ada", 1.5], ["bob", "inf"]]}

Text that is not UTF-8 is ``{"base64": "..."}`` wherever it stands; a hash with such a field is a list of pairs. What
lives here: values to records, records to the commands that make them. What must not: files and engines. The rule: a
record is loaded through commands, so that it can do nothing a client cannot.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

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
from kvcore.errors import KvcoreError

Json = Any
"""A JSON value really is any of JSON's types."""

Argv = list[bytes]

_CONTROL: Final = re.compile(r"[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""What JSON lets stand as it is, and a terminal obeys; only strings can have it."""

_ITEMS: Final = 64
"""Elements that one command adds."""


class RecordError(KvcoreError):
    """A line is no record of a key."""


def record(db: int, key: bytes, value: object, expires_ms: int | None) -> dict[str, Json]:
    """Return the JSON object of a key; ``expires_ms`` is the Unix time at which it expires. O(size)."""
    result: dict[str, Json] = {"db": db} if db else {}
    result["key"] = _text(key)
    result["type"], result["value"] = _described(value)
    if expires_ms is not None:
        result["expires_ms"] = expires_ms
    if isinstance(value, Perishable) and value.expires is not None:
        result["member_expires_ms"] = [[_text(member), at_ms] for member, at_ms in sorted(value.expires.items())]
    return result


def line(db: int, key: bytes, value: object, expires_ms: int | None) -> str:
    """Return :func:`record` as a line of text, without its end; what a terminal would obey is escaped."""
    text = json.dumps(record(db, key, value, expires_ms), ensure_ascii=False)
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _text(data: bytes | bytearray) -> Json:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def _described(value: object) -> tuple[str, Json]:
    if isinstance(value, bytes | bytearray):
        return "string", _text(value)
    if isinstance(value, List):
        return "list", [_text(item) for item in value]
    if isinstance(value, Set):
        return "set", [_text(member) for member in sorted(value)]
    if isinstance(value, SortedSet):
        return "zset", [[_text(member), _score(score)] for member, score in value.items()]
    if isinstance(value, Hash):
        pairs = [(_text(field), _text(item)) for field, item in sorted(value.items())]
        if all(isinstance(field, str) for field, _ in pairs):
            return "hash", dict(pairs)
        return "hash", [list(pair) for pair in pairs]
    if isinstance(value, CronJob):
        return "cron", _cron_job(value)
    assert isinstance(value, Stream)
    return "stream", _stream(value)


def _score(score: float) -> float | int | str:
    if score in (float("inf"), float("-inf")):
        return "inf" if score > 0 else "-inf"
    return int(score) if score.is_integer() and abs(score) < 2**53 and str(score) != "-0.0" else score


def _stream(stream: Stream) -> Json:
    return {
        "entries": [[_id(number), [_text(word) for word in fields]] for number, fields in stream],
        "last_id": _id(stream.last_id),
        "entries_added": stream.entries_added,
        "max_deleted_id": _id(stream.max_deleted_id),
        "groups": [_group(name, group) for name, group in stream.groups_in_order()],
    }


def _group(name: bytes, group: ConsumerGroup) -> Json:
    return {
        "name": _text(name),
        "last_id": _id(group.last_id),
        "entries_read": group.entries_read,
        "consumers": [
            {
                "name": _text(consumer.name),
                "pending": [
                    [_id(number), pending.delivered_ms, pending.deliveries]
                    for number, pending in consumer.pending.items()
                ],
            }
            for consumer in group.consumers_in_order()
        ],
    }


def _cron_job(job: CronJob) -> Json:
    return {
        "mode": "single" if job.single else "repeat",
        "start_ms": job.start_ms,
        "delay_ms": job.delay_ms,
        "next_ms": job.next_ms,
        "script": _text(job.script),
        "keys": [_text(key) for key in job.keys],
        "arguments": [_text(argument) for argument in job.arguments],
    }


def _id(number: int) -> str:
    return format_id(number).decode()


# Records to commands


def parse(text: str | bytes) -> dict[str, Json]:
    """Return the record on a line; raise RecordError if it is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"not JSON: {error}") from None
    if not isinstance(found, dict) or "key" not in found or found.get("type") not in _MAKERS:
        raise RecordError("not a record of a key: it needs 'key', 'value' and a known 'type'")
    db = found.get("db", 0)
    if type(db) is not int or db < 0:
        raise RecordError(f"no number of a database: {db!r}")
    return found


def commands(found: dict[str, Json]) -> Iterator[Argv]:
    """Yield the commands that put a record's value at its key, whatever is there; raise RecordError. O(size)."""
    try:
        key = _bytes(found["key"])
        yield [b"DEL", key]
        yield from _MAKERS[found["type"]](key, found["value"])
        for member, at_ms in found.get("member_expires_ms", ()):
            if found["type"] == "hash":
                yield [b"HPEXPIREAT", key, b"%d" % at_ms, b"FIELDS", b"1", _bytes(member)]
            else:
                yield [b"PEXPIREMEMBERAT", key, _bytes(member), b"%d" % at_ms]
        if "expires_ms" in found:
            yield [b"PEXPIREAT", key, b"%d" % found["expires_ms"]]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise RecordError(f"the record of {found['key']!r} is malformed: {type(error).__name__}: {error}") from None


def _bytes(value: Json) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, dict) and list(value) == ["base64"]:
        try:
            return base64.b64decode(value["base64"], validate=True)
        except binascii.Error as error:
            raise ValueError(str(error)) from None
    raise TypeError(f"{value!r} is no text")


def _in_chunks(start: Argv, words: Iterator[bytes], width: int) -> Iterator[Argv]:
    while chunk := list(islice(words, _ITEMS * width)):
        yield start + chunk


def _make_string(key: bytes, value: Json) -> Iterator[Argv]:
    yield [b"SET", key, _bytes(value)]


def _make_list(key: bytes, value: Json) -> Iterator[Argv]:
    return _in_chunks([b"RPUSH", key], map(_bytes, value), 1)


def _make_set(key: bytes, value: Json) -> Iterator[Argv]:
    return _in_chunks([b"SADD", key], map(_bytes, value), 1)


def _make_hash(key: bytes, value: Json) -> Iterator[Argv]:
    pairs = value.items() if isinstance(value, dict) else value
    return _in_chunks([b"HSET", key], (_bytes(word) for field, item in pairs for word in (field, item)), 2)


def _make_sorted_set(key: bytes, value: Json) -> Iterator[Argv]:
    pairs = ((member, format_double(float(score))) for member, score in value)
    return _in_chunks([b"ZADD", key], (word for member, score in pairs for word in (score, _bytes(member))), 2)


def _make_stream(key: bytes, value: Json) -> Iterator[Argv]:
    owed = {row[0] for group in value["groups"] for owner in group["consumers"] for row in owner["pending"]}
    deleted = owed.difference(number for number, _ in value["entries"])
    yield from _deleted_entries(key, deleted, value["groups"])
    for number, fields in value["entries"]:
        yield [b"XADD", key, number.encode(), *map(_bytes, fields)]
    if not value["entries"]:
        # An entry that is trimmed at once: the stream is there, and empty.
        yield [b"XADD", key, b"MAXLEN", b"0", b"0-1", b"x", b"y"]
    counts = [b"ENTRIESADDED", b"%d" % value["entries_added"], b"MAXDELETEDID", value["max_deleted_id"].encode()]
    yield [b"XSETID", key, value["last_id"].encode(), *counts]
    for group in value["groups"]:
        position = [group["last_id"].encode(), b"ENTRIESREAD", b"%d" % group["entries_read"]]
        yield [b"XGROUP", b"SETID" if deleted else b"CREATE", key, _bytes(group["name"]), *position]
        for consumer in group["consumers"]:
            yield [b"XGROUP", b"CREATECONSUMER", key, _bytes(group["name"]), _bytes(consumer["name"])]
        yield from _claims(key, group, owed - deleted)


def _deleted_entries(key: bytes, deleted: set[str], groups: Json) -> Iterator[Argv]:
    """Yield what makes groups that are owed entries which are there no more, in a stream that is empty again.

    An entry can be claimed while it exists only. What is trimmed counts for nothing, unlike what XDEL deletes.
    """
    if deleted:
        for milliseconds, sequence in sorted(tuple(map(int, number.split("-"))) for number in deleted):
            yield [b"XADD", key, b"%d-%d" % (milliseconds, sequence), b"x", b"y"]
        for group in groups:
            yield [b"XGROUP", b"CREATE", key, _bytes(group["name"]), b"0"]
            yield from _claims(key, group, deleted)
        yield [b"XTRIM", key, b"MAXLEN", b"0"]
        yield [b"XSETID", key, b"0-0"]


def _claims(key: bytes, group: Json, wanted: set[str]) -> Iterator[Argv]:
    """Yield what gives consumers those entries they are owed that are among the wanted ones."""
    for consumer in group["consumers"]:
        for number, when, count in consumer["pending"]:
            if number in wanted:
                claim = [b"XCLAIM", key, _bytes(group["name"]), _bytes(consumer["name"]), b"0", number.encode()]
                yield [*claim, b"TIME", b"%d" % when, b"RETRYCOUNT", b"%d" % count, b"JUSTID", b"FORCE"]


def _make_cron_job(key: bytes, value: Json) -> Iterator[Argv]:
    keys = [_bytes(word) for word in value["keys"]]
    times = [b"%d" % value["start_ms"], b"%d" % value["delay_ms"]]
    words = [*times, _bytes(value["script"]), b"%d" % len(keys), *keys, *map(_bytes, value["arguments"])]
    yield [b"KEYDB.CRON", key, value["mode"].encode(), *words]
    yield [b"PEXPIREMEMBERAT", key, key, b"%d" % value["next_ms"]]


_MAKERS: Final = {
    "string": _make_string,
    "list": _make_list,
    "set": _make_set,
    "hash": _make_hash,
    "zset": _make_sorted_set,
    "stream": _make_stream,
    "cron": _make_cron_job,
}
"""What turns the value of each type into commands."""
