"""Commands on single members of sorted sets: scores, ranks, random members, iteration.

What lives here: the sorted-set group without what works on ranges (:mod:`kvcore.commands.sorted_sets_ranges`), on
several sorted sets (:mod:`kvcore.commands.sorted_sets_algebra`) or takes members off an end
(:mod:`kvcore.commands.sorted_sets_pop`). The rule: every score comes from ``parse_double`` or a sum that was checked,
so that no NaN gets into an order.
"""

from __future__ import annotations

from typing import Final

from kvcore import errors, glob
from kvcore.arguments import random_count, scan_cursor, scan_options
from kvcore.call import Call
from kvcore.command import command
from kvcore.datatypes.numbers import format_double, parse_double
from kvcore.datatypes.sorted_set import SortedSet
from kvcore.errors import CommandError
from kvcore.notifications import GENERIC, ZSET
from kvcore.replies import NULL_ARRAY, Reply

_NX: Final = 1
_XX: Final = 2
_GT: Final = 4
_LT: Final = 8
_CH: Final = 16
_INCR: Final = 32
_OPTIONS: Final = {b"NX": _NX, b"XX": _XX, b"GT": _GT, b"LT": _LT, b"CH": _CH, b"INCR": _INCR}

_LISTPACK_INTEGER_MAX: Final = 2.0**62


def _score(text: bytes) -> float:
    value = parse_double(text)
    if value is None:
        raise CommandError(errors.NOT_A_FLOAT)
    return value


def score_pairs(call: Call, items: list[tuple[bytes, float]], with_scores: bool = True) -> Reply:
    """Return members, with scores as pairs in RESP3 and one after the other in RESP2."""
    if not with_scores:
        return [member for member, _ in items]
    if call.resp3:
        return [[member, score] for member, score in items]
    return [part for item in items for part in item]


# Writing


@command(
    "ZADD",
    arity=-4,
    flags="write denyoom fast",
    acl="sortedset",
    keys="RW,update@1",
    group="sorted-set",
    since="1.2.0",
    complexity="O(log(N)) for each item added, where N is the number of elements in the sorted set.",
    summary="Give members a score, and count the new ones.",
)
def zadd(call: Call, key: bytes, *arguments: bytes) -> Reply:
    if len(arguments) != 2:
        return _zadd_options(call, key, arguments)
    score = parse_double(arguments[0])
    if score is None:
        return _zadd_options(call, key, arguments)
    db = call.db
    target = db.write_as(key, SortedSet)
    if target is None:
        target = SortedSet()
        db.store(key, target)
    member = arguments[1]
    old = target.score(member)
    if old == score:
        return 0
    limits = call.engine.limits
    target.put(member, score, limits.zset_entries, limits.zset_value)
    call.changed(key, "zadd", ZSET)
    return 1 if old is None else 0


def _zadd_options(call: Call, key: bytes, arguments: tuple[bytes, ...]) -> Reply:
    """Do ZADD in its general form."""
    flags = 0
    start = 0
    for word in arguments:
        bit = _OPTIONS.get(word.upper(), 0)
        if not bit:
            break
        flags |= bit
        start += 1
    pairs = arguments[start:]
    if not pairs or len(pairs) & 1:
        raise CommandError(errors.SYNTAX)
    if flags & _NX and flags & _XX:
        raise CommandError(errors.XX_AND_NX)
    if (flags & _NX and flags & (_GT | _LT)) or (flags & _GT and flags & _LT):
        raise CommandError(errors.GT_LT_NX)
    if flags & _INCR and len(pairs) > 2:
        raise CommandError(errors.INCR_SINGLE_PAIR)
    scores = [_score(text) for text in pairs[::2]]
    if flags & _INCR:
        return _increment(call, key, scores[0], pairs[1], flags)
    return _add(call, key, scores, pairs[1::2], flags)


