"""Commands on consumer groups: groups and consumers, acknowledging, claiming, looking at what is pending.

What lives here: everything about groups but reading through one (:mod:`kvcore.commands.streams_reading`) and XINFO
(:mod:`kvcore.commands.streams_info`). What must not: the lists of pending entries themselves
(:mod:`kvcore.datatypes.consumer_group`). The rule: a claim depends on the clock, so what is propagated is the
outcome, one XCLAIM an entry that leaves nothing to decide; and changes of a group break no WATCH on its stream.
"""

from __future__ import annotations

from itertools import islice
from typing import Final

from kvcore import errors
from kvcore.arguments import integer, integer_in_range
from kvcore.call import Call
from kvcore.command import command
from kvcore.commands.streams import any_id, note, range_end, range_start, strict_id
from kvcore.commands.streams_reading import find_consumer, propagate_claim, propagate_position
from kvcore.datatypes.consumer_group import UNKNOWN, Consumer, ConsumerGroup, Pending
from kvcore.datatypes.numbers import INT_MAX
from kvcore.datatypes.stream import Stream
from kvcore.datatypes.stream_id import format_id, parse_id
from kvcore.errors import CommandError, WrongTypeError
from kvcore.helptext import container_help
from kvcore.keyspace import Value
from kvcore.replies import NULL_ARRAY, OK, Reply

_AUTOCLAIM_COUNT: Final = 100
_AUTOCLAIM_LOOKS: Final = 10
"""Pending entries that XAUTOCLAIM looks at for each it may claim."""

_HELP: Final = {
    "CREATE": "<key> <groupname> <id|$> [MKSTREAM] [ENTRIESREAD <count>]",
    "CREATECONSUMER": "<key> <groupname> <consumer>",
    "DELCONSUMER": "<key> <groupname> <consumer>",
    "DESTROY": "<key> <groupname>",
    "SETID": "<key> <groupname> <id|$> [ENTRIESREAD <count>]",
}


# Groups and consumers


def _existing(call: Call, key: bytes) -> Stream:
    target = call.db.write_as(key, Stream)
    if target is None:
        raise CommandError(errors.XGROUP_WITHOUT_KEY)
    return target


def _group_at(call: Call, key: bytes, name: bytes) -> ConsumerGroup:
    group = _existing(call, key).groups.get(name)
    if group is None:
        raise CommandError(errors.no_group_at_key(key, name))
    return group


def _group_options(call: Call, options: tuple[bytes, ...], creating: bool) -> tuple[bool, int]:
    """Parse ``[MKSTREAM] [ENTRIESREAD count]``; return whether MKSTREAM was there, and the count."""
    make = False
    entries_read = UNKNOWN
    words = iter(options)
    for word in words:
        option = word.upper()
        if option == b"MKSTREAM" and creating:
            make = True
            continue
        value = next(words, None)
        if option != b"ENTRIESREAD" or value is None:
            raise CommandError(errors.wrong_subcommand("XGROUP", call.argv[1]))
        entries_read = integer(value)
        if entries_read < UNKNOWN:
            raise CommandError(errors.ENTRIES_READ_NEGATIVE)
    return make, entries_read


@command(
    "XGROUP",
    arity=-2,
    flags="",
    acl="",
    keys="",
    group="stream",
    since="5.0.0",
    complexity="Depends on subcommand.",
    summary="Create, change and destroy consumer groups.",
)
def xgroup(_call: Call, *_arguments: bytes) -> Reply:
    raise CommandError(errors.wrong_arity("xgroup"))


@command(
    "XGROUP|CREATE",
    arity=-5,
    flags="write denyoom",
    acl="stream",
    keys="RW,insert@2",
    group="stream",
    since="5.0.0",
    complexity="O(1)",
    summary="Create a consumer group that begins after an id.",
)
def xgroup_create(call: Call, key: bytes, name: bytes, after: bytes, *options: bytes) -> Reply:
    make, entries_read = _group_options(call, options, creating=True)
    db = call.db
    target = db.write_as(key, Stream)
    if target is None and not make:
        raise CommandError(errors.XGROUP_WITHOUT_KEY)
    if len(options) > 3:
        raise CommandError(errors.wrong_subcommand("XGROUP", call.argv[1]))
    last_id = -1 if after == b"$" else strict_id(after)
    if target is None:
        target = Stream()
        db.store(key, target)
        db.touch(key)
    if name in target.groups:
        raise CommandError(errors.BUSY_GROUP)
    target.groups[name] = ConsumerGroup(target.last_id if last_id < 0 else last_id, entries_read)
    note(call, key, "xgroup-create")
    return OK


