"""Commands on strings: SET and its relatives, counters, ranges.

What lives here: the string group without LCS (:mod:`kvcore.commands.lcs`) and without bits
(:mod:`kvcore.commands.bitmaps`). What must not: number formats, which are in :mod:`kvcore.datatypes`. The
rule: a value is ``bytes`` until APPEND, SETRANGE or SETBIT change it in place and make it a ``bytearray``;
nothing mutable ever leaves this file as a reply.
"""

from __future__ import annotations

from typing import Final

from kvcore import errors
from kvcore.arguments import integer
from kvcore.call import Call
from kvcore.command import command
from kvcore.datatypes.long_double import LongDouble, add_long_doubles, format_long_double, parse_long_double
from kvcore.errors import CommandError, WrongTypeError
from kvcore.notifications import GENERIC, STRING
from kvcore.replies import OK, Reply

_INT64_MIN: Final = -(2**63)
_INT64_MAX: Final = 2**63 - 1

# Options of SET and GETEX, one bit each.
_NX: Final = 1
_XX: Final = 2
_GET: Final = 4
_KEEPTTL: Final = 8
_PERSIST: Final = 16
_EX: Final = 32
_PX: Final = 64
_EXAT: Final = 128
_PXAT: Final = 256
_TIMES: Final = _EX | _PX | _EXAT | _PXAT

_OPTIONS: Final = {
    b"NX": _NX,
    b"XX": _XX,
    b"GET": _GET,
    b"KEEPTTL": _KEEPTTL,
    b"PERSIST": _PERSIST,
    b"EX": _EX,
    b"PX": _PX,
    b"EXAT": _EXAT,
    b"PXAT": _PXAT,
}
_CONFLICTS: Final = {
    _NX: _XX,
    _XX: _NX,
    _GET: 0,
    _KEEPTTL: _PERSIST | _TIMES,
    _PERSIST: _KEEPTTL | _TIMES,
    _EX: _KEEPTTL | _PERSIST | _TIMES ^ _EX,
    _PX: _KEEPTTL | _PERSIST | _TIMES ^ _PX,
    _EXAT: _KEEPTTL | _PERSIST | _TIMES ^ _EXAT,
    _PXAT: _KEEPTTL | _PERSIST | _TIMES ^ _PXAT,
}
_SET_OPTIONS: Final = _NX | _XX | _GET | _KEEPTTL | _TIMES
_GETEX_OPTIONS: Final = _PERSIST | _TIMES

_RANGE_COMPLEXITY: Final = (
    "O(N) where N is the length of the returned string. The complexity is ultimately determined by the "
    "returned length, but because creating a substring from an existing string is very cheap, it can be "
    "considered O(1) for small strings."
)


def _parse_options(options: tuple[bytes, ...], allowed: int) -> tuple[int, bytes]:
    """Return the option bits and the text of the expiry: the last one where an option is repeated."""
    flags = 0
    expiry = b""
    words = iter(options)
    for word in words:
        bit = _OPTIONS.get(word.upper(), 0)
        if not bit & allowed or flags & _CONFLICTS[bit]:
            raise CommandError(errors.SYNTAX)
        flags |= bit
        if bit & _TIMES:
            value = next(words, None)
            if value is None:
                raise CommandError(errors.SYNTAX)
            expiry = value
    return flags, expiry


def _expiry_at(call: Call, text: bytes, flags: int) -> int:
    """Return the expiry an option asks for, in milliseconds since the Unix epoch."""
    at_ms = integer(text)
    if flags & (_EX | _EXAT):
        at_ms *= 1000
    if at_ms > 0 and flags & (_EX | _PX):
        at_ms += call.now_ms()
    # An amount that overflows on the way is one that overflows in the end: both bounds only ever move it up.
    if not 0 < at_ms <= _INT64_MAX:
        raise CommandError(errors.invalid_expire(call.name))
    return at_ms


def _immutable(value: bytes | bytearray) -> bytes:
    return value if type(value) is bytes else bytes(value)


def _check_length(call: Call, length: int) -> None:
    if length > call.engine.limits.string_bytes:
        raise CommandError(errors.STRING_TOO_LONG)


# Reading


@command(
    "GET",
    arity=2,
    flags="readonly fast",
    acl="string",
    keys="RO,access@1",
    group="string",
    since="1.0.0",
    complexity="O(1)",
    summary="Return the string a key holds.",
)
def get(call: Call, key: bytes) -> Reply:
    value = call.db.read(key)
    if value is None or type(value) is bytes:
        return value
    if type(value) is bytearray:
        return bytes(value)
    raise WrongTypeError