def _add(call: Call, key: bytes, scores: list[float], members: tuple[bytes, ...], flags: int) -> int:
    """Give every member its score as the flags allow; return how many are new, with CH also how many changed."""
    db = call.db
    target = db.write_as(key, SortedSet)
    if target is None:
        if flags & _XX:
            return 0
        target = SortedSet()
        db.store(key, target)
    limits = call.engine.limits
    max_entries = limits.zset_entries
    max_value = limits.zset_value
    added = updated = 0
    for score, member in zip(scores, members, strict=True):
        old = target.score(member)
        if _refused(old, score, flags) or old == score:
            continue
        target.put(member, score, max_entries, max_value)
        if old is None:
            added += 1
        else:
            updated += 1
    if added or updated:
        call.changed(key, "zadd", ZSET, added + updated)
    return added + updated if flags & _CH else added


def _refused(old: float | None, score: float, flags: int) -> bool:
    """Say whether NX, XX, GT or LT keep a member from getting its score."""
    if not flags:
        return False
    if old is None:
        return bool(flags & _XX)
    return bool(flags & _NX or (flags & _GT and score <= old) or (flags & _LT and score >= old))


def _increment(call: Call, key: bytes, increment: float, member: bytes, flags: int) -> float | None:
    """Add to a member's score; None where the flags forbid it."""
    db = call.db
    target = db.write_as(key, SortedSet)
    old = None if target is None else target.score(member)
    if old is None:
        score = increment
    elif flags & _NX:
        return None
    else:
        score = old + increment
        if score != score:
            raise CommandError(errors.SCORE_NAN)
    if _refused(old, score, flags):
        return None
    if old == score:
        return old
    if target is None:
        target = SortedSet()
        db.store(key, target)
    limits = call.engine.limits
    target.put(member, score, limits.zset_entries, limits.zset_value)
    call.changed(key, "zincr", ZSET)
    return score


@command(
    "ZINCRBY",
    arity=4,
    flags="write denyoom fast",
    acl="sortedset",
    keys="RW,access,update@1",
    group="sorted-set",
    since="1.2.0",
    complexity="O(log(N)) where N is the number of elements in the sorted set.",
    summary="Add to a member's score; a new member starts from 0.",
)
def zincrby(call: Call, key: bytes, increment: bytes, member: bytes) -> Reply:
    return _increment(call, key, _score(increment), member, 0)


@command(
    "ZREM",
    arity=-3,
    flags="write fast",
    acl="sortedset",
    keys="RW,delete@1",
    group="sorted-set",
    since="1.2.0",
    complexity=(
        "O(M*log(N)) with N being the number of elements in the sorted set and M the number of elements to be removed."
    ),
    summary="Remove members, and count those that were there.",
)
def zrem(call: Call, key: bytes, *members: bytes) -> Reply:
    db = call.db
    target = db.write_as(key, SortedSet)
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
        call.changed(key, "zrem", ZSET, removed)
        if emptied:
            call.changed(key, "del", GENERIC, 0)
    return removed


# Reading


@command(
    "ZCARD",
    arity=2,
    flags="readonly fast",
    acl="sortedset",
    keys="RO@1",
    group="sorted-set",
    since="1.2.0",
    complexity="O(1)",
    summary="Count the members.",
)
def zcard(call: Call, key: bytes) -> Reply:
    target = call.db.read_as(key, SortedSet)
    return 0 if target is None else len(target)


@command(
    "ZSCORE",
    arity=3,
    flags="readonly fast",
    acl="sortedset",
    keys="RO,access@1",
    group="sorted-set",
    since="1.2.0",
    complexity="O(1)",
    summary="Return a member's score.",
)
def zscore(call: Call, key: bytes, member: bytes) -> Reply:
    target = call.db.read_as(key, SortedSet)
    return None if target is None else target.score(member)


@command(
    "ZMSCORE",
    arity=-3,
    flags="readonly fast",
    acl="sortedset",
    keys="RO,access@1",
    group="sorted-set",
    since="6.2.0",
    complexity="O(N) where N is the number of members being requested.",
    summary="Return the scores of several members, null where there is none.",
)
def zmscore(call: Call, key: bytes, *members: bytes) -> Reply:
    target = call.db.read_as(key, SortedSet)
    if target is None:
        return [None] * len(members)
    return [target.score(member) for member in members]