@command(
    "XGROUP|SETID",
    arity=-5,
    flags="write",
    acl="stream",
    keys="RW,update@2",
    group="stream",
    since="5.0.0",
    complexity="O(1)",
    summary="Let a group continue after another id.",
)
def xgroup_setid(call: Call, key: bytes, name: bytes, after: bytes, *options: bytes) -> Reply:
    _, entries_read = _group_options(call, options, creating=False)
    group = _group_at(call, key, name)
    if len(options) > 2:
        raise CommandError(errors.wrong_subcommand("XGROUP", call.argv[1]))
    group.last_id = _existing(call, key).last_id if after == b"$" else any_id(after)
    group.entries_read = entries_read
    note(call, key, "xgroup-setid")
    return OK


@command(
    "XGROUP|DESTROY",
    arity=4,
    flags="write",
    acl="stream",
    keys="RW,delete@2",
    group="stream",
    since="5.0.0",
    complexity="O(N) where N is the number of entries in the group's pending entries list (PEL).",
    summary="Destroy a group, its consumers and what they owe.",
)
def xgroup_destroy(call: Call, key: bytes, name: bytes) -> Reply:
    if _existing(call, key).groups.pop(name, None) is None:
        return 0
    note(call, key, "xgroup-destroy")
    call.db.ready(key)  # who waits for entries of the group must learn that none will come
    return 1


@command(
    "XGROUP|CREATECONSUMER",
    arity=5,
    flags="write denyoom",
    acl="stream",
    keys="RW,insert@2",
    group="stream",
    since="6.2.0",
    complexity="O(1)",
    summary="Add a consumer to a group.",
)
def xgroup_createconsumer(call: Call, key: bytes, name: bytes, consumer: bytes) -> Reply:
    group = _group_at(call, key, name)
    if consumer in group.consumers:
        return 0
    find_consumer(call, key, group, consumer)
    return 1


@command(
    "XGROUP|DELCONSUMER",
    arity=5,
    flags="write",
    acl="stream",
    keys="RW,delete@2",
    group="stream",
    since="5.0.0",
    complexity="O(1)",
    summary="Remove a consumer, and count the entries it owed.",
)
def xgroup_delconsumer(call: Call, key: bytes, name: bytes, consumer: bytes) -> Reply:
    owed = _group_at(call, key, name).remove_consumer(consumer)
    if owed is None:
        return 0
    note(call, key, "xgroup-delconsumer")
    return owed


@command(
    "XGROUP|HELP",
    arity=2,
    flags="loading stale",
    acl="stream",
    keys="",
    group="stream",
    since="5.0.0",
    complexity="O(1)",
    summary="List the subcommands of XGROUP.",
)
def xgroup_help(call: Call) -> Reply:
    return container_help(call.engine.originals[b"xgroup"], _HELP)


# Acknowledging and claiming


@command(
    "XACK",
    arity=-4,
    flags="write fast",
    acl="stream",
    keys="RW,update@1",
    group="stream",
    since="5.0.0",
    complexity="O(1) for each message ID processed.",
    summary="Acknowledge entries, and count those that were pending.",
)
def xack(call: Call, key: bytes, name: bytes, *ids: bytes) -> Reply:
    source = call.db.read_as(key, Stream)
    group = source.groups.get(name) if source is not None else None
    if group is None:
        return 0
    acknowledged = sum(map(group.acknowledge, [strict_id(argument) for argument in ids]))
    call.dirty += acknowledged
    return acknowledged


def _claimable(source: Value | None, key: bytes, name: bytes) -> tuple[Stream, ConsumerGroup]:
    if source is not None and type(source) is not Stream:
        raise WrongTypeError
    group = source.groups.get(name) if source is not None else None
    if source is None or group is None:
        raise CommandError(errors.no_group(key, name))
    return source, group


