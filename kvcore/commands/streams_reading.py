"""XREAD and XREADGROUP: reading on from an id, waiting for entries if need be.

What lives here: their options, what each stream answers, and what a waiting client gets when one grows or goes.
What must not: queues, order, deadlines; those are :mod:`kvcore.blocking`. The rule: reading through a group
propagates who was given what and when, entry by entry, so that nothing ever waits or reads on a replica.
"""

from __future__ import annotations

from itertools import islice
from typing import Final

from kvcore import errors
from kvcore.arguments import integer
from kvcore.blocking import STILL_BLOCKED
from kvcore.call import Call
from kvcore.command import command
from kvcore.commands.streams import entry_replies, note, strict_id
from kvcore.datatypes.consumer_group import Consumer, ConsumerGroup, Pending
from kvcore.datatypes.stream import Stream
from kvcore.datatypes.stream_id import MAX_ID, format_id
from kvcore.errors import CommandError
from kvcore.replies import NULL_ARRAY, Reply

_NEW: Final = MAX_ID
"""The id that stands for ``>``; nothing comes after it, so no reader can mean it."""

_WAITING_COUNT: Final = 1000
"""Entries that a client which had to wait gets at most, unless it said how many."""

_NEVER_MS: Final = 2**53
"""No clock of a front end reaches so far: a longer time is for ever."""


class _Request:
    """What XREAD or XREADGROUP was asked for."""

    __slots__ = ("acknowledge", "block_ms", "consumer", "count", "group", "ids", "keys")

    def __init__(self) -> None:
        self.keys: tuple[bytes, ...] = ()
        self.ids: tuple[bytes, ...] = ()
        self.count = 0
        """0 is no limit."""
        self.block_ms = -1
        """How long to wait, 0 for ever, -1 not at all."""
        self.group: bytes | None = None
        self.consumer = b""
        self.acknowledge = False
        """NOACK: entries count as acknowledged when they are delivered."""


def _parse(call: Call, arguments: tuple[bytes, ...], grouped: bool) -> _Request:
    request = _Request()
    place = 0
    while True:
        more = len(arguments) - place - 1
        if more < 0:
            raise CommandError(errors.SYNTAX)  # STREAMS never came
        option = arguments[place].upper()
        if option == b"STREAMS" and more:
            break
        if option == b"BLOCK" and more:
            if call.session.kind == "script":
                raise CommandError(errors.block_in_script(call.argv[0]))
            request.block_ms = _block_ms(arguments[place + 1])
            place += 1
        elif option == b"COUNT" and more:
            request.count = max(integer(arguments[place + 1]), 0)
            place += 1
        elif option == b"GROUP" and more >= 2:
            if not grouped:
                raise CommandError(errors.GROUP_IN_XREAD)
            request.group, request.consumer = arguments[place + 1 : place + 3]
            place += 2
        elif option == b"NOACK":
            if not grouped:
                raise CommandError(errors.NOACK_IN_XREAD)
            request.acknowledge = True
        else:
            raise CommandError(errors.SYNTAX)
        place += 1
    listed = arguments[place + 1 :]
    if len(listed) & 1:
        raise CommandError(errors.STREAMS_UNBALANCED)
    if grouped and request.group is None:
        raise CommandError(errors.GROUP_MISSING)
    half = len(listed) // 2
    request.keys, request.ids = listed[:half], listed[half:]
    return request


def _block_ms(argument: bytes) -> int:
    milliseconds = integer(argument, errors.TIMEOUT_NOT_AN_INTEGER)
    if milliseconds < 0:
        raise CommandError(errors.TIMEOUT_NEGATIVE)
    return milliseconds if milliseconds < _NEVER_MS else 0


def _as_reply(call: Call, streams: list[tuple[bytes, list[Reply]]]) -> Reply:
    return dict(streams) if call.resp3 else [list(pair) for pair in streams]


