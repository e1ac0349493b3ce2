"""DUMP and RESTORE: a value as bytes that any server can turn into a key again.

What lives here: options, times to live, what is propagated. What must not: the bytes, which are
:mod:`kvcore.rdb`'s. The rule: a payload is read in full before anything in the keyspace changes, so that a bad one
changes nothing.

MIGRATE, which sends such payloads to another server, is in :mod:`kvcore.commands.migrating`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kvcore import errors
from kvcore.arguments import integer
from kvcore.call import Call
from kvcore.command import command
from kvcore.commands.keydb_cron import check_permission
from kvcore.datatypes.cron_job import CronJob
from kvcore.errors import CommandError, RdbError
from kvcore.notifications import GENERIC
from kvcore.rdb import payload
from kvcore.replies import OK, Reply

if TYPE_CHECKING:
    from kvcore.keyspace import Database

_INT64_MAX: Final = 2**63 - 1
_FREQUENCY_MAX: Final = 255


@command(
    "DUMP",
    arity=2,
    flags="readonly",
    acl="keyspace",
    keys="RO,access@1",
    group="generic",
    since="2.6.0",
    complexity="O(1) to access the key and additional O(N*M) to serialize it, where N is the number of Redis objects "
    "composing the value and M their average size. For small string values the time complexity is thus "
    "O(1)+O(1*M) where M is small, so simply O(1).",
    summary="Return a value as bytes that RESTORE turns into a key.",
    tips=("nondeterministic_output",),
)
def dump(call: Call, key: bytes) -> Reply:
    value = call.db.read(key)
    if value is None:
        return None
    engine = call.engine
    return payload.dump(value, engine.limits.list_size, engine.config.flag("rdbcompression"))


class _Options:
    """What a RESTORE asks for besides the value."""

    __slots__ = ("absolute", "frequency", "idle_s", "replace")

    def __init__(self, options: tuple[bytes, ...]) -> None:
        self.replace = False
        self.absolute = False
        """The time to live is a moment."""
        self.idle_s = -1
        self.frequency = -1
        words = iter(options)
        for word in words:
            option = word.upper()
            if option == b"REPLACE":
                self.replace = True
            elif option == b"ABSTTL":
                self.absolute = True
            elif option == b"IDLETIME" and self.frequency < 0:
                self.idle_s = integer(_argument(next(words, None)))
                if self.idle_s < 0:
                    raise CommandError(errors.INVALID_IDLETIME)
            elif option == b"FREQ" and self.idle_s < 0:
                self.frequency = integer(_argument(next(words, None)))
                if not 0 <= self.frequency <= _FREQUENCY_MAX:
                    raise CommandError(errors.INVALID_FREQ)
            else:
                raise CommandError(errors.SYNTAX)


def _argument(word: bytes | None) -> bytes:
    if word is None:
        raise CommandError(errors.SYNTAX)
    return word


@command(
    "RESTORE",
    arity=-4,
    flags="write denyoom",
    acl="keyspace dangerous",
    keys="OW,update@1",
    group="generic",
    since="2.6.0",
    complexity="O(1) to create the new key and additional O(N*M) to reconstruct the serialized value, where N is the "
    "number of Redis objects composing the value and M their average size. For small string values the time "
    "complexity is thus O(1)+O(1*M) where M is small, so simply O(1). However for sorted set values the complexity "
    "is O(N*M*log(N)) because inserting values into sorted sets is O(log(N)).",
    summary="Create a key from what DUMP returned.",
)
def restore(call: Call, key: bytes, ttl: bytes, data: bytes, *options: bytes) -> Reply:
    wanted = _Options(options)
    db = call.db
    if not wanted.replace and db.has(key):
        raise CommandError(errors.BUSY_KEY)
    at_ms = integer(ttl)
    if at_ms < 0:
        raise CommandError(errors.INVALID_TTL)
    if not payload.is_sealed(data, call.engine.skip_checksums):
        raise CommandError(errors.DUMP_FOOTER)
    try:
        value = payload.load(data, call.engine.limits, _is_sanitizing(call))
    except RdbError as error:
        raise CommandError(errors.DUMP_DATA) from error
    if isinstance(value, CronJob):
        check_permission(call)
    if at_ms and not wanted.absolute:
        at_ms += call.now_ms()
        if at_ms > _INT64_MAX:
            at_ms -= 1 << 64  # as it overflows in the real server: long ago
    deleted = wanted.replace and db.remove(key)
    if at_ms and call.is_past(at_ms):
        if deleted:
            call.changed(key, "del", GENERIC)
            call.propagate(b"DEL", key)
        return OK
    db.put(key, value)
    db.follow_members(key)
    if at_ms:
        db.set_expiry(key, at_ms)
        if not wanted.absolute:
            call.propagate(call.argv[0], key, b"%d" % at_ms, data, *options, b"ABSTTL")
    _restore_usage(db, key, wanted)
    call.changed(key, "restore", GENERIC)
    return OK


def _restore_usage(db: Database, key: bytes, wanted: _Options) -> None:
    """Set how long the key was idle or how often it was used, whichever of them the policy goes by."""
    usage = db.usage
    if usage is None or usage.access is None:
        return
    if usage.clock.lfu:
        if wanted.frequency >= 0:
            usage.set_stamp(key, usage.clock.with_frequency(wanted.frequency))
    elif wanted.idle_s >= 0:
        usage.set_stamp(key, usage.clock.with_idle_time(wanted.idle_s))


def _is_sanitizing(call: Call) -> bool:
    """Say whether payloads are looked at down to the last entry: always, or those of clients."""
    mode = call.engine.config.string("sanitize-dump-payload")
    return mode == "yes" or (mode == "clients" and call.session.account.sanitize is not False)


@command(
    "RESTORE-ASKING",
    arity=-4,
    flags="write denyoom asking",
    acl="keyspace dangerous",
    keys="OW,update@1",
    group="server",
    since="3.0.0",
    complexity="O(1) to create the new key and additional O(N*M) to reconstruct the serialized value, where N is the "
    "number of Redis objects composing the value and M their average size. For small string values the time "
    "complexity is thus O(1)+O(1*M) where M is small, so simply O(1). However for sorted set values the complexity "
    "is O(N*M*log(N)) because inserting values into sorted sets is O(log(N)).",
    summary="Do what RESTORE does, while nodes of a cluster hand keys over.",
)
def restore_asking(call: Call, key: bytes, ttl: bytes, data: bytes, *options: bytes) -> Reply:
    return restore(call, key, ttl, data, *options)
