"""Commands on sets.

What lives here: the set group. What must not: how members are kept, and the algebra itself
(:mod:`kvcore.datatypes.set`). The rule: a reply that is a set is a ``set`` in RESP3 and a list in RESP2, where the
ascending order of a set of integers is there to be seen.
"""

from __future__ import annotations

from collections.abc import Iterable

from kvcore import errors, glob
from kvcore.arguments import integer_in_range, random_count, scan_cursor, scan_options
from kvcore.call import Call
from kvcore.command import command
from kvcore.datatypes.numbers import INT_MAX
from kvcore.datatypes.set import Set, difference, intersection, union
from kvcore.errors import CommandError, WrongTypeError
from kvcore.notifications import GENERIC, SET
from kvcore.replies import OrderedMembers, Reply


def _as_set(call: Call, members: Iterable[bytes]) -> Reply:
    if not call.resp3:
        return list(members)
    if isinstance(members, Set) and members.encoding != "intset":
        return set(members)
    ordered = OrderedMembers(members)
    return ordered if ordered else set()


def _read_all(call: Call, keys: tuple[bytes, ...]) -> list[Set | None]:
    """Return the sets at ``keys``; every key's type is checked, also behind one that is absent."""
    db = call.db
    return [db.read_as(key, Set) for key in keys]


def _store(call: Call, destination: bytes, result: Set, event: str) -> int:
    """Put a result in the place of whatever ``destination`` held; an empty one removes it."""
    db = call.db
    if len(result):
        db.put(destination, result)
        call.changed(destination, event, SET)
    elif db.erase(destination):
        call.changed(destination, "del", GENERIC)
    return len(result)


# Writing


@command(
    "SADD",
    arity=-3,
    flags="write denyoom fast",
    acl="set",
    keys="RW,insert@1",
    group="set",
    since="1.0.0",
    complexity=(
        "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments."
    ),
    summary="Add members, and count the new ones.",
)
def sadd(call: Call, key: bytes, *members: bytes) -> Reply:
    db = call.db
    target = db.write_as(key, Set)
    if target is None:
        target = Set()
        db.store(key, target)
    limit = call.engine.limits.intset_entries
    if len(members) == 1:
        added = 1 if target.add(members[0], limit) else 0
    else:
        added = sum([target.add(member, limit) for member in members])
    if added:
        call.changed(key, "sadd", SET, added)
    return added


@command(
    "SREM",
    arity=-3,
    flags="write fast",
    acl="set",
    keys="RW,delete@1",
    group="set",
    since="1.0.0",
    complexity="O(N) where N is the number of members to be removed.",
    summary="Remove members, and count those that were there.",
)
def srem(call: Call, key: bytes, *members: bytes) -> Reply:
    db = call.db
    target = db.write_as(key, Set)
    if target is None:
        return 0
    removed = 0
    for member in members:
        if target.remove(member):
            removed += 1
    if removed:
        emptied = not len(target)
        if emptied:
            db.remove(key)
        call.changed(key, "srem", SET, removed)
        if emptied:
            call.changed(key, "del", GENERIC, 0)
    return removed


@command(
    "SMOVE",
    arity=4,
    flags="write fast",
    acl="set",
    keys="RW,access,delete@1 RW,insert@2",
    group="set",
    since="1.0.0",
    complexity="O(1)",
    summary="Move a member from one set to another.",
)
def smove(call: Call, source: bytes, destination: bytes, member: bytes) -> Reply:
    db = call.db
    origin = db.write(source)
    target = db.write(destination)
    if origin is None:
        return 0
    if type(origin) is not Set or (target is not None and type(target) is not Set):
        raise WrongTypeError
    if origin is target:
        return 1 if member in origin else 0
    if not origin.remove(member):
        return 0
    call.changed(source, "srem", SET)
    if not len(origin):
        db.remove(source)
        call.changed(source, "del", GENERIC, 0)
    if target is None:
        target = Set()
        db.store(destination, target)
    if target.add(member, call.engine.limits.intset_entries):
        call.changed(destination, "sadd", SET)
    return 1


@command(
    "SPOP",
    arity=-2,
    flags="write fast",
    acl="set",
    keys="RW,access,delete@1",
    group="set",
    since="1.0.0",
    complexity=("Without the count argument O(1), otherwise O(N) where N is the value of the passed count."),
    summary="Remove random members and return them.",
    tips=("nondeterministic_output",),
)
def spop(call: Call, key: bytes, *count: bytes) -> Reply:
    if count:
        return _pop_many(call, key, count)
    db = call.db
    target = db.write_as(key, Set)
    if target is None:
        return None
    member = target.random_member(call.engine.random)
    target.remove(member)
    emptied = not len(target)
    if emptied:
        db.remove(key)
    # Only this node's random numbers chose the member: everyone else is told which.
    call.propagate(b"SREM", key, member)
    call.changed(key, "spop", SET)
    if emptied:
        call.changed(key, "del", GENERIC, 0)
    return member


