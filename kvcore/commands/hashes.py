"""Commands on hashes.

What lives here: the hash group. What must not: how fields are kept (:mod:`kvcore.datatypes.hash`) and number formats.
The rule: every new value goes through ``Hash.put`` with the limits of the engine, because those decide the encoding,
and a hash that lost its last field is removed with its key.
"""

from __future__ import annotations

from typing import Final

from kvcore import errors, glob
from kvcore.arguments import integer, random_count, scan_cursor, scan_options
from kvcore.call import Call
from kvcore.command import command
from kvcore.datatypes.hash import Hash
from kvcore.datatypes.long_double import LongDouble, add_long_doubles, format_long_double, parse_long_double
from kvcore.datatypes.numbers import INT_MAX, INT_MIN, parse_int
from kvcore.errors import CommandError
from kvcore.notifications import GENERIC, HASH
from kvcore.replies import OK, Reply

_ZERO: Final = LongDouble(0, 0)


def _set_pairs(call: Call, key: bytes, pairs: tuple[bytes, ...]) -> int:
    """Set fields to values; return how many fields are new."""
    if len(pairs) & 1:
        raise CommandError(errors.wrong_arity(call.name))
    fields = _hash_to_write(call, key)
    limits = call.engine.limits
    max_entries = limits.hash_entries
    max_value = limits.hash_value
    created = 0
    for index in range(0, len(pairs), 2):
        if fields.put(pairs[index], pairs[index + 1], max_entries, max_value):
            created += 1
    call.changed(key, "hset", HASH, len(pairs) >> 1)
    return created


def _hash_to_write(call: Call, key: bytes) -> Hash:
    """Return the hash at ``key``, made where there was none: the caller is about to give it a field."""
    db = call.db
    fields = db.write_as(key, Hash)
    if fields is None:
        fields = Hash()
        db.store(key, fields)
    return fields


def _put(call: Call, key: bytes, field: bytes, value: bytes) -> int | None:
    """Give a field its new value and leave it its time to live, which is returned in ms; None where it has none."""
    limits = call.engine.limits
    fields = _hash_to_write(call, key)
    at_ms = None if fields.expires is None else fields.expiry(field)
    fields.put(field, value, limits.hash_entries, limits.hash_value)
    if at_ms is not None:
        call.db.set_member_expiry(key, fields, field, at_ms)
    return at_ms


# Writing


@command(
    "HSET",
    arity=-4,
    flags="write denyoom fast",
    acl="hash",
    keys="RW,update@1",
    group="hash",
    since="2.0.0",
    complexity=(
        "O(1) for each field/value pair added, so O(N) to add N field/value pairs when the command is "
        "called with multiple field/value pairs."
    ),
    summary="Set fields of a hash, and count the new ones.",
)
def hset(call: Call, key: bytes, *pairs: bytes) -> Reply:
    if len(pairs) != 2:
        return _set_pairs(call, key, pairs)
    db = call.db
    fields = db.write_as(key, Hash)
    if fields is None:
        fields = _hash_to_write(call, key)
    limits = call.engine.limits
    created = fields.put(pairs[0], pairs[1], limits.hash_entries, limits.hash_value)
    if db.observed:
        call.changed(key, "hset", HASH)
    else:
        call.dirty += 1
    return 1 if created else 0


@command(
    "HMSET",
    arity=-4,
    flags="write denyoom fast",
    acl="hash",
    keys="RW,update@1",
    group="hash",
    since="2.0.0",
    complexity="O(N) where N is the number of fields being set.",
    summary="Set fields of a hash; HSET does the same and counts.",
)
def hmset(call: Call, key: bytes, *pairs: bytes) -> Reply:
    _set_pairs(call, key, pairs)
    return OK


@command(
    "HSETNX",
    arity=4,
    flags="write denyoom fast",
    acl="hash",
    keys="RW,insert@1",
    group="hash",
    since="2.0.0",
    complexity="O(1)",
    summary="Set a field of a hash unless it exists.",
)
def hsetnx(call: Call, key: bytes, field: bytes, value: bytes) -> Reply:
    fields = call.db.write_as(key, Hash)
    if fields is not None and field in fields:
        return 0
    _put(call, key, field, value)
    call.changed(key, "hset", HASH)
    return 1


