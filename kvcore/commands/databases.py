"""Commands on whole databases: DBSIZE, FLUSHDB, FLUSHALL, SWAPDB.

What lives here: their arguments and what they propagate. What must not: how a database empties or trades places,
which is :mod:`kvcore.keyspace`'s. The rule: SYNC and ASYNC are the same here, because freeing is never done at
once.
"""

from __future__ import annotations

from typing import Final

from kvcore import errors
from kvcore.arguments import integer_in_range
from kvcore.call import Call
from kvcore.command import command
from kvcore.errors import CommandError
from kvcore.replies import OK, Reply

_INT_MIN: Final = -(2**31)
_INT_MAX: Final = 2**31 - 1


@command(
    "DBSIZE",
    arity=1,
    flags="readonly fast",
    acl="keyspace",
    keys="",
    group="server",
    since="1.0.0",
    complexity="O(1)",
    summary="Count the keys of the selected database.",
    tips=("request_policy:all_shards", "response_policy:agg_sum"),
)
def dbsize(call: Call) -> Reply:
    return call.db.size


def _check_flush_mode(mode: tuple[bytes, ...]) -> None:
    if len(mode) > 1 or (mode and mode[0].upper() not in (b"SYNC", b"ASYNC")):
        raise CommandError(errors.SYNTAX)


def _count(call: Call, deleted: int) -> None:
    """Count the keys that were deleted as changes, and none for an empty database, though it is propagated as well.

    Replicas may differ, and the command must reach them.
    """
    call.dirty += deleted + 1
    call.engine.statistics.dirty -= 1


@command(
    "FLUSHDB",
    arity=-1,
    flags="write",
    acl="keyspace dangerous",
    keys="",
    group="server",
    since="1.0.0",
    complexity="O(N) where N is the number of keys in the selected database",
    summary="Delete every key of the selected database.",
    tips=("request_policy:all_shards", "response_policy:all_succeeded"),
)
def flushdb(call: Call, *mode: bytes) -> Reply:
    _check_flush_mode(mode)
    _count(call, call.db.flush())
    call.engine.caching.flushed()
    return OK


@command(
    "FLUSHALL",
    arity=-1,
    flags="write",
    acl="keyspace dangerous",
    keys="",
    group="server",
    since="1.0.0",
    complexity="O(N) where N is the total number of keys in all databases",
    summary="Delete every key of every database.",
    tips=("request_policy:all_shards", "response_policy:all_succeeded"),
)
def flushall(call: Call, *mode: bytes) -> Reply:
    _check_flush_mode(mode)
    _count(call, sum(db.flush() for db in call.engine.keyspace.databases))
    if call.engine.persistence.emptied():
        call.engine.statistics.dirty = -call.dirty  # what was deleted is saved already
    call.engine.caching.flushed()
    return OK


@command(
    "SWAPDB",
    arity=3,
    flags="write fast",
    acl="keyspace dangerous",
    keys="",
    group="server",
    since="4.0.0",
    complexity="O(N) where N is the count of clients watching or blocking on keys from both databases.",
    summary="Let two databases trade all their keys.",
)
def swapdb(call: Call, first: bytes, second: bytes) -> Reply:
    one = integer_in_range(first, _INT_MIN, _INT_MAX, errors.INVALID_FIRST_DB)
    other = integer_in_range(second, _INT_MIN, _INT_MAX, errors.INVALID_SECOND_DB)
    keyspace = call.engine.keyspace
    count = len(keyspace.databases)
    if not (0 <= one < count and 0 <= other < count):
        raise CommandError(errors.DB_INDEX_OUT_OF_RANGE)
    if one != other:
        keyspace.swap(one, other)
        call.engine.modifications.swapped(one, other)
    call.dirty += 1
    return OK
