"""Small commands about the server as a whole: TIME, ROLE, MONITOR, SHUTDOWN ...

Lives here: what needs no file of its own. Must not live here: INFO, SLOWLOG, DEBUG and CONFIG (one file each), and the
stopping itself: SHUTDOWN asks the front end through ``engine.request_shutdown``.
"""

from __future__ import annotations

from typing import Final

from kvcore import errors
from kvcore.arguments import integer
from kvcore.call import Call
from kvcore.command import command
from kvcore.errors import CommandError
from kvcore.replies import NO_REPLY, OK, Reply, Verbatim
from kvcore.session import OBSERVER
from kvcore.version import REDIS_VERSION


@command(
    "TIME",
    arity=1,
    flags="loading stale fast",
    group="server",
    since="2.6.0",
    complexity="O(1)",
    summary="Return the server's time: seconds since the Unix epoch, and microseconds.",
    tips=("nondeterministic_output",),
)
def time(call: Call) -> Reply:
    seconds, microseconds = divmod(call.engine.clock.now_us(), 1_000_000)
    return [b"%d" % seconds, b"%d" % microseconds]


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
    # As the real server, a data set that was never saved counts as saved when the server started.
    return call.engine.started_ms // 1000


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
def role(_call: Call) -> Reply:
    return [b"master", 0, []]


@command(
    "LOLWUT",
    arity=-1,
    flags="readonly fast",
    group="server",
    since="5.0.0",
    complexity="",
    summary="Return the version; the pictures are left to the original.",
)
def lolwut(_call: Call, *arguments: bytes) -> Reply:
    if len(arguments) > 1 and arguments[0].upper() == b"VERSION":
        integer(arguments[1])
    return Verbatim(f"Redis ver. {REDIS_VERSION}\n".encode())


_SHUTDOWN_OPTIONS: Final = frozenset({b"SAVE", b"NOSAVE", b"NOW", b"FORCE", b"ABORT"})


@command(
    "SHUTDOWN",
    arity=-1,
    flags="admin noscript loading stale no_multi allow_busy",
    group="server",
    since="1.0.0",
    complexity=(
        "O(N) when saving, where N is the total number of keys in all databases when saving data, otherwise O(1)"
    ),
    summary="Stop the server, saving the data set first if it is to be saved.",
)
def shutdown(call: Call, *options: bytes) -> Reply:
    chosen = {option.upper() for option in options}
    if not chosen <= _SHUTDOWN_OPTIONS:
        raise CommandError(errors.SYNTAX)
    if (b"ABORT" in chosen and len(chosen) > 1) or (b"SAVE" in chosen and b"NOSAVE" in chosen):
        raise CommandError(errors.SYNTAX)
    if b"ABORT" in chosen:
        raise CommandError(errors.NO_SHUTDOWN)
    if not call.engine.request_shutdown():
        raise CommandError(errors.SHUTDOWN_FAILED)
    return NO_REPLY


@command(
    "MONITOR",
    arity=1,
    flags="admin noscript loading stale",
    group="server",
    since="1.0.0",
    complexity="",
    summary="Show this client every command that runs, as it runs.",
)
def monitor(call: Call) -> Reply:
    if not call.may_block:
        raise CommandError(errors.MONITOR_DENIED)
    session = call.session
    if session.monitor or session.kind == "replica":
        return NO_REPLY
    session.monitor = True
    session.gate |= OBSERVER
    call.engine.monitors[session] = None
    return OK
