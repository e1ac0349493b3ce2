"""Saving the data set: SAVE, BGSAVE, BGREWRITEAOF, LASTSAVE.

What lives here: arguments and replies. What must not: files, and when saving happens by itself; both are a storage
plug-in's, reached through ``engine.persistence``. SHUTDOWN saves, too, and is in :mod:`kvcore.commands.server`.
"""

from __future__ import annotations

from kvcore import errors
from kvcore.call import Call
from kvcore.command import command
from kvcore.errors import CommandError
from kvcore.replies import OK, Reply


@command(
    "SAVE",
    arity=1,
    flags="admin noscript no_async_loading no_multi",
    group="server",
    since="1.0.0",
    complexity="O(N) where N is the total number of keys in all databases",
    summary="Save the data set now; everybody else waits.",
)
def save(call: Call) -> Reply:
    call.engine.persistence.save()
    return OK


@command(
    "BGSAVE",
    arity=-1,
    flags="admin noscript no_async_loading",
    group="server",
    since="1.0.0",
    complexity="O(1)",
    summary="Begin to save the data set as it is now, while commands go on.",
)
def bgsave(call: Call, *options: bytes) -> Reply:
    if len(options) > 1 or (options and options[0].upper() != b"SCHEDULE"):
        raise CommandError(errors.SYNTAX)
    return call.engine.persistence.save_in_background(bool(options))


@command(
    "BGREWRITEAOF",
    arity=1,
    flags="admin noscript no_async_loading",
    group="server",
    since="1.0.0",
    complexity="O(1)",
    summary="Begin to write a new base of the append-only file, while commands go on.",
)
def bgrewriteaof(call: Call) -> Reply:
    return call.engine.persistence.rewrite()


@command(
    "LASTSAVE",
    arity=1,
    flags="loading stale fast",
    acl="admin dangerous",
    group="server",
    since="1.0.0",
    complexity="O(1)",
    summary="Return when the data set was last saved, in seconds since the Unix epoch.",
    tips=("nondeterministic_output",),
)
def lastsave(call: Call) -> Reply:
    return call.engine.persistence.last_save_s
