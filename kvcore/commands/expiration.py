"""Commands on times to live: EXPIRE and its relatives, TTL and its relatives, PERSIST.

What lives here: conditions, units and bounds of the times that clients give. TTL, PTTL and PERSIST take a member
behind the key, as in KeyDB; what sets its time is in :mod:`kvcore.commands.member_expiration`. What must not: deleting
what is due, which :mod:`kvcore.keyspace` and :mod:`kvcore.expiry` do. The rule: a time to live leaves this node as the
moment it ends (PEXPIREAT), so that AOF and replicas agree whenever they read it.
"""

from __future__ import annotations

from typing import Final

from kvcore import errors
from kvcore.arguments import integer
from kvcore.call import Call
from kvcore.command import command
from kvcore.datatypes.cron_job import CronJob
from kvcore.datatypes.deadlines import Perishable
from kvcore.datatypes.hash import Hash
from kvcore.errors import CommandError
from kvcore.keyspace import Value
from kvcore.notifications import GENERIC
from kvcore.replies import Reply

_INT64_MIN: Final = -(2**63)
_INT64_MAX: Final = 2**63 - 1

_NX: Final = 1
_XX: Final = 2
_GT: Final = 4
_LT: Final = 8
_CONDITIONS: Final = {b"NX": _NX, b"XX": _XX, b"GT": _GT, b"LT": _LT}


def parse_conditions(options: tuple[bytes, ...]) -> int:
    """Return the bits of NX, XX, GT and LT; raise CommandError for other words and for what excludes each other."""
    flags = 0
    for option in options:
        bit = _CONDITIONS.get(option.upper(), 0)
        if not bit:
            raise CommandError(errors.unsupported_option(option))
        flags |= bit
    if flags & _NX and flags != _NX:
        raise CommandError(errors.EXPIRE_NX_CONFLICT)
    if flags & _GT and flags & _LT:
        raise CommandError(errors.EXPIRE_GT_LT_CONFLICT)
    return flags


def allowed(flags: int, current_ms: int | None, at_ms: int) -> bool:
    """Say whether the conditions let ``at_ms`` replace the expiry so far; None is later than any other."""
    if flags & _NX:
        return current_ms is None
    if flags & _XX and current_ms is None:
        return False
    if flags & _GT:
        return current_ms is not None and at_ms > current_ms
    return not flags & _LT or current_ms is None or at_ms < current_ms


def _expire(call: Call, key: bytes, time: bytes, options: tuple[bytes, ...], unit_ms: int, base_ms: int) -> int:
    """Let ``key`` expire ``time`` units after ``base_ms``, at once if that has passed; return 1 if it will."""
    flags = parse_conditions(options) if options else 0
    at_ms = integer(time) * unit_ms
    if not _INT64_MIN <= at_ms <= _INT64_MAX - base_ms:
        raise CommandError(errors.invalid_expire(call.name))
    at_ms += base_ms
    db = call.db
    if not db.has(key):
        return 0
    if flags and not allowed(flags, db.expiry(key), at_ms):
        return 0
    if call.is_past(at_ms):
        db.remove(key)
        call.changed(key, "del", GENERIC)
        call.propagate(b"DEL", key)
    else:
        db.set_expiry(key, at_ms)
        call.changed(key, "expire", GENERIC)
        if base_ms or unit_ms != 1:  # else it is PEXPIREAT itself, and propagated as it came
            call.propagate(b"PEXPIREAT", key, b"%d" % at_ms, *options)
    return 1


@command(
    "EXPIRE",
    arity=-3,
    flags="write fast",
    acl="keyspace",
    keys="RW,update@1",
    group="generic",
    since="1.0.0",
    complexity="O(1)",
    summary="Let a key expire after some seconds.",
)
def expire(call: Call, key: bytes, seconds: bytes, *options: bytes) -> Reply:
    return _expire(call, key, seconds, options, 1000, call.now_ms())


@command(
    "PEXPIRE",
    arity=-3,
    flags="write fast",
    acl="keyspace",
    keys="RW,update@1",
    group="generic",
    since="2.6.0",
    complexity="O(1)",
    summary="Let a key expire after some milliseconds.",
)
def pexpire(call: Call, key: bytes, milliseconds: bytes, *options: bytes) -> Reply:
    return _expire(call, key, milliseconds, options, 1, call.now_ms())


