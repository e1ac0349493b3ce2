"""SLOWLOG: read and clear the log of slow commands.

Lives here: the commands. Must not live here: the log (:mod:`kvcore.slowlog`) and the measuring (the dispatcher).
"""

from __future__ import annotations

from typing import Final

from kvcore import errors
from kvcore.arguments import integer
from kvcore.call import Call
from kvcore.command import command
from kvcore.errors import CommandError
from kvcore.helptext import container_help
from kvcore.replies import OK, Reply

_DEFAULT_COUNT: Final = 10


@command(
    "SLOWLOG",
    arity=-2,
    group="server",
    since="2.2.12",
    complexity="Depends on subcommand.",
    summary="Look at the commands that took long.",
)
def slowlog(_call: Call, *_arguments: bytes) -> Reply:
    raise AssertionError("a container has no handler of its own")


@command(
    "SLOWLOG|GET",
    arity=-2,
    flags="admin loading stale",
    group="server",
    since="2.2.12",
    complexity="O(N) where N is the number of entries returned",
    summary="Return the newest slow commands: id, time, microseconds, arguments, client, client name.",
    tips=("request_policy:all_nodes", "nondeterministic_output"),
)
def slowlog_get(call: Call, *count: bytes) -> Reply:
    if len(count) > 1:
        raise CommandError(errors.wrong_subcommand("SLOWLOG", call.argv[1]))
    wanted = _DEFAULT_COUNT
    if count:
        wanted = integer(count[0], errors.SLOWLOG_COUNT)
        if wanted < -1:
            raise CommandError(errors.SLOWLOG_COUNT)
    return [
        [entry.id, entry.time_s, entry.duration_us, entry.argv, entry.address, entry.client_name]
        for entry in call.engine.slowlog.newest(wanted)
    ]


@command(
    "SLOWLOG|LEN",
    arity=2,
    flags="admin loading stale",
    group="server",
    since="2.2.12",
    complexity="O(1)",
    summary="Return how many entries the slow log holds.",
    tips=("request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"),
)
def slowlog_len(call: Call) -> Reply:
    return len(call.engine.slowlog)


@command(
    "SLOWLOG|RESET",
    arity=2,
    flags="admin loading stale",
    group="server",
    since="2.2.12",
    complexity="O(N) where N is the number of entries in the slowlog",
    summary="Empty the slow log.",
    tips=("request_policy:all_nodes", "response_policy:all_succeeded"),
)
def slowlog_reset(call: Call) -> Reply:
    call.engine.slowlog.clear()
    return OK


@command(
    "SLOWLOG|HELP",
    arity=2,
    flags="loading stale",
    group="server",
    since="6.2.0",
    complexity="O(1)",
    summary="List the subcommands.",
)
def slowlog_help(call: Call) -> Reply:
    return container_help(call.engine.originals[b"slowlog"], {"GET": "[<count>]"})
