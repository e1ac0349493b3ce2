"""The list commands that answer at once.

What lives here: LPUSH to LMPOP. What must not: waiting; the blocking forms are in
:mod:`kvcore.commands.lists_blocking` and share the pops below. The rule: whatever takes elements ends in
``_popped``, which removes the list it emptied: no key ever holds an empty list.
"""

from __future__ import annotations

from typing import Final

from kvcore import errors
from kvcore.arguments import integer
from kvcore.call import Call
from kvcore.command import command
from kvcore.datatypes.list import List
from kvcore.errors import CommandError
from kvcore.notifications import GENERIC, LIST
from kvcore.replies import NULL_ARRAY, OK, Reply

INT64_MIN: Final = -(2**63)

# Pushing


@command(
    "LPUSH",
    arity=-3,
    flags="write denyoom fast",
    acl="list",
    keys="RW,insert@1",
    group="list",
    since="1.0.0",
    complexity=(
        "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments."
    ),
    summary="Insert elements at the head of a list, creating it if needed.",
)
def lpush(call: Call, key: bytes, *values: bytes) -> Reply:
    db = call.db
    target = db.write_as(key, List)
    if target is None:
        target = List(values[::-1])
        db.store(key, target)
    else:
        target.items.extendleft(values)
    if db.observed:
        call.changed(key, "lpush", LIST, len(values))
    else:
        call.dirty += len(values)
    return len(target.items)


@command(
    "RPUSH",
    arity=-3,
    flags="write denyoom fast",
    acl="list",
    keys="RW,insert@1",
    group="list",
    since="1.0.0",
    complexity=(
        "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments."
    ),
    summary="Append elements at the tail of a list, creating it if needed.",
)
def rpush(call: Call, key: bytes, *values: bytes) -> Reply:
    db = call.db
    target = db.write_as(key, List)
    if target is None:
        target = List(values)
        db.store(key, target)
    else:
        target.items.extend(values)
    if db.observed:
        call.changed(key, "rpush", LIST, len(values))
    else:
        call.dirty += len(values)
    return len(target.items)


@command(
    "LPUSHX",
    arity=-3,
    flags="write denyoom fast",
    acl="list",
    keys="RW,insert@1",
    group="list",
    since="2.2.0",
    complexity=(
        "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments."
    ),
    summary="Insert elements at the head of a list that exists already.",
)
def lpushx(call: Call, key: bytes, *values: bytes) -> Reply:
    target = call.db.write_as(key, List)
    if target is None:
        return 0
    target.items.extendleft(values)
    call.changed(key, "lpush", LIST, len(values))
    return len(target.items)


@command(
    "RPUSHX",
    arity=-3,
    flags="write denyoom fast",
    acl="list",
    keys="RW,insert@1",
    group="list",
    since="2.2.0",
    complexity=(
        "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments."
    ),
    summary="Append elements at the tail of a list that exists already.",
)
def rpushx(call: Call, key: bytes, *values: bytes) -> Reply:
    target = call.db.write_as(key, List)
    if target is None:
        return 0
    target.items.extend(values)
    call.changed(key, "rpush", LIST, len(values))
    return len(target.items)


@command(
    "LINSERT",
    arity=5,
    flags="write denyoom",
    acl="list",
    keys="RW,insert@1",
    group="list",
    since="2.2.0",
    complexity=(
        "O(N) where N is the number of elements to traverse before seeing the value pivot. This means"
        " that inserting somewhere on the left end on the list (head) can be considered O(1) and "
        "inserting somewhere on the right end (tail) is O(N)."
    ),
    summary="Insert an element next to the first one equal to a pivot.",
)
def linsert(call: Call, key: bytes, where: bytes, pivot: bytes, value: bytes) -> Reply:
    side = where.lower()
    if side not in (b"before", b"after"):
        raise CommandError(errors.SYNTAX)
    target = call.db.write_as(key, List)
    if target is None:
        return 0
    if not target.insert(pivot, value, side == b"after"):
        return -1
    call.changed(key, "linsert", LIST)
    return len(target)


