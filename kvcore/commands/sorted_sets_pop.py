"""Commands that take members off an end of a sorted set, some of them waiting until there is one.

What lives here: ZPOPMIN, ZPOPMAX, ZMPOP and their blocking forms. What must not: queues and time-outs
(:mod:`kvcore.blocking`). The rule: all of them end in :func:`_pop`, and whatever the client sent, what others are told
is the ZPOPMIN or ZPOPMAX that happened.
"""

from __future__ import annotations

from kvcore import errors
from kvcore.arguments import integer_in_range, timeout_ms
from kvcore.blocking import STILL_BLOCKED
from kvcore.call import Call
from kvcore.command import command
from kvcore.commands.sorted_sets import score_pairs
from kvcore.datatypes.numbers import INT_MAX
from kvcore.datatypes.sorted_set import SortedSet
from kvcore.errors import CommandError
from kvcore.notifications import GENERIC, ZSET
from kvcore.replies import NULL_ARRAY, Reply


def _pop(call: Call, key: bytes, target: SortedSet, count: int, highest: bool) -> list[tuple[bytes, float]]:
    """Take up to ``count`` members off an end; the sorted set is not empty."""
    popped = target.pop(count, highest)
    emptied = not len(target)
    if emptied:
        call.db.remove(key)
    call.changed(key, "zpopmax" if highest else "zpopmin", ZSET, len(popped))
    if emptied:
        call.changed(key, "del", GENERIC, 0)
    return popped


def _pop_end(call: Call, key: bytes, options: tuple[bytes, ...], highest: bool) -> Reply:
    if len(options) > 1:
        raise CommandError(errors.SYNTAX)
    count = integer_in_range(options[0], 0, INT_MAX, errors.POSITIVE_OUT_OF_RANGE) if options else 1
    target = call.db.write_as(key, SortedSet)
    if target is None or count == 0:
        return []
    popped = _pop(call, key, target, count, highest)
    return score_pairs(call, popped) if options else list(popped[0])


@command(
    "ZPOPMIN",
    arity=-2,
    flags="write fast",
    acl="sortedset",
    keys="RW,access,delete@1",
    group="sorted-set",
    since="5.0.0",
    complexity=(
        "O(log(N)*M) with N being the number of elements in the sorted set, and M being the number of elements popped."
    ),
    summary="Remove and return the members with the lowest scores.",
)
def zpopmin(call: Call, key: bytes, *options: bytes) -> Reply:
    return _pop_end(call, key, options, highest=False)


@command(
    "ZPOPMAX",
    arity=-2,
    flags="write fast",
    acl="sortedset",
    keys="RW,access,delete@1",
    group="sorted-set",
    since="5.0.0",
    complexity=(
        "O(log(N)*M) with N being the number of elements in the sorted set, and M being the number of elements popped."
    ),
    summary="Remove and return the members with the highest scores.",
)
def zpopmax(call: Call, key: bytes, *options: bytes) -> Reply:
    return _pop_end(call, key, options, highest=True)


# Several keys, one of which serves


def _effect(highest: bool) -> bytes:
    return b"ZPOPMAX" if highest else b"ZPOPMIN"


def _pop_one(call: Call, key: bytes, highest: bool) -> Reply:
    """Pop for BZPOPMIN or BZPOPMAX; None if there is nothing at ``key``."""
    target = call.db.write_as(key, SortedSet)
    if target is None:
        return None
    member, score = _pop(call, key, target, 1, highest)[0]
    call.propagate(_effect(highest), key)
    return [key, member, score]


def _pop_many(call: Call, key: bytes, count: int, highest: bool) -> Reply:
    """Pop for ZMPOP or BZMPOP, whose pairs are nested in RESP2, too; None if there is nothing at ``key``."""
    target = call.db.write_as(key, SortedSet)
    if target is None:
        return None
    popped = _pop(call, key, target, count, highest)
    call.propagate(_effect(highest), key, b"%d" % len(popped))
    return [key, [[member, score] for member, score in popped]]