@command(
    "XREAD",
    arity=-4,
    flags="readonly blocking movablekeys",
    acl="stream",
    keys="RO,access@STREAMS:1..-1/1%2",
    group="stream",
    since="5.0.0",
    complexity=(
        "For each stream mentioned: O(N) with N being the number of elements being returned, it means that XREAD-ing "
        "with a fixed COUNT is O(1). Note that when the BLOCK option is used, XADD will pay O(M) time in order to "
        "serve the M clients blocked on the stream getting new data."
    ),
    summary="Return the entries after an id of each stream, waiting for one if need be.",
)
def xread(call: Call, *arguments: bytes) -> Reply:
    request = _parse(call, arguments, grouped=False)
    db = call.db
    after: dict[bytes, int] = {}
    wanted: list[tuple[bytes, int]] = []
    for key, argument in zip(request.keys, request.ids, strict=True):
        source = db.read_as(key, Stream)
        if argument == b"$":
            number = source.last_id if source is not None else 0
        elif argument == b">":
            raise CommandError(errors.NEW_ID_IN_XREAD)
        else:
            number = strict_id(argument)
        wanted.append((key, number))
        after.setdefault(key, number)
    found: list[tuple[bytes, list[Reply]]] = []
    for key, number in wanted:
        source = db.read_as(key, Stream)
        if source is not None and number < MAX_ID:
            entries = entry_replies(islice(source.range(number + 1, MAX_ID), request.count or None))
            if entries:
                found.append((key, entries))
    if found:
        return _as_reply(call, found)
    if request.block_ms < 0 or not call.may_block:
        return NULL_ARRAY
    count = request.count or _WAITING_COUNT

    def retry(key: bytes) -> Reply:
        grown = db.write(key)
        # What was added may be deleted again by now: an empty answer tells that, too.
        if not isinstance(grown, Stream) or grown.last_id <= after[key]:
            return STILL_BLOCKED
        entries = entry_replies(islice(grown.range(after[key] + 1, MAX_ID), count))
        return _as_reply(call, [(key, entries)])

    return call.block(tuple(after), request.block_ms, retry, NULL_ARRAY)


@command(
    "XREADGROUP",
    arity=-7,
    flags="write blocking movablekeys",
    acl="stream",
    keys="RO,access@STREAMS:4..-1/1%2",
    group="stream",
    since="5.0.0",
    complexity=(
        "For each stream mentioned: O(M) with M being the number of elements returned. If M is constant (e.g. always "
        "asking for the first 10 elements with COUNT), you can consider it O(1). On the other side when XREADGROUP "
        "blocks, XADD will pay the O(N) time in order to serve the N clients blocked on the stream getting new data."
    ),
    summary="Return entries that are new to a group, or those a consumer still owes, waiting for one if need be.",
)
def xreadgroup(call: Call, *arguments: bytes) -> Reply:
    request = _parse(call, arguments, grouped=True)
    name = request.group
    assert name is not None
    db = call.db
    wanted: list[tuple[bytes, int]] = []
    for key, argument in zip(request.keys, request.ids, strict=True):
        source = db.read_as(key, Stream)
        if source is None or name not in source.groups:
            raise CommandError(errors.no_group_to_read(key, name))
        if argument == b"$":
            raise CommandError(errors.LAST_ID_IN_GROUP)
        wanted.append((key, _NEW if argument == b">" else strict_id(argument)))
    found: list[tuple[bytes, list[Reply]]] = []
    for key, number in wanted:
        source = db.read_as(key, Stream)
        if source is None:
            continue  # its time came between the two looks
        group = source.groups[name]
        if number != _NEW:
            found.append((key, _history(call, key, source, group, request, number)))
        else:
            last = source.last_entry()
            if last is not None and last[0] > group.last_id:
                found.append((key, _deliver(call, key, source, group, request, request.count)))
    if found:
        return _as_reply(call, found)
    if request.block_ms < 0 or not call.may_block:
        return NULL_ARRAY
    count = request.count or _WAITING_COUNT

    def retry(key: bytes) -> Reply:
        grown = db.write(key)
        if not isinstance(grown, Stream):
            raise CommandError(errors.STREAM_GONE)
        group = grown.groups.get(name)
        if group is None:
            raise CommandError(errors.GROUP_GONE)
        if grown.last_id <= group.last_id:
            return STILL_BLOCKED
        return _as_reply(call, [(key, _deliver(call, key, grown, group, request, count))])

    keys = tuple(dict.fromkeys(request.keys))
    return call.block(keys, request.block_ms, retry, NULL_ARRAY, dependent=True)