@command(
    "LSET",
    arity=4,
    flags="write denyoom",
    acl="list",
    keys="RW,update@1",
    group="list",
    since="1.0.0",
    complexity=(
        "O(N) where N is the length of the list. Setting either the first or the last element of the list is O(1)."
    ),
    summary="Replace the element at an index.",
)
def lset(call: Call, key: bytes, index: bytes, value: bytes) -> Reply:
    target = call.db.write_as(key, List)
    if target is None:
        raise CommandError(errors.NO_SUCH_KEY)
    if not target.set(integer(index), value):
        raise CommandError(errors.INDEX_OUT_OF_RANGE)
    call.changed(key, "lset", LIST)
    return OK


# Popping


@command(
    "LPOP",
    arity=-2,
    flags="write fast",
    acl="list",
    keys="RW,access,delete@1",
    group="list",
    since="1.0.0",
    complexity="O(N) where N is the number of elements returned",
    summary="Remove and return elements from the head of a list.",
)
def lpop(call: Call, key: bytes, *count: bytes) -> Reply:
    if count:
        return _pop_counted(call, key, count, left=True)
    source = call.db.write_as(key, List)
    if source is None:
        return None
    value = source.items.popleft()
    _popped(call, key, source, "lpop", 1)
    return value


@command(
    "RPOP",
    arity=-2,
    flags="write fast",
    acl="list",
    keys="RW,access,delete@1",
    group="list",
    since="1.0.0",
    complexity="O(N) where N is the number of elements returned",
    summary="Remove and return elements from the tail of a list.",
)
def rpop(call: Call, key: bytes, *count: bytes) -> Reply:
    if count:
        return _pop_counted(call, key, count, left=False)
    source = call.db.write_as(key, List)
    if source is None:
        return None
    value = source.items.pop()
    _popped(call, key, source, "rpop", 1)
    return value


def _pop_counted(call: Call, key: bytes, arguments: tuple[bytes, ...], left: bool) -> Reply:
    if len(arguments) > 1:
        raise CommandError(errors.wrong_arity(call.name))
    count = integer(arguments[0], errors.POSITIVE_OUT_OF_RANGE)
    if count < 0:
        raise CommandError(errors.POSITIVE_OUT_OF_RANGE)
    source = call.db.write_as(key, List)
    if source is None:
        return NULL_ARRAY
    return pop_many(call, key, source, count, left) if count else []


def pop_many(call: Call, key: bytes, source: List, count: int, left: bool) -> list[bytes]:
    """Pop up to ``count`` elements (at least one) of the list at ``key`` and say so. O(count)."""
    values = source.pop_many(count, left)
    _popped(call, key, source, "lpop" if left else "rpop", len(values))
    return values


def _popped(call: Call, key: bytes, source: List, event: str, count: int) -> None:
    call.changed(key, event, LIST, count)
    if not source.items:
        call.db.remove(key)
        call.changed(key, "del", GENERIC, 0)


@command(
    "LREM",
    arity=4,
    flags="write",
    acl="list",
    keys="RW,delete@1",
    group="list",
    since="1.0.0",
    complexity="O(N+M) where N is the length of the list and M is the number of elements removed.",
    summary="Remove elements equal to a value, counted from either end.",
)
def lrem(call: Call, key: bytes, count: bytes, value: bytes) -> Reply:
    limit = integer(count)
    source = call.db.write_as(key, List)
    if source is None:
        return 0
    removed = source.remove(limit, value)
    if removed:
        _popped(call, key, source, "lrem", removed)
    return removed


@command(
    "LTRIM",
    arity=4,
    flags="write",
    acl="list",
    keys="RW,delete@1",
    group="list",
    since="1.0.0",
    complexity="O(N) where N is the number of elements to be removed by the operation.",
    summary="Keep only the elements of a range.",
)
def ltrim(call: Call, key: bytes, start: bytes, stop: bytes) -> Reply:
    first, last = integer(start), integer(stop)
    source = call.db.write_as(key, List)
    if source is not None:
        # The event comes, and WATCH breaks, even where nothing was cut off; only propagation needs a change.
        _popped(call, key, source, "ltrim", source.trim(first, last))
    return OK


