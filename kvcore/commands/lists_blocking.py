"""The list commands that wait for an element: BLPOP, BRPOP, BLMOVE, BRPOPLPUSH, BLMPOP.

What lives here: what each does when a key becomes ready, and what it propagates then. What must not: queues,
order, deadlines; those are :mod:`kvcore.blocking`. The rule: a served command propagates its plain form (LPOP
or LMOVE), so that nothing ever waits on a replica or while a log is replayed.
"""

from __future__ import annotations

from typing import Final

from kvcore.arguments import timeout_ms
from kvcore.blocking import STILL_BLOCKED
from kvcore.call import Call
from kvcore.command import command
from kvcore.commands import lists
from kvcore.datatypes.list import List
from kvcore.replies import NULL_ARRAY, Reply

_END_NAMES: Final = {True: b"left", False: b"right"}


@command(
    "BLPOP",
    arity=-3,
    flags="write noscript blocking",
    acl="list",
    keys="RW,access,delete@1..-2/1",
    group="list",
    since="2.0.0",
    complexity="O(N) where N is the number of provided keys.",
    summary="Remove and return the first element of the first list that has one, waiting for it if need be.",
)
def blpop(call: Call, *arguments: bytes) -> Reply:
    return _pop_or_wait(call, arguments[:-1], arguments[-1], left=True)


@command(
    "BRPOP",
    arity=-3,
    flags="write noscript blocking",
    acl="list",
    keys="RW,access,delete@1..-2/1",
    group="list",
    since="2.0.0",
    complexity="O(N) where N is the number of provided keys.",
    summary="Remove and return the last element of the first list that has one, waiting for it if need be.",
)
def brpop(call: Call, *arguments: bytes) -> Reply:
    return _pop_or_wait(call, arguments[:-1], arguments[-1], left=False)


def _pop_or_wait(call: Call, keys: tuple[bytes, ...], timeout: bytes, left: bool) -> Reply:
    wait_ms = timeout_ms(timeout)
    for key in keys:
        source = call.db.write_as(key, List)
        if source is not None:
            return _pop_one(call, key, source, left)
    if not call.may_block:
        return NULL_ARRAY

    def retry(key: bytes) -> Reply:
        source = call.db.write(key)
        return _pop_one(call, key, source, left) if isinstance(source, List) else STILL_BLOCKED

    return call.block(keys, wait_ms, retry, NULL_ARRAY)


def _pop_one(call: Call, key: bytes, source: List, left: bool) -> list[Reply]:
    values = lists.pop_many(call, key, source, 1, left)
    call.propagate(b"LPOP" if left else b"RPOP", key)
    return [key, values[0]]


@command(
    "BLMPOP",
    arity=-5,
    flags="write blocking movablekeys",
    acl="list",
    keys="RW,access,delete@2#0+1/1",
    group="list",
    since="7.0.0",
    complexity="O(N+M) where N is the number of provided keys and M is the number of elements returned.",
    summary="Pop elements from the first list that is not empty, waiting for one if need be.",
)
def blmpop(call: Call, timeout: bytes, numkeys: bytes, *rest: bytes) -> Reply:
    keys, left, count = lists.parse_multi_pop(numkeys, rest)
    wait_ms = timeout_ms(timeout)
    popped = lists.pop_first(call, keys, left, count)
    if popped is not None:
        return popped
    if not call.may_block:
        return NULL_ARRAY

    def retry(key: bytes) -> Reply:
        source = call.db.write(key)
        return lists.pop_from(call, key, source, left, count) if isinstance(source, List) else STILL_BLOCKED

    return call.block(keys, wait_ms, retry, NULL_ARRAY)


@command(
    "BLMOVE",
    arity=6,
    flags="write denyoom noscript blocking",
    acl="list",
    keys="RW,access,delete@1 RW,insert@2",
    group="list",
    since="6.2.0",
    complexity="O(1)",
    summary="Move an element from one end of a list to an end of another, waiting for it if need be.",
)
def blmove(call: Call, source: bytes, destination: bytes, where_from: bytes, where_to: bytes, timeout: bytes) -> Reply:
    from_left, to_left = lists.parse_end(where_from), lists.parse_end(where_to)
    plain = (b"LMOVE", source, destination, where_from, where_to)
    woken = (*plain[:3], _END_NAMES[from_left], _END_NAMES[to_left])
    return _move_or_wait(call, source, destination, from_left, to_left, timeout, plain, woken)


@command(
    "BRPOPLPUSH",
    arity=4,
    flags="write denyoom noscript blocking",
    acl="list",
    keys="RW,access,delete@1 RW,insert@2",
    group="list",
    since="2.2.0",
    complexity="O(1)",
    summary="Move the last element of a list to the head of another, waiting for it if need be.",
)
def brpoplpush(call: Call, source: bytes, destination: bytes, timeout: bytes) -> Reply:
    plain = (b"RPOPLPUSH", source, destination)
    return _move_or_wait(call, source, destination, False, True, timeout, plain, plain)


def _move_or_wait(
    call: Call,
    source: bytes,
    destination: bytes,
    from_left: bool,
    to_left: bool,
    timeout: bytes,
    plain: tuple[bytes, ...],
    woken: tuple[bytes, ...],
) -> Reply:
    """Move an element and propagate ``plain``, or wait for one and propagate ``woken``."""
    wait_ms = timeout_ms(timeout)

    def move(effect: tuple[bytes, ...]) -> Reply:
        value = lists.move(call, source, destination, from_left, to_left)
        call.propagate(*effect)
        return value

    if call.db.write_as(source, List) is not None:
        return move(plain)
    if not call.may_block:
        return None

    def retry(key: bytes) -> Reply:
        # A destination of another type answers an error, and the element stays for the next in line.
        return move(woken) if isinstance(call.db.write(key), List) else STILL_BLOCKED

    return call.block((source,), wait_ms, retry, NULL_ARRAY)
