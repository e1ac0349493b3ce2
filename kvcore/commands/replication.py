"""Replication as clients see it: PSYNC, SYNC and REPLCONF of replicas, ROLE of everybody.

What lives here: arguments and replies. What must not: streams, snapshots and links, which are a replication plug-in's,
reached through ``engine.replication``. The rule: a client that becomes a replica here hears no reply ever after.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Final

from kvcore import errors
from kvcore.arguments import integer, integer_in_range
from kvcore.call import Call
from kvcore.command import command
from kvcore.commands.clients import describe
from kvcore.errors import CommandError
from kvcore.replies import NO_REPLY, OK, Reply

logger = logging.getLogger("kvcore.replication")

_PORT_MAX: Final = 65535
_OPTIONS: Final = frozenset({"listening-port", "ip-address", "capa", "rdb-only", "rdb-filter-only"})


@command(
    "PSYNC",
    arity=-3,
    flags="admin noscript no_async_loading no_multi",
    group="server",
    since="2.8.0",
    complexity="",
    summary="Become a replica that has a stream up to an offset; `?` and -1 if it has none.",
)
def psync(call: Call, history: bytes, offset: bytes, *options: bytes) -> Reply:
    if options and options[0].lower() == b"failover":
        call.engine.replication.take_over(history)
        logger.info("MASTER MODE enabled (failover request from '%s')", _describe(call))
    return call.engine.replication.synchronise(call.session, history, integer(offset))


@command(
    "SYNC",
    arity=1,
    flags="admin noscript no_async_loading no_multi",
    group="server",
    since="1.0.0",
    complexity="",
    summary="Become a replica of the old kind, which acknowledges nothing.",
)
def sync(call: Call) -> Reply:
    return call.engine.replication.synchronise(call.session, b"?", None)


@command(
    "REPLCONF",
    arity=-1,
    flags="admin noscript loading stale allow_busy",
    group="server",
    since="3.0.0",
    complexity="O(1)",
    summary="Say what a replica can do, where it listens, and how far it is.",
)
def replconf(call: Call, *pairs: bytes) -> Reply:
    if len(pairs) % 2:
        raise CommandError(errors.SYNTAX)
    replication = call.engine.replication
    for name, value in zip(pairs[::2], pairs[1::2], strict=True):
        option = errors.text(name.lower())
        if option == "ack":
            with suppress(CommandError):  # an acknowledgement is never answered
                replication.acknowledge(call.session, integer(value))
            return NO_REPLY
        if option == "getack":
            return NO_REPLY  # a question for replicas, from their primary
        if option not in _OPTIONS:
            raise CommandError(errors.unrecognized_replconf(name))
        replication.introduce(call.session, option, value)
    return OK


def _change_role(call: Call, host: bytes, port: bytes) -> Reply:
    replication = call.engine.replication
    if (host.lower(), port.lower()) == (b"no", b"one"):
        was_replica = call.engine.is_replica
        replication.lead()
        if was_replica:
            logger.info("MASTER MODE enabled (user request from '%s')", _describe(call))
        return OK
    number = integer_in_range(port, 0, _PORT_MAX, errors.INVALID_PRIMARY_PORT)
    reply = replication.follow(errors.text(host), number)
    if reply == "OK":
        logger.info("REPLICAOF %s:%d enabled (user request from '%s')", errors.printable(host), number, _describe(call))
    return reply


def _describe(call: Call) -> str:
    return describe(call.session, call.engine.now_ms(), call.argv)


@command(
    "FAILOVER",
    arity=-1,
    flags="admin noscript stale",
    group="server",
    since="6.2.0",
    complexity="O(1)",
    summary="Change places with a replica that has everything, while nobody may write.",
)
def failover(call: Call, *options: bytes) -> Reply:
    replication = call.engine.replication
    if [option.lower() for option in options] == [b"abort"]:
        replication.abort_failover()
        return OK
    target: tuple[str, int] | None = None
    timeout_ms = -1
    forced = False
    words = list(options)
    while words:
        word = words.pop(0).lower()
        if word == b"timeout" and words and timeout_ms < 0:
            timeout_ms = integer(words.pop(0))
            if timeout_ms <= 0:
                raise CommandError(errors.FAILOVER_TIMEOUT)
        elif word == b"to" and len(words) > 1 and target is None:
            host = errors.text(words.pop(0))
            target = host, integer(words.pop(0))
        elif word == b"force" and not forced:
            forced = True
        else:
            raise CommandError(errors.SYNTAX)
    replication.begin_failover(target, forced=forced, timeout_ms=max(0, timeout_ms))
    return OK


@command(
    "REPLICAOF",
    arity=3,
    flags="admin noscript stale no_async_loading",
    group="server",
    since="5.0.0",
    complexity="O(1)",
    summary="Follow another server and its data set, or with NO ONE go on alone.",
)
def replicaof(call: Call, host: bytes, port: bytes) -> Reply:
    return _change_role(call, host, port)


@command(
    "SLAVEOF",
    arity=3,
    flags="admin noscript stale no_async_loading",
    group="server",
    since="1.0.0",
    complexity="O(1)",
    summary="Do what REPLICAOF does.",
)
def slaveof(call: Call, host: bytes, port: bytes) -> Reply:
    return _change_role(call, host, port)


@command(
    "ROLE",
    arity=1,
    flags="noscript loading stale fast",
    acl="admin dangerous",
    group="server",
    since="2.8.12",
    complexity="O(1)",
    summary="Return the part this server has in replication.",
)
def role(call: Call) -> Reply:
    return call.engine.replication.role()