def _pop_many(call: Call, key: bytes, options: tuple[bytes, ...]) -> Reply:
    if len(options) > 1:
        raise CommandError(errors.SYNTAX)
    count = integer_in_range(options[0], 0, INT_MAX, errors.POSITIVE_OUT_OF_RANGE)
    db = call.db
    target = db.write_as(key, Set)
    if target is None or count == 0:
        return _as_set(call, [])
    if count >= len(target):
        members = list(target)
        db.remove(key)
        call.propagate(b"DEL", key)
        call.changed(key, "spop", SET, len(members))
        call.changed(key, "del", GENERIC, 0)
        return _as_set(call, members)
    members = target.pop_random(count, call.engine.random)
    for member in members:
        call.propagate(b"SREM", key, member)
    call.changed(key, "spop", SET, len(members))
    return _as_set(call, members)


# Reading


@command(
    "SCARD",
    arity=2,
    flags="readonly fast",
    acl="set",
    keys="RO@1",
    group="set",
    since="1.0.0",
    complexity="O(1)",
    summary="Count the members.",
)
def scard(call: Call, key: bytes) -> Reply:
    members = call.db.read_as(key, Set)
    return 0 if members is None else len(members)


@command(
    "SISMEMBER",
    arity=3,
    flags="readonly fast",
    acl="set",
    keys="RO@1",
    group="set",
    since="1.0.0",
    complexity="O(1)",
    summary="Say whether a value is a member.",
)
def sismember(call: Call, key: bytes, member: bytes) -> Reply:
    members = call.db.read_as(key, Set)
    return 1 if members is not None and member in members else 0


@command(
    "SMISMEMBER",
    arity=-3,
    flags="readonly fast",
    acl="set",
    keys="RO,access@1",
    group="set",
    since="6.2.0",
    complexity="O(N) where N is the number of elements being checked for membership",
    summary="Say of several values whether each is a member.",
)
def smismember(call: Call, key: bytes, *candidates: bytes) -> Reply:
    members = call.db.read_as(key, Set)
    if members is None:
        return [0] * len(candidates)
    return [1 if candidate in members else 0 for candidate in candidates]


@command(
    "SMEMBERS",
    arity=2,
    flags="readonly",
    acl="set",
    keys="RO,access@1",
    group="set",
    since="1.0.0",
    complexity="O(N) where N is the set cardinality.",
    summary="Return all members.",
    tips=("nondeterministic_output_order",),
)
def smembers(call: Call, key: bytes) -> Reply:
    members = call.db.read_as(key, Set)
    return _as_set(call, members or ())


@command(
    "SRANDMEMBER",
    arity=-2,
    flags="readonly",
    acl="set",
    keys="RO,access@1",
    group="set",
    since="1.0.0",
    complexity=("Without the count argument O(1), otherwise O(N) where N is the absolute value of the passed count."),
    summary="Return random members, with a negative count possibly the same ones again.",
    tips=("nondeterministic_output",),
)
def srandmember(call: Call, key: bytes, *options: bytes) -> Reply:
    if not options:
        members = call.db.read_as(key, Set)
        return None if members is None else members.random_member(call.engine.random)
    if len(options) > 1:
        raise CommandError(errors.SYNTAX)
    count, _ = random_count(options, b"", call.engine.limits.string_bytes)
    members = call.db.read_as(key, Set)
    if members is None or count == 0:
        return []
    return members.random_members(abs(count), call.engine.random, repeat=count < 0)


@command(
    "SSCAN",
    arity=-3,
    flags="readonly",
    acl="set",
    keys="RO,access@1",
    group="set",
    since="2.8.0",
    complexity=(
        "O(1) for every call. O(N) for a complete iteration, including enough command calls for the "
        "cursor to return back to 0. N is the number of elements inside the collection.."
    ),
    summary="Iterate over the members of a set with a cursor.",
    tips=("nondeterministic_output",),
)
def sscan(call: Call, key: bytes, cursor: bytes, *options: bytes) -> Reply:
    position = scan_cursor(cursor)
    target = call.db.read_as(key, Set)
    if target is None:
        return [b"0", []]
    pattern, count = scan_options(options)
    position, members = target.scan(position, count)
    if pattern is not None:
        members = list(filter(glob.compile(pattern), members))
    return [b"%d" % position, members]