@command(
    "HDEL",
    arity=-3,
    flags="write fast",
    acl="hash",
    keys="RW,delete@1",
    group="hash",
    since="2.0.0",
    complexity="O(N) where N is the number of fields to be removed.",
    summary="Remove fields, and count those that were there.",
)
def hdel(call: Call, key: bytes, *names: bytes) -> Reply:
    db = call.db
    fields = db.write_as(key, Hash)
    if fields is None:
        return 0
    removed = 0
    for name in names:
        if fields.remove(name):
            removed += 1
            if not len(fields):
                break
    if removed:
        emptied = not len(fields)
        if emptied:
            db.remove(key)
        call.changed(key, "hdel", HASH, removed)
        if emptied:
            call.changed(key, "del", GENERIC, 0)
    return removed


@command(
    "HINCRBY",
    arity=4,
    flags="write denyoom fast",
    acl="hash",
    keys="RW,access,update@1",
    group="hash",
    since="2.0.0",
    complexity="O(1)",
    summary="Add an integer to a field that holds one; a missing field counts as 0.",
)
def hincrby(call: Call, key: bytes, field: bytes, increment: bytes) -> Reply:
    amount = integer(increment)
    fields = call.db.write_as(key, Hash)
    value = 0
    text = None if fields is None else fields.get(field)
    if text is not None:
        number = parse_int(text)
        if number is None:
            raise CommandError(errors.HASH_VALUE_NOT_AN_INTEGER)
        value = number
    value += amount
    if not INT_MIN <= value <= INT_MAX:
        raise CommandError(errors.INCREMENT_OVERFLOW)
    _put(call, key, field, b"%d" % value)
    call.changed(key, "hincrby", HASH)
    return value


@command(
    "HINCRBYFLOAT",
    arity=4,
    flags="write denyoom fast",
    acl="hash",
    keys="RW,access,update@1",
    group="hash",
    since="2.6.0",
    complexity="O(1)",
    summary="Add a number with extended precision to a field; a missing field counts as 0.",
)
def hincrbyfloat(call: Call, key: bytes, field: bytes, increment: bytes) -> Reply:
    amount = parse_long_double(increment)
    if amount is None:
        raise CommandError(errors.NOT_A_FLOAT)
    if not isinstance(amount, LongDouble):
        raise CommandError(errors.VALUE_NAN_OR_INFINITY)
    fields = call.db.write_as(key, Hash)
    text = None if fields is None else fields.get(field)
    value = _ZERO if text is None else parse_long_double(text)
    if value is None:
        raise CommandError(errors.HASH_VALUE_NOT_A_FLOAT)
    total = add_long_doubles(value, amount)
    if not isinstance(total, LongDouble):
        raise CommandError(errors.NAN_OR_INFINITY)
    result = format_long_double(total)
    at_ms = _put(call, key, field, result)
    # Another machine's floating point may round otherwise: everyone gets the result.
    call.propagate(b"HSET", key, field, result)
    if at_ms is not None:
        call.propagate(b"HPEXPIREAT", key, b"%d" % at_ms, b"FIELDS", b"1", field)
    call.changed(key, "hincrbyfloat", HASH)
    return result


# Reading


@command(
    "HGET",
    arity=3,
    flags="readonly fast",
    acl="hash",
    keys="RO,access@1",
    group="hash",
    since="2.0.0",
    complexity="O(1)",
    summary="Return the value of a field.",
)
def hget(call: Call, key: bytes, field: bytes) -> Reply:
    fields = call.db.read_as(key, Hash)
    return None if fields is None else fields.get(field)


@command(
    "HMGET",
    arity=-3,
    flags="readonly fast",
    acl="hash",
    keys="RO,access@1",
    group="hash",
    since="2.0.0",
    complexity="O(N) where N is the number of fields being requested.",
    summary="Return the values of several fields, null where there is none.",
)
def hmget(call: Call, key: bytes, *names: bytes) -> Reply:
    fields = call.db.read_as(key, Hash)
    if fields is None:
        return [None] * len(names)
    return [fields.get(name) for name in names]