def find_consumer(call: Call, key: bytes, group: ConsumerGroup, name: bytes) -> Consumer:
    """Return a consumer, adding it to the group if it is new, and note that it was seen."""
    consumer = group.consumers.get(name)
    if consumer is None:
        consumer = group.add_consumer(name, call.now_ms())
        note(call, key, "xgroup-createconsumer")
    else:
        consumer.seen_ms = call.now_ms()
    return consumer


def propagate_claim(
    call: Call, key: bytes, name: bytes, group: ConsumerGroup, entry_id: bytes, pending: Pending
) -> None:
    """Propagate the present state of the pending entry ``entry_id``, and how far the group is."""
    if call.engine.effects.listening:
        call.propagate(
            b"XCLAIM",
            key,
            name,
            pending.consumer.name,
            b"0",
            entry_id,
            b"TIME",
            b"%d" % pending.delivered_ms,
            b"RETRYCOUNT",
            b"%d" % pending.deliveries,
            b"FORCE",
            b"JUSTID",
            b"LASTID",
            format_id(group.last_id),
        )


def propagate_position(call: Call, key: bytes, name: bytes, group: ConsumerGroup) -> None:
    """Propagate how far a group is."""
    call.propagate(b"XGROUP", b"SETID", key, name, format_id(group.last_id), b"ENTRIESREAD", b"%d" % group.entries_read)


def _reader(call: Call, key: bytes, group: ConsumerGroup, request: _Request) -> Consumer:
    """Return the consumer that reads; from here on the command propagates what it says and not itself."""
    call.propagate_nothing()
    if request.acknowledge and request.consumer not in group.consumers:
        # Without NOACK the first XCLAIM creates the consumer.
        call.propagate(b"XGROUP", b"CREATECONSUMER", key, request.group or b"", request.consumer)
    return find_consumer(call, key, group, request.consumer)


def _deliver(
    call: Call, key: bytes, source: Stream, group: ConsumerGroup, request: _Request, count: int
) -> list[Reply]:
    """Give a consumer the entries that are new to its group; they are pending until it acknowledges them."""
    name = request.group or b""
    consumer = _reader(call, key, group, request)
    now_ms = call.now_ms()
    moved = False
    replies: list[Reply] = []
    for number, fields in islice(source.range(group.last_id + 1, MAX_ID), count or None):
        if source.advance(group, number):
            moved = True
        entry_id = format_id(number)
        if not request.acknowledge:
            pending = group.deliver(number, consumer, now_ms)
            propagate_claim(call, key, name, group, entry_id, pending)
        replies.append([entry_id, list(fields)])
    if moved and request.acknowledge:
        propagate_position(call, key, name, group)
    call.dirty += 1
    return replies


def _history(
    call: Call, key: bytes, source: Stream, group: ConsumerGroup, request: _Request, after: int
) -> list[Reply]:
    """Return what a consumer was given after an id and has not acknowledged; deleted entries have no fields."""
    consumer = _reader(call, key, group, request)
    now_ms = call.now_ms()
    replies: list[Reply] = []
    for number in islice(consumer.pending.irange(after + 1), request.count or None):
        fields = source.get(number)
        if fields is None:
            replies.append([format_id(number), NULL_ARRAY])
            continue
        pending = consumer.pending[number]
        pending.delivered_ms = now_ms
        pending.deliveries += 1
        replies.append([format_id(number), list(fields)])
    call.dirty += 1
    return replies