class _Claim:
    """The options of XCLAIM."""

    __slots__ = ("deliveries", "force", "idle_ms", "just_id", "last_id", "time_ms")

    def __init__(self, arguments: tuple[bytes, ...]) -> None:
        self.deliveries = -1
        self.idle_ms: int | None = None
        self.time_ms: int | None = None
        self.force = False
        self.just_id = False
        self.last_id = 0
        words = iter(arguments)
        for word in words:
            option = word.upper()
            if option == b"FORCE":
                self.force = True
            elif option == b"JUSTID":
                self.just_id = True
            else:
                self._take(option, word, next(words, None))

    def _take(self, option: bytes, word: bytes, value: bytes | None) -> None:
        if value is None or option not in (b"IDLE", b"TIME", b"RETRYCOUNT", b"LASTID"):
            raise CommandError(errors.xclaim_option(word))
        if option == b"LASTID":
            self.last_id = strict_id(value)
            return
        number = integer(value, errors.invalid_claim_number(f"{option.decode()} option", "XCLAIM"))
        if option == b"RETRYCOUNT":
            self.deliveries = number
        elif option == b"TIME":
            self.time_ms, self.idle_ms = number, None
        else:
            self.time_ms, self.idle_ms = None, number

    def delivered_ms(self, now_ms: int) -> int:
        """Return the delivery time to set; a nonsensical one becomes the present."""
        time_ms = self.time_ms
        if self.idle_ms is not None:
            time_ms = now_ms - self.idle_ms
        return time_ms if time_ms is not None and 0 <= time_ms <= now_ms else now_ms


@command(
    "XCLAIM",
    arity=-6,
    flags="write fast",
    acl="stream",
    keys="RW,update@1",
    group="stream",
    since="5.0.0",
    complexity="O(log N) with N being the number of messages in the PEL of the consumer group.",
    summary="Take over pending entries from other consumers.",
    tips=("nondeterministic_output",),
)
def xclaim(call: Call, key: bytes, name: bytes, consumer: bytes, min_idle: bytes, *arguments: bytes) -> Reply:
    source, group = _claimable(call.db.read(key), key, name)
    idle_ms = integer(min_idle, errors.invalid_claim_number("min-idle-time", "XCLAIM"))
    ids: list[tuple[int, bytes]] = []
    for argument in arguments:
        number = parse_id(argument)
        if number is None:
            break
        ids.append((number, argument))
    options = _Claim(arguments[len(ids) :])
    moved = options.last_id > group.last_id
    if moved:
        group.last_id = options.last_id
    claim = _Claiming(call, key, name, source, group, consumer, idle_ms)
    delivered_ms = options.delivered_ms(claim.now_ms)
    replies: list[Reply] = []
    for number, entry_id in ids:
        if number not in source:
            if claim.forget(number, entry_id):
                moved = False
            continue
        pending = group.pending.get(number)
        if pending is None:
            if not options.force:
                continue
            pending = group.deliver(number, claim.owner(), claim.now_ms)
        elif claim.too_fresh(pending):
            continue
        deliveries = options.deliveries
        if deliveries < 0:
            deliveries = pending.deliveries + (not options.just_id)
        replies.append(claim.take(number, entry_id, pending, delivered_ms, deliveries, options.just_id))
        moved = False
    if moved:
        call.dirty += 1
        propagate_position(call, key, name, group)
    return replies


class _Claiming:
    """What XCLAIM and XAUTOCLAIM do with each entry."""

    __slots__ = ("_call", "_consumer", "_group", "_key", "_min_idle_ms", "_name", "_owner", "_source", "now_ms")

    def __init__(
        self,
        call: Call,
        key: bytes,
        name: bytes,
        source: Stream,
        group: ConsumerGroup,
        consumer: bytes,
        min_idle_ms: int,
    ) -> None:
        self._call = call
        self._key = key
        self._name = name
        self._source = source
        self._group = group
        self._consumer = consumer
        self._owner: Consumer | None = None
        self._min_idle_ms = min_idle_ms
        self.now_ms = call.now_ms()

    def owner(self) -> Consumer:
        """Return the claiming consumer; it comes to be with the first entry it gets."""
        if self._owner is None:
            self._owner = find_consumer(self._call, self._key, self._group, self._consumer)
        return self._owner

    def too_fresh(self, pending: Pending) -> bool:
        """Say whether an entry was delivered too recently to be claimed."""
        return self._min_idle_ms > 0 and self.now_ms - pending.delivered_ms < self._min_idle_ms

    def take(
        self, number: int, entry_id: bytes, pending: Pending, delivered_ms: int, deliveries: int, just_id: bool
    ) -> Reply:
        """Give an entry to the claiming consumer and return it, or its id. ``entry_id`` is what is propagated."""
        self._group.reassign(number, pending, self.owner())
        pending.delivered_ms = delivered_ms
        pending.deliveries = deliveries
        self._call.dirty += 1
        propagate_claim(self._call, self._key, self._name, self._group, entry_id, pending)
        identity = format_id(number)
        return identity if just_id else [identity, list(self._source.get(number) or ())]

    def forget(self, number: int, entry_id: bytes) -> bool:
        """Stop waiting for an entry that was deleted from the stream; return whether it was pending."""
        pending = self._group.pending.get(number)
        if pending is None:
            return False
        # The claim of an entry that is gone removes it elsewhere, as it did here.
        propagate_claim(self._call, self._key, self._name, self._group, entry_id, pending)
        self._call.dirty += 1
        return self._group.acknowledge(number)