# Algebra


@command(
    "SINTER",
    arity=-2,
    flags="readonly",
    acl="set",
    keys="RO,access@1..-1/1",
    group="set",
    since="1.0.0",
    complexity=("O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets."),
    summary="Return the members that all sets have.",
    tips=("nondeterministic_output_order",),
)
def sinter(call: Call, *keys: bytes) -> Reply:
    return _as_set(call, _intersect(call, keys))


def _intersect(call: Call, keys: tuple[bytes, ...], limit: int = 0) -> list[bytes]:
    sets: list[Set] = []
    complete = True
    for members in _read_all(call, keys):
        if members is None:
            complete = False
        else:
            sets.append(members)
    return intersection(sets, limit) if complete else []


@command(
    "SINTERCARD",
    arity=-3,
    flags="readonly movablekeys",
    acl="set",
    keys="RO,access@1#0+1/1",
    group="set",
    since="7.0.0",
    complexity=("O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets."),
    summary="Count the members that all sets have, up to a limit.",
)
def sintercard(call: Call, numkeys: bytes, *arguments: bytes) -> Reply:
    count = integer_in_range(numkeys, 1, INT_MAX, errors.NUMKEYS_NOT_POSITIVE)
    if count > len(arguments):
        raise CommandError(errors.TOO_MANY_KEYS)
    limit = 0
    options = iter(arguments[count:])
    for option in options:
        value = next(options, None) if option.upper() == b"LIMIT" else None
        if value is None:
            raise CommandError(errors.SYNTAX)
        limit = integer_in_range(value, 0, INT_MAX, errors.LIMIT_NEGATIVE)
    return len(_intersect(call, arguments[:count], limit))


@command(
    "SINTERSTORE",
    arity=-3,
    flags="write denyoom",
    acl="set",
    keys="RW,update@1 RO,access@2..-1/1",
    group="set",
    since="1.0.0",
    complexity=("O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets."),
    summary="Store the members that all sets have.",
)
def sinterstore(call: Call, destination: bytes, *keys: bytes) -> Reply:
    result = Set(_intersect(call, keys), call.engine.limits.intset_entries)
    return _store(call, destination, result, "sinterstore")


def _unite(call: Call, keys: tuple[bytes, ...]) -> Set:
    sets = [members for members in _read_all(call, keys) if members is not None]
    return union(sets, call.engine.limits.intset_entries)


@command(
    "SUNION",
    arity=-2,
    flags="readonly",
    acl="set",
    keys="RO,access@1..-1/1",
    group="set",
    since="1.0.0",
    complexity="O(N) where N is the total number of elements in all given sets.",
    summary="Return the members that any of the sets has.",
    tips=("nondeterministic_output_order",),
)
def sunion(call: Call, *keys: bytes) -> Reply:
    return _as_set(call, _unite(call, keys))


@command(
    "SUNIONSTORE",
    arity=-3,
    flags="write denyoom",
    acl="set",
    keys="OW,update@1 RO,access@2..-1/1",
    group="set",
    since="1.0.0",
    complexity="O(N) where N is the total number of elements in all given sets.",
    summary="Store the members that any of the sets has.",
)
def sunionstore(call: Call, destination: bytes, *keys: bytes) -> Reply:
    return _store(call, destination, _unite(call, keys), "sunionstore")


def _subtract(call: Call, keys: tuple[bytes, ...]) -> Set:
    first, *others = _read_all(call, keys)
    if first is None:
        return Set()
    limit = call.engine.limits.intset_entries
    return difference(first, [members for members in others if members is not None], limit)


@command(
    "SDIFF",
    arity=-2,
    flags="readonly",
    acl="set",
    keys="RO,access@1..-1/1",
    group="set",
    since="1.0.0",
    complexity="O(N) where N is the total number of elements in all given sets.",
    summary="Return the members of the first set that no other set has.",
    tips=("nondeterministic_output_order",),
)
def sdiff(call: Call, *keys: bytes) -> Reply:
    return _as_set(call, _subtract(call, keys))


@command(
    "SDIFFSTORE",
    arity=-3,
    flags="write denyoom",
    acl="set",
    keys="OW,update@1 RO,access@2..-1/1",
    group="set",
    since="1.0.0",
    complexity="O(N) where N is the total number of elements in all given sets.",
    summary="Store the members of the first set that no other set has.",
)
def sdiffstore(call: Call, destination: bytes, *keys: bytes) -> Reply:
    return _store(call, destination, _subtract(call, keys), "sdiffstore")
