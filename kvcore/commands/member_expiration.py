"""KeyDB's commands on times to live of members: of sets, hashes and sorted sets alike.

What lives here: EXPIREMEMBER and its relatives; TTL, PTTL and PERSIST with a member are in
:mod:`kvcore.commands.expiration`. What must not: how members expire (:mod:`kvcore.member_expiry`). The rule: KeyDB's
interface without its defects. A member that is removed loses its time, a key's own time to live stays beside those
of its members, and a member is gone as soon as its time is, not when a cycle comes to it.
"""

from __future__ import annotations

from typing import Final

from kvcore import errors, member_expiry
from kvcore.arguments import integer
from kvcore.call import Call
from kvcore.command import command
from kvcore.datatypes.cron_job import CronJob
from kvcore.datatypes.hash import Hash
from kvcore.datatypes.set import Set
from kvcore.datatypes.sorted_set import SortedSet
from kvcore.errors import CommandError
from kvcore.replies import Reply

_INT64_MAX: Final = 2**63 - 1
_UNITS: Final = {b"S": 1000, b"MS": 1}


def _expire(call: Call, key: bytes, member: bytes, time: bytes, unit_ms: int, base_ms: int) -> int:
    at_ms = integer(time) * unit_ms
    if not -_INT64_MAX <= at_ms <= _INT64_MAX - base_ms:
        raise CommandError(errors.invalid_expire(call.name))
    at_ms += base_ms
    container = call.db.write(key)
    if container is None:
        return 0
    if isinstance(container, CronJob):
        return _postpone(call, key, container, member, at_ms)
    if not isinstance(container, Hash | Set | SortedSet):
        raise CommandError(errors.TYPE_WITHOUT_MEMBERS)
    if member not in container:
        return 0
    if call.is_past(at_ms):
        member_expiry.expire_now(call, key, container, (member,))
    else:
        member_expiry.expire_at(call, key, container, (member,), at_ms)
    return 1


def _postpone(call: Call, key: bytes, job: CronJob, member: bytes, at_ms: int) -> int:
    """Let a job run next at ``at_ms``, at the next occasion if that is past: its one member has the key's name."""
    if member != key:
        return 0
    call.db.plan(key, job, at_ms)
    call.changed(key, "", 0)
    call.propagate(*job.postponement(key))
    return 1


@command(
    "EXPIREMEMBER",
    arity=-4,
    flags="write fast",
    acl="keyspace",
    keys="RW,update@1",
    group="generic",
    since="KeyDB",
    complexity="O(log(N)) where N is the number of members that expire.",
    summary="Let a member of a set, hash or sorted set expire after some time.",
)
def expiremember(call: Call, key: bytes, member: bytes, delay: bytes, *unit: bytes) -> Reply:
    if len(unit) > 1:
        raise CommandError(errors.INVALID_ARGUMENT_NUMBER)
    unit_ms = _UNITS.get(unit[0].upper(), 0) if unit else 1000
    if not unit_ms:
        raise CommandError(errors.INVALID_TIME_UNIT)
    return _expire(call, key, member, delay, unit_ms, call.now_ms())


@command(
    "EXPIREMEMBERAT",
    arity=4,
    flags="write fast",
    acl="keyspace",
    keys="RW,update@1",
    group="generic",
    since="KeyDB",
    complexity="O(log(N)) where N is the number of members that expire.",
    summary="Let a member of a set, hash or sorted set expire at a Unix time in seconds.",
)
def expirememberat(call: Call, key: bytes, member: bytes, seconds: bytes) -> Reply:
    return _expire(call, key, member, seconds, 1000, 0)


@command(
    "PEXPIREMEMBERAT",
    arity=4,
    flags="write fast",
    acl="keyspace",
    keys="RW,update@1",
    group="generic",
    since="KeyDB",
    complexity="O(log(N)) where N is the number of members that expire.",
    summary="Let a member of a set, hash or sorted set expire at a Unix time in milliseconds.",
)
def pexpirememberat(call: Call, key: bytes, member: bytes, milliseconds: bytes) -> Reply:
    return _expire(call, key, member, milliseconds, 1, 0)