@command(
    "HGETALL",
    arity=2,
    flags="readonly",
    acl="hash",
    keys="RO,access@1",
    group="hash",
    since="2.0.0",
    complexity="O(N) where N is the size of the hash.",
    summary="Return all fields with their values.",
    tips=("nondeterministic_output_order",),
)
def hgetall(call: Call, key: bytes) -> Reply:
    fields = call.db.read_as(key, Hash)
    return {} if fields is None else dict(fields.items())


@command(
    "HKEYS",
    arity=2,
    flags="readonly",
    acl="hash",
    keys="RO,access@1",
    group="hash",
    since="2.0.0",
    complexity="O(N) where N is the size of the hash.",
    summary="Return all fields.",
    tips=("nondeterministic_output_order",),
)
def hkeys(call: Call, key: bytes) -> Reply:
    fields = call.db.read_as(key, Hash)
    return [] if fields is None else list(fields)


@command(
    "HVALS",
    arity=2,
    flags="readonly",
    acl="hash",
    keys="RO,access@1",
    group="hash",
    since="2.0.0",
    complexity="O(N) where N is the size of the hash.",
    summary="Return all values.",
    tips=("nondeterministic_output_order",),
)
def hvals(call: Call, key: bytes) -> Reply:
    fields = call.db.read_as(key, Hash)
    return [] if fields is None else list(fields.values())


@command(
    "HLEN",
    arity=2,
    flags="readonly fast",
    acl="hash",
    keys="RO@1",
    group="hash",
    since="2.0.0",
    complexity="O(1)",
    summary="Count the fields.",
)
def hlen(call: Call, key: bytes) -> Reply:
    fields = call.db.read_as(key, Hash)
    return 0 if fields is None else len(fields)


@command(
    "HEXISTS",
    arity=3,
    flags="readonly fast",
    acl="hash",
    keys="RO@1",
    group="hash",
    since="2.0.0",
    complexity="O(1)",
    summary="Say whether a field exists.",
)
def hexists(call: Call, key: bytes, field: bytes) -> Reply:
    fields = call.db.read_as(key, Hash)
    return 1 if fields is not None and field in fields else 0


@command(
    "HSTRLEN",
    arity=3,
    flags="readonly fast",
    acl="hash",
    keys="RO@1",
    group="hash",
    since="3.2.0",
    complexity="O(1)",
    summary="Return the length of a field's value in bytes.",
)
def hstrlen(call: Call, key: bytes, field: bytes) -> Reply:
    fields = call.db.read_as(key, Hash)
    value = None if fields is None else fields.get(field)
    return 0 if value is None else len(value)


@command(
    "HRANDFIELD",
    arity=-2,
    flags="readonly",
    acl="hash",
    keys="RO,access@1",
    group="hash",
    since="6.2.0",
    complexity="O(N) where N is the number of fields returned",
    summary="Return random fields, with a negative count possibly the same ones again.",
    tips=("nondeterministic_output",),
)
def hrandfield(call: Call, key: bytes, *options: bytes) -> Reply:
    if not options:
        fields = call.db.read_as(key, Hash)
        return None if fields is None else fields.random_field(call.engine.random)
    count, with_values = random_count(options, b"WITHVALUES", call.engine.limits.string_bytes)
    fields = call.db.read_as(key, Hash)
    if fields is None or count == 0:
        return []
    names = fields.random_fields(abs(count), call.engine.random, repeat=count < 0)
    if not with_values:
        return names
    if call.resp3:
        return [[name, fields.get(name)] for name in names]
    return [part for name in names for part in (name, fields.get(name))]


@command(
    "HSCAN",
    arity=-3,
    flags="readonly",
    acl="hash",
    keys="RO,access@1",
    group="hash",
    since="2.8.0",
    complexity=(
        "O(1) for every call. O(N) for a complete iteration, including enough command calls for the "
        "cursor to return back to 0. N is the number of elements inside the collection.."
    ),
    summary="Iterate over the fields and values of a hash with a cursor.",
    tips=("nondeterministic_output",),
)
def hscan(call: Call, key: bytes, cursor: bytes, *options: bytes) -> Reply:
    position = scan_cursor(cursor)
    fields = call.db.read_as(key, Hash)
    if fields is None:
        return [b"0", []]
    pattern, count = scan_options(options)
    position, names = fields.scan(position, count)
    if pattern is not None:
        names = list(filter(glob.compile(pattern), names))
    return [b"%d" % position, [part for name in names for part in (name, fields.get(name))]]
