"""Commands on keys of any type: delete, rename, copy, move, inspect.

What lives here: the generic group but for times to live (:mod:`kvcore.commands.expiration`), listing keys
(:mod:`kvcore.commands.scanning`) and SORT (:mod:`kvcore.commands.sorting`). What must not: anything that knows
the inside of a type. The rule: a value that moves to another key is taken with ``Database.take``, a value that
goes is given up with ``Database.remove``, and a copy shares nothing with the original.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kvcore import errors
from kvcore.arguments import integer
from kvcore.call import Call
from kvcore.command import command
from kvcore.datatypes.cron_job import CronJob
from kvcore.datatypes.encoding import string_encoding
from kvcore.errors import CommandError
from kvcore.helptext import container_help
from kvcore.keyspace import TYPE_NAMES, Value
from kvcore.notifications import GENERIC
from kvcore.replies import OK, Reply

if TYPE_CHECKING:
    from kvcore.keyspace import Database

_INT_MIN: Final = -(2**31)
_INT_MAX: Final = 2**31 - 1
_SHARED_INTEGERS: Final = 10_000


def _database(call: Call, index: bytes) -> Database:
    """Return the database an argument of COPY or MOVE names."""
    number = integer(index)
    if not _INT_MIN <= number <= _INT_MAX:
        raise CommandError(errors.INT_OUT_OF_RANGE)
    databases = call.engine.keyspace.databases
    if not 0 <= number < len(databases):
        raise CommandError(errors.DB_INDEX_OUT_OF_RANGE)
    return databases[number]


# Deleting and counting


@command(
    "DEL",
    arity=-2,
    flags="write",
    acl="keyspace",
    keys="RM,delete@1..-1/1",
    group="generic",
    since="1.0.0",
    complexity="O(N) where N is the number of keys that will be removed. When a key to remove holds a value "
    "other than a string, the individual complexity for this key is O(M) where M is the number of elements in "
    "the list, set, sorted set or hash. Removing a single key that holds a string value is O(1).",
    summary="Delete keys; return how many there were.",
    tips=("request_policy:multi_shard", "response_policy:agg_sum"),
)
def del_(call: Call, *keys: bytes) -> Reply:
    count = 0
    db = call.db
    for key in keys:
        if db.remove(key):
            count += 1
            call.changed(key, "del", GENERIC)
    return count


@command(
    "UNLINK",
    arity=-2,
    flags="write fast",
    acl="keyspace",
    keys="RM,delete@1..-1/1",
    group="generic",
    since="4.0.0",
    complexity="O(1) for each key removed regardless of its size. Then the command does O(N) work in a different "
    "thread in order to reclaim memory, where N is the number of allocations the deleted objects where composed "
    "of.",
    summary="Delete keys, freeing what they held later; here DEL does the same.",
    tips=("request_policy:multi_shard", "response_policy:agg_sum"),
)
def unlink(call: Call, *keys: bytes) -> Reply:
    return del_(call, *keys)


@command(
    "EXISTS",
    arity=-2,
    flags="readonly fast",
    acl="keyspace",
    keys="RO@1..-1/1",
    group="generic",
    since="1.0.0",
    complexity="O(N) where N is the number of keys to check.",
    summary="Count which of the keys exist, a repeated one as often as it is named.",
    tips=("request_policy:multi_shard", "response_policy:agg_sum"),
)
def exists(call: Call, *keys: bytes) -> Reply:
    count = 0
    for key in keys:
        if call.db.inspect(key) is not None:
            count += 1
    return count


@command(
    "TOUCH",
    arity=-2,
    flags="readonly fast",
    acl="keyspace",
    keys="RO@1..-1/1",
    group="generic",
    since="3.2.1",
    complexity="O(N) where N is the number of keys that will be touched.",
    summary="Mark keys as used just now; return how many of them exist.",
    tips=("request_policy:multi_shard", "response_policy:agg_sum"),
)
def touch(call: Call, *keys: bytes) -> Reply:
    count = 0
    for key in keys:
        if call.db.read(key) is not None:
            count += 1
    return count


@command(
    "TYPE",
    arity=2,
    flags="readonly fast",
    acl="keyspace",
    keys="RO@1",
    group="generic",
    since="1.0.0",
    complexity="O(1)",
    summary="Tell the type of the value a key holds.",
)
def type_(call: Call, key: bytes) -> Reply:
    value = call.db.inspect(key)
    return "none" if value is None else TYPE_NAMES[type(value)]


# Renaming, moving, copying


def _rename(call: Call, key: bytes, new: bytes, only_if_new: bool) -> bool:
    db = call.db
    if not db.has(key):
        raise CommandError(errors.NO_SUCH_KEY)
    if key == new:
        return not only_if_new
    if db.has(new):
        if only_if_new:
            return False
        db.remove(new)  # so that the key at this name is a new one
    at_ms = db.expiry(key)
    stamp = None if db.usage is None else db.usage.stamp(key)
    value = db.take(key)
    assert value is not None
    db.put(new, value)
    if stamp is not None and db.usage is not None:
        db.usage.set_stamp(new, stamp)
    db.follow_members(new)
    if at_ms is not None:
        db.set_expiry(new, at_ms)
    call.changed(key, "rename_from", GENERIC)
    call.changed(new, "rename_to", GENERIC, 0)
    return True


@command(
    "RENAME",
    arity=3,
    flags="write",
    acl="keyspace",
    keys="RW,access,delete@1 OW,update@2",
    group="generic",
    since="1.0.0",
    complexity="O(1)",
    summary="Give a value another key, whatever that held.",
)
def rename(call: Call, key: bytes, new: bytes) -> Reply:
    _rename(call, key, new, only_if_new=False)
    return OK


@command(
    "RENAMENX",
    arity=3,
    flags="write fast",
    acl="keyspace",
    keys="RW,access,delete@1 OW,insert@2",
    group="generic",
    since="1.0.0",
    complexity="O(1)",
    summary="Give a value another key unless that exists.",
)
def renamenx(call: Call, key: bytes, new: bytes) -> Reply:
    return int(_rename(call, key, new, only_if_new=True))


@command(
    "MOVE",
    arity=3,
    flags="write fast",
    acl="keyspace",
    keys="RW,access,update@1",
    group="generic",
    since="1.0.0",
    complexity="O(1)",
    summary="Take a key to another database unless that has it already.",
)
def move(call: Call, key: bytes, database: bytes) -> Reply:
    source = call.db
    target = _database(call, database)
    if source is target:
        raise CommandError(errors.SAME_OBJECT)
    if not source.has(key) or target.has(key):
        return 0
    at_ms = source.expiry(key)
    stamp = None if source.usage is None else source.usage.stamp(key)
    value = source.take(key)
    assert value is not None
    target.put(key, value)
    if stamp is not None and target.usage is not None:
        target.usage.set_stamp(key, stamp)
    target.follow_members(key)
    if at_ms is not None:
        target.set_expiry(key, at_ms)
    call.changed(key, "move_from", GENERIC)
    call.changed_in(target, key, "move_to", GENERIC, 0)
    return 1


@command(
    "COPY",
    arity=-3,
    flags="write denyoom",
    acl="keyspace",
    keys="RO,access@1 OW,update@2",
    group="generic",
    since="6.2.0",
    complexity="O(N) worst case for collections, where N is the number of nested items. O(1) for string values.",
    summary="Copy a value and its time to live to another key.",
)
def copy(call: Call, key: bytes, new: bytes, *options: bytes) -> Reply:
    target = call.db
    replace = False
    words = iter(options)
    for word in words:
        option = word.upper()
        if option == b"REPLACE":
            replace = True
        elif option == b"DB":
            index = next(words, None)
            if index is None:
                raise CommandError(errors.SYNTAX)
            target = _database(call, index)
        else:
            raise CommandError(errors.SYNTAX)
    if target is call.db and key == new:
        raise CommandError(errors.SAME_OBJECT)
    value = call.db.read(key)
    if value is None:
        return 0
    exists = target.has(new)
    if exists and not replace:
        return 0
    copied = _copied(value)
    if exists:
        target.remove(new)  # so that the key at this name is a new one
    at_ms = call.db.expiry(key)
    target.put(new, copied)
    target.follow_members(new)
    if at_ms is not None:
        target.set_expiry(new, at_ms)
    call.changed_in(target, new, "copy_to", GENERIC)
    return 1


def _copied(value: Value) -> Value:
    if isinstance(value, CronJob):
        raise CommandError(errors.UNKNOWN_TYPE)
    return value if isinstance(value, bytes) else value.copy()


# Looking inside


@command(
    "OBJECT",
    arity=-2,
    flags="",
    acl="",
    keys="",
    group="generic",
    since="2.2.3",
    complexity="Depends on subcommand.",
    summary="Container of the commands that look at how a value is held.",
)
def object_(call: Call) -> Reply:
    raise CommandError(errors.wrong_arity(call.name))


def _inspect(call: Call, key: bytes) -> Value | None:
    """Return the value without announcing a miss as a keyspace event, as OBJECT does."""
    value = call.db.peek(key)
    if value is None:
        call.db.statistics.misses += 1
    else:
        call.db.statistics.hits += 1
    return value


def _is_lfu(call: Call) -> bool:
    return call.engine.config.string("maxmemory-policy").endswith("-lfu")


def _encoding(call: Call, value: Value) -> str:
    if not isinstance(value, bytes | bytearray):
        return value.encoding
    encoding = string_encoding(value)
    return "embstr" if encoding == "int" and call.engine.keyspace.is_float(value) else encoding


@command(
    "OBJECT|ENCODING",
    arity=3,
    flags="readonly",
    acl="keyspace",
    keys="RO@2",
    group="generic",
    since="2.2.3",
    complexity="O(1)",
    summary="Tell how the real server would hold the value in memory.",
    tips=("nondeterministic_output",),
)
def object_encoding(call: Call, key: bytes) -> Reply:
    value = _inspect(call, key)
    return None if value is None else _encoding(call, value).encode()


@command(
    "OBJECT|REFCOUNT",
    arity=3,
    flags="readonly",
    acl="keyspace",
    keys="RO@2",
    group="generic",
    since="2.2.3",
    complexity="O(1)",
    summary="Tell how many references the real server would count on the value.",
    tips=("nondeterministic_output",),
)
def object_refcount(call: Call, key: bytes) -> Reply:
    value = _inspect(call, key)
    if value is None:
        return None
    # Small integers are one object for all keys there, and answer the largest count there is.
    if not call.engine.eviction.may_share_integers:
        return 1
    if type(value) is bytes and _encoding(call, value) == "int" and 0 <= int(value) < _SHARED_INTEGERS:
        return _INT_MAX
    return 1


@command(
    "OBJECT|IDLETIME",
    arity=3,
    flags="readonly",
    acl="keyspace",
    keys="RO@2",
    group="generic",
    since="2.2.3",
    complexity="O(1)",
    summary="Tell the seconds since the key was last used, which only LRU policies keep; 0 without one.",
    tips=("nondeterministic_output",),
)
def object_idletime(call: Call, key: bytes) -> Reply:
    if _inspect(call, key) is None:
        return None
    if _is_lfu(call):
        raise CommandError(errors.LFU_SELECTED)
    usage = call.db.usage
    return 0 if usage is None or usage.access is None else usage.clock.idle_s(usage.stamp(key))


@command(
    "OBJECT|FREQ",
    arity=3,
    flags="readonly",
    acl="keyspace",
    keys="RO@2",
    group="generic",
    since="4.0.0",
    complexity="O(1)",
    summary="Tell how often the key is used, as a logarithm that decays; LFU policies keep it.",
    tips=("nondeterministic_output",),
)
def object_freq(call: Call, key: bytes) -> Reply:
    if _inspect(call, key) is None:
        return None
    if not _is_lfu(call):
        raise CommandError(errors.LFU_NOT_SELECTED)
    usage = call.db.usage
    assert usage is not None, "an LFU policy keeps stamps"
    return usage.clock.frequency(usage.stamp(key))


@command(
    "OBJECT|LASTMODIFIED",
    arity=3,
    flags="readonly",
    acl="keyspace",
    keys="RO@2",
    group="generic",
    since="KeyDB",
    complexity="O(1)",
    summary="Tell the seconds since the key was last changed, while such times are kept.",
    tips=("nondeterministic_output",),
)
def object_lastmodified(call: Call, key: bytes) -> Reply:
    if _inspect(call, key) is None:
        return None
    if not call.engine.modifications.kept:
        raise CommandError(errors.NO_MODIFICATION_TIMES)
    return call.engine.modifications.age_s(call.db, key)


_OBJECT_HELP: Final = dict.fromkeys(("ENCODING", "FREQ", "IDLETIME", "REFCOUNT"), "<key>")


@command(
    "OBJECT|HELP",
    arity=2,
    flags="loading stale",
    acl="keyspace",
    keys="",
    group="generic",
    since="6.2.0",
    complexity="O(1)",
    summary="List the subcommands of OBJECT.",
)
def object_help(call: Call) -> Reply:
    return container_help(call.engine.originals[b"object"], _OBJECT_HELP)
