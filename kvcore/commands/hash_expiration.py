"""Commands on times to live of hash fields, and those that read or write fields together with them.

What lives here: HEXPIRE and its relatives of Redis 7.4, HGETEX, HSETEX and HGETDEL of Redis 8 and Valkey 9, with the
replies of Valkey 9. What must not: how fields expire (:mod:`kvcore.member_expiry`). The rule: the arguments are judged
in full before the hash is looked at, and what is propagated are the fields that changed and the moment, never the
conditions or the delay.
"""

from __future__ import annotations

from typing import Final

from kvcore import errors, member_expiry
from kvcore.arguments import integer
from kvcore.call import Call
from kvcore.command import command
from kvcore.commands.expiration import allowed, parse_conditions
from kvcore.datatypes.hash import Hash
from kvcore.errors import CommandError
from kvcore.notifications import HASH
from kvcore.replies import Reply

_INT64_MAX: Final = 2**63 - 1
_NO_FIELD: Final = -2
_NO_EXPIRY: Final = -1
_REFUSED: Final = 0
_DONE: Final = 1
_DELETED: Final = 2

_UNITS: Final = {b"EX": (1000, False), b"PX": (1, False), b"EXAT": (1000, True), b"PXAT": (1, True)}
"""Milliseconds of a unit, and whether the time is a moment."""