def _with_score(call: Call, options: tuple[bytes, ...]) -> bool:
    """Parse the WITHSCORE of Redis 7.2."""
    if len(options) > 1:
        raise CommandError(errors.wrong_arity(call.name))
    if options[0].upper() != b"WITHSCORE":
        raise CommandError(errors.SYNTAX)
    return True


@command(
    "ZRANK",
    arity=-3,
    flags="readonly fast",
    acl="sortedset",
    keys="RO,access@1",
    group="sorted-set",
    since="2.0.0",
    complexity="O(log(N))",
    summary="Return how many members come before one, from the lowest score on.",
)
def zrank(call: Call, key: bytes, member: bytes, *options: bytes) -> Reply:
    with_score = _with_score(call, options) if options else False
    target = call.db.read_as(key, SortedSet)
    rank = None if target is None else target.rank(member)
    if with_score:
        return NULL_ARRAY if target is None or rank is None else [rank, target.score(member)]
    return rank


@command(
    "ZREVRANK",
    arity=-3,
    flags="readonly fast",
    acl="sortedset",
    keys="RO,access@1",
    group="sorted-set",
    since="2.0.0",
    complexity="O(log(N))",
    summary="Return how many members come before one, from the highest score on.",
)
def zrevrank(call: Call, key: bytes, member: bytes, *options: bytes) -> Reply:
    with_score = _with_score(call, options) if options else False
    target = call.db.read_as(key, SortedSet)
    rank = None if target is None else target.rank(member)
    if target is None or rank is None:
        return NULL_ARRAY if with_score else None
    rank = len(target) - 1 - rank
    return [rank, target.score(member)] if with_score else rank


@command(
    "ZRANDMEMBER",
    arity=-2,
    flags="readonly",
    acl="sortedset",
    keys="RO,access@1",
    group="sorted-set",
    since="6.2.0",
    complexity="O(N) where N is the number of elements returned",
    summary="Return random members, with a negative count possibly the same ones again.",
    tips=("nondeterministic_output",),
)
def zrandmember(call: Call, key: bytes, *options: bytes) -> Reply:
    if not options:
        target = call.db.read_as(key, SortedSet)
        return None if target is None else target.random_member(call.engine.random)
    count, with_scores = random_count(options, b"WITHSCORES", call.engine.limits.string_bytes)
    target = call.db.read_as(key, SortedSet)
    if target is None or count == 0:
        return []
    members = target.random_members(abs(count), call.engine.random, repeat=count < 0)
    if not with_scores:
        return members
    if call.resp3:
        return [[member, target.score(member)] for member in members]
    return [part for member in members for part in (member, target.score(member))]


@command(
    "ZSCAN",
    arity=-3,
    flags="readonly",
    acl="sortedset",
    keys="RO,access@1",
    group="sorted-set",
    since="2.8.0",
    complexity=(
        "O(1) for every call. O(N) for a complete iteration, including enough command calls for the "
        "cursor to return back to 0. N is the number of elements inside the collection.."
    ),
    summary="Iterate over the members and scores of a sorted set with a cursor.",
    tips=("nondeterministic_output",),
)
def zscan(call: Call, key: bytes, cursor: bytes, *options: bytes) -> Reply:
    position = scan_cursor(cursor)
    target = call.db.read_as(key, SortedSet)
    if target is None:
        return [b"0", []]
    pattern, count = scan_options(options)
    position, members = target.scan(position, count)
    if pattern is not None:
        members = list(filter(glob.compile(pattern), members))
    packed = target.encoding == "listpack"
    items: list[bytes] = []
    for member in members:
        score = target.score(member)
        if score is not None:
            items += (member, _stored_score(score, packed))
    return [b"%d" % position, items]


def _stored_score(score: float, packed: bool) -> bytes:
    """Return a score as the real server stores it: ZSCAN answers that text, and a listpack has integers."""
    if packed and abs(score) <= _LISTPACK_INTEGER_MAX and score.is_integer():
        return b"%d" % int(score)
    return format_double(score)