@command(
    "XAUTOCLAIM",
    arity=-6,
    flags="write fast",
    acl="stream",
    keys="RW,delete@1",
    group="stream",
    since="6.2.0",
    complexity="O(1) if COUNT is small.",
    summary="Take over the pending entries that were delivered long enough ago.",
    tips=("nondeterministic_output",),
)
def xautoclaim(
    call: Call, key: bytes, name: bytes, consumer: bytes, min_idle: bytes, start: bytes, *options: bytes
) -> Reply:
    held = call.db.read(key)  # looked up before the arguments are
    idle_ms = integer(min_idle, errors.invalid_claim_number("min-idle-time", "XAUTOCLAIM"))
    first = range_start(start)
    count = _AUTOCLAIM_COUNT
    just_id = False
    words = iter(options)
    for word in words:
        option = word.upper()
        if option == b"JUSTID":
            just_id = True
            continue
        value = next(words, None)
        if option != b"COUNT" or value is None:
            raise CommandError(errors.SYNTAX)
        count = integer_in_range(value, 1, INT_MAX >> 4, errors.GEO_COUNT_NOT_POSITIVE)
    source, group = _claimable(held, key, name)
    claim = _Claiming(call, key, name, source, group, consumer, idle_ms)
    looked = list(islice(group.pending.irange(first), min(count * _AUTOCLAIM_LOOKS, len(group.pending)) + 1))
    cursor = 0
    claimed: list[Reply] = []
    gone: list[Reply] = []
    for place, number in enumerate(looked):
        if len(claimed) + len(gone) == count or place == count * _AUTOCLAIM_LOOKS:
            cursor = number
            break
        entry_id = format_id(number)
        if number not in source:
            claim.forget(number, entry_id)
            gone.append(entry_id)
            continue
        pending = group.pending[number]
        if not claim.too_fresh(pending):
            deliveries = pending.deliveries + (not just_id)
            claimed.append(claim.take(number, entry_id, pending, claim.now_ms, deliveries, just_id))
    return [format_id(cursor), claimed, gone]


# Looking


@command(
    "XPENDING",
    arity=-3,
    flags="readonly",
    acl="stream",
    keys="RO,access@1",
    group="stream",
    since="5.0.0",
    complexity=(
        "O(N) with N being the number of elements returned, so asking for a small fixed number of entries per call is "
        "O(1). O(M), where M is the total number of entries scanned when used with the IDLE filter. When the command "
        "returns just the summary and the list of consumers is small, it runs in O(1) time; otherwise, an additional "
        "O(N) time for iterating every consumer."
    ),
    summary="Show which entries are pending, and with whom.",
    tips=("nondeterministic_output",),
)
def xpending(call: Call, key: bytes, name: bytes, *arguments: bytes) -> Reply:
    if not arguments:
        return _pending_summary(_claimable(call.db.read(key), key, name)[1])
    idle_ms = 0
    if not 3 <= len(arguments) <= 6:
        raise CommandError(errors.SYNTAX)
    if arguments[0].upper() == b"IDLE":
        idle_ms = integer(arguments[1])
        arguments = arguments[2:]
        if len(arguments) < 3:
            raise CommandError(errors.SYNTAX)
    count = max(integer(arguments[2]), 0)
    low, high = range_start(arguments[0]), range_end(arguments[1])
    _, group = _claimable(call.db.read(key), key, name)
    pel = group.pending
    if len(arguments) > 3:
        consumer = group.consumers.get(arguments[3])
        if consumer is None:
            return []
        pel = consumer.pending
    now_ms = call.now_ms()
    replies: list[Reply] = []
    for number in pel.irange(low, high) if low <= high else ():
        if len(replies) == count:
            break
        pending = pel[number]
        elapsed_ms = now_ms - pending.delivered_ms
        if not idle_ms or elapsed_ms >= idle_ms:
            replies.append([format_id(number), pending.consumer.name, max(elapsed_ms, 0), pending.deliveries])
    return replies


def _pending_summary(group: ConsumerGroup) -> Reply:
    if not len(group.pending):
        return [0, None, None, NULL_ARRAY]
    return [
        len(group.pending),
        format_id(group.pending.peekitem(0)[0]),
        format_id(group.pending.peekitem(-1)[0]),
        [
            [consumer.name, b"%d" % len(consumer.pending)]
            for consumer in group.consumers_in_order()
            if len(consumer.pending)
        ],
    ]
