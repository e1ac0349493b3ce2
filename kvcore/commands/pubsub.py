"""Publish and subscribe: SUBSCRIBE, PSUBSCRIBE, SSUBSCRIBE, their opposites, PUBLISH, SPUBLISH, PUBSUB.

What lives here: arguments, confirmations, counts. What must not: delivery and subscriber mode, which are
:mod:`kvcore.pubsub`. The rule: subscribing and unsubscribing answer with one message a channel in the session's outbox
and have no reply besides, in RESP2 and RESP3 alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kvcore import errors
from kvcore.call import Call
from kvcore.command import command
from kvcore.errors import CommandError
from kvcore.glob import match
from kvcore.helptext import container_help
from kvcore.pubsub import Index
from kvcore.replies import NO_REPLY, Push, Reply

if TYPE_CHECKING:
    from kvcore.session import Session

_HELP: Final = {
    "CHANNELS": "[<pattern>]",
    "NUMSUB": "[<channel> ...]",
    "SHARDCHANNELS": "[<pattern>]",
    "SHARDNUMSUB": "[<shardchannel> ...]",
}

# Subscribing


@command(
    "SUBSCRIBE",
    arity=-2,
    flags="pubsub noscript loading stale",
    group="pubsub",
    since="2.0.0",
    complexity="O(N) where N is the number of channels to subscribe to.",
    summary="Listen to channels.",
)
def subscribe(call: Call, *channels: bytes) -> Reply:
    session, hub = call.session, call.engine.pubsub
    for channel in channels:
        hub.subscribe(session, channel)
        session.outbox.append(Push([b"subscribe", channel, session.subscriptions]))
    return NO_REPLY


@command(
    "PSUBSCRIBE",
    arity=-2,
    flags="pubsub noscript loading stale",
    group="pubsub",
    since="2.0.0",
    complexity="O(N) where N is the number of patterns the client is already subscribed to.",
    summary="Listen to all channels whose names match patterns.",
)
def psubscribe(call: Call, *patterns: bytes) -> Reply:
    session, hub = call.session, call.engine.pubsub
    for pattern in patterns:
        hub.psubscribe(session, pattern)
        session.outbox.append(Push([b"psubscribe", pattern, session.subscriptions]))
    return NO_REPLY


@command(
    "SSUBSCRIBE",
    arity=-2,
    flags="pubsub noscript loading stale",
    keys="not_key@1..-1/1",
    group="pubsub",
    since="7.0.0",
    complexity="O(N) where N is the number of shard channels to subscribe to.",
    summary="Listen to shard channels.",
)
def ssubscribe(call: Call, *channels: bytes) -> Reply:
    if not call.may_block:
        raise CommandError(errors.SSUBSCRIBE_DENIED)  # in MULTI, where SUBSCRIBE is allowed
    session, hub = call.session, call.engine.pubsub
    for channel in channels:
        hub.ssubscribe(session, channel)
        session.outbox.append(Push([b"ssubscribe", channel, len(session.shard_channels)]))
    return NO_REPLY


@command(
    "UNSUBSCRIBE",
    arity=-1,
    flags="pubsub noscript loading stale",
    group="pubsub",
    since="2.0.0",
    complexity="O(N) where N is the number of clients already subscribed to a channel.",
    summary="Stop listening to channels, to all of them if none is given.",
)
def unsubscribe(call: Call, *channels: bytes) -> Reply:
    session = call.session
    names = channels or tuple(session.channels)
    return _leave(session, b"unsubscribe", names, call.engine.pubsub.unsubscribe)


@command(
    "PUNSUBSCRIBE",
    arity=-1,
    flags="pubsub noscript loading stale",
    group="pubsub",
    since="2.0.0",
    complexity=(
        "O(N+M) where N is the number of patterns the client is already subscribed and M is the "
        "number of total patterns subscribed in the system (by any client)."
    ),
    summary="Stop listening to patterns, to all of them if none is given.",
)
def punsubscribe(call: Call, *patterns: bytes) -> Reply:
    session = call.session
    names = patterns or tuple(session.patterns)
    return _leave(session, b"punsubscribe", names, call.engine.pubsub.punsubscribe)


def _leave(session: Session, kind: bytes, names: tuple[bytes, ...], leave: Callable[[Session, bytes], None]) -> Reply:
    for name in names:
        leave(session, name)
        session.outbox.append(Push([kind, name, session.subscriptions]))
    if not names:
        session.outbox.append(Push([kind, None, session.subscriptions]))
    return NO_REPLY


@command(
    "SUNSUBSCRIBE",
    arity=-1,
    flags="pubsub noscript loading stale",
    keys="not_key@1..-1/1",
    group="pubsub",
    since="7.0.0",
    complexity="O(N) where N is the number of clients already subscribed to a shard channel.",
    summary="Stop listening to shard channels, to all of them if none is given.",
)
def sunsubscribe(call: Call, *channels: bytes) -> Reply:
    session, hub = call.session, call.engine.pubsub
    names = channels or tuple(session.shard_channels)
    for channel in names:
        hub.sunsubscribe(session, channel)
        session.outbox.append(Push([b"sunsubscribe", channel, len(session.shard_channels)]))
    if not names:
        session.outbox.append(Push([b"sunsubscribe", None, 0]))
    return NO_REPLY


# Publishing


@command(
    "PUBLISH",
    arity=3,
    flags="pubsub loading stale fast may_replicate",
    group="pubsub",
    since="2.0.0",
    complexity=(
        "O(N+M) where N is the number of clients subscribed to the receiving channel and M is the "
        "total number of subscribed patterns (by any client)."
    ),
    summary="Send a message to the listeners of a channel.",
)
def publish(call: Call, channel: bytes, message: bytes) -> Reply:

    receivers = call.engine.pubsub.publish(channel, message)
    _replicate(call)
    return receivers


@command(
    "SPUBLISH",
    arity=3,
    flags="pubsub loading stale fast may_replicate",
    keys="not_key@1",
    group="pubsub",
    since="7.0.0",
    complexity="O(N) where N is the number of clients subscribed to the receiving shard channel.",
    summary="Send a message to the listeners of a shard channel.",
)
def spublish(call: Call, channel: bytes, message: bytes) -> Reply:
    receivers = call.engine.pubsub.spublish(channel, message)
    _replicate(call)
    return receivers


def _replicate(call: Call) -> None:
    """Pass a message on although nothing changed: clients of a replica listen, too. A log of writes leaves it out."""
    effects = call.engine.effects
    if effects.listening:
        effects.add(call.db, call.argv)
        call.engine.pending = True


# Looking


@command(
    "PUBSUB",
    arity=-2,
    group="pubsub",
    since="2.8.0",
    complexity="Depends on subcommand.",
    summary="Look at subscriptions.",
)
def pubsub(_call: Call, *_arguments: bytes) -> Reply:
    raise AssertionError("a container has no handler of its own")


@command(
    "PUBSUB|CHANNELS",
    arity=-2,
    flags="pubsub loading stale",
    group="pubsub",
    since="2.8.0",
    complexity=(
        "O(N) where N is the number of active channels, and assuming constant time pattern matching "
        "(relatively short channels and patterns)"
    ),
    summary="List the channels that somebody listens to.",
)
def pubsub_channels(call: Call, *pattern: bytes) -> Reply:
    return _names(call, tuple(call.engine.pubsub.channels), pattern)


@command(
    "PUBSUB|SHARDCHANNELS",
    arity=-2,
    flags="pubsub loading stale",
    group="pubsub",
    since="7.0.0",
    complexity=(
        "O(N) where N is the number of active shard channels, and assuming constant time pattern "
        "matching (relatively short shard channels)."
    ),
    summary="List the shard channels that somebody listens to.",
)
def pubsub_shardchannels(call: Call, *pattern: bytes) -> Reply:
    return _names(call, tuple(call.engine.pubsub.shard_channels), pattern)


def _names(call: Call, names: tuple[bytes, ...], pattern: tuple[bytes, ...]) -> Reply:
    if len(pattern) > 1:
        raise CommandError(errors.wrong_subcommand("PUBSUB", call.argv[1]))
    return [name for name in names if match(pattern[0], name)] if pattern else list(names)


@command(
    "PUBSUB|NUMSUB",
    arity=-2,
    flags="pubsub loading stale",
    group="pubsub",
    since="2.8.0",
    complexity="O(N) for the NUMSUB subcommand, where N is the number of requested channels",
    summary="Count the listeners of channels, those of patterns left out.",
)
def pubsub_numsub(call: Call, *channels: bytes) -> Reply:
    return _counts(call.engine.pubsub.channels, channels)


@command(
    "PUBSUB|SHARDNUMSUB",
    arity=-2,
    flags="pubsub loading stale",
    group="pubsub",
    since="7.0.0",
    complexity="O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels",
    summary="Count the listeners of shard channels.",
)
def pubsub_shardnumsub(call: Call, *channels: bytes) -> Reply:
    return _counts(call.engine.pubsub.shard_channels, channels)


def _counts(index: Index, channels: tuple[bytes, ...]) -> Reply:
    counts: list[Reply] = []
    for channel in channels:
        counts += [channel, len(index.get(channel, ()))]
    return counts


@command(
    "PUBSUB|NUMPAT",
    arity=2,
    flags="pubsub loading stale",
    group="pubsub",
    since="2.8.0",
    complexity="O(1)",
    summary="Count the different patterns that somebody listens to.",
)
def pubsub_numpat(call: Call) -> Reply:
    return len(call.engine.pubsub.patterns)


@command(
    "PUBSUB|HELP",
    arity=2,
    flags="loading stale",
    group="pubsub",
    since="6.2.0",
    complexity="O(1)",
    summary="List the subcommands.",
)
def pubsub_help(call: Call) -> Reply:
    return container_help(call.engine.originals[b"pubsub"], _HELP)