# Moving from list to list


@command(
    "LMOVE",
    arity=5,
    flags="write denyoom",
    acl="list",
    keys="RW,access,delete@1 RW,insert@2",
    group="list",
    since="6.2.0",
    complexity="O(1)",
    summary="Move an element from one end of a list to an end of another.",
)
def lmove(call: Call, source: bytes, destination: bytes, where_from: bytes, where_to: bytes) -> Reply:
    from_left, to_left = parse_end(where_from), parse_end(where_to)
    if call.db.write_as(source, List) is None:
        return None
    return move(call, source, destination, from_left, to_left)


@command(
    "RPOPLPUSH",
    arity=3,
    flags="write denyoom",
    acl="list",
    keys="RW,access,delete@1 RW,insert@2",
    group="list",
    since="1.2.0",
    complexity="O(1)",
    summary="Move the last element of a list to the head of another.",
)
def rpoplpush(call: Call, source: bytes, destination: bytes) -> Reply:
    if call.db.write_as(source, List) is None:
        return None
    return move(call, source, destination, from_left=False, to_left=True)


def parse_end(word: bytes) -> bool:
    """Return True for ``LEFT``, False for ``RIGHT`` (any case); raise a syntax error for anything else."""
    end = word.lower()
    if end == b"left":
        return True
    if end == b"right":
        return False
    raise CommandError(errors.SYNTAX)


def move(call: Call, source_key: bytes, destination_key: bytes, from_left: bool, to_left: bool) -> bytes:
    """Move one element of the list at ``source_key``, which must exist. O(1)."""
    db = call.db
    source = db.write_as(source_key, List)
    assert source is not None
    destination = db.write_as(destination_key, List)
    value = source.pop_left() if from_left else source.pop_right()
    if destination is None:
        destination = List((value,))
        db.store(destination_key, destination)
    elif to_left:
        destination.items.appendleft(value)
    else:
        destination.items.append(value)
    # One change in all, and the destination's event first: the order of the real server.
    call.changed(destination_key, "lpush" if to_left else "rpush", LIST, 0)
    _popped(call, source_key, source, "lpop" if from_left else "rpop", 1)
    return value


# Popping from the first of several lists


@command(
    "LMPOP",
    arity=-4,
    flags="write movablekeys",
    acl="list",
    keys="RW,access,delete@1#0+1/1",
    group="list",
    since="7.0.0",
    complexity="O(N+M) where N is the number of provided keys and M is the number of elements returned.",
    summary="Pop elements from the first list that is not empty.",
)
def lmpop(call: Call, numkeys: bytes, *rest: bytes) -> Reply:
    keys, left, count = parse_multi_pop(numkeys, rest)
    popped = pop_first(call, keys, left, count)
    return NULL_ARRAY if popped is None else popped


def parse_multi_pop(numkeys: bytes, rest: tuple[bytes, ...]) -> tuple[tuple[bytes, ...], bool, int]:
    """Parse ``numkeys key [key ...] LEFT|RIGHT [COUNT count]``; return keys, is it left, and count."""
    number = integer(numkeys, errors.NUMKEYS_NOT_POSITIVE)
    if number <= 0:
        raise CommandError(errors.NUMKEYS_NOT_POSITIVE)
    if number >= len(rest):
        raise CommandError(errors.SYNTAX)
    left = parse_end(rest[number])
    options = rest[number + 1 :]
    if not options:
        return rest[:number], left, 1
    if len(options) == 1 or options[0].lower() != b"count":
        raise CommandError(errors.SYNTAX)
    count = integer(options[1], errors.COUNT_NOT_POSITIVE)
    if count <= 0:
        raise CommandError(errors.COUNT_NOT_POSITIVE)
    if len(options) > 2:
        raise CommandError(errors.SYNTAX)
    return rest[:number], left, count