@command(
    "MGET",
    arity=-2,
    flags="readonly fast",
    acl="string",
    keys="RO,access@1..-1/1",
    group="string",
    since="1.0.0",
    complexity="O(N) where N is the number of keys to retrieve.",
    summary="Return the strings of several keys, null where there is none.",
    tips=("request_policy:multi_shard",),
)
def mget(call: Call, *keys: bytes) -> Reply:
    db = call.db
    replies: list[Reply] = []
    for key in keys:
        value = db.read(key)
        if value is None or type(value) is bytes:
            replies.append(value)
        else:
            replies.append(bytes(value) if type(value) is bytearray else None)
    return replies


@command(
    "STRLEN",
    arity=2,
    flags="readonly fast",
    acl="string",
    keys="RO@1",
    group="string",
    since="2.2.0",
    complexity="O(1)",
    summary="Return the length of a string in bytes.",
)
def strlen(call: Call, key: bytes) -> Reply:
    value = call.db.read_string(key)
    return 0 if value is None else len(value)


@command(
    "GETRANGE",
    arity=4,
    flags="readonly",
    acl="string",
    keys="RO,access@1",
    group="string",
    since="2.4.0",
    complexity=_RANGE_COMPLEXITY,
    summary="Return the bytes of a string between two offsets, both included.",
)
def getrange(call: Call, key: bytes, start: bytes, end: bytes) -> Reply:
    first, last = integer(start), integer(end)
    value = call.db.read_string(key)
    if value is None or (first < 0 and last < 0 and first > last):
        return b""
    length = len(value)
    if first < 0:
        first = max(first + length, 0)
    # An end before the string stands for its first byte, as a start does: so the real server answers.
    if last < 0:
        last = max(last + length, 0)
    return _immutable(value[first : min(last, length - 1) + 1])


@command(
    "SUBSTR",
    arity=4,
    flags="readonly",
    acl="string",
    keys="RO,access@1",
    group="string",
    since="1.0.0",
    complexity=_RANGE_COMPLEXITY,
    summary="Return part of a string; the old name of GETRANGE.",
)
def substr(call: Call, key: bytes, start: bytes, end: bytes) -> Reply:
    return getrange(call, key, start, end)


# Writing


@command(
    "SET",
    arity=-3,
    flags="write denyoom",
    acl="string",
    keys="RW,access,update,variable_flags@1",
    group="string",
    since="1.0.0",
    complexity="O(1)",
    summary="Set the string of a key, whatever it held, with optional conditions and expiry.",
)
def set_(call: Call, key: bytes, value: bytes, *options: bytes) -> Reply:
    if not options:
        db = call.db
        db.put(key, value)
        if db.observed:
            call.changed(key, "set", STRING)
        else:
            call.dirty += 1
        return OK
    flags, expiry = _parse_options(options, _SET_OPTIONS)
    at_ms = _expiry_at(call, expiry, flags) if flags & _TIMES else 0
    old = call.db.read_string(key) if flags & _GET else None
    done = _set(call, key, value, flags, at_ms)
    if flags & _GET:
        if done and not at_ms:
            call.propagate(call.argv[0], key, value, *(word for word in options if word.upper() != b"GET"))
        return None if old is None else _immutable(old)
    return OK if done else None


def _set(call: Call, key: bytes, value: bytes, flags: int, at_ms: int) -> bool:
    """Set ``key`` unless NX or XX forbid it; say whether it was set."""
    db = call.db
    if flags & (_NX | _XX | _KEEPTTL):
        found = db.has(key)
        if flags & (_NX if found else _XX):
            return False
        # Asking was the use of the key that LFU counts: putting it would be another.
        db.store(key, value)
        if not flags & _KEEPTTL:
            db.clear_expiry(key)
    else:
        db.put(key, value)
    call.changed(key, "set", STRING)
    if at_ms:
        db.set_expiry(key, at_ms)
        call.changed(key, "expire", GENERIC, 0)
        call.propagate(b"SET", key, value, b"PXAT", b"%d" % at_ms)
    return True


@command(
    "SETNX",
    arity=3,
    flags="write denyoom fast",
    acl="string",
    keys="OW,insert@1",
    group="string",
    since="1.0.0",
    complexity="O(1)",
    summary="Set the string of a key that does not exist yet.",
)
def setnx(call: Call, key: bytes, value: bytes) -> Reply:
    return int(_set(call, key, value, _NX, 0))


@command(
    "SETEX",
    arity=4,
    flags="write denyoom",
    acl="string",
    keys="OW,update@1",
    group="string",
    since="2.0.0",
    complexity="O(1)",
    summary="Set the string of a key and its time to live in seconds.",
)
def setex(call: Call, key: bytes, seconds: bytes, value: bytes) -> Reply:
    _set(call, key, value, _EX, _expiry_at(call, seconds, _EX))
    return OK