def _pop_parse(arguments: tuple[bytes, ...]) -> tuple[tuple[bytes, ...], int, bool]:
    """Parse ``numkeys key [key ...] MIN|MAX [COUNT count]`` to keys, count and whether it is MAX."""
    numkeys = integer_in_range(arguments[0], 1, INT_MAX, errors.NUMKEYS_NOT_POSITIVE)
    end = 1 + numkeys
    if end >= len(arguments):
        raise CommandError(errors.SYNTAX)
    where = arguments[end].upper()
    options = arguments[end + 1 :]
    if where not in (b"MIN", b"MAX"):
        raise CommandError(errors.SYNTAX)
    count = 1
    if options:
        if len(options) == 1 or options[0].upper() != b"COUNT":
            raise CommandError(errors.SYNTAX)
        count = integer_in_range(options[1], 1, INT_MAX, errors.COUNT_NOT_POSITIVE)
        if len(options) > 2:
            raise CommandError(errors.SYNTAX)
    return arguments[1:end], count, where == b"MAX"


@command(
    "ZMPOP",
    arity=-4,
    flags="write movablekeys",
    acl="sortedset",
    keys="RW,access,delete@1#0+1/1",
    group="sorted-set",
    since="7.0.0",
    complexity=(
        "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in "
        "the sorted set, and M being the number of elements popped."
    ),
    summary="Remove and return members from an end of the first sorted set that exists.",
)
def zmpop(call: Call, *arguments: bytes) -> Reply:
    keys, count, highest = _pop_parse(arguments)
    for key in keys:
        reply = _pop_many(call, key, count, highest)
        if reply is not None:
            return reply
    return NULL_ARRAY


# Blocking


def _bzpop(call: Call, arguments: tuple[bytes, ...], highest: bool) -> Reply:
    timeout = timeout_ms(arguments[-1])
    keys = arguments[:-1]
    for key in keys:
        reply = _pop_one(call, key, highest)
        if reply is not None:
            return reply
    if not call.may_block:
        return NULL_ARRAY

    def retry(key: bytes) -> Reply:
        if not isinstance(call.db.write(key), SortedSet):
            return STILL_BLOCKED
        return _pop_one(call, key, highest)

    return call.block(keys, timeout, retry, NULL_ARRAY)


@command(
    "BZPOPMIN",
    arity=-3,
    flags="write noscript blocking fast",
    acl="sortedset",
    keys="RW,access,delete@1..-2/1",
    group="sorted-set",
    since="5.0.0",
    complexity="O(log(N)) with N being the number of elements in the sorted set.",
    summary="Remove and return the member with the lowest score, waiting until there is one.",
)
def bzpopmin(call: Call, *arguments: bytes) -> Reply:
    return _bzpop(call, arguments, highest=False)


@command(
    "BZPOPMAX",
    arity=-3,
    flags="write noscript blocking fast",
    acl="sortedset",
    keys="RW,access,delete@1..-2/1",
    group="sorted-set",
    since="5.0.0",
    complexity="O(log(N)) with N being the number of elements in the sorted set.",
    summary="Remove and return the member with the highest score, waiting until there is one.",
)
def bzpopmax(call: Call, *arguments: bytes) -> Reply:
    return _bzpop(call, arguments, highest=True)


@command(
    "BZMPOP",
    arity=-5,
    flags="write blocking movablekeys",
    acl="sortedset",
    keys="RW,access,delete@2#0+1/1",
    group="sorted-set",
    since="7.0.0",
    complexity=(
        "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in "
        "the sorted set, and M being the number of elements popped."
    ),
    summary=("Remove and return members from an end of a sorted set, waiting until one of the keys has some."),
)
def bzmpop(call: Call, timeout: bytes, *arguments: bytes) -> Reply:
    keys, count, highest = _pop_parse(arguments)
    wait_ms = timeout_ms(timeout)
    for key in keys:
        reply = _pop_many(call, key, count, highest)
        if reply is not None:
            return reply
    if not call.may_block:
        return NULL_ARRAY

    def retry(key: bytes) -> Reply:
        if not isinstance(call.db.write(key), SortedSet):
            return STILL_BLOCKED
        return _pop_many(call, key, count, highest)

    return call.block(keys, wait_ms, retry, NULL_ARRAY)