def pop_first(call: Call, keys: tuple[bytes, ...], left: bool, count: int) -> list[Reply] | None:
    """Pop up to ``count`` elements of the first list among ``keys``, None if none exists. O(keys + count)."""
    for key in keys:
        source = call.db.write_as(key, List)
        if source is not None:
            return pop_from(call, key, source, left, count)
    return None


def pop_from(call: Call, key: bytes, source: List, left: bool, count: int) -> list[Reply]:
    """Pop for LMPOP and BLMPOP, and propagate a plain pop of as many elements. O(count)."""
    values = pop_many(call, key, source, count, left)
    call.propagate(b"LPOP" if left else b"RPOP", key, b"%d" % len(values))
    return [key, values]


# Reading


@command(
    "LLEN",
    arity=2,
    flags="readonly fast",
    acl="list",
    keys="RO@1",
    group="list",
    since="1.0.0",
    complexity="O(1)",
    summary="Return the length of a list.",
)
def llen(call: Call, key: bytes) -> Reply:
    source = call.db.read_as(key, List)
    return 0 if source is None else len(source.items)


@command(
    "LINDEX",
    arity=3,
    flags="readonly",
    acl="list",
    keys="RO,access@1",
    group="list",
    since="1.0.0",
    complexity=(
        "O(N) where N is the number of elements to traverse to get to the element at index. This "
        "makes asking for the first or the last element of the list O(1)."
    ),
    summary="Return the element at an index.",
)
def lindex(call: Call, key: bytes, index: bytes) -> Reply:
    source = call.db.read_as(key, List)
    return None if source is None else source.index(integer(index))


@command(
    "LRANGE",
    arity=4,
    flags="readonly",
    acl="list",
    keys="RO,access@1",
    group="list",
    since="1.0.0",
    complexity=(
        "O(S+N) where S is the distance of start offset from HEAD for small lists, from nearest end "
        "(HEAD or TAIL) for large lists; and N is the number of elements in the specified range."
    ),
    summary="Return the elements between two indexes, both included.",
)
def lrange(call: Call, key: bytes, start: bytes, stop: bytes) -> Reply:
    first, last = integer(start), integer(stop)
    source = call.db.read_as(key, List)
    return [] if source is None else source.range(first, last)


@command(
    "LPOS",
    arity=-3,
    flags="readonly",
    acl="list",
    keys="RO,access@1",
    group="list",
    since="6.0.6",
    complexity=(
        "O(N) where N is the number of elements in the list, for the average case. When searching for"
        " elements near the head or the tail of the list, or when the MAXLEN option is provided, the "
        "command may run in constant time."
    ),
    summary="Find the indexes of elements equal to a value.",
)
def lpos(call: Call, key: bytes, value: bytes, *options: bytes) -> Reply:
    rank, count, max_compared = 1, -1, 0
    for at in range(0, len(options), 2):
        name = options[at].lower()
        if at + 1 == len(options):
            raise CommandError(errors.SYNTAX)
        if name == b"rank":
            rank = integer(options[at + 1])
            if rank == 0:
                raise CommandError(errors.RANK_ZERO)
        elif name == b"count":
            count = _not_negative(options[at + 1], errors.COUNT_NEGATIVE)
        elif name == b"maxlen":
            max_compared = _not_negative(options[at + 1], errors.MAXLEN_NEGATIVE)
        else:
            raise CommandError(errors.SYNTAX)
    source = call.db.read_as(key, List)
    if rank == INT64_MIN:
        rank = -1  # its absolute value overflows in the real server, which then skips no match
    found = [] if source is None else source.positions(value, rank, 1 if count < 0 else count, max_compared)
    if count >= 0:
        return found
    return found[0] if found else None


def _not_negative(argument: bytes, error: str) -> int:
    number = integer(argument, error)
    if number < 0:
        raise CommandError(error)
    return number