@command(
    "EXPIREAT",
    arity=-3,
    flags="write fast",
    acl="keyspace",
    keys="RW,update@1",
    group="generic",
    since="1.2.0",
    complexity="O(1)",
    summary="Let a key expire at a Unix time in seconds.",
)
def expireat(call: Call, key: bytes, seconds: bytes, *options: bytes) -> Reply:
    return _expire(call, key, seconds, options, 1000, 0)


@command(
    "PEXPIREAT",
    arity=-3,
    flags="write fast",
    acl="keyspace",
    keys="RW,update@1",
    group="generic",
    since="2.6.0",
    complexity="O(1)",
    summary="Let a key expire at a Unix time in milliseconds.",
)
def pexpireat(call: Call, key: bytes, milliseconds: bytes, *options: bytes) -> Reply:
    return _expire(call, key, milliseconds, options, 1, 0)


@command(
    "PERSIST",
    arity=-2,
    flags="write fast",
    acl="keyspace",
    keys="RW,update@1",
    group="generic",
    since="2.2.0",
    complexity="O(1)",
    summary="Take the time to live off a key, or off one of its members.",
)
def persist(call: Call, key: bytes, *member: bytes) -> Reply:
    if member:
        return _persist_member(call, key, member)
    if not call.db.has(key) or not call.db.clear_expiry(key):
        return 0
    call.changed(key, "persist", GENERIC)
    return 1


def _member_expiry(value: Value | None, key: bytes, member: tuple[bytes, ...]) -> int | None:
    """Return when the member that KeyDB's form of a command names expires, None if never.

    A job has one member, of its key's name, whose time is that of the next run.
    """
    if len(member) > 1:
        raise CommandError(errors.INVALID_ARGUMENTS)
    if isinstance(value, CronJob):
        return value.next_ms if member[0] == key else None
    return value.expiry(member[0]) if isinstance(value, Perishable) else None


def _persist_member(call: Call, key: bytes, member: tuple[bytes, ...]) -> int:
    container = call.db.write(key)
    if _member_expiry(container, key, member) is None or not isinstance(container, Perishable):
        return 0
    container.clear_expiry(member[0])
    call.changed(key, "persist", GENERIC)
    if isinstance(container, Hash):
        call.propagate(b"HPERSIST", key, b"FIELDS", b"1", member[0])
    return 1


def _moment(call: Call, key: bytes, member: tuple[bytes, ...] = ()) -> int:
    """Return when the key, or its member, expires in milliseconds, -1 if never, -2 if there is no key."""
    value = call.db.inspect(key)
    if member:
        at_ms = _member_expiry(value, key, member)
    if value is None:
        return -2
    if not member:
        at_ms = call.db.expiry(key)
    return -1 if at_ms is None else at_ms


def _rounded(milliseconds: int) -> int:
    return (milliseconds + 500) // 1000


@command(
    "TTL",
    arity=-2,
    flags="readonly fast",
    acl="keyspace",
    keys="RO,access@1",
    group="generic",
    since="1.0.0",
    complexity="O(1)",
    summary="Tell the time to live of a key, or of one of its members, in seconds.",
    tips=("nondeterministic_output",),
)
def ttl(call: Call, key: bytes, *member: bytes) -> Reply:
    at_ms = _moment(call, key, member)
    return at_ms if at_ms < 0 else _rounded(at_ms - call.now_ms())


@command(
    "PTTL",
    arity=-2,
    flags="readonly fast",
    acl="keyspace",
    keys="RO,access@1",
    group="generic",
    since="2.6.0",
    complexity="O(1)",
    summary="Tell the time to live of a key, or of one of its members, in milliseconds.",
    tips=("nondeterministic_output",),
)
def pttl(call: Call, key: bytes, *member: bytes) -> Reply:
    at_ms = _moment(call, key, member)
    return at_ms if at_ms < 0 else at_ms - call.now_ms()


@command(
    "EXPIRETIME",
    arity=2,
    flags="readonly fast",
    acl="keyspace",
    keys="RO,access@1",
    group="generic",
    since="7.0.0",
    complexity="O(1)",
    summary="Tell the Unix time in seconds at which a key expires.",
)
def expiretime(call: Call, key: bytes) -> Reply:
    at_ms = _moment(call, key)
    return at_ms if at_ms < 0 else _rounded(at_ms)


@command(
    "PEXPIRETIME",
    arity=2,
    flags="readonly fast",
    acl="keyspace",
    keys="RO,access@1",
    group="generic",
    since="7.0.0",
    complexity="O(1)",
    summary="Tell the Unix time in milliseconds at which a key expires.",
)
def pexpiretime(call: Call, key: bytes) -> Reply:
    return _moment(call, key)
