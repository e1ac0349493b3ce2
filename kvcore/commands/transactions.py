"""Transactions: MULTI, EXEC, DISCARD, WATCH, UNWATCH.

What lives here: the state of one client's transaction. What must not: queueing itself, which is a gate of
:mod:`kvcore.dispatch`, and noticing changes, which :meth:`kvcore.keyspace.Database.touch` does. The rule: whatever ends
a transaction goes through :func:`abandon`, so that queue, gate and watched keys always end together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvcore import errors
from kvcore.call import Call
from kvcore.command import PUBSUB, SKIP_MONITOR, command
from kvcore.errors import CommandError
from kvcore.replies import NO_REPLY, NULL_ARRAY, OK, Reply, Transaction
from kvcore.session import IN_MULTI, RESTRICTED, Watch

if TYPE_CHECKING:
    from kvcore.session import Session


@command(
    "MULTI",
    arity=1,
    flags="noscript loading stale fast allow_busy",
    acl="transaction",
    group="transactions",
    since="1.2.0",
    complexity="O(1)",
    summary="Start queueing commands for EXEC.",
)
def multi(call: Call) -> Reply:
    session = call.session
    if session.gate & IN_MULTI:
        raise CommandError(errors.NESTED_MULTI)
    session.multi = []
    session.multi_bits = 0
    session.multi_common = -1
    session.multi_dirty = False
    session.gate |= IN_MULTI
    return OK


@command(
    "DISCARD",
    arity=1,
    flags="noscript loading stale fast allow_busy",
    acl="transaction",
    group="transactions",
    since="2.0.0",
    complexity="O(N), when N is the number of queued commands",
    summary="Drop the queued commands and forget the watched keys.",
)
def discard(call: Call) -> Reply:
    if not call.session.gate & IN_MULTI:
        raise CommandError(errors.DISCARD_WITHOUT_MULTI)
    abandon(call.session)
    return OK


def abandon(session: Session) -> None:
    """End a session's transaction, if there is one, and forget its watched keys. O(watched keys)."""
    session.multi = None
    session.multi_bits = 0
    session.multi_common = -1
    session.multi_dirty = False
    session.gate &= ~IN_MULTI
    session.engine.unwatch(session)


@command(
    "WATCH",
    arity=-2,
    flags="noscript loading stale fast allow_busy",
    acl="transaction",
    keys="RO@1..-1/1",
    group="transactions",
    since="2.2.0",
    complexity="O(1) for every key.",
    summary="Let the next EXEC run only if the given keys stay as they are.",
)
def watch(call: Call, *keys: bytes) -> Reply:
    session, db = call.session, call.db
    if session.gate & IN_MULTI:
        raise CommandError(errors.WATCH_IN_MULTI)
    for key in keys:
        if (db.index, key) not in session.watched:
            session.watched[db.index, key] = Watch(db, key, db.is_due(key))
            db.watchers.setdefault(key, {})[session] = None
            db.observed = True
    return OK


@command(
    "UNWATCH",
    arity=1,
    flags="noscript loading stale fast allow_busy",
    acl="transaction",
    group="transactions",
    since="2.2.0",
    complexity="O(1)",
    summary="Forget the watched keys.",
)
def unwatch(call: Call) -> Reply:
    call.engine.unwatch(call.session)
    return OK


def _watched_key_expired(session: Session) -> bool:
    """Whether a watched key ran out of time since WATCH, deleted or not."""
    return any(not watch.expired and watch.database.is_due(watch.key) for watch in session.watched.values())


@command(
    "EXEC",
    arity=1,
    flags="noscript loading stale skip_slowlog",
    acl="transaction",
    group="transactions",
    since="1.2.0",
    complexity="Depends on commands in the transaction",
    summary="Run the queued commands as one.",
)
def exec_(call: Call) -> Reply:
    session = call.session
    queue = session.multi
    if queue is None:
        raise CommandError(errors.EXEC_WITHOUT_MULTI)
    refused = session.multi_dirty
    bits = session.multi_bits
    changed = session.watched_changed or _watched_key_expired(session)
    abandon(session)
    if refused:
        raise CommandError(errors.EXEC_ABORT)
    if changed:
        return NULL_ARRAY
    if bits & SKIP_MONITOR:  # only commands that run scripts show themselves to MONITOR
        return call.engine.scripts.enter(call, lambda: _run_all(call, session, queue, bits))
    return _run_all(call, session, queue, bits)


def _run_all(call: Call, session: Session, queue: list[list[bytes]], bits: int) -> Reply:
    argv, record = call.argv, call.command
    call.may_block = False
    try:
        return _run(session, queue, bits)
    finally:
        call.may_block = True
        call.argv, call.command = argv, record


def _run(session: Session, queue: list[list[bytes]], bits: int) -> Reply:
    """Run the queue; the reply is one array of as many replies as it has commands."""
    execute = session.engine.execute_nested
    replies = Transaction()
    ran = 0 if bits & PUBSUB else session.engine.run_queue(session, queue, replies)
    for argv in queue[ran:]:
        if session.gate & RESTRICTED:
            refusal = session.engine.acl.refuse_queued(session, session.engine.resolve(argv), argv)
            if refusal is not None:
                replies.append(refusal)
                continue
        before = len(session.outbox)
        reply = execute(session, argv)
        if reply is NO_REPLY:
            # SUBSCRIBE and its kin answer with one message a channel: they take the places of replies.
            replies += session.outbox[before:]
            del session.outbox[before:]
        else:
            replies.append(reply)
    if len(replies) <= len(queue):
        return replies
    # As in the real server the array counts commands: what is beyond its end follows as replies of their own.
    session.outbox += [replies[: len(queue)], *replies[len(queue) :]]
    return NO_REPLY