@command(
    "PSETEX",
    arity=4,
    flags="write denyoom",
    acl="string",
    keys="OW,update@1",
    group="string",
    since="2.6.0",
    complexity="O(1)",
    summary="Set the string of a key and its time to live in milliseconds.",
)
def psetex(call: Call, key: bytes, milliseconds: bytes, value: bytes) -> Reply:
    _set(call, key, value, _PX, _expiry_at(call, milliseconds, _PX))
    return OK


@command(
    "MSET",
    arity=-3,
    flags="write denyoom",
    acl="string",
    keys="OW,update@1..-1/2",
    group="string",
    since="1.0.1",
    complexity="O(N) where N is the number of keys to set.",
    summary="Set the strings of several keys at once.",
    tips=("request_policy:multi_shard", "response_policy:all_succeeded"),
)
def mset(call: Call, *pairs: bytes) -> Reply:
    if len(pairs) & 1:
        raise CommandError(errors.wrong_arity(call.name))
    put = call.db.put
    items = iter(pairs)
    if call.db.notify_mask:
        # Each key's events stand together: expired, then set, then those of the next key.
        for key, value in zip(items, items, strict=True):
            put(key, value)
            call.changed(key, "set", STRING)
        return OK
    for key, value in zip(items, items, strict=True):
        put(key, value)
    call.changed_all(pairs[::2], "set", STRING)
    return OK


@command(
    "MSETNX",
    arity=-3,
    flags="write denyoom",
    acl="string",
    keys="OW,insert@1..-1/2",
    group="string",
    since="1.0.1",
    complexity="O(N) where N is the number of keys to set.",
    summary="Set the strings of several keys unless one of them exists.",
    tips=("request_policy:multi_shard", "response_policy:agg_min"),
)
def msetnx(call: Call, *pairs: bytes) -> Reply:
    if len(pairs) & 1:
        raise CommandError(errors.wrong_arity(call.name))
    for key in pairs[::2]:
        if call.db.has(key):
            return 0
    mset(call, *pairs)
    return 1


@command(
    "APPEND",
    arity=3,
    flags="write denyoom fast",
    acl="string",
    keys="RW,insert@1",
    group="string",
    since="2.0.0",
    complexity="O(1). The amortized time complexity is O(1) assuming the appended value is small and the "
    "already present value is of any size, since the dynamic string library used by Redis will double "
    "the free space available on every reallocation.",
    summary="Add bytes to the end of a string, which begins empty.",
)
def append(call: Call, key: bytes, value: bytes) -> Reply:
    old = call.db.write_string(key)
    if old is None:
        call.db.store(key, value)
        length = len(value)
    else:
        length = len(old) + len(value)
        _check_length(call, length)
        if type(old) is bytearray:
            old += value
        else:
            call.db.store(key, bytearray(old) + value)
    call.changed(key, "append", STRING)
    return length


@command(
    "SETRANGE",
    arity=4,
    flags="write denyoom",
    acl="string",
    keys="RW,update@1",
    group="string",
    since="2.2.0",
    complexity="O(1), not counting the time taken to copy the new string in place. Usually, this string is "
    "very small so the amortized complexity is O(1). Otherwise, complexity is O(M) with M being the length "
    "of the value argument.",
    summary="Write bytes into a string from an offset on, filling what lies before with zeros.",
)
def setrange(call: Call, key: bytes, offset: bytes, value: bytes) -> Reply:
    start = integer(offset)
    if start < 0:
        raise CommandError(errors.OFFSET_OUT_OF_RANGE)
    old = call.db.write_string(key)
    if not value:
        return 0 if old is None else len(old)
    end = start + len(value)
    _check_length(call, end)
    if type(old) is bytearray:
        buffer = old
    else:
        buffer = bytearray(b"" if old is None else old)
        call.db.store(key, buffer)
    if len(buffer) < start:
        buffer += bytes(start - len(buffer))
    buffer[start:end] = value
    call.changed(key, "setrange", STRING)
    return len(buffer)


# Reading and writing at once


@command(
    "GETSET",
    arity=3,
    flags="write denyoom fast",
    acl="string",
    keys="RW,access,update@1",
    group="string",
    since="1.0.0",
    complexity="O(1)",
    summary="Set the string of a key and return the one before.",
)
def getset(call: Call, key: bytes, value: bytes) -> Reply:
    old = call.db.read_string(key)
    call.db.put(key, value)
    call.changed(key, "set", STRING)
    call.propagate(b"SET", key, value)
    return None if old is None else _immutable(old)


@command(
    "GETDEL",
    arity=2,
    flags="write fast",
    acl="string",
    keys="RW,access,delete@1",
    group="string",
    since="6.2.0",
    complexity="O(1)",
    summary="Return the string of a key and delete the key.",
)
def getdel(call: Call, key: bytes) -> Reply:
    old = call.db.read_string(key)
    if old is None:
        return None
    _delete(call, key)
    return _immutable(old)


