"""Expiry of members: the one mechanism under HEXPIRE and its relatives and under KeyDB's EXPIREMEMBER.

What lives here: what changing or reaching a member's time to live looks like from outside, for each type: the effect
that is propagated and the events. What must not: arguments and replies, which are the commands', and the times, which
are the container's (:class:`kvcore.datatypes.deadlines.Perishable`). The rule: a time leaves this node as the moment
it ends, and a member that expired leaves it as its removal, so that AOF and replicas agree whenever they read it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from kvcore.call import Call
from kvcore.datatypes.hash import Hash
from kvcore.datatypes.set import Set
from kvcore.datatypes.sorted_set import SortedSet
from kvcore.keyspace import Value
from kvcore.notifications import GENERIC, HASH, SET, ZSET

if TYPE_CHECKING:
    from kvcore.engine import Engine
    from kvcore.keyspace import Database

Container = Hash | Set | SortedSet

_REMOVAL: Final[dict[type, bytes]] = {Hash: b"HDEL", Set: b"SREM", SortedSet: b"ZREM"}
_CLASS: Final[dict[type, int]] = {Hash: HASH, Set: SET, SortedSet: ZSET}
_SET: Final[dict[type, str]] = {Hash: "hexpire", Set: "sexpire", SortedSet: "zexpire"}
_REACHED: Final[dict[type, str]] = {Hash: "hexpired", Set: "sexpired", SortedSet: "zexpired"}


def announce_expired(engine: Engine, db: Database, key: bytes, container: Value, members: list[bytes]) -> None:
    """Say that members of ``key`` have expired and are gone, and the key with them if no other was left."""
    kind = type(container)
    db.touch(key)
    if db.notify_mask & _CLASS[kind]:
        engine.notify(db, key, _REACHED[kind])
    if key not in db and db.notify_mask & GENERIC:
        engine.notify(db, key, "del")
    engine.statistics.dirty += len(members)
    if engine.effects.listening:
        engine.effects.add(db, [_REMOVAL[kind], key, *members])
        engine.pending = True


def expire_at(call: Call, key: bytes, container: Container, members: Sequence[bytes], at_ms: int) -> None:
    """Let members, which are there, expire at ``at_ms`` milliseconds since the Unix epoch. O(members log n)."""
    if not members:
        return
    for member in members:
        call.db.set_member_expiry(key, container, member, at_ms)
    call.changed(key, _SET[type(container)], _CLASS[type(container)], len(members))
    time = b"%d" % at_ms
    if isinstance(container, Hash):
        call.propagate(b"HPEXPIREAT", key, time, b"FIELDS", b"%d" % len(members), *members)
    else:
        for member in members:
            call.propagate(b"PEXPIREMEMBERAT", key, member, time)


def expire_now(call: Call, key: bytes, container: Container, members: Sequence[bytes]) -> None:
    """Remove members, which are there, because their time is already past. O(members log n)."""
    if not members:
        return
    for member in members:
        container.remove(member)
    _say_removed(call, key, container, members, _REACHED[type(container)])


def remove(call: Call, key: bytes, fields: Hash, removed: Sequence[bytes]) -> None:
    """Say that ``removed`` were taken out of a hash, as HDEL does; an emptied one goes with its key."""
    if removed:
        _say_removed(call, key, fields, removed, "hdel")


def _say_removed(call: Call, key: bytes, container: Container, removed: Sequence[bytes], event: str) -> None:
    emptied = not len(container)
    if emptied:
        call.db.remove(key)
    call.changed(key, event, _CLASS[type(container)], len(removed))
    if emptied:
        call.changed(key, "del", GENERIC, 0)
    call.propagate(_REMOVAL[type(container)], key, *removed)


def persist(call: Call, key: bytes, fields: Hash, members: Sequence[bytes]) -> None:
    """Take the times to live off fields that have one; those that were persisted are propagated."""
    if not members:
        return
    for member in members:
        fields.clear_expiry(member)
    call.changed(key, "hpersist", HASH, len(members))
    call.propagate(b"HPERSIST", key, b"FIELDS", b"%d" % len(members), *members)
