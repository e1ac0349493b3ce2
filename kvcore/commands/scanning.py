"""Commands that list keys: KEYS, SCAN, RANDOMKEY.

What lives here: filters on keys. What must not: cursors, whose guarantee is that of
:class:`~kvcore.datatypes.table.Table`, and patterns (:mod:`kvcore.glob`). The rule: no key past its time is shown,
and only SCAN and RANDOMKEY, which hold no iterator meanwhile, delete the ones they meet.
"""

from __future__ import annotations

from kvcore import glob
from kvcore.arguments import scan_cursor, scan_options
from kvcore.call import Call
from kvcore.command import command
from kvcore.keyspace import TYPE_NAMES
from kvcore.replies import Reply


@command(
    "KEYS",
    arity=2,
    flags="readonly",
    acl="keyspace dangerous",
    keys="",
    group="generic",
    since="1.0.0",
    complexity="O(N) with N being the number of keys in the database, under the assumption that the key names in "
    "the database and the given pattern have limited length.",
    summary="List the keys that match a pattern.",
    tips=("request_policy:all_shards", "nondeterministic_output_order"),
)
def keys(call: Call, pattern: bytes) -> Reply:
    db = call.db
    if glob.is_literal(pattern):
        found = [pattern] if pattern in db else []
    elif pattern == b"*":
        found = list(db)
    else:
        matches = glob.compile(pattern)
        found = [key for key in db if matches(key)]
    if not db.expires.size:
        return found
    now_ms = call.now_ms()
    due_at = db.expires.get
    return [key for key in found if (due_at(key) or now_ms + 1) > now_ms]


@command(
    "SCAN",
    arity=-2,
    flags="readonly",
    acl="keyspace",
    keys="",
    group="generic",
    since="2.8.0",
    complexity="O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor "
    "to return back to 0. N is the number of elements inside the collection.",
    summary="List some of the keys, and the cursor from which to go on.",
    tips=("nondeterministic_output", "request_policy:special"),
)
def scan(call: Call, cursor: bytes, *options: bytes) -> Reply:
    position = scan_cursor(cursor)
    if not options:
        position, found = call.db.scan(position, 10)
        pattern: bytes | None = None
        wanted: str | None = None
    else:
        options, wanted = _without_type(options)
        pattern, count = scan_options(options)
        position, found = call.db.scan(position, count)
    if pattern is not None and pattern != b"*":
        matches = glob.compile(pattern)
        found = [key for key in found if matches(key)]
    if wanted is not None:
        found = [key for key in found if _type_name(call, key) == wanted]
    elif call.db.expires.size:
        found = [key for key in found if not call.db.expire_if_due(key)]
    _part_expired(call)
    return [b"%d" % position, found]


def _without_type(options: tuple[bytes, ...]) -> tuple[tuple[bytes, ...], str | None]:
    """Take the ``TYPE name`` pairs out; the last one counts."""
    wanted: str | None = None
    rest: list[bytes] = []
    for index in range(0, len(options), 2):
        pair = options[index : index + 2]
        if len(pair) == 2 and pair[0].upper() == b"TYPE":
            wanted = pair[1].lower().decode("latin-1")
        else:
            rest.extend(pair)
    return tuple(rest), wanted


def _type_name(call: Call, key: bytes) -> str:
    value = call.db.inspect(key)
    return "" if value is None else TYPE_NAMES[type(value)]


@command(
    "RANDOMKEY",
    arity=1,
    flags="readonly",
    acl="keyspace",
    keys="",
    group="generic",
    since="1.0.0",
    complexity="O(1)",
    summary="Return a key at random, each with the same probability.",
    tips=("request_policy:all_shards", "nondeterministic_output"),
)
def randomkey(call: Call) -> Reply:
    key = call.db.random_live_key(call.engine.random)
    _part_expired(call)
    return key


def _part_expired(call: Call) -> None:
    """Let each key deleted here because its time has come be a unit of its own, as the active cycle's are."""
    if not call.engine.nested:
        call.engine.effects.part()