def _split(arguments: tuple[bytes, ...]) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Return what stands before the word FIELDS, which something must follow, and what follows it."""
    for index, word in enumerate(arguments[:-1]):
        if word.upper() == b"FIELDS":
            return arguments[:index], arguments[index + 1 :]
    raise CommandError(errors.NUMFIELDS_MISMATCH)


def _fields(counted: tuple[bytes, ...], error: str, per_field: int = 1) -> tuple[bytes, ...]:
    """Return the arguments behind ``numfields``, which must count them."""
    if integer(counted[0]) * per_field != len(counted) - 1 or len(counted) == 1:
        raise CommandError(error)
    return counted[1:]


def _fields_only(arguments: tuple[bytes, ...], error: str) -> tuple[bytes, ...]:
    """Parse ``FIELDS numfields field ...`` of the commands that take nothing else."""
    if arguments[0].upper() != b"FIELDS":
        raise CommandError(errors.SYNTAX)
    return _fields(arguments[1:], error)


def _moment(call: Call, time: bytes, unit_ms: int, base_ms: int) -> int:
    """Return ``time`` units after ``base_ms``; a time before the epoch or beyond 64 bits is an error."""
    at_ms = integer(time) * unit_ms
    if not 0 <= at_ms <= _INT64_MAX - base_ms:
        raise CommandError(errors.invalid_expire(call.name))
    return at_ms + base_ms


# Setting times


def _expire(call: Call, key: bytes, time: bytes, arguments: tuple[bytes, ...], unit_ms: int, base_ms: int) -> Reply:
    options, counted = _split(arguments)
    flags = parse_conditions(options) if options else 0
    names = _fields(counted, errors.NUMFIELDS_MISMATCH)
    at_ms = _moment(call, time, unit_ms, base_ms)
    fields = call.db.write_as(key, Hash)
    if fields is None:
        return [_NO_FIELD] * len(names)
    if call.is_past(at_ms):
        return _expire_now(call, key, fields, names, flags, at_ms)
    replies: list[Reply] = []
    changed: list[bytes] = []
    for name in names:
        if name not in fields:
            replies.append(_NO_FIELD)
        elif flags and not allowed(flags, fields.expiry(name), at_ms):
            replies.append(_REFUSED)
        else:
            # At once: a field named twice meets its first time when its turn comes again.
            call.db.set_member_expiry(key, fields, name, at_ms)
            changed.append(name)
            replies.append(_DONE)
    member_expiry.expire_at(call, key, fields, changed, at_ms)
    return replies


def _expire_now(call: Call, key: bytes, fields: Hash, names: tuple[bytes, ...], flags: int, at_ms: int) -> list[Reply]:
    """Remove the fields whose new time is past already."""
    replies: list[Reply] = []
    due: dict[bytes, None] = {}
    for name in names:
        if name not in fields or name in due:
            replies.append(_NO_FIELD)
        elif flags and not allowed(flags, fields.expiry(name), at_ms):
            replies.append(_REFUSED)
        else:
            due[name] = None
            replies.append(_DELETED)
    member_expiry.expire_now(call, key, fields, list(due))
    return replies


@command(
    "HEXPIRE",
    arity=-6,
    flags="write fast",
    acl="hash",
    keys="RW,update@1",
    group="hash",
    since="7.4.0",
    complexity="O(N) where N is the number of specified fields",
    summary="Let fields of a hash expire after some seconds.",
)
def hexpire(call: Call, key: bytes, seconds: bytes, *arguments: bytes) -> Reply:
    return _expire(call, key, seconds, arguments, 1000, call.now_ms())


@command(
    "HPEXPIRE",
    arity=-6,
    flags="write fast",
    acl="hash",
    keys="RW,update@1",
    group="hash",
    since="7.4.0",
    complexity="O(N) where N is the number of specified fields",
    summary="Let fields of a hash expire after some milliseconds.",
)
def hpexpire(call: Call, key: bytes, milliseconds: bytes, *arguments: bytes) -> Reply:
    return _expire(call, key, milliseconds, arguments, 1, call.now_ms())


@command(
    "HEXPIREAT",
    arity=-6,
    flags="write fast",
    acl="hash",
    keys="RW,update@1",
    group="hash",
    since="7.4.0",
    complexity="O(N) where N is the number of specified fields",
    summary="Let fields of a hash expire at a Unix time in seconds.",
)
def hexpireat(call: Call, key: bytes, seconds: bytes, *arguments: bytes) -> Reply:
    return _expire(call, key, seconds, arguments, 1000, 0)


@command(
    "HPEXPIREAT",
    arity=-6,
    flags="write fast",
    acl="hash",
    keys="RW,update@1",
    group="hash",
    since="7.4.0",
    complexity="O(N) where N is the number of specified fields",
    summary="Let fields of a hash expire at a Unix time in milliseconds.",
)
def hpexpireat(call: Call, key: bytes, milliseconds: bytes, *arguments: bytes) -> Reply:
    return _expire(call, key, milliseconds, arguments, 1, 0)


@command(
    "HPERSIST",
    arity=-5,
    flags="write fast",
    acl="hash",
    keys="RW,update@1",
    group="hash",
    since="7.4.0",
    complexity="O(N) where N is the number of specified fields",
    summary="Take the times to live off fields of a hash.",
)
def hpersist(call: Call, key: bytes, *arguments: bytes) -> Reply:
    names = _fields_only(arguments, errors.NUMFIELDS_MISMATCH)
    fields = call.db.write_as(key, Hash)
    if fields is None:
        return [_NO_FIELD] * len(names)
    replies: list[Reply] = []
    persisted: dict[bytes, None] = {}
    for name in names:
        if name not in fields:
            replies.append(_NO_FIELD)
        elif name in persisted or fields.expiry(name) is None:
            replies.append(_NO_EXPIRY)
        else:
            persisted[name] = None
            replies.append(_DONE)
    member_expiry.persist(call, key, fields, list(persisted))
    return replies


# Asking for times


def _times(call: Call, key: bytes, arguments: tuple[bytes, ...], unit_ms: int, relative: bool) -> Reply:
    names = _fields_only(arguments, errors.SYNTAX)
    fields = call.db.read_as(key, Hash)
    if fields is None:
        return [_NO_FIELD] * len(names)
    base_ms = call.now_ms() if relative else 0
    replies: list[Reply] = []
    for name in names:
        at_ms = fields.expiry(name)
        if at_ms is not None:
            replies.append((at_ms - base_ms + unit_ms // 2) // unit_ms)
        else:
            replies.append(_NO_EXPIRY if name in fields else _NO_FIELD)
    return replies


@command(
    "HTTL",
    arity=-5,
    flags="readonly fast",
    acl="hash",
    keys="RO,access@1",
    group="hash",
    since="7.4.0",
    complexity="O(N) where N is the number of specified fields",
    summary="Tell the times to live of fields in seconds.",
    tips=("nondeterministic_output",),
)
def httl(call: Call, key: bytes, *arguments: bytes) -> Reply:
    return _times(call, key, arguments, 1000, relative=True)


@command(
    "HPTTL",
    arity=-5,
    flags="readonly fast",
    acl="hash",
    keys="RO,access@1",
    group="hash",
    since="7.4.0",
    complexity="O(N) where N is the number of specified fields",
    summary="Tell the times to live of fields in milliseconds.",
    tips=("nondeterministic_output",),
)
def hpttl(call: Call, key: bytes, *arguments: bytes) -> Reply:
    return _times(call, key, arguments, 1, relative=True)


@command(
    "HEXPIRETIME",
    arity=-5,
    flags="readonly fast",
    acl="hash",
    keys="RO,access@1",
    group="hash",
    since="7.4.0",
    complexity="O(N) where N is the number of specified fields",
    summary="Tell the Unix times in seconds at which fields expire.",
)
def hexpiretime(call: Call, key: bytes, *arguments: bytes) -> Reply:
    return _times(call, key, arguments, 1000, relative=False)


@command(
    "HPEXPIRETIME",
    arity=-5,
    flags="readonly fast",
    acl="hash",
    keys="RO,access@1",
    group="hash",
    since="7.4.0",
    complexity="O(N) where N is the number of specified fields",
    summary="Tell the Unix times in milliseconds at which fields expire.",
)
def hpexpiretime(call: Call, key: bytes, *arguments: bytes) -> Reply:
    return _times(call, key, arguments, 1, relative=False)


# Values together with times


class _Options:
    """What stands before FIELDS in HGETEX and HSETEX. The time is not judged before the type of the key is."""

    __slots__ = ("condition", "keep", "key_condition", "time", "unit")

    def __init__(self) -> None:
        self.time = b""
        self.unit = b""
        """EX, PX, EXAT or PXAT; empty where no time is given."""
        self.keep = False
        """PERSIST of HGETEX, KEEPTTL of HSETEX."""
        self.condition = b""
        self.key_condition = b""


def _parse_options(words: tuple[bytes, ...], keep_word: bytes, conditional: bool) -> _Options:
    options = _Options()
    rest = iter(words)
    for word in rest:
        name = word.upper()
        if name in _UNITS and not options.keep and options.unit in (b"", name):
            following = next(rest, None)
            if following is None:
                raise CommandError(errors.SYNTAX)
            options.unit = name
            options.time = following
        elif name == keep_word and not options.unit:
            options.keep = True
        elif conditional and name in (b"FNX", b"FXX") and options.condition in (b"", name):
            options.condition = name
        elif conditional and name in (b"NX", b"XX") and options.key_condition in (b"", name):
            options.key_condition = name
        else:
            raise CommandError(errors.SYNTAX)
    return options


def _moment_of(call: Call, options: _Options) -> int | None:
    """Return the given time in milliseconds since the Unix epoch, None where none is given."""
    if not options.unit:
        return None
    unit_ms, absolute = _UNITS[options.unit]
    return _moment(call, options.time, unit_ms, 0 if absolute else call.now_ms())


@command(
    "HGETEX",
    arity=-5,
    flags="write fast",
    acl="hash",
    keys="RW,access,update@1",
    group="hash",
    since="8.0.0",
    complexity="O(N) where N is the number of specified fields",
    summary="Return the values of fields, and set or take off their times to live.",
)
def hgetex(call: Call, key: bytes, *arguments: bytes) -> Reply:
    words, counted = _split(arguments)
    options = _parse_options(words, b"PERSIST", conditional=False)
    names = _fields(counted, errors.NUMFIELDS_MISMATCH)
    fields = call.db.write_as(key, Hash)
    at_ms = _moment_of(call, options)
    if fields is None:
        return [None] * len(names)
    values: list[Reply] = [fields.get(name) for name in names]
    there = [name for name in dict.fromkeys(names) if name in fields]
    if options.keep:
        member_expiry.persist(call, key, fields, [name for name in there if fields.expiry(name) is not None])
    elif at_ms is not None and call.is_past(at_ms):
        # Each field goes as soon as it is read: named again, it is gone.
        left = dict(zip(names, values, strict=True))
        values = [left.pop(name, None) for name in names]
        member_expiry.expire_now(call, key, fields, there)
    elif at_ms is not None:
        member_expiry.expire_at(call, key, fields, there, at_ms)
    return values


def _may_set(fields: Hash | None, names: tuple[bytes, ...], options: _Options) -> bool:
    """Say whether the conditions on the key and on all of the fields hold."""
    if options.key_condition and (options.key_condition == b"XX") != (fields is not None):
        return False
    if not options.condition:
        return True
    wanted = options.condition == b"FXX"
    return all((fields is not None and name in fields) == wanted for name in names)


@command(
    "HSETEX",
    arity=-6,
    flags="write denyoom fast",
    acl="hash",
    keys="RW,insert@1",
    group="hash",
    since="8.0.0",
    complexity="O(N) where N is the number of specified fields",
    summary="Set fields of a hash, all or none as conditions allow, with a time to live.",
)
def hsetex(call: Call, key: bytes, *arguments: bytes) -> Reply:
    words, counted = _split(arguments)
    options = _parse_options(words, b"KEEPTTL", conditional=True)
    pairs = _fields(counted, errors.NUMFIELDS_MISMATCH, per_field=2)
    names = pairs[0::2]
    fields = call.db.write_as(key, Hash)
    at_ms = _moment_of(call, options)
    if not _may_set(fields, names, options):
        return 0
    if fields is None:
        fields = Hash()
        call.db.store(key, fields)
    kept = _put_all(call, key, fields, pairs, options.keep)
    call.changed(key, "hset", HASH, len(names))
    call.propagate(b"HSET", key, *pairs)
    for name, kept_ms in kept.items():
        call.propagate(b"HPEXPIREAT", key, b"%d" % kept_ms, b"FIELDS", b"1", name)
    if at_ms is not None:
        distinct = list(dict.fromkeys(names))
        if not call.is_past(at_ms):
            member_expiry.expire_at(call, key, fields, distinct, at_ms)
        else:
            # The real server gives the fields their time first, and says so, before they reach it.
            call.changed(key, "hexpire", HASH, 0)
            member_expiry.expire_now(call, key, fields, distinct)
    return 1


def _put_all(call: Call, key: bytes, fields: Hash, pairs: tuple[bytes, ...], keep: bool) -> dict[bytes, int]:
    """Set fields to values; return those that kept their times, with them."""
    limits = call.engine.limits
    kept: dict[bytes, int] = {}
    for index in range(0, len(pairs), 2):
        name = pairs[index]
        at_ms = fields.expiry(name) if keep else None
        fields.put(name, pairs[index + 1], limits.hash_entries, limits.hash_value)
        if at_ms is not None:
            call.db.set_member_expiry(key, fields, name, at_ms)
            kept[name] = at_ms
    return kept


@command(
    "HGETDEL",
    arity=-5,
    flags="write fast",
    acl="hash",
    keys="RW,access,delete@1",
    group="hash",
    since="8.0.0",
    complexity="O(N) where N is the number of specified fields",
    summary="Return the values of fields and remove them.",
)
def hgetdel(call: Call, key: bytes, *arguments: bytes) -> Reply:
    names = _fields_only(arguments, errors.NUMFIELDS_MISMATCH)
    fields = call.db.write_as(key, Hash)
    if fields is None:
        return [None] * len(names)
    values: list[Reply] = []
    removed: list[bytes] = []
    for name in names:
        value = fields.get(name)
        values.append(value)
        if value is not None:
            fields.remove(name)
            removed.append(name)
    member_expiry.remove(call, key, fields, removed)
    return values