def _delete(call: Call, key: bytes) -> None:
    call.db.remove(key)
    call.changed(key, "del", GENERIC)
    call.propagate(b"DEL", key)


@command(
    "GETEX",
    arity=-2,
    flags="write fast",
    acl="string",
    keys="RW,access,update@1",
    group="string",
    since="6.2.0",
    complexity="O(1)",
    summary="Return the string of a key and set or clear its expiry.",
)
def getex(call: Call, key: bytes, *options: bytes) -> Reply:
    flags, expiry = _parse_options(options, _GETEX_OPTIONS)
    db = call.db
    value = db.read_string(key)
    if value is None:
        return None
    if flags & _TIMES:
        at_ms = _expiry_at(call, expiry, flags)
        if call.is_past(at_ms):
            _delete(call, key)
        else:
            db.set_expiry(key, at_ms)
            call.changed(key, "expire", GENERIC)
            call.propagate(b"PEXPIREAT", key, b"%d" % at_ms)
    elif flags & _PERSIST and db.clear_expiry(key):
        call.changed(key, "persist", GENERIC)
        call.propagate(b"PERSIST", key)
    return _immutable(value)


# Counters


def _increment(call: Call, key: bytes, amount: int) -> int:
    db = call.db
    value = db.write(key)
    if value is None:
        number = amount
    elif type(value) is bytes and value.isdigit() and value[0] != 48 and len(value) < 19:
        number = int(value) + amount  # what a counter nearly always holds needs no more checks
    elif type(value) is bytes or type(value) is bytearray:
        number = integer(value) + amount
    else:
        raise WrongTypeError
    if not _INT64_MIN <= number <= _INT64_MAX:
        raise CommandError(errors.INCREMENT_OVERFLOW)
    if value is None:
        db.store(key, b"%d" % number)
    else:
        db.replace(key, b"%d" % number)
    if db.observed:
        call.changed(key, "incrby", STRING)
    else:
        call.dirty += 1
    return number


@command(
    "INCR",
    arity=2,
    flags="write denyoom fast",
    acl="string",
    keys="RW,access,update@1",
    group="string",
    since="1.0.0",
    complexity="O(1)",
    summary="Add one to an integer, which begins at zero.",
)
def incr(call: Call, key: bytes) -> Reply:
    return _increment(call, key, 1)


@command(
    "DECR",
    arity=2,
    flags="write denyoom fast",
    acl="string",
    keys="RW,access,update@1",
    group="string",
    since="1.0.0",
    complexity="O(1)",
    summary="Take one from an integer, which begins at zero.",
)
def decr(call: Call, key: bytes) -> Reply:
    return _increment(call, key, -1)


@command(
    "INCRBY",
    arity=3,
    flags="write denyoom fast",
    acl="string",
    keys="RW,access,update@1",
    group="string",
    since="1.0.0",
    complexity="O(1)",
    summary="Add to an integer, which begins at zero.",
)
def incrby(call: Call, key: bytes, amount: bytes) -> Reply:
    return _increment(call, key, integer(amount))


@command(
    "DECRBY",
    arity=3,
    flags="write denyoom fast",
    acl="string",
    keys="RW,access,update@1",
    group="string",
    since="1.0.0",
    complexity="O(1)",
    summary="Take from an integer, which begins at zero.",
)
def decrby(call: Call, key: bytes, amount: bytes) -> Reply:
    number = integer(amount)
    if number == _INT64_MIN:
        raise CommandError(errors.DECREMENT_OVERFLOW)
    return _increment(call, key, -number)


@command(
    "INCRBYFLOAT",
    arity=3,
    flags="write denyoom fast",
    acl="string",
    keys="RW,access,update@1",
    group="string",
    since="2.6.0",
    complexity="O(1)",
    summary="Add to a number with a fraction, which begins at zero.",
)
def incrbyfloat(call: Call, key: bytes, amount: bytes) -> Reply:
    old = call.db.write_string(key)
    number = parse_long_double(b"0" if old is None else old)
    addend = parse_long_double(amount)
    if number is None or addend is None:
        raise CommandError(errors.NOT_A_FLOAT)
    total = add_long_doubles(number, addend)
    if not isinstance(total, LongDouble):
        raise CommandError(errors.NAN_OR_INFINITY)
    text = format_long_double(total)
    if text.isdigit() or (text[:1] == b"-" and text[1:].isdigit()):
        text = call.engine.keyspace.note_float(text)
    call.db.store(key, text)
    call.changed(key, "incrbyfloat", STRING)
    call.propagate(b"SET", key, text, b"KEEPTTL")
    return text
