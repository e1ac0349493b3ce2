"""Commands that only KeyDB has, apart from those on times to live of members.

What lives here: KEYDB.MEXISTS, KEYDB.HRENAME, EXPDEL and LFENCE. What must not: KeyDB's replication. The rule: KeyDB's
interface without its defects, so a change has key positions, events and effects like that of any other command.
"""

from __future__ import annotations

from kvcore import errors
from kvcore.call import Call
from kvcore.command import command
from kvcore.commands.keys import del_
from kvcore.datatypes.hash import Hash
from kvcore.errors import CommandError
from kvcore.notifications import HASH
from kvcore.replies import OK, Reply


@command(
    "KEYDB.MEXISTS",
    arity=-2,
    flags="readonly fast",
    acl="keyspace",
    keys="RO@1..-1/1",
    group="generic",
    since="KeyDB",
    complexity="O(N) where N is the number of keys to check.",
    summary="Say of each of the keys whether it exists.",
)
def keydb_mexists(call: Call, *keys: bytes) -> Reply:
    return [call.db.read(key) is not None for key in keys]


@command(
    "KEYDB.HRENAME",
    arity=4,
    flags="write fast",
    acl="hash",
    keys="RW,access,update@1",
    group="hash",
    since="KeyDB",
    complexity="O(1)",
    summary="Give the value of a field, and its time to live, to another field of the hash.",
)
def keydb_hrename(call: Call, key: bytes, source: bytes, destination: bytes) -> Reply:
    fields = call.db.write_as(key, Hash)
    if fields is None:
        return None
    value = fields.get(source)
    if value is None:
        raise CommandError(errors.NO_SUCH_HASH_FIELD)
    if source == destination:
        return 1
    at_ms = fields.expiry(source)
    limits = call.engine.limits
    fields.put(destination, value, limits.hash_entries, limits.hash_value)
    fields.remove(source)
    call.changed(key, "hset", HASH)
    call.changed(key, "hdel", HASH)
    # In words that every server has.
    call.propagate(b"HSET", key, destination, value)
    call.propagate(b"HDEL", key, source)
    if at_ms is not None:
        call.db.set_member_expiry(key, fields, destination, at_ms)
        call.propagate(b"HPEXPIREAT", key, b"%d" % at_ms, b"FIELDS", b"1", destination)
    return 1


@command(
    "EXPDEL",
    arity=-2,
    flags="write",
    acl="keyspace",
    keys="RM,delete@1..-1/1",
    group="generic",
    since="KeyDB",
    complexity="O(N) where N is the number of keys that will be removed.",
    summary="Delete keys; DEL under another name.",
)
def expdel(call: Call, *keys: bytes) -> Reply:
    count = del_(call, *keys)
    if count:
        call.propagate(b"DEL", *keys)
    return count


@command(
    "LFENCE",
    arity=1,
    flags="readonly stale",
    group="server",
    since="KeyDB",
    complexity="O(1)",
    summary="Make later reads see all earlier writes; here they always do.",
)
def lfence(_call: Call) -> Reply:
    return OK
