"""Commands on streams: add, read by id, delete, trim.

What lives here: XADD and what concerns a stream alone, and the parsers of ids that all stream commands share. What
must not: groups (:mod:`kvcore.commands.stream_groups`), reading that may wait
(:mod:`kvcore.commands.streams_reading`), nodes and counters (:mod:`kvcore.datatypes.stream`). The rule: what is
propagated holds the id an entry got and the length a trimming left, never what the clock or a node decided.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final

from kvcore import errors
from kvcore.arguments import integer
from kvcore.call import Call
from kvcore.command import command
from kvcore.datatypes.stream import Entry, Stream
from kvcore.datatypes.stream_id import MAX_ID, SEQUENCE_MAX, format_id, parse_id, parse_partial_id
from kvcore.errors import CommandError
from kvcore.notifications import STREAM
from kvcore.replies import NULL_ARRAY, OK, Reply

_LIMIT_DEFAULT: Final = 10_000
_LIMIT_MAX: Final = 1_000_000


def strict_id(argument: bytes, missing: int = 0) -> int:
    """Return the id that ``argument`` spells out; ``-`` and ``+`` are none."""
    number = parse_id(argument, missing)
    if number is None:
        raise CommandError(errors.STREAM_ID)
    return number


def any_id(argument: bytes, missing: int = 0) -> int:
    """Return an id, where ``-`` is the smallest and ``+`` the largest."""
    if argument == b"-":
        return 0
    return MAX_ID if argument == b"+" else strict_id(argument, missing)


def range_start(argument: bytes) -> int:
    """Return the first id of a range that begins at ``argument``, or after it with ``(``."""
    if argument[:1] != b"(" or len(argument) < 2:
        return any_id(argument)
    number = strict_id(argument[1:])
    if number == MAX_ID:
        raise CommandError(errors.STREAM_START)
    return number + 1


def range_end(argument: bytes) -> int:
    """Return the last id of a range that ends at ``argument``, or before it with ``(``."""
    if argument[:1] != b"(" or len(argument) < 2:
        return any_id(argument, SEQUENCE_MAX)
    number = strict_id(argument[1:], SEQUENCE_MAX)
    if not number:
        raise CommandError(errors.STREAM_END)
    return number - 1


def entry_replies(entries: Iterable[Entry]) -> list[Reply]:
    """Return entries as replies: id, and fields and values."""
    return [[format_id(number), list(fields)] for number, fields in entries]


def note(call: Call, key: bytes, event: str) -> None:
    """Count a change that breaks no WATCH, as those of groups and of XSETID do not, and emit its event."""
    call.dirty += 1
    if call.db.notify_mask & STREAM:
        call.engine.notify(call.db, key, event)


# Adding and trimming


class _Options:
    """The options of XADD and XTRIM."""

    __slots__ = (
        "approximate",
        "by_length",
        "create",
        "limit",
        "limit_given",
        "partial_id",
        "position",
        "strategy_at",
        "threshold",
        "whole_id",
    )

    def __init__(self) -> None:
        self.strategy_at = -1
        """Where the threshold stands among the arguments after the key, -1 if nothing is to be trimmed."""
        self.by_length = False
        """Whether ``threshold`` is a length (MAXLEN) or an id (MINID)."""
        self.threshold = 0
        self.approximate = False
        self.limit = 0
        self.limit_given = False
        self.create = True
        self.position = -1
        """Where XADD's id stands."""
        self.whole_id = -1
        self.partial_id = -1
        """The milliseconds of ``ms-*``."""


def _parse(call: Call, arguments: tuple[bytes, ...], adding: bool) -> _Options:
    options = _Options()
    count = len(arguments)
    place = 0
    while place < count:
        argument = arguments[place]
        more = place + 1 < count
        name = argument.upper()
        if adding and argument == b"*":
            options.position = place
            break
        if name in (b"MAXLEN", b"MINID") and more:
            place = _parse_strategy(options, arguments, place, name == b"MAXLEN")
        elif name == b"LIMIT" and more:
            place += 1
            options.limit = integer(arguments[place])
            if options.limit < 0:
                raise CommandError(errors.STREAM_LIMIT_NEGATIVE)
            options.limit_given = True
        elif adding and name == b"NOMKSTREAM":
            options.create = False
        elif adding:
            milliseconds = parse_partial_id(argument)
            if milliseconds is None:
                options.whole_id = strict_id(argument)
            else:
                options.partial_id = milliseconds
            options.position = place
            break
        else:
            raise CommandError(errors.SYNTAX)
        place += 1
    _check_limit(call, options, adding)
    return options


def _parse_strategy(options: _Options, arguments: tuple[bytes, ...], place: int, by_length: bool) -> int:
    """Parse ``MAXLEN|MINID [=|~] threshold`` at ``place``; return where the threshold stands."""
    if options.strategy_at >= 0:
        raise CommandError(errors.MAXLEN_AND_MINID)
    place += 1
    if arguments[place] in (b"~", b"=") and place + 1 < len(arguments):
        options.approximate = arguments[place] == b"~"
        place += 1
    if by_length:
        options.threshold = integer(arguments[place])
        if options.threshold < 0:
            raise CommandError(errors.STREAM_MAXLEN_NEGATIVE)
    else:
        options.threshold = strict_id(arguments[place])
    options.by_length = by_length
    options.strategy_at = place
    return place


def _check_limit(call: Call, options: _Options, adding: bool) -> None:
    if options.limit and options.strategy_at < 0:
        raise CommandError(errors.LIMIT_WITHOUT_TRIM)
    if not adding and options.strategy_at < 0:
        raise CommandError(errors.XTRIM_WITHOUT_STRATEGY)
    if call.session.kind == "master":
        options.limit = 0  # the primary trimmed as far as its own limit went, and sent the exact outcome
    elif options.limit_given:
        if not options.approximate:
            raise CommandError(errors.LIMIT_NOT_APPROXIMATE)
    elif options.approximate:
        options.limit = min(100 * call.engine.limits.stream_node_entries, _LIMIT_MAX) or _LIMIT_DEFAULT


def _trim(target: Stream, options: _Options) -> int:
    if options.by_length:
        return target.trim_to_length(options.threshold, options.approximate, options.limit)
    return target.trim_below(options.threshold, options.approximate, options.limit)


def _rewrite_trim(target: Stream, options: _Options, argv: list[bytes]) -> None:
    """Make an approximate trimming exact in a command to propagate: name what it left."""
    place = options.strategy_at + 2
    argv[place - 1] = b"="
    if options.by_length:
        argv[place] = b"%d" % target.length
    else:
        argv[place] = format_id(target.oldest_id())


@command(
    "XADD",
    arity=-5,
    flags="write denyoom fast",
    acl="stream",
    keys="RW,update@1",
    group="stream",
    since="5.0.0",
    complexity="O(1) when adding a new entry, O(N) when trimming where N being the number of entries evicted.",
    summary="Add an entry at the end of a stream.",
    tips=("nondeterministic_output",),
)
def xadd(call: Call, key: bytes, *arguments: bytes) -> Reply:
    options: _Options | None = None
    position = 0
    if arguments[0] != b"*":
        options = _parse(call, arguments, adding=True)
        position = options.position
    fields = arguments[position + 1 :]
    if position < 0 or not fields or len(fields) & 1:
        raise CommandError(errors.wrong_arity("xadd"))
    if options is not None and options.whole_id == 0:
        raise CommandError(errors.STREAM_ID_ZERO)
    db = call.db
    target = db.write_as(key, Stream)
    if target is None:
        if options is not None and not options.create:
            return None
        target = Stream()
        db.store(key, target)
    if target.last_id == MAX_ID:
        raise CommandError(errors.STREAM_EXHAUSTED)
    number = _next_id(call, target, options)
    limits = call.engine.limits
    target.append(number, fields, limits.stream_node_entries, limits.stream_node_bytes)
    call.changed(key, "xadd", STREAM)
    reply = format_id(number)
    if options is None:
        if call.engine.effects.listening:
            argv = call.argv.copy()
            argv[2] = reply
            call.propagate(*argv)
    else:
        _finish_add(call, key, target, options, reply)
    db.ready(key)
    return reply


def _next_id(call: Call, target: Stream, options: _Options | None) -> int:
    if options is None or (options.whole_id < 0 and options.partial_id < 0):
        number = target.next_id(call.now_ms())
    elif options.whole_id >= 0:
        number = options.whole_id if options.whole_id > target.last_id else None
    else:
        number = target.next_sequence(options.partial_id)
        if number is None and options.partial_id == target.last_id >> 64:
            # The real server takes a millisecond without free sequences for the other way to fail.
            raise CommandError(errors.STREAM_ENTRY_TOO_LARGE)
    if number is None:
        raise CommandError(errors.STREAM_ID_NOT_ABOVE)
    return number


def _finish_add(call: Call, key: bytes, target: Stream, options: _Options, added: bytes) -> None:
    """Trim after XADD, and propagate what was done."""
    argv = call.argv.copy()
    if options.whole_id < 0:
        argv[options.position + 2] = added
    if options.strategy_at >= 0:
        if _trim(target, options) and call.db.notify_mask & STREAM:
            call.engine.notify(call.db, key, "xtrim")
        if options.approximate:
            _rewrite_trim(target, options, argv)
    call.propagate(*argv)


@command(
    "XTRIM",
    arity=-4,
    flags="write",
    acl="stream",
    keys="RW,delete@1",
    group="stream",
    since="5.0.0",
    complexity=(
        "O(N), with N being the number of evicted entries. Constant times are very small however, since entries are "
        "organized in macro nodes containing multiple entries that can be released with a single deallocation."
    ),
    summary="Delete the oldest entries, down to a length or up to an id.",
    tips=("nondeterministic_output",),
)
def xtrim(call: Call, key: bytes, *arguments: bytes) -> Reply:
    options = _parse(call, arguments, adding=False)
    target = call.db.write_as(key, Stream)
    if target is None:
        return 0
    removed = _trim(target, options)
    if removed:
        if options.approximate:
            argv = call.argv.copy()
            _rewrite_trim(target, options, argv)
            call.propagate(*argv)
        call.changed(key, "xtrim", STREAM, removed)
    return removed


@command(
    "XDEL",
    arity=-3,
    flags="write fast",
    acl="stream",
    keys="RW,delete@1",
    group="stream",
    since="5.0.0",
    complexity="O(1) for each single item to delete in the stream, regardless of the stream size.",
    summary="Delete entries by id, and count those that were there.",
)
def xdel(call: Call, key: bytes, *ids: bytes) -> Reply:
    target = call.db.write_as(key, Stream)
    if target is None:
        return 0
    removed = sum(map(target.remove, [strict_id(argument) for argument in ids]))
    if removed:
        call.changed(key, "xdel", STREAM, removed)
    return removed


@command(
    "XSETID",
    arity=-3,
    flags="write denyoom fast",
    acl="stream",
    keys="RW,update@1",
    group="stream",
    since="5.0.0",
    complexity="O(1)",
    summary="Set the last id of a stream, for replication.",
)
def xsetid(call: Call, key: bytes, last_id: bytes, *arguments: bytes) -> Reply:
    number = strict_id(last_id)
    added = -1
    deleted = 0
    words = iter(arguments)
    for word in words:
        option = word.upper()
        value = next(words, None)
        if value is None:
            raise CommandError(errors.SYNTAX)
        if option == b"ENTRIESADDED":
            added = integer(value)
            if added < 0:
                raise CommandError(errors.ENTRIES_ADDED_NEGATIVE)
        elif option == b"MAXDELETEDID":
            deleted = strict_id(value)
            if number < deleted:
                raise CommandError(errors.XSETID_BELOW_GIVEN_DELETED)
        else:
            raise CommandError(errors.SYNTAX)
    target = call.db.write_as(key, Stream)
    if target is None:
        raise CommandError(errors.NO_SUCH_KEY)
    last = target.last_entry()
    if last is not None:
        if number < last[0]:
            raise CommandError(errors.XSETID_BELOW_TOP)
        if 0 <= added < target.length:
            raise CommandError(errors.ENTRIES_ADDED_BELOW_LENGTH)
    target.last_id = number
    if added >= 0:
        target.entries_added = added
    if deleted:
        target.max_deleted_id = deleted
    note(call, key, "xsetid")
    return OK


# Reading by id


@command(
    "XLEN",
    arity=2,
    flags="readonly fast",
    acl="stream",
    keys="RO@1",
    group="stream",
    since="5.0.0",
    complexity="O(1)",
    summary="Count the entries of a stream.",
)
def xlen(call: Call, key: bytes) -> Reply:
    source = call.db.read_as(key, Stream)
    return 0 if source is None else source.length


@command(
    "XRANGE",
    arity=-4,
    flags="readonly",
    acl="stream",
    keys="RO,access@1",
    group="stream",
    since="5.0.0",
    complexity=(
        "O(N) with N being the number of elements being returned. If N is constant (e.g. always asking for the first "
        "10 elements with COUNT), you can consider it O(1)."
    ),
    summary="Return the entries between two ids.",
)
def xrange(call: Call, key: bytes, start: bytes, end: bytes, *options: bytes) -> Reply:
    return _range(call, key, range_start(start), range_end(end), options, reverse=False)


@command(
    "XREVRANGE",
    arity=-4,
    flags="readonly",
    acl="stream",
    keys="RO,access@1",
    group="stream",
    since="5.0.0",
    complexity=(
        "O(N) with N being the number of elements returned. If N is constant (e.g. always asking for the first 10 "
        "elements with COUNT), you can consider it O(1)."
    ),
    summary="Return the entries between two ids, the last first.",
)
def xrevrange(call: Call, key: bytes, end: bytes, start: bytes, *options: bytes) -> Reply:
    return _range(call, key, range_start(start), range_end(end), options, reverse=True)


def _range(call: Call, key: bytes, low: int, high: int, options: tuple[bytes, ...], reverse: bool) -> Reply:
    count: int | None = None
    words = iter(options)
    for word in words:
        value = next(words, None)
        if word.upper() != b"COUNT" or value is None:
            raise CommandError(errors.SYNTAX)
        count = max(integer(value), 0)
    source = call.db.read_as(key, Stream)
    if source is None:
        return []
    if count == 0:
        return NULL_ARRAY
    return entry_replies(islice(source.range(low, high, reverse), count))
