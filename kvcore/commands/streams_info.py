"""XINFO: what a stream, its groups and their consumers look like.

What lives here: the layout of those replies. What must not: how the numbers come about
(:mod:`kvcore.datatypes.stream`). The rule: nothing here changes anything, not even when a consumer was last seen.
"""

from __future__ import annotations

from itertools import islice
from typing import Final

from kvcore import errors
from kvcore.arguments import integer
from kvcore.call import Call
from kvcore.command import command
from kvcore.commands.streams import entry_replies
from kvcore.datatypes.consumer_group import UNKNOWN, Consumer, ConsumerGroup
from kvcore.datatypes.stream import Stream
from kvcore.datatypes.stream_id import MAX_ID, format_id
from kvcore.errors import CommandError
from kvcore.helptext import container_help
from kvcore.replies import Reply

_FULL_COUNT: Final = 10

_HELP: Final = {
    "CONSUMERS": "<key> <groupname>",
    "GROUPS": "<key>",
    "STREAM": "<key> [FULL [COUNT <count>]]",
}


def _stream(call: Call, key: bytes) -> Stream:
    source = call.db.read_as(key, Stream)
    if source is None:
        raise CommandError(errors.NO_SUCH_KEY)
    return source


@command(
    "XINFO",
    arity=-2,
    flags="",
    acl="",
    keys="",
    group="stream",
    since="5.0.0",
    complexity="Depends on subcommand.",
    summary="Look inside streams.",
)
def xinfo(_call: Call, *_arguments: bytes) -> Reply:
    raise CommandError(errors.wrong_arity("xinfo"))


@command(
    "XINFO|STREAM",
    arity=-3,
    flags="readonly",
    acl="stream",
    keys="RO,access@2",
    group="stream",
    since="5.0.0",
    complexity="O(1)",
    summary="Describe a stream, with FULL its entries and groups, too.",
)
def xinfo_stream(call: Call, key: bytes, *options: bytes) -> Reply:
    source = _stream(call, key)
    count = _full_count(call, options) if options else None
    reply: dict[Reply, Reply] = {
        b"length": source.length,
        b"radix-tree-keys": len(source.nodes),
        b"radix-tree-nodes": source.radix_nodes,
        b"last-generated-id": format_id(source.last_id),
        b"max-deleted-entry-id": format_id(source.max_deleted_id),
        b"entries-added": source.entries_added,
        b"recorded-first-entry-id": format_id(source.first_id),
    }
    if count is None:
        last = source.last_entry()
        reply[b"groups"] = len(source.groups)
        reply[b"first-entry"] = next(iter(entry_replies(islice(source, 1))), None)
        reply[b"last-entry"] = None if last is None else entry_replies((last,))[0]
        return reply
    shown = count or None  # 0 shows all
    reply[b"entries"] = entry_replies(islice(source.range(0, MAX_ID), shown))
    reply[b"groups"] = [_full_group(source, name, group, shown) for name, group in source.groups_in_order()]
    return reply


def _full_count(call: Call, options: tuple[bytes, ...]) -> int:
    """Parse ``FULL [COUNT count]``."""
    known = options[0].upper() == b"FULL" and (
        len(options) == 1 or (len(options) == 3 and options[1].upper() == b"COUNT")
    )
    if not known:
        raise CommandError(errors.wrong_subcommand("XINFO", call.argv[1]))
    count = integer(options[2]) if len(options) == 3 else _FULL_COUNT
    return count if count >= 0 else _FULL_COUNT


def _full_group(source: Stream, name: bytes, group: ConsumerGroup, count: int | None) -> Reply:
    return {
        b"name": name,
        b"last-delivered-id": format_id(group.last_id),
        b"entries-read": None if group.entries_read == UNKNOWN else group.entries_read,
        b"lag": source.lag(group),
        b"pel-count": len(group.pending),
        b"pending": [
            [format_id(number), pending.consumer.name, pending.delivered_ms, pending.deliveries]
            for number, pending in islice(group.pending.items(), count)
        ],
        b"consumers": [_full_consumer(consumer, count) for consumer in group.consumers_in_order()],
    }


def _full_consumer(consumer: Consumer, count: int | None) -> Reply:
    return {
        b"name": consumer.name,
        b"seen-time": consumer.seen_ms,
        b"pel-count": len(consumer.pending),
        b"pending": [
            [format_id(number), pending.delivered_ms, pending.deliveries]
            for number, pending in islice(consumer.pending.items(), count)
        ],
    }


@command(
    "XINFO|GROUPS",
    arity=3,
    flags="readonly",
    acl="stream",
    keys="RO,access@2",
    group="stream",
    since="5.0.0",
    complexity="O(1)",
    summary="Describe the consumer groups of a stream.",
)
def xinfo_groups(call: Call, key: bytes) -> Reply:
    source = _stream(call, key)
    return [
        {
            b"name": name,
            b"consumers": len(group.consumers),
            b"pending": len(group.pending),
            b"last-delivered-id": format_id(group.last_id),
            b"entries-read": None if group.entries_read == UNKNOWN else group.entries_read,
            b"lag": source.lag(group),
        }
        for name, group in source.groups_in_order()
    ]


@command(
    "XINFO|CONSUMERS",
    arity=4,
    flags="readonly",
    acl="stream",
    keys="RO,access@2",
    group="stream",
    since="5.0.0",
    complexity="O(1)",
    summary="Describe the consumers of a group.",
    tips=("nondeterministic_output",),
)
def xinfo_consumers(call: Call, key: bytes, name: bytes) -> Reply:
    group = _stream(call, key).groups.get(name)
    if group is None:
        raise CommandError(errors.no_group_at_key(key, name))
    now_ms = call.now_ms()
    return [
        {
            b"name": consumer.name,
            b"pending": len(consumer.pending),
            b"idle": max(now_ms - consumer.seen_ms, 0),
        }
        for consumer in group.consumers_in_order()
    ]


@command(
    "XINFO|HELP",
    arity=2,
    flags="loading stale",
    acl="stream",
    keys="",
    group="stream",
    since="5.0.0",
    complexity="O(1)",
    summary="List the subcommands of XINFO.",
)
def xinfo_help(call: Call) -> Reply:
    return container_help(call.engine.originals[b"xinfo"], _HELP)
